"""Taking a checkpoint out of a trial's reach, trusting nothing about it.

Only called when every process of the trial is dead, so that nothing changes underfoot.
"""

import hashlib
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from autoresearch.runtime.session import CHECKPOINT_FILES

MAX_CONFIG = 2**20
MAX_HEADER = 4 * 2**20  # bytes; a thousand tensors need a hundred thousand
_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}


class BadCheckpointError(Exception):
    """The checkpoint is not what was handed in, or not what a checkpoint is."""


def copy_checkpoint(
    out: Path, digests: Mapping[str, str], destination: Path, *, limit: int
) -> Path:
    """Copy the checkpoint files to `destination` and return it.

    Args:
        out: the trial's output folder.
        digests: SHA-256 of each file, as the trial said when it finished.
        destination: made here.
        limit: the largest model file accepted, in bytes.

    Raises:
        BadCheckpointError: with a reason fit for a person.
        OSError: the copy cannot be written.
    """
    if out.is_symlink():
        msg = "the output folder is a symbolic link"
        raise BadCheckpointError(msg)
    destination.mkdir(mode=0o700)
    for name in CHECKPOINT_FILES:
        most = min(limit, MAX_CONFIG) if name.endswith(".json") else limit
        _copy(out / name, destination / name, digests.get(name), most)
    _check_weights(destination / "model.safetensors")
    _check_config(destination / "config.json")
    return destination


def _copy(source: Path, target: Path, digest: str | None, limit: int) -> None:
    found = hashlib.sha256()
    with target.open("wb") as copy:
        for block in _blocks(source, limit):
            found.update(block)
            copy.write(block)
    if found.hexdigest() != digest:
        msg = f"{source.name} changed after it was handed in"
        raise BadCheckpointError(msg)


def _blocks(path: Path, limit: int) -> Iterator[bytes]:
    try:
        file = open(path, "rb", opener=_open_warily)  # noqa: SIM115 - closed below
    except FileNotFoundError:
        msg = f"{path.name} is missing"
        raise BadCheckpointError(msg) from None
    except OSError as fault:
        msg = f"{path.name} cannot be opened: {fault.strerror}"
        raise BadCheckpointError(msg) from None
    with file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            msg = f"{path.name} is no plain file with one name"
            raise BadCheckpointError(msg)
        if facts.st_size > limit:
            msg = f"{path.name} has {facts.st_size} bytes; the limit is {limit}"
            raise BadCheckpointError(msg)
        while block := file.read(2**20):
            yield block


def _open_warily(path: str, flags: int) -> int:
    """Open without following a link, and without waiting for a pipe's other end."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _check_weights(path: Path) -> None:
    """Raise unless the file is safetensors by its arithmetic (never a pickle, never a gap)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(MAX_HEADER, size - 8):
            msg = "model.safetensors is no safetensors file"
            raise BadCheckpointError(msg)
        header = file.read(length)
    try:
        end = _end_of_tensors(json.loads(header))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        end = -1
    if end != size - 8 - length:
        msg = "model.safetensors is damaged: its header does not fit its data"
        raise BadCheckpointError(msg)


def _end_of_tensors(header: dict[str, dict[str, object]]) -> int:
    """Return where the last tensor ends.

    Raises:
        ValueError: a gap, an overlap or a wrong size. Other kinds for other nonsense.
    """
    end = 0
    for begin, stop, size in sorted(
        _span(entry) for name, entry in header.items() if name != "__metadata__"
    ):
        if begin != end or stop - begin != size:
            raise ValueError(begin)
        end = stop
    return end


def _span(entry: Mapping[str, object]) -> tuple[int, int, int]:
    """Return a tensor's begin and end, and the bytes that its type and shape need."""
    begin, end = _counts(entry["data_offsets"])
    return begin, end, math.prod(_counts(entry["shape"])) * _BITS[str(entry["dtype"])] // 8


def _counts(values: object) -> list[int]:
    if not isinstance(values, list) or len(values) > 16:
        raise TypeError(values)
    if not all(type(each) is int and 0 <= each < 2**53 for each in values):
        raise ValueError(values)
    return values


def _check_config(path: Path) -> None:
    try:
        config = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        msg = "config.json holds no JSON object"
        raise BadCheckpointError(msg)
