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
    """An experiment with a verdict: `parent` is the incumbent it was compared with, if any."""

    number: int
    parent: int | None
    kept: bool
    readings: Sequence[Reading]


@dataclass(frozen=True)
class Step:
    """What is believed after an experiment: of which incumbent, and what it said itself, if so."""

    belief: Belief
    incumbent: int
    evidence: Evidence | None = None


def recall(past: Iterable[Past], noise: Noise, usual: Prior = CPU_IDEAS) -> Belief:
    """Return what is believed after these experiments, oldest first.

    Noise and prior are today's, for all of them: what the first verdicts could not know yet is
    used. What was compared with code that is not in the incumbent's lineage any more says nothing
    of it.
    """
    steps = _steps(past, noise, usual)
    return steps[-1].belief if steps else Belief(noise, usual)


def scores(past: Iterable[Past], noise: Noise, usual: Prior = CPU_IDEAS) -> dict[int, Estimate]:
    """Return the score of every incumbent there was, as believed when it was last compared."""
    steps = _steps(past, noise, usual)
    return {step.incumbent: step.belief.score for step in steps if step.incumbent}


def average(readings: Sequence[Reading], noise: Noise) -> Estimate:
    """Return the mean score of an experiment that was not kept, with its standard error."""
    error = noise.seed / math.sqrt(len(readings)) if noise.measured else None
    return Estimate(fmean(each.bpb for each in readings), error)


def _steps(past: Iterable[Past], noise: Noise, usual: Prior) -> list[Step]:
    # Twice: the effects teach what ideas are like, which changes what is believed of the effects.
    past = list(past)
    first = [step.evidence for step in _told(past, Belief(noise, usual))]
    effects = [(each.measured, each.variance) for each in first if each is not None]
    return (
        list(_told(past, Belief(noise, learned(usual, effects))))
        if effects
        else list(_told(past, Belief(noise, usual)))
    )


def _told(past: Iterable[Past], belief: Belief) -> Iterator[Step]:
    incumbent = _NOTHING
    for experiment in past:
        evidence = None
        if experiment.parent is None and experiment.kept:
            incumbent = experiment
        elif experiment.parent == incumbent.number:
            belief, evidence = _weighed(belief, incumbent, experiment)
            if evidence is not None:
                belief = (
                    belief.keeping(evidence) if experiment.kept else belief.discarding(evidence)
                )
                incumbent = experiment if experiment.kept else incumbent
        yield Step(belief.seeing(_steady(incumbent, belief.noise)), incumbent.number, evidence)


_NOTHING = Past(0, None, kept=False, readings=())


def _weighed(belief: Belief, incumbent: Past, experiment: Past) -> tuple[Belief, Evidence | None]:
    noise = belief.noise
    seeds = {reading.seed for reading in experiment.readings}
    belief = belief.seeing([each for each in _steady(incumbent, noise) if each.seed in seeds])
    common = [each for each in _steady(experiment, noise) if each.seed in belief.read]
    return belief, belief.weighing(common) if common else None


def _steady(experiment: Past, noise: Noise) -> list[Reading]:
    return steadied(experiment.readings, noise.slope)
