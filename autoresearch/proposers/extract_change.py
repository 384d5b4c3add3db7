"""What a command's work comes to: from the files it left and what it printed to one change."""

from collections.abc import Mapping
from dataclasses import dataclass

from autoresearch.patching import matching, unified_diff
from autoresearch.proposers.base import Brief
from autoresearch.proposers.checkout import Harvest
from autoresearch.proposers.execution import ProgramResult
from autoresearch.proposers.reading import read_change
from autoresearch.proposers.spoken import spoken
from autoresearch.records.proposals import Change, ChangeFormat, Rejection


@dataclass(frozen=True)
class ExtractedChange:
    """A change, None where there is none; `note` says what is left out.

    `printed`: it was not made in files. `fault` is what is wrong with the files, `unread` with a
    change that was printed.
    """

    change: Change | None = None
    note: str = ""
    printed: bool = False
    fault: str = ""
    unread: Rejection | None = None


def extract_change(left: Harvest, brief: Brief, printed: str) -> ExtractedChange:
    """Return the change of the editable files, else the edits that were printed.

    A change of fixed files is left out. Where it is all there is, it is returned as it is: it
    will be refused in so many words, and kept.
    """
    if fault := _fault(left, brief):
        return ExtractedChange(fault=fault)
    diff = unified_diff(brief.files, matching(left.texts, brief.editable))
    fixed = {path: text for path, text in brief.fixed_files.items() if left.texts.get(path) != text}
    names = ", ".join(sorted(fixed)[:5])
    note = f"left out: its changes to {names}, which may not change" if fixed else ""
    if diff:
        return ExtractedChange(Change(ChangeFormat.DIFF, diff), note)
    edits = read_change(printed, brief)
    if isinstance(edits, Rejection):
        return ExtractedChange(note=note, unread=edits)
    if edits is not None:
        return ExtractedChange(edits, note, printed=True)
    return (
        ExtractedChange(_diff(fixed, left.texts), f"it changed only {names}")
        if fixed
        else ExtractedChange()
    )


def said_apart(output: str, told: str) -> str:
    """Return what a program said; some repeat what they were told before it."""
    return spoken(output).replace(told.strip(), "")


def complaint(ran: ProgramResult) -> str:
    """Return the last line in which a program may have said what went wrong."""
    return last_line(*(spoken(text, failed=True) for text in (ran.error, ran.out)))


def last_line(*texts: str) -> str:
    """Return the last line that says anything, of the first text that has one."""
    lines = (text.rstrip().rpartition("\n")[2].strip() for text in texts)
    return next((line for line in lines if line), "")


def _fault(left: Harvest, brief: Brief) -> str:
    wrong = {path: why for path, why in left.faults.items() if path not in brief.fixed_files}
    return "; ".join(f"{path} {why}" for path, why in wrong.items())


def _diff(before: Mapping[str, str], now: Mapping[str, str]) -> Change:
    after = {path: now[path] for path in before if path in now}
    return Change(ChangeFormat.DIFF, unified_diff(before, after))
