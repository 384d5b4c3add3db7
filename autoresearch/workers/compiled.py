"""What compilers made of the person's own code, given to every trial to begin with.

A trial compiles into a cache in its own scratch folder, which goes when it ends: a cache that the
next one reads is a way to plant code in it. So only code that no proposal has touched is kept here,
read-only; every trial gets a copy of it, and what it makes of that is its own.
"""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from autoresearch.process import remove
from autoresearch.process.appetite import usage
from autoresearch.sandbox.base import COMPILE_CACHES

_MOST_BYTES = 2 * 2**30
_MOST_ENTRIES = 20_000
_SPARE = 2**30  # bytes of disk that no cache may take
_KEPT = 4  # caches of a project: of its last studies


@dataclass(frozen=True)
class CompileCache:
    """A folder with a compile cache, which need not be there yet. No failure is an exception.

    Its name stands for all that the cache is of: the code and the machine.
    """

    folder: Path

    def seed(self, scratch: Path) -> None:
        """Copy it into a trial's scratch folder, before the trial starts."""
        try:
            for name in COMPILE_CACHES.values():
                _copy(self.folder / Path(name).name, scratch / name, writable=True)
        except OSError:  # half a cache is none
            remove(scratch / "cache")

    def keep(self, scratch: Path) -> None:
        """Keep what a trial compiled, unless something is kept already; after the trial's end.

        The trial must have been of trusted code: every later one runs what it left.
        """
        if self.folder.exists() or not _fits(scratch / "cache", self.folder.parent):
            return
        part = self.folder.with_suffix(".part")
        remove(part)
        try:
            for name in COMPILE_CACHES.values():
                _copy(scratch / name, part / Path(name).name, writable=False)
            part.rename(self.folder)
        except OSError:
            remove(part)
        self._forget_old()

    def _forget_old(self) -> None:
        with suppress(OSError):
            kept = sorted(self.folder.parent.iterdir(), key=lambda each: each.stat().st_mtime)
            for old in kept[:-_KEPT]:
                remove(old)


def _fits(cache: Path, place: Path) -> bool:
    used = usage(cache, _MOST_ENTRIES)
    if not used.size or used.size > _MOST_BYTES or used.entries > _MOST_ENTRIES:
        return False
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return used.size + _SPARE < shutil.disk_usage(place).free
    except OSError:
        return False


def _copy(source: Path, target: Path, *, writable: bool) -> None:
    """Copy plain files and folders; links and whatever else there may be are left out."""
    for folder, _, names in os.walk(source):
        place = target / Path(folder).relative_to(source)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names:
            path, copy = Path(folder, name), place / name
            if path.is_symlink() or not path.is_file():
                continue
            shutil.copyfile(path, copy)
            mode = path.stat().st_mode & 0o555
            copy.chmod(mode | 0o200 if writable else mode)
