"""What all scorers of a project's own metric share: turning the values found into a score."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch.config import MetricSettings
from autoresearch.evaluation.parsing import checked_score, parse_units
from autoresearch.evaluation.rules import Cause, NoScore
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.text import safe_line
from autoresearch.records.values import Trust


@dataclass(frozen=True)
class RawMetric:
    """The values found where a metric comes from, not checked yet: they may be anything.

    `name` is what the score is called in messages, `numbers` are other numbers beside it.
    """

    name: str
    score: object
    units: object = None
    numbers: Mapping[str, float] = field(default_factory=dict)


class Unprepared:
    """A scorer that needs no preparation."""

    def prepare(self, place: Path) -> None:
        """Do nothing; see `ReadyScorer`."""

    def wait_until_idle(self) -> None:
        """Do nothing; see `ReadyScorer`."""

    def close(self) -> None:
        """Do nothing; see `ReadyScorer`."""


class OwnMetricScorer(Unprepared, ABC):
    """A scorer of a metric of the project's own."""

    def __init__(self, settings: MetricSettings, trust: Trust) -> None:
        """Build it; its scores carry `trust`."""
        self._settings = settings
        self._trust = trust

    def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score | Unscored:
        """Return the score of a trial, lower where it is better, or why there is none.

        Args:
            tree: a fresh export of the trial's commit, which may be added to.
            checkpoint: what the trial left: `out`, `log`, and in `tree` what was collected.
            scratch: a private folder; nothing is left in it.

        Raises:
            EvaluationError: the project is to be mended first.
            Interrupted: the run is to stop.
        """
        began = time.monotonic()
        try:
            return self._score(self._read(tree, checkpoint, scratch), began)
        except NoScore as reason:
            return reason.unscored
        except OSError as fault:
            return NoScore(Cause.START, safe_line(str(fault))).unscored

    @abstractmethod
    def _read(self, tree: Path, checkpoint: Path, scratch: Path) -> RawMetric:
        """Return the values from where the metric comes from.

        Raises:
            NoScore: there is nothing that could be read.
            OSError: the machine failed.
        """

    def _score(self, raw: RawMetric, began: float) -> Score:
        value = checked_score(raw.score, raw.name, self._settings)
        units = parse_units(raw.units, value)
        # A stored score is lower where it is better; the project's own may be the other way round.
        as_stored = self._settings.metric.shown
        return Score(
            bpb=as_stored(value),
            doc_bits=tuple(map(as_stored, units.totals)),
            doc_bytes=units.weights,
            trust=self._trust,
            tokens=0,
            challenged=0,
            mismatch=0.0,
            seconds=time.monotonic() - began,
            numbers=raw.numbers,
        )
