"""What trials of a study read, as the policy sees it, and the seconds that they took."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select

from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import Category, Purpose, Reading, TrialState, Verdict
from autoresearch.registry.database import Database

_LAST = 10  # trials


@dataclass(frozen=True)
class Repeat:
    """A trial that was trained again on its seed, as number `trial`, to look for drift."""

    trial: int
    experiment: int
    then: Reading
    again: Reading


def readings(database: Database, study: Study) -> dict[int, list[Reading]]:
    """Return every scored trial by its experiment's number, oldest first.

    Those that only looked for drift are left out: they repeat a seed that was read.
    """
    found: dict[int, list[Reading]] = {}
    rows = database.all(_scored(study, Trial.purpose != Purpose.DRIFT))
    for trial, number, seed, bpb, steps in rows:
        epoch = bisect_left(study.machine_changes, trial)
        found.setdefault(number, []).append(Reading(seed, bpb, steps, epoch))
    return found


def of_the_best(
    database: Database, study: Study, known: Mapping[int, list[Reading]]
) -> list[list[Reading]]:
    """Return what a study's baseline read, then each of its keeps; `known` is every reading."""
    query = (
        select(Experiment.id).where(Experiment.study_id == study.id).order_by(col(Experiment.id))
    )
    kept = database.all(query.where(Experiment.verdict == Verdict.KEEP))
    begun = database.all(query.where(Experiment.category == Category.BASELINE))
    return [known[number] for number in kept or begun[-1:] if number in known]


def repeats(database: Database, study: Study) -> list[Repeat]:
    """Return every repetition that came to a score, oldest first."""
    rows = database.all(_scored(study, Trial.purpose == Purpose.DRIFT))
    known = readings(database, study) if rows else {}
    return [
        Repeat(trial, number, then, Reading(seed, bpb, steps))
        for trial, number, seed, bpb, steps in rows
        for then in known.get(number, [])
        if then.seed == seed
    ]


def quickest(database: Database, study: int) -> float:
    """Return the wall seconds, scoring included, of the quickest of the last scored trials."""
    took = select(col(Trial.total_seconds) + col(Trial.scoring_seconds)).join(Experiment)
    took = took.where(Experiment.study_id == study, col(Trial.val_bpb).is_not(None))
    return min(database.all(took.order_by(col(Trial.id).desc()).limit(_LAST)), default=0.0)


def seconds(database: Database, study: int) -> dict[Purpose, float]:
    """Return the wall seconds of a study's trials, scoring included, by their purpose."""
    took = func.sum(Trial.total_seconds + Trial.scoring_seconds)
    query = select(Trial.purpose, took).join(Experiment)
    query = query.where(Experiment.study_id == study, Trial.state == TrialState.DONE)
    return dict(database.all(query.group_by(col(Trial.purpose))))


def _scored(study: Study, which: Any) -> Any:
    query = select(Trial.id, Trial.experiment_id, Trial.seed, Trial.val_bpb).join(Experiment)
    query = query.where(Experiment.study_id == study.id, which, col(Trial.val_bpb).is_not(None))
    return query.add_columns(col(Trial.steps)).order_by(col(Trial.id))
