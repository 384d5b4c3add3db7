"""What control groups are for: a limit on a tree's processes, and the count of those killed.

RLIMIT_NPROC exempts root, and a fork bomb of root's starves whoever polls it. Root may make
control groups, of either version; others may not, and need none. How many processes the kernel has
killed for want of memory is counted for the group that a tree is in, and for those around it, as
narrowly as the system tells: what another container's processes met with says nothing of ours.
"""

import contextlib
import os
import re
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

_MOUNTS = Path("/sys/fs/cgroup")
_PREFIX = "autoresearch"


def make(processes: int, *, of: Path = Path("/proc/self/cgroup")) -> Path | None:
    """Return a new group for so many processes and threads; None where that cannot be had."""
    parent = _parent(of) if os.geteuid() == 0 else None
    if parent is None:
        return None
    group = parent / f"{_PREFIX}-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        _remove_orphans(parent)
        group.mkdir()
        (group / "pids.max").write_text(str(processes))
    except OSError:
        remove(group)
        return None
    return group


def remove(group: Path) -> None:
    """Remove a group that nobody is in any more."""
    with contextlib.suppress(OSError):
        group.rmdir()


def _parent(of: Path) -> Path | None:
    """Return the nearest group above us in which groups that count processes can be made."""
    try:
        lines = [line.split(":", 2) for line in of.read_text().splitlines()]
    except OSError:
        return None
    for _, controllers, path in lines:
        if "pids" in controllers.split(","):
            return _MOUNTS / "pids" / path.lstrip("/")
    for _, controllers, path in lines:
        place = _MOUNTS / path.lstrip("/")
        for group in (place, *place.parents) if not controllers else ():
            if group.is_relative_to(_MOUNTS) and _counts(group):
                return group
    return None


def _counts(group: Path) -> bool:
    try:
        return "pids" in (group / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False


def _remove_orphans(parent: Path) -> None:
    """Remove what supervisors that were killed along with their guards have left."""
    for group in parent.glob(f"{_PREFIX}-*-*"):
        if not Path("/proc", group.name.split("-")[1]).exists():
            for pid in (group / "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError):
                    os.kill(int(pid), signal.SIGKILL)
            remove(group)


def oom_kills(group: Path | None = None, *, root: Path = Path("/")) -> int:
    """Return how many processes were killed for want of memory so far; 0 where nothing tells.

    Args:
        group: the control group that was made for a tree; None where it is in our own.
        root: where /proc and /sys are.
    """
    for place in _counters(group, root):
        with contextlib.suppress(OSError, ValueError):
            told = re.search(r"^oom_kill (\d+)$", place.read_text("ascii"), re.MULTILINE)
            if told is not None:
                return int(told[1])
    return 0


def _counters(group: Path | None, root: Path) -> Iterator[Path]:
    """Yield the files that count, narrowest first: groups of version 2, of version 1, the machine.

    The count of a group includes those below it. The root group of the machine has none.
    """
    mounts = root / "sys/fs/cgroup"
    if group is not None:
        yield group.parent / "memory.events"
    with contextlib.suppress(OSError):
        # Version 2 is the last line.
        for line in reversed((root / "proc/self/cgroup").read_text().splitlines()):
            _, controllers, path = line.split(":", 2)
            if not controllers and group is None:
                yield mounts / path.lstrip("/") / "memory.events"
            elif "memory" in controllers.split(","):
                yield mounts / "memory" / path.lstrip("/") / "memory.oom_control"
    yield root / "proc/vmstat"
