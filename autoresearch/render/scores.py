"""How scores are shown: with the metric's name, unit and digits, its way round, and their trust."""

from dataclasses import dataclass
from typing import Protocol, Self

from rich.text import Text

from autoresearch.records.metric import BITS_PER_BYTE, Direction, Metric
from autoresearch.records.text import safe_line
from autoresearch.records.values import Estimate, Trust
from autoresearch.render import words

NAME = 40
NORMAL_95 = 1.96  # standard errors to either side


class Scored(Protocol):
    """What has scores: a study, or what a report tells of one."""

    @property
    def metric(self) -> Metric: ...  # noqa: D102 - as its name says

    @property
    def trust(self) -> Trust: ...  # noqa: D102 - the same


@dataclass(frozen=True)
class ScoreFormat:
    """Words for a study's scores; all take them as they are stored, lower where they are better.

    `finer` is how many digits more are shown than the metric's own.
    """

    metric: Metric = BITS_PER_BYTE
    trust: Trust = Trust.SEALED

    @classmethod
    def of(cls, study: Scored) -> Self:
        """Return the words for a study."""
        return cls(study.metric, study.trust)

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

    def number(self, stored: float | None, error: float | None = None, finer: int = 0) -> str:
        """Return a score in digits, with the standard error where one is known."""
        if stored is None:
            return "-"
        digits = self.metric.decimals + finer
        shown = f"{round(self.metric.shown(stored), digits) + 0.0:.{digits}f}"
        return shown + self._error(error, digits)

    def delta(self, stored: float | None, error: float | None = None, finer: int = 0) -> str:
        """Return a difference with its sign, as the metric goes."""
        if stored is None:
            return "-"
        digits = self.metric.decimals + finer
        # Adding zero turns a rounded "-0.0000" into "+0.0000".
        shown = f"{round(self.metric.shown(stored), digits) + 0.0:+.{digits}f}"
        return shown + self._error(error, digits)

    def size(self, amount: float, finer: int = 0) -> str:
        """Return an amount without a sign, with its unit: "0.0691 bpb"."""
        return f"{abs(amount):.{self.metric.decimals + finer}f}{self.unit}"

    def leak(self, amount: float) -> str:
        """Return a small amount, rounded to two digits, with its unit."""
        return f"{amount:.2g}{self.unit}"

    def score(self, stored: float | None, error: float | None = None, finer: int = 0) -> Text:
        """Return a score with its trust, as every score outside a labelled table is shown."""
        shown = Text(self.number(stored, error, finer))
        if stored is not None and self.trust is not Trust.SEALED:
            shown.append(" (").append_text(words.trust(self.trust)).append(")")
        return shown

    def interval(self, estimate: Estimate, finer: int = 0) -> str:
        """Return the 95% interval of a difference; "" where its error is not known."""
        if estimate.error is None:
            return ""
        reach = NORMAL_95 * estimate.error
        ends = sorted(self.metric.shown(estimate.mean + each) for each in (-reach, reach))
        low, high = (self.delta(self.metric.shown(each), None, finer) for each in ends)
        return f"{low} to {high}"

    def improvement(self, effect: float, baseline: float) -> str:
        """Return an effect as a distance from the baseline's score, also in percent of it."""
        share = f" ({abs(effect / baseline):.2%})" if baseline else ""
        below = (effect <= 0) is (self.metric.direction is Direction.LOWER)
        side = "below" if below else "above"
        return f"{self.size(effect)}{share} {side} the baseline's {self.number(baseline)}"

    @staticmethod
    def _error(error: float | None, digits: int) -> str:
        return "" if error is None else f" ± {error:.{digits}f}"
