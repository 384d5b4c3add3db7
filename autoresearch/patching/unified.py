"""Reads unified diffs as they are found: what they change in each file."""

import ast
import re
from dataclasses import dataclass, replace

from autoresearch.records.proposals import Rejection
from autoresearch.records.text import safe_line

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_EXTENDED = re.compile(r"(rename|copy) (from|to) (.+)|index ([0-9a-f]{4,})\.\.|.*\bmode (\d{6})$")
_BINARY = re.compile(r"GIT binary patch|Binary files .* differ")
# What may follow a hunk's last line at once; anything else there means that the hunk goes on.
_AFTER = re.compile(r"[`~]{3}|diff |Index: |From |Only in |Property changes|commit |@@|\*{3} ")
_SPACES = 60  # in the two names of git's line
_BLANKS = 10  # lines that may be lost at a text's end
_CONTEXT = 3  # lines that stand around a change by default
_PREFIX = re.compile(r"[a-z0-9]/")  # a/ b/ i/ w/ c/ o/ 1/ 2/: what git puts before a path
_NOWHERE = "/dev/null"
CUT = "a hunk has fewer lines than its head counts: it may be cut off"
_NAMELESS = "its hunks name no file: lines such as --- a/train.py and +++ b/train.py are missing"


@dataclass(frozen=True)
class Line:
    """One line of a hunk. `mark` is " ", "-" or "+"; `open`: the file ends with it, unended."""

    mark: str
    text: str
    open: bool = False


@dataclass(frozen=True)
class Hunk:
    """Lines that replace others; `at` is the first old line, counted from 0, None if not stated.

    `short`: its head counts more lines than there were, so blank ones were added at its end.
    """

    lines: tuple[Line, ...]
    at: int | None = None
    short: bool = False

    @property
    def old(self) -> list[str]:
        """The lines that the file must have."""
        return [line.text for line in self.lines if line.mark != "+"]

    @property
    def new(self) -> list[str]:
        """The lines that it has instead."""
        return [line.text for line in self.lines if line.mark != "-"]


@dataclass(frozen=True)
class FileDiff:
    """What a diff changes in one file; the names are as they are written, without quotes.

    `moved` is "rename", "copy" or ""; `blob` the beginning of the old content's hash, and `mode`
    the new file mode, where git wrote them.
    """

    old: str = ""
    new: str = ""
    hunks: tuple[Hunk, ...] = ()
    created: bool = False
    removed: bool = False
    moved: str = ""
    blob: str = ""
    mode: str = ""
    binary: bool = False

    @property
    def prefixed(self) -> bool:
        """Whether the names' first folder is a prefix such as git's a/ and b/."""
        if self.old == self.new:
            return bool(_PREFIX.match(self.new))
        return self.old.partition("/")[2] == self.new.partition("/")[2] != ""


def read_diff(text: str) -> tuple[FileDiff, ...] | Rejection:
    """Return what a text's unified diffs change in each file, in order; empty where it has none.

    Text around them is ignored. Wrong counts in the heads of hunks are forgiven, unless the text
    ends so that it may have been cut off.
    """
    return _Reader(text).read()


