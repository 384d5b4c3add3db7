"""Guards: numbers beside the score that must stay in bounds, or the experiment is discarded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Guard:
    """A number's bounds, both of them allowed; None is no bound."""

    name: str
    least: float | None = None
    most: float | None = None

    @property
    def description(self) -> str:
        """The bounds in words: "at most 22"."""
        least = [] if self.least is None else [f"at least {self.least:.10g}"]
        most = [] if self.most is None else [f"at most {self.most:.10g}"]
        return " and ".join([*least, *most])

    def broken_by(self, number: float) -> str:
        """Return how a number breaks it ("loss 23 is above 22"); empty where it does not."""
        if self.most is not None and not number <= self.most:
            return f"{self.name} {_beside(number, self.most)} is above {self.most:.10g}"
        if self.least is not None and not number >= self.least:
            return f"{self.name} {_beside(number, self.least)} is below {self.least:.10g}"
        return ""


def broken(guards: Sequence[Guard], numbers: Mapping[str, float]) -> str:
    """Return how a trial's numbers break a guard, the first that they break; empty where none."""
    reports = (each.broken_by(numbers[each.name]) for each in guards if each.name in numbers)
    return next(filter(None, reports), "")


def lacking(guards: Sequence[Guard], numbers: Mapping[str, float]) -> str:
    """Return the name of the first guard that a trial gave no number for; empty where none."""
    return next((each.name for each in guards if each.name not in numbers), "")


def _beside(number: float, bound: float) -> str:
    """Return a number in as few digits as show that it is not the bound."""
    return next(
        (text for digits in (4, 6, 10) if float(text := f"{number:.{digits}g}") != bound),
        repr(number),
    )
