"""The study's rows as the policy wants them."""

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from autoresearch import policy
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import Estimate, Reading
from autoresearch.registry import Decided, Registry


@dataclass(frozen=True)
class StudyPosterior:
    """What a study's readings come to.

    `scale` is in what unit they are and what to expect of them; `epoch` the one that now is.
    """

    noise: policy.Noise
    past: tuple[policy.DecidedExperiment, ...]
    scale: policy.Scale
    epoch: int = 0

    @cached_property
    def belief(self) -> policy.Belief:
        """What is believed of the incumbent, and of the next idea."""
        return _replay(self.past, self.noise, self.scale).belief(self.epoch)

    @cached_property
    def scores(self) -> dict[int, Estimate]:
        """The score of every experiment with a verdict; an incumbent's is a posterior."""
        means = {each.number: policy.average(each.readings, self.noise) for each in self.past}
        return {**means, **_replay(self.past, self.noise, self.scale).scores}


# A verdict is reached and written from the same rows, and the next one often begins with them.
_replay = lru_cache(maxsize=2)(policy.replay)


def fit_posterior(
    registry: Registry,
    study: Study,
    closing: Experiment | None = None,
    at: Experiment | None = None,
) -> StudyPosterior:
    """Return the posterior of a study: what all its readings come to.

    Args:
        registry: where it is.
        study: whose.
        closing: an experiment whose verdict is decided, but not yet written.
        at: a kept experiment; what was kept after it is left out, as if it were the incumbent.
    """
    readings, decided = registry.readings(study), registry.decided(study)
    if closing is not None:
        decided = _with(decided, closing, readings)
    past = [each.experiment for each in decided]
    line = lineage(past, None if at is None else at.number)
    scale = registry.scale(study)
    noise = noise_beside(readings, scale, line[-1] if line else None)
    known = {*line}
    with_readings = tuple(
        each for each in past if each.readings and (not each.kept or each.number in known)
    )
    return StudyPosterior(noise, with_readings, scale, epoch(study))


def _with(
    decided: list[Decided], closing: Experiment, readings: Mapping[int, Sequence[Reading]]
) -> list[Decided]:
    """Return decisions with the one on an experiment as its row says it, in their order."""
    made = Decided.of(closing, readings.get(closing.number, ()))
    others = [each for each in decided if each.experiment.number != closing.id]
    insort(others, made, key=lambda each: each.key)
    return others


def noise_beside(
    readings: Mapping[int, Sequence[Reading]], scale: policy.Scale, incumbent: int | None
) -> policy.Noise:
    """Return a study's noise for code like an incumbent's, given by its number; None: for all."""
    # What was read once says nothing of it, and most experiments are.
    told = tuple(
        (number, tuple(mine))
        for number, mine in readings.items()
        if len(mine) > 1 or number == incumbent
    )
    return _noise(told, scale.noise, incumbent)


@lru_cache(maxsize=4)
def _noise(
    readings: tuple[tuple[int, tuple[Reading, ...]], ...],
    usual: policy.NoisePrior,
    incumbent: int | None,
) -> policy.Noise:
    return policy.noise(dict(readings), usual, incumbent)


def lineage(past: Sequence[policy.DecidedExperiment], tip: int | None = None) -> list[int]:
    """Return the numbers of the keeps on the way from the baseline to a tip, oldest first.

    Args:
        past: the study's experiments with a verdict.
        tip: a keep; None: the one that no other builds on.
    """
    kept = {each.number: each.parent for each in past if each.kept}
    return policy.line_to(policy.tip_of(kept) if tip is None else tip, kept)


def epoch(study: Study) -> int:
    """Return the epoch that now is; see `Reading`."""
    return len(study.machine_changes)
