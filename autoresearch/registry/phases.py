"""What the slots' time was spent on, summed up by the database."""

from typing import Any

from sqlalchemy import func
from sqlmodel import col, select

from autoresearch import policy
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import Ending, Purpose, TrialState
from autoresearch.registry.database import Database


def duty(database: Database, study: Study) -> policy.Duty | None:
    """Return the duty of a study's slots; None before a trial has ended.

    The time of a canary is in what its slot's next trial says of the machine.
    """
    of = select(Experiment.id).where(Experiment.study_id == study.id)
    mine = (
        col(Trial.experiment_id).in_(of),
        Trial.state == TrialState.DONE,
        Trial.purpose != Purpose.CANARY,
    )
    known = col(Trial.slot_seconds).is_not(None)
    lost = col(Trial.ending) == Ending.INTERRUPTED
    training = col(Trial.total_seconds) - col(Trial.startup_seconds)
    sums = (
        col(Trial.idle_seconds),
        col(Trial.paused_seconds),
        col(Trial.machine_seconds),
        col(Trial.deciding_seconds),
        col(Trial.slot_seconds),
        col(Trial.startup_seconds),
        training,
        # A clock that counts the seconds of several threads may count more than there were.
        func.min(col(Trial.training_seconds), training),
        col(Trial.scoring_seconds),
    )
    columns: list[Any] = [*map(func.sum, sums), lost]
    rows = database.all(select(*columns).where(*mine, known).group_by(lost))
    experiments = func.count(col(Trial.experiment_id).distinct())
    trained = database.first(select(experiments).where(*mine, known))
    unknown = database.first(select(func.count()).where(*mine, ~known))
    phases = [policy.Phases(*row) for row in rows]
    return policy.duty(phases, study.idle, trained=int(trained), unknown=int(unknown))
