"""The verdict on an experiment: keep, discard, or one more pair if that is worth its price.

A pair is worth it if what it may change in this verdict is more than a new idea would gain.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch.policy.belief import Belief, Evidence
from autoresearch.policy.effects import value_of_idea, value_of_pair
from autoresearch.policy.noise import adjust_for_throughput, paired
from autoresearch.policy.scale import Scale
from autoresearch.records.text import counted
from autoresearch.records.values import Chances, Estimate, Reading, Verdict

FIRST_SEED = 1
# Before this many repeated pairs the noise is a guess, and no single pair is believed.
ENOUGH_REPEATS = 8
MAX_PAIRS = 6
# About a third of a pair's value is for this verdict: it also tells of the incumbent and of the
# noise, on which every later verdict rests. Found with benchmarks/nights.py.
OWN_SHARE = 0.35
BETTER, NO_BETTER = "expected to be better", "no better"  # how a reason begins
_LITTLE = 1e-14  # of the precision so far: the least that a further pair is taken to add


@dataclass(frozen=True)
class MoreTrials:
    """Both sides are to be trained on this seed too; `reason` is a sentence for a person."""

    seed: int
    reason: str


@dataclass(frozen=True)
class Decision:
    """A verdict, the expected effect behind it (below zero = better) and a sentence about it.

    There is no effect where nothing was compared: a baseline, a crash. `measured` is the difference
    that the `pairs` read, before any prior; `chances` say how likely the change is truly better.
    """

    verdict: Verdict
    effect: Estimate | None
    reason: str
    measured: Estimate | None = None
    pairs: int = 0
    chances: Chances | None = None


def judge(
    experiment: Sequence[Reading],
    incumbent: Sequence[Reading],
    *,
    belief: Belief,
    lines: int = 0,
    reversal: bool = False,
    last: bool = False,
) -> MoreTrials | Decision:
    """Return the verdict by these readings, or the seed on which more are needed.

    Args:
        experiment: its readings, oldest first.
        incumbent: the incumbent's readings.
        belief: what the study's history says of the incumbent, the noise and such ideas.
        lines: how many more the experiment's code has than the incumbent's.
        reversal: it takes an earlier keep back.
        last: no pair on a fresh seed can be trained any more: decide by what was read.

    Raises:
        ValueError: the two have no seed in common, so nothing can be said.
    """
    differences = paired(experiment, incumbent)
    if not differences:
        msg = "the experiment and the incumbent share no seed"
        raise ValueError(msg)
    if not all(math.isfinite(each.bpb) for each in (*experiment, *incumbent)):
        return Decision(Verdict.DISCARD, None, "a score is not a finite number")
    slope = belief.noise.slope
    belief = belief.seeing(adjust_for_throughput(incumbent, slope))
    common = [each for each in adjust_for_throughput(experiment, slope) if each.seed in belief.read]
    evidence = belief.weighing(common, reversal=reversal)
    seed = _next_seed(experiment, belief)
    if (seed in belief.read or not last) and _worth_a_pair(belief, evidence, seed, lines):
        return MoreTrials(seed, f"in doubt: {_description(evidence, belief.scale)}")
    return _decided(evidence, belief, lines)


def kept_as_simpler(measured: float | None, effect: float | None) -> bool:
    """Return whether a keep was kept only because its code is shorter: its score is no better.

    Args:
        measured: the difference as read; None in studies of older versions, and for a baseline.
        effect: the believed effect; None for a baseline.
    """
    if effect is None:
        return False
    return effect >= 0 or (measured is not None and measured >= 0)


def next_seed(*sides: Sequence[Reading]) -> int:
    """Return a seed that neither side has used."""
    used = [reading.seed for side in sides for reading in side]
    return max(used, default=FIRST_SEED - 1) + 1


def _next_seed(experiment: Sequence[Reading], belief: Belief) -> int:
    # A stopped run may have left half a pair: to take another seed instead would be to choose the
    # luckier one. A seed that the incumbent has read costs one training instead of two.
    seeds = [reading.seed for reading in experiment]
    half = [seed for seed in seeds if seed not in belief.read]
    spare = sorted(belief.read.difference(seeds), reverse=True)
    unused = max(*seeds, *belief.seeds) + 1
    return [*half, *spare, unused][0]


def _worth_a_pair(belief: Belief, evidence: Evidence, seed: int, lines: int) -> bool:
    pairs = len(evidence.seeds)
    if pairs == 1 and belief.noise.pair_repeats < ENOUGH_REPEATS:
        return evidence.measured < 0 or _tie(evidence, belief.scale, lines)
    if pairs >= MAX_PAIRS or evidence.measured >= 0:
        return False
    effect = evidence.effect
    better = _better(evidence, belief.scale, lines)
    at_most = effect.worse * effect.loss if better else effect.better * effect.gain
    cost = _cost_of_pair(belief, seed)
    return at_most > cost and _worth(belief, evidence, seed, lines) > cost


def _cost_of_pair(belief: Belief, seed: int) -> float:
    screening = min(belief.spread([each]) for each in belief.read)
    trainings = 1 if seed in belief.read else 2
    return OWN_SHARE * trainings * value_of_idea(belief.prior, screening)


def _worth(belief: Belief, evidence: Evidence, seed: int, lines: int) -> float:
    if seed not in belief.read:
        belief = belief.with_fresh(seed)
    after = belief.spread([*evidence.seeds, seed])
    further = 1 / max(1 / after - 1 / evidence.variance, _LITTLE / after)
    measured, variance = evidence.measured, evidence.variance
    return value_of_pair(evidence.prior, measured, variance, further, belief.scale.price(lines))


def _decided(evidence: Evidence, belief: Belief, lines: int) -> Decision:
    error = evidence.effect.deviation if belief.noise.measured else None
    effect = Estimate(evidence.effect.mean, error)
    verdict, why = _verdict(evidence, belief.scale, lines)
    measured = Estimate(evidence.measured, math.sqrt(evidence.variance) if error else None)
    return Decision(
        verdict,
        effect,
        f"{why}: {_description(evidence, belief.scale)}",
        measured,
        len(evidence.seeds),
        _chances(evidence),
    )


def _verdict(evidence: Evidence, scale: Scale, lines: int) -> tuple[Verdict, str]:
    if _better(evidence, scale, lines):
        return Verdict.KEEP, BETTER
    if _tie(evidence, scale, lines):
        return Verdict.KEEP, f"as good with {counted(-lines, 'fewer line')}"
    if evidence.measured < 0 and evidence.effect.mean < 0:
        return Verdict.DISCARD, f"not worth its {counted(lines, 'more line')}"
    return Verdict.DISCARD, NO_BETTER


def _better(evidence: Evidence, scale: Scale, lines: int) -> bool:
    # Whatever the prior hopes, the readings themselves must say so.
    return evidence.measured < 0 and -evidence.effect.mean > scale.price(lines)


def _tie(evidence: Evidence, scale: Scale, lines: int) -> bool:
    return lines < 0 and evidence.effect.neutral >= 0.5 and evidence.effect.mean < scale.tie


def _description(evidence: Evidence, scale: Scale) -> str:
    pairs = counted(len(evidence.seeds), "pair")
    read, believed = scale.text(evidence.measured), scale.metric.delta(evidence.effect.mean)
    return f"{read} on {pairs}, believed {believed} ({_chances(evidence)})"


def _chances(evidence: Evidence) -> Chances:
    return Chances(evidence.effect.better, evidence.effect.neutral)
