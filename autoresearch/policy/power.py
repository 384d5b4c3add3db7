"""The smallest gain that a study can detect, and what to do where that is too large."""

import math
from dataclasses import dataclass

from autoresearch.policy.confirmation import CONFIRMED
from autoresearch.policy.effects import Prior, posterior
from autoresearch.policy.noise import Noise
from autoresearch.policy.scale import Scale
from autoresearch.policy.verdicts import ENOUGH_REPEATS, MAX_PAIRS
from autoresearch.records.metric import BITS_PER_BYTE, Metric
from autoresearch.records.values import Clock

NIGHT = 100  # trainings: eight hours of five minutes each
_STEPS = 40  # halvings of an interval: far below any error that matters


@dataclass(frozen=True)
class Power:
    """The smallest gain that pairs would confirm, and how many ideas of a night are that good.

    `pair` is the standard deviation of a pair's difference. A true gain of `gain` is confirmed in
    half of all cases by `MAX_PAIRS` pairs, as many as a verdict may take; `share` of the ideas that
    work are as large, `expected` of them among the ideas of a night. `pair` and `gain` are in the
    unit of `metric`. Where trainings take no seed, nothing is truly `paired`.
    """

    pair: float
    gain: float
    share: float
    expected: float
    metric: Metric = BITS_PER_BYTE
    paired: bool = True

    @property
    def is_too_low(self) -> bool:
        """Whether the noise is larger than any gain that a night may be expected to bring."""
        return self.expected < 1

    @property
    def description(self) -> str:
        """The finding in words."""
        pair, gain = (self.metric.amount(each) for each in (self.pair, self.gain))
        unit = self.metric.unit
        return (
            f"a pair's difference has a noise of {pair} {unit}, so {MAX_PAIRS} pairs confirm "
            f"gains from {gain} {unit}: {self.share:.0%} of the ideas that work"
        )


def power(noise: Noise, scale: Scale) -> Power:
    """Return the smallest gain that a study with this noise can detect.

    Args:
        noise: the study's.
        scale: with the usual noise and ideas. Until pairs are repeated, their noise is taken to be
            as many times the usual as the noise between seeds is.
    """
    usual, ideas = scale.noise, scale.ideas
    noisier = 1.0 if noise.pair_repeats >= 1 else noise.seed / usual.seed
    pair = noise.pair * max(noisier, 1.0)
    freedom = max(noise.pair_repeats, ENOUGH_REPEATS)
    gain = _smallest(ideas, pair**2 / MAX_PAIRS * freedom / (freedom - 2))
    share = math.exp(-gain / ideas.gain)
    expected = NIGHT * ideas.better * share
    return Power(pair, gain, share, expected, scale.metric, usual.paired)


def advice(power: Power, device: str, clock: Clock) -> str | None:
    """Return what to do about the noise in a sentence or two; None where it does no harm.

    Args:
        power: the study's.
        device: what it trains on.
        clock: what its budget counts.
    """
    if not power.is_too_low:
        return None
    steps = [] if power.paired else ["let the command take a seed ([target] seed)"]
    steps.append("train longer (--budget)")
    if device == "cpu" and clock is Clock.WALL:
        steps.append('count CPU seconds ([training] clock = "cpu")')
    steps.append("find a quieter machine")
    return (
        f"the noise of this study is larger than what it looks for: {power.description}, "
        f"{power.expected:.1f} in {NIGHT} trainings. "
        f"Start another with --tag: {', or '.join(steps)}"
    )


def _smallest(ideas: Prior, variance: float) -> float:
    """Return the smallest measured gain that is confirmed; `variance` is of its error."""
    low, high = 0.0, 12 * math.sqrt(variance) + variance / ideas.gain
    while posterior(ideas, -high, variance).better < CONFIRMED:
        high *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        sure = posterior(ideas, -middle, variance).better >= CONFIRMED
        low, high = (low, middle) if sure else (middle, high)
    return high
