"""Diffs for a reader: all that is hidden made visible, and in changed lines the changed words."""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby

from rich.console import Console
from rich.text import Text

from autoresearch.render import words

_HEADS = ("diff --git ", "index ", "--- ", "+++ ", "new file", "deleted file", "old mode",
          "new mode", "Binary files", "\\ ")  # fmt: skip
_STYLES = {"-": "red", "+": "green", "@": "cyan", " ": ""}
_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_MOST = 600  # words of one change that are compared: the time grows with their square
_ALIKE = 0.4  # where less of two texts is equal, marking the rest would mark nearly all of it


def code(diff: str, console: Console) -> None:
    """Print a unified diff in colour, with everything hidden in it made visible."""
    for line in lines(diff):
        console.print(line, highlight=False, soft_wrap=True)


def lines(diff: str) -> Iterator[Text]:
    """Yield a diff line by line; what a change left of a line is less bright than what it made."""
    rows = words.source(diff).split("\n")
    for kind, same in groupby(_change_blocks(rows), key=lambda row: row[0]):
        block = [row for _, row in same]
        yield from _changed(block) if kind else map(_plain, block)


def _change_blocks(rows: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield every line with the number of its change: removed lines and what stands for them.

    It is 0 outside of changes, and in the first lines of a file.
    """
    number, before, inside = 0, "", False
    for row in rows:
        inside = row.startswith("@") or (inside and not row.startswith("diff --git "))
        if inside and row[:1] in ("-", "+"):
            if before not in ("-", "+") or (before, row[0]) == ("+", "-"):
                number += 1
            yield number, row
        else:
            yield 0, row
        before = row[:1] if inside else ""


def _plain(row: str) -> Text:
    style = "bold" if row.startswith(_HEADS) else _STYLES.get(row[:1], "")
    return Text(row, style=style)


def _changed(block: Sequence[str]) -> Iterator[Text]:
    """Yield a change's lines with the words marked that the other side has not."""
    old = [row[1:] for row in block if row[0] == "-"]
    new = [row[1:] for row in block if row[0] == "+"]
    marks = _marks("\n".join(old), "\n".join(new)) if old and new else ([], [])
    for sign, rows, spans in (("-", old, marks[0]), ("+", new, marks[1])):
        whole, start = "\n".join(rows), 0
        for row in rows:
            shown = Text(f"{sign}{row}", style=_STYLES[sign])
            for first, last in spans:
                left, right = max(first - start, 0), min(last - start, len(row))
                if first < start and whole[first:last].strip():  # words, and no indentation alone
                    left = len(row) - len(row.lstrip())
                if left < right:
                    shown.stylize("bold reverse", left + 1, right + 1)
            yield shown
            start += len(row) + 1


def _marks(old: str, new: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return where either text has words that the other has not."""
    before, after = _WORD.findall(old), _WORD.findall(new)
    if max(len(before), len(after)) > _MOST:
        return [], []
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return [], []
    starts = [_starts(before), _starts(after)]
    found: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for kind, *ends in matcher.get_opcodes():
        for side, (first, last) in enumerate((ends[:2], ends[2:])):
            if kind != "equal" and first < last:
                found[side].append((starts[side][first], starts[side][last]))
    return found


def _starts(parts: Sequence[str]) -> list[int]:
    places = [0]
    for part in parts:
        places.append(places[-1] + len(part))
    return places
