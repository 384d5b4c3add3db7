"""Reads a model's answer as proposals, or says what its author must mend.

A proposal is a header of `name: value` lines, then edits or one whole file. What is clear is
accepted in whatever form it comes; what can be meant in two ways is not. The change is stored as
the diff that it makes of the project's files, so that the same text is checked, trained and
recorded.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from autoresearch import patching
from autoresearch.proposers.base import Brief
from autoresearch.proposers.reading.choosing import choose
from autoresearch.proposers.reading.doubting import fault_in
from autoresearch.proposers.reading.headers import Header, groups
from autoresearch.proposers.reading.numbers import predicted
from autoresearch.proposers.reading.parts import ChosenParts, Parts, lines_of, take_apart
from autoresearch.proposers.reading.wholes import Whole
from autoresearch.records.proposals import Change, ChangeFormat, Proposal, Rejection
from autoresearch.records.text import safe_line

MOST = 2**20  # characters of an answer
_MARK = re.compile(r"\W*proposal\W{0,5}(?P<number>[1-9])\W*", re.IGNORECASE)


def read_several(
    answer: str, proposer: str, brief: Brief, most: int
) -> Sequence[Proposal | Rejection]:
    """Return at most so many proposals of an answer; in place of one, why it cannot be read.

    A line ``## Proposal 2`` begins the second one. Lines above the first such line are thoughts,
    and of two with one number the later counts. Without such lines an answer is one proposal.
    """
    marked = _marked(take_apart(answer, brief)) if most > 1 and len(answer) <= MOST else []
    texts = marked[:most] or [answer]
    return [read(text, proposer, brief) for text in texts]


def _marked(parts: Parts) -> list[str]:
    """Return the text below each mark, in the order of their numbers."""
    marks = [
        (at, int(found["number"]))
        for at, line in enumerate(parts.lines)
        if at not in parts.code and (found := _MARK.fullmatch(line))
    ]
    ends = [*(at for at, _ in marks), len(parts.lines)][1:]
    texts = {
        number: "\n".join(parts.lines[at + 1 : end])
        for (at, number), end in zip(marks, ends, strict=True)
    }
    return [texts[number] for number in sorted(texts)]


def read(answer: str, proposer: str, brief: Brief) -> Proposal | Rejection:
    """Return the one proposal in an answer, or why there is none and how it is written."""
    if len(answer) > MOST:
        return Rejection(f"the answer has {len(answer)} characters; at most {MOST} are read")
    parts = take_apart(answer, brief)
    chosen = choose(parts)
    if isinstance(chosen, Rejection):
        return chosen
    change = _change(chosen, brief)
    if isinstance(change, Rejection):
        return change
    return described(change, chosen.group.header if chosen.group else Header(), proposer, brief)


def read_change(printed: str, brief: Brief) -> Change | Rejection | None:
    """Return the change in what a program printed, or why it is none; None without a sign of one.

    It is read as an answer is, but a header may be missing.
    """
    parts = take_apart(printed[-MOST:], brief)
    if not parts.starts:
        return None
    chosen: ChosenParts | Rejection
    if any(not each.is_form for each in parts.headers):
        chosen = choose(parts)
    else:
        every = ChosenParts(parts.edits, parts.wholes, None)
        chosen = fault_in(parts, every) or every
    return chosen if isinstance(chosen, Rejection) else _change(chosen, brief)


def header(text: str) -> Header:
    """Return the last header in a text; fields that are missing or odd keep their defaults."""
    lines = patching.split_lines(text)
    code = lines_of(patching.find_blocks(lines, ()))
    headers = [each for each in groups(lines, code) if not each.is_form]
    return headers[-1].header if headers else Header()


def described(change: Change, head: Header, proposer: str, brief: Brief) -> Proposal:
    """Return a change as a proposal, described by a header."""
    effect = predicted(head.predicted, brief)
    return Proposal(
        proposer, head.hypothesis, change, head.category, effect, head.risk, notes=head.notes
    )


def unread(answer: str, proposer: str, fault: Rejection, brief: Brief) -> Proposal:
    """Return a refused answer as a proposal with a fault: it is recorded, but never trained."""
    made = described(Change(ChangeFormat.ANSWER, answer), header(answer), proposer, brief)
    words = f"an answer that could not be read: {safe_line(fault.reason, 200)}"
    return replace(made, hypothesis=made.hypothesis or words, fault=fault.reason)


def _change(chosen: ChosenParts, brief: Brief) -> Change | Rejection:
    """Return the diff that a proposal's changes make of the project's files."""
    files = brief.all_files
    named = [each.path for each in chosen.edits if each.path in brief.fixed_files]
    edited = patching.apply_edits(files, chosen.edits, tuple(brief.files))
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
