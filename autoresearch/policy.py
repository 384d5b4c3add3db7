"""Decisions, pure: no git, no SQL, no clock. Scores are in bits per byte; lower is better.

The rule of the house for now: an experiment is screened by one trial on a seed that the incumbent
has been scored on too (same seed, same data order, so most of the noise cancels). Only if that
pair looks better are both trained once more, on a fresh seed. The fresh pair decides, and it alone
says how large the effect is: the screening pair was *chosen* for looking good, so its value is
biased (the winner's curse).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from autoresearch.records.values import Estimate, Reading, Verdict

FIRST_SEED = 1


@dataclass(frozen=True)
class MoreTrials:
    """Both sides are to be trained once more, on this seed; `reason` is a sentence for a person."""

    seed: int
    reason: str


@dataclass(frozen=True)
class Decision:
    """A verdict, the paired effect behind it (below zero = better) and a sentence about it.

    There is no effect where nothing was compared: a baseline, a crash.
    """

    verdict: Verdict
    effect: Estimate | None
    reason: str


@dataclass(frozen=True)
class Noise:
    """Standard deviations in bits per byte; None while there is nothing to estimate them from.

    `seed` is of one trial's score between seeds of the same code; `pair` of a paired difference.
    """

    seed: float | None = None
    pair: float | None = None


def judge(
    experiment: Sequence[Reading],
    incumbent: Sequence[Reading],
    *,
    noise: Noise,
    simpler: bool = False,
) -> MoreTrials | Decision:
    """Return the verdict that the readings earn, or the seed on which more are needed.

    Args:
        experiment: its readings, oldest first; the first one screens.
        incumbent: the incumbent's readings.
        noise: what is known of it.
        simpler: whether the experiment removes more lines than it adds; it then wins a tie.

    Raises:
        ValueError: the two have no seed in common, so nothing can be said.
    """
    differences = paired(experiment, incumbent)
    if not differences:
        msg = "the experiment and the incumbent share no seed"
        raise ValueError(msg)
    screened, fresh = differences[0], differences[1:]
    if not _better(screened, simpler=simpler):
        effect = _estimate([screened], noise.pair)
        return Decision(Verdict.DISCARD, effect, f"no better: {screened:+.6f} bpb")
    if not fresh:
        return MoreTrials(_fresh_seed(experiment, incumbent), f"looks better: {screened:+.6f} bpb")
    effect = _estimate(fresh, noise.pair)
    if not _better(effect.mean, simpler=simpler):
        return Decision(
            Verdict.DISCARD,
            effect,
            f"looked better ({screened:+.6f} bpb), but not on a fresh seed: {effect.mean:+.6f} bpb",
        )
    return Decision(Verdict.KEEP, effect, f"better on a fresh seed too: {effect.mean:+.6f} bpb")


def paired(experiment: Sequence[Reading], incumbent: Sequence[Reading]) -> list[float]:
    """Return the differences on shared seeds, experiment minus incumbent, in its reading order."""
    other = {reading.seed: reading.bpb for reading in incumbent}
    return [reading.bpb - other[reading.seed] for reading in experiment if reading.seed in other]


def score(readings: Sequence[Reading], noise: Noise, *, screened: bool) -> Estimate:
    """Return the mean score with its standard error.

    Args:
        readings: of one experiment, oldest first; at least one.
        noise: what is known of it.
        screened: whether the first reading decided that there are others; it is then left out.
    """
    told = readings[1:] if screened and len(readings) > 1 else readings
    return _estimate([reading.bpb for reading in told], noise.seed)


def noise(readings: Mapping[int, Sequence[Reading]], parents: Mapping[int, int]) -> Noise:
    """Return the noise seen so far.

    Args:
        readings: every experiment's readings, by its number.
        parents: the incumbent that each experiment was compared with.
    """
    pairs = [
        paired(mine, readings[parents[number]])
        for number, mine in readings.items()
        if parents.get(number) in readings
    ]
    return Noise(
        seed=pooled_deviation([[each.bpb for each in mine] for mine in readings.values()]),
        pair=pooled_deviation(pairs),
    )


def pooled_deviation(groups: Iterable[Sequence[float]]) -> float | None:
    """Return the standard deviation within groups, or None where no group has two values.

    Source: the pooled variance, each group's weighted by its degrees of freedom.
    """
    repeated = [group for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in repeated)
    if not freedom:
        return None
    return math.sqrt(sum(variance(group) * (len(group) - 1) for group in repeated) / freedom)


def _fresh_seed(experiment: Sequence[Reading], incumbent: Sequence[Reading]) -> int:
    # A stopped run may have left half a pair: another draw of the seed would be a choice.
    paired_already = {reading.seed for reading in incumbent}
    half = [reading.seed for reading in experiment if reading.seed not in paired_already]
    return half[0] if half else next_seed(experiment, incumbent)


def next_seed(*sides: Sequence[Reading]) -> int:
    """Return a seed that neither side has used."""
    used = [reading.seed for side in sides for reading in side]
    return max(used, default=FIRST_SEED - 1) + 1


def _better(difference: float, *, simpler: bool) -> bool:
    # NaN compares false with everything: it is never better.
    return difference < 0 or (simpler and difference == 0)


def _estimate(values: Sequence[float], deviation: float | None) -> Estimate:
    error = None if deviation is None else deviation / math.sqrt(len(values))
    return Estimate(fmean(values), error)
