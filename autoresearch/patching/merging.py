"""Merges two changes of one text, line by line.

Git calls it a conflict where two changes touch neighbouring lines. Constants are neighbours, and
most experiments change one of them: so changes of different lines are merged here, and whether the
result makes sense is for the checks and the training to tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from autoresearch.patching.comparing import LineMatcher

MAX_LINES = 20_000  # of one text: every edit is compared with all of the other side


@dataclass(frozen=True)
class _Edit:
    """Lines `start` to `stop` (not included) of the base become `lines`."""

    start: int
    stop: int
    lines: tuple[str, ...]

    def clashes(self, other: "_Edit") -> bool:
        """Whether both change one line, or insert at one place."""
        if self.start == self.stop or other.start == other.stop:
            return self.start <= other.stop and other.start <= self.stop
        return self.start < other.stop and other.start < self.stop


def merge_files(
    base: Mapping[str, str], mine: Mapping[str, str], theirs: Mapping[str, str]
) -> dict[str, str] | None:
    """Return all files with both changes; None where they touch the same lines.

    Args:
        base: what both began from, path to text.
        mine: the base with one change.
        theirs: the base with the other.
    """
    merged: dict[str, str] = {}
    for path in {*base, *mine, *theirs}:
        before, left, right = (each.get(path) for each in (base, mine, theirs))
        if right in (left, before):
            text = left
        elif left == before:
            text = right
        elif before is None or left is None or right is None:
            return None
        else:
            text = merge(before, left, right)
            if text is None:
                return None
        if text is not None:
            merged[path] = text
    return merged


def merge(base: str, mine: str, theirs: str) -> str | None:
    """Return a text with two changes of its base; None where they touch the same lines."""
    lines = base.splitlines(keepends=True)
    if max(map(len, (base, mine, theirs))) > MAX_LINES * 100 or len(lines) > MAX_LINES:
        return None
    left, right = (_edits(lines, each.splitlines(keepends=True)) for each in (mine, theirs))
    if any(one.clashes(other) for one in left for other in right if one != other):
        return None
    for edit in sorted({*left, *right}, key=lambda each: (each.start, each.stop), reverse=True):
        lines[edit.start : edit.stop] = edit.lines
    return "".join(lines)


def _edits(before: list[str], after: list[str]) -> list[_Edit]:
    matcher = LineMatcher(before, after)
    return [
        part
        for tag, i1, i2, j1, j2 in matcher.get_opcodes()
        if tag != "equal"
        for part in _parts(i1, i2, after[j1:j2])
    ]


def _parts(start: int, stop: int, lines: list[str]) -> list[_Edit]:
    """Return a replacement as edits of one line each, if it has as many lines as it replaces."""
    if stop - start != len(lines):
        return [_Edit(start, stop, tuple(lines))]
    return [_Edit(start + at, start + at + 1, (line,)) for at, line in enumerate(lines)]
