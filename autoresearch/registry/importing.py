"""A table of earlier results as a study of its own, which is never at work."""

from collections.abc import Callable, Sequence

from sqlalchemy import Engine
from sqlmodel import Session

from autoresearch.errors import RegistryError
from autoresearch.records.results import ResultsRow
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import Category, ExperimentState, Verdict

PROPOSER = "imported"  # who stands as the author of all that was read


def add_imported(
    engine: Engine, study: Study, rows: Sequence[ResultsRow], commit: Callable[[str], str | None]
) -> Study:
    """Write an imported study with its experiments, all or nothing; return it as stored.

    Each row is compared with nothing: it has its score, its verdict and the keep before it.

    Args:
        engine: the registry's.
        study: not stored yet, with its origin and its metric.
        rows: oldest first; the first keep is the baseline.
        commit: returns the sha that a hash means here, None where it means none.
    """
    with Session(engine, expire_on_commit=False) as session:
        stored = session.merge(study)
        session.flush()
        parent: Experiment | None = None
        for row in rows:
            experiment = _experiment(stored, row, parent, commit)
            session.add(experiment)
            session.flush()  # it needs a number, and they are numbered in their order
            parent = experiment if row.verdict is Verdict.KEEP else parent
        session.commit()
        session.refresh(stored)
        return stored


def refuse_imported(study: Study, act: str) -> None:
    """Return if a study was trained here; `act` is what the person wants, such as "promote".

    Raises:
        RegistryError: it was read from a file.
    """
    if study.is_imported:
        msg = (
            f"study {study.tag} was read from {study.origin}: nothing of it was trained here, so "
            f"there is nothing to {act}"
        )
        raise RegistryError(msg)


def _experiment(
    study: Study,
    row: ResultsRow,
    parent: Experiment | None,
    commit: Callable[[str], str | None],
) -> Experiment:
    first = parent is None and row.verdict is Verdict.KEEP
    return Experiment(
        study_id=int(study.id or 0),
        parent_id=parent.id if parent else None,
        state=ExperimentState.DONE,
        verdict=row.verdict,
        proposer=PROPOSER,
        hypothesis=row.description,
        category=Category.BASELINE if first else Category.OTHER,
        val_bpb=None if row.score is None else study.metric.shown(row.score),
        peak_memory=round(row.memory_gb * 2**30),
        commit_sha=(commit(row.commit) or row.commit or None) if row.commit else None,
        created_at=study.created_at,
        finished_at=study.created_at,
    )
