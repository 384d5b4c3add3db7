"""A study's trained experiments, as their proposers are compared by them."""

from sqlalchemy import select
from sqlmodel import col

from autoresearch.records.arms import Trained
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import Category, Standing, Verdict
from autoresearch.registry.database import Database


def trained(database: Database, study: Study) -> list[Trained]:
    """Return every proposal of a study that was trained and judged, in no order.

    The baseline is nobody's idea, and nor is a take-back.
    """
    query = select(
        col(Experiment.proposer),
        col(Experiment.control),
        col(Experiment.seconds),
        col(Experiment.verdict),
        col(Experiment.standing),
        col(Experiment.delta),
        col(Experiment.delta_error),
        col(Experiment.predicted_delta),
    ).where(
        col(Experiment.study_id) == study.id,
        col(Experiment.verdict).is_not(None),
        col(Experiment.verdict) != Verdict.INVALID,
        col(Experiment.category) != Category.BASELINE,
        col(Experiment.reverts_id).is_(None),
    )
    return [_trained(*row) for row in database.all(query)]


def _trained(
    proposer: str,
    control: str,
    seconds: float,
    verdict: Verdict,
    standing: Standing | None,
    delta: float | None,
    delta_error: float | None,
    predicted: float | None,
) -> Trained:
    return Trained(
        proposer=_source(proposer),
        control=control,
        seconds=seconds,
        kept=verdict is Verdict.KEEP and standing is not Standing.REFUTED,
        confirmed=standing is Standing.CONFIRMED,
        delta=delta,
        delta_error=delta_error,
        predicted=predicted,
    )


def _source(proposer: str) -> str:
    """Return who is judged: a replayed folder names each of its files, and is one proposer."""
    return "patches" if proposer.startswith("patches:") else proposer
