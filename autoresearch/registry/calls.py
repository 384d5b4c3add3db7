"""Calls of models, and which experiments came of them."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, or_
from sqlmodel import col, select

from autoresearch.records.tables import Call, Experiment, Study
from autoresearch.registry.database import Database, without

_BODY = ("answer",)


def calls(database: Database, study: Study, *, whole: bool) -> list[Call]:
    """Return a study's calls, oldest first; without what was answered unless `whole`."""
    return _where(database, col(Call.study_id) == study.id, whole=whole)


def calls_of(database: Database, experiment: Experiment, *, whole: bool) -> list[Call]:
    """Return the calls that an experiment came of, oldest first; `whole` as for `calls`."""
    own = col(Call.experiment_id) == experiment.id
    return _where(database, or_(own, col(Call.id) == experiment.call_id), whole=whole)


def made_by(database: Database, calls: Sequence[Call]) -> dict[int, list[int]]:
    """Return the experiments that each of these calls has made, by its number."""
    numbers = [call.id for call in calls]
    query = select(Experiment.call_id, Experiment.id).order_by(col(Experiment.id))
    rows = database.all(query.where(col(Experiment.call_id).in_(numbers)))
    found = {int(call.id or 0): [call.experiment_id] for call in calls if call.experiment_id}
    for call, experiment in rows:
        found.setdefault(call, []).append(experiment)
    return found


def _where(database: Database, condition: ColumnElement[bool], *, whole: bool) -> list[Call]:
    query = select(Call).where(condition).order_by(col(Call.id))
    return database.all(query if whole else query.options(*without(Call, _BODY)))
