"""A study's rows in memory, for as long as one process alone writes them."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel import SQLModel, col, select

from autoresearch.policy import DecidedExperiment, tip_of
from autoresearch.records.hardware import Hardware, RanOn
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import (
    UNCOUNTED,
    ExperimentState,
    Purpose,
    Reading,
    TrialState,
    Verdict,
)
from autoresearch.registry.database import BODIES, Database, select_rows
from autoresearch.registry.readings import quickest, seconds
from autoresearch.registry.writing import columns_of, row_of

MOVING = (ExperimentState.COMMITTING, ExperimentState.WITHDRAWING)
_ASKED = 2048  # experiments whose trials are held; those asked for long ago go

_UNREAD: list[Reading] = []

Readings = dict[int, list[Reading]]


@dataclass(frozen=True)
class Decided:
    """An experiment with a verdict as the policy knows it, and when that was reached."""

    when: datetime
    experiment: DecidedExperiment

    @property
    def key(self) -> tuple[datetime, int]:
        """What these are sorted by."""
        # As they were decided, not as they were proposed: several may be at work at once.
        return self.when, self.experiment.number

    @classmethod
    def of(cls, row: Experiment, readings: Sequence[Reading]) -> "Decided":
        """Return it of a row that has a verdict."""
        return cls(
            row.finished_at or row.created_at,
            DecidedExperiment(
                int(row.id or 0),
                row.parent_id or None,
                row.verdict is Verdict.KEEP,
                tuple(readings),
                row.is_reversal,
            ),
        )


class StudyRows:
    """Experiments and trials without their bodies, and readings.

    Nothing is read again: what is written is taken from whoever writes it. Rows are shared by all
    who ask: whoever wants to change one changes a copy and saves that.
    """

    def __init__(self, database: Database, study: int) -> None:
        self.study = study
        self._database = database
        self._experiments: dict[int, Experiment] = {}
        self._kept: dict[int, int | None] = {}  # keeps, with their parents
        self._moving: set[int] = set()
        self._with_verdict: set[int] = set()
        self._scored: dict[int, dict[int, Reading]] = {}  # by their experiments, then by trials
        self._done: dict[int, int] = {}  # trials that have ended, with their experiments
        self._ran_on: dict[int, RanOn] = {}
        self._changes: tuple[int, ...] = ()  # of the machine, for which what follows is true
        self._mine: Readings = {}
        self._readings: Readings | None = None
        self._decisions: dict[int, tuple[Experiment, list[Reading], Decided]] = {}
        self._decided: list[Decided] | None = None
        self._trials: dict[int, list[Trial]] = {}  # by their experiments
        self._itself: Study | None = None
        self._quickest: float | None = None  # these two as asked for since a trial ended last
        self._seconds: dict[Purpose, float] | None = None
        query = select_rows(Experiment).where(Experiment.study_id == study)
        for row in database.all(query.order_by(col(Experiment.id))):
            self._note_experiment(row)
        trials = select_rows(Trial).join(Experiment).where(Experiment.study_id == study)
        for trial in database.all(trials):
            self._note_trial(trial)

    def written(self, row: SQLModel) -> None:
        """Note that a row was written, as it is stored."""
        if isinstance(row, Study):
            self._itself = None
        elif isinstance(row, Experiment) and row.study_id == self.study:
            number = int(row.id or 0)
            if number not in self._experiments:
                self._hold(number, [])
            self._note_experiment(row_of(Experiment, columns_of(row, but=BODIES[Experiment])))
        elif isinstance(row, Trial) and row.experiment_id in self._experiments:
            self._note_trial(row)
            if row.state is TrialState.DONE:
                self._quickest = self._seconds = None
            held = self._trials.get(row.experiment_id)
            if held is not None:
                others = [each for each in held if each.id != row.id]
                mine = row_of(Trial, columns_of(row, but=BODIES[Trial]))
                held[:] = sorted([*others, mine], key=lambda each: each.id or 0)

    def experiments(self) -> list[Experiment]:
        """Return them, oldest first."""
        return list(self._experiments.values())

    def kept(self) -> list[Experiment]:
        """Return those that are kept, oldest first."""
        return [self._experiments[number] for number in sorted(self._kept)]

    def moving(self) -> list[Experiment]:
        """Return those whose verdict the branch has not followed yet, oldest first."""
        return [self._experiments[number] for number in sorted(self._moving)]

    def experiment(self, number: int) -> Experiment | None:
        """Return the one with this number; None: it is no experiment of the study."""
        return self._experiments.get(number)

    def trials(self, experiment: int) -> list[Trial]:
        """Return an experiment's trials, oldest first."""
        if experiment not in self._trials:
            query = select_rows(Trial).where(Trial.experiment_id == experiment)
            self._hold(experiment, self._database.all(query.order_by(col(Trial.id))))
        return list(self._trials[experiment])

    def incumbent(self) -> Experiment | None:
        """Return the keep that no other builds on."""
        tip = tip_of(self._kept)
        return None if tip is None else self._experiments[tip]

    def effects(self, but: int) -> dict[str, int]:
        """Return the effect hash of every experiment but one; see `Queries.effects`."""
        found: dict[str, int] = {}
        for row in self.experiments():  # a list: proposals are checked in threads of their own
            if row.effect_hash is not None and row.id != but and row.verdict not in UNCOUNTED:
                found.setdefault(row.effect_hash, row.number)
        return found

    def ran_on(self, since: int) -> list[RanOn]:
        """Return what trials after a number ran on; see `Queries.ran_on`."""
        return [each for number, each in sorted(self._ran_on.items()) if number > since]

    def trained_since(self, trial: int, but: int) -> int:
        """Return how many experiments were trained since; see `Queries.trained_since`."""
        return len({of for number, of in self._done.items() if number > trial} - {but})

    def itself(self) -> Study:
        """Return the study."""
        if self._itself is None:
            self._itself = self._database.first(select(Study).where(Study.id == self.study))
        assert self._itself is not None
        return self._itself

    def quickest(self) -> float:
        """Return the seconds of the quickest of the last scored trials; see `Queries.quickest`."""
        if self._quickest is None:
            self._quickest = quickest(self._database, self.study)
        return self._quickest

    def seconds(self) -> dict[Purpose, float]:
        """Return the wall seconds of all trials by their purpose; see `Queries.seconds`."""
        if self._seconds is None:
            self._seconds = seconds(self._database, self.study)
        return self._seconds

    def readings(self, study: Study) -> Readings:
        """Return the readings of every experiment by its number; see `Queries.readings`."""
        changes = tuple(study.machine_changes)
        if changes != self._changes:
            self._changes, self._readings, self._decided = changes, None, None
            self._mine.clear()
        if self._readings is None:
            order = sorted(self._scored, key=lambda of: min(self._scored[of]))
            self._readings = {of: self._readings_of(of) for of in order}
        return self._readings

    def decided(self, study: Study) -> list[Decided]:
        """Return the experiments with a verdict; see `Queries.decided`."""
        readings = self.readings(study)
        if self._decided is None:
            found = [
                self._decision(number, row, readings.get(number, _UNREAD))
                for number, row in self._experiments.items()
                if number in self._with_verdict
            ]
            self._decided = sorted(found, key=lambda each: each.key)
        return self._decided

    def _readings_of(self, experiment: int) -> list[Reading]:
        if experiment not in self._mine:
            self._mine[experiment] = [
                replace(read, epoch=bisect_left(self._changes, trial))
                for trial, read in sorted(self._scored[experiment].items())
            ]
        return self._mine[experiment]

    def _decision(self, number: int, row: Experiment, readings: list[Reading]) -> Decided:
        """Return an experiment's decision: made once for what it is made of."""
        known = self._decisions.get(number)
        if known is not None and known[0] is row and known[1] is readings:
            return known[2]
        made = Decided.of(row, readings)
        if known is not None and known[2] == made:  # what else a row says does not count here
            made = known[2]
        self._decisions[number] = row, readings, made
        return made

    def _note_experiment(self, row: Experiment) -> None:
        number = int(row.id or 0)
        self._experiments[number] = row
        self._kept.pop(number, None)
        if row.verdict is Verdict.KEEP:
            self._kept[number] = row.parent_id
        (self._moving.add if row.state in MOVING else self._moving.discard)(number)
        (self._with_verdict.add if row.verdict else self._with_verdict.discard)(number)
        self._decided = None

    def _note_trial(self, row: Trial) -> None:
        number, of = int(row.id or 0), row.experiment_id
        if row.val_bpb is not None and row.purpose is not Purpose.DRIFT:
            reading = Reading(row.seed, row.val_bpb, row.steps)
            self._scored.setdefault(of, {})[number] = reading
            self._mine.pop(of, None)
            self._readings = self._decided = None
        if row.state is TrialState.DONE:
            self._done[number] = of
        if hardware := Hardware.of(row.hardware):
            self._ran_on[number] = RanOn(number, row.worker, hardware)

    def _hold(self, experiment: int, trials: list[Trial]) -> None:
        while len(self._trials) >= _ASKED:
            self._trials.pop(next(iter(self._trials)))
        self._trials[experiment] = trials
