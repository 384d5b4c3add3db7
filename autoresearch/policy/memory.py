"""The study so far, gone through once more: every verdict rests on all readings there are."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from autoresearch.policy.belief import Belief
from autoresearch.policy.effects import Prior
from autoresearch.policy.noise import Noise, steadied
from autoresearch.records.values import Estimate, Reading


@dataclass(frozen=True)
class Past:
    """An experiment with a verdict: `parent` is the incumbent it was compared with, if any."""

    number: int
    parent: int | None
    kept: bool
    readings: Sequence[Reading]


def recall(
    past: Iterable[Past], noise: Noise, usual: Prior | None = None, *, epoch: int = 0
) -> Belief:
    """Return what is believed after these experiments, oldest first.

    The noise is today's, for all of them: what the first verdicts could not know yet is used. What
    was compared with code that is not in the incumbent's lineage any more says nothing of it.

    Args:
        past: the experiments with a verdict.
        noise: the study's.
        usual: what ideas are like before the first.
        epoch: the one that now is; see `Reading`.
    """
    told = deque(_told(past, Belief(noise, usual or Prior())), maxlen=1)
    if not told:
        return Belief(noise, usual or Prior(), epoch=epoch)
    belief, incumbent = told[0]
    return belief.since(epoch).seeing(_steady(incumbent, noise))


def scores(past: Iterable[Past], noise: Noise, usual: Prior | None = None) -> dict[int, Estimate]:
    """Return the score of every incumbent there was, as believed when it was last compared."""
    told = _told(past, Belief(noise, usual or Prior()))
    return {incumbent.number: belief.score for belief, incumbent in told if incumbent.number}


def average(readings: Sequence[Reading], noise: Noise) -> Estimate:
    """Return the mean score of an experiment that was not kept, with its standard error."""
    error = noise.seed / math.sqrt(len(readings)) if noise.measured else None
    return Estimate(fmean(each.bpb for each in readings), error)


def _told(past: Iterable[Past], belief: Belief) -> Iterator[tuple[Belief, Past]]:
    incumbent = _NOTHING
    for experiment in past:
        if experiment.parent is None and experiment.kept:
            incumbent = experiment
        elif experiment.parent == incumbent.number:
            belief, incumbent = _after(belief, incumbent, experiment)
        yield belief.seeing(_steady(incumbent, belief.noise)), incumbent


_NOTHING = Past(0, None, kept=False, readings=())


def _after(belief: Belief, incumbent: Past, experiment: Past) -> tuple[Belief, Past]:
    noise = belief.noise
    if _epoch_of(experiment) > belief.epoch:
        belief = belief.seeing(_steady(incumbent, noise)).since(_epoch_of(experiment))
    mine = [each for each in _steady(experiment, noise) if each.epoch == belief.epoch]
    seeds = {reading.seed for reading in mine}
    belief = belief.seeing([each for each in _steady(incumbent, noise) if each.seed in seeds])
    common = [each for each in mine if each.seed in belief.read]
    if not common:
        return belief, incumbent
    evidence = belief.weighing(common)
    if experiment.kept:
        return belief.keeping(evidence), experiment
    return belief.discarding(evidence), incumbent


def _epoch_of(experiment: Past) -> int:
    # The one of its verdict: later readings may only have confirmed it.
    return experiment.readings[0].epoch


def _steady(experiment: Past, noise: Noise) -> list[Reading]:
    return steadied(experiment.readings, noise.slope)
