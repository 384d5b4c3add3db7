"""How far a proposer's predictions can be believed: predicted effects against believed ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, median

_FEWEST = 5  # pairs that an order, or a slope, is read from
_DOUBT = 10.0  # pairs without any relation that a slope is shrunk by


@dataclass(frozen=True)
class Calibration:
    """How predicted effects compare with believed ones over `pairs` experiments; below 0 = better.

    `predicted` and `actual` are medians, and `bias` is the median of how much worse (above zero)
    ideas came out than predicted, so that a single large miss moves them little. `signs` is the
    share of predictions whose sign was right, and the share that would be right by chance with as
    many predicted gains; None where all predictions have one sign. `rank` is Spearman's
    correlation, `slope` by how much the effect grows with the prediction (1 is perfect), shrunk
    towards 0; None where pairs are few, or all are equal.
    """

    pairs: int
    predicted: float
    actual: float
    bias: float
    signs: tuple[float, float] | None
    rank: float | None
    slope: float | None


def calibrate(pairs: Sequence[tuple[float, float]]) -> Calibration | None:
    """Return how predictions compare with effects; None without any.

    Args:
        pairs: predicted and believed effect of one experiment each.
    """
    if not pairs:
        return None
    predicted, actual = [one for one, _ in pairs], [other for _, other in pairs]
    return Calibration(
        pairs=len(pairs),
        predicted=median(predicted),
        actual=median(actual),
        bias=median(other - one for one, other in pairs),
        signs=_signs(predicted, actual),
        rank=_correlation(_ranks(predicted), _ranks(actual)),
        slope=_slope(predicted, actual),
    )


def _signs(predicted: Sequence[float], actual: Sequence[float]) -> tuple[float, float] | None:
    gains = [each < 0 for each in predicted]
    if all(gains) or not any(gains):
        return None
    better = [each < 0 for each in actual]
    right = fmean(one is other for one, other in zip(gains, better, strict=True))
    share, true_share = fmean(gains), fmean(better)
    return right, share * true_share + (1 - share) * (1 - true_share)


def _slope(predicted: Sequence[float], actual: Sequence[float]) -> float | None:
    """Return the least squares slope, as if `_DOUBT` pairs without any relation were among them."""
    x, y = _scaled(predicted), _scaled(actual)
    if x is None or y is None:
        return None
    count = len(predicted)
    plain = _products(x[0], y[0]) / _products(x[0], x[0])
    return plain * (y[1] / x[1]) * count / (count + _DOUBT)


def _correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    x, y = _scaled(one), _scaled(other)
    if x is None or y is None:
        return None
    both = sqrt(_products(x[0], x[0])) * sqrt(_products(y[0], y[0]))
    return min(max(_products(x[0], y[0]) / both, -1.0), 1.0)


def _scaled(values: Sequence[float]) -> tuple[list[float], float] | None:
    """Return the deviations from the mean divided by the largest of them, and that largest one.

    None where all are equal, or too few.
    """
    if len(values) < _FEWEST or min(values) == max(values):
        return None
    middle = fmean(values)
    largest = max(abs(each - middle) for each in values)
    return ([(each - middle) / largest for each in values], largest) if largest else None


def _products(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(one, other, strict=True))


def _ranks(values: Sequence[float]) -> list[float]:
    """Return each value's rank from below; equal ones share the mean of theirs."""
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values)):
        places.setdefault(value, []).append(place)
    return [fmean(places[value]) for value in values]
