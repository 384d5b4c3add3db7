"""Says how lines that were not found in a file differ from those that are there."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import zip_longest

from autoresearch.patching.comparing import nearest, places
from autoresearch.patching.eliding import stands_for_others

_WIDTH = 70  # characters that are shown of a line
_NUMBERED = re.compile(r"^\s*\d+\s*[|:\t]? ?")
_QUOTES = str.maketrans(
    "\u2018\u2019\u201a\u201c\u201d\u201e\u2212\u2013\u2014\u2010", "'''\"\"\"----"
)
_Level = tuple[str, Callable[[str], str]]


def _plain(line: str) -> str:
    return unicodedata.normalize("NFKC", line).translate(_QUOTES).replace("\u00ad", "")


def _squeezed(line: str) -> str:
    return "".join(line.split())


_LEVELS: tuple[_Level, ...] = (
    ("only in the white space at the beginning of lines", str.strip),
    ("only in white space", _squeezed),
    ("only in characters that look alike", lambda line: _squeezed(_plain(line))),
    ("only in the line numbers before the lines, which are not in the file",
     lambda line: _squeezed(_NUMBERED.sub("", line))),
)  # fmt: skip


def difference(search: Sequence[str], lines: Sequence[str]) -> str:
    """Return how the lines that were sought differ from the most similar ones in the file.

    Spaces are shown as ·, tabs as →, characters that look like others by their numbers, so that
    what differs also looks different.
    """
    for how, level in _LEVELS:
        starts = places(*([level(line) for line in side] for side in (search, lines)))
        if len(starts) == 1:
            return f"it differs {how}: {_first(search, lines, starts[0])}"
    filled = [line.rstrip() for line in search if line.strip()]
    rows = [(at, line.rstrip()) for at, line in enumerate(lines) if line.strip()]
    if len(starts := places(filled, [line for _, line in rows])) == 1:
        return f"it differs only in empty lines: the text is at line {rows[starts[0]][0] + 1}"
    return _nearest(search, lines)


def _first(search: Sequence[str], lines: Sequence[str], at: int) -> str:
    """Return in words the first line that differs, as it was written and as it is."""
    pairs = enumerate(zip(lines[at:], search, strict=False), at + 1)
    number, (theirs, mine) = next(
        (number, pair) for number, pair in pairs if pair[0].rstrip() != pair[1].rstrip()
    )
    return f"line {number} is {_pair(theirs, mine, spaces=True)}"


def _nearest(search: Sequence[str], lines: Sequence[str]) -> str:
    """Return in words the first line that is missing, and the most similar one in the file."""
    present = {line.rstrip() for line in lines}
    missing = next((line for line in search if line.rstrip() not in present), None)
    if missing is None:
        return "its lines are all there, but not in this order, or not next to one another"
    if stands_for_others(missing):
        left_out = _cut(_visible(missing.strip(), spaces=False))
        return f"`{left_out}` stands for no lines: take fewer lines, and all of them"
    near = nearest(missing, lines)
    if near is None:
        return f"the file has no line like `{_cut(_visible(missing.strip(), spaces=False))}`"
    spaces = _squeezed(near) == _squeezed(missing)
    return f"nearest is line {lines.index(near) + 1}, {_pair(near, missing, spaces=spaces)}"


def _pair(theirs: str, mine: str, *, spaces: bool) -> str:
    """Return two lines in words so that it is seen how they differ; `spaces`: these are marked."""
    both = (theirs, mine) if spaces else (theirs.strip(), mine.strip())
    here, there = (_visible(line, spaces=spaces) for line in both)
    if _cut(here) == _cut(there):
        same = next(at for at, (a, b) in enumerate(zip_longest(here, there)) if a != b)
        here, there = (f"…{text[max(same - 20, 0) :]}" for text in (here, there))
    shown = f"`{_cut(here)}`, you wrote `{_cut(there)}`"
    marks = (("·", "a space"), ("→", "a tab"))
    legend = [f"{mark} is {name}" for mark, name in marks if mark in shown]
    return f"{shown} ({', '.join(legend)})" if legend else shown


def _visible(line: str, *, spaces: bool) -> str:
    """Return a line with odd characters as numbers, and white space marked if `spaces`."""
    return "".join(_character(each, spaces=spaces) for each in line)


def _character(each: str, *, spaces: bool) -> str:
    if each in " \t":
        return ("·" if each == " " else "→") if spaces else each
    plain = each.isascii() and each.isprintable()
    return each if plain else f"\\u{{{ord(each):x}}}"


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
