"""A study's rows in memory, for as long as one process alone writes them."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlmodel import SQLModel, col, select

from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import Purpose, Reading, TrialState, Verdict
from autoresearch.registry.database import Database, without
from autoresearch.registry.readings import quickest, seconds

EXPERIMENT_BODY = ("patch", "change_text", "test_bits")
TRIAL_BODY = ("log", "doc_bits", "curve", "traceback")
_MOST = 500  # rows read by their numbers in one query
_ASKED = 2048  # experiments whose trials are held; those asked for long ago go

Readings = dict[int, list[Reading]]


@dataclass
class Sums:
    """What was asked of all trials since the last one ended."""

    quickest: dict[int, float] = field(default_factory=dict)
    seconds: dict[Purpose, float] | None = None


class StudyRows:
    """Experiments and trials without their bodies, and readings.

    Only what was written since is read again. Rows are shared by all who ask: whoever wants to
    change one changes a copy and saves that.
    """

    def __init__(self, database: Database, study: int) -> None:
        self.study = study
        self._database = database
        self._experiments: dict[int, Experiment] = {}
        self._scored: dict[int, tuple[int, Reading]] = {}
        self._changed: set[int] | None = None  # experiments to be read again; None: all
        self._readings: tuple[tuple[int, ...], Readings] | None = None
        self._trials: dict[int, list[Trial]] = {}  # by their experiments
        self._incumbent: int | None = None
        self._itself: Study | None = None
        self._sums = Sums()
        self._read_trials()

    def written(self, row: SQLModel) -> None:
        """Note that a row was written."""
        if isinstance(row, Experiment) and self._changed is not None:
            self._changed.add(int(row.id or 0))
        elif isinstance(row, Study):
            self._itself = None
        elif isinstance(row, Trial):
            self._trials.pop(row.experiment_id, None)
            if row.state is TrialState.DONE:
                self._sums = Sums()
            if row.val_bpb is not None and row.purpose is not Purpose.DRIFT:
                reading = Reading(row.seed, row.val_bpb, row.steps)
                self._scored[int(row.id or 0)] = (row.experiment_id, reading)
                self._readings = None

    def experiments(self) -> list[Experiment]:
        """Return them, oldest first."""
        self._read_changed()
        return list(self._experiments.values())

    def experiment(self, number: int) -> Experiment | None:
        """Return the one with this number; None: it is no experiment of the study."""
        self._read_changed()
        return self._experiments.get(number)

    def trials(self, experiment: int) -> list[Trial]:
        """Return an experiment's trials, oldest first."""
        if experiment not in self._trials:
            while len(self._trials) >= _ASKED:
                self._trials.pop(next(iter(self._trials)))
            query = select(Trial).where(Trial.experiment_id == experiment).order_by(col(Trial.id))
            found = self._database.all(query.options(*without(Trial, TRIAL_BODY)))
            self._trials[experiment] = found
        return list(self._trials[experiment])

    def _read_changed(self) -> None:
        """Read the experiments that were written since."""
        if self._changed is not None and not self._changed:
            return
        query = select(Experiment).where(Experiment.study_id == self.study)
        query = query.options(*without(Experiment, EXPERIMENT_BODY)).order_by(col(Experiment.id))
        if self._changed is None:
            self._note(self._database.all(query))
        else:
            numbers = sorted(self._changed)
            for at in range(0, len(numbers), _MOST):
                some = col(Experiment.id).in_(numbers[at : at + _MOST])
                self._note(self._database.all(query.where(some)))
        self._changed = set()
        rows = self._experiments.values()
        kept = {row.id: row.parent_id for row in rows if row.verdict is Verdict.KEEP}
        tips = kept.keys() - set(kept.values())
        self._incumbent = max((number for number in tips if number), default=None)

    def incumbent(self) -> Experiment | None:
        """Return the keep that no other builds on."""
        self._read_changed()
        return None if self._incumbent is None else self._experiments[self._incumbent]

    def itself(self) -> Study:
        """Return the study."""
        if self._itself is None:
            self._itself = self._database.first(select(Study).where(Study.id == self.study))
        assert self._itself is not None
        return self._itself

    def quickest(self, last: int) -> float:
        """Return the seconds of the quickest of the last scored trials; see `Queries.quickest`."""
        if last not in self._sums.quickest:
            self._sums.quickest[last] = quickest(self._database, self.study, last)
        return self._sums.quickest[last]

    def seconds(self) -> dict[Purpose, float]:
        """Return the wall seconds of all trials by their purpose; see `Queries.seconds`."""
        if self._sums.seconds is None:
            self._sums.seconds = seconds(self._database, self.study)
        return self._sums.seconds

    def readings(self, study: Study) -> Readings:
        """Return the readings of every experiment by its number; see `Queries.readings`."""
        changes = tuple(study.machine_changes)
        if self._readings is None or self._readings[0] != changes:
            found: Readings = {}
            for trial, (experiment, read) in sorted(self._scored.items()):
                epoch = bisect_left(changes, trial)
                reading = (
                    read if read.epoch == epoch else Reading(read.seed, read.bpb, read.steps, epoch)
                )
                found.setdefault(experiment, []).append(reading)
            self._readings = changes, found
        return self._readings[1]

    def _note(self, rows: Iterable[Experiment]) -> None:
        self._experiments.update((int(row.id or 0), row) for row in rows)

    def _read_trials(self) -> None:
        columns = select(Trial.id, Trial.experiment_id, Trial.seed, Trial.val_bpb)
        query = columns.add_columns(col(Trial.steps)).join(Experiment)
        query = query.where(
            col(Experiment.study_id) == self.study, col(Trial.purpose) != Purpose.DRIFT
        )
        for trial, number, seed, bpb, steps in self._database.all(
            query.where(col(Trial.val_bpb).is_not(None))
        ):
            self._scored[trial] = (number, Reading(seed, bpb, steps))
