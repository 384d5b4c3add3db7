"""Taking what a command's trial left out of its reach, trusting nothing about it.

Only called when every process of the trial is dead, so that nothing changes underfoot.
"""

import errno
import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from autoresearch.process import remove
from autoresearch.records.training import Limits
from autoresearch.workers.base import Assignment
from autoresearch.workers.checkpoint import BadCheckpointError

OUT = "out"  # the folder in a checkpoint with what the trial left in AUTORESEARCH_OUT
LOG = "log"  # the file in a checkpoint with what it printed
TREE = "tree"  # the folder in a checkpoint with files of its tree


def take_artifacts(assignment: Assignment, collect: Sequence[str], log: bytes) -> Path:
    """Move what a trial left to `scratch/checkpoint`, and return that.

    There are `out/` with the plain files of its output folder, `log`, and `tree/PATH` for each
    path to collect that is a plain file in its tree. Symbolic links, pipes and so on are left out.

    Raises:
        BadCheckpointError: it is more than the limits allow; with a reason fit for a person.
        OSError: it cannot be moved.
    """
    place, limits = assignment.scratch / "checkpoint", assignment.limits
    assignment.scratch.chmod(0o700)
    remove(place)
    place.mkdir(mode=0o700)
    if assignment.out.is_symlink() or not assignment.out.is_dir():
        msg = "AUTORESEARCH_OUT is no folder any more"
        raise BadCheckpointError(msg)
    assignment.out.rename(place / OUT)
    try:
        _Sweep(limits).sweep(place / OUT)
    except OSError as fault:
        if fault.errno != errno.ENAMETOOLONG:
            raise
        msg = "left folders too deep in AUTORESEARCH_OUT"
        raise BadCheckpointError(msg) from None
    (place / LOG).write_bytes(log)
    for path in collect:
        _collect(assignment.tree, path, place / TREE, limits.file_size)
    return place


class _Sweep:
    """Leaves plain files and folders in a folder, readable; counts what they hold."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._size = self._entries = 0

    def sweep(self, top: Path) -> None:
        """Remove all else.

        Raises:
            BadCheckpointError: it is too much.
        """
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            folder.chmod(0o700)
            with os.scandir(folder) as found:
                entries = list(found)
            for entry in entries:
                facts = entry.stat(follow_symlinks=False)
                self._count(facts)
                if stat.S_ISDIR(facts.st_mode):
                    waiting.append(Path(entry.path))
                elif stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1:
                    os.chmod(entry.path, 0o600)  # noqa: PTH101 - a plain file, by its facts
                elif stat.S_ISREG(facts.st_mode):
                    _part(entry.path)
                else:
                    os.unlink(entry.path)  # noqa: PTH108 - the same

    def _count(self, facts: os.stat_result) -> None:
        self._entries += 1
        # What it would hold if all of it were written: whoever copies it writes the gaps as well.
        self._size += 0 if stat.S_ISLNK(facts.st_mode) else facts.st_size
        if self._size > self._limits.disk:
            msg = f"left more than {self._limits.disk / 2**30:.3g} GiB in AUTORESEARCH_OUT"
        elif self._entries > self._limits.entries:
            msg = f"left more than {self._limits.entries} files in AUTORESEARCH_OUT"
        else:
            return
        raise BadCheckpointError(msg)


def _part(path: str) -> None:
    """Make a file with several names one of its own; one that may not be read goes."""
    copy = f"{path}.part"
    with suppress(PermissionError):
        shutil.copyfile(path, copy, follow_symlinks=False)
        os.replace(copy, path)  # noqa: PTH105 - as above
        return
    os.unlink(path)  # noqa: PTH108 - as above


def _collect(tree: Path, path: str, target: Path, limit: int) -> None:
    """Copy a plain file of the tree, if it is there; no link on the way is followed."""
    descriptor = _open_within(tree, path)
    if descriptor is None:
        return
    with open(descriptor, "rb") as file:  # noqa: PTH123 - it is open already
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            return
        if facts.st_size > limit:
            msg = f"{path} has {facts.st_size} bytes; the limit is {limit}"
            raise BadCheckpointError(msg)
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        with copy.open("wb") as sink:
            while block := file.read(2**20):
                sink.write(block)


def _open_within(top: Path, relative: str) -> int | None:
    """Open a file below a folder, waiting for nothing; None where there is none."""
    *folders, name = Path(relative).parts
    with ExitStack() as held, suppress(OSError):
        here: int | None = None
        for each in (str(top), *folders):
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            here = os.open(each, flags, dir_fd=here)
            held.callback(os.close, here)
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
    return None
