"""Whether the machine has changed since a reading was taken."""

import math
from dataclasses import dataclass

from autoresearch.policy.noise import PRIOR_REPEATS, Noise
from autoresearch.records.metric import BITS_PER_BYTE, Metric
from autoresearch.records.values import Reading

# How often a machine that did not change may look as if it had: by its score, and by its steps.
FALSE_ALARM = 0.003


@dataclass(frozen=True)
class Drift:
    """A repeated trial of the same code on the same seed, beside the first one.

    `bpb` is the new score less the old one in the metric's unit, `expected` the standard deviation
    of that on a machine that did not change; `steps` is the new number of steps over the old one,
    None where they are not known.
    """

    bpb: float
    expected: float
    steps: float | None
    changed: bool
    metric: Metric = BITS_PER_BYTE

    @property
    def description(self) -> str:
        """The finding in words."""
        speed = "" if self.steps is None else f" at {self.steps:.2f} times the steps"
        read = f"{self.metric.delta(self.bpb)} {self.metric.unit}"
        return f"reads {read} (noise {self.metric.amount(self.expected)}){speed}"


def drift(again: Reading, then: Reading, noise: Noise, metric: Metric = BITS_PER_BYTE) -> Drift:
    """Return what a repeated trial says of the machine.

    It has changed if the score differs by more than noise explains; or if the number of steps does,
    and such a difference in steps is worth more score than a trial's own noise.

    Args:
        again: the repetition.
        then: the reading that it repeats, of the same code and seed.
        noise: the study's. Its deviation of a pair is at least that of a repetition: two codes on
            one seed differ by all that two trainings of one code differ by.
        metric: what was read.
    """
    freedom = PRIOR_REPEATS + int(noise.pair_repeats)
    difference = again.bpb - then.bpb
    changed = tail(difference / noise.pair, freedom) < FALSE_ALARM
    if not (again.steps > 0 and then.steps > 0):
        return Drift(difference, noise.pair, None, changed, metric)
    ratio = again.steps / then.steps
    logs = math.log(ratio)
    chance = tail(logs / (math.sqrt(2) * noise.speed), PRIOR_REPEATS + int(noise.seed_repeats))
    matters = abs(noise.slope * logs) > noise.trial
    changed = changed or (matters and chance < FALSE_ALARM)
    return Drift(difference, noise.pair, ratio, changed, metric)


def tail(value: float, freedom: int) -> float:
    """Return the probability that Student's t is as far from zero as `value`, on either side.

    Source: Abramowitz and Stegun 26.7.3 and 26.7.4, finite sums for whole degrees of freedom.
    """
    angle = math.atan2(abs(value), math.sqrt(freedom))
    term, total = 1.0, 0.0
    cosine = math.cos(angle)
    odd = freedom % 2
    for step in range(freedom // 2):
        total += term
        term *= cosine**2 * (2 * step + 1 + odd) / (2 * step + 2 + odd)
    inside = math.sin(angle) * total
    if odd:
        inside = 2 / math.pi * (angle + inside * cosine)
    return max(1 - inside, 0.0)
