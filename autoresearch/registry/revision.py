"""A short hash of what can be shown of a study, to notice that something has changed."""

import hashlib

from sqlalchemy import Select, func
from sqlmodel import SQLModel, col, select

from autoresearch.records.notes import Note
from autoresearch.records.tables import Call, Experiment, Study, Trial
from autoresearch.registry.database import Database
from autoresearch.registry.rows import EXPERIMENT_BODY

_LENGTH = 16  # characters


def revision(database: Database, study: Study) -> str:
    """Return a hash of a study's rows, which changes whenever something new can be shown of it.

    The heartbeat of a trial at work is left out, and so are the large columns of a finished trial,
    which stay as they are.
    """
    experiment = col(Experiment.study_id) == study.id
    trials = select(Trial.id, Trial.state, Trial.ending, Trial.val_bpb).join(Experiment)
    calls = select(func.count(), func.max(Call.id), func.sum(Call.cost_usd))
    queries = (
        _columns(Study).where(col(Study.id) == study.id),
        _columns(Experiment, *EXPERIMENT_BODY).where(experiment).order_by(col(Experiment.id)),
        trials.where(experiment).order_by(col(Trial.id)),
        calls.where(col(Call.study_id) == study.id),
        _columns(Note).where(col(Note.study_id) == study.id),
    )
    found = [list(map(tuple, database.all(query))) for query in queries]
    return hashlib.sha256(repr(found).encode()).hexdigest()[:_LENGTH]


def _columns(table: type[SQLModel], *but: str) -> Select[tuple[object, ...]]:
    return select(*(each for each in table.__table__.columns if each.name not in but))  # type: ignore[attr-defined]  # every table has it
