"""What is refused without running it: changes that do not apply, are not allowed, or not new."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from autoresearch import patching
from autoresearch.preflight.answering import answered
from autoresearch.preflight.contract import broken
from autoresearch.preflight.forbidden_api import new_forbidden_use
from autoresearch.records.proposals import Change, ChangeFormat, Patch, Proposal, Rejection
from autoresearch.records.text import safe_line

MAX_CHANGE = 2**20  # characters
ApplyDiff = Callable[[Mapping[str, str], str], Mapping[str, str] | Rejection]
MAX_DOTS = 250  # in one dotted name: Python's parser keeps every beginning of it in memory
MAX_NAME, MAX_PATH = 255, 1000  # bytes of a file's name, and of the path to it
_GIT_REFUSES = re.compile(r"(?:^|/)(?:git~\d+|\.git[. ]+)(?:/|$)|[\\:]", re.IGNORECASE)
_BREAK = re.compile(r"[^\w\s\\.]+")
_DOTTED = re.compile(r"\b[^\W\d]\w*[\s\\]*\.")
_LOST = "\ufffd"  # what stands where bytes were no UTF-8


@dataclass(frozen=True)
class Changed:
    """A change that applies, as rules look at it: the editable files before it and after it.

    `entry` is the program that uses the session API, "" where none does; `files` are all of the
    incumbent's text files.
    """

    before: Mapping[str, str]
    after: Mapping[str, str]
    entry: str
    files: Mapping[str, str]


def _breaks_the_contract(change: Changed) -> Rejection | None:
    return broken(change.before, change.after, change.entry) if change.entry else None


def _uses_what_is_forbidden(change: Changed) -> Rejection | None:
    tops = (PurePosixPath(path).parts[0] for path in change.files if path.endswith(".py"))
    own_modules = {top.removesuffix(".py") for top in tops}  # as which the project imports its own
    return new_forbidden_use(change.before, change.after, own_modules)


# What a change must keep to that applies, asked in this order; the first refusal is told. Whatever
# the incumbent does, a change may do.
RULES: tuple[Callable[[Changed], Rejection | None], ...] = (
    _breaks_the_contract,
    _uses_what_is_forbidden,
)


@answered
def check(
    proposal: Proposal,
    files: Mapping[str, str],
    *,
    editable: Sequence[str],
    apply_diff: ApplyDiff,
    entry: str = "train.py",
) -> Patch | Rejection:
    """Return the incumbent's files as a proposal changes them, or why that is not worth a training.

    Args:
        proposal: as the proposer wrote it; whatever it is, nothing is raised.
        files: the incumbent's text files, fixed ones too, path to text.
        editable: globs of the files that may change.
        apply_diff: applies a unified diff (`patching.apply_diff`).
        entry: the program that uses the session API; "" where none does.

    Returns:
        A Patch whose `files` are all editable files afterwards.
    """
    if proposal.fault:
        return _on_one_line(Rejection(proposal.fault))
    before = patching.matching(files, editable)
    after = _unreadable(proposal.change, files) or _apply(
        proposal.change, files, tuple(before), apply_diff
    )
    if isinstance(after, Rejection):
        return _on_one_line(_fixed(_named_files(proposal.change, files), editable) or after)
    if refusal := _refusal(files, after, editable):
        return _on_one_line(refusal)
    after = patching.matching(after, editable)
    patch = _patch(before, after)
    if isinstance(patch, Rejection):
        return patch
    changed = Changed(before, after, entry, files)
    refusal = next((found for rule in RULES if (found := rule(changed))), None)
    return _on_one_line(refusal) if refusal else patch


def tried_before(patch: Patch, seen: Mapping[str, int]) -> Rejection | None:
    """Return that a change does what an experiment did; None where it is new.

    Args:
        patch: what was checked.
        seen: effect hashes of the study's experiments, to their numbers.
    """
    number = seen.get(patch.effect_hash)
    return Rejection(f"it has the same effect as experiment {number}") if number else None


def _unreadable(change: Change, files: Mapping[str, str]) -> Rejection | None:
    text = change.text
    if not text.strip():
        return Rejection("the change is empty")
    if change.format is ChangeFormat.ANSWER:
        return Rejection("it is an answer in which no change could be read")
    if len(text) > MAX_CHANGE:
        return Rejection(
            f"the change is {len(text)} characters long; at most {MAX_CHANGE} are read"
        )
    lost = _LOST in text and not any(_LOST in known for known in files.values())
    if lost:
        return Rejection(
            "the change is not clean UTF-8 text: it holds U+FFFD, the sign for a lost character"
        )
    if "\0" in text or not _encodable(text):
        return Rejection("the change is not clean UTF-8 text")
    return None


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _apply(
    change: Change, files: Mapping[str, str], known: Collection[str], apply_diff: ApplyDiff
) -> Mapping[str, str] | Rejection:
    if change.format is ChangeFormat.BLOCKS:
        return patching.apply_blocks(files, change.text, known)
    if change.format is ChangeFormat.FILE:
        return patching.apply_file(files, change.text, known)
    return apply_diff(files, change.text)


def _named_files(change: Change, files: Mapping[str, str]) -> list[str]:
    """Return the known files that a change that does not apply names: one may be fixed."""
    if change.format is ChangeFormat.DIFF:
        return patching.named_files(files, change.text)
    edits = patching.parse_blocks(change.text, files)
    return [edit.path for edit in edits if edit.path is not None and edit.path in files]


def _fixed(paths: Collection[str], editable: Sequence[str]) -> Rejection | None:
    fixed = sorted(path for path in paths if not patching.matches(path, editable))
    if not fixed:
        return None
    shown = ", ".join(safe_line(path, 60) for path in fixed[:3]) + ("..." if fixed[3:] else "")
    verb = "is" if len(fixed) == 1 else "are"
    return Rejection(f"{shown} {verb} fixed; only {', '.join(editable)} may change")


def _refusal(
    files: Mapping[str, str], after: Mapping[str, str], editable: Sequence[str]
) -> Rejection | None:
    changed = [path for path in {*files, *after} if files.get(path) != after.get(path)]
    if not changed:
        return Rejection("the change changes nothing")
    if fixed := _fixed(changed, editable):
        return fixed
    for path in sorted(changed):
        if fault := _fault(path, files, after):
            return Rejection(fault)
    return None


def _fault(path: str, files: Mapping[str, str], after: Mapping[str, str]) -> str | None:
    shown = safe_line(path, 60)
    if path not in after:
        return f"it removes {shown}; a file may be emptied, not removed"
    if _is_unfit(path):
        return f"{shown} is no name for a file: too long, or one that git refuses"
    if any(str(parent) in files for parent in PurePosixPath(path).parents):
        return f"{shown} cannot be: a folder of that name is a file"
    if path.endswith(".py") and _has_long_name(after[path]):
        return f"syntax error: {path} has a name of more than {MAX_DOTS} parts"
    fault = patching.syntax_fault(path, after[path])
    return f"syntax error: {fault}" if fault else None


def _is_unfit(path: str) -> bool:
    """Return whether a file of this name could not be committed or written everywhere."""
    longest = max(len(part.encode()) for part in path.split("/"))
    too_long = longest > MAX_NAME or len(path.encode()) > MAX_PATH
    return too_long or bool(_GIT_REFUSES.search(path))


def _has_long_name(text: str) -> bool:
    """Return whether parsing a source could take memory by the square of a name's length."""
    pieces = (each for each in _BREAK.split(text) if each.count(".") > MAX_DOTS)
    return any(len(_DOTTED.findall(each)) > MAX_DOTS for each in pieces)


def _patch(before: Mapping[str, str], after: Mapping[str, str]) -> Patch | Rejection:
    effect = patching.effect_hash(after)
    if effect == patching.effect_hash(before):
        return Rejection("it changes only comments, docstrings or layout")
    delta = patching.delta(before, after)
    return Patch(after, delta.text, effect, delta.added, delta.removed)


def _on_one_line(rejection: Rejection) -> Rejection:
    return Rejection(safe_line(rejection.reason, 300))
