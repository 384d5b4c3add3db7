"""The registry's file: opened, checked, written. What is only read: `queries.py`, `figures.py`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, update
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session, col, select

from autoresearch.errors import RegistryError
from autoresearch.records.money import Caps, GpuPrice
from autoresearch.records.results import ResultsRow
from autoresearch.records.tables import Call, Study, Trial
from autoresearch.records.values import StudyState, TrialState
from autoresearch.registry import importing, schema
from autoresearch.registry.database import Database
from autoresearch.registry.figures import Figures
from autoresearch.registry.ledger import StudyLedger
from autoresearch.registry.rows import StudyRows
from autoresearch.registry.writing import Row, write

_NONE_YET = "no experiments yet: start with `autoresearch run`"


def _now() -> datetime:
    return datetime.now(UTC)


class Registry(Figures):
    """The experiment registry of one project."""

    def __init__(self, engine: Engine, now: Callable[[], datetime] = _now) -> None:
        self._engine = engine
        super().__init__(Database(engine))
        self.now = now

    @classmethod
    def open(
        cls, path: Path, *, create: bool = False, now: Callable[[], datetime] = _now
    ) -> "Registry":
        """Open the registry at `path`.

        Raises:
            RegistryError: there is none (and `create` is false), damaged, from a newer version.
        """
        if create and not path.exists():
            schema.create(path)
        if not path.exists():
            raise RegistryError(_NONE_YET)
        return cls(schema.connect(path), now)

    @classmethod
    def look(cls, path: Path) -> "Registry":
        """Open the registry at `path` to read it; one of an older version stays as it is.

        Raises:
            RegistryError: there is none, damaged, from a newer version.
        """
        if not path.exists():
            raise RegistryError(_NONE_YET)
        return cls(schema.look(path))

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def check(self) -> None:
        """Read the whole file.

        Raises:
            RegistryError: it is damaged.
        """
        with self._engine.connect() as connection:
            try:
                answer = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
            except DatabaseError as fault:
                answer = str(fault.orig)
        if answer != "ok":
            msg = f"the registry {self._engine.url.database} is damaged ({answer}): restore a copy"
            raise RegistryError(msg)

    def save(self, row: Row, *, calls: Sequence[int] = ()) -> Row:
        """Write a row, new or changed, and return it as stored: what was read of it, not more.

        `calls` are the numbers of those that an experiment came of: noted with it, or nothing is.

        Raises:
            RegistryError: the row is a finished trial, which nothing may change, or disk trouble.
        """

        def transaction() -> Row:
            with self._engine.begin() as connection:
                stored = write(connection, row)
                if calls:
                    made = {"experiment_id": stored.id}  # type: ignore[attr-defined]  # only those
                    connection.execute(update(Call).where(col(Call.id).in_(calls)).values(made))
                return stored

        stored = self._database.through(transaction)
        if self._rows is not None:
            self._rows.written(stored)
        return stored

    def save_all(self, rows: Sequence[Row]) -> list[Row]:
        """Write several rows, all of them or none, and return them as stored; see `save`.

        Raises:
            RegistryError: one of them is a finished trial, which nothing may change; disk trouble.
        """

        def transaction() -> list[Row]:
            with self._engine.begin() as connection:
                return [write(connection, row) for row in rows]

        stored = self._database.through(transaction) if rows else []
        if self._rows is not None:
            for row in stored:
                self._rows.written(row)
        return stored

    def add_imported(
        self, study: Study, rows: Sequence[ResultsRow], commit: Callable[[str], str | None]
    ) -> Study:
        """Write an imported study whole, or nothing of it; see `importing.add_imported`.

        Raises:
            RegistryError: there is a study of its tag, or disk trouble.
        """
        return self._database.through(
            lambda: importing.add_imported(self._engine, study, rows, commit)
        )

    @contextmanager
    def holding(self, study: Study) -> Iterator[None]:
        """Hold a study's rows in memory meanwhile: nobody else may write them."""
        self._rows = StudyRows(self._database, int(study.id or 0))
        try:
            yield
        finally:
            self._rows = None

    def be_patient(self, pause: Callable[[str, int], None]) -> None:
        """From now on wait where it is locked or its disk is full; see `Database.be_patient`."""
        self._database.be_patient(pause)

    def ledger(self, study: Study, caps: Caps, *, gpu: GpuPrice | None = None) -> StudyLedger:
        """Return who says whether a study's calls may be made; its run begins now.

        Without a GPU price, or with none an hour, training costs nothing.
        """
        return StudyLedger(self._database, study, caps, gpu=gpu or GpuPrice(), now=self.now)

    def forget_running(self) -> int:
        """Mark trials that a killed run left running as lost; return how many."""
        running = self._database.all(select(Trial).where(Trial.state == TrialState.RUNNING))
        for trial in running:
            self.save(trial.model_copy(update={"state": TrialState.LOST}))
        for study in self.studies():
            if study.state is StudyState.RUNNING:
                self.save(study.model_copy(update={"state": StudyState.STOPPED}))
        return len(running)

    def heartbeat(self) -> None:
        """Note that the trials at work are alive; one note missed is no harm."""
        change = update(Trial).where(col(Trial.state) == TrialState.RUNNING)
        with suppress(DatabaseError), Session(self._engine) as session:
            session.execute(change.values(heartbeat_at=self.now()))
            session.commit()
