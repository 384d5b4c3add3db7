"""The study so far, gone through once more: every verdict rests on all readings there are."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import accumulate
from statistics import fmean

from autoresearch.policy.belief import ASTRAY, Belief, Evidence, Vector
from autoresearch.policy.effect_prior import fit_prior
from autoresearch.policy.effects import Prior, posterior
from autoresearch.policy.noise import Noise, adjust_for_throughput
from autoresearch.policy.scale import CPU_SCALE, Scale
from autoresearch.records.values import Estimate, Reading

State = tuple[Vector, Vector]  # mean and covariance, as of a Belief


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

    def __hash__(self) -> int:
        # Studies are looked up at every verdict; two that differ in nothing else are compared.
        return hash((self.number, self.kept, len(self.readings)))


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

    steps: Mapping[int, _Step]  # the last one of every incumbent, by its number
    end: _Step

    def belief(self, epoch: int = 0) -> Belief:
        """Return what is believed in an epoch."""
        belief, incumbent = self.end.belief, self.end.incumbent
        return belief.since(epoch).seeing(_steady(incumbent, belief.noise))

    @cached_property
    def scores(self) -> Mapping[int, Estimate]:
        """The score of every incumbent, as believed when it was last compared."""
        return {number: each.belief.score for number, each in self.steps.items()}


def replay(past: Iterable[DecidedExperiment], noise: Noise, scale: Scale = CPU_SCALE) -> Replay:
    """Return what these experiments come to, oldest first.

    Noise and prior are today's, for all of them: what the first verdicts could not know yet is
    used. What was compared with code that is not in the incumbent's lineage any more says nothing
    of it.

    Args:
        past: the experiments with a verdict.
        noise: the study's.
        scale: in what unit, and what ideas are like before the first.
    """
    scale = scale.beside(noise)
    # Twice: effects teach what ideas are like, and that changes what is believed of each effect.
    told = [link for link in _remembered(past, _beginning(noise, scale)) if link.tells]
    ideas = [link.evidence for link in told if not link.of.reversal]
    effects = [(each.measured, each.variance) for each in ideas if each]
    prior = fit_prior(scale.ideas, effects)
    return _gone_through(tuple(link.of for link in told), Belief(noise, prior, scale=scale))


def belief_after(
    past: Iterable[DecidedExperiment], noise: Noise, scale: Scale = CPU_SCALE, *, epoch: int = 0
) -> Belief:
    """Return what is believed after these experiments, in an epoch; see `replay`."""
    return replay(past, noise, scale).belief(epoch)


def average(readings: Sequence[Reading], noise: Noise) -> Estimate:
    """Return the mean score of an experiment that was not kept, with its standard error."""
    error = noise.seed / math.sqrt(len(readings)) if noise.measured else None
    return Estimate(fmean(each.bpb for each in readings), error)


def _after(step: _Step, experiment: DecidedExperiment) -> _Step:
    """Return the step that an experiment is after another one; the same one if it tells nothing."""
    belief, incumbent = step.before, step.incumbent
    if experiment.parent is None and experiment.kept:
        return _Step(belief, experiment)
    if experiment.parent != incumbent.number:
        return step
    belief, evidence = _weighed(belief, incumbent, experiment)
    if evidence is None:
        return _Step(belief, incumbent)
    belief = (belief.keeping if experiment.kept else belief.discarding)(evidence)
    return _Step(belief, experiment if experiment.kept else incumbent, evidence)


_ANCHORS = 32  # a step in so many stays in memory: each is a square of all seeds that were read


@dataclass
class _Link:
    """An experiment in the order of a study, what it said, and the link that last came after it.

    `tells` is whether it says anything of the incumbent of its time.
    """

    of: DecidedExperiment
    before: "_Link | None"
    place: int
    kept_step: _Step | None
    tells: bool = False
    evidence: Evidence | None = None
    next: "_Link | None" = None

    @property
    def step(self) -> _Step:
        """The step that the experiment was; worked out anew where it was let go of."""
        if self.kept_step is None:
            assert self.before is not None
            self.kept_step = _after(self.before.step, self.of)
        return self.kept_step

    def then(self, experiment: DecidedExperiment) -> "_Link":
        """Return the link of an experiment after this one; worked out unless it is known."""
        known = self.next
        if known is None or (known.of is not experiment and known.of != experiment):
            mine = self.step
            step = _after(mine, experiment)
            tells, evidence = step is not mine, step.evidence
            known = _Link(experiment, self, self.place + 1, step, tells, evidence)
            self.next = known
        if self.place % _ANCHORS:
            self.kept_step = None
        return known


@lru_cache(maxsize=2)  # a study's, before and after its noise was learned more of
def _beginning(noise: Noise, scale: Scale) -> _Link:
    first = _Step(Belief(noise, scale.ideas, scale=scale), _NOTHING)
    return _Link(_NOTHING, None, 0, first)


def _remembered(past: Iterable[DecidedExperiment], link: _Link) -> list[_Link]:
    """Return a link for each experiment. What was gone through before is not worked out again.

    A step follows from the one before it and its experiment alone, so it can be no other.
    """
    return list(accumulate(past, _Link.then, initial=link))[1:]


@lru_cache(maxsize=8)  # a verdict is reached and written from the same experiments
def _gone_through(past: tuple[DecidedExperiment, ...], blank: Belief) -> Replay:
    """Return what experiments come to that all tell something, with one prior for all."""
    step, steps = _Step(blank, _NOTHING), dict[int, _Step]()
    plain: list[DecidedExperiment] = []
    for experiment in past:
        if _is_plain(experiment, step):
            plain.append(experiment)
            continue
        step = steps[step.incumbent.number] = _after_plain(step, plain)
        plain = []
        step = _after(step, experiment)
        steps[step.incumbent.number] = step
    step = steps[step.incumbent.number] = _after_plain(step, plain)
    steps.pop(_NOTHING.number, None)
    return Replay(steps, step)


def _is_plain(experiment: DecidedExperiment, step: _Step) -> bool:
    """Whether it was not kept, and read once, on a seed that the incumbent has: as most are."""
    if experiment.kept or len(experiment.readings) != 1:
        return False
    (reading,) = experiment.readings
    return reading.seed in step.before.read and reading.epoch == step.before.epoch


def _after_plain(step: _Step, experiments: Sequence[DecidedExperiment]) -> _Step:
    """Return the step after plain experiments, which were all compared with one incumbent.

    Nothing but the numbers of `Belief.weighing` and `Belief.discarding`, and those to the last bit:
    a study is gone through anew at every verdict, since each effect teaches what ideas are like.
    """
    if not experiments:
        return step
    belief = step.before
    state, most = belief.state, ASTRAY * belief.scale.vague
    places = {seed: place for place, seed in enumerate(belief.seeds, 1)}
    for experiment in experiments:
        (reading,), prior = experiment.readings, belief.prior.of(reversal=experiment.reversal)
        place, quiet = places[reading.seed], belief.noise.trial**2
        state = _after_one(state, place, reading.bpb, prior, quiet, most)
    mean, covariance = state
    return _Step(replace(belief, mean=mean, covariance=covariance), step.incumbent)


def _after_one(
    state: State, place: int, bits: float, prior: Prior, quiet: float, most: float
) -> State:
    mean, covariance = state
    surprise = min(bits - float(mean[0]) - float(mean[place]), most)
    reach = covariance[:, 0] + covariance[:, place]
    precision = 1 / (float(reach[0] + reach[place]) + quiet)
    variance = 1 / precision
    effect = posterior(prior, variance * (precision * surprise), variance)
    gains = reach * precision
    spread = effect.variance * (gains[:, None] * gains)
    return mean + gains * (surprise - effect.mean), covariance - gains[:, None] * reach + spread


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
    # What was read once is as it is: nothing can be told apart.
    if len(experiment.readings) < 2:
        return experiment.readings
    return _steadied(tuple(experiment.readings), noise.slope)


@lru_cache(maxsize=64)  # an incumbent's are asked for at every step
def _steadied(readings: tuple[Reading, ...], slope: float) -> tuple[Reading, ...]:
    return tuple(adjust_for_throughput(readings, slope))
