"""The number that a study makes better: its name, unit and direction, and where it comes from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import assert_never

from autoresearch.records.values import Trust


class Direction(StrEnum):
    """Which way is better."""

    LOWER = "lower"
    HIGHER = "higher"


class MetricSource(StrEnum):
    """Where a score comes from; how far it can be believed follows from that.

    SEALED: the harness's own evaluator, over raw bytes. EVALUATED: a fixed program of the
    project's, on data that the trial could not read. FILE and SUMMARY: the trial's own word, in a
    file that it left or in a line that it printed.
    """

    SEALED = "sealed"
    EVALUATED = "evaluated"
    FILE = "file"
    SUMMARY = "summary"

    @property
    def trust(self) -> Trust:
        """How far such a score can be believed at best."""
        match self:
            case MetricSource.SEALED:
                return Trust.SEALED
            case MetricSource.EVALUATED:
                return Trust.EVALUATED
            case MetricSource.FILE | MetricSource.SUMMARY:
                return Trust.SELF_REPORTED
            case _:
                assert_never(self)


@dataclass(frozen=True)
class Metric:
    """A study's metric.

    The registry and the policy know one direction: a stored score is lower where it is better. So
    that of a metric which is better where it is higher is stored below zero, and turned round
    wherever a person or a program reads it: in `shown`, `text` and `delta`.
    """

    name: str = "val_bpb"
    unit: str = "bpb"
    direction: Direction = Direction.LOWER
    source: MetricSource = MetricSource.SEALED
    decimals: int = 4

    @classmethod
    def of(cls, stored: Mapping[str, object]) -> "Metric":
        """Return the metric from what `stored` gave; bits per byte from nothing."""
        known = {each.name: each for each in fields(cls)}
        given = {name: value for name, value in stored.items() if name in known}
        metric = cls(**given)  # type: ignore[arg-type]
        direction, source = Direction(metric.direction), MetricSource(metric.source)
        return cls(metric.name, metric.unit, direction, source, metric.decimals)

    @property
    def stored(self) -> dict[str, object]:
        """This metric for a JSON column; empty for bits per byte."""
        return {} if self == BITS_PER_BYTE else asdict(self)

    @property
    def is_bits_per_byte(self) -> bool:
        """Whether scores are code lengths of text, for which much is known beforehand."""
        return self.source is MetricSource.SEALED

    @property
    def test_name(self) -> str:
        """What the same number is called on data that no study looks at."""
        return f"test_{self.name.removeprefix('val_')}"

    @property
    def side(self) -> str:
        """On which side of zero a difference is better, as it is shown: "below" or "above"."""
        return "above" if self.direction is Direction.HIGHER else "below"

    @property
    def named(self) -> str:
        """Its name with its unit, where that says more: "val_bpb in bits per byte"."""
        if self.is_bits_per_byte:
            return f"{self.name} in bits per byte"
        return self.name if self.unit in self.name else f"{self.name} in {self.unit}"

    def shown(self, stored: float) -> float:
        """Return a stored score or difference as the project knows it; or the other way round."""
        return -stored + 0.0 if self.direction is Direction.HIGHER else stored

    def text(self, stored: float, finer: int = 0) -> str:
        """Return a stored score in digits, without its unit: "0.9979"; `finer` digits more."""
        return f"{self._rounded(stored, finer):.{self.decimals + finer}f}"

    def amount(self, size: float) -> str:
        """Return a size that has no direction (a noise, an error) in digits, without its unit."""
        return f"{size:.{self.decimals}f}"

    def delta(self, stored: float, finer: int = 0) -> str:
        """Return a stored difference or effect in digits with its sign, without its unit."""
        return f"{self._rounded(stored, finer):+.{self.decimals + finer}f}"

    def _rounded(self, stored: float, finer: int) -> float:
        # Adding zero turns a rounded "-0.0000" into "+0.0000".
        return round(self.shown(stored), self.decimals + finer) + 0.0


BITS_PER_BYTE = Metric()
