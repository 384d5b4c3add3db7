"""Text in files: one file, or a directory of text files and of files of records."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch.corpus import records
from autoresearch.corpus.columns import TextColumns
from autoresearch.corpus.documents import Flaw, checked_file, cut_point
from autoresearch.corpus.listing import Entry, Unread, entry, list_files
from autoresearch.corpus.textfile import COMPRESSED, kind, opened
from autoresearch.errors import CorpusError

_BLOCK = 8 * 2**20
_TEXT = (".txt", ".md", ".py")
_RECORDS = (".jsonl", ".parquet")
_MAYBE = (".json", ".csv", ".tsv")  # as often settings and lists as documents: may be no text
_KINDS = (*_TEXT, *_RECORDS, *_MAYBE)
_KINDS_IN_WORDS = f"{', '.join(_KINDS)} (or with {' '.join(COMPRESSED)} after it)"
_PRUNED = {"node_modules", "__pycache__", "site-packages", "dist-packages"}
_READING = "2"  # raised when a new version reads the same files as other documents


@dataclass(frozen=True)
class FileSource:
    """Files below a root, in name order; `spec` is how a person names the source.

    `text_column` is the column of the text in files of records, empty to look for it; `unread` says
    in words what is there and is not read.
    """

    name: str
    root: Path
    entries: tuple[Entry, ...]
    note: str = ""
    spec: str = field(default="", kw_only=True)
    text_column: str = field(default="", kw_only=True)
    unread: str = field(default="", kw_only=True)

    @property
    def signature(self) -> str:
        """The root, every file's path, size and change time, and the column asked for."""
        listing = [(each.path, each.size, each.mtime_ns) for each in self.entries]
        column = [self.text_column] if self.text_column else []
        return json.dumps([str(self.root), self.note, listing, *column])

    @property
    def total(self) -> int | None:
        """Bytes of all files; unknown where some are compressed."""
        if any(each.path.lower().endswith(COMPRESSED) for each in self.entries):
            return None
        return sum(each.size for each in self.entries)

    @property
    def strict(self) -> bool:
        """Whether a .json or .csv must be text, since there is nothing else."""
        return all(kind(each.path) in _MAYBE for each in self.entries)

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
        self._columns = TextColumns(source.text_column)

    def __iter__(self) -> Iterator[bytes | Flaw]:
        for each in self._source.entries[self._file :]:
            done = self._document
            for number, document in enumerate(self._documents(each), start=1):
                if number > done:
                    self._document = number
                    yield document
            self._file, self._document = self._file + 1, 0

    def state(self) -> str:
        """Return the number of files that are done, and of documents done in the next one."""
        return json.dumps([self._file, self._document])

    @property
    def guessed(self) -> dict[str, str]:
        """The columns taken for the text so far though nobody named them, and a file of each."""
        return self._columns.guessed

    def _documents(self, each: Entry) -> Iterator[bytes | Flaw]:
        path = self._source.root / each.path
        try:
            yield from _documents(path, self._columns, strict=self._source.strict)
        except UnicodeDecodeError:  # after a mark of UTF-16 or UTF-32
            yield Flaw.NOT_UTF8


def local_source(path: Path, text_column: str = "") -> FileSource:
    """Return the source in a file or a directory; the path is absolute.

    Raises:
        CorpusError: no file of a known kind there, or a folder that cannot be listed.
    """
    if path.is_dir():
        entries, unread = list_files(path, _wanted, _pruned)
        if not entries:
            there = f", only {unread.description}" if unread.description else ""
            msg = f"no text in {path}: it holds no file of {_KINDS_IN_WORDS}{there}"
            raise CorpusError(msg)
        name, root = path.name or "root", path
    else:
        if not (_wanted("", path.name) and path.is_file()):
            msg = f"cannot read {path}: give a directory or a file of {_KINDS_IN_WORDS}"
            raise CorpusError(msg)
        name, root, entries, unread = path.name, path.parent, (entry(path.parent, path),), Unread()
    return FileSource(
        name, root, entries, _READING,
        spec=str(path), text_column=text_column, unread=unread.description,
    )  # fmt: skip


def _wanted(_folder: str, name: str) -> bool:
    return kind(name) in _KINDS


def _pruned(path: str, name: str) -> bool:
    return name.startswith(".") or name in _PRUNED or Path(path, "pyvenv.cfg").exists()


def _documents(path: Path, columns: TextColumns, *, strict: bool) -> Iterator[bytes | Flaw]:
    match kind(path.name):
        case ".jsonl":
            return records.json_lines(path, columns)
        case ".parquet":
            return records.parquet(path, columns)
        case ".json":
            return records.json_value(path, columns, strict=strict)
        case ".csv" | ".tsv":
            return records.table(path, columns, strict=strict)
    return map(checked_file, _blocks(path))


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield a text file whole, or one too large to hold at once in blocks of whole lines."""
    with opened(path) as file:
        rest = b""
        while len(chunk := file.read(_BLOCK)) == _BLOCK:
            block = rest + chunk
            end = cut_point(block, 0, len(block))
            yield block[:end]
            rest = block[end:]
        if rest + chunk:
            yield rest + chunk
