"""`export`: a table of the registry as CSV, JSON lines or Parquet."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, get_args

from sqlmodel import SQLModel

from autoresearch.records.metric import Metric
from autoresearch.records.notes import Note
from autoresearch.records.results import harmless
from autoresearch.records.tables import Call, Experiment, Study, Trial
from autoresearch.registry import Registry
from autoresearch.render.machine import BULK, dump, plain, shown

# What a terminal or an editor obeys; tabs and line ends are safe in a quoted cell.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class Table(StrEnum):
    """What can be exported."""

    EXPERIMENTS = "experiments"
    TRIALS = "trials"
    CALLS = "calls"
    NOTES = "notes"


def export(registry: Registry, study: Study, table: Table, ending: str) -> bytes:
    """Return all rows of a study in the form that a file's ending (`.csv`) names.

    Raises:
        KeyError: no form has this ending; `FORMS` holds those there are.
        RegistryError: the registry is damaged.
    """
    kind, rows = _rows(registry, study, table)
    columns = [name for name in kind.model_fields if name not in BULK]
    return FORMS[ending](kind, columns, rows, study.metric)


def _rows(
    registry: Registry, study: Study, table: Table
) -> tuple[type[SQLModel], Iterable[SQLModel]]:
    if table is Table.CALLS:
        return Call, registry.calls(study)
    if table is Table.NOTES:
        return Note, registry.notes(study)
    experiments = registry.experiments(study, whole=True)
    if table is Table.EXPERIMENTS:
        return Experiment, experiments
    return Trial, (row for each in experiments for row in registry.trials(each, whole=True))


def _csv(
    _kind: type[SQLModel], columns: Sequence[str], rows: Iterable[SQLModel], metric: Metric
) -> bytes:
    """Return rows for spreadsheets: no cell is taken for a formula, no character is obeyed."""
    out = io.StringIO(newline="")
    sheet = csv.writer(out, lineterminator="\n")
    sheet.writerow(columns)
    for row in (plain(each, metric) for each in rows):
        sheet.writerow([_cell(row[name]) for name in columns])
    return out.getvalue().encode()


def _cell(value: object) -> object:
    if isinstance(value, dict | list):
        return dump(value)
    if not isinstance(value, str):
        return value
    return harmless(_CONTROLS.sub(lambda odd: f"\\u{ord(odd[0]):04x}", value))


def _lines(
    _kind: type[SQLModel], _columns: Sequence[str], rows: Iterable[SQLModel], metric: Metric
) -> bytes:
    return "".join(f"{dump(plain(row, metric))}\n" for row in rows).encode()


def _parquet(
    kind: type[SQLModel], columns: Sequence[str], rows: Iterable[SQLModel], metric: Metric
) -> bytes:
    """Return rows with the same column types in every export, whatever is in them."""
    import pyarrow as pa  # noqa: PLC0415 - it costs a fifth of a second, and other forms need it not
    from pyarrow import parquet  # noqa: PLC0415

    types = {
        int: pa.int64(), float: pa.float64(), bool: pa.bool_(), datetime: pa.timestamp("us", "UTC"),
    }  # fmt: skip
    fields = [(name, types.get(_type(kind, name), pa.string())) for name in columns]
    told = [{name: _stored(shown(row, name, metric)) for name in columns} for row in rows]
    out = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(told, schema=pa.schema(fields)), out)
    return out.getvalue()


def _type(kind: type[SQLModel], name: str) -> Any:
    """Return a field's type; of `X | None` that is X."""
    annotation = kind.model_fields[name].annotation
    return next((each for each in get_args(annotation) if each is not type(None)), annotation)


def _stored(value: object) -> object:
    if isinstance(value, dict | list):
        return dump(value)
    return str(value) if isinstance(value, str) else value  # of an enum its word


Form = Callable[[type[SQLModel], Sequence[str], Iterable[SQLModel], Metric], bytes]
FORMS: Mapping[str, Form] = MappingProxyType({".csv": _csv, ".jsonl": _lines, ".parquet": _parquet})
