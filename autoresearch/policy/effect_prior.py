"""The prior of the next idea's effect: the usual one, learned on from the study's own effects.

How often ideas are better and by how much is itself uncertain. A single prior that is moved a
little by each effect stays hopeful where nothing ever works. So a grid of priors around the usual
one is weighted by how well each predicted what was measured; the weighted mean is the prior of the
next idea.

Source: hierarchical Bayes with the hyperparameters on a grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from autoresearch.policy.effects import Prior, densities

Vector = NDArray[np.float64]
# The grid's points, then their probabilities beforehand. A share is 1 - (1 - usual share) ** power,
# a size the usual one times a factor. `_IDLE` is the share of ideas that change nothing among those
# that are not better: it may be far larger than usual, since patches often miss.
_BETTER = ((0.1, 0.4, 1.0, 2.0), (0.1, 0.2, 0.4, 0.3))
_IDLE = ((1.0, 2.5, 10.0), (0.75, 0.15, 0.10))
_MOST_LOSS = 5.0  # times the usual loss: a larger one counts as this
_LEAST = np.finfo(float).tiny  # of a density: what a quiet study measures rules most priors out
_SIZES = ((0.25, 0.5, 1.0, 2.0, 5.0, 12.0), (0.1, 0.2, 0.45, 0.15, 0.07, 0.03))


def fit_prior(usual: Prior, measured: Sequence[tuple[float, float]]) -> Prior:
    """Return the prior of the next idea's effect.

    Args:
        usual: the prior before the first idea.
        measured: each idea's measured effect and the variance of its error.
    """
    if not measured:
        return usual
    grid, logs = _around(usual), np.log(_probabilities())
    for effect, variance in measured:
        logs = logs + _log_likelihood(usual, effect, variance)
    weights = np.exp(logs - logs.max())
    weights = weights / weights.sum()
    shares = grid.better, grid.neutral, grid.worse
    up, flat, down = (float((weights * each).sum()) for each in shares)
    gain = float((weights * grid.better * grid.gains[:, None]).sum()) / up
    loss = float((weights * grid.worse * grid.losses).sum()) / down
    return Prior(up, flat, down, gain, loss)


@dataclass(frozen=True)
class _Grid:
    """All priors of the grid; the axes are share better, share idle, mean gain and mean loss."""

    better: Vector
    neutral: Vector
    worse: Vector
    gains: Vector
    losses: Vector


@lru_cache(maxsize=4)
def _around(usual: Prior) -> _Grid:
    """Return the grid around what is usual."""
    better = _shares(usual.better, _BETTER[0])[:, None, None, None]
    idle = _shares(usual.neutral / (usual.neutral + usual.worse), _IDLE[0])[:, None, None]
    gains, losses = (size * np.array(_SIZES[0]) for size in (usual.gain, usual.loss))
    return _Grid(better, (1 - better) * idle, (1 - better) * (1 - idle), gains, losses)


@lru_cache(maxsize=4096)  # a study's ideas are gone through again at every verdict
def _log_likelihood(usual: Prior, effect: float, variance: float) -> Vector:
    """Return the log of how likely each prior of the grid makes a measured effect."""
    grid = _around(usual)
    # However far a training went astray, it says nothing of how small losses can be.
    effect = min(effect, _MOST_LOSS * usual.loss)
    up, flat, down = densities(grid.gains, grid.losses, effect, variance)
    mixed = grid.better * up[:, None] + grid.neutral * flat + grid.worse * down
    return np.asarray(np.log(np.maximum(mixed, _LEAST)))


def _shares(usual: float, powers: Sequence[float]) -> Vector:
    return np.array([1 - (1 - usual) ** power for power in powers])


def _probabilities() -> Vector:
    better, idle, size = (np.array(each[1]) for each in (_BETTER, _IDLE, _SIZES))
    return np.asarray(better[:, None, None, None] * idle[:, None, None] * size[:, None] * size)
