"""Which trials' checkpoints are worth the room they take."""

from collections.abc import Collection

from sqlalchemy import or_
from sqlmodel import col, select

from autoresearch.records.tables import Experiment, Trial
from autoresearch.records.values import Standing, TrialState, Verdict
from autoresearch.registry.database import Database


def worth_shelving(
    database: Database, trials: Collection[int], *, decided: bool = False
) -> list[int]:
    """Return which of these trials may be asked for at `promote`, the most needed first.

    It is the newest of every experiment that was kept and not refuted since, or has no verdict yet:
    (where `decided`, those of the latter are left out);
    the newest, because an experiment was chosen by its first one, whose score flatters it.
    Baselines, which all others are compared with, go before them, then the newer before the older.
    """
    kept = col(Experiment.verdict) == Verdict.KEEP
    query = (
        select(Trial.id, Trial.experiment_id, Experiment.parent_id)
        .join(Experiment)
        .where(
            col(Trial.id).in_(trials),
            col(Trial.val_bpb).is_not(None),
            kept if decided else or_(col(Experiment.verdict).is_(None), kept),
            or_(col(Experiment.standing).is_(None), col(Experiment.standing) != Standing.REFUTED),
        )
    )
    newest: dict[int, tuple[bool, int]] = {}
    for trial, experiment, parent in database.all(query.order_by(col(Trial.id))):
        newest[experiment] = (parent is None, trial)
    return [trial for _, trial in sorted(newest.values(), reverse=True)]


def at_work(database: Database) -> list[int]:
    """Return the trials that are being executed, by their rows."""
    query = select(Trial.id).where(Trial.state == TrialState.RUNNING)
    return [int(each) for each in database.all(query)]
