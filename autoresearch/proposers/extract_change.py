"""Makes one change of a command's work: of the files that it left and what it printed."""

from dataclasses import dataclass

from autoresearch.patching import matching, unified_diff
from autoresearch.proposers.base import Brief
from autoresearch.proposers.checkout import CollectedFiles
from autoresearch.proposers.reading import read_change
from autoresearch.records.proposals import Change, ChangeFormat, Rejection


@dataclass(frozen=True)
class ExtractedChange:
    """A change, None where there is none; `note` says what was left out of it.

    `printed`: it comes from the output, not from files. `fault` is what is wrong with the files,
    `unread` why a printed change cannot be read.
    """

    change: Change | None = None
    note: str = ""
    printed: bool = False
    fault: str = ""
    unread: Rejection | None = None


def extract_change(left: CollectedFiles, brief: Brief, printed: str) -> ExtractedChange:
    """Return the change of the editable files, else the edits that were printed.

    Changes of fixed files are left out. If there are no others, they are returned: preflight
    refuses them with the reason, and the experiment's row keeps them.
    """
    if wrong := {path: why for path, why in left.faults.items() if path not in brief.fixed_files}:
        return ExtractedChange(fault="; ".join(f"{path} {why}" for path, why in wrong.items()))
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
    if not fixed:
        return ExtractedChange()
    after = {path: left.texts[path] for path in fixed if path in left.texts}
    only = Change(ChangeFormat.DIFF, unified_diff(fixed, after))
    return ExtractedChange(only, f"it changed only {names}")
