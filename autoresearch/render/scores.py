"""How scores are shown: with the metric's name, unit and digits, its way round, and their trust."""

from dataclasses import dataclass
from typing import Self

from rich.text import Text

from autoresearch.records.metric import BITS_PER_BYTE, Direction, Metric
from autoresearch.records.tables import Study
from autoresearch.records.text import safe_line
from autoresearch.records.values import Estimate, Trust
from autoresearch.render import words
from autoresearch.report.values import interval

NAME = 40


@dataclass(frozen=True)
class ScoreFormat:
    """Words for a study's scores; all take them as they are stored, lower where they are better.

    `finer` is how many digits more are shown than the metric's own.
    """

    metric: Metric = BITS_PER_BYTE
    trust: Trust = Trust.SEALED
    finer: int = 0

    @classmethod
    def of(cls, study: Study, finer: int = 0) -> Self:
        """Return the words for a study."""
        return cls(study.metric, study.trust, finer)

    @property
    def name(self) -> str:
        """What the score is called."""
        return safe_line(self.metric.name, NAME)

    @property
    def test_name(self) -> str:
        """What it is called on test."""
        return safe_line(self.metric.test_name, NAME)

    @property
    def unit(self) -> str:
        """The unit with a space before it; empty where the metric has none."""
        return f" {safe_line(self.metric.unit, NAME)}" if self.metric.unit else ""

    def number(self, stored: float | None, error: float | None = None) -> str:
        """Return a score in digits, with the standard error where one is known."""
        if stored is None:
            return "-"
        return self.metric.text(stored, self.finer) + self._error(error)

    def delta(self, stored: float | None, error: float | None = None) -> str:
        """Return a difference with its sign, as the metric goes."""
        if stored is None:
            return "-"
        return self.metric.delta(stored, self.finer) + self._error(error)

    def amount(self, size: float) -> str:
        """Return an amount without sign and unit."""
        return self.metric.amount(abs(size))

    def size(self, amount: float) -> str:
        """Return an amount without a sign, with its unit: "0.0691 bpb"."""
        return f"{self.amount(amount)}{self.unit}"

    def leak(self, amount: float) -> str:
        """Return a small amount, rounded to two digits, with its unit."""
        return f"{amount:.2g}{self.unit}"

    def score(self, stored: float | None, error: float | None = None) -> Text:
        """Return a score with its trust, as every score outside a labelled table is shown."""
        shown = Text(self.number(stored, error))
        if stored is not None and self.trust is not Trust.SEALED:
            shown.append(" (").append_text(words.trust(self.trust)).append(")")
        return shown

    def gained(self, effect: Estimate) -> str:
        """Return the 95% interval of an improvement; above zero is better, "" without an error."""
        if (ends := interval(effect)) is None:
            return ""
        low, high = sorted(-each for each in ends)
        digits, sign = self.metric.decimals, "" if low > 0 else "+"
        return f"{low:{sign}.{digits}f} to {high:{sign}.{digits}f}"

    def interval(self, estimate: Estimate) -> str:
        """Return the 95% interval of a difference; "" where its error is not known."""
        if (ends := interval(estimate)) is None:
            return ""
        low, high = map(self.delta, sorted(ends, key=self.metric.shown))
        return f"{low} to {high}"

    @property
    def better_scores(self) -> str:
        """Which scores are the better ones, in words."""
        return f"{self.metric.direction} is better"

    @property
    def better_effects(self) -> str:
        """Which effects are good ones, in words."""
        return f"{self.metric.side} zero is better"

    def distance(self, effect: float, baseline: float | None = None) -> str:
        """Return an effect as a distance from the baseline, also in percent of its score."""
        share = f" ({abs(effect / baseline):.2%})" if baseline else ""
        below = (effect <= 0) is (self.metric.direction is Direction.LOWER)
        return f"{self.size(effect)}{share} {'below' if below else 'above'} the baseline"

    def improvement(self, effect: float, baseline: float) -> str:
        """Return an effect as a distance from the baseline's score, which is named."""
        return f"{self.distance(effect, baseline)}'s {self.number(baseline)}"

    def _error(self, error: float | None) -> str:
        return "" if error is None else f" ± {error:.{self.metric.decimals + self.finer}f}"


BPB = ScoreFormat()
