"""The report: a frozen value. What follows from its experiments alone is worked out when asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from autoresearch import policy
from autoresearch.records.notes import Note
from autoresearch.records.scores import Allowance
from autoresearch.records.values import Estimate
from autoresearch.records.verdict_counts import VerdictCounts
from autoresearch.registry import PruningCounts, Spending
from autoresearch.report import derived
from autoresearch.report.failures import failures
from autoresearch.report.machine import Machine
from autoresearch.report.tariff import Tariff
from autoresearch.report.values import (
    ExperimentReport,
    FailureGroup,
    Limited,
    Phases,
    Proposers,
    StudyFacts,
    TrialReport,
)


@dataclass(frozen=True)
class StudyReport:
    """A study. `made` is when it was read.

    Where it is not `whole`, experiments have no texts of code and logs and no pairs, and trials are
    there of the baseline and the best, of what is unfinished, and of what was scored on test; so
    `phases`, `hardware` and `failures` may be asked of a whole one alone.

    `at_work` are the seconds of its runs, without the pauses between them. `called` says whether a
    provider was ever asked.
    """

    study: StudyFacts
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
    allowance: Allowance | None
    proposers: Proposers
    spending: tuple[Spending, ...]
    tariff: Tariff
    seconds_by_purpose: Mapping[str, float]
    pruning: PruningCounts
    duty: policy.Duty | None
    notes: tuple[Note, ...]
    called: bool
    limited: tuple[Limited, ...]

    def __getitem__(self, number: int) -> ExperimentReport:
        """Return the experiment with this number.

        Raises:
            KeyError: the study has none.
        """
        return self._by_number[number]

    @property
    def finished(self) -> int:
        """How many experiments have a verdict."""
        return self.verdicts.total

    @property
    def trained_here(self) -> bool:
        """Whether its scores are of its own trainings; those of an imported table are not."""
        return not self.study.is_imported

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
        imported = self.study.is_imported
        return derived.gain(self._by_number, self.baseline, self.best, imported=imported)

    @cached_property
    def categories(self) -> Proposers:
        """What each category gained, beside the control."""
        mine = () if self.study.is_imported else self.experiments
        return derived.categories(mine)

    @cached_property
    def phases(self) -> Phases:
        """Where the trials' wall seconds went."""
        return derived.phases(self._trials)

    @cached_property
    def near_misses(self) -> tuple[int, ...]:
        """The discards that are the likeliest to be better all the same, likeliest first."""
        return derived.near_misses(self.experiments)

    @cached_property
    def failures(self) -> tuple[FailureGroup, ...]:
        """What failed in the same way, the largest group first."""
        assert self.whole
        return failures(self.experiments)

    @cached_property
    def hardware(self) -> tuple[tuple[str, int], ...]:
        """The machines, with the number of trials on each."""
        return derived.hardware(self._trials)

    @cached_property
    def _by_number(self) -> Mapping[int, ExperimentReport]:
        return {each.number: each for each in self.experiments}

    @property
    def _trials(self) -> Sequence[TrialReport]:
        assert self.whole
        return [trial for each in self.experiments for trial in each.trials]
