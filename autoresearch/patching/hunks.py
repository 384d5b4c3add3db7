"""Diffs in a text, each hunk as an edit: unified ones, git's, aider's and apply_patch's.

The lines that a hunk keeps and removes are searched for; the lines that it keeps and adds replace
them. Line numbers are not read: models count badly, and lines that are found once need none.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from autoresearch.patching.edits import Edit, EditReading
from autoresearch.patching.lines import unindented
from autoresearch.patching.naming import path_in

_AT = re.compile(r"@@(?:\s.*)?")
_OLD = re.compile(r"--- \S.*")
_NEW = re.compile(r"\+\+\+ \S.*")
_COUNTS = re.compile(r"@@ -\d{1,9}(?:,(\d{1,9}))? ")
_BEGIN, _END = (re.compile(rf"\*\*\* {word} Patch\s*") for word in ("Begin", "End"))
_OTHER = re.compile(r"(?:diff --git |index [0-9a-f]+\.\.|\*\*\* (?:Begin|End) )\S.*")
_SECTION = re.compile(r"\*\*\* (?P<what>Update|Add|Delete) File: *(?P<path>\S.*?)\s*")
_FENCE = re.compile(r"[ \t]*(?:`{3,}|~{3,})(?P<info>[\w-]*).*")
_DIFF_FENCES = frozenset({"diff", "udiff", "patch"})
_CUT = "it seems to be cut off: give it to its end, and put the whole diff between ``` lines"
_NOWHERE = "/dev/null"
_NO_LINE_END = "\\ No newline"


@dataclass
class _Reader:
    """Goes through the lines once; `path` is the file of the hunks that are read now."""

    lines: Sequence[str]
    taken: Collection[int]
    known: Collection[str]
    path: str | None = None
    fenced: bool = False
    count: int = 0

    def hunk(self, at: int) -> Edit | None:
        """Return the hunk that begins at a line: at its `@@`, or at its first own line."""
        start = at + 1 if _AT.fullmatch(self.lines[at]) else at
        stop = start
        while stop < len(self.lines) and self._inside(stop):
            stop += 1
        while stop > start and not self.lines[stop - 1].strip():
            stop -= 1
        body = self.lines[start:stop]
        if not any(line.startswith(("+", "-")) for line in body):
            return None
        self.count += 1
        label = f"hunk {self.count} of the diff"
        fault = "" if self.fenced or not self._is_cut(at, body, stop) else _CUT
        return Edit(at, stop, _readings(body), self.path, label, fault, is_marked=False)

    def _is_cut(self, at: int, body: Sequence[str], end: int) -> bool:
        """Return whether a hunk outside of fences is cut off at the end of the text."""
        if any(_BEGIN.fullmatch(line) for line in self.lines[:at]):
            return not any(_END.fullmatch(line) for line in self.lines[end:])
        counts = _COUNTS.match(self.lines[at])
        if any(line.strip() for line in self.lines[end:]):
            return False
        size = len(body) - sum(line.startswith("+") for line in body)
        return body[-1].startswith("-") or (counts is not None and size < int(counts[1] or 1))

    def _inside(self, at: int) -> bool:
        line = self.lines[at]
        if at in self.taken or _FENCE.fullmatch(line) or heads(self.lines, at):
            return False
        if line.startswith((" ", "+", "-", _NO_LINE_END)) or not line.strip():
            return True
        return self.fenced and not line.startswith("*** ")


def find_hunks(
    lines: Sequence[str], known: Collection[str], taken: Collection[int] = ()
) -> list[Edit]:
    """Return the hunks of all diffs in these lines, in order.

    Args:
        lines: of an answer, without their ends.
        known: the project's paths.
        taken: the numbers of lines that are part of something else.
    """
    lines = _moved(lines)
    reader, hunks, place = _Reader(lines, taken, known), list[Edit](), 0
    bare = False  # within a fence that is marked as a diff, before any line of its form
    while place < len(lines):
        line = lines[place]
        if place in taken:
            place += 1
            continue
        if fence := _FENCE.fullmatch(line):
            reader.fenced = bool(fence["info"]) or not reader.fenced
            bare = fence["info"].lower() in _DIFF_FENCES
            place += 1
            continue
        signed = _header(reader, place)
        starts = bool(_AT.fullmatch(line)) or ((bare or _after_header(lines, place)) and not signed)
        hunk = reader.hunk(place) if starts else None
        bare = bare and hunk is None
        if hunk is not None:
            hunks.append(hunk)
        place = hunk.stop if hunk is not None else place + 1
    return hunks


def _moved(lines: Sequence[str]) -> list[str]:
    """Return the lines; those of a diff in an indented fence are moved left by its indentation."""
    moved, marks = list(lines), [at for at, line in enumerate(lines) if _FENCE.fullmatch(line)]
    for start, stop in pairwise(marks):
        fence = _FENCE.fullmatch(lines[start])
        lead = lines[start][: len(lines[start]) - len(lines[start].lstrip())]
        if fence and fence["info"].lower() in _DIFF_FENCES:
            moved[start + 1 : stop] = unindented(lines[start + 1 : stop], lead)
    return moved


def heads(lines: Sequence[str], at: int) -> bool:
    """Return whether a line is one of a diff that names files or begins a hunk."""
    line, after = lines[at], lines[at + 1] if at + 1 < len(lines) else ""
    before = lines[at - 1] if at else ""
    if _AT.fullmatch(line) or _OTHER.fullmatch(line) or _SECTION.fullmatch(line):
        return True
    paired = _OLD.fullmatch(line) and _NEW.fullmatch(after)
    return bool(paired or (_NEW.fullmatch(line) and _OLD.fullmatch(before)))


def _header(reader: _Reader, at: int) -> bool:
    """Note which file a header names; return whether the line is one."""
    line = reader.lines[at]
    if not heads(reader.lines, at) or _AT.fullmatch(line):
        return False
    if section := _SECTION.fullmatch(line):
        made = section["path"] if section["what"] == "Add" else None
        reader.path = path_in(section["path"], reader.known) or made
    elif _OLD.fullmatch(line):
        reader.path = path_in(line[4:], reader.known)
    elif _NEW.fullmatch(line):
        made = _name(line) if _name(reader.lines[at - 1]) == _NOWHERE else reader.path
        reader.path = path_in(line[4:], reader.known) or made
    return True


def _name(header: str) -> str:
    return header[4:].partition("\t")[0].strip().removeprefix("b/")


def _after_header(lines: Sequence[str], at: int) -> bool:
    """Return whether a line of a hunk follows directly on one that names its file."""
    before = lines[at - 1] if at else ""
    named = _SECTION.fullmatch(before) or (_NEW.fullmatch(before) and heads(lines, at - 1))
    return bool(named) and lines[at].startswith((" ", "+", "-"))


def _readings(body: Sequence[str]) -> tuple[EditReading, ...]:
    """Return the ways to read a hunk: its lines, or those without a space after each mark."""
    kept = [line for line in body if not line.startswith(_NO_LINE_END)]
    search = [_bare(line) for line in kept if not line.startswith("+")]
    replace = [_bare(line) for line in kept if not line.startswith("-")]
    readings = [EditReading(tuple(search), tuple(replace))]
    if all(not line.strip() or line.startswith(" ") for line in (*search, *replace)):
        moved = [tuple(line[1:] for line in side) for side in (search, replace)]
        readings.append(EditReading(moved[0], moved[1]))
    return tuple(readings)


def _bare(line: str) -> str:
    return line[1:] if line.startswith((" ", "+", "-")) else line
