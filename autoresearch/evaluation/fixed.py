"""Checks that no proposal can change what a project's score rests on."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath

from autoresearch.config import Settings
from autoresearch.errors import ProjectError
from autoresearch.patching import matches
from autoresearch.patching.imports import imported


def require_fixed(settings: Settings, committed: Collection[str]) -> None:
    """Check that the evaluator is committed, and neither it nor held-out data is editable.

    Args:
        settings: the project's.
        committed: the paths of the files of the commit that a study starts from.

    Raises:
        ProjectError: it is in no commit, or a proposal could change what decides its score.
    """
    evaluator, editable = settings.metric.evaluator, settings.target.editable
    if not evaluator:
        return
    if evaluator not in committed:
        msg = f"[metric] evaluator: {evaluator} is in no commit: write it, and commit it"
        raise ProjectError(msg)
    held_out = (*settings.data.held_out, *settings.data.test)
    judges = (evaluator, *sorted(each for each in committed if matches(each, held_out)))
    if open_ := [each for each in judges if matches(each, editable)]:
        msg = f"[target] editable: takes in {open_[0]}, which decides the score: leave it out"
        raise ProjectError(msg)


def runs_editable(evaluator: str, sources: Mapping[str, str], editable: Sequence[str]) -> str:
    """Return the first editable file that an evaluator may import, itself or through others.

    Where there is one, a trial's code runs in the process that makes its score. Files that the
    evaluator unpickles, and processes that it starts, are not found.

    Args:
        evaluator: a path in the project.
        sources: the project's Python files, path to text.
        editable: globs of what proposals may change.

    Returns:
        A path; empty where it imports none.
    """
    seen, queue = {evaluator}, [evaluator]
    while queue:
        path = queue.pop(0)
        for each in sorted(_imports(path, sources) - seen):
            if matches(each, editable):
                return each
            seen.add(each)
            queue.append(each)
    return ""


def _imports(path: str, sources: Mapping[str, str]) -> set[str]:
    """Return the project's files that one of them may import, from beside it or from the top."""
    tops = {PurePosixPath(path).parent, PurePosixPath()}
    names = [each.replace(".", "/") for each in imported(path, sources.get(path, ""))]
    ends = (".py", "/__init__.py")
    return {
        str(top / f"{name}{end}") for top in tops for name in names for end in ends
    } & sources.keys()
