"""Writes a corpus's files: token shards of train, and the sealed documents of val and test."""

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice, pairwise
from pathlib import Path

from autoresearch.corpus.files import (
    SafeFile,
    Stamp,
    read_note,
    read_stamp,
    write_note,
    write_safely,
)
from autoresearch.corpus.tokenizer import Tokenizer

_BATCH_BYTES = 4 * 2**20
_PARTS = (".bin", ".txt", ".idx")


@dataclass(frozen=True)
class Counts:
    """The size of one split; `tokens` include one BOS a document, `bytes` are of the raw text."""

    documents: int = 0
    bytes: int = 0
    tokens: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.documents + other.documents, self.bytes + other.bytes, self.tokens + other.tokens
        )


@dataclass(frozen=True)
class Shard:
    """A finished shard: its counts, and the stamps of its files by name."""

    counts: Counts
    files: dict[str, Stamp]


def token_bytes(vocab_size: int) -> int:
    """Return the bytes one stored token takes."""
    return 2 if vocab_size <= 2**16 else 4


class ShardWriter:
    """Writes shards of at most `limit` tokens into a folder; each appears whole or not at all.

    Notes of finished shards go to `notes`, so that a second writer goes on after them.
    """

    def __init__(self, train: Path, notes: Path, tokenizer: Tokenizer, limit: int) -> None:
        self._train = train
        self._notes = notes
        self._tokenizer = tokenizer
        self._limit = limit
        self._open: _OpenShard | None = None
        self.shards = _finished_shards(train, notes)

    @property
    def counts(self) -> Counts:
        """The sum over all finished shards."""
        return sum((shard.counts for shard in self.shards), Counts())

    def write(self, documents: Iterator[bytes]) -> Iterator[int]:
        """Write all documents that are in no finished shard; yield the number of bytes of each."""
        left = islice(documents, self.counts.documents, None)
        try:
            for batch in _batches(left):
                for data, ids in zip(batch, self._tokenizer.encode_batch(batch), strict=True):
                    self._add(data, [self._tokenizer.bos, *ids])
                    yield len(data)
            self._close()
        finally:
            if self._open:
                self._open.discard()

    def _add(self, data: bytes, ids: list[int]) -> None:
        if self._open and self._open.counts.tokens + len(ids) > self._limit:
            self._close()
        if self._open is None:
            width = token_bytes(self._tokenizer.bos + 1)
            self._open = _OpenShard(self._train, len(self.shards), width)
        self._open.add(data, ids)

    def _close(self) -> None:
        if self._open:
            shard = self._open.commit()
            note = {"counts": asdict(shard.counts), "files": stamps_json(shard.files)}
            write_note(self._notes / f"{len(self.shards):05}.json", note)
            self.shards.append(shard)
            self._open = None


class _OpenShard:
    def __init__(self, train: Path, number: int, width: int) -> None:
        self._files = {part: SafeFile(train / f"{number:05}{part}") for part in _PARTS}
        self._typecode = "H" if width == 2 else "I"
        self._offsets = array("Q", [0])
        self._number = number
        self.counts = Counts()

    def add(self, data: bytes, ids: list[int]) -> None:
        self._files[".bin"].write(_little_endian(array(self._typecode, ids)))
        self._files[".txt"].write(data)
        self.counts += Counts(1, len(data), len(ids))
        self._offsets.append(self.counts.bytes)

    def commit(self) -> Shard:
        self._files[".idx"].write(_little_endian(self._offsets))
        stamps = {f"{self._number:05}{part}": self._files[part].commit() for part in _PARTS}
        return Shard(self.counts, stamps)

    def discard(self) -> None:
        for file in self._files.values():
            file.discard()


def write_sealed(directory: Path, name: str, documents: Sequence[bytes]) -> dict[str, Stamp]:
    """Write the documents of val or test and their n+1 offsets; return the stamps by file name."""
    offsets = array("Q", [0])
    for data in documents:
        offsets.append(offsets[-1] + len(data))
    contents = {f"{name}.docs": b"".join(documents), f"{name}.idx": _little_endian(offsets)}
    return {file: write_safely(directory / file, [data], 0o600) for file, data in contents.items()}


def read_sealed(directory: Path, name: str) -> list[bytes]:
    """Return the documents that `write_sealed` wrote."""
    offsets = array("Q", (directory / f"{name}.idx").read_bytes())
    if sys.byteorder == "big":
        offsets.byteswap()
    text = (directory / f"{name}.docs").read_bytes()
    return [text[a:b] for a, b in pairwise(offsets)]


def stamps_json(files: dict[str, Stamp]) -> dict[str, dict[str, object]]:
    """Return stamps by file name as JSON can hold them."""
    return {name: asdict(stamp) for name, stamp in files.items()}


def _little_endian(values: "array[int]") -> bytes:
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()


def _batches(documents: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch, size = [], 0
    for data in documents:
        batch.append(data)
        size += len(data)
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _finished_shards(train: Path, notes: Path) -> list[Shard]:
    """Return the shards an interrupted `prepare` left whole, up to the first that is not."""
    shards: list[Shard] = []
    for path in sorted(notes.glob("*.json")):
        try:
            note = read_note(path)
            files = {name: Stamp(**stamp) for name, stamp in note["files"].items()}
            shard = Shard(Counts(**note["counts"]), files)
            if any(read_stamp(train / name) != stamp for name, stamp in files.items()):
                return shards
        except (OSError, ValueError, KeyError, TypeError):
            return shards
        shards.append(shard)
    return shards
