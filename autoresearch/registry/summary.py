"""A study in numbers."""

from dataclasses import dataclass, field

from sqlalchemy import func
from sqlmodel import col, select

from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import Standing, Verdict
from autoresearch.registry.database import Database
from autoresearch.registry.working import seconds_at_work


@dataclass(frozen=True)
class Summary:
    """A study in numbers. `verdicts` counts finished experiments.

    `at_work` is how many seconds its runs took, without the pauses between them.
    """

    study: Study
    verdicts: dict[Verdict, int] = field(default_factory=dict)
    confirmed: int = 0
    unfinished: int = 0
    baseline: Experiment | None = None
    incumbent: Experiment | None = None
    at_work: float = 0.0

    @property
    def finished(self) -> int:
        """How many experiments have a verdict."""
        return sum(self.verdicts.values())

    @property
    def per_hour(self) -> float | None:
        """Finished experiments an hour of work; None before any time has passed."""
        return self.finished * 3600 / self.at_work if self.at_work > 0 else None


def summarize(database: Database, study: Study, incumbent: Experiment | None) -> Summary:
    """Return a study in numbers."""
    mine = Experiment.study_id == study.id
    counts = database.all(
        select(Experiment.verdict, func.count()).where(mine).group_by(col(Experiment.verdict))
    )
    confirmed = select(func.count()).where(mine, Experiment.standing == Standing.CONFIRMED)
    baseline = database.first(
        select(Experiment)
        .where(mine, Experiment.verdict == Verdict.KEEP)
        .order_by(col(Experiment.id))
    )
    return Summary(
        study=study,
        verdicts={verdict: count for verdict, count in counts if verdict is not None},
        confirmed=int(database.first(confirmed)),
        unfinished=sum(count for verdict, count in counts if verdict is None),
        baseline=baseline,
        incumbent=incumbent,
        at_work=seconds_at_work(database, study),
    )
