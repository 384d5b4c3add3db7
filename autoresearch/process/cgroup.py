"""A kernel's limit on a tree's processes where a user's own does not bind: for root.

RLIMIT_NPROC exempts root, and a fork bomb of root's starves whoever polls it. Root may make
control groups, of either version; others may not, and need none.
"""

import contextlib
import os
import secrets
import signal
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
