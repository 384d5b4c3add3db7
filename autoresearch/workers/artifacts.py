"""Taking what a command's trial left out of its reach, trusting nothing about it.

Only called when every process of the trial is dead, so that nothing changes underfoot.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from autoresearch.process import remove
from autoresearch.records.training import Limits
from autoresearch.workers.base import Assignment
from autoresearch.workers.checkpoint import BadCheckpointError

OUT = "out"  # the folder in a checkpoint with what the trial left in AUTORESEARCH_OUT
LOG = "log"  # the file in a checkpoint with what it printed
TREE = "tree"  # the folder in a checkpoint with files of its tree
_DEEPEST = 100  # folders


def take_artifacts(assignment: Assignment, collect: Sequence[str], log: bytes) -> Path:
    """Move what a trial left to `scratch/checkpoint`, and return that.

    There are `out/` with the plain files of its output folder, `log`, and `tree/PATH` for each
    path to collect that is a plain file in its tree. Links, pipes and the like are left out.

    Raises:
        BadCheckpointError: it is more than the limits allow; with a reason fit for a person.
        OSError: it cannot be moved.
    """
    place, limits = assignment.scratch / "checkpoint", assignment.limits
    remove(place)
    place.mkdir(mode=0o700)
    if assignment.out.is_symlink() or not assignment.out.is_dir():
        msg = "AUTORESEARCH_OUT is no folder any more"
        raise BadCheckpointError(msg)
    assignment.out.rename(place / OUT)
    _Sweep(limits).sweep(place / OUT)
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
        waiting = [(top, 0)]
        while waiting:
            folder, depth = waiting.pop()
            folder.chmod(0o700)
            with os.scandir(folder) as found:
                entries = list(found)
            for entry in entries:
                facts = entry.stat(follow_symlinks=False)
                self._count(facts, depth)
                if stat.S_ISDIR(facts.st_mode):
                    waiting.append((Path(entry.path), depth + 1))
                elif stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1:
                    os.chmod(entry.path, 0o600)  # noqa: PTH101 - a plain file, by its facts
                else:
                    os.unlink(entry.path)  # noqa: PTH108 - the same

    def _count(self, facts: os.stat_result, depth: int) -> None:
        self._entries += 1
        # What it would hold if all of it were written: whoever copies it writes the gaps as well.
        self._size += 0 if stat.S_ISLNK(facts.st_mode) else facts.st_size
        if self._size > self._limits.disk:
            msg = f"left more than {self._limits.disk / 2**30:.3g} GiB in AUTORESEARCH_OUT"
        elif self._entries > self._limits.entries:
            msg = f"left more than {self._limits.entries} files in AUTORESEARCH_OUT"
        elif depth > _DEEPEST:
            msg = f"left folders more than {_DEEPEST} deep in AUTORESEARCH_OUT"
        else:
            return
        raise BadCheckpointError(msg)


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
    here = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for each in folders:
            inner = os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = inner
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
    except OSError:
        return None
    finally:
        os.close(here)
