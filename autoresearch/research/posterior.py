"""The study's rows as the policy wants them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache

from autoresearch import policy
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import Estimate, Reading, Verdict
from autoresearch.registry import Registry


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
    """Return the study's memory.

    Args:
        registry: where it is.
        study: whose.
        closing: an experiment whose verdict is decided, but not yet written.
        at: a kept experiment; what was kept after it is left out, as if it were the incumbent.
    """
    readings, parents = registry.readings(study), registry.parents(study)
    rows = registry.experiments(study)
    if closing is not None:
        rows = [closing if row.id == closing.id else row for row in rows]
    line = lineage(rows) if at is None else lineage(rows, int(at.id or 0))
    rows = [row for row in rows if row.verdict is not Verdict.KEEP or row.id in line]
    scale = registry.scale(study)
    noise = policy.noise(readings, scale.noise, line[-1] if line else None)
    decided = sorted((row for row in rows if row.verdict), key=_decided_at)
    past = (_past(row, readings.get(int(row.id or 0), []), parents) for row in decided)
    with_readings = tuple(each for each in past if each.readings)
    return StudyPosterior(noise, with_readings, scale, epoch(study))


def lineage(rows: Sequence[Experiment], tip: int | None = None) -> list[int]:
    """Return the numbers of the keeps on the way from the baseline to a tip, oldest first.

    Args:
        rows: the study's experiments.
        tip: a keep; None: the one that no other builds on.
    """
    kept = {int(row.id or 0): row.parent_id for row in rows if row.verdict is Verdict.KEEP}
    if tip is None:
        tips = kept.keys() - set(kept.values())
        tip = max(tips, default=None)
    line = list[int]()
    while tip in kept:
        line.append(tip)
        tip = kept[tip]
    return line[::-1]


def _decided_at(row: Experiment) -> tuple[datetime, int]:
    # As they were decided, not as they were proposed: several may be at work at once.
    return row.finished_at or row.created_at, int(row.id or 0)


def epoch(study: Study) -> int:
    """Return the epoch that now is; see `Reading`."""
    return len(study.machine_changes)


def _past(
    row: Experiment, readings: list[Reading], parents: dict[int, int]
) -> policy.DecidedExperiment:
    number = int(row.id or 0)
    kept = row.verdict is Verdict.KEEP
    return policy.DecidedExperiment(
        number, parents.get(number), kept, tuple(readings), row.is_reversal
    )
