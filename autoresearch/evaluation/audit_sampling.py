"""Which positions are challenged, how many, and what a leak must look like to be missed.

Call a position's *excess* what was committed there above what could be expected there, in nats,
and a leak's worth the sum of the excess at the positions whose prediction was stolen. Half of the
probes are uniform, half are drawn in proportion to the squared excess. Of N positions let a leak
worth G have m; S is the sum of all squared excess. A leak of many small thefts is met by the
uniform probes, one of few large thefts by the others: K probes miss it with a probability of

    at most exp(-K/2 * (m/N + G*G/(m*S)))  <=  exp(-K * G / sqrt(N*S))

(Cauchy-Schwarz bounds what the thefts' squares add up to; the worst m is in the second term).
N and S are known once the server has committed, so K follows from them and from the chance of a
miss that is allowed, whatever the thief does. Drawing without replacement only helps. Thefts that
are too small to be seen one by one are seen in the mean of the uniform probes: `policy/rounding.py`
adds up both.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from autoresearch import policy
from autoresearch.evaluation.windows import Integers, Reals, WindowPlan

# What is looked for, in bits per byte. On the CPU the noise floor: two trainings of the same seed
# differ by 0.0025 at the quietest measured. On an accelerator probes cost next to nothing.
WORTH_ON_CPU = 2.5e-3
WORTH = 1e-3
FLOOR = 1e-9  # so that positions without excess are drawn when no others are left
NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Reference:
    """The log-probability that the best accepted checkpoint gave, as a curve over the text's bytes.

    `ends` are the bytes of the text up to the end of each token, `nats` the sums up to there.
    """

    ends: Integers
    nats: Reals

    @classmethod
    def of(cls, plan: WindowPlan, nats: Reals) -> Self:
        """Return the curve of log-probabilities [N], in nats, of the positions of a plan."""
        return cls(np.append(0, plan.ends), np.append(0.0, np.cumsum(nats)))

    @property
    def total(self) -> float:
        """Return the log-probability of the whole text."""
        return float(self.nats[-1])

    def at(self, plan: WindowPlan) -> Reals:
        """Return what it gives each token of a plan, which may cut the text in other places.

        A token's nats are taken to be spread evenly over its bytes.
        """
        return np.diff(np.interp(plan.ends, self.ends, self.nats), prepend=0.0)


def expected(nats: Reals, plan: WindowPlan) -> Reals:
    """Return for each position the mean over the other positions with the same token.

    It is used where there is no reference. The token's share of the text counts as one more
    observation, since some tokens stand in the text only once.
    """
    targets = plan.targets(np.arange(plan.positions))
    counts = np.bincount(targets)[targets]
    sums = np.bincount(targets, weights=nats)[targets]
    return np.asarray((sums - nats + np.log(counts / plan.positions)) / counts)


def needed(excess: Reals, worth: float, noise: float = 0.0) -> int:
    """Return how many probes find a leak of `worth` nats in the text but for a chance of MISS.

    `noise` is the root mean square of honest differences in nats.
    """
    return policy.probes_needed(worth / excess.size, spread(excess), noise)


def spread(excess: Reals) -> float:
    """Return the root mean square of the excess, what is below zero taken as zero."""
    return math.sqrt(float(np.square(np.maximum(excess, 0.0)).mean()))


def draw(
    excess: Reals, count: int, rng: np.random.Generator, taken: Integers = NONE
) -> tuple[Integers, Integers]:
    """Return positions to challenge: the uniform ones, and those drawn by excess; all distinct.

    None of them is among the `taken` ones.
    """
    free = np.delete(np.arange(excess.size), taken)
    count = min(count, free.size)
    uniform = rng.choice(free, size=count - count // 2, replace=False)
    weights = np.square(np.maximum(excess, 0.0)) + FLOOR
    weights[taken] = weights[uniform] = 0.0
    others = np.flatnonzero(weights)
    # The largest of log w + Gumbel noise are draws in proportion to w without replacement.
    keys = np.log(weights[others]) + rng.gumbel(size=others.size)
    return uniform, others[np.argsort(-keys)[: count // 2]]
