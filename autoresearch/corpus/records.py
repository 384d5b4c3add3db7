"""Reads files of records: lines of JSON, one JSON value, tables of characters, Parquet."""

import csv
import io
import json
import re
import sys
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from autoresearch.corpus.columns import FIELDS, SAMPLE, TextColumns, text_of
from autoresearch.corpus.documents import Flaw, checked
from autoresearch.corpus.textfile import kind, opened
from autoresearch.errors import CorpusError

_STRINGS = re.compile(r"(dictionary<values=)?(large_)?string")  # but no lists of strings
_HEAD = 2**20  # of a table: its first row
_LARGEST = 2**29  # bytes of one JSON value: it is held in memory many times over
Documents = Iterator[bytes | Flaw]


def json_lines(path: Path, columns: TextColumns, *, strict: bool = True) -> Documents:
    """Yield the text of every line that is not blank."""
    with opened(path) as file:
        records = (_parsed(line) for line in file if line.strip())
        yield from _texts(path, records, columns, strict=strict)


def json_value(path: Path, columns: TextColumns, *, strict: bool) -> Documents:
    """Yield the texts of an array, of one record, or of lines if the file is JSON lines after all.

    Raises:
        CorpusError: it is too large to be read as one value.
    """
    if _is_lines(path):
        yield from json_lines(path, columns, strict=strict)
        return
    with opened(path) as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        msg = f"{path} is too large for one JSON value: make a record a line of it, and name it"
        raise CorpusError(f"{msg} .jsonl (`jq -c '.[]'` does)")
    if data.strip():
        yield from _texts(path, iter(_listed(_parsed(data))), columns, strict=strict)


def table(path: Path, columns: TextColumns, *, strict: bool) -> Documents:
    """Yield the texts of a .csv or .tsv whose first row names the columns.

    Raises:
        CorpusError: it is no such table.
    """
    csv.field_size_limit(sys.maxsize)  # by default a text ends after 128 KiB
    with opened(path) as file:
        # Bytes that are no UTF-8 pass as surrogates, so that one bad row is no reason to stop.
        text = io.TextIOWrapper(file, "utf-8", "surrogateescape", newline="")
        rows = csv.DictReader(text, delimiter=_delimiter(path))
        try:
            yield from _texts(path, map(_row, rows), columns, strict=strict)
        except csv.Error as fault:
            msg = f"cannot read {path}, line {rows.line_num}: {fault}"
            raise CorpusError(msg) from fault


def parquet(path: Path, columns: TextColumns) -> Documents:
    """Yield the values of the text column.

    Raises:
        CorpusError: it is no Parquet, is damaged, or has no text.
    """
    # pyarrow takes a quarter of a second to import: only parquet files need it.
    import pyarrow as pa  # noqa: PLC0415 - see above
    import pyarrow.parquet as pq  # noqa: PLC0415 - see above

    try:
        with pq.ParquetFile(path) as file:
            column = _column(path, file, columns)
            for batch in file.iter_batches(batch_size=1024, columns=[column]):
                # As bytes: a column may hold invalid UTF-8, and one bad row is no reason to stop.
                values = batch.column(0).cast(pa.large_string()).cast(pa.large_binary())
                for value in values.to_pylist():
                    yield Flaw.MALFORMED if value is None else checked(value)
    except pa.ArrowException as fault:
        msg = f"cannot read {path}: {str(fault).splitlines()[0]}"
        raise CorpusError(msg) from fault


def _texts(
    path: Path, records: Iterator[object], columns: TextColumns, *, strict: bool
) -> Documents:
    head = list(islice(records, SAMPLE))
    names = columns.choose(str(path), head, strict=strict)
    for record in chain(head, records):
        yield record if isinstance(record, Flaw) else text_of(record, names)


def _listed(value: object) -> list[object]:
    """Return the records of a JSON value: an array, the only array of objects in it, or itself."""
    if isinstance(value, dict) and not TextColumns().choose("", [value], strict=False):
        inner = [each for each in value.values() if isinstance(each, list) and each]
        if len(inner) == 1 and all(isinstance(each, dict) for each in inner[0]):
            return [*inner[0]]
    return value if isinstance(value, list) else [value]


def _parsed(data: bytes) -> object:
    try:
        # A file that was put together of others may have a byte order mark before a later line.
        value: object = json.loads(data.decode().lstrip("\ufeff"))
    except UnicodeDecodeError:
        return Flaw.NOT_UTF8
    except (ValueError, RecursionError):
        return Flaw.MALFORMED
    return value


def _is_lines(path: Path) -> bool:
    """Return whether a .json holds a record in its first line, and something in a later one."""
    with opened(path) as file:
        lines = iter(lambda: file.readline(_LARGEST), b"")
        first = next((line for line in lines if line.strip()), b"").lstrip()
        if not first.startswith((b"{", b'"')) or isinstance(_parsed(first), Flaw):
            return False
        return any(line.strip() for line in lines)


def _delimiter(path: Path) -> str:
    if kind(path.name) == ".tsv":
        return "\t"
    with opened(path) as file:
        head = file.readline(_HEAD)
    return max(b",", b";", key=head.count).decode()


def _row(row: dict[str, object]) -> object:
    try:
        "".join(value for value in row.values() if isinstance(value, str)).encode()
    except UnicodeEncodeError:
        return Flaw.NOT_UTF8
    return row


def _column(path: Path, file: Any, columns: TextColumns) -> str:
    kinds = {field.name: str(field.type) for field in file.schema_arrow}
    strings = [name for name, kind in kinds.items() if _STRINGS.match(kind)]
    # Columns of strings by their names even where the first rows are null; others with their type.
    shape = {name if name in strings else f"{name} ({kind})": None for name, kind in kinds.items()}
    head = [] if {*FIELDS} & {*strings} else _head(file, strings)
    names = columns.choose(str(path), [shape | dict.fromkeys(strings, ""), *head])
    chosen = next((name for name in names if name in strings), None)
    if chosen is None:
        msg = f"cannot read {path}: it has no column"
        raise CorpusError(msg)
    return chosen


def _head(file: Any, strings: list[str]) -> list[dict[str, str]]:
    """Return the first rows of the columns that hold strings."""
    import pyarrow as pa  # noqa: PLC0415 - imported already, when the file was opened

    batch = next(file.iter_batches(batch_size=SAMPLE, columns=strings), None) if strings else None
    if batch is None:
        return []
    columns = [each.cast(pa.large_string()).cast(pa.large_binary()) for each in batch.columns]
    rows = zip(*(each.to_pylist() for each in columns), strict=True)
    return [
        {
            name: (value or b"").decode(errors="replace")
            for name, value in zip(strings, row, strict=True)
        }
        for row in rows
    ]
