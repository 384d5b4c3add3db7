"""Writes files so that a kill at any moment leaves the old one or the new; names disk faults."""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoresearch.errors import CorpusError

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DIGEST = "digest"
_MOST_AT_ONCE = 8


@dataclass(frozen=True)
class Stamp:
    """A finished file's size in bytes and its SHA-256 as hexadecimal, which must stay the same."""

    size: int
    sha256: str


class SafeFile:
    """A file that appears under its name, whole and on disk, only when `commit` returns."""

    def __init__(self, path: Path, mode: int = 0o644) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        self._digest = hashlib.sha256()
        self.size = 0
        descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        self._file = os.fdopen(descriptor, "wb")

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    def commit(self) -> Stamp:
        """Put the file in its place, durably; return its stamp."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._path)
        sync_directory(self._path.parent)
        return Stamp(self.size, self._digest.hexdigest())

    def discard(self) -> None:
        """Remove the unfinished file, also on a disk too full to flush what was buffered."""
        with suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)


def write_safely(path: Path, parts: Iterable[bytes], mode: int = 0o644) -> Stamp:
    """Write a whole file durably and at once; return its stamp."""
    file = SafeFile(path, mode)
    try:
        for part in parts:
            file.write(part)
        return file.commit()
    except BaseException:
        file.discard()
        raise


def write_json(path: Path, document: Mapping[str, object]) -> Stamp:
    """Write a JSON object durably and at once."""
    return write_safely(path, [_as_json(document)])


def write_note(path: Path, document: Mapping[str, object]) -> None:
    """Write a JSON object, durably and at once, together with a digest of itself."""
    write_json(path, {**document, _DIGEST: _digest(document)})


def read_note(path: Path) -> dict[str, Any]:
    """Return what `write_note` wrote.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not, to the bit, what was written.
    """
    data = path.read_bytes()
    fields = json.loads(data)
    if not isinstance(fields, dict) or _as_json(fields) != data:
        raise ValueError(path.name)
    if fields.pop(_DIGEST, None) != _digest(fields):
        raise ValueError(path.name)
    return fields


def _as_json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, indent=1, allow_nan=False).encode() + b"\n"


def _digest(document: Mapping[str, object]) -> str:
    return hashlib.sha256(_as_json(document)).hexdigest()


def read_stamp(path: Path) -> Stamp:
    """Return the stamp of what is on disk now (reads the whole file)."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Stamp(file.tell(), digest)


def first_damaged(
    directory: Path, stamps: Mapping[str, Stamp], report: Callable[[int], None] = lambda _done: None
) -> str | None:
    """Return the first of the files below `directory` that differs from its stamp, or None.

    Reads all of them, several at once; `report` is called with the bytes read so far.
    """
    pool = ThreadPoolExecutor(min(_MOST_AT_ONCE, os.cpu_count() or 1))
    done = 0
    try:
        whole = pool.map(lambda name: _is_whole(directory / name, stamps[name]), stamps)
        for name, good in zip(stamps, whole, strict=True):
            if not good:
                return name
            done += stamps[name].size
            report(done)
    finally:
        pool.shutdown(cancel_futures=True)
    return None


def _is_whole(path: Path, stamp: Stamp) -> bool:
    try:
        return path.stat().st_size == stamp.size and read_stamp(path) == stamp
    except OSError:
        return False


def sync_directory(directory: Path) -> None:
    """Make a rename in `directory` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_full(fault: OSError) -> bool:
    """Return whether the disk or a quota is full."""
    return fault.errno in _NO_SPACE


@contextmanager
def disk_faults(place: Path) -> Iterator[None]:
    """Turn an OSError into a CorpusError with one line about it.

    Raises:
        CorpusError: the disk is full, or a file cannot be read or written.
    """
    try:
        yield
    except OSError as fault:
        if is_full(fault):
            msg = f"no space left under {place}: free some and run the same command again"
            raise CorpusError(msg) from fault
        where = fault.filename or place
        msg = f"cannot use {where}: {fault.strerror or fault}"
        raise CorpusError(msg) from fault
