"""What a model answered, as one proposal, or what its author must mend.

An answer is a header of `name: value` lines, then edits or one whole file. What is clear is taken
in whatever form it comes; what can be meant in two ways is not. The change is written down as the
diff that it makes of the project's files, so that what is judged, trained and recorded is one text.
"""

from collections.abc import Mapping, Sequence

from autoresearch import patching
from autoresearch.proposers.base import Brief
from autoresearch.proposers.reading.choosing import choose
from autoresearch.proposers.reading.doubting import fault_in
from autoresearch.proposers.reading.headers import Header, groups
from autoresearch.proposers.reading.numbers import predicted
from autoresearch.proposers.reading.parts import Taken, known_files, lines_of, take_apart
from autoresearch.proposers.reading.wholes import Whole
from autoresearch.records.proposals import Change, ChangeFormat, Proposal, Rejection
from autoresearch.records.text import safe_line

MOST = 2**20  # characters of an answer


def read(answer: str, proposer: str, brief: Brief) -> Proposal | Rejection:
    """Return the one proposal that an answer makes, or why it makes none and what is right."""
    if len(answer) > MOST:
        return Rejection(f"the answer has {len(answer)} characters; at most {MOST} are read")
    parts = take_apart(answer, brief)
    taken = choose(parts, brief)
    if isinstance(taken, Rejection):
        return taken
    change = _change(taken, brief)
    if isinstance(change, Rejection):
        return change
    said = taken.group.said if taken.group else Header()
    return Proposal(
        proposer,
        said.hypothesis,
        change,
        said.category,
        predicted(said.predicted, brief),
        said.risk,
        notes=said.notes,
    )


def read_change(printed: str, brief: Brief) -> Change | Rejection | None:
    """Return the change in what a program printed, or why it is none; None: no sign of one.

    It is read as an answer is, but nobody asks for a header.
    """
    parts = take_apart(printed[-MOST:], brief)
    if not parts.edits and not parts.wholes:
        return None
    real = [each for each in parts.headers if not each.is_form]
    if real:
        taken = choose(parts, brief)
    else:
        every = Taken(None, parts.edits, parts.wholes)
        taken = fault_in(parts, every, brief) or every
    return taken if isinstance(taken, Rejection) else _change(taken, brief)


def header(text: str) -> Header:
    """Return what the last header in a text says; what is missing or odd keeps its default."""
    lines = patching.split_lines(text)
    code = lines_of(patching.find_blocks(lines, ()))
    found = [each for each in groups(lines, code) if not each.is_form]
    return found[-1].said if found else Header()


def unread(answer: str, proposer: str, fault: Rejection, brief: Brief) -> Proposal:
    """Return an answer that was refused as a proposal that is never trained: nothing is lost."""
    said = header(answer)
    words = said.hypothesis or f"an answer that could not be read: {safe_line(fault.reason, 200)}"
    change = Change(ChangeFormat.ANSWER, answer)
    return Proposal(
        proposer,
        words,
        change,
        said.category,
        predicted(said.predicted, brief),
        said.risk,
        fault=fault.reason,
        notes=said.notes,
    )


def _change(taken: Taken, brief: Brief) -> Change | Rejection:
    """Return the diff that a proposal's changes make of the project's files."""
    files = known_files(brief)
    named = [each.edit.path for each in taken.edits if each.edit.path in brief.fixed_files]
    edited = patching.apply_edits(files, [each.edit for each in taken.edits], tuple(brief.files))
    after = edited if isinstance(edited, Rejection) else _with_files(files, edited, taken.wholes)
    if isinstance(after, Mapping):
        named += [path for path in brief.fixed_files if after[path] != files[path]]
    if named:
        only = ", ".join(brief.editable)
        return Rejection(f"{safe_line(str(named[0]), 60)} is fixed; only {only} may change")
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
