"""A strategy's prose in clauses, each with whether it forbids what it names. Pure.

Nothing here understands English. It tells "edit prepare.py" from "do not edit prepare.py", also
where the "do not" stands in the heading or in the line that opens a list, and that is enough for
a warning.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"^ {0,3}(```|~~~).*?^ {0,3}\1[^\n]*$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+(.*)")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+(.*)")
_ENDS = re.compile(r"(?<=[.!?])\s+|;\s+|\s+(?:but|however|instead|unless)\b[,\s]*", re.IGNORECASE)
# What reads like a "no" and is none.
_ENCOURAGING = re.compile(
    r"\b(?:do not|don't|never|no need to)\s+(?:hesitate|be (?:afraid|shy)|worry|forget|fail)\b"
    r"|\bnot only\b|\bno matter\b",
    re.IGNORECASE,
)
_FORBIDS = re.compile(
    r"\b(?:no|not|never|nor|neither|cannot|can't|don't|doesn't|mustn't|shouldn't|won't|isn't|"
    r"aren't|without|avoid\w*|forbid\w*|prohibit\w*|refrain|off[- ]limits|out of bounds|"
    r"disallowed|(?:is|are|stays?|remains?|be) (?:fixed|frozen)|read[- ]only|untouched|unchanged|"
    r"nothing|nobody|useless|disqualif\w+)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Clause:
    """A piece of a sentence in one line; `forbids`: it, its list or its heading says "do not"."""

    text: str
    forbids: bool


def clauses(text: str) -> Iterator[Clause]:
    """Yield the clauses of a Markdown text in order; fenced blocks and comments are left out."""
    heading = opening = False
    for paragraph in _paragraphs(text):
        if told := _HEADING.fullmatch(paragraph):
            heading, opening = _forbidding(told[1]), False
            continue
        item = _ITEM.fullmatch(paragraph)
        inherited = heading or (opening and item is not None)
        for piece in _ENDS.split(item[1] if item else paragraph):
            yield Clause(piece, inherited or _forbidding(piece))
        if item is None:
            opening = paragraph.rstrip("*_ ").endswith(":") and _forbidding(paragraph)


def _paragraphs(text: str) -> Iterator[str]:
    """Yield headings, list items and paragraphs, each in one line."""
    lines: list[str] = []
    for line in (*_bare(text).splitlines(), ""):
        fresh = not line.strip() or _HEADING.fullmatch(line) or _ITEM.fullmatch(line)
        if lines and (fresh or _HEADING.fullmatch(lines[0])):
            yield " ".join(" ".join(lines).split())
            lines = []
        if line.strip():
            lines.append(line)


def _bare(text: str) -> str:
    return _COMMENT.sub("", _FENCE.sub("", text.replace("\u2019", "'")))


def _forbidding(text: str) -> bool:
    return bool(_FORBIDS.search(_ENCOURAGING.sub("", text)))
