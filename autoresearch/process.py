"""Starting a process tree that cannot outlive its supervisor, and measuring it.

Every untrusted process of the house starts here. Between it and us stands the guard
(`autoresearch/runtime/guard.py`), which kills what is left when the command ends, when we ask
and when we die. What this does not stop: code of the same user can kill the guard itself. Then
the command dies with it (Linux), and so do the descendants seen so far and those that stayed in
the guard's session; one that left the session unseen in the instant before escapes.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from autoresearch.runtime import guard

_GUARD = Path(guard.__file__)
_GONE = (psutil.NoSuchProcess, psutil.AccessDenied)


@dataclass(frozen=True)
class Exit:
    """How the command ended: by exit code or by signal; by neither when that is not known."""

    code: int | None
    signal: int | None


@dataclass(frozen=True)
class _Report:
    """What the guard says at the end; `cpu` is in seconds, of all its descendants."""

    exit: Exit
    cpu: float


class Guarded:
    """A running command with all its descendants. A context manager that kills on the way out."""

    def __init__(self, process: subprocess.Popen[bytes], lifeline: socket.socket) -> None:
        self._process = process
        self._lifeline = lifeline
        self._exit: Exit | None = None
        self._cpu = 0.0
        self._seen: dict[psutil.Process, float] = {}

    @property
    def pid(self) -> int:
        """The guard's process id; its descendants are the tree."""
        return self._process.pid

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when the tree has ended, for selectors."""
        return self._lifeline.fileno()

    def cpu_seconds(self) -> float:
        """Return the CPU seconds of the whole tree so far, ended descendants included.

        Never falls. Two accounts are kept and the larger counts: the kernel's (live processes
        and the children they waited for) and our own (the last we saw of each process), since a
        process that ignores SIGCHLD hides its children from the kernel's.
        """
        if self._exit is None:
            # Parents are read before their children: one that ends in between is missed until
            # the next call, never counted twice.
            waited_for = sum(self._account(each) for each in self._tree())
            self._cpu = max(self._cpu, waited_for, sum(self._seen.values()))
        return self._cpu

    def _account(self, process: psutil.Process) -> float:
        try:
            times = process.cpu_times()
        except _GONE:
            return 0.0
        ended = float(times.children_user + times.children_system)
        if process.pid == self.pid:
            return ended  # the guard's own work is ours
        self._seen[process] = own = float(times.user + times.system)
        return own + ended

    def resident(self, *, exact: bool = False) -> int:
        """Return the resident bytes of the tree.

        Args:
            exact: count a page that several processes share once (dear: walks page tables);
                otherwise once for each of them.
        """
        return sum(_resident(each, exact=exact) for each in self._tree()[1:])

    def poll(self) -> Exit | None:
        """Return how the command ended once no process of the tree is alive, else None."""
        if self._exit is None and select.select([self._lifeline], [], [], 0)[0]:
            self._exit = self._collect()
        return self._exit

    def wait(self, timeout: float | None = None) -> Exit | None:
        """Wait up to `timeout` seconds (None: for ever) for what `poll` returns."""
        if self._exit is None:
            select.select([self._lifeline], [], [], timeout)
        return self.poll()

    def stop(self, patience: float = 2.0) -> Exit:
        """Interrupt, terminate, kill, `patience` seconds apart; return when nobody is alive."""
        for letter in (guard.INTERRUPT, guard.TERMINATE):
            self._ask(letter)
            ended = self.wait(patience)
            if ended is not None:
                return ended
        return self.kill()

    def kill(self) -> Exit:
        """Kill the whole tree; return when nobody is alive."""
        self._ask(guard.KILL)
        while (ended := self.wait()) is None:
            pass
        return ended

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def _ask(self, letter: bytes) -> None:
        if self._exit is None:
            try:
                self._lifeline.sendall(letter)
            except OSError:
                pass  # the guard has ended: wait() will tell how

    def _tree(self) -> list[psutil.Process]:
        try:
            top = psutil.Process(self.pid)
            below = top.children(recursive=True)
        except _GONE:
            return []
        for each in below:
            self._seen.setdefault(each, 0.0)
        return [top, *below]

    def _collect(self) -> Exit:
        report = _read_report(self._lifeline)
        self._process.wait()
        self._lifeline.close()
        if report is None:
            self._sweep()
            return Exit(None, None)
        self._cpu = max(self._cpu, report.cpu)
        if sys.platform != "linux":
            self._sweep()  # no subreaper there: who left the group is known only to us
        return report.exit

    def _sweep(self) -> None:
        """Kill who outlived the guard: the members of its session and all we have seen."""
        deadline = time.monotonic() + 5.0
        while (left := self._survivors()) and time.monotonic() < deadline:
            for each in left:
                try:
                    each.kill()
                except _GONE:
                    continue
            psutil.wait_procs(left, timeout=0.2)

    def _survivors(self) -> list[psutil.Process]:
        session = [each for each in psutil.process_iter() if _session(each.pid) == self.pid]
        return [each for each in {*session, *self._seen} if _alive(each)]


def launch(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    pass_fds: Sequence[int] = (),
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
    file_size: int = 0,
) -> Guarded:
    """Start a command under a guard.

    The guard starts in a new session, so a terminal's Ctrl-C reaches the supervisor only.

    Args:
        argv: the command; standard input is empty.
        cwd: its working directory.
        env: its whole environment.
        pass_fds: descriptors it gets under the same numbers; ours stay open.
        stdout: a descriptor or a constant of `subprocess`; discarded unless said otherwise.
        stderr: as `stdout`.
        file_size: the largest file it may write, in bytes; 0 is no limit.

    Raises:
        FileNotFoundError: `cwd` is not there. A command that cannot be run exits with 127.
    """
    ours, theirs = socket.socketpair()
    passed = ",".join(str(each) for each in pass_fds)
    start = [
        sys.executable,
        "-I",
        "-S",
        str(_GUARD),
        str(theirs.fileno()),
        passed,
        str(file_size),
        "--",
    ]
    with theirs:
        try:
            process = subprocess.Popen(
                [*start, *argv],
                cwd=cwd,
                env=dict(env),
                pass_fds=(theirs.fileno(), *pass_fds),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
    return Guarded(process, ours)


def _read_report(lifeline: socket.socket) -> _Report | None:
    """Return what the guard says in its one line, or None if it was killed."""
    try:
        with lifeline.makefile("rb") as file:
            line = file.readline()
        report = json.loads(line)
        return _Report(Exit(report["code"], report["signal"]), float(report["cpu"]))
    except (OSError, ValueError, KeyError):
        return None


def _resident(process: psutil.Process, *, exact: bool) -> int:
    try:
        if exact:
            memory = process.memory_full_info()
            return int(getattr(memory, "pss", memory.uss))
        return int(process.memory_info().rss)
    except _GONE:
        return 0


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except _GONE:
        return False


def signal_name(number: int) -> str:
    """Return SIGKILL for 9, and so on."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
