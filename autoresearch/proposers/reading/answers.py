"""Reads a model's answer as one proposal, or says what its author must mend.

An answer is a header of `name: value` lines, then edits or one whole file. What is clear is
accepted in whatever form it comes; what can be meant in two ways is not. The change is stored as
the diff that it makes of the project's files, so that the same text is checked, trained and
recorded.
"""

from collections.abc import Mapping, Sequence

from autoresearch import patching
from autoresearch.proposers.base import Brief
from autoresearch.proposers.reading.choosing import choose
from autoresearch.proposers.reading.doubting import fault_in
from autoresearch.proposers.reading.headers import Header, groups
from autoresearch.proposers.reading.numbers import predicted
from autoresearch.proposers.reading.parts import ChosenParts, known_files, lines_of, take_apart
from autoresearch.proposers.reading.wholes import Whole
from autoresearch.records.proposals import Change, ChangeFormat, Proposal, Rejection
from autoresearch.records.text import safe_line

MOST = 2**20  # characters of an answer


def read(answer: str, proposer: str, brief: Brief) -> Proposal | Rejection:
    """Return the one proposal in an answer, or why there is none and how it is written."""
    if len(answer) > MOST:
        return Rejection(f"the answer has {len(answer)} characters; at most {MOST} are read")
    parts = take_apart(answer, brief)
    chosen = choose(parts, brief)
    if isinstance(chosen, Rejection):
        return chosen
    change = _change(chosen, brief)
    if isinstance(change, Rejection):
        return change
    head = chosen.group.header if chosen.group else Header()
    return Proposal(
        proposer,
        head.hypothesis,
        change,
        head.category,
        predicted(head.predicted, brief),
        head.risk,
        notes=head.notes,
    )


def read_change(printed: str, brief: Brief) -> Change | Rejection | None:
    """Return the change in what a program printed, or why it is none; None without a sign of one.

    It is read as an answer is, but a header may be missing.
    """
    parts = take_apart(printed[-MOST:], brief)
    if not parts.edits and not parts.wholes:
        return None
    real = [each for each in parts.headers if not each.is_form]
    if real:
        chosen = choose(parts, brief)
    else:
        every = ChosenParts(None, parts.edits, parts.wholes)
        chosen = fault_in(parts, every, brief) or every
    return chosen if isinstance(chosen, Rejection) else _change(chosen, brief)


def header(text: str) -> Header:
    """Return the last header in a text; fields that are missing or odd keep their defaults."""
    lines = patching.split_lines(text)
    code = lines_of(patching.find_blocks(lines, ()))
    headers = [each for each in groups(lines, code) if not each.is_form]
    return headers[-1].header if headers else Header()


def unread(answer: str, proposer: str, fault: Rejection, brief: Brief) -> Proposal:
    """Return a refused answer as a proposal with a fault: it is recorded, but never trained."""
    head = header(answer)
    words = head.hypothesis or f"an answer that could not be read: {safe_line(fault.reason, 200)}"
    change = Change(ChangeFormat.ANSWER, answer)
    return Proposal(
        proposer,
        words,
        change,
        head.category,
        predicted(head.predicted, brief),
        head.risk,
        fault=fault.reason,
        notes=head.notes,
    )


def _change(chosen: ChosenParts, brief: Brief) -> Change | Rejection:
    """Return the diff that a proposal's changes make of the project's files."""
    files = known_files(brief)
    named = [each.edit.path for each in chosen.edits if each.edit.path in brief.fixed_files]
    edited = patching.apply_edits(files, [each.edit for each in chosen.edits], tuple(brief.files))
    after = edited if isinstance(edited, Rejection) else _with_files(files, edited, chosen.wholes)
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
    """Return the edited files with whole ones in their place; unchanged whole files are ignored."""
    after = dict(edited)
    for whole in wholes:
        before = files.get(whole.path, "")
        text = patching.rewrite(before, whole.lines)
        if isinstance(text, Rejection):
            return text
        if text == before:
            continue
        if after.get(whole.path, "") not in (before, text):
            return Rejection(
                f"there are two versions of {safe_line(whole.path, 60)} in the answer, which are "
                "not the same: give its edits, or one whole file"
            )
        after[whole.path] = text
    return after
