"""What a study's ideas are like: learned from their effects, starting from what is usual.

How often ideas are better and by how much is itself uncertain, and a single guess that is slowly
pulled along keeps hoping where nothing ever works. So a grid of priors around the usual one is
weighed by how well each foretold what was measured; their mean is expected of the next idea.
Source: hierarchical Bayes with the hyperparameters on a grid.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autoresearch.policy.effects import Prior, densities

Vector = NDArray[np.float64]
# A share on the grid is 1 - (1 - usual share) ** power, a size the usual one times a factor; beside
# each stands how likely it is beforehand. Idle are the ideas that change nothing, of those that are
# not better: there may be far more of them than usual, since patches often miss.
_BETTER = ((0.1, 0.4, 1.0, 2.0), (0.1, 0.2, 0.4, 0.3))
_IDLE = ((1.0, 2.5, 10.0), (0.75, 0.15, 0.10))
_SIZES = ((0.25, 0.5, 1.0, 2.0), (0.1, 0.2, 0.5, 0.2))


def learned(usual: Prior, measured: Sequence[tuple[float, float]]) -> Prior:
    """Return what to expect of the next idea.

    Args:
        usual: what to expect before the first.
        measured: each idea's measured effect (bpb) and the variance of its error.
    """
    if not measured:
        return usual
    # Axes: better, idle, gain, loss.
    better = _shares(usual.better, _BETTER[0])[:, None, None, None]
    idle = _shares(usual.neutral / (usual.neutral + usual.worse), _IDLE[0])[:, None, None]
    neutral, worse = (1 - better) * idle, (1 - better) * (1 - idle)
    gains = usual.gain * np.array(_SIZES[0])[:, None]
    losses = usual.loss * np.array(_SIZES[0])
    logs = np.log(_beforehand())
    for effect, variance in measured:
        up, flat, down = densities(gains.ravel(), losses, effect, variance)
        logs = logs + np.log(better * up[:, None] + neutral * flat + worse * down)
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    up, flat, down = (float((weights * each).sum()) for each in (better, neutral, worse))
    gain = float((weights * better * gains).sum()) / up
    loss = float((weights * worse * losses).sum()) / down
    return Prior(up, flat, down, gain, loss)


def _shares(usual: float, powers: Sequence[float]) -> Vector:
    return 1 - (1 - usual) ** np.array(powers)


def _beforehand() -> Vector:
    better, idle, size = (np.array(each[1]) for each in (_BETTER, _IDLE, _SIZES))
    return better[:, None, None, None] * idle[:, None, None] * size[:, None] * size
