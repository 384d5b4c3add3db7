"""Finds where the hunks of a diff belong in a text, and applies them there, or refuses.

A hunk that is not found to the letter is looked for without the white space that mail, web pages,
editors and `diff -w` change: at the ends of lines first, then within them. Indentation always
counts: it has a meaning in Python. Context lines stay as the text has them, and added lines get the
line ends of their neighbours.
"""

import re
from collections.abc import Callable, Sequence

from autoresearch.patching.comparing import nearest, places
from autoresearch.patching.lines import MARK
from autoresearch.patching.unified import CUT, Hunk
from autoresearch.records.proposals import Rejection
from autoresearch.records.text import safe_line

MOST_HUNKS = 1000  # that are looked for in one file


def _whole(line: str) -> str:
    return line


def _body(line: str) -> str:
    return line.removeprefix(MARK).rstrip()


def _solid(line: str) -> str:
    body = _body(line)
    return body[: len(body) - len(body.lstrip())] + "".join(body.split())


_READINGS: tuple[Callable[[str], str], ...] = (_whole, _body, _solid)


def apply_hunks(text: str, hunks: Sequence[Hunk], *, same: bool) -> str | Rejection:
    """Return a text after some hunks, or why it is not clear where they belong.

    Args:
        text: of the file; its byte order mark and line ends stay.
        hunks: in the file's order.
        same: whether this is certainly the text that they were made from; only then can a hunk be
            placed that adds lines without any context.
    """
    pieces = [piece for piece in re.split(r"(?<=\n)", text) if piece]
    lines = [piece.removesuffix("\n") for piece in pieces]
    for read in _READINGS:
        found = _places([read(line) for line in lines], hunks, read, same=same)
        if isinstance(found, Rejection):
            return found
        if found is not None:
            exact = read is _whole
            made = _spliced(pieces, hunks, found, exact=exact)
            lost = text.startswith(MARK) and not exact and not made.startswith(MARK)
            return MARK + made if lost else made
    return _missing(lines, hunks)


def _places(
    lines: Sequence[str], hunks: Sequence[Hunk], read: Callable[[str], str], *, same: bool
) -> list[int] | Rejection | None:
    """Return at which line each hunk begins; None where one is not found."""
    olds = [[read(line) for line in hunk.old] for hunk in hunks]
    stated = [hunk.at for hunk in hunks]
    fitting = [
        at for at, old in zip(stated, olds, strict=True)
        if at is not None and at <= len(lines) and list(lines[at : at + len(old)]) == old
    ]  # fmt: skip
    fits = len(fitting) == len(hunks) and _ordered(fitting, olds)
    if fits and (same or not lines):
        return fitting
    bare = [at for at, hunk in enumerate(hunks) if all(line.mark != " " for line in hunk.lines)]
    if len(hunks) > MOST_HUNKS and (bare or not fits):
        return Rejection(f"it has {len(hunks)} hunks, and it is not clear where they belong")
    # A hunk without context may fit by chance, even at the line that it states.
    if lone := [at for at in bare if not olds[at] or len(places(olds[at], lines)) > 1]:
        return Rejection(f"hunk {lone[0] + 1} shows no line around it: make it with `diff -U3`")
    return fitting if fits else _searched(lines, olds)


def _searched(lines: Sequence[str], olds: Sequence[list[str]]) -> list[int] | Rejection | None:
    """Return the only place of each hunk in a text that they were not made from."""
    starts: list[int] = []
    for number, old in enumerate(olds, 1):
        here = places(old, lines)
        if not here:
            return None
        if len(here) > 1:
            where = ", ".join(str(at + 1) for at in here[:5])
            return Rejection(
                f"hunk {number} is not where it says, and fits {len(here)} places (lines {where}): "
                "make it from this file, or with more lines around it (`diff -U10`)"
            )
        starts += here
    return starts if _ordered(starts, olds) else Rejection("its hunks are not in the file's order")


def _ordered(starts: Sequence[int], olds: Sequence[list[str]]) -> bool:
    ends = [at + len(old) for at, old in zip(starts, olds, strict=True)]
    return all(end <= at for end, at in zip(ends, starts[1:], strict=False))


def _spliced(
    pieces: Sequence[str], hunks: Sequence[Hunk], starts: Sequence[int], *, exact: bool
) -> str:
    """Return the text of these lines (each with its end) after the hunks at these places."""
    made: list[str] = []
    at = 0
    for hunk, place in zip(hunks, starts, strict=True):
        made += pieces[at:place]
        at = place
        for line in hunk.lines:
            if line.mark == "+":
                added = line.text if exact else _ended(line.text, pieces, at)
                made.append(added if line.open else f"{added}\n")
                continue
            made += pieces[at : at + 1] if line.mark == " " else ()
            at += 1
    made += pieces[at:]
    inner = (each if each.endswith("\n") else f"{each}\n" for each in made[:-1])
    return "".join([*inner, *made[-1:]])


def _ended(line: str, pieces: Sequence[str], at: int) -> str:
    """Return a line with a carriage return at its end where the file's line above it has one."""
    above = pieces[max(at - 1, 0)] if pieces else ""
    return line.removeprefix(MARK).rstrip("\r") + ("\r" if above.endswith("\r\n") else "")


def _missing(lines: Sequence[str], hunks: Sequence[Hunk]) -> Rejection:
    """Return in words which hunk is not found, and the most similar line."""
    solid = [_solid(line) for line in lines]
    for number, hunk in enumerate(hunks, 1):
        if places([_solid(line) for line in hunk.old], solid):
            continue
        if hunk.short:
            return Rejection(CUT)
        if hunk.new and places([_solid(line) for line in hunk.new], solid):
            return Rejection(f"hunk {number} is in the file already")
        return Rejection(f"hunk {number}: {_nearest(lines, solid, hunk.old)}")
    return Rejection("its hunks are not in the file together")


def _nearest(lines: Sequence[str], solid: Sequence[str], old: Sequence[str]) -> str:
    present = set(solid)
    missing = next((line for line in old if _solid(line) not in present), None)
    if missing is None:
        return "its lines are all in the file, but not one after another"
    near = nearest(_body(missing), [_body(line) for line in lines])
    if near is None:
        return f"the file has no line like {_shown(missing)}"
    at = next(number for number, line in enumerate(lines, 1) if _body(line) == near)
    if near.split() == missing.split():
        how = f"line {at} begins with {_indent(near)!r}, in the diff with {_indent(missing)!r}"
        return f"{how}: {_shown(missing)} differs only in spaces at the beginning"
    return f"the file has no line {_shown(missing)}; nearest is line {at}: {_shown(near)}"


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())][:20]


def _shown(line: str) -> str:
    return repr(safe_line(line, 60))
