"""The study so far, gone through once more: every verdict rests on all readings there are."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from autoresearch.policy.belief import Belief, Evidence
from autoresearch.policy.effects import CPU_IDEAS, Prior
from autoresearch.policy.ideas import learned
from autoresearch.policy.noise import Noise, steadied
from autoresearch.records.values import Estimate, Reading


@dataclass(frozen=True)
class Past:
    """An experiment with a verdict: `parent` is the incumbent it was compared with, if any.

    A `reversal` takes back a keep that further pairs spoke against.
    """

    number: int
    parent: int | None
    kept: bool
    readings: Sequence[Reading]
    reversal: bool = False


@dataclass(frozen=True)
class _Step:
    """The belief after an experiment, the incumbent then, and the experiment's own evidence."""

    belief: Belief
    incumbent: Past
    evidence: Evidence | None = None


def recall(
    past: Iterable[Past], noise: Noise, usual: Prior = CPU_IDEAS, *, epoch: int = 0
) -> Belief:
    """Return what is believed after these experiments, oldest first.

    Noise and prior are today's, for all of them: what the first verdicts could not know yet is
    used. What was compared with code that is not in the incumbent's lineage any more says nothing
    of it.

    Args:
        past: the experiments with a verdict.
        noise: the study's.
        usual: what ideas are like before the first.
        epoch: the one that now is; see `Reading`.
    """
    steps = _steps(past, noise, usual)
    if not steps:
        return Belief(noise, usual, epoch=epoch)
    return steps[-1].belief.since(epoch).seeing(_steady(steps[-1].incumbent, noise))


def scores(past: Iterable[Past], noise: Noise, usual: Prior = CPU_IDEAS) -> dict[int, Estimate]:
    """Return the score of every incumbent there was, as believed when it was last compared."""
    steps = _steps(past, noise, usual)
    return {each.incumbent.number: each.belief.score for each in steps if each.incumbent.number}


def average(readings: Sequence[Reading], noise: Noise) -> Estimate:
    """Return the mean score of an experiment that was not kept, with its standard error."""
    error = noise.seed / math.sqrt(len(readings)) if noise.measured else None
    return Estimate(fmean(each.bpb for each in readings), error)


def _steps(past: Iterable[Past], noise: Noise, usual: Prior) -> list[_Step]:
    # Twice: effects teach what ideas are like, and that changes what is believed of each effect.
    past = list(past)
    first = list(_told(past, Belief(noise, usual)))
    ideas = [step for step, each in zip(first, past, strict=True) if not each.reversal]
    effects = [step.evidence for step in ideas if step.evidence]
    if not effects:
        return first
    prior = learned(usual, [(each.measured, each.variance) for each in effects])
    return list(_told(past, Belief(noise, prior)))


def _told(past: Iterable[Past], belief: Belief) -> Iterator[_Step]:
    incumbent, evidence = _NOTHING, None
    for experiment in past:
        if experiment.parent is None and experiment.kept:
            incumbent, evidence = experiment, None
        elif experiment.parent == incumbent.number:
            belief, evidence = _weighed(belief, incumbent, experiment)
            if evidence is not None:
                belief = (belief.keeping if experiment.kept else belief.discarding)(evidence)
                incumbent = experiment if experiment.kept else incumbent
        else:
            evidence = None
        yield _Step(belief.seeing(_steady(incumbent, belief.noise)), incumbent, evidence)


_NOTHING = Past(0, None, kept=False, readings=())


def _weighed(belief: Belief, incumbent: Past, experiment: Past) -> tuple[Belief, Evidence | None]:
    noise = belief.noise
    if _epoch_of(experiment) > belief.epoch:
        belief = belief.seeing(_steady(incumbent, noise)).since(_epoch_of(experiment))
    mine = [each for each in _steady(experiment, noise) if each.epoch == belief.epoch]
    seeds = {reading.seed for reading in mine}
    belief = belief.seeing([each for each in _steady(incumbent, noise) if each.seed in seeds])
    common = [each for each in mine if each.seed in belief.read]
    if not common:
        return belief, None
    return belief, belief.weighing(common, reversal=experiment.reversal)


def _epoch_of(experiment: Past) -> int:
    # The one of its verdict: later readings may only have confirmed it.
    return experiment.readings[0].epoch


def _steady(experiment: Past, noise: Noise) -> list[Reading]:
    return steadied(experiment.readings, noise.slope)
