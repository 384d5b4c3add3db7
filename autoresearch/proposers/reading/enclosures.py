"""What stands between tags in an answer: thoughts, mostly, whatever they are called.

Names of thoughts are made up anew with every model. So it is the other way round: what is enclosed
in something that is not named like an answer is no final word.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from autoresearch.patching import path_in

_OPEN = re.compile(r"[ \t>*]*(?:<(?P<tag>[A-Za-z][\w:.-]*)(?:\s[^<>]*)?(?<!/)>|\[(?P<word>[A-Z]{3,})\])")
_CLOSE = re.compile(r"</(?P<tag>[A-Za-z][\w:.-]*)\s*>|\[/(?P<word>\w+)\]")
_CHANNEL = re.compile(r"<\|?channel\|?>[ \t]*(?P<name>\w*)")
_ANSWERS = re.compile(
    r"answer|final|output|respon|propos|solution|result|file|code|edit|change|patch|diff|block|"
    r"artifact|document|experiment|assistant|message|commentary"
)
_LAYOUT = frozenset(
    "a b i u p br hr em li ol ul div pre kbd sup sub img html body span strong table".split()
)


@dataclass(frozen=True)
class Enclosure:
    """Something with a name, from the line `start` to the line `stop`, both in it."""

    name: str
    start: int
    stop: int


def enclosing(
    place: int, lines: Sequence[str], known: Collection[str], taken: Collection[int]
) -> str | None:
    """Return the tag of what a line stands in, where that is not named like an answer; or None.

    A tag that is never closed encloses all below it, the end of one that was never opened all above.

    Args:
        place: the line's number.
        lines: of the answer.
        known: the project's paths; a tag that names one is about a file.
        taken: the numbers of lines that are code.
    """
    found = _enclosures(lines, known, taken)
    names = (each.name for each in found if each.start <= place < each.stop)
    return next((name for name in names if not _fits(name)), None)


def _fits(name: str) -> bool:
    low = name.strip("<>[]|/").lower()
    return low in _LAYOUT or bool(_ANSWERS.search(low))


def _enclosures(
    lines: Sequence[str], known: Collection[str], taken: Collection[int]
) -> Iterator[Enclosure]:
    opened: list[tuple[str, int]] = []
    channel: tuple[str, int] | None = None
    for at, line in enumerate(lines):
        if at in taken:
            continue
        for found in _CHANNEL.finditer(line):
            if channel:
                yield Enclosure(channel[0], channel[1], at)
            channel = (found["name"], at) if found["name"] else None
        tag = _OPEN.match(line)
        if tag and not path_in(line, known):
            opened.append(((tag["tag"] or tag["word"]), at))
        for found in _CLOSE.finditer(line):
            name = found["tag"] or found["word"]
            start = _pop(opened, name)
            yield Enclosure(name, start, at)
    for name, at in [*opened, *([channel] if channel else [])]:
        yield Enclosure(name, at, len(lines))


def _pop(opened: list[tuple[str, int]], name: str) -> int:
    """Take the last tag of a name off, with what was opened in it; return its line, or the first."""
    for at in reversed(range(len(opened))):
        if opened[at][0].casefold() == name.casefold():
            place = opened[at][1]
            del opened[at:]
            return place
    return 0
