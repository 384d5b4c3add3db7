"""SEARCH/REPLACE blocks in a text, in the forms that language models give them.

A block is three marks in a row: one that opens, one that divides, one that closes, each of 5 to 9
equal characters. Its lines may be read in several ways (indented with its marks or not; divided
here or there): all of them are tried on the file, and only one may fit.
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from autoresearch.patching.edits import Edit, EditReading, apply_edits
from autoresearch.patching.lines import FENCE, split_lines, unindented
from autoresearch.patching.naming import new_path, path_above, path_in
from autoresearch.records.proposals import Rejection
from autoresearch.records.text import safe_line

_LEAD = r"(?P<lead>(?:[ \t]*>[ \t])*[ \t]*)"
_OPEN = re.compile(
    _LEAD + r"(?P<mark>(?:\\?<){5,9}|-{5,9})[ \t]*(?P<word>[A-Za-z]*)[>:`*]*"
    r"(?:[ \t]+(?P<path>\S+))?[ \t`]*"
)
_MIDDLE = re.compile(_LEAD + r"(?P<mark>(?:\\?=){5,9})[ \t]*(?P<word>[A-Za-z]*)[ \t]*")
_CLOSE = re.compile(
    _LEAD + r"(?:(?:\\?>){5,9}|\+{5,9}|(?:\\?<){5,9}(?=[ \t]*REPLACE))"
    r"[ \t]*(?:(?P<word>REPLACE|UPDATED)\b.*|(?P<other>[A-Za-z]*)[ \t]*)",
    re.IGNORECASE,
)
_MOST_READINGS = 8


@dataclass(frozen=True)
class _Text:
    """Lines, with the numbers of those that end a block and of those that may divide one."""

    lines: Sequence[str]
    known: Collection[str]
    ends: Sequence[int]
    middles: Sequence[int]

    def end_after(self, at: int) -> int:
        """Return the next line that ends a block, or the number of lines."""
        return _next(self.ends, at, len(self.lines))

    def is_divided(self, at: int, stop: int) -> bool:
        """Return whether there is a line that may divide between two others."""
        return _next(self.middles, at, stop) < stop


def find_blocks(lines: Sequence[str], known: Collection[str]) -> list[Edit]:
    """Return the blocks in these lines, in order; one that is not whole has a fault.

    Args:
        lines: of an answer, without their ends.
        known: the project's paths; a block's file is the nearest of them above it.
    """
    ends = [at for at, line in enumerate(lines) if _ends(line)]
    middles = [at for at, line in enumerate(lines) if _MIDDLE.fullmatch(line)]
    text = _Text(lines, known, ends, middles)
    blocks: list[Edit] = []
    place = floor = 0
    while place < len(lines):
        one = _block(text, place, floor, f"block {len(blocks) + 1}")
        place += 1
        if one is not None:
            blocks.append(one)
            place = floor = one.stop
    return blocks


def _block(text: _Text, at: int, floor: int, label: str) -> Edit | None:
    line = text.lines[at]
    opened = _opened(text, at)
    if opened is None:
        closed = _CLOSE.fullmatch(line)
        if closed is None or closed["word"] is None:
            return None
        shown = safe_line(line.strip(), 40)
        why = f"the line {shown} ends it, but no line <<<<<<< SEARCH begins it"
        return Edit(at, at + 1, label=label, fault=why)
    stop = text.end_after(at)
    if stop == len(text.lines) or _is_cut(text.lines, stop):
        stop = len(text.lines)
        fault = "no line >>>>>>> REPLACE ends it, so it was cut off"
    elif not _CLOSE.fullmatch(text.lines[stop]):
        fault = "another SEARCH begins before the line >>>>>>> REPLACE that ends it"
    else:
        after = stop + 1
        while after < len(text.lines) and _CLOSE.fullmatch(text.lines[after]):
            after += 1  # the closing mark is repeated
        return replace(_read(text, at, stop, floor, label, opened), stop=after)
    return Edit(at, stop, label=label, fault=fault)


def _read(text: _Text, at: int, stop: int, floor: int, label: str, opened: re.Match[str]) -> Edit:
    inside, above = text.lines[at + 1 : stop], text.lines[floor:at]
    readings = tuple(dict.fromkeys(_readings(inside, opened)))[:_MOST_READINGS]
    beside = opened["path"] or ""
    path = path_in(beside, text.known) or path_above(above, text.known)
    if path is None and readings and not any(line.strip() for line in readings[0].search):
        path = beside if re.search(r"[./\\]", beside) else new_path(above)
    fault = "" if readings else "no line ======= divides what is sought from what takes its place"
    return Edit(at, stop, readings, path, label, fault)


def _opened(text: _Text, at: int) -> re.Match[str] | None:
    """Return the match of a mark that opens a block.

    A mark with another word than SEARCH only counts where the other two marks follow.
    """
    opened = _OPEN.fullmatch(text.lines[at])
    if opened is None or opened["word"].upper() == "REPLACE":
        return None
    if opened["word"].upper() == "SEARCH":
        return opened
    whole = text.is_divided(at, text.end_after(at)) and text.end_after(at) < len(text.lines)
    return opened if whole and "-" not in opened["mark"] else None


def _ends(line: str) -> bool:
    if _CLOSE.fullmatch(line):
        return True
    opened = _OPEN.fullmatch(line)
    return opened is not None and opened["word"].upper() == "SEARCH"


def _is_cut(lines: Sequence[str], at: int) -> bool:
    """Return whether the mark that ends a block is the last line, and its word not complete."""
    closed = _CLOSE.fullmatch(lines[at])
    word = closed["other"] if closed else None
    short = word is not None and "REPLACE".startswith(word.upper())
    return short and not any(line.strip() for line in lines[at + 1 :])


def _next(places: Sequence[int], at: int, last: int) -> int:
    number = bisect_right(places, at)
    return places[number] if number < len(places) else last


def _readings(inside: Sequence[str], opened: re.Match[str]) -> Iterator[EditReading]:
    """Yield the ways to read a block: divided at one line or another, as it is or moved left."""
    size = opened["mark"].count("<") or opened["mark"].count("-")
    divides = _dividers(inside, size)
    for rank, at in enumerate(divides):
        search, replace = inside[:at], inside[at + 1 :]
        if not rank and len(divides) > 1 and divides[-1] == len(inside) - 1:
            replace = replace[:-1]  # the dividing mark is repeated at the end
        moved = unindented([*search, *replace], opened["lead"])
        yield EditReading(tuple(search), tuple(replace), rank)
        if _is_fenced(search):
            yield EditReading(tuple(_unfenced(search)), tuple(_unfenced(replace)), rank)
        yield EditReading(tuple(moved[:at]), tuple(moved[at:]), rank)


def _dividers(inside: Sequence[str], size: int) -> list[int]:
    """Return the lines that may divide a block; rather those of the size of its other marks."""
    marks = [(at, match) for at, line in enumerate(inside) if (match := _MIDDLE.fullmatch(line))]
    bare = [(at, match["mark"].count("=")) for at, match in marks if not match["word"]]
    named = [(at, match["mark"].count("=")) for at, match in marks if match["word"]]
    some = bare or named
    return [at for at, length in some if length == size] or [at for at, _ in some]


def _is_fenced(lines: Sequence[str]) -> bool:
    return len(lines) > 2 and all(FENCE.fullmatch(lines[at]) for at in (0, -1))


def _unfenced(lines: Sequence[str]) -> Sequence[str]:
    return lines[1:-1] if _is_fenced(lines) else lines


def parse_blocks(text: str, known: Collection[str]) -> tuple[Edit, ...]:
    """Return the edits of all blocks in a text, in order; text between the blocks is ignored."""
    return tuple(find_blocks(split_lines(text), known))


def apply_blocks(
    files: Mapping[str, str], text: str, editable: Collection[str]
) -> dict[str, str] | Rejection:
    """Return the files after all blocks in a text, each applied to what the ones before it left.

    Args:
        files: the project's text files.
        text: with blocks in it.
        editable: the paths that a block without a file's name may mean.
    """
    edits = parse_blocks(text, files)
    return (
        apply_edits(files, edits, editable) if edits else Rejection("no <<<<<<< SEARCH block found")
    )
