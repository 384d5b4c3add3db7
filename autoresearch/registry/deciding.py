"""Experiments with a verdict, in the order in which they were decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from autoresearch.policy import DecidedExperiment
from autoresearch.records.tables import Experiment
from autoresearch.records.values import Reading, Verdict


@dataclass(frozen=True)
class Decided:
    """An experiment with a verdict as the policy knows it, and when that was reached."""

    when: datetime
    experiment: DecidedExperiment

    @property
    def key(self) -> tuple[datetime, int]:
        """What these are sorted by."""
        # As they were decided, not as they were proposed: several may be at work at once.
        return self.when, self.experiment.number

    @classmethod
    def of(cls, row: Experiment, readings: Sequence[Reading]) -> "Decided":
        """Return it of a row that has a verdict."""
        return cls(
            row.finished_at or row.created_at,
            DecidedExperiment(
                int(row.id or 0),
                row.parent_id or None,
                row.verdict is Verdict.KEEP,
                tuple(readings),
                row.is_reversal,
            ),
        )
