"""The study so far, gone through once more: every verdict rests on all readings there are."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from statistics import fmean

from autoresearch.policy.belief import Belief, Evidence
from autoresearch.policy.effect_prior import fit_prior
from autoresearch.policy.noise import Noise, adjust_for_throughput
from autoresearch.policy.scale import CPU_SCALE, Scale
from autoresearch.records.values import Estimate, Reading


@dataclass(frozen=True)
class DecidedExperiment:
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

    before: Belief
    incumbent: DecidedExperiment
    evidence: Evidence | None = None

    @property
    def belief(self) -> Belief:
        """With all that was read of the incumbent."""
        return self.before.seeing(_steady(self.incumbent, self.before.noise))


@dataclass(frozen=True)
class Replay:
    """A study gone through: what is believed at its end, and the score of every incumbent."""

    last: Belief
    incumbent: DecidedExperiment
    scores: Mapping[int, Estimate]

    def belief(self, epoch: int = 0) -> Belief:
        """Return what is believed in an epoch."""
        return self.last.since(epoch).seeing(_steady(self.incumbent, self.last.noise))


def replay(past: Iterable[DecidedExperiment], noise: Noise, scale: Scale = CPU_SCALE) -> Replay:
    """Return what these experiments come to, oldest first.

    Noise and prior are today's, for all of them: what the first verdicts could not know yet is
    used. What was compared with code that is not in the incumbent's lineage any more says nothing
    of it. An incumbent's score is as believed when it was last compared.

    Args:
        past: the experiments with a verdict.
        noise: the study's.
        scale: in what unit, and what ideas are like before the first.
    """
    scale = scale.beside(noise)
    steps = _steps(past, Belief(noise, scale.ideas, scale=scale))
    if not steps:
        return Replay(Belief(noise, scale.ideas, scale=scale), _NOTHING, {})
    last = {each.incumbent.number: each for each in steps if each.incumbent.number}
    scores = {number: each.belief.score for number, each in last.items()}
    return Replay(steps[-1].belief, steps[-1].incumbent, scores)


def belief_after(
    past: Iterable[DecidedExperiment], noise: Noise, scale: Scale = CPU_SCALE, *, epoch: int = 0
) -> Belief:
    """Return what is believed after these experiments, in an epoch; see `replay`."""
    return replay(past, noise, scale).belief(epoch)


def average(readings: Sequence[Reading], noise: Noise) -> Estimate:
    """Return the mean score of an experiment that was not kept, with its standard error."""
    error = noise.seed / math.sqrt(len(readings)) if noise.measured else None
    return Estimate(fmean(each.bpb for each in readings), error)


def _steps(past: Iterable[DecidedExperiment], blank: Belief) -> list[_Step]:
    # Twice: effects teach what ideas are like, and that changes what is believed of each effect.
    past = list(past)
    first = _remembered(past, _beginning(blank.noise, blank.scale))
    ideas = [step for step, each in zip(first, past, strict=True) if not each.reversal]
    effects = [step.evidence for step in ideas if step.evidence]
    if not effects:
        return first
    prior = fit_prior(blank.prior, [(each.measured, each.variance) for each in effects])
    return list(_told(past, _Step(replace(blank, prior=prior), _NOTHING)))


def _told(past: Iterable[DecidedExperiment], step: _Step) -> Iterator[_Step]:
    for experiment in past:
        step = _after(step, experiment)
        yield step


def _after(step: _Step, experiment: DecidedExperiment) -> _Step:
    """Return the step that an experiment is after another one."""
    belief, incumbent = step.before, step.incumbent
    if experiment.parent is None and experiment.kept:
        return _Step(belief, experiment)
    if experiment.parent != incumbent.number:
        return _Step(belief, incumbent)
    belief, evidence = _weighed(belief, incumbent, experiment)
    if evidence is None:
        return _Step(belief, incumbent)
    belief = (belief.keeping if experiment.kept else belief.discarding)(evidence)
    return _Step(belief, experiment if experiment.kept else incumbent, evidence)


@dataclass
class _Link:
    """A step, and the experiment that last came after it with the step that it was."""

    step: _Step
    experiment: DecidedExperiment | None = None
    link: "_Link | None" = None

    def then(self, experiment: DecidedExperiment) -> "_Link":
        """Return the link of an experiment after this one; worked out unless it is known."""
        if self.link is None or self.experiment != experiment:
            self.experiment, self.link = experiment, _Link(_after(self.step, experiment))
        return self.link


@lru_cache(maxsize=2)  # a study's, before and after its noise was learned more of
def _beginning(noise: Noise, scale: Scale) -> _Link:
    return _Link(_Step(Belief(noise, scale.ideas, scale=scale), _NOTHING))


def _remembered(past: Iterable[DecidedExperiment], link: _Link) -> list[_Step]:
    """Return the steps as `_told` does. What was gone through before is not worked out again.

    A step follows from the one before it and its experiment alone, so it can be no other.
    """
    links = accumulate(past, _Link.then, initial=link)
    return [each.step for each in links][1:]


_NOTHING = DecidedExperiment(0, None, kept=False, readings=())


def _weighed(
    belief: Belief, incumbent: DecidedExperiment, experiment: DecidedExperiment
) -> tuple[Belief, Evidence | None]:
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


def _epoch_of(experiment: DecidedExperiment) -> int:
    # The one of its verdict: later readings may only have confirmed it.
    return experiment.readings[0].epoch


def _steady(experiment: DecidedExperiment, noise: Noise) -> Sequence[Reading]:
    return _steadied(tuple(experiment.readings), noise.slope)


@lru_cache(maxsize=64)  # an incumbent's are asked for at every step
def _steadied(readings: tuple[Reading, ...], slope: float) -> tuple[Reading, ...]:
    return tuple(adjust_for_throughput(readings, slope))
