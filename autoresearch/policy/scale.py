"""The policy's constants in a metric's unit: the priors of noise and ideas, and its prices.

For bits per byte they are known before the first training. For any other metric they are scaled:
they stand in the same ratio to the noise of the study's own code as for bits per byte.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from autoresearch.policy.effects import CPU_IDEAS, GPU_IDEAS, Prior
from autoresearch.policy.noise import CPU, GPU, Noise, NoisePrior, repeated
from autoresearch.records.metric import BITS_PER_BYTE, Metric
from autoresearch.records.values import Reading

# A guess until the baseline is repeated: a metric's scores differ from seed to seed by half a
# percent of their size, or ten times as much or a tenth of that. A few repeats outweigh it.
_SHARE, _DOUBT = 0.005, math.log(10)
_LEAST, _MOST = 1e-9, 10.0  # of the scores' size: the deviations that are thought possible
_POINTS = 400
# How far another code's score may lie from the incumbent's, in deviations of a seed, for its
# repeats to count in part: as far as it may on a CPU.
_NEAR = 20.0


@dataclass(frozen=True)
class Scale:
    """All that the policy holds in the unit of a study's metric, and that metric.

    `noise` and `ideas` are what to expect before anything is measured. An improvement must exceed
    `line_price` for each line more. Code may be worse by `tie` if it is shorter, and by `forgiven`
    if it trains on seeds on which the incumbent fails. `vague` is the deviation of a first guess at
    the baseline's score; a score that moved by less than `same` has not moved.
    """

    noise: NoisePrior = CPU
    ideas: Prior = CPU_IDEAS
    line_price: float = 5e-5  # upstream's program.md: 0.001 bpb is not worth twenty hacky lines
    tie: float = 5e-4
    forgiven: float = 0.01
    vague: float = 1.0
    same: float = 1e-6
    metric: Metric = BITS_PER_BYTE

    def times(self, factor: float) -> "Scale":
        """Return this scale for scores that are so many times as large."""
        return replace(
            self,
            noise=self.noise.times(factor),
            ideas=self.ideas.times(factor),
            line_price=factor * self.line_price,
            tie=factor * self.tie,
            forgiven=factor * self.forgiven,
            vague=factor * self.vague,
            same=factor * self.same,
        )

    def beside(self, noise: Noise) -> "Scale":
        """Return this scale enlarged to a study's noise, where that is larger and no bits per byte.

        Few repeats of the best code may agree by chance, while other code shows how large the noise
        is. Ideas that are expected to be far smaller than the noise would never be believed.
        """
        if self.metric.is_bits_per_byte or noise.seed <= self.noise.seed:
            return self
        return replace(self.times(noise.seed / self.noise.seed), noise=self.noise)

    def price(self, lines: int) -> float:
        """Return what an improvement must exceed to be worth this many more lines."""
        return self.line_price * max(lines, 0)

    def text(self, difference: float) -> str:
        """Return a difference or an effect in words, in the project's own metric."""
        return f"{self.metric.delta(difference)} {self.metric.unit}"


CPU_SCALE = Scale()
GPU_SCALE = Scale(GPU, GPU_IDEAS)


def scale_of(
    metric: Metric, device: str, best: Sequence[Sequence[Reading]], *, paired: bool = True
) -> Scale:
    """Return the scale of a study.

    Args:
        metric: what the study improves.
        device: what it trains on.
        best: the readings of the baseline, then of each keep; may be empty. Discarded code is left
            out, since bad code may be noisy as well.
        paired: whether trainings take the seed they are given. Without one, two trainings on a
            "seed" share nothing but its number, and their difference is as noisy as that of two
            seeds.
    """
    if metric.is_bits_per_byte:
        return CPU_SCALE if device == "cpu" else GPU_SCALE
    first = [each.bpb for each in best[0]] if best else []
    size = math.hypot(*first) / math.sqrt(max(len(first), 1)) or 1.0
    squares, freedom = (sum(each) for each in zip((0.0, 0.0), *map(repeated, best), strict=True))
    usual = _usual(_deviation(size, squares, freedom), paired=paired)
    scale = CPU_SCALE.times(usual.seed / CPU.seed)
    return replace(scale, noise=usual, metric=metric)


def _usual(seed: float, *, paired: bool) -> NoisePrior:
    # More steps may improve the score here, too, or not: nothing is known of that beforehand.
    like = CPU.times(seed / CPU.seed)
    pair = like.pair if paired else math.sqrt(2) * seed
    return replace(
        like, pair=pair, slope=0.0, slope_error=-like.slope, near=_NEAR * seed, paired=paired
    )


def _deviation(size: float, squares: float, freedom: float) -> float:
    """Return the standard deviation between seeds, estimated from repeats; never zero.

    Where all scores are equal, the estimate is the smaller the more of them there are.

    Args:
        size: of a score.
        squares: sum of squares of scores about the mean of their code.
        freedom: degrees of freedom of that sum.

    Source: the posterior mean of ln(deviation), with a normal prior on it.
    """
    logs = np.linspace(math.log(_LEAST), math.log(_MOST), _POINTS)
    log_prior = -0.5 * ((logs - math.log(_SHARE)) / _DOUBT) ** 2
    log_likelihood = -freedom * logs - 0.5 * squares / size**2 * np.exp(-2 * logs)
    weights = np.exp(log_prior + log_likelihood - (log_prior + log_likelihood).max())
    return size * math.exp(float((weights * logs).sum() / weights.sum()))