class _Reader:
    """Goes through a diff's lines once; `_unnamed`: of the last file only git's line was read."""

    def __init__(self, text: str) -> None:
        self._whole = text.endswith("\n")
        self._lines = text.removesuffix("\n").split("\n")
        self._at = 0
        self._found: list[FileDiff] = []
        self._hunks: list[Hunk] = []
        self._unnamed = False

    def read(self) -> tuple[FileDiff, ...] | Rejection:
        """See `read_diff`."""
        while self._at < len(self._lines):
            line = self._lines[self._at].rstrip("\r")
            if line.startswith("@@") and not line.startswith("@@@"):
                hunk = self._hunk() if self._found else Rejection(_NAMELESS)
                if isinstance(hunk, Rejection):
                    return hunk
                self._hunks.append(hunk)
                continue
            if line.startswith("diff --git "):
                self._begin(_pair(line), unnamed=True)
            elif self._heads(self._at):
                if not self._unnamed:
                    self._begin(FileDiff())
                self._unnamed = False
                self._found[-1] = _named(self._found[-1], line, self._lines[self._at + 1])
                self._at += 1
            elif self._found and not self._hunks:
                self._found[-1] = _extended(self._found[-1], line)
            self._at += 1
        self._end()
        return tuple(self._found)

    def _begin(self, file: FileDiff, *, unnamed: bool = False) -> None:
        self._end()
        self._found.append(file)
        self._unnamed = unnamed

    def _end(self) -> None:
        if self._found:
            self._found[-1] = replace(self._found[-1], hunks=tuple(self._hunks))
        self._hunks = []

    def _heads(self, at: int) -> bool:
        """Return whether a line and the next one name a file."""
        pair = self._lines[at : at + 2]
        return len(pair) == 2 and pair[0].startswith("--- ") and pair[1].startswith("+++ ")

    def _signs(self, at: int) -> bool:
        """Return whether a mail's signature begins at a line."""
        following = self._lines[at + 1 : at + 2]
        return self._lines[at].rstrip() == "--" and not "".join(following).startswith(
            ("+", "-", " ")
        )

    def _hunk(self) -> Hunk | Rejection:
        """Return the hunk that begins here, and move behind it."""
        head = _HUNK.match(self._lines[self._at])
        first, old, new = (int(each or 1) for each in head.groups()) if head else (0, 0, 0)
        at = (max(first - 1, 0) if old else first) if head else None
        begin = self._at + 1
        hunk: Hunk | Rejection | None = self._counted(begin, old, new, at) if head else None
        if hunk is None or self._goes_on():
            self._at = begin
            hunk = self._uncounted(old, new, at)
        if not self._whole and self._at == len(self._lines) and self._lines[-1].startswith("+"):
            return Rejection("it ends within an added line: if that is all, end it with a line end")
        return hunk

    def _counted(self, at: int, old: int, new: int, first: int | None) -> Hunk | None:
        """Return the hunk with the lines that its head counts, and move behind it; else None."""
        lines: list[Line] = []
        while old or new or "".join(self._lines[at : at + 1]).startswith("\\"):
            line = _line(self._lines[at]) if at < len(self._lines) else None
            old -= line is not None and line.mark in " -"
            new -= line is not None and line.mark in " +"
            if line is None or min(old, new) < 0:
                return None
            _add(lines, line)
            at += 1
        self._at = at
        while lines and lines[-1].mark == " " and lines[-1].text in ("", "\r"):
            lines.pop()  # a context line that lost its space, or a blank line that was counted
        return Hunk(tuple(lines), first)

    def _goes_on(self) -> bool:
        """Return whether a hunk seems to have more lines than its head counts."""
        if self._at >= len(self._lines) or self._heads(self._at) or self._signs(self._at):
            return False
        return self._lines[self._at].startswith(("+", "-"))

    def _uncounted(self, old: int, new: int, at: int | None) -> Hunk | Rejection:
        """Return a hunk with all lines from here that may be its own, and move behind it.

        `old` and `new` are what its head counts, 0 where it does not.
        """
        lines: list[Line] = []
        while self._at < len(self._lines) and not (self._heads(self._at) or self._signs(self._at)):
            line = _line(self._lines[self._at])
            if line is None:
                break
            _add(lines, line)
            self._at += 1
        every = len(lines)
        while lines and lines[-1].mark == " " and not lines[-1].text.strip():
            lines.pop()  # more likely the space before what follows
        if fault := self._odd():
            return fault
        hunk = Hunk(tuple(lines), at)
        return self._short(hunk, old - len(hunk.old), new - len(hunk.new), every - len(lines))

    def _odd(self) -> Rejection | None:
        """Return what is wrong with the line that ended a hunk early; None where nothing is."""
        if self._at == len(self._lines) or self._ends() or not self._lines[self._at - 1].strip():
            return None
        shown = safe_line(self._lines[self._at], 60)
        return Rejection(
            f"its line {self._at + 1}, {shown!r}, begins with neither a space, + nor -: "
            "make it with `git diff` without options"
        )

    def _ends(self) -> bool:
        """Return whether the next line certainly belongs to no hunk."""
        known = self._heads(self._at) or self._signs(self._at)
        return known or bool(_AFTER.match(self._lines[self._at]))

    def _short(self, hunk: Hunk, old: int, new: int, blank: int) -> Hunk | Rejection:
        """Return a hunk that lacks so many old and new lines, or why it may be cut off."""
        over = self._at == len(self._lines)
        if over and 0 < old == new <= _BLANKS:
            # Blank lines may have been lost at the end; the file must have them.
            return replace(hunk, lines=(*hunk.lines, *[Line(" ", "")] * old), short=True)
        marks = "".join(line.mark for line in hunk.lines)
        leading, trailing = (len(marks) - len(each) for each in (marks.lstrip(), marks.rstrip()))
        has_context = trailing >= max(1, min(leading, _CONTEXT))
        # Where both sides lack more lines than the `blank` ones left out, a change may be missing.
        counts_fit = min(old, new) <= blank if has_context else max(old, new) <= 0
        sure = counts_fit if over else has_context or self._ends()
        if marks.strip() and sure and (self._whole or not over):
            return hunk
        return Rejection(CUT)


