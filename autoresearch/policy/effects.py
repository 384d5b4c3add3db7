"""What an idea's effect may be: before it is tried, and after.

Effects are differences of scores in the metric's unit, below zero = better. The prior is a mixture:
an idea is truly better by an exponentially distributed gain, changes nothing (a point mass at
zero), or is worse by an exponentially distributed loss. A normally distributed measurement of the
effect then has a posterior in closed form: a mixture of two truncated normals and the point.
Source: the exponentially modified normal distribution.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
_ROOT_2 = math.sqrt(2)
_LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)
_DIGITS = 1e-9  # of a square: a smaller part of it is told with less than seven digits
_FAR = 6.0  # standard deviations beyond which a continued fraction is the better tail


@dataclass(frozen=True)
class Prior:
    """How often ideas are better, neutral and worse (sums to 1), and by how much on average."""

    better: float = 0.15
    neutral: float = 0.25
    worse: float = 0.60
    gain: float = 0.010
    loss: float = 0.020

    @property
    def reversed(self) -> "Prior":
        """What to expect of taking such an idea back: what was worse is better then."""
        return Prior(self.worse, self.neutral, self.better, self.loss, self.gain)

    def times(self, factor: float) -> "Prior":
        """Return this for scores that are so many times as large."""
        return replace(self, gain=factor * self.gain, loss=factor * self.loss)

    def of(self, *, reversal: bool) -> "Prior":
        """Return what to expect of the next experiment: of an idea, or of a reversal."""
        return self.reversed if reversal else self


# The GPU's sizes are read off one published night of 126 five-minute experiments.
CPU_IDEAS = Prior()
GPU_IDEAS = Prior(gain=0.002, loss=0.004)


@dataclass(frozen=True)
class Posterior:
    """What is believed of an effect: moments, shares of the three kinds, log evidence.

    `gain` and `loss` are the expected sizes within the better and the worse share (both positive);
    `evidence` is the log density of the measurement under the prior.
    """

    mean: float
    variance: float
    better: float
    neutral: float
    worse: float
    gain: float
    loss: float
    evidence: float

    @property
    def deviation(self) -> float:
        """Standard deviation."""
        return math.sqrt(self.variance)


def posterior(prior: Prior, measured: float, variance: float) -> Posterior:
    """Return the posterior of an effect that was measured with a normal error.

    Args:
        prior: what such effects are like.
        measured: the measurement.
        variance: of its error; above zero.
    """
    deviation = math.sqrt(variance)
    better, gain, gain_variance = _one_sided(prior.gain, measured, variance)
    worse, loss, loss_variance = _one_sided(prior.loss, -measured, variance)
    at_zero = _log_normal(measured / deviation) - math.log(deviation)
    logs = (_log(prior.better) + better, _log(prior.neutral) + at_zero, _log(prior.worse) + worse)
    top = max(logs)
    shares = [math.exp(each - top) for each in logs]
    total = sum(shares)
    up, flat, down = (share / total for share in shares)
    mean = down * loss - up * gain
    square = up * (gain_variance + gain**2) + down * (loss_variance + loss**2)
    spread = square - mean**2
    if spread < _DIGITS * square:  # the difference holds too few digits: about the mean, then
        above, below = loss_variance + (loss - mean) ** 2, gain_variance + (gain + mean) ** 2
        spread = up * below + flat * mean**2 + down * above
    return Posterior(mean, spread, up, flat, down, gain, loss, top + math.log(total))


def densities(
    gains: Iterable[float], losses: Iterable[float], measured: float, variance: float
) -> tuple[Vector, float, Vector]:
    """Return how dense a measurement is if the idea is better, neutral or worse.

    Args:
        gains: mean gains, one density each.
        losses: mean losses, one density each.
        measured: the measurement.
        variance: of its error.

    All are relative to the densest of them.
    """
    better = np.array([_one_sided(gain, measured, variance)[0] for gain in gains])
    worse = np.array([_one_sided(loss, -measured, variance)[0] for loss in losses])
    at_zero = _log_normal(measured / math.sqrt(variance)) - 0.5 * math.log(variance)
    top = max(better.max(), at_zero, worse.max())
    return np.exp(better - top), math.exp(at_zero - top), np.exp(worse - top)


def _one_sided(scale: float, measured: float, variance: float) -> tuple[float, float, float]:
    """Return log evidence, mean size and variance of an exponential effect below zero.

    The posterior is the normal with mean `measured + variance / scale`, cut off above zero.
    """
    deviation = math.sqrt(variance)
    edge = -(measured + variance / scale) / deviation
    log_area, slope = _tail(edge)
    evidence = measured / scale + variance / (2 * scale**2) + log_area - math.log(scale)
    size = deviation * (edge + slope)
    spread = 1 - edge * slope - slope**2 if edge > -_FAR else 1 / edge**2 - 6 / edge**4
    return evidence, size, variance * max(spread, 0.0)


def _tail(edge: float) -> tuple[float, float]:
    """Return log of the normal area below `edge`, and density over area there (Mills)."""
    if edge > -_FAR:
        area = 0.5 * math.erfc(-edge / _ROOT_2)
        return math.log(area), math.exp(_log_normal(edge)) / area
    far = -edge
    slope = far + 1 / (far + 2 / (far + 3 / (far + 4 / (far + 5 / far))))
    return _log_normal(edge) - math.log(slope), slope


def _log_normal(standard: float) -> float:
    return -0.5 * standard**2 - _LOG_ROOT_2PI


def _log(share: float) -> float:
    return math.log(share) if share > 0 else -math.inf


# In standard deviations: enough for a value that is compared with another of its kind, and cheap.
_POINTS = [-3.0 + 0.5 * step for step in range(13)]


def prospects(
    prior: Prior, measured: float, variance: float, further: float
) -> list[tuple[float, float, Posterior]]:
    """Return what a further measurement may be: its probability, value, and the posterior then.

    Args:
        prior: what such effects are like.
        measured: the measurement so far.
        variance: of its error.
        further: variance of the further measurement's own error.

    Source: preposterior analysis (Raiffa and Schlaifer, 1961). The further measurement is
    integrated over a grid; the prior enters through each grid point's evidence.
    """
    now = posterior(prior, measured, variance)
    spread = math.sqrt(now.variance + further)
    values = [now.mean + point * spread for point in _POINTS]
    joint = 1 / (1 / variance + 1 / further)
    after = [
        posterior(prior, joint * (measured / variance + each / further), joint) for each in values
    ]
    # Both measurements' density: how far they are apart, and the evidence of what they agree on.
    logs = [
        each.evidence - 0.5 * (value - measured) ** 2 / (variance + further)
        for value, each in zip(values, after, strict=True)
    ]
    top = max(logs)
    weights = [math.exp(each - top) for each in logs]
    total = sum(weights)
    return [
        (weight / total, value, each)
        for weight, value, each in zip(weights, values, after, strict=True)
    ]


def value_of_pair(
    prior: Prior, measured: float, variance: float, further: float, price: float = 0.0
) -> float:
    """Return what deciding after a further measurement gains over deciding now.

    Args:
        prior: what such effects are like.
        measured: the measurement so far.
        variance: of its error.
        further: variance of the further measurement's own error.
        price: what an improvement must exceed to be kept.
    """
    now = max(0.0, -posterior(prior, measured, variance).mean - price)
    later = prospects(prior, measured, variance, further)
    return sum(share * max(0.0, -each.mean - price) for share, _, each in later) - now


def value_of_idea(prior: Prior, variance: float) -> float:
    """Return the expected gain of an idea not yet tried, kept if its one measurement says so.

    Args:
        prior: what such effects are like.
        variance: of that measurement's error.
    """
    step = math.sqrt(prior.gain**2 + variance) / 2
    posteriors = [posterior(prior, -number * step, variance) for number in range(-1, 9)]
    return sum(step * math.exp(each.evidence) * max(0.0, -each.mean) for each in posteriors)
