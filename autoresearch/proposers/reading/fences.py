"""Fenced code in an answer, and what is between the tags of an element."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from autoresearch.patching import heading_path, path_in

_FENCE = re.compile(r"[ \t>]*(?P<mark>`{3,20}|~{3,20})(?P<info>[^`]*)")
_ELEMENT = re.compile(r"[ \t]*<(?P<name>[\w:.-]+)(?P<rest>\s[^<>]*)?>[ \t]*")
_OF = r"(?:[ _](?:CODE|TEXT|BLOCK|LINES?|STR|STRING|VERSION))?"
_SIDE = re.compile(r"\s*(?:<(?P<open>\w+)>)?(?P<text>.*?)(?:</(?P<close>\w+)>\s*)?")
SOUGHT = re.compile(rf"(?:SEARCH|FIND|ORIGINAL|OLD|BEFORE|CURRENT){_OF}|(?:.* )?(?:REPLACE|CHANGE)")
PUT = re.compile(
    rf"(?:UPDATED|NEW|AFTER|MODIFIED|PROPOSED|REPLACEMENT){_OF}"
    rf"|REPLACE(?:[ _](?:WITH|BY))?{_OF}|WITH|TO|BY"
)
SIDES = re.compile(f"{SOUGHT.pattern}|{PUT.pattern}")
_ABOVE = 4  # lines above a fence in which its name may be
_MOST_ENDS = 50  # possible ends of a fence, of which one is chosen


@dataclass(frozen=True)
class Fence:
    """A fence or element between the lines `start` and `stop`; `closed`: its end mark is there."""

    start: int
    stop: int
    info: str
    closed: bool = True


def find_fences(
    lines: Sequence[str], known: Collection[str], taken: Collection[int] = ()
) -> list[Fence]:
    """Return the fences, and the elements that hold a file or a side of an edit, in order.

    A mark within a Python string does not end a fence: it ends where all strings in it have ended.
    """
    ends = _ends(lines, taken)
    fences, at = list[Fence](), 0
    while at < len(lines):
        fence = None if at in taken else _at(lines, at, known, ends)
        if fence is not None:
            fences.append(fence)
        at = fence.stop + 1 if fence is not None else at + 1
    return fences


def _ends(lines: Sequence[str], taken: Collection[int]) -> Mapping[str, list[int]]:
    """Return the lines that may end a fence or an element, by the mark that they end."""
    ends = defaultdict[str, list[int]](list)
    for at, line in enumerate(lines):
        if at in taken:
            continue
        fence = _FENCE.fullmatch(line)
        if fence and not fence["info"].strip():
            for size in range(3, len(fence["mark"]) + 1):
                ends[fence["mark"][:size]].append(at)
        elif line.lstrip().startswith("</"):
            ends[line.strip()].append(at)
    return ends


def _below(ends: Mapping[str, list[int]], mark: str, at: int) -> list[int]:
    """Return the next lines below `at` that may end what a mark begins."""
    places = ends.get(mark, [])
    first = bisect_right(places, at)
    return places[first : first + _MOST_ENDS]


def _at(
    lines: Sequence[str], at: int, known: Collection[str], marks: Mapping[str, list[int]]
) -> Fence | None:
    if opened := _FENCE.fullmatch(lines[at]):
        ends = _below(marks, opened["mark"], at)
        even = (number for number in ends if not _in_text(lines[at + 1 : number]))
        stop = next(even, ends[0] if ends else len(lines))
        if _opens_again(lines[at + 1 : stop], opened["mark"]):
            return None  # it was never closed: another fence follows
        return Fence(at, stop, opened["info"].strip(), bool(ends))
    element = _ELEMENT.fullmatch(lines[at])
    ends = _below(marks, f"</{element['name']}>", at) if element else []
    if element is None or not ends:
        return None
    is_file = path_in(lines[at], known) or (at and heading_path(lines[at - 1], known))
    if _is_side(lines[at]) or (is_file and not any(map(_is_side, lines[at : ends[0]]))):
        return Fence(at, ends[0], element["rest"] or "")
    return None


def _is_side(line: str) -> bool:
    element = _ELEMENT.fullmatch(line)
    return element is not None and SIDES.fullmatch(element["name"].upper()) is not None


def opened_up(line: str) -> list[str]:
    """Return a line as several if it is an element named like a side, with both tags on it."""
    match = _SIDE.fullmatch(line)
    name = (match["open"] or match["close"] or "") if match else ""
    if match is None or not match["text"].strip() or not SIDES.fullmatch(name.upper()):
        return [line]
    around = (f"<{name}>" if match["open"] else "", f"</{name}>" if match["close"] else "")
    return [each for each in (around[0], match["text"], around[1]) if each]


def is_named(lines: Sequence[str], fence: Fence, word: re.Pattern[str]) -> bool:
    """Return whether a fence is named by a word: in the line above it, or as its element."""
    element = _ELEMENT.fullmatch(lines[fence.start])
    near = reversed(lines[max(fence.start - _ABOVE, 0) : fence.start])
    above = next((line for line in near if line.strip()), "")
    name = element["name"] if element else " ".join(re.findall(r"[A-Za-z]+", above))
    return bool(word.fullmatch(name.upper()))


def _opens_again(body: Sequence[str], mark: str) -> bool:
    """Return whether another fence begins in the code of a fence."""
    for at, line in enumerate(body):
        match = _FENCE.fullmatch(line) if line.lstrip(" \t>").startswith(mark) else None
        if match and match["info"].strip() and not _in_text(body[:at]):
            return True
    return False


def _in_text(body: Sequence[str]) -> bool:
    """Return whether Python code has begun a string of several lines and not ended it."""
    return any("\n".join(body).count(mark) % 2 for mark in ('"""', "'''"))
