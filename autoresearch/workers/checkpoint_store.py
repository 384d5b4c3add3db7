"""Checkpoints that outlive their trial: `promote` scores them on the sealed test set."""

import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from autoresearch.process import remove

_NAME = re.compile(r"trial-(\d{1,18})")
_SPARE = 2**30  # bytes of disk that no checkpoint may take


class CheckpointStore:
    """A folder with a checkpoint a trial, bounded in size.

    A checkpoint stands there whole or not at all: what a kill leaves half-way is removed by `tidy`.
    """

    def __init__(self, folder: Path, room: int) -> None:
        """Build it; `room` is how many bytes all checkpoints together may take."""
        self._folder = folder
        self._room = room

    def put(self, trial: int, checkpoint: Path) -> bool:
        """Move a checkpoint here; return whether it is.

        There may be no room for it, or the disk may be in trouble: a training is worth more than
        its checkpoint, so nothing is raised.
        """
        incoming = self._folder / _incoming(trial)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            size = size_of(checkpoint)
            if size > self._room or size + _SPARE > shutil.disk_usage(self._folder).free:
                return False
            shutil.move(checkpoint, incoming)
            incoming.rename(self._place(trial))
        except OSError:
            remove(incoming)
            return False
        return True

    def find(self, trial: int) -> Path | None:
        """Return a trial's checkpoint, if it is here."""
        place = self._place(trial)
        return place if place.is_dir() else None

    def trials(self) -> list[int]:
        """Return the trials whose checkpoint is here, oldest first."""
        found = [_NAME.fullmatch(each.name) for each in self._entries()]
        return sorted(int(each[1]) for each in found if each)

    def tidy(self, wanted: Sequence[int], at_work: Collection[int] = ()) -> None:
        """Remove all but these trials' checkpoints, and of these the last ones that have no room.

        Args:
            wanted: trials, the most needed first.
            at_work: trials whose checkpoint may be on its way here: theirs are left alone.
        """
        kept = {name for trial in at_work for name in (self._place(trial).name, _incoming(trial))}
        size = 0
        for trial in wanted:
            place = self._place(trial)
            size += size_of(place)
            if size <= self._room:
                kept.add(place.name)
        for entry in self._entries():
            if entry.name not in kept:
                remove(entry)

    def secure(self, wanted: Sequence[int]) -> None:
        """Bring these trials' checkpoints here. All are here already."""

    def _place(self, trial: int) -> Path:
        return self._folder / f"trial-{trial}"

    def _entries(self) -> Iterator[Path]:
        with suppress(OSError):
            yield from list(self._folder.iterdir())


def _incoming(trial: int) -> str:
    return f"incoming-{trial}"


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder; 0 where there is none."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.lstat().st_size
    return total
