"""`autoresearch diff`."""

from autoresearch import patching
from autoresearch.commands.output import stdout
from autoresearch.config import find_project, scrub_git_environment
from autoresearch.gitrepo import GitRepo
from autoresearch.records.tables import Experiment
from autoresearch.registry import Registry
from autoresearch.render import diff as view


def diff(first: int, second: int | None) -> None:
    """Compare two experiments: the code and its effect."""
    scrub_git_environment()
    project = find_project()
    registry = Registry.open(project.registry)
    before, after = view.sides(registry, first, second)
    repo = GitRepo.open(project.root)
    editable = project.settings.target.editable
    changes = _changes(repo, before, after, editable)
    view.diff(registry, registry.study_of(after), before, after, changes=changes, console=stdout())


def _changes(
    repo: GitRepo, before: Experiment, after: Experiment, editable: tuple[str, ...]
) -> str:
    # What was refused before training has no commit: its row keeps what was written.
    if before.commit_sha is None or after.commit_sha is None:
        return after.patch or after.change_text
    old = repo.read_files(before.commit_sha, editable)
    new = repo.read_files(after.commit_sha, editable)
    return patching.unified_diff(old, new)
