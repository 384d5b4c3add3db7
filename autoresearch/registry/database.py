"""One SQLite file behind an engine: reading rows, and writing them alone."""

import itertools
import sqlite3
import weakref
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import defer
from sqlalchemy.sql.base import ExecutableOption
from sqlmodel import Session, SQLModel, select

from autoresearch.errors import RegistryBusyError
from autoresearch.records.tables import Call, Experiment, Trial
from autoresearch.registry import schema

T = TypeVar("T")

BODIES: Mapping[type[SQLModel], tuple[str, ...]] = {  # what is long of a row, by table
    Call: ("answer",),
    Experiment: ("patch", "change_text", "test_bits"),
    Trial: ("log", "doc_bits", "curve", "traceback"),
}


class Database:
    """What the registry and its ledgers share. Safe in many threads; closed when all drop it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._pause: Callable[[str, int], None] | None = None
        weakref.finalize(self, engine.dispose)

    def be_patient(self, pause: Callable[[str, int], None]) -> None:
        """From now on try again what a lock or a full disk hinders, instead of failing.

        `pause` is told why and how often it has been tried before; it returns to have it tried
        again. SQLite's own waiting hears no Ctrl-C, so it is kept short.
        """
        self._pause = pause
        event.listen(self.engine, "connect", _wait_little)
        self.engine.dispose()

    def all(self, query: Any) -> list[Any]:
        """Return every row of a query.

        Raises:
            RegistryError: the registry is damaged.
        """

        def read() -> list[Any]:
            with Session(self.engine, expire_on_commit=False) as session:
                return list(session.exec(query).all())

        return self.through(read)

    def first(self, query: Any) -> Any:
        """Return a query's first row, None where there is none.

        Raises:
            RegistryError: the registry is damaged.
        """
        rows = self.all(query.limit(1))
        return rows[0] if rows else None

    def alone(self, act: Callable[[Connection], T]) -> T:
        """Return what `act` returns in the only writing transaction; all of it lands or nothing.

        What is read in it stays true until it is written.

        Raises:
            RegistryError: the registry is damaged or cannot be written.
        """

        def transaction() -> T:
            with schema.immediate(self.engine) as connection:
                return act(connection)

        return self.through(transaction)

    def through(self, act: Callable[[], T]) -> T:
        """Return what `act` returns, which leaves nothing half done when the database refuses.

        Raises:
            RegistryBusyError: another program has locked the registry, or the disk is full.
            RegistryError: the registry is damaged or cannot be written.
        """
        for attempt in itertools.count():
            try:
                return act()
            except DatabaseError as fault:
                known = schema.fault_of(Path(str(self.engine.url.database)), fault)
                if self._pause is None or not isinstance(known, RegistryBusyError):
                    raise known from None
            self._pause(str(known), attempt)
        raise AssertionError


def _wait_little(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA busy_timeout=500")


def select_rows(table: type[SQLModel], *, whole: bool = False) -> Any:
    """Return the query of a table's rows, which leaves their bodies in the file unless `whole`."""
    query = select(table)
    return query if whole else query.options(*without(table, BODIES[table]))


@cache
def without(table: type[SQLModel], columns: tuple[str, ...]) -> list[ExecutableOption]:
    """Return the options that leave columns of a table in the file."""
    # Reading a deferred column later raises instead of asking the database behind our back.
    return [defer(getattr(table, name), raiseload=True) for name in columns]
