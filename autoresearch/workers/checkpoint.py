"""Taking a checkpoint out of a trial's reach, trusting nothing about it.

Only called when every process of the trial is dead, so that nothing changes underfoot.
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from autoresearch.runtime.session import CHECKPOINT_FILES

MAX_HEADER = 100 * 2**20


class BadCheckpointError(Exception):
    """The checkpoint is not what was handed in, or not what a checkpoint is."""


def take(out: Path, digests: Mapping[str, str], destination: Path, *, limit: int) -> Path:
    """Copy the checkpoint files to `destination` and return it.

    Args:
        out: the trial's output folder.
        digests: SHA-256 of each file, as the trial said when it finished.
        destination: made here.
        limit: the largest file accepted, in bytes.

    Raises:
        BadCheckpointError: with a reason fit for a person.
    """
    if out.is_symlink():
        msg = "the output folder is a symbolic link"
        raise BadCheckpointError(msg)
    destination.mkdir(mode=0o700)
    for name in CHECKPOINT_FILES:
        _copy(out / name, destination / name, digests.get(name), limit)
    _check_header(destination / "model.safetensors")
    _check_config(destination / "config.json")
    return destination


def _copy(source: Path, target: Path, digest: str | None, limit: int) -> None:
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as fault:
        msg = f"{source.name} cannot be opened: {fault.strerror}"
        raise BadCheckpointError(msg) from None
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            msg = f"{source.name} is no plain file with one name"
            raise BadCheckpointError(msg)
        if facts.st_size > limit:
            msg = f"{source.name} has {facts.st_size} bytes; the limit is {limit}"
            raise BadCheckpointError(msg)
        found = hashlib.sha256()
        with target.open("wb") as copy:
            while block := file.read(2**20):
                found.update(block)
                copy.write(block)
    if found.hexdigest() != digest:
        msg = f"{source.name} changed after it was handed in"
        raise BadCheckpointError(msg)


def _check_header(path: Path) -> None:
    """Raise unless the file is safetensors by its arithmetic (never a pickle, never a gap)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(MAX_HEADER, size - 8):
            msg = "model.safetensors is no safetensors file"
            raise BadCheckpointError(msg)
        try:
            header = json.loads(file.read(length))
            spans = sorted(
                tuple(entry["data_offsets"])
                for name, entry in header.items()
                if name != "__metadata__"
            )
            ends = [0, *(end for _begin, end in spans)]
            sound = all(begin == end for (begin, _), end in zip(spans, ends, strict=False))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            sound, ends = False, [0]
    if not sound or ends[-1] != size - 8 - length:
        msg = "model.safetensors is damaged: its header does not fit its data"
        raise BadCheckpointError(msg)


def _check_config(path: Path) -> None:
    try:
        config = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        msg = "config.json holds no JSON object"
        raise BadCheckpointError(msg)
