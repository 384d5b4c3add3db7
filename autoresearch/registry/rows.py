"""A study's rows in memory, for as long as one process alone writes them."""

from bisect import bisect_left
from collections.abc import Iterable

from sqlmodel import SQLModel, col, select

from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import Purpose, Reading, Verdict
from autoresearch.registry.database import Database, without

EXPERIMENT_BODY = ("patch", "change_text", "test_bits")
_MOST = 500  # rows read by their numbers in one query

Readings = dict[int, list[Reading]]


class StudyRows:
    """Experiments without their bodies, and readings. Only what was written since is read again."""

    def __init__(self, database: Database, study: int) -> None:
        self.study = study
        self._database = database
        self._experiments: dict[int, Experiment] = {}
        self._scored: dict[int, tuple[int, Reading]] = {}
        self._changed: set[int] | None = None  # experiments to be read again; None: all
        self._readings: tuple[tuple[int, ...], Readings] | None = None
        self._read_trials()

    def written(self, row: SQLModel) -> None:
        """Note that a row was written."""
        if isinstance(row, Experiment) and self._changed is not None:
            self._changed.add(int(row.id or 0))
        elif (
            isinstance(row, Trial) and row.val_bpb is not None and row.purpose is not Purpose.DRIFT
        ):
            reading = Reading(row.seed, row.val_bpb, row.steps)
            self._scored[int(row.id or 0)] = (row.experiment_id, reading)
            self._readings = None

    def experiments(self) -> list[Experiment]:
        """Return them, oldest first."""
        query = select(Experiment).where(Experiment.study_id == self.study)
        query = query.options(*without(Experiment, EXPERIMENT_BODY)).order_by(col(Experiment.id))
        if self._changed is None:
            self._note(self._database.all(query))
        elif self._changed:
            numbers = sorted(self._changed)
            for at in range(0, len(numbers), _MOST):
                some = col(Experiment.id).in_(numbers[at : at + _MOST])
                self._note(self._database.all(query.where(some)))
        self._changed = set()
        return list(self._experiments.values())

    def incumbent(self) -> int | None:
        """Return the number of the keep that no other builds on."""
        kept = {row.id: row.parent_id for row in self.experiments() if row.verdict is Verdict.KEEP}
        return max((number for number in kept.keys() - set(kept.values()) if number), default=None)

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
