"""A study as programs that track experiments know one: runs with parameters, tags and scalars.

Names of facts and texts come from candidate code and models: here names become such as every
tracker takes, and texts one safe line.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from autoresearch.records.metric import Metric
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.text import safe_line
from autoresearch.records.values import Ending, Standing, TrialState
from autoresearch.registry import Registry

Value = bool | int | float | str
MOST_PARAMS = 100  # of a run: candidate code may report any number
NAME, TEXT = 100, 400  # characters
_ODD = re.compile(r"[^A-Za-z0-9_ -]")


@dataclass(frozen=True)
class Scalar:
    """A number at a step and a moment."""

    name: str
    value: float
    step: int
    at: datetime


@dataclass(frozen=True)
class TrackedRun:
    """An experiment with its trials, or one of those. `key` is the same in every export.

    `failed` is None while it has not ended.
    """

    key: str
    name: str
    began: datetime
    ended: datetime | None
    failed: bool | None
    params: Mapping[str, Value]
    tags: Mapping[str, str]
    scalars: tuple[Scalar, ...]
    trials: tuple["TrackedRun", ...] = ()


def tracked_runs(registry: Registry, study: Study) -> Iterator[TrackedRun]:
    """Yield every experiment of a study, oldest first.

    Raises:
        RegistryError: the registry is damaged.
    """
    for row in registry.experiments(study):
        yield _experiment(study, row, registry.trials(row, whole=True))


def _experiment(study: Study, row: Experiment, trials: Sequence[Trial]) -> TrackedRun:
    key, ended, metric = f"{study.tag}/{row.id}", row.finished_at, study.metric
    numbers = {
        metric.name: _shown(metric, row.val_bpb),
        "effect": _shown(metric, row.delta),
        f"{metric.name}_error": row.val_bpb_error,
        "effect_error": row.delta_error,
        "predicted_effect": _shown(metric, row.predicted_delta),
        metric.test_name: _shown(metric, row.test_bpb),
        "seconds": row.seconds,
        "memory_gib": row.peak_memory / 2**30,
    }
    return TrackedRun(
        key=key,
        name=f"{row.id:04}",
        began=row.created_at,
        ended=ended,
        failed=row.verdict.failed if row.verdict else None,
        params=next((_params(each.facts) for each in trials if each.facts), {}),
        tags=_tags(study, row),
        scalars=_scalars(numbers, int(row.id or 0), ended or row.created_at),
        trials=tuple(_trial(key, each, metric) for each in trials),
    )


def _tags(study: Study, row: Experiment) -> Mapping[str, str]:
    told = {
        "study": study.tag,
        "experiment": str(row.id),
        "status": str(row.standing or row.verdict or row.state),
        "confirmed": str(row.standing is Standing.CONFIRMED).lower(),
        "hypothesis": row.hypothesis,
        "proposer": row.proposer,
        "category": str(row.category),
        "reason": row.reason,
        "builds_on": str(row.parent_id or ""),
        "commit": row.commit_sha or "",
        "trust": str(study.trust),
        "corpus": study.corpus,
    }
    return {name: safe_line(text, TEXT) for name, text in told.items() if text}


def _shown(metric: Metric, stored: float | None) -> float | None:
    """Return a score or an effect as the metric goes."""
    return None if stored is None else metric.shown(stored)


def _trial(key: str, row: Trial, metric: Metric) -> TrackedRun:
    ended = row.finished_at or row.heartbeat_at
    numbers = {
        metric.name: _shown(metric, row.val_bpb),
        "training_seconds": row.training_seconds,
        "startup_seconds": row.startup_seconds,
        "scoring_seconds": row.scoring_seconds,
        "memory_gib": row.peak_memory / 2**30,
    }
    tags = {"purpose": str(row.purpose), "ending": str(row.ending or row.state)}
    tags |= {"detail": safe_line(row.detail, TEXT)} if row.detail else {}
    return TrackedRun(
        key=f"{key}/{row.id}",
        name=f"trial-{row.id}-seed-{row.seed}",
        began=row.started_at,
        ended=row.finished_at,
        failed=None if row.state is TrialState.RUNNING else row.ending is not Ending.FINISHED,
        params={"seed": row.seed, **_params(row.facts)},
        tags=tags,
        scalars=(*_curve(row), *_scalars(numbers, row.steps, ended)),
    )


def _curve(row: Trial) -> Iterator[Scalar]:
    for step, loss, tokens, _progress, seconds in row.curve:
        at = row.started_at + timedelta(seconds=row.startup_seconds + seconds)
        yield from _scalars({"loss": loss, "tokens": tokens}, int(step), at)


def _scalars(numbers: Mapping[str, float | None], step: int, at: datetime) -> tuple[Scalar, ...]:
    return tuple(
        Scalar(name, float(value), step, at)
        for name, value in numbers.items()
        if value is not None and math.isfinite(value)
    )


def _params(facts: Mapping[str, object]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name, value in facts.items():
        if isinstance(value, bool | int | float | str) and len(found) < MOST_PARAMS:
            shown = safe_line(value, TEXT) if isinstance(value, str) else value
            found.setdefault(_ODD.sub("_", name)[:NAME].strip() or "_", shown)
    return found
