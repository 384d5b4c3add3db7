"""Rows written, one statement a row, and rows made of what was written instead of read again."""

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Insert, Table, Update, bindparam, insert, update
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.orm import class_mapper, make_transient_to_detached
from sqlmodel import SQLModel

from autoresearch.errors import RegistryError
from autoresearch.records.columns import Finite
from autoresearch.records.tables import Trial
from autoresearch.records.values import TrialState

Row = TypeVar("Row", bound=SQLModel)
Process = Callable[[Any], Any]
_NUMBER = "number"  # the parameter that says which row; no column's name
_DIALECT = SQLiteDialect_pysqlite()


def write(connection: Connection, row: Row) -> Row:
    """Write what is known of a row, new or changed; return it as the file has it then.

    What was not read of a row stays as it is in the file, and unknown here.

    Raises:
        RegistryError: the row is a finished trial, which nothing may change.
    """
    kind, values = type(row), columns_of(row)
    number = values.pop("id", None)
    if number is None:
        made = connection.execute(_insertion(kind), values).inserted_primary_key
        number = made[0] if made else None
    elif not connection.execute(_change(kind), {**values, _NUMBER: number}).rowcount:
        _require_none(connection, kind, number)
        connection.execute(_insertion(kind), {**values, "id": number})
    return row_of(kind, {"id": number, **_read_back(kind, values)})


def row_of(kind: type[Row], columns: Mapping[str, Any]) -> Row:
    """Return a row that was read of these columns; to read another of it raises."""
    row: Row = class_mapper(kind).class_manager.new_instance()
    vars(row).update(columns)
    make_transient_to_detached(row)
    return row


def columns_of(row: SQLModel, but: Collection[str] = ()) -> dict[str, Any]:
    """Return what is known of a row, by column."""
    known, names = vars(row), _table(type(row)).columns.keys()
    return {name: known[name] for name in names if name in known and name not in but}


def _require_none(connection: Connection, kind: type[SQLModel], number: int) -> None:
    """Return if no row has this number: else it is a finished trial, which was not changed."""
    table = _table(kind)
    if connection.execute(table.select().where(table.c.id == number)).first() is not None:
        msg = f"trial {number} is finished and does not change"
        raise RegistryError(msg)


def _read_back(kind: type[SQLModel], columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return columns as they would be read, without reading them: mended, in their own types."""
    known = _processes(kind)
    return {name: value if value is None else known[name](value) for name, value in columns.items()}


@cache
def _table(kind: type[SQLModel]) -> Table:
    table = class_mapper(kind).local_table
    assert isinstance(table, Table)
    return table


@cache
def _insertion(kind: type[SQLModel]) -> Insert:
    return insert(_table(kind))


@cache
def _change(kind: type[SQLModel]) -> Update:
    table = _table(kind)
    change = update(table).where(table.c.id == bindparam(_NUMBER))
    return change.where(table.c.state != TrialState.DONE) if kind is Trial else change


@cache
def _processes(kind: type[SQLModel]) -> dict[str, Process]:
    """Return what a column's value goes through on its way into the file and back, by column."""
    return {each.name: _process(each) for each in _table(kind).columns}


def _process(column: Column[Any]) -> Process:
    into = column.type.bind_processor(_DIALECT) or _same
    out = column.type.result_processor(_DIALECT, None) or _same
    if isinstance(column.type, Finite):  # SQLite makes a float of what is none
        return lambda value: float(into(value))
    return lambda value: out(into(value))


def _same(value: Any) -> Any:
    return value
