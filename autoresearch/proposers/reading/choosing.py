"""Which parts of an answer are its one proposal, and what is told where there is none, or two."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch import patching
from autoresearch.patching import Found
from autoresearch.proposers.base import Brief
from autoresearch.proposers.reading.enclosures import thoughts
from autoresearch.proposers.reading.headers import Group, field_name
from autoresearch.proposers.reading.parts import Parts, known_files, lines_of
from autoresearch.proposers.reading.wholes import LEAST, Whole, partial, share
from autoresearch.records.text import safe_line
from autoresearch.records.values import Rejection

_MARK = re.compile(r"[ \t>]*[<>]{5,}")
_WORDS = re.compile(r"[^\W\d_]+")
# Words before a change that may mean: this one, not the one above it.
_DOUBT = re.compile(
    r"\W*(?:no\b|or\b(?! else)|wait\b|hmm|actually\b|instead\b|better\b|rather\b|alternativ|"
    r"scrap\b|never ?mind|on (?:second|reflection)|second thought|"
    r"(?:option|version|variant|attempt|draft|try|candidate|idea|proposal)\W*(?:\d|[a-c]\b|final))",
    re.IGNORECASE,
)
_LIKE_A_MARK = re.compile(
    r".{0,20}(?:<|&lt;|-){3,}[^\w]*(?:SEARCH|ORIGINAL)\b.{0,20}", re.IGNORECASE
)
_JSON = re.compile(
    r'"(?:search|replace|edits?|old|new|code|content|changes?|diff|patch)\w*"\s*:', re.I
)
EXAMPLE = """\
hypothesis: one sentence: what changes, and why it should help
category: optimizer
predicted_delta: -0.004
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


@dataclass(frozen=True)
class Taken:
    """One proposal's parts of an answer."""

    group: Group | None
    edits: Sequence[Found] = ()
    wholes: Sequence[Whole] = ()

    @property
    def starts(self) -> list[int]:
        """Return the lines on which its changes begin."""
        return sorted([each.start for each in self.edits] + [each.start for each in self.wholes])

    @property
    def stop(self) -> int:
        """Return the line after all of it."""
        return max([each.stop for each in self.edits] + [each.stop for each in self.wholes])


def choose(parts: Parts, brief: Brief) -> Taken | Rejection:
    """Return the last header with the changes that belong to it: those below it.

    What stands above is thoughts: the form asks for the header first. Where nothing is below the
    only header, what stands above it belongs to it.
    """
    real = [each for each in parts.headers if not each.is_form]
    if not real:
        return _headless(parts, brief)
    end = _end(parts, real[-1].start)
    last = max((start for start in _starts(parts) if start < end), default=-1)
    while len(real) > 1 and last < real[-1].start and real[-1].said == real[-2].said:
        real.pop()  # said once more below its change
    taken = _below(parts, real[-1])
    if not taken.starts and len(real) == 1 and len(parts.headers) == 1:
        taken = Taken(real[0], parts.edits, parts.wholes)
        if _scattered(parts, taken):
            return Rejection(
                "the header stands below several edits with words between them, so which of them "
                "are meant cannot be known: give the header first, then all edits and nothing else"
            )
    if not taken.starts:
        return _changeless(parts, real, brief)
    fault = fault_in(parts, taken, brief) or _disputed(parts, taken, real[:-1], brief)
    return fault or taken


def fault_in(parts: Parts, taken: Taken, brief: Brief) -> Rejection | None:
    """Return why what was chosen may not be what its author means, None where it is."""
    return _enclosed(parts, taken, brief) or _cut(parts, taken, brief) or _doubted(parts, taken)


def _disputed(
    parts: Parts, taken: Taken, before: Sequence[Group], brief: Brief
) -> Rejection | None:
    """Say that there are two whole proposals and words after the last, which may choose the first.

    One in thoughts that have ended is a draft.
    """
    if not before:
        return None
    drafts = thoughts(parts.lines, known_files(brief), parts.code)
    stops = [*(each.start for each in before[1:]), taken.group.start if taken.group else 0]
    whole = (
        group
        for group, stop in zip(before, stops, strict=True)
        if any(group.start <= start < stop for start in _starts(parts))
        and not any(each.start <= group.stop - 1 < each.stop for each in drafts)
    )
    rest = range(taken.stop, _end(parts, taken.stop))
    said = " ".join(parts.lines[at] for at in rest if at not in parts.code)
    first = next(whole, None)
    if first is None or len(_WORDS.findall(said)) < 3:
        return None
    return _two([first, *([taken.group] if taken.group else [])], "words after the last one", brief)


def _doubted(parts: Parts, taken: Taken) -> Rejection | None:
    """Say that words below a change, and above the rest, may take it back."""
    starts, code = taken.starts, parts.code
    last = max(starts[-1], taken.group.start if taken.group else 0)
    between = (at for at in range(starts[0], last) if at not in code)
    line = next((parts.lines[at] for at in between if _DOUBT.match(parts.lines[at])), None)
    if line is None:
        return None
    return Rejection(
        f"`{safe_line(line.strip(), 60)}` stands below a change, so whether that is still meant "
        "cannot be known: give the header, and below it only the changes that shall be made"
    )


def _two(both: Sequence[Group], why: str, brief: Brief) -> Rejection:
    words = " and ".join(f"`{safe_line(each.said.hypothesis, 60)}`" for each in both)
    return Rejection(
        f"there are two proposals, {words}, and {why}: give exactly one header, and its change "
        "below it",
        EXAMPLE.format(entry=brief.entry),
    )


