"""How many processes the kernel has killed for want of memory.

It is counted for the control group that a tree is in, and for those around it, as narrowly as the
system tells: what another container's processes met with says nothing of ours.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/")


def kills(group: Path | None = None, *, root: Path = _ROOT) -> int:
    """Return the count so far; 0 where the system tells none.

    Args:
        group: the control group that was made for a tree; None where it is in our own.
        root: where /proc and /sys are.
    """
    for place in _counters(group, root):
        with suppress(OSError, ValueError):
            return _field(place.read_text("ascii"))
    return 0


def _counters(group: Path | None, root: Path) -> Iterator[Path]:
    """Yield the files that count, narrowest first: groups of version 2, of version 1, the machine.

    The count of a group includes those below it. The root group of the machine has none.
    """
    mounts = root / "sys/fs/cgroup"
    if group is not None:
        yield group.parent / "memory.events"
    with suppress(OSError):
        # Version 2 is the last line.
        for line in reversed((root / "proc/self/cgroup").read_text().splitlines()):
            _, controllers, path = line.split(":", 2)
            if not controllers and group is None:
                yield mounts / path.lstrip("/") / "memory.events"
            elif "memory" in controllers.split(","):
                yield mounts / "memory" / path.lstrip("/") / "memory.oom_control"
    yield root / "proc/vmstat"


def _field(text: str) -> int:
    """Return the number beside ``oom_kill``.

    Raises:
        ValueError: there is none.
    """
    for line in text.splitlines():
        name, _, count = line.partition(" ")
        if name == "oom_kill":
            return int(count)
    msg = "no count of oom_kill"
    raise ValueError(msg)
