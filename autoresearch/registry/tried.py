"""What a study has tried already, and how long nothing of it was kept."""

from datetime import UTC, datetime

from sqlalchemy import func
from sqlmodel import col, select

from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import UNCOUNTED, Standing, Verdict
from autoresearch.registry.database import Database


def since_keep(database: Database, study: Study) -> int:
    """Return how many experiments were trained since the last keep; see `Queries.since_keep`."""
    kept = (Experiment.verdict == Verdict.KEEP) | (Experiment.standing == Standing.REFUTED)
    when = func.coalesce(Experiment.finished_at, Experiment.created_at)
    mine = select(when, Experiment.id).where(Experiment.study_id == study.id)
    newest = mine.where(kept).order_by(when.desc(), col(Experiment.id).desc())
    moment, number = database.first(newest) or (datetime.min.replace(tzinfo=UTC), 0)
    later = (when > moment) | ((when == moment) & (col(Experiment.id) > number))
    counted = mine.where(col(Experiment.verdict).not_in(UNCOUNTED), later)
    return len(database.all(counted))


def effects(database: Database, study: Study, but: int) -> dict[str, int]:
    """Return the effect hash of every experiment but one; see `Queries.effects`."""
    query = select(Experiment.effect_hash, func.min(Experiment.id)).where(
        Experiment.study_id == study.id,
        col(Experiment.effect_hash).is_not(None),
        Experiment.id != but,
        # What waits or is at work is tried already; what became stale may be tried anew.
        col(Experiment.verdict).is_(None) | col(Experiment.verdict).not_in(UNCOUNTED),
    )
    return dict(database.all(query.group_by(col(Experiment.effect_hash))))
