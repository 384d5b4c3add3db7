"""A study in numbers."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func
from sqlmodel import col, select

from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import Standing, Verdict
from autoresearch.registry.database import Database


@dataclass(frozen=True)
class Summary:
    """A study in numbers. Times are aware UTC; `verdicts` counts finished experiments."""

    study: Study
    verdicts: dict[Verdict, int] = field(default_factory=dict)
    confirmed: int = 0
    unfinished: int = 0
    baseline: Experiment | None = None
    incumbent: Experiment | None = None
    first: datetime | None = None
    last: datetime | None = None

    @property
    def finished(self) -> int:
        """How many experiments have a verdict."""
        return sum(self.verdicts.values())

    @property
    def per_hour(self) -> float | None:
        """Finished experiments an hour, from the first one's opening to the last one's end."""
        if self.first is None or self.last is None or self.last <= self.first:
            return None
        return self.finished * 3600 / (self.last - self.first).total_seconds()


def summarize(database: Database, study: Study, incumbent: Experiment | None) -> Summary:
    """Return a study in numbers."""
    mine = Experiment.study_id == study.id
    counts = database.all(
        select(Experiment.verdict, func.count()).where(mine).group_by(col(Experiment.verdict))
    )
    # Two queries: one index answers each, none answers both.
    first = database.first(select(func.min(Experiment.created_at)).where(mine))
    last = database.first(select(func.max(Experiment.finished_at)).where(mine))
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
        first=first,
        last=last,
    )
