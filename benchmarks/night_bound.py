"""The most that any rule can gain on a simulated night if it takes one idea after the other.

The rule is told everything: noise, mix, how gains shrink, and the incumbent's true score. It may
train an idea up to eight times and stops where that is worth most per training. What it gains a
training is a root of the stopping problem's value, found here on a grid; no rule that has to learn
any of this can do better without stopping trainings early.
Source: optimal stopping at a rate (renewal reward); dynamic programming backwards over readings.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from night_rules import SHRINK, SLOTS, Mix
from numpy.typing import NDArray

Vector = NDArray[np.float64]
READINGS = 8
_POINTS, _QUANTILES, _STEPS = 400, 300, 9


def bound(mix: Mix, sigma: float) -> float:
    """Return the true improvement in bpb after a night: below zero is better."""
    gone = np.linspace(0, 0.12, _STEPS)
    rates = [_rate(_Ideas.of(mix, math.exp(-each / SHRINK)), sigma) for each in gone]
    improvement = 0.0
    for _ in range(SLOTS - 1):
        improvement += float(np.interp(improvement, gone, rates))
    return -improvement


@dataclass(frozen=True)
class _Ideas:
    """True effects in bpb, and how likely each is."""

    effects: Vector
    shares: Vector

    @classmethod
    def of(cls, mix: Mix, shrunk: float) -> "_Ideas":
        quantiles = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        sizes = -np.log(1 - quantiles)
        normal = np.array([NormalDist().inv_cdf(each) for each in quantiles])
        losses = np.exp(normal - 0.5) if mix.tails else sizes
        each = np.full(_QUANTILES, 1 / _QUANTILES)
        return cls(
            np.concatenate([-mix.gain * shrunk * sizes, [0.0], mix.loss * losses]),
            np.concatenate([mix.better * each, [mix.neutral], mix.worse * each]),
        )


def _rate(ideas: _Ideas, sigma: float) -> float:
    """Return the gain per training (bpb) at which starting on another idea is worth nothing."""
    means = np.linspace(ideas.effects.min() - 4 * sigma, 6 * sigma + 0.05, _POINTS)
    worth = [_Worth.of(ideas, sigma, means, readings) for readings in range(1, READINGS + 1)]
    low, high = 0.0, 0.01
    for _ in range(25):
        middle = (low + high) / 2
        low, high = (middle, high) if _value(worth, means, middle) > 0 else (low, middle)
    return low


@dataclass(frozen=True)
class _Worth:
    """After so many readings, by their mean: density, expected gain if kept, the next reading."""

    density: Vector
    keeping: Vector
    further: Vector

    @classmethod
    def of(cls, ideas: _Ideas, sigma: float, means: Vector, readings: int) -> "_Worth":
        apart = (means[:, None] - ideas.effects) / sigma
        joint = ideas.shares * np.exp(-0.5 * readings * apart**2)
        total = joint.sum(axis=1, keepdims=True) + 1e-300
        next_ = np.exp(-0.5 * apart.T**2)
        next_ /= next_.sum(axis=1, keepdims=True) + 1e-300
        keeping = np.maximum(0.0, -(joint / total) @ ideas.effects)
        return cls(total[:, 0] / total.sum(), keeping, (joint / total) @ next_)


def _value(worth: list[_Worth], means: Vector, price: float) -> float:
    value = worth[-1].keeping
    for readings in range(READINGS - 1, 0, -1):
        pooled = (readings * means[:, None] + means) / (readings + 1)
        going_on = (worth[readings - 1].further * np.interp(pooled, means, value)).sum(axis=1)
        value = np.maximum(worth[readings - 1].keeping, going_on - price)
    return float(worth[0].density @ value) - price
