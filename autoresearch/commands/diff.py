"""`autoresearch diff`."""

from autoresearch import patching
from autoresearch.commands.output import stdout
from autoresearch.config import find_project, scrub_git_environment
from autoresearch.errors import RegistryError
from autoresearch.gitrepo import GitRepo
from autoresearch.records.tables import Experiment
from autoresearch.registry import Registry
from autoresearch.render import diff as view


def diff(first: int, second: int | None) -> None:
    """Compare two experiments: the code and its effect."""
    scrub_git_environment()
    project = find_project()
    registry = Registry.look(project.registry)
    before, after = view.sides(registry, first, second)
    repo = GitRepo.open(project.root)
    editable = project.settings.target.editable
    changes = _changes(repo, before, after, editable)
    view.diff(registry, registry.study_of(after), before, after, changes=changes, console=stdout())


def _changes(
    repo: GitRepo, before: Experiment, after: Experiment, editable: tuple[str, ...]
) -> str:
    if after.commit_sha is None and after.parent_id == before.id:
        return after.change_text  # refused before training: what its proposer wrote
    for row in (before, after):
        if row.commit_sha is None:
            msg = f"experiment {row.id} was refused before training: try `diff {row.id}` alone"
            raise RegistryError(msg)
    old = repo.read_files(str(before.commit_sha), editable)
    new = repo.read_files(str(after.commit_sha), editable)
    return patching.unified_diff(old, new)
