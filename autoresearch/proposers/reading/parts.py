"""Takes an answer apart: its edits, its fences, the whole files in it, its headers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from autoresearch import patching
from autoresearch.patching import Edit, EditReading
from autoresearch.proposers.base import Brief
from autoresearch.proposers.reading.fences import (
    PUT,
    SOUGHT,
    Fence,
    find_fences,
    is_named,
    opened_up,
)
from autoresearch.proposers.reading.headers import Group, groups
from autoresearch.proposers.reading.wholes import Whole, whole_file

_DATA = re.compile(r"[ \t>]*<<(?:data|program) (?P<nonce>[0-9a-f]{32})\b.*>>")
_GLUED = re.compile(r"(\s*>{5,9} ?REPLACE)(<[/|].*\w.*)")  # a tag that ends thoughts, and more
_NEXT_TURN = re.compile(r"<\|\w+\|>\s*(?:user|human|system|tool)\b", re.IGNORECASE)
_HEADER_LINES = 15  # of a fence, in which a header makes it no code


@dataclass(frozen=True)
class Changes:
    """Edits and whole files of an answer, in order."""

    edits: Sequence[Edit]
    wholes: Sequence[Whole]

    @property
    def starts(self) -> list[int]:
        """Return the lines on which they begin."""
        return sorted([each.start for each in self.edits] + [each.start for each in self.wholes])

    @property
    def stop(self) -> int:
        """Return the line after all of them."""
        return max([each.stop for each in self.edits] + [each.stop for each in self.wholes])


@dataclass(frozen=True)
class ChosenParts(Changes):
    """The parts of an answer that make one proposal."""

    group: Group | None

    @property
    def begin(self) -> int:
        """Return the line on which its header begins; 0 without one."""
        return self.group.start if self.group else 0


@dataclass(frozen=True)
class Parts(Changes):
    """An answer to a brief, taken apart; every part knows its lines.

    `code` are the numbers of all lines that are code.
    """

    brief: Brief
    lines: Sequence[str]
    fences: Sequence[Fence]
    headers: Sequence[Group]
    code: frozenset[int]

    def end_of(self, begin: int) -> int:
        """Return where a proposal ends that begins at a line: before a repeated form below it."""
        forms = (each.start for each in self.headers if each.is_form and each.start > begin)
        return min(forms, default=len(self.lines))

    def prose(self, start: int, stop: int) -> list[str]:
        """Return the lines of a range that are no code."""
        return [self.lines[at] for at in range(start, stop) if at not in self.code]


def take_apart(answer: str, brief: Brief) -> Parts:
    """Return the parts of an answer to a brief."""
    # A line whose end was converted for Windows twice has two carriage returns.
    lines = _own_lines(patching.split_lines(answer.replace("\r\r\n", "\n")))
    known = brief.all_files
    edits = patching.find_blocks(lines, known)
    taken = lines_of(edits)
    edits += patching.find_hunks(lines, known, taken)
    taken = lines_of(edits)
    fences = find_fences(lines, known, taken)
    pairs = _pairs(lines, fences, known, taken)
    edits = sorted([*edits, *pairs], key=lambda each: each.start)
    taken = lines_of(edits)
    code = {
        number
        for fence in fences
        if not _holds_header(lines, fence)
        for number in range(fence.start + 1, fence.stop)
    }
    files = (whole_file(lines, each, brief) for each in fences if each.closed)
    wholes = [
        each for each in files if each and not taken.intersection(range(each.start, each.stop))
    ]
    code |= taken
    headers = groups(lines, code, known)
    return Parts(edits, wholes, brief, lines, fences, headers, frozenset(code))


def _own_lines(lines: Sequence[str]) -> list[str]:
    """Return the lines up to another speaker's turn, which a model may make up.

    Lines between the marks of untrusted data are emptied: they repeat the brief.
    """
    own, nonce = list[str](), ""
    for line in lines:
        if _NEXT_TURN.search(line):
            return [*own, line[: line.index("<|")]]
        begun = _DATA.match(line)
        inside = bool(nonce)
        if begun and not inside:
            nonce, inside = begun["nonce"], True
        glued = _GLUED.fullmatch(line)
        own += [""] if inside else glued.groups() if glued else opened_up(line.lstrip("\ufeff"))
        if inside and line.rstrip().endswith(f"<<end {nonce}>>"):
            nonce = ""
    return own


def lines_of(edits: Sequence[Edit]) -> set[int]:
    """Return the numbers of the lines of edits."""
    return {number for each in edits for number in range(each.start, each.stop)}


def _holds_header(lines: Sequence[str], fence: Fence) -> bool:
    """Return whether a fence is no code: a header begins it, or one of several fields is in it."""
    headers = groups(lines[fence.start + 1 : fence.stop])
    return any(each.start < _HEADER_LINES or each.size > 1 for each in headers)


def _pairs(
    lines: Sequence[str], fences: Sequence[Fence], known: Mapping[str, str], taken: set[int]
) -> list[Edit]:
    """Return the edits that are two fences, one named as SEARCH and one as REPLACE."""
    pairs = list[Edit]()
    for first, second in pairwise(fences):
        named = is_named(lines, first, SOUGHT) and is_named(lines, second, PUT)
        if not named or not second.closed or first.start in taken:
            continue
        search, replace = (_body(lines, each) for each in (first, second))
        reading = EditReading(search, replace)
        path = patching.path_above(lines[max(first.start - 6, 0) : first.start], known)
        label = f"the edit at line {first.start + 1}"
        pairs.append(Edit(first.start, second.stop + 1, (reading,), path, label))
    return pairs


def _body(lines: Sequence[str], fence: Fence) -> tuple[str, ...]:
    """Return the lines in a fence, without the fence's own indentation."""
    mark = lines[fence.start]
    lead = mark[: len(mark) - len(mark.lstrip())]
    return tuple(patching.unindented(lines[fence.start + 1 : fence.stop], lead))
