"""CPU cores for one trial alone: which there are, how they are shared out, who keeps to them."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_TOPOLOGY = Path("/sys/devices/system/cpu")


def usable(topology: Path = _TOPOLOGY) -> tuple[int, ...]:
    """Return the cores that this process may use; none where the system cannot share them out.

    Two that are one physical core stand side by side, so that they go to one slot: they would slow
    each other down.
    """
    if sys.platform != "linux":
        return ()
    return tuple(sorted(os.sched_getaffinity(0), key=lambda core: _place(core, topology)))


def spread(cores: Sequence[int], slots: int) -> list[frozenset[int]]:
    """Return for each of so many slots as many cores of its own as all can have."""
    each = len(cores) // slots
    return [frozenset(cores[at * each : (at + 1) * each]) for at in range(slots)]


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """Keep this thread, and what it starts meanwhile, to some cores; none given: to any.

    Raises:
        OSError: they are not this machine's, or not any more.
    """
    if not cores or sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)  # 0 is the calling thread, whose children inherit it
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _place(core: int, topology: Path) -> tuple[int, int, int]:
    """Return where a core is: its socket, its physical core there, its number."""
    package, physical = (
        _number(topology / f"cpu{core}/topology/{name}")
        for name in ("physical_package_id", "core_id")
    )
    return package, physical, core


def _number(told: Path) -> int:
    try:
        return int(told.read_text("ascii"))
    except (OSError, ValueError):
        return 0