def _starts(parts: Parts) -> list[int]:
    return [*(each.start for each in parts.edits), *(each.start for each in parts.wholes)]


def _below(parts: Parts, group: Group) -> Taken:
    end = _end(parts, group.start)
    edits = [each for each in parts.edits if group.start <= each.start < end]
    wholes = [each for each in parts.wholes if group.start <= each.stop <= end]
    return Taken(group, edits, wholes)


def _end(parts: Parts, begin: int) -> int:
    """Return where an answer ends that begins at a line: before the form, if that is repeated."""
    forms = (each.start for each in parts.headers if each.is_form and each.start > begin)
    return min(forms, default=len(parts.lines))


def _scattered(parts: Parts, taken: Taken) -> bool:
    """Return whether there are words between the edits, beyond the name of a file."""
    between = range(taken.starts[0], taken.stop) if taken.starts else ()
    own = lines_of(taken.edits)
    prose = (parts.lines[at] for at in between if at not in own and at not in parts.code)
    return any(len(_WORDS.findall(line)) > 3 for line in prose)


def _headless(parts: Parts, brief: Brief) -> Rejection:
    detail = EXAMPLE.format(entry=brief.entry)
    if parts.headers:
        return Rejection(
            "the line `hypothesis: ...` only repeats the form: say what you change and why", detail
        )
    if not parts.edits and not parts.wholes:
        return NoChange(
            "the line `hypothesis: ...` is missing, and so is a change: there are only words",
            detail,
        )
    return Rejection("the line `hypothesis: ...` is missing above the change", detail)


def _changeless(parts: Parts, real: Sequence[Group], brief: Brief) -> Rejection:
    """Say why the last header has no change."""
    detail = EXAMPLE.format(entry=brief.entry)
    if len(real) > 1 and (parts.edits or parts.wholes):
        return _two(real[-2:], "no change below the last one", brief)
    below = [each for each in parts.fences if each.start >= real[-1].start]
    if any(not each.closed for each in below):
        return Rejection(
            "the closing fence of the file is missing, so the answer was cut off: give the file "
            "to its end, or only the edits"
        )
    if below and (why := partial(parts.lines, below, brief)):
        return Rejection(why, detail)
    if why := _misshapen(parts, real[-1], brief):
        return Rejection(why, detail)
    return NoChange(
        "SEARCH/REPLACE blocks are missing: there are a header and words, so nothing would change",
        detail,
    )


def _misshapen(parts: Parts, group: Group, brief: Brief) -> str:
    """Return what is wrong with a change that is there, but in no form that is read; or nothing."""
    lines = parts.lines[group.stop :]
    if mark := next((line for line in lines if _LIKE_A_MARK.fullmatch(line)), None):
        return (
            f"the line `{safe_line(mark.strip(), 40)}` is no mark: a block begins with a line "
            "<<<<<<< SEARCH, and nothing else on it"
        )
    if any(_JSON.search(line) for line in (parts.lines[group.start], *lines)):
        return "the change is written as JSON, where code is not read: write it as a block"
    if any(share(text.splitlines(), lines) >= LEAST for text in brief.files.values() if text):
        return (
            "the file stands in no fence, so where it ends cannot be known: put a line ``` above "
            "and below it, or give SEARCH/REPLACE blocks"
        )
    return ""


def _enclosed(parts: Parts, taken: Taken, brief: Brief) -> Rejection | None:
    """Say where a header or a change stands in something that is not named like an answer."""
    places = [*taken.starts, *([taken.group.stop - 1] if taken.group else [])]
    for each in thoughts(parts.lines, known_files(brief), parts.code):
        place = next((place for place in places if each.start <= place < each.stop), None)
        if place is not None:
            return Rejection(
                f"line {place + 1} of the answer stands inside <{safe_line(each.name, 40)}>, as "
                "thoughts do, so it is no final word: after your thoughts have ended, give the "
                "header and the change once, outside of all tags"
            )
    return None


def _cut(parts: Parts, taken: Taken, brief: Brief) -> Rejection | None:
    """Say how an answer breaks off after its last change, if it does."""
    begin = taken.group.start if taken.group else 0
    end = _end(parts, begin)
    rest = [at for at in range(begin, end) if at not in parts.code]
    if mark := next((parts.lines[at] for at in rest if _MARK.match(parts.lines[at])), None):
        return Rejection(f"the line `{safe_line(mark.strip(), 40)}` is no whole mark of a block")
    unclosed = (each for each in parts.fences if each.start >= begin and not each.closed)
    open_ended = [each for each in unclosed if any(map(str.strip, parts.lines[each.start + 1 :]))]
    if open_ended and not any(
        each.edit.is_marked and each.start > open_ended[0].start for each in taken.edits
    ):
        return Rejection("a fence at the end is not closed, so the answer was cut off")
    last = next((at for at in reversed(rest) if parts.lines[at].strip()), 0)
    line = parts.lines[last].strip().strip("*_` ")
    named = patching.heading_path(line, known_files(brief)) is not None
    announced = line.endswith((":", "\uff1a")) and not field_name(line[:-1])
    if end == len(parts.lines) and last >= taken.stop and (announced or named):
        return Rejection(
            f"the answer ends with `{safe_line(line, 60)}` and nothing below it, so a part is "
            "missing: give the whole answer, or leave that line out"
        )
    return None
