"""What a model answered, as one proposal, or what its author must mend.

An answer is a header of `name: value` lines, then edits or one whole file. What is clear is taken
in whatever form it comes; what can be meant in two ways is not. The change is written down as the
diff that it makes of the project's files, so that what is judged, trained and recorded is one text.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoresearch import patching
from autoresearch.patching import Edit, Found, Reading
from autoresearch.proposers.base import Brief
from autoresearch.proposers.reading.enclosures import enclosing
from autoresearch.proposers.reading.fences import Fence, find_fences
from autoresearch.proposers.reading.headers import Group, Header, groups
from autoresearch.proposers.reading.wholes import Whole, partial, whole_file
from autoresearch.records.text import safe_line
from autoresearch.records.values import Change, ChangeFormat, Proposal, Rejection

MOST = 2**20  # characters of an answer
_HEADER_LINES = 15  # within which a fence that holds a header begins with it
_MARK = re.compile(r"[ \t>]*[<>]{5,}")
_SOUGHT = re.compile(r"(?:SEARCH|FIND|ORIGINAL|OLD|BEFORE)(?: (?:CODE|TEXT|BLOCK|LINES))?")
_PUT = re.compile(
    r"(?:REPLACE(?:MENT)?|UPDATED|NEW|AFTER)(?: (?:WITH|BY|CODE|TEXT|BLOCK|LINES))?"
)
EXAMPLE = """\
hypothesis: one sentence: what changes, and why it should help
category: optimizer
predicted_delta: -0.004
risk: one sentence: what may go wrong

{entry}
<<<<<<< SEARCH
lines as they are in the file
=======
the lines that take their place
>>>>>>> REPLACE
"""


class NoChange(Rejection):
    """The answer has words and no change."""


@dataclass(frozen=True)
class Parts:
    """An answer taken apart; every part knows its lines."""

    lines: Sequence[str]
    edits: Sequence[Found]
    fences: Sequence[Fence]
    wholes: Sequence[Whole]
    headers: Sequence[Group]
    code: frozenset[int]


@dataclass(frozen=True)
class Taken:
    """One proposal's parts of an answer."""

    group: Group | None
    edits: Sequence[Found] = ()
    wholes: Sequence[Whole] = ()

    @property
    def starts(self) -> list[int]:
        """Return the lines on which its changes begin."""
        return sorted(each.start for each in (*self.edits, *self.wholes))

    @property
    def stop(self) -> int:
        """Return the line after all of it."""
        return max(each.stop for each in (*self.edits, *self.wholes))


def read(answer: str, proposer: str, brief: Brief) -> Proposal | Rejection:
    """Return the one proposal that an answer makes, or why it makes none, and what would be right."""
    if len(answer) > MOST:
        return Rejection(f"the answer has {len(answer)} characters; at most {MOST} are read")
    parts = _parts(answer, brief)
    taken = _choose(parts, brief)
    if isinstance(taken, Rejection):
        return taken
    change = _change(parts, taken, brief)
    if isinstance(change, Rejection):
        return change
    said = taken.group.said if taken.group else Header()
    return Proposal(
        proposer, said.hypothesis, change, said.category, said.predicted_delta, said.risk
    )


def read_change(printed: str, brief: Brief) -> Change | Rejection | None:
    """Return the change in what a program printed, why it is none, or None: there is no sign of one.

    As in an answer, but nobody asks for a header.
    """
    parts = _parts(printed[-MOST:], brief)
    if not parts.edits and not parts.wholes:
        return None
    real = [each for each in parts.headers if not each.is_form]
    taken = _choose(parts, brief) if real else Taken(None, parts.edits, parts.wholes)
    return taken if isinstance(taken, Rejection) else _change(parts, taken, brief)


def header(text: str) -> Header:
    """Return what the last header in a text says; what is missing or odd keeps its default."""
    found = [each for each in groups(patching.split_lines(text)) if not each.is_form]
    return found[-1].said if found else Header()


def unread(answer: str, proposer: str, fault: Rejection) -> Proposal:
    """Return an answer that was refused as a proposal that is never trained: nothing is lost."""
    said = header(answer)
    words = said.hypothesis or f"an answer that could not be read: {safe_line(fault.reason, 200)}"
    change = Change(ChangeFormat.ANSWER, answer)
    return Proposal(
        proposer, words, change, said.category, said.predicted_delta, said.risk, fault=fault.reason
    )


