"""Reading from the disk beforehand what trainings would wait for while their clock runs."""

import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

_CHUNK = 2**22
_SHARE = 2  # of the free memory this part is filled at most: what is read must stay there


def torch_libraries() -> Iterator[Path]:
    """Yield the shared libraries of PyTorch and of the CUDA that came with it."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return
    torch = Path(spec.origin).parent
    for folder in (torch / "lib", *torch.parent.glob("nvidia/*/lib")):
        yield from folder.glob("*.so*")


class Warmer:
    """Touches files once each: after that they are in the system's page cache.

    Without it the first training of a run, on which much rests, would be the slow one.
    """

    def __init__(self, libraries: Callable[[], Iterable[Path]] = torch_libraries) -> None:
        """Build it; `libraries` are what every training loads: asked for, and not waited for."""
        self._libraries = libraries
        self._touched: set[Path] = set()

    def touch(self, files: Iterable[Path], stop: Callable[[], bool]) -> None:
        """Read the train split, tokens before text, as far as there is memory for it."""
        room = psutil.virtual_memory().available // _SHARE
        first = not self._touched
        for path in sorted(files, key=lambda each: each.suffix != ".bin"):
            size = _size(path)
            if path in self._touched or size > room:
                continue
            room -= size
            self._touched.add(path)
            _read(path, stop)
        for path in self._libraries() if first else ():
            if (size := _size(path)) <= room:
                room -= size
                _announce(path)


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _read(path: Path, stop: Callable[[], bool]) -> None:
    buffer = bytearray(_CHUNK)
    with suppress(OSError), path.open("rb", 0) as file:  # a training tells what is wrong with it
        while not stop() and file.readinto(buffer):
            pass


def _announce(path: Path) -> None:
    """Have the system read a file ahead; do not wait."""
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError), path.open("rb", 0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
