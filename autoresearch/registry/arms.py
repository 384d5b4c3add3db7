"""A study's trained experiments, as their proposers are compared by them."""

from sqlalchemy import case, select
from sqlmodel import col

from autoresearch.records.arms import Trained
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import UNCOUNTED, Category, Standing, Verdict
from autoresearch.registry.database import Database


def trained(database: Database, study: Study) -> list[Trained]:
    """Return every proposal of a study that was trained and judged, in no order.

    The baseline is nobody's idea, and nor is a take-back. A replayed folder names each of its
    files, and is one proposer.
    """
    proposer = col(Experiment.proposer)
    standing = col(Experiment.standing)
    query = select(
        case((proposer.like("patches:%"), "patches"), else_=proposer),
        col(Experiment.control),
        col(Experiment.seconds),
        (col(Experiment.verdict) == Verdict.KEEP) & standing.is_distinct_from(Standing.REFUTED),
        standing.is_not_distinct_from(Standing.CONFIRMED),
        col(Experiment.delta),
        col(Experiment.delta_error),
        col(Experiment.predicted_delta),
    ).where(
        col(Experiment.study_id) == study.id,
        col(Experiment.verdict).is_not(None),
        col(Experiment.verdict).not_in(UNCOUNTED),
        col(Experiment.category) != Category.BASELINE,
        col(Experiment.reverts_id).is_(None),
    )
    return [Trained(*row) for row in database.all(query)]
