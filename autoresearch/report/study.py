"""The report: a frozen value. What follows from its experiments alone is worked out when asked."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from math import fsum

from autoresearch import policy
from autoresearch.policy.lineage import believed_gain
from autoresearch.records.arms import Trained
from autoresearch.records.notes import Note
from autoresearch.records.tables import Study
from autoresearch.records.values import UNCOUNTED, Category, Estimate, Standing, Verdict
from autoresearch.records.verdict_counts import VerdictCounts
from autoresearch.registry import PruningCounts, Spending
from autoresearch.report.failures import failures
from autoresearch.report.machine import Machine
from autoresearch.report.tariff import Tariff
from autoresearch.report.values import (
    ExperimentReport,
    FailureGroup,
    Phases,
    Proposers,
    TrialReport,
)

NEAR = 0.25  # the probability of being better from which a discard is a near miss
NEAREST = 12


@dataclass(frozen=True)
class StudyReport:
    """A study. `made` is when it was read.

    Where it is not `whole`, experiments have no texts of code and logs and no pairs, and trials are
    there of the baseline and the best, of what is unfinished, and of what was scored on test; so
    `phases`, `hardware` and `failures` may be asked of a whole one alone.

    `at_work` are the seconds of its runs, without the pauses between them. `limited` says of each
    proposer whose last call found its provider's limit reached what was said of it.
    """

    study: Study
    whole: bool
    made: datetime
    verdicts: VerdictCounts
    confirmed: int
    unfinished: int
    per_hour: float | None
    at_work: float
    baseline: int | None
    best: int | None
    experiments: tuple[ExperimentReport, ...]
    machine: Machine
    proposers: Proposers
    spending: tuple[Spending, ...]
    tariff: Tariff
    seconds_by_purpose: Mapping[str, float]
    pruning: PruningCounts
    duty: policy.Duty | None
    notes: tuple[Note, ...]
    limited: tuple[str, ...]

    def __getitem__(self, number: int) -> ExperimentReport:
        """Return the experiment with this number.

        Raises:
            KeyError: the study has none.
        """
        return self._by_number[number]

    @property
    def incumbent(self) -> ExperimentReport | None:
        """The best experiment, if there is one."""
        return None if self.best is None else self[self.best]

    @property
    def baseline_score(self) -> Estimate | None:
        """The baseline's score, once it has one."""
        return None if self.baseline is None else self[self.baseline].bpb

    @property
    def keeps(self) -> list[ExperimentReport]:
        """What was kept on top of the baseline, and still is, oldest first."""
        return [each for each in self.experiments if each.kept and each.parent is not None]

    @property
    def finished(self) -> int:
        """How many experiments have a verdict."""
        return self.verdicts.total

    @property
    def trained_here(self) -> bool:
        """Whether its scores are of its own trainings; those of an imported table are not."""
        return not self.study.is_imported

    @property
    def costs_money(self) -> bool:
        """Whether the machine has a price, or a provider was ever asked."""
        return self.tariff.gpu is not None or any(each.calls for each in self.spending)

    @property
    def usd(self) -> float:
        """What all calls cost."""
        return sum(each.usd for each in self.spending)

    @cached_property
    def gain(self) -> Estimate | None:
        """What the best is believed to have gained on the baseline, below zero = better.

        The effects of the keeps between them, added up; of what was imported the difference of two
        scores, without an error.
        """
        if self.best is None or self.best == self.baseline:
            return None
        if not self.study.is_imported:
            lineage = {each.number: (each.parent, each.delta) for each in self.experiments}
            return believed_gain(lineage, self.best)
        best, base = self[self.best].bpb, self.baseline_score
        return Estimate(best.mean - base.mean) if best and base else None

    @cached_property
    def categories(self) -> Proposers:
        """What each category gained, beside the control."""
        mine = () if self.study.is_imported else self.experiments
        return Proposers.of(list(_by_category(mine)))

    @cached_property
    def phases(self) -> Phases:
        """Where the trials' wall seconds went; what is no start-up counts as training."""
        trials = self._trials
        return Phases(
            startup=fsum(each.startup for each in trials),
            compiling=fsum(each.compiling for each in trials),
            training=fsum(max(each.total - each.startup, 0.0) for each in trials),
            scoring=fsum(each.scoring for each in trials),
        )

    @cached_property
    def near_misses(self) -> tuple[int, ...]:
        """The discards that are the likeliest to be better all the same, likeliest first."""
        found = [
            (-each.chances.better, each.number)
            for each in self.experiments
            if each.verdict is Verdict.DISCARD
            and each.standing is not Standing.REFUTED
            and each.chances is not None
            and each.chances.better >= NEAR
        ]
        return tuple(number for _, number in sorted(found)[:NEAREST])

    @cached_property
    def failures(self) -> tuple[FailureGroup, ...]:
        """What failed in the same way, the largest group first."""
        assert self.whole
        return failures(self.experiments)

    @cached_property
    def hardware(self) -> tuple[tuple[str, int], ...]:
        """The machines, with the number of trials on each, most used first."""
        named = Counter(each.hardware for each in self._trials if each.hardware)
        return tuple(named.most_common())

    @cached_property
    def _by_number(self) -> Mapping[int, ExperimentReport]:
        return {each.number: each for each in self.experiments}

    @property
    def _trials(self) -> Sequence[TrialReport]:
        assert self.whole
        return [trial for each in self.experiments for trial in each.trials]


def _by_category(experiments: Iterable[ExperimentReport]) -> Iterator[Trained]:
    """Yield trained experiments with their category in the place of the proposer.

    A control's own turns stay the control's: they are what categories are compared with.
    """
    for row in experiments:
        judged = row.verdict is not None and row.verdict not in UNCOUNTED
        if judged and row.category != Category.BASELINE and row.reverts is None:
            trained = Trained(
                proposer=row.proposer,
                control=row.control,
                seconds=row.seconds,
                kept=row.kept,
                confirmed=row.standing is Standing.CONFIRMED,
                delta=row.delta.mean if row.delta else None,
                delta_error=row.delta.error if row.delta else None,
            )
            yield trained if trained.is_control else replace(trained, proposer=row.category)
