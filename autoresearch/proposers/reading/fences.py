"""Fenced code in an answer, and what stands between the tags of an element."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from autoresearch.patching import path_in

_FENCE = re.compile(r"[ \t>]*(?P<mark>`{3,}|~{3,})(?P<info>[^`]*)")
_ELEMENT = re.compile(r"[ \t]*<(?P<name>[\w:.-]+)(?P<rest>\s[^<>]*)?>[ \t]*")
_MOST_ENDS = 50  # of which one is taken


@dataclass(frozen=True)
class Fence:
    """Lines `start` and `stop` are its marks; `closed`: the second one is there."""

    start: int
    stop: int
    info: str
    closed: bool = True


def find_fences(
    lines: Sequence[str], known: Collection[str], taken: Collection[int] = ()
) -> list[Fence]:
    """Return the fences, and the elements that are of a file, one after another.

    A mark within a text in the code ends nothing: a fence ends where the texts in it have ended.
    """
    found, at = list[Fence](), 0
    while at < len(lines):
        fence = None if at in taken else _at(lines, at, known, taken)
        if fence is not None:
            found.append(fence)
        at = fence.stop + 1 if fence is not None else at + 1
    return found


def _at(
    lines: Sequence[str], at: int, known: Collection[str], taken: Collection[int]
) -> Fence | None:
    if opened := _FENCE.fullmatch(lines[at]):
        ends = [n for n in _ends(lines, at, opened["mark"]) if n not in taken][:_MOST_ENDS]
        even = (n for n in ends if not _in_text(lines[at + 1 : n]))
        stop = next(even, ends[0] if ends else len(lines))
        return Fence(at, stop, opened["info"].strip(), bool(ends))
    element = _ELEMENT.fullmatch(lines[at])
    if element and path_in(lines[at], known) and element["rest"]:
        close = f"</{element['name']}>"
        stop = next((n for n in range(at + 1, len(lines)) if lines[n].strip() == close), None)
        if stop is not None:
            return Fence(at, stop, element["rest"])
    return None


def _ends(lines: Sequence[str], at: int, mark: str) -> Iterator[int]:
    for number in range(at + 1, len(lines)):
        found = _FENCE.fullmatch(lines[number])
        if found and not found["info"].strip() and found["mark"].startswith(mark):
            yield number


def _in_text(body: Sequence[str]) -> bool:
    """Return whether a text of several lines has begun in Python code, and not ended."""
    return any("\n".join(body).count(mark) % 2 for mark in ('"""', "'''"))
