"""Who belongs to a process tree, and what it uses.

On Linux the tree is walked through /proc from its top, some 20 microseconds a process. psutil
reads every process of the machine to find the children of one: 5 ms where 100 run, too dear for
twenty looks a second. Elsewhere psutil does it.
"""

import contextlib
import itertools
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

_LINUX = sys.platform == "linux"
_TICKS = os.sysconf("SC_CLK_TCK")
_GONE = (psutil.NoSuchProcess, psutil.AccessDenied)
_MAX_SEEN = 4096


@dataclass(frozen=True)
class Sample:
    """One process at one moment.

    `born` tells it from a later one of the same number; `own` and `waited` are CPU seconds, its
    own and those of ended children that it waited for; `zombie`: ended, but not yet waited for.
    """

    pid: int
    born: float
    own: float
    waited: float
    zombie: bool


class Tree:
    """The processes below (and with) a top one, remembered after they left it."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._seen: dict[tuple[int, float], float] = {}
        self._forgotten = 0.0

    def cpu_seconds(self) -> float:
        """Return the CPU seconds used below the top process, ended processes included.

        Two accounts are kept and the larger counts: the kernel's (live processes and the
        children they waited for) and our own (the last we saw of each process), since a process
        that ignores SIGCHLD hides its children from the kernel's. Work of hidden processes that
        live shorter than the time between two calls is seen by neither.
        """
        # Parents are read before their children: one that ends in between is missed until the
        # next call, never counted twice.
        kernel = sum(each.waited + (each.own if each.pid != self._top else 0.0) for each in self)
        return max(kernel, self._forgotten + sum(self._seen.values()))

    def resident(self, *, exact: bool = False) -> int:
        """Return the bytes of memory that the processes below the top one hold.

        Pages of mapped files are left out where the system tells them apart (Linux): they
        are the page cache's, and a trial maps its whole corpus.

        Args:
            exact: count a page that several processes share once (dear: walks page tables);
                otherwise once for each of them.
        """
        return sum(_resident(each.pid, exact=exact) for each in self if each.pid != self._top)

    def core_delays(self) -> dict[int, float]:
        """Return the seconds that each thread below the top one was ready to run, but had no core.

        Empty where the system does not tell: elsewhere than on Linux, and in some containers.
        """
        pids = [each.pid for each in self if each.pid != self._top] if _LINUX else []
        return {thread: delay for pid in pids for thread, delay in _delays(pid)}

    def count(self, most: int) -> int:
        """Return how many processes there are below the top one; looks at no more than `most`."""
        return sum(1 for _ in itertools.islice(self, most + 1)) - 1

    def kill_survivors(self) -> bool:
        """Kill what is left of the tree and of the top's session; return whether any was."""
        session = [pid for pid in psutil.pids() if _session(pid) == self._top]
        known = [pid for pid, born in self._seen if _is_alive(pid, born)]
        left = {pid for pid in (*session, *known) if _is_alive(pid, None)}
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        return bool(left)

    def __iter__(self) -> Iterator[Sample]:
        """Yield the top and everything below it, parents first."""
        queue = [self._top]
        for pid in queue:
            reading = _read(pid)
            if reading is not None:
                if pid != self._top:
                    self._remember(reading)
                yield reading
                queue.extend(_children(pid))

    def _remember(self, reading: Sample) -> None:
        self._seen[reading.pid, reading.born] = reading.own
        if len(self._seen) > _MAX_SEEN:  # a trial that starts processes for ever
            for pid, born in list(self._seen):
                if not _is_alive(pid, born):
                    self._forgotten += self._seen.pop((pid, born))


def _read(pid: int) -> Sample | None:
    if not _LINUX:
        return _ask_psutil(pid)
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The name in parentheses may hold anything, parentheses and blanks included.
    fields = line.rpartition(b")")[2].split()
    user, system, waited_user, waited_system = (int(each) / _TICKS for each in fields[11:15])
    return Sample(
        pid, float(fields[19]), user + system, waited_user + waited_system, fields[0] in b"ZX"
    )


def _ask_psutil(pid: int) -> Sample | None:
    try:
        process = psutil.Process(pid)
        times, born = process.cpu_times(), process.create_time()
        zombie = process.status() == psutil.STATUS_ZOMBIE
    except _GONE:
        return None
    # macOS tells nothing of ended children.
    waited = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return Sample(pid, born, times.user + times.system, waited, zombie)


def _children(pid: int) -> list[int]:
    tasks = f"/proc/{pid}/task"
    if not os.access(f"{tasks}/{pid}/children", os.R_OK):  # a kernel built without it
        return _ask_psutil_children(pid)
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(tasks):  # noqa: PTH208 - Path objects would double the cost
            with contextlib.suppress(OSError):
                found += map(int, Path(f"{tasks}/{task}/children").read_bytes().split())
    return found


def _ask_psutil_children(pid: int) -> list[int]:
    try:
        return [each.pid for each in psutil.Process(pid).children()]
    except _GONE:
        return []


def _delays(pid: int) -> Iterator[tuple[int, float]]:
    """Yield each thread of a process with the seconds that it has waited for a core."""
    tasks = f"/proc/{pid}/task"
    with contextlib.suppress(OSError):
        for task in os.listdir(tasks):  # noqa: PTH208 - as above
            # Of a thread that has ended, and of a kernel built without the file, there is nothing.
            with contextlib.suppress(OSError, ValueError, IndexError):
                told = Path(f"{tasks}/{task}/schedstat").read_bytes().split()
                yield int(task), int(told[1]) / 1e9


def _resident(pid: int, *, exact: bool) -> int:
    fields = (b"Pss_Anon:", b"Pss_Shmem:") if exact else (b"RssAnon:", b"RssShmem:")
    source = Path(f"/proc/{pid}/{'smaps_rollup' if exact else 'status'}")
    try:
        lines = [line.split() for line in source.read_bytes().splitlines()]
    except OSError:
        lines = []
    found = [int(line[1]) * 1024 for line in lines if line and line[0] in fields]
    return sum(found) if found else _resident_by_psutil(pid)


def _resident_by_psutil(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except _GONE:
        return 0


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _is_alive(pid: int, born: float | None) -> bool:
    reading = _read(pid)
    return reading is not None and not reading.zombie and born in (None, reading.born)
