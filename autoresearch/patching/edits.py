"""SEARCH/REPLACE blocks and whole files, as a language model writes them. Exact or refused.

A fuzzy matcher edits the wrong function and says yes; here a SEARCH text that is not found line
by line, exactly once, is refused with words that help to mend it.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from posixpath import normpath

from autoresearch.patching.comparing import nearest, places
from autoresearch.records.text import safe_line
from autoresearch.records.values import Rejection

_OPEN = re.compile(r"<{7} SEARCH(?:[ \t]+(?P<path>\S.*?))?[ \t]*")
_MIDDLE = re.compile(r"={7}[ \t]*")
_CLOSE = re.compile(r">{7} REPLACE[ \t]*")
_FENCE = re.compile(r"[ \t]*(?:`{3,}|~{3,})[\w+-]*[ \t]*")
_PATH = re.compile(r"[\w./-]*\.\w+")


@dataclass(frozen=True)
class Block:
    """One edit: these whole lines become those; `path` is None where the text names no file."""

    search: tuple[str, ...]
    replace: tuple[str, ...]
    path: str | None = None


def parse_blocks(text: str) -> tuple[Block, ...] | Rejection:
    """Return the blocks in a text; what stands between them is prose and ignored.

    A block may name its file after SEARCH, or on the line above it.
    """
    blocks: list[Block] = []
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    place = 0
    while place < len(lines):
        opened = _OPEN.fullmatch(lines[place])
        if opened is None:
            if _MIDDLE.fullmatch(lines[place]) or _CLOSE.fullmatch(lines[place]):
                return Rejection(f"line {place + 1}: {lines[place].strip()} is in no block")
            place += 1
            continue
        closed = _close(lines, place)
        if isinstance(closed, Rejection):
            return Rejection(f"block {len(blocks) + 1}: {closed.reason}")
        middle, end = closed
        path = opened["path"] or _path_above(lines[:place])
        blocks.append(Block(tuple(lines[place + 1 : middle]), tuple(lines[middle + 1 : end]), path))
        place = end + 1
    return tuple(blocks) or Rejection("no <<<<<<< SEARCH block found")


def apply_blocks(
    files: Mapping[str, str], text: str, editable: Collection[str]
) -> dict[str, str] | Rejection:
    """Return the files after all blocks, each applied to what the ones before it left.

    Args:
        files: the project's text files.
        text: with blocks in it.
        editable: the paths that a block without a file name may mean.
    """
    blocks = parse_blocks(text)
    if isinstance(blocks, Rejection):
        return blocks
    changed = dict(files)
    for number, block in enumerate(blocks, 1):
        done = _apply(changed, block, editable)
        if isinstance(done, Rejection):
            return Rejection(f"block {number}: {done.reason}")
        changed.update(done)
    return changed


def apply_file(
    files: Mapping[str, str], text: str, editable: Collection[str]
) -> dict[str, str] | Rejection:
    """Return the files after one whole new file: its bare text, or one fenced block.

    A fenced block may be headed by a line that names the file; else the only editable one is meant.
    """
    path, body = _unfence(text)
    if path is None:
        if len(editable) != 1:
            return Rejection(f"name the file above the code: {', '.join(sorted(editable))}")
        path = next(iter(editable))
    if not body.strip():
        return Rejection(f"{safe_line(path, 80)} would be empty")
    return {**files, normpath(path): body}


def _close(lines: list[str], start: int) -> tuple[int, int] | Rejection:
    middle = None
    for place in range(start + 1, len(lines)):
        if _CLOSE.fullmatch(lines[place]):
            if middle is None:
                return Rejection("no ======= between SEARCH and REPLACE")
            return middle, place
        if _OPEN.fullmatch(lines[place]):
            return Rejection("another SEARCH begins before its >>>>>>> REPLACE")
        if _MIDDLE.fullmatch(lines[place]):
            if middle is not None:
                return Rejection("two ======= lines: which one divides it cannot be known")
            middle = place
    return Rejection("no >>>>>>> REPLACE ends it")


def _path_above(lines: list[str]) -> str | None:
    for line in reversed(lines[-3:]):
        if _CLOSE.fullmatch(line):
            return None
        if line.strip() and not _FENCE.fullmatch(line):
            return _path_in(line)
    return None


def _path_in(line: str) -> str | None:
    bare = line.strip().strip("`*#: ")
    return bare if _PATH.fullmatch(bare) else None


def _apply(
    files: Mapping[str, str], block: Block, editable: Collection[str]
) -> dict[str, str] | Rejection:
    if block.path is not None:
        path = normpath(block.path)
        if path in files:
            return _replaced(path, files[path], block)
        if any(block.search):
            return Rejection(f"there is no file {safe_line(path, 80)}")
        return {path: "\n".join([*block.replace, ""])}
    known = [path for path in sorted(editable) if path in files]
    tried = [_replaced(path, files[path], block) for path in known]
    fitting = [each for each in tried if not isinstance(each, Rejection)]
    if len(fitting) == 1:
        return fitting[0]
    if len(tried) == 1:
        return tried[0]
    return Rejection(f"it fits {len(fitting)} of the editable files: name the file above it")


def _replaced(path: str, source: str, block: Block) -> dict[str, str] | Rejection:
    shown = safe_line(path, 80)
    if not any(line.strip() for line in block.search):
        if source.strip():
            return Rejection(f"its SEARCH is empty, but {shown} is not")
        return {path: "\n".join([*block.replace, ""])}
    newline = "\r\n" if "\r\n" in source else "\n"
    lines, search = source.split(newline), list(block.search)
    size, found = len(search), places(search, lines)
    if len(found) > 1:
        where = ", ".join(str(at + 1) for at in found[:5])
        return Rejection(
            f"its SEARCH text is in {shown} {len(found)} times (lines {where}): "
            "add lines around it until it is unique"
        )
    if not found:
        return Rejection(f"its SEARCH text is not in {shown}; {_nearest(lines, search)}")
    at = found[0]
    return {path: newline.join([*lines[:at], *block.replace, *lines[at + size :]])}


def _nearest(lines: list[str], search: list[str]) -> str:
    """Name the first line that is missing, and what comes nearest to it in the file."""
    present = set(lines)
    missing = next((line for line in search if line not in present), None)
    if missing is None:
        return "its lines are all there, but not in this order"
    near = nearest(missing, lines)
    if near is None:
        return f"it has no line like {safe_line(missing.strip(), 60)!r}"
    return f"nearest to {_shown(missing)} is line {lines.index(near) + 1}: {_shown(near)}"


def _shown(line: str) -> str:
    return repr(safe_line(line, 60))


def _unfence(text: str) -> tuple[str | None, str]:
    lines = [line.removesuffix("\r") for line in text.strip().split("\n")]
    path = _path_in(lines[0])
    head = 0 if path is None else 1
    inside = lines[head:]
    while inside and not inside[0].strip():
        inside = inside[1:]
    fenced = len(inside) >= 2 and _FENCE.fullmatch(inside[0]) and _FENCE.fullmatch(inside[-1])
    if not fenced:
        return None, text
    return path, "\n".join([*inside[1:-1], ""])
