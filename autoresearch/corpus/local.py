"""Text in files: one file or a directory of .txt, .md, .py, .jsonl and .parquet."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.corpus.documents import Flaw, checked, cut_point, to_utf8
from autoresearch.errors import CorpusError

if TYPE_CHECKING:
    import pyarrow as pa

FIELDS = ("text", "content")
_BLOCK = 8 * 2**20
_TEXT = (".txt", ".md", ".py")
_SUFFIXES = (*_TEXT, ".jsonl", ".parquet")
_PRUNED = {"node_modules", "__pycache__", "site-packages", "dist-packages"}


@dataclass(frozen=True)
class Entry:
    """A file to read: its path below the root, its size in bytes, its change time."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class FileSource:
    """Files below a root, in name order."""

    name: str
    root: Path
    entries: tuple[Entry, ...]
    note: str = ""

    @property
    def signature(self) -> str:
        """The root and every file's path, size and change time."""
        listing = [(each.path, each.size, each.mtime_ns) for each in self.entries]
        return json.dumps([str(self.root), self.note, listing])

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(each.size for each in self.entries)

    def open(self, state: str | None) -> "FileReader":
        """Return a reader from the start, or from where `state` was taken."""
        file, document = json.loads(state) if state else (0, 0)
        return FileReader(self, file, document)


class FileReader:
    """Reads the documents of a FileSource one after the other."""

    def __init__(self, source: FileSource, file: int, document: int) -> None:
        self._source = source
        self._file = file
        self._document = document

    def __iter__(self) -> Iterator[bytes | Flaw]:
        for entry in self._source.entries[self._file :]:
            done = self._document
            for number, found in enumerate(_documents(self._source.root / entry.path), start=1):
                if number > done:
                    self._document = number
                    yield found
            self._file, self._document = self._file + 1, 0

    def state(self) -> str:
        """Return the number of files done and of documents done in the next."""
        return json.dumps([self._file, self._document])


def local_source(path: Path) -> FileSource:
    """Return the source in a file or a directory; the path is absolute.

    Raises:
        CorpusError: no file of a known kind there, or a folder that cannot be listed.
    """
    kinds = ", ".join(_SUFFIXES)
    if path.is_dir():
        entries = list_files(path, _wanted, _pruned)
        if not entries:
            msg = f"no text in {path}: it holds no file of {kinds}"
            raise CorpusError(msg)
        return FileSource(path.name or "root", path, entries)
    if path.suffix.lower() not in _SUFFIXES or not path.is_file():
        msg = f"cannot read {path}: give a directory or a file of {kinds}"
        raise CorpusError(msg)
    return FileSource(path.name, path.parent, (_entry(path.parent, path),))


def list_files(
    root: Path, wanted: Callable[[str, str], bool], pruned: Callable[[str, str], bool]
) -> tuple[Entry, ...]:
    """Return the regular files below `root` in path order, without following folder links.

    Args:
        root: where to start.
        wanted: takes a folder (relative, "" for the root) and a file's name in it.
        pruned: takes a folder's path and its name; True keeps the walk out of it.
    """
    entries = []
    for folder, folders, names in os.walk(root, onerror=_refuse):
        folders[:] = [each for each in folders if not pruned(str(Path(folder, each)), each)]
        below = os.path.relpath(folder, root)
        for name in names:
            path = Path(folder, name)
            if wanted("" if below == "." else below, name) and path.is_file():
                entries.append(_entry(root, path))
    return tuple(sorted(entries, key=lambda entry: entry.path))


def _entry(root: Path, path: Path) -> Entry:
    found = path.stat()
    return Entry(path.relative_to(root).as_posix(), found.st_size, found.st_mtime_ns)


def _refuse(fault: OSError) -> None:
    raise fault


def _wanted(_folder: str, name: str) -> bool:
    return name.lower().endswith(_SUFFIXES) and not name.startswith(".")


def _pruned(path: str, name: str) -> bool:
    return name.startswith(".") or name in _PRUNED or Path(path, "pyvenv.cfg").exists()


def _documents(path: Path) -> Iterator[bytes | Flaw]:
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        return _lines(path)
    if suffix == ".parquet":
        return _rows(path)
    return map(checked, _blocks(path))


def _blocks(path: Path) -> Iterator[bytes]:
    """Give a text file whole, or one too large to hold at once in blocks of whole lines."""
    with path.open("rb") as file:
        rest = b""
        while len(chunk := file.read(_BLOCK)) == _BLOCK:
            block = rest + chunk
            end = cut_point(block, 0, len(block))
            yield block[:end]
            rest = block[end:]
        if rest + chunk:
            yield rest + chunk


def _lines(path: Path) -> Iterator[bytes | Flaw]:
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield _line(line)


def _line(line: bytes) -> bytes | Flaw:
    try:
        found = json.loads(line.decode())
    except UnicodeDecodeError:
        return Flaw.NOT_UTF8
    except (ValueError, RecursionError):
        return Flaw.MALFORMED
    return text_of(found)


def text_of(record: object) -> bytes | Flaw:
    """Return the text of a record with a field `text`, else `content`."""
    if isinstance(record, dict):
        for name in FIELDS:
            if isinstance(record.get(name), str):
                return to_utf8(record[name])
    return Flaw.MALFORMED


def _rows(path: Path) -> Iterator[bytes | Flaw]:
    # pyarrow takes a quarter of a second to import: only who has parquet files pays.
    import pyarrow as pa  # noqa: PLC0415 - see above
    import pyarrow.parquet as pq  # noqa: PLC0415 - see above

    try:
        with pq.ParquetFile(path) as file:
            column = _column(path, file.schema_arrow)
            for batch in file.iter_batches(batch_size=1024, columns=[column]):
                # As bytes: a column may hold invalid UTF-8, and one bad row is no reason to stop.
                values = batch.column(0).cast(pa.large_string()).cast(pa.large_binary())
                for value in values.to_pylist():
                    yield Flaw.MALFORMED if value is None else checked(value)
    except pa.ArrowException as fault:
        msg = f"cannot read {path}: {str(fault).splitlines()[0]}"
        raise CorpusError(msg) from fault


def _column(path: Path, schema: "pa.Schema") -> str:
    for name in FIELDS:
        if name in schema.names:
            kind = str(schema.field(name).type)
            if "string" not in kind:
                msg = f"column {name} of {path} is no text but {kind}"
                raise CorpusError(msg)
            return name
    msg = f"{path} has no column {' or '.join(FIELDS)}, only {', '.join(schema.names)}"
    raise CorpusError(msg)
