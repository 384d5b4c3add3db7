"""Whole files in an answer: which fence holds one, and of which file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch.patching import heading_path, path_above, path_in
from autoresearch.proposers.base import Brief
from autoresearch.proposers.reading.fences import Fence
from autoresearch.proposers.reading.headers import groups
from autoresearch.records.text import counted, safe_line

_DEFINITION = re.compile(r"(?:async\s+def|def|class)\s+(\w+)|(\w+)\s*(?::[^=]+)?=(?!=)")
_FENCE = re.compile(r"[ \t]*(?:`{3,}|~{3,}).*")
_RULE = re.compile(r"\s*-*\s*")  # below a header
_ELEMENT = re.compile(r"\s*<(?P<name>[\w:.-]+)(?:\s[^<>]*)?>\s*")
_SHELLS = frozenset({"bash", "sh", "shell", "console", "zsh"})
_HEADER_LINES = 15
_ABOVE = 3  # lines above a fence that may name its file
_FEW = 4  # lines of a file that may all be replaced
LEAST = 0.5  # of a file's definitions, or of its lines where it has none


@dataclass(frozen=True)
class Whole:
    """A whole new file, and the lines of the answer that it is on."""

    path: str
    lines: Sequence[str]
    start: int
    stop: int


def whole_file(lines: Sequence[str], fence: Fence, brief: Brief) -> Whole | None:
    """Return the whole file in a fence; None where there is something else in it."""
    start, body = _body(lines, fence, brief)
    path = _path(lines, fence, body, brief)
    if path is None or fence.info.partition(" ")[0].lower() in _SHELLS:
        return None
    source = _source(path, brief)
    if body and heading_path(body[0], [path]) and body[0] not in source:
        body = body[1:]
    fits = bool(body) and share(source, body) >= LEAST
    return Whole(path, body, start, fence.stop + 1) if fits else None


def share(old: Sequence[str], new: Sequence[str]) -> float:
    """Return the share of a file that new lines keep: of its definitions, else of its lines."""
    here, there = (set(map(_defined_name, side)) - {""} for side in (old, new))
    if not here:
        here, there = ({line.strip() for line in side if line.strip()} for side in (old, new))
        there |= here if len(here) < _FEW else set()
    return len(here & there) / len(here) if here else 1.0


def _defined_name(line: str) -> str:
    """Return the name that a line defines at a program's top level; "" if it defines none."""
    match = _DEFINITION.match(line)
    return (match[1] or match[2]) if match else ""


def partial(lines: Sequence[str], fences: Sequence[Fence], brief: Brief) -> str:
    """Return what is wrong with fences none of which holds a whole file; "" if not known."""
    for fence in fences:
        _, body = _body(lines, fence, brief)
        path = _path(lines, fence, body, brief)
        if path is not None and path in brief.fixed_files:
            return f"{safe_line(path, 60)} is fixed; only {', '.join(brief.editable)} may change"
        if path is not None and body:
            source = _source(path, brief)
            return (
                f"the fence holds {counted(len(body), 'line')} and {safe_line(path, 60)} has "
                f"{len(source)}: what is left out would be gone. Write SEARCH/REPLACE blocks for "
                "what changes, or the whole file"
            )
    return ""


def _body(lines: Sequence[str], fence: Fence, brief: Brief) -> tuple[int, list[str]]:
    """Return where a fence's file begins, and its lines, without a header or marks around it."""
    start, stop = fence.start + 1, fence.stop
    headers = groups(lines[start : min(stop, start + _HEADER_LINES)])
    start += headers[0].end if headers else 0
    while start < stop and _RULE.fullmatch(lines[start]):
        start += 1
    element = _ELEMENT.fullmatch(lines[start]) if start < stop else None
    if element and path_in(lines[start], brief.all_files):
        closed = f"</{element['name']}>"
        stop = next((at for at in range(start, stop) if lines[at].strip() == closed), stop)
        return start + 1, list(lines[start + 1 : stop])
    if stop - start > 1 and _FENCE.fullmatch(lines[start]) and _FENCE.fullmatch(lines[stop - 1]):
        return start + 1, list(lines[start + 1 : stop - 1])
    return start, list(lines[start:stop])


def _path(lines: Sequence[str], fence: Fence, body: Sequence[str], brief: Brief) -> str | None:
    known = brief.all_files
    first = heading_path(body[0], known) if body else None
    above = path_above(lines[max(fence.start - _ABOVE, 0) : fence.start], known)
    named = path_in(fence.info, known) or above or first
    only = next(iter(brief.files)) if len(brief.files) == 1 else None
    return named or only


def _source(path: str, brief: Brief) -> list[str]:
    return brief.files.get(path, brief.fixed_files.get(path, "")).splitlines()
