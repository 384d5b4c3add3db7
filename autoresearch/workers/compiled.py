"""What compilers made of the person's own code, given to every trial to begin with.

A trial compiles into a cache in its own scratch folder, which goes when it ends: a cache that the
next one reads is a way to plant code in it. So only code that no proposal has touched is kept here,
read-only; every trial gets a copy of it, and what it makes of that is its own.
"""

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from autoresearch.process import remove
from autoresearch.process.resource_limits import usage
from autoresearch.sandbox.base import COMPILE_CACHES

_MOST_BYTES = 2 * 2**30
_MOST_ENTRIES = 20_000
_SPARE = 2**30  # bytes of disk that no cache may take
# Of C++ kernels: PyTorch keeps them by no variable of their own, but with temporary files.
_HEADERS = "torchinductor_*/precompiled_headers"
_KEPT = 4  # caches of a project: of its last studies


@dataclass(frozen=True)
class CompileCache:
    """A folder with a compile cache, which need not be there yet. No failure is an exception.

    Its name stands for all that the cache is of: the code and the machine. Slots may share it.
    """

    folder: Path
    _keeping: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    def seed(self, scratch: Path) -> None:
        """Copy it into a trial's scratch folder, before the trial starts."""
        try:
            for part in _parts(self.folder):
                _copy(self.folder / part, scratch / part, writable=True)
        except OSError:  # half a cache is none
            for part in _parts(scratch):
                remove(scratch / part)

    def keep(self, scratch: Path) -> None:
        """Keep what a trial compiled, unless something is kept already; after the trial's end.

        The trial must have been of trusted code: every later one runs what it left.
        """
        parts = _parts(scratch)
        with self._keeping:
            caches = [scratch / each for each in parts]
            if self.folder.exists() or not _fits(caches, self.folder.parent):
                return
            incoming = self.folder.with_suffix(".part")
            remove(incoming)
            try:
                for part in parts:
                    _copy(scratch / part, incoming / part, writable=False)
                incoming.rename(self.folder)
            except OSError:
                remove(incoming)
            with suppress(OSError):
                kept = sorted(self.folder.parent.iterdir(), key=lambda each: each.stat().st_mtime)
                for old in kept[:-_KEPT]:
                    remove(old)


def _parts(place: Path) -> list[Path]:
    """Return where compilers left something in a scratch folder, or in a copy of one."""
    found = [place / name for name in COMPILE_CACHES.values()]
    found += place.glob(_HEADERS)
    return [each.relative_to(place) for each in found if each.is_dir()]


def _fits(caches: Sequence[Path], place: Path) -> bool:
    used = [usage(each, _MOST_ENTRIES) for each in caches]
    size, entries = sum(each.size for each in used), sum(each.entries for each in used)
    if not size or size > _MOST_BYTES or entries > _MOST_ENTRIES:
        return False
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return size + _SPARE < shutil.disk_usage(place).free
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
