"""One SQLite file behind an engine: reading rows, and writing them alone."""

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import defer
from sqlalchemy.sql.base import ExecutableOption
from sqlmodel import Session, SQLModel

from autoresearch.errors import RegistryError
from autoresearch.registry import schema


class Database:
    """What the registry and its ledgers share. Safe in many threads; closed when all drop it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        weakref.finalize(self, engine.dispose)

    def all(self, query: Any) -> list[Any]:
        """Return every row of a query.

        Raises:
            RegistryError: the registry is damaged.
        """
        return list(self._rows(query))

    def first(self, query: Any) -> Any:
        """Return a query's first row, None where there is none.

        Raises:
            RegistryError: the registry is damaged.
        """
        rows = self._rows(query.limit(1))
        return rows[0] if rows else None

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """Hold the only writing transaction: what is read in it stays true until it is written.

        Raises:
            RegistryError: the registry cannot be written.
        """
        try:
            with schema.immediate(self.engine) as connection:
                yield connection
        except DatabaseError as fault:
            msg = f"cannot write the registry: {fault.orig}"
            raise RegistryError(msg) from None

    def _rows(self, query: Any) -> Sequence[Any]:
        try:
            with Session(self.engine, expire_on_commit=False) as session:
                return session.exec(query).all()  # type: ignore[no-any-return]
        except DatabaseError as fault:
            raise schema.fault_of(Path(str(self.engine.url.database)), fault) from None


def without(table: type[SQLModel], columns: Sequence[str]) -> list[ExecutableOption]:
    """Return the options that leave columns of a table in the file."""
    # Reading a deferred column later raises instead of asking the database behind our back.
    return [defer(getattr(table, name), raiseload=True) for name in columns]
