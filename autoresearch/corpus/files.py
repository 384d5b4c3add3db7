"""Writing so that a kill at any moment leaves the old file or the new; naming disk faults."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from autoresearch.errors import CorpusError

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Stamp:
    """What a finished file must still be: its size in bytes and its SHA-256 as hexadecimal."""

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
        """Put the file in its place, durably; return what it must stay."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._path)
        sync_directory(self._path.parent)
        return Stamp(self.size, self._digest.hexdigest())

    def discard(self) -> None:
        """Leave nothing behind, also on a disk too full to flush what was buffered."""
        with suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)


def write_safely(path: Path, data: bytes, mode: int = 0o644) -> Stamp:
    """Write a whole file durably and at once; return its stamp."""
    file = SafeFile(path, mode)
    try:
        file.write(data)
        return file.commit()
    except BaseException:
        file.discard()
        raise


def write_json(path: Path, document: Mapping[str, object]) -> Stamp:
    """Write a JSON object durably and at once."""
    return write_safely(path, json.dumps(document, indent=1, allow_nan=False).encode() + b"\n")


def read_stamp(path: Path) -> Stamp:
    """Return the stamp of what is on disk now (reads the whole file)."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Stamp(file.tell(), digest)


def sync_directory(directory: Path) -> None:
    """Make a rename in `directory` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_faults(place: Path) -> Iterator[None]:
    """Turn what the operating system refuses into one line about it.

    Raises:
        CorpusError: the disk is full, or a file cannot be read or written.
    """
    try:
        yield
    except OSError as fault:
        if fault.errno in _NO_SPACE:
            msg = f"no space left under {place}: free some and run `autoresearch prepare` again"
            raise CorpusError(msg) from fault
        where = fault.filename or place
        msg = f"cannot use {where}: {fault.strerror or fault}"
        raise CorpusError(msg) from fault
