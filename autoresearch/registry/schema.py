"""Making and migrating the registry's file. A file appears whole or not at all."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.pool import StaticPool

from autoresearch.errors import RegistryBusyError, RegistryError

VERSION_TABLE = "autoresearch_version"
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000")
MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = max(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))[:4]  # the newest
_JSON = partial(json.dumps, allow_nan=False)


def connect(path: Path) -> Engine:
    """Return an engine on an existing registry, migrated to this version.

    Raises:
        RegistryError: damaged, no registry, from a newer version, or not writable.
    """
    engine = _engine(path)
    try:
        if _version_of(engine, path) < HEAD:
            _bring_forward(engine, path)
    except RegistryError:
        engine.dispose()
        raise
    return engine


def look(path: Path) -> Engine:
    """Return an engine on an existing registry that is only read: its schema stays as it is.

    An older one is copied to a database that goes with the engine, and migrated there: a run of the
    older version may be at work on the file.

    Raises:
        RegistryError: damaged, no registry, or from a newer version.
    """
    engine = _engine(path)
    try:
        if _version_of(engine, path) == HEAD:
            return engine
        copy = _copy(engine, path)
    except RegistryError:
        engine.dispose()
        raise
    engine.dispose()
    _bring_forward(copy, path)
    return copy


def create(path: Path) -> None:
    """Make an empty registry at `path` unless one is there; safe against a concurrent maker.

    Raises:
        RegistryError: the folder cannot be written.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        engine = _engine(draft)
        _migrate(engine)
        engine.dispose()
        with suppress(FileExistsError):  # a hard link: whoever was first keeps the name
            path.hardlink_to(draft)
    except (OSError, DatabaseError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else fault.orig
        msg = f"cannot make the registry {path}: {reason}"
        raise RegistryError(msg) from None
    finally:
        for left in (draft, Path(f"{draft}-wal"), Path(f"{draft}-shm")):
            left.unlink(missing_ok=True)


def changed_at(path: Path) -> tuple[tuple[int, int], ...]:
    """Return what is another value once something was written: sizes and times of its files."""
    found = []
    for each in (path, Path(f"{path}-wal")):
        with suppress(FileNotFoundError):
            facts = each.stat()
            found.append((facts.st_mtime_ns, facts.st_size))
    return tuple(found)


def _version_of(engine: Engine, path: Path) -> str:
    """Return a registry's version, refusing what is none and what is from a newer one."""
    try:
        with engine.connect() as connection:
            known = inspect(connection).has_table(VERSION_TABLE)
            query = text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - our own constant
            version: str | None = connection.execute(query).scalar() if known else None
    except DatabaseError as fault:
        raise fault_of(path, fault) from None
    if version is None:
        msg = f"{path} is no autoresearch registry: move it away and run again"
        raise RegistryError(msg)
    if version > HEAD:
        msg = (
            f"{path} was written by a newer autoresearch (schema {version}, this is {HEAD}): "
            "upgrade autoresearch"
        )
        raise RegistryError(msg)
    return version


def _bring_forward(engine: Engine, path: Path) -> None:
    try:
        _migrate(engine)  # whoever waited for another's migration finds nothing left to do
    except DatabaseError as fault:
        raise fault_of(path, fault) from None


def _copy(engine: Engine, path: Path) -> Engine:
    """Return an engine on a temporary copy; SQLite removes it when it is closed."""
    copy = sqlite3.connect("", check_same_thread=False)
    try:
        with engine.connect() as connection:
            connection.connection.driver_connection.backup(copy)  # type: ignore[union-attr]  # it is one of sqlite3
    except (DatabaseError, sqlite3.Error) as fault:
        copy.close()
        msg = f"cannot read {path}, of an older autoresearch: {fault}; `autoresearch run` migrates"
        raise RegistryError(msg) from None
    return create_engine(
        "sqlite://", creator=lambda: copy, poolclass=StaticPool, json_serializer=_JSON
    )


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),  # a path is no URL: it may hold ? and #
        connect_args={"timeout": 30.0},
        json_serializer=_JSON,
    )
    event.listen(engine, "connect", _configure)
    return engine


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    # FULL: an acknowledged row must survive power loss, or git's refs would outlive their rows.
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()  # the pool never sees it, so nobody else would
        raise


def _migrate(engine: Engine, to: str = HEAD) -> None:
    # Imported here: alembic costs a fifth of a second, and most commands find nothing to migrate.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with immediate(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, to)


@contextmanager
def immediate(engine: Engine) -> Iterator[Connection]:
    """Hold a transaction that excludes other writers from its beginning; all of it lands or none.

    sqlite3 would begin one only at the first INSERT, so after what was read to decide on it, and
    would let changes of tables land one by one.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            with suppress(DatabaseError):  # a full disk has rolled back already
                connection.exec_driver_sql("ROLLBACK")
            raise


def fault_of(path: Path, fault: DatabaseError) -> RegistryError:
    """Return the one-line fault for a database error."""
    reason = str(fault.orig)
    code = str(getattr(fault.orig, "sqlite_errorname", ""))
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return RegistryBusyError(f"the registry {path} is locked by another program")
    if code.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return RegistryBusyError(f"cannot write the registry {path}: {reason}")
    if "readonly" in reason or "unable to open" in reason:
        return RegistryError(f"cannot write the registry {path}: {reason}; check its permissions")
    if isinstance(fault, IntegrityError):
        return RegistryError(f"cannot write the registry {path}: {reason}")
    return RegistryError(
        f"the registry {path} is damaged ({reason}): restore a copy, or move it away and "
        "run again; kept commits are safe on their branch"
    )