def _parts(answer: str, brief: Brief) -> Parts:
    lines = [line.lstrip("\ufeff") for line in patching.split_lines(answer)]
    known = _known(brief)
    edits = patching.find_blocks(lines, known)
    taken = _lines_of(edits)
    edits += patching.find_hunks(lines, known, taken)
    taken = _lines_of(edits)
    fences = find_fences(lines, known, taken)
    pairs = _pairs(lines, fences, known, taken)
    edits = sorted([*edits, *pairs], key=lambda each: each.start)
    taken = _lines_of(edits)
    code = {
        number
        for fence in fences
        if not groups(lines[fence.start + 1 : min(fence.stop, fence.start + _HEADER_LINES)])
        for number in range(fence.start + 1, fence.stop)
    }
    found = (whole_file(lines, each, brief) for each in fences if each.closed)
    wholes = [each for each in found if each and not taken.intersection(range(each.start, each.stop))]
    code |= taken
    return Parts(lines, edits, fences, wholes, groups(lines, code, known), frozenset(code))


def _known(brief: Brief) -> Mapping[str, str]:
    return {**brief.fixed_files, **brief.files}


def _lines_of(edits: Sequence[Found]) -> set[int]:
    return {number for each in edits for number in range(each.start, each.stop)}


def _pairs(
    lines: Sequence[str], fences: Sequence[Fence], known: Mapping[str, str], taken: set[int]
) -> list[Found]:
    """Return the edits that are two fences, one named SEARCH and one REPLACE."""
    found = list[Found]()
    for first, second in zip(fences, fences[1:], strict=False):
        named = _named(lines, first, _SOUGHT) and _named(lines, second, _PUT)
        if not named or not second.closed or first.start in taken:
            continue
        sides = (lines[each.start + 1 : each.stop] for each in (first, second))
        reading = Reading(*(tuple(side) for side in sides))
        path = patching.path_above(lines[max(first.start - 6, 0) : first.start], known)
        edit = Edit((reading,), path, f"the edit at line {first.start + 1}")
        found.append(Found(first.start, second.stop + 1, edit))
    return found


def _named(lines: Sequence[str], fence: Fence, word: re.Pattern[str]) -> bool:
    above = next((line for line in reversed(lines[: fence.start]) if line.strip()), "")
    return bool(word.fullmatch(" ".join(re.findall(r"[A-Za-z]+", above)).upper()))


def _choose(parts: Parts, brief: Brief) -> Taken | Rejection:
    """Return the last header with the changes that belong to it: those below it.

    What stands above is thoughts: the form asks for the header first. Where nothing is below the
    only header, what stands above it belongs to it.
    """
    real = [each for each in parts.headers if not each.is_form]
    if not real:
        return _headless(parts, brief)
    while len(real) > 1 and not _below(parts, real[-1]).starts and real[-1].said == real[-2].said:
        real.pop()
    taken = _below(parts, real[-1])
    if not taken.starts and len(real) == 1 and len(parts.headers) == 1:
        taken = Taken(real[0], parts.edits, parts.wholes)
        if _scattered(parts, taken):
            return Rejection(
                "the header stands below several edits with words between them, so which of them "
                "are meant cannot be known: give the header first, then all edits and nothing else"
            )
    if not taken.starts:
        return _changeless(parts, real, brief)
    return _enclosed(parts, taken) or _cut(parts, taken, brief) or taken


def _below(parts: Parts, group: Group) -> Taken:
    forms = (each.start for each in parts.headers if each.is_form and each.start > group.start)
    end = min(forms, default=len(parts.lines))
    edits = [each for each in parts.edits if group.start <= each.start < end]
    wholes = [each for each in parts.wholes if group.start <= each.stop <= end]
    return Taken(group, edits, wholes)


def _scattered(parts: Parts, taken: Taken) -> bool:
    """Return whether there are words between the edits, beyond the name of a file."""
    between = range(taken.starts[0], taken.stop) if taken.starts else ()
    own = _lines_of(taken.edits)
    prose = (parts.lines[at] for at in between if at not in own and at not in parts.code)
    return any(len(re.findall(r"[^\W\d_]+", line)) > 3 for line in prose)


def _headless(parts: Parts, brief: Brief) -> Rejection:
    detail = EXAMPLE.format(entry=brief.entry)
    if parts.headers:
        return Rejection(
            "the line `hypothesis: ...` only repeats the form: say what you change and why", detail
        )
    if not parts.edits and not parts.wholes:
        return NoChange(
            "the line `hypothesis: ...` is missing, and so is a change: there are only words", detail
        )
    return Rejection("the line `hypothesis: ...` is missing above the change", detail)


