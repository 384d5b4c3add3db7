"""What is enclosed by tags in an answer: mostly thoughts, whatever the tags are called.

Every model has its own names for thoughts. So it is the other way round: whatever is in a tag that
is not named like an answer is not the final answer.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from autoresearch.patching import path_in
from autoresearch.proposers.reading.headers import field_name

_OPEN = re.compile(
    r"[ \t>*]*(?:[<\u25c1](?P<tag>[A-Za-z][\w:.-]*)(?:\s[^<>]*)?(?<!/)[>\u25b7]"
    r"|\[(?P<word>[A-Z]{3,})\]\s*$)"
)
_CLOSE = re.compile(r"[<\u25c1]/(?P<tag>[A-Za-z][\w:.-]*)\s*[>\u25b7]|\[/(?P<word>\w+)\]")
_TOKEN = re.compile(r"<\|(?P<what>START|BEGIN|END)_(?:OF_)?(?P<name>\w+)\|>", re.IGNORECASE)
THINKS = re.compile(r"think|thought|reason", re.IGNORECASE)  # in names of tokens and fences
_CHANNEL = re.compile(r"<\|?channel\|?>[ \t]*(?P<name>\w*)")
_ANSWERS = re.compile(
    r"answer|final|output|respon|propos|replace|solution|result|file|code|edit|change|patch|diff|block|"
    r"artifact|header|document|experiment|assistant|message|commentary"
)
_LAYOUT = re.compile(
    r"a|b|i|s|u|p|br|hr|em|li|ol|ul|div|pre|kbd|sup|sub|img|html|body|span|strong|table"
)


@dataclass(frozen=True)
class Enclosure:
    """Lines `start` to `stop`, both included, that are enclosed under a name."""

    name: str
    start: int
    stop: int


def thoughts(
    lines: Sequence[str], known: Collection[str], taken: Collection[int]
) -> list[Enclosure]:
    """Return what is enclosed in tags that are not named like an answer.

    A tag that is never closed encloses all below it, the end of one never opened all above it.

    Args:
        lines: of the answer.
        known: the project's paths; a tag that names one is about a file.
        taken: the numbers of lines that are code.
    """
    return [
        each
        for each in _enclosures(lines, taken)
        if not (
            _is_like_answer(each.name)
            or path_in(each.name, known)
            or path_in(lines[each.start], known)
        )
    ]


def _is_like_answer(name: str) -> bool:
    low = name.lower()
    return bool(_LAYOUT.fullmatch(low) or _ANSWERS.search(low)) or field_name(name) is not None


def _enclosures(lines: Sequence[str], taken: Collection[int]) -> Iterator[Enclosure]:
    opened: list[tuple[str, int]] = []
    channel: tuple[str, int] | None = None
    for at, line in enumerate(lines):
        if at in taken:
            continue
        for match in _CHANNEL.finditer(line):
            if channel:
                yield Enclosure(channel[0], channel[1], at)
            channel = (match["name"], at) if match["name"] else None
        for name, ends in _tags(line):
            if ends:
                yield Enclosure(name, _pop(opened, name) or 0, at)
            else:
                opened.append((name, at))
    for name, at in [*opened, *([channel] if channel else [])]:
        yield Enclosure(name, at, len(lines))


def _tags(line: str) -> Iterator[tuple[str, bool]]:
    """Yield the names of the tags of a line, and whether each is an end; not those closed in it."""
    if tag := _OPEN.match(line):
        yield tag["tag"] or tag["word"], False
    for match in _TOKEN.finditer(line):
        if THINKS.search(match["name"]):
            yield match["name"], match["what"].upper() == "END"
    for match in _CLOSE.finditer(line):
        name = match["tag"] or match["word"]
        begun = re.search(rf"<{re.escape(name)}[ >]", line[: match.start()])
        if not begun or (tag and begun.end() <= tag.end()):
            yield name, True


def _pop(opened: list[tuple[str, int]], name: str) -> int | None:
    """Remove the last open tag of a name, and the tags opened in it; return its line."""
    for at in reversed(range(len(opened))):
        if opened[at][0].casefold() == name.casefold():
            place = opened[at][1]
            del opened[at:]
            return place
    return None