def _line(raw: str) -> Line | None:
    if raw in ("", "\r"):  # a context line without its space
        return Line(" ", raw)
    return Line(raw[0], raw[1:]) if raw[0] in " +-\\" else None


def _add(lines: list[Line], line: Line) -> None:
    if line.mark != "\\":
        lines.append(line)
    elif lines:
        lines[-1] = replace(lines[-1], open=True)


def _pair(line: str) -> FileDiff:
    """Return the names in git's first line: two paths that may differ in their first folder."""
    words = line.removeprefix("diff --git ").split(" ", _SPACES)
    for at in range(1, len(words)):
        old, new = (_clean(" ".join(each)) for each in (words[:at], words[at:]))
        if old == new or old.partition("/")[2] == new.partition("/")[2] != "":
            return FileDiff(old, new)
    return FileDiff()


def _named(file: FileDiff, old: str, new: str) -> FileDiff:
    """Return a file with the names of its two lines; for /dev/null the other name is taken."""
    before, after = (_clean(each[4:]) for each in (old, new))
    created, removed = before == _NOWHERE, after == _NOWHERE
    if not file.new:
        file = replace(file, old=after if created else before, new=before if removed else after)
    elif not (created or removed or file.moved):
        file = replace(file, old=before, new=after)
    return replace(file, created=created, removed=removed)


def _extended(file: FileDiff, line: str) -> FileDiff:
    """Return a file with what one of git's extended header lines adds."""
    if _BINARY.match(line):
        return replace(file, binary=True)
    match = _EXTENDED.match(line)
    if match is None:
        return file
    moved, end, name, blob, mode = match.groups()
    if moved:
        file = replace(file, moved=moved)
        named = _clean(name)
        return replace(file, old=named) if end == "from" else replace(file, new=named)
    if mode and not line.startswith("old mode"):
        created = line.startswith("new file")
        return replace(file, mode=mode, created=created, removed=line.startswith("deleted"))
    return replace(file, blob=blob) if blob else file


def _clean(name: str) -> str:
    bare = name.partition("\t")[0].rstrip("\r ")
    if len(bare) > 1 and bare.startswith('"') and bare.endswith('"'):
        return _unquote(bare)
    return bare.replace("\\", "/")  # of Windows: no name that is taken holds a backslash


def _unquote(quoted: str) -> str:
    # git's C-style quoting is a subset of a Python bytes literal.
    try:
        data = ast.literal_eval("b" + quoted.encode("ascii", "backslashreplace").decode())
    except (SyntaxError, ValueError):
        return quoted
    return str(data, "utf-8", "replace")