def _changeless(parts: Parts, real: Sequence[Group], brief: Brief) -> Rejection:
    """Say why the last header has no change."""
    detail = EXAMPLE.format(entry=brief.entry)
    if len(real) > 1 and (parts.edits or parts.wholes):
        words = (f"`{safe_line(each.said.hypothesis, 60)}`" for each in real[-2:])
        return Rejection(
            f"there are two proposals, {' and '.join(words)}, and no change below the last one: "
            "give exactly one header, and its change below it",
            detail,
        )
    below = [each for each in parts.fences if each.start >= real[-1].start]
    if any(not each.closed for each in below):
        return Rejection(
            "the closing fence of the file is missing, so the answer was cut off: give the file "
            "to its end, or only the edits"
        )
    if below and (why := partial(parts.lines, below, brief)):
        return Rejection(why, detail)
    return NoChange(
        "SEARCH/REPLACE blocks are missing: there are a header and words, so nothing would change",
        detail,
    )


def _enclosed(parts: Parts, taken: Taken) -> Rejection | None:
    """Say where a header or a change stands in something that is not named like an answer."""
    places = [*taken.starts, *([taken.group.stop - 1] if taken.group else [])]
    known = [] if not taken.edits else [each.edit.path for each in taken.edits if each.edit.path]
    for place in places:
        name = enclosing(place, parts.lines, known, parts.code)
        if name is not None:
            return Rejection(
                f"line {place + 1} of the answer stands inside <{safe_line(name, 40)}>, as thoughts "
                "do, so it is no final word: after your thoughts have ended, give the header and "
                "the change once, outside of all tags"
            )
    return None


def _cut(parts: Parts, taken: Taken, brief: Brief) -> Rejection | None:
    """Say how an answer breaks off after its last change, if it does."""
    begin = taken.group.start if taken.group else 0
    rest = [at for at in range(begin, len(parts.lines)) if at not in parts.code]
    if mark := next((parts.lines[at] for at in rest if _MARK.match(parts.lines[at])), None):
        return Rejection(f"the line `{safe_line(mark.strip(), 40)}` is no whole mark of a block")
    own = _lines_of(taken.edits)
    for fence in parts.fences:
        if fence.start >= begin and not fence.closed and not own & set(range(fence.start, fence.stop)):
            return Rejection("a fence at the end is not closed, so the answer was cut off")
    last = next((at for at in reversed(rest) if parts.lines[at].strip()), 0)
    line = parts.lines[last].strip().strip("*_` ")
    announced = line.endswith((":", "：")) or patching.heading_path(line, _known(brief)) is not None
    if last >= taken.stop and announced:
        return Rejection(
            f"the answer ends with `{safe_line(line, 60)}` and nothing below it, so a part is "
            "missing: give the whole answer, or leave that line out"
        )
    return None


def _change(parts: Parts, taken: Taken, brief: Brief) -> Change | Rejection:
    """Return the diff that a proposal's changes make of the project's files."""
    files = _known(brief)
    paths = {each.edit.path for each in taken.edits} | {each.path for each in taken.wholes}
    fixed = sorted(path for path in paths if path in brief.fixed_files)
    if fixed:
        only = ", ".join(brief.editable)
        return Rejection(f"{safe_line(fixed[0], 60)} is fixed; only {only} may change")
    edited = patching.apply_edits(files, [each.edit for each in taken.edits], tuple(brief.files))
    after = edited if isinstance(edited, Rejection) else _with_files(files, edited, taken.wholes)
    if isinstance(after, Rejection):
        return after
    diff = patching.unified_diff(files, after)
    if not diff:
        return Rejection("the change changes nothing: what it puts in is what was there")
    return Change(ChangeFormat.DIFF, diff)


def _with_files(
    files: Mapping[str, str], edited: Mapping[str, str], wholes: Sequence[Whole]
) -> Mapping[str, str] | Rejection:
    """Return the edited files with the whole ones in their place; one as it was is an echo."""
    after = dict(edited)
    for whole in wholes:
        before = files.get(whole.path, "")
        made = patching.rewrite(before, whole.lines)
        if isinstance(made, Rejection):
            return made
        if made == before:
            continue
        if after.get(whole.path, "") not in (before, made):
            return _twice(whole.path)
        after[whole.path] = made
    return after


def _twice(path: str) -> Rejection:
    return Rejection(
        f"there are two versions of {safe_line(path, 60)} in the answer, which are not the same: "
        "give its edits, or one whole file"
    )
