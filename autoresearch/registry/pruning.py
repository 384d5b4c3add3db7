"""What stopping hopeless trials early saved a study, and what its audit found."""

from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import col, select

from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import Ending, Purpose, TrialState, Verdict
from autoresearch.registry.database import Database, without


@dataclass(frozen=True)
class PruningCounts:
    """Of a study's pruned trials: how many were stopped, how many ran on as an audit.

    `saved_seconds` are on the budget's clock; `kept` of the audited experiments were kept.
    """

    stopped: int = 0
    saved_seconds: float = 0.0
    audited: int = 0
    kept: int = 0


def curves(database: Database, study: Study, after: int) -> list[Trial]:
    """Return a study's scored trials after a number, oldest first: curves, no other bulk.

    Those that only looked for drift are left out: they are no rivals of what was on their seed.
    """
    query = (
        select(Trial)
        .join(Experiment, col(Experiment.id) == col(Trial.experiment_id))
        .where(col(Experiment.study_id) == study.id, col(Trial.id) > after)
        .where(col(Trial.val_bpb).is_not(None), Trial.purpose != Purpose.DRIFT)
        .order_by(col(Trial.id))
    )
    return database.all(query.options(*without(Trial, ("log", "doc_bits", "traceback"))))


def pruning_counts(database: Database, study: Study) -> PruningCounts:
    """Return the account of what was stopped early. An audit without a verdict yet is left out."""
    mine = (
        col(Experiment.id) == col(Trial.experiment_id),
        col(Experiment.study_id) == study.id,
        col(Trial.state) == TrialState.DONE,
        col(Trial.pruned_at).is_not(None),
    )
    left = func.coalesce(func.sum(study.budget_seconds - col(Trial.training_seconds)), 0.0)
    stopped = select(func.count(), left).where(*mine, col(Trial.ending) == Ending.PRUNED)
    audited = select(func.count()).where(
        *mine,
        col(Trial.ending).not_in((Ending.PRUNED, Ending.INTERRUPTED)),
        col(Experiment.verdict).is_not(None),
    )
    kept = audited.where(col(Experiment.verdict) == Verdict.KEEP)
    count, seconds = database.first(stopped)
    ran_on, won = int(database.first(audited)), int(database.first(kept))
    return PruningCounts(int(count), float(seconds), ran_on, won)
