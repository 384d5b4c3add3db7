"""Refusals of answers in which a header or a change is missing, or two proposals may be meant."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch.proposers.base import Brief
from autoresearch.proposers.reading.headers import Group
from autoresearch.proposers.reading.parts import Parts
from autoresearch.proposers.reading.wholes import LEAST, partial, share
from autoresearch.records.proposals import Rejection
from autoresearch.records.text import safe_line

_LIKE_A_MARK = re.compile(
    r".{0,20}(?:<|&lt;|-){3,}[^\w]*(?:SEARCH|ORIGINAL)\b.{0,20}", re.IGNORECASE
)
_JSON = re.compile(
    r'"(?:search|replace|edits?|old|new|code|content|changes?|diff|patch)\w*"\s*:', re.I
)
_IN_JSON = "the change is written as JSON, where code is not read: write it as a block"
_EXAMPLE = """\
hypothesis: one sentence: what changes, and why it should help
category: optimizer
predicted_delta: {predicted}
risk: one sentence: what may go wrong

{entry}
<<<<<<< SEARCH
lines as they are in the file
=======
the lines that take their place
>>>>>>> REPLACE
"""


@dataclass(frozen=True)
class NoChange(Rejection):
    """The answer has words and no change."""


def headless(parts: Parts) -> Rejection:
    """Return the refusal of an answer without a header; it also says if there is no change."""
    detail = _example(parts.brief)
    if parts.headers:
        return Rejection(
            "the line `hypothesis: ...` only repeats the form: say what you change and why", detail
        )
    if not parts.edits and not parts.wholes:
        if any(_JSON.search(line) for line in parts.lines):
            return Rejection(_IN_JSON, detail)
        return NoChange(
            "the line `hypothesis: ...` is missing, and so is a change: there are only words",
            detail,
        )
    return Rejection("the line `hypothesis: ...` is missing above the change", detail)


def changeless(parts: Parts, real: Sequence[Group]) -> Rejection:
    """Return the refusal of an answer whose last header has no change."""
    detail = _example(parts.brief)
    if len(real) > 1 and (parts.edits or parts.wholes):
        return two(real[-2:], "no change below the last one", parts.brief)
    below = [each for each in parts.fences if each.start >= real[-1].start]
    if any(not each.closed for each in below):
        return Rejection(
            "the closing fence of the file is missing, so the answer was cut off: give the file "
            "to its end, or only the edits"
        )
    if below and (why := partial(parts.lines, below, parts.brief)):
        return Rejection(why, detail)
    if why := _misshapen(parts, real[-1]):
        return Rejection(why, detail)
    return NoChange(
        "SEARCH/REPLACE blocks are missing: there are a header and words, so nothing would change",
        detail,
    )


def _misshapen(parts: Parts, group: Group) -> str:
    """Return what is wrong with a change in a form that is not read; "" where there is none."""
    lines = parts.lines[group.stop :]
    if mark := next((line for line in lines if _LIKE_A_MARK.fullmatch(line)), None):
        return (
            f"the line `{safe_line(mark.strip(), 40)}` is no mark: a block begins with a line "
            "<<<<<<< SEARCH, and nothing else on it"
        )
    if any(_JSON.search(line) for line in (parts.lines[group.start], *lines)):
        return _IN_JSON
    if any(share(text.splitlines(), lines) >= LEAST for text in parts.brief.files.values() if text):
        return (
            "the file stands in no fence, so where it ends cannot be known: put a line ``` above "
            "and below it, or give SEARCH/REPLACE blocks"
        )
    return ""


def two(both: Sequence[Group], why: str, brief: Brief) -> Rejection:
    """Return the refusal of an answer with two proposals, and why either may be meant."""
    words = " and ".join(f"`{safe_line(each.header.hypothesis, 60)}`" for each in both)
    return Rejection(
        f"there are two proposals, {words}, and {why}: give exactly one header, and its change "
        "below it",
        _example(brief),
    )


def _example(brief: Brief) -> str:
    return _EXAMPLE.format(entry=brief.entry, predicted=brief.example_delta)
