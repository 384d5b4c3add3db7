"""What a tree uses beside time and memory: processes, and room on the disk."""

import os
from dataclasses import dataclass
from pathlib import Path

from autoresearch.process.guarded import Guarded
from autoresearch.records.training import Limits

_DISK_EVERY = 4  # looks: the folder is walked, which costs a microsecond and more for each entry


@dataclass(frozen=True)
class FolderUsage:
    """What lies in a folder: bytes of disk, and files and folders."""

    size: int
    entries: int


class ResourceLimits:
    """Compares a tree and the folders it writes with the limits, some four times a second."""

    def __init__(
        self, tree: Guarded, limits: Limits, *folders: Path, before: FolderUsage = FolderUsage(0, 0)
    ) -> None:
        """Build it; `before` is what lay in the folders already, which counts for nothing."""
        self._tree = tree
        self._limits = limits
        self._folders = folders
        self._before = before
        self._looks = 0

    def violation(self) -> str | None:
        """Return which limit is passed, as what the tree did; None where none is."""
        self._looks += 1
        if self._tree.count(self._limits.processes + 1) > self._limits.processes:
            return f"ran more than {self._limits.processes} processes"
        if self._looks % _DISK_EVERY:
            return None
        most = self._limits.entries + self._before.entries
        used = [usage(each, most) for each in self._folders]
        if sum(each.entries for each in used) > most:
            return f"made more than {self._limits.entries} files"
        if sum(each.size for each in used) - self._before.size > self._limits.disk:
            return f"wrote more than {self._limits.disk / 2**30:.3g} GiB"
        return None


def usage(folder: Path, most: int) -> FolderUsage:
    """Return what lies in a folder that others may be changing; stops beyond `most` entries."""
    size = entries = 0
    left = [str(folder)]
    while left and entries <= most:
        try:
            with os.scandir(left.pop()) as found:
                for each in found:
                    entries += 1
                    size += each.stat(follow_symlinks=False).st_blocks * 512
                    if each.is_dir(follow_symlinks=False):
                        left.append(each.path)
                    if entries > most:
                        break
        except OSError:  # it is gone by now, or a folder that may not be looked into
            continue
    return FolderUsage(size, entries)
