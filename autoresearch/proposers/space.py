"""The values that a constant may take in a search: a fixed range around the study's base value."""

from dataclasses import dataclass

from autoresearch.patching import Number

_ABOVE_ONE = frozenset({"LR", "SCALE", "CAP", "LAMBDA", "WEIGHT", "STD", "GAIN"})
_ROOM = 4.0  # a float may become this many times larger or smaller
_FROM_ZERO = 0.3
_NEAR_ONE = 0.8  # from here to 1 the distance from 1 is what moves
_DIGITS = 3
# Beyond these a sampler's floating-point arithmetic is not exact, or overflows.
_LARGEST_WHOLE = 2**52
_LARGEST, _SMALLEST = 1e30, 1e-30


@dataclass(frozen=True)
class Range:
    """An interval of numbers, ends included; `log` where it is sampled by magnitude."""

    low: float
    high: float
    log: bool = False
    whole: bool = False
    step: int = 1

    def holds(self, value: Number) -> bool:
        """Return whether a value is in it and of its kind."""
        if isinstance(value, bool) or isinstance(value, int) is not self.whole:
            return False
        on_step = not self.whole or self.log or (value - self.low) % self.step == 0
        return self.low <= value <= self.high and on_step


@dataclass(frozen=True)
class Choice:
    """A few values, without an order."""

    values: tuple[Number, ...]

    def holds(self, value: Number) -> bool:
        """Return whether a value is one of them, of the same type."""
        return any(type(each) is type(value) and each == value for each in self.values)


Span = Range | Choice


def span(name: str, base: Number) -> Span | None:
    """Return where a constant may move, by its name and base value; None where it may not.

    A seed does not move. An integer of 0 or below is taken for a switch or a special value. A
    number so large or small that no sampler can span its surroundings stays as it is.
    """
    if any("SEED" in word for word in name.split("_")):
        return None
    if isinstance(base, bool):
        return Choice((False, True))
    if not _spannable(base):
        return None
    wide = _whole(base) if isinstance(base, int) else _float(name, base)
    # Between two neighbouring numbers there is nothing to draw.
    return None if isinstance(wide, Range) and wide.low >= wide.high else wide


def _spannable(base: float) -> bool:
    if isinstance(base, int):
        return abs(base) <= _LARGEST_WHOLE
    return base == 0 or _SMALLEST <= abs(base) <= _LARGEST  # neither holds for infinity and NaN


def rounded(value: float) -> float:
    """Return a float with three significant digits; just below 1, of its distance from 1."""
    if 0.9 < value < 1:
        return round(1 - _significant(1 - value), 12)
    return _significant(value)


def _significant(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _whole(base: int) -> Span | None:
    if base <= 0:
        return None
    factor = base & -base  # the largest power of two that divides it
    if base >= 8 and factor == base:
        # A power of two is one for a reason: heads, batches and windows must divide evenly.
        return Choice((base // 2, base, base * 2))
    step = factor if base >= 8 else 1
    low = base - base // 2 // step * step
    high = base + base // step * step
    return Range(low, high, log=step == 1 and base >= 64, whole=True, step=step)


def _float(name: str, base: float) -> Span:
    if base == 0:
        return Range(0.0, _FROM_ZERO)
    if base < 0:
        return Range(rounded(base * _ROOM), rounded(base / _ROOM))
    if base >= 1 or _ABOVE_ONE & set(name.split("_")):
        return Range(rounded(base / _ROOM), rounded(base * _ROOM), log=True)
    high = min(base * _ROOM, 1 - (1 - base) / _ROOM)
    if base >= _NEAR_ONE:
        return Range(rounded(max(0.0, 1 - (1 - base) * _ROOM)), rounded(high))
    return Range(rounded(base / _ROOM), rounded(high), log=True)
