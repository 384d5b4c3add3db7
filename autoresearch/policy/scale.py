"""What the policy holds in a metric's unit: what to expect of noise and ideas, and its own prices.

For bits per byte much is known before the first training. Of any other metric nothing is, so the
unit is the noise of the study's own code: all else lies to that as it does for bits per byte.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from autoresearch.policy.effects import CPU_IDEAS, GPU_IDEAS, Prior
from autoresearch.policy.noise import CPU, GPU, Noise, NoisePrior, repeated
from autoresearch.records.metric import BITS_PER_BYTE, Metric
from autoresearch.records.values import Reading

# A metric's scores differ from seed to seed by half a percent of their size, ten times as much or
# a tenth of that, until the baseline says better: a weak guess, which a few repeats outweigh.
_SHARE, _DOUBT = 0.005, math.log(10)
_LEAST, _MOST = 1e-9, 10.0  # of the scores' size: what lies outside is no noise of a metric
_POINTS = 400
# How far another code's score may lie from the incumbent's, in deviations of a seed, for its
# repeats to count in part: as far as it may on a CPU.
_NEAR = 20.0


@dataclass(frozen=True)
class Scale:
    """All that the policy holds in the unit of a study's metric, and that metric.

    `noise` and `ideas` are what to expect before anything is measured. `line_price` is what an
    improvement must exceed for each line more, `tie` what shorter code may be worse, `forgiven`
    what code may be worse that trains on seeds on which the incumbent fails. `vague` is the
    deviation of a first guess at the baseline's score; a score that moved by less than `same` has
    not moved.
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
        """Return the scale of a study with this noise: of a metric whose unit is learned from it.

        Few repeats of the best code may agree by chance, and other code says how loud the study
        is. Ideas thought far smaller than its noise would never be believed.
        """
        if self.metric.is_bits_per_byte or noise.seed <= self.noise.seed:
            return self
        return replace(self.times(noise.seed / self.noise.seed), noise=self.noise)

    def price(self, lines: int) -> float:
        """Return what an improvement must exceed to be worth this many more lines."""
        return self.line_price * max(lines, 0)

    def text(self, difference: float) -> str:
        """Return a difference or an effect in words, as the project's own metric has it."""
        return f"{self.metric.delta(difference)} {self.metric.unit}"


CPU_SCALE = Scale()
GPU_SCALE = Scale(GPU, GPU_IDEAS)


def scale_of(
    metric: Metric, device: str, best: Sequence[Sequence[Reading]], *, paired: bool = True
) -> Scale:
    """Return the scale of a study.

    Args:
        metric: what it makes better.
        device: what it trains on.
        best: what the code read that was the best of its time: the baseline, then each keep. Other
            code may be as loud as it is bad. May be empty.
        paired: whether trainings take the seed they are given. Without one, two trainings on a
            "seed" share nothing but its number, and their difference is as loud as two scores are.
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
    # Steps may be score here, too, or not: of their worth nothing is known beforehand.
    like = CPU.times(seed / CPU.seed)
    pair = like.pair if paired else math.sqrt(2) * seed
    return replace(
        like, pair=pair, slope=0.0, slope_error=-like.slope, near=_NEAR * seed, paired=paired
    )


def _deviation(size: float, squares: float, freedom: float) -> float:
    """Return the deviation between seeds that repeats show; never zero.

    Scores that are all equal say that it is small, the more so the more of them there are.

    Args:
        size: of a score.
        squares: sum of squares of scores about the mean of their code.
        freedom: how many repeats stand behind it.

    Source: the posterior mean of ln(deviation), with a normal prior on it.
    """
    logs = np.linspace(math.log(_LEAST), math.log(_MOST), _POINTS)
    beforehand = -0.5 * ((logs - math.log(_SHARE)) / _DOUBT) ** 2
    seen = -freedom * logs - 0.5 * squares / size**2 * np.exp(-2 * logs)
    weights = np.exp(beforehand + seen - (beforehand + seen).max())
    return size * math.exp(float((weights * logs).sum() / weights.sum()))
