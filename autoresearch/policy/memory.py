"""The study so far, gone through once more: every verdict rests on all readings there are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autoresearch.policy.belief import Belief
from autoresearch.policy.effects import Prior
from autoresearch.policy.noise import Noise, steadied
from autoresearch.records.values import Reading


@dataclass(frozen=True)
class Past:
    """An experiment with a verdict: `parent` is the incumbent it was compared with, if any."""

    number: int
    parent: int | None
    kept: bool
    readings: Sequence[Reading]


def recall(past: Iterable[Past], noise: Noise, usual: Prior | None = None) -> Belief:
    """Return what is believed after these experiments, oldest first.

    The noise is today's, for all of them: what the first verdicts could not know yet is used. What
    was compared with code that is not in the incumbent's lineage any more says nothing of it.
    """
    belief, incumbent = Belief(noise, usual or Prior()), _NOTHING
    for experiment in past:
        if experiment.parent is None:
            if experiment.kept:
                belief, incumbent = belief.seeing(_steady(experiment, noise)), experiment
        elif experiment.parent == incumbent.number:
            belief, incumbent = _after(belief, incumbent, experiment)
    return belief.seeing(_steady(incumbent, noise))


_NOTHING = Past(0, None, kept=False, readings=())


def _after(belief: Belief, incumbent: Past, experiment: Past) -> tuple[Belief, Past]:
    noise = belief.noise
    seeds = {reading.seed for reading in experiment.readings}
    belief = belief.seeing([each for each in _steady(incumbent, noise) if each.seed in seeds])
    common = [each for each in _steady(experiment, noise) if each.seed in belief.read]
    if not common:
        return belief, incumbent
    evidence = belief.weighing(common)
    if experiment.kept:
        return belief.keeping(evidence), experiment
    return belief.discarding(evidence), incumbent


def _steady(experiment: Past, noise: Noise) -> list[Reading]:
    return steadied(experiment.readings, noise.slope)
