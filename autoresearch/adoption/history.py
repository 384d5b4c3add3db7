"""The results.tsv that came with a project, as an imported study."""

from dataclasses import dataclass
from pathlib import Path

from autoresearch.adoption.metrics import direction_of
from autoresearch.adoption.values import Found
from autoresearch.errors import ProjectError
from autoresearch.gitrepo import GitRepo
from autoresearch.records.metric import Direction, Metric, MetricSource
from autoresearch.records.results import ResultsTable, read_results
from autoresearch.records.tables import Study
from autoresearch.records.values import Clock, StudyState, Trust
from autoresearch.registry import Registry

FILE = "results.tsv"
TAG = "imported"
_MOST_BYTES = 16 * 2**20


@dataclass(frozen=True)
class History:
    """A table of earlier results, and the metric that its scores are of."""

    table: ResultsTable
    metric: Metric


def find_history(root: Path, found: Found) -> History | None:
    """Return the earlier results beside a project; None where there are none.

    Raises:
        ProjectError: the file cannot be read, or is no table of a sensible size.
    """
    path = root / FILE
    if not path.is_file():
        return None
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= _MOST_BYTES else b""
    except OSError as fault:
        msg = f"{FILE} cannot be read: {fault.strerror}"
        raise ProjectError(msg) from None
    if size > _MOST_BYTES:
        msg = f"{FILE} has {size / 2**20:.0f} MiB, 16 are read: move it away, or shorten it"
        raise ProjectError(msg)
    table = read_results(data)
    return History(table, _metric(table.metric, found)) if table.rows else None


def _metric(name: str, found: Found) -> Metric:
    """Return the metric of a column: the study's where it is called so, else by its name alone."""
    own = Direction(found.direction) if name == found.metric else direction_of(name)
    unit = name.removeprefix("val_")
    return Metric(name, unit, own or Direction.LOWER, MetricSource.SUMMARY)


def import_history(registry: Registry, repo: GitRepo, history: History, found: Found) -> Study:
    """Write earlier results into the registry as a study that no run goes on with.

    Raises:
        RegistryError: there is such a study already, or disk trouble.
    """
    study = Study(
        tag=TAG,
        branch="",
        base_commit=repo.head(),
        profile=found.device,
        device=found.device,
        corpus="",
        comparability="{}",
        budget_seconds=found.budget,
        clock=Clock.WALL,
        trust=Trust.SELF_REPORTED,
        state=StudyState.STOPPED,
        measure=history.metric.stored,
        origin=FILE,
        created_at=registry.now(),
    )
    return registry.add_imported(study, history.table.rows, repo.resolve)
