"""A study in numbers, and how long it was worked on, without the pauses between its runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlmodel import col, select

from autoresearch.policy.lineage import believed_gain
from autoresearch.records.events import StudyOpened, StudyStopped
from autoresearch.records.tables import Call, Experiment, Study, Trial
from autoresearch.records.training import Budget
from autoresearch.records.values import Estimate
from autoresearch.records.verdict_counts import VerdictCounts
from autoresearch.registry.database import Database

# A run that is thinking or checking gives no sign of life; after so long it is taken for over.
_LONGEST_SILENCE = timedelta(minutes=1)


@dataclass(frozen=True)
class Summary:
    """A study in numbers. `verdicts` counts finished experiments.

    `at_work` is how many seconds its runs took, without the pauses between them.
    """

    study: Study
    verdicts: VerdictCounts = field(default_factory=VerdictCounts)
    confirmed: int = 0
    unfinished: int = 0
    baseline: Experiment | None = None
    incumbent: Experiment | None = None
    at_work: float = 0.0

    @property
    def finished(self) -> int:
        """How many experiments have a verdict."""
        return self.verdicts.total

    @property
    def per_hour(self) -> float | None:
        """Finished experiments an hour of work; None before any time has passed."""
        return self.finished * 3600 / self.at_work if self.at_work > 0 else None

    def opened(
        self, budget: Budget, proposers: Sequence[str], slots: Sequence[str] = ()
    ) -> StudyOpened:
        """Return the first event of a run of this study."""
        study = self.study
        return StudyOpened(
            tag=study.tag,
            branch=study.branch,
            budget=budget,
            device=study.device,
            trust=study.trust,
            proposers=tuple(proposers),
            corpus=study.corpus,
            continued=self.finished > 0,
            baseline_bpb=self.baseline.val_bpb if self.baseline else None,
            best_bpb=self.incumbent.val_bpb if self.incumbent else None,
            slots=tuple(slots),
            metric=study.metric,
        )

    def stopped(self, rows: Sequence[Experiment], reason: str) -> StudyStopped:
        """Return the last event of a run of this study; `rows` are its experiments."""
        lineage = {int(row.id or 0): (row.parent_id, _effect(row)) for row in rows}
        gain = believed_gain(lineage, self.incumbent.id if self.incumbent else None)
        return StudyStopped(
            reason=reason,
            verdicts=self.verdicts,
            confirmed=self.confirmed,
            per_hour=self.per_hour,
            baseline_bpb=self.baseline.val_bpb if self.baseline else None,
            best_bpb=self.incumbent.val_bpb if self.incumbent else None,
            gain=gain.mean if gain else None,
        )


def _effect(row: Experiment) -> Estimate | None:
    return None if row.delta is None else Estimate(row.delta, row.delta_error)


def seconds_at_work(database: Database, study: Study) -> float:
    """Return for how long a study gave signs of life, short silences between them included."""
    covered, until = timedelta(), None
    for begin, end in sorted(_signs_of_life(database, study)):
        if until is None or begin - until > _LONGEST_SILENCE:
            until = begin
        covered += max(end - until, timedelta())
        until = max(until, end)
    return covered.total_seconds()


def _signs_of_life(database: Database, study: Study) -> Iterator[tuple[datetime, datetime]]:
    """Yield trials and calls from beginning to end, and when experiments were opened and decided.

    One that was left open overnight was not worked on all night.
    """
    mine = Experiment.study_id == study.id
    # Two queries: one index answers each, none answers both.
    for moment in (col(Experiment.created_at), col(Experiment.finished_at)):
        query = select(moment).where(mine, moment.is_not(None))
        yield from ((each, each) for each in database.all(query))
    columns = (col(Trial.started_at), col(Trial.heartbeat_at), col(Trial.finished_at))
    for begin, heartbeat, end in database.all(select(*columns).join(Experiment).where(mine)):
        yield begin, max(begin, end or heartbeat)
    calls = select(Call.created_at, Call.latency_seconds).where(Call.study_id == study.id)
    for begin, seconds in database.all(calls):
        yield begin, begin + timedelta(seconds=seconds)
