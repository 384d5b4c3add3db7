"""A running command under its guard, seen from the supervisor."""

import contextlib
import json
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from autoresearch.process import cgroup
from autoresearch.process.confined import Confined, open_descriptors
from autoresearch.process.tree import Tree
from autoresearch.runtime import guard

_GUARD = Path(guard.__file__)
_OBEDIENCE_SECONDS = 10  # how long the guard may take to kill everything
_SWEEP_SECONDS = 30.0


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

    def __init__(
        self, process: subprocess.Popen[bytes], lifeline: socket.socket, group: Path | None = None
    ) -> None:
        self._process = process
        self._group = group
        self._lifeline = lifeline
        self._tree = Tree(process.pid)
        self._exit: Exit | None = None
        self._cpu = 0.0
        self._killed_before = cgroup.oom_kills(group)
        self._killed = 0

    @property
    def ran_out_of_memory(self) -> bool:
        """Whether the kernel killed processes for want of memory while it ran; after its end.

        They may be others than its own where the system counts for more than this tree.
        """
        return self._killed > self._killed_before

    @property
    def pid(self) -> int:
        """The guard's process id; its descendants are the tree."""
        return self._process.pid

    def fileno(self) -> int:
        """Return a descriptor that becomes readable when the tree has ended, for selectors."""
        return self._lifeline.fileno()

    def cpu_seconds(self) -> float:
        """Return the CPU seconds of the whole tree, ended descendants included; never falls."""
        if self._exit is None:
            self._cpu = max(self._cpu, self._tree.cpu_seconds())
        return self._cpu

    def core_delays(self) -> Mapping[int, float]:
        """Return the seconds that each thread was kept from a core; see `Tree.core_delays`."""
        return self._tree.core_delays() if self._exit is None else {}

    def count(self, most: int) -> int:
        """Return how many processes the tree has; does not look beyond `most`."""
        return self._tree.count(most) if self._exit is None else 0

    def resident(self, *, exact: bool = False) -> int:
        """Return the bytes of memory the tree holds; see `Tree.resident`."""
        return self._tree.resident(exact=exact) if self._exit is None else 0

    def poll(self) -> Exit | None:
        """Return how the command ended once no process of the tree is alive, else None."""
        return self.wait(0.0)

    def wait(self, timeout: float | None = None) -> Exit | None:
        """Wait up to `timeout` seconds (None: for ever) for what `poll` returns."""
        if self._exit is None:
            poll = select.poll()
            poll.register(self._lifeline, select.POLLIN)
            if poll.poll(None if timeout is None else timeout * 1000):
                self._exit = self._collect()
        return self._exit

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
        for _second in range(_OBEDIENCE_SECONDS):
            ended = self.wait(1.0)
            if ended is not None:
                return ended
            # Code of the same user may have stopped the guard.
            self._process.send_signal(signal.SIGCONT)
        self._process.kill()
        while (ended := self.wait()) is None:
            pass
        return ended

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_fault: object) -> None:
        """Kill the whole tree."""
        self.kill()

    def _ask(self, letter: bytes) -> None:
        if self._exit is None:
            with contextlib.suppress(OSError):  # the guard has ended: wait() will tell how
                self._lifeline.sendall(letter)

    def _collect(self) -> Exit:
        report = _read_report(self._lifeline)
        self._process.wait()
        self._lifeline.close()
        # Without a subreaper, who left the command's process group is known only to us.
        if report is None or sys.platform != "linux":
            self._sweep()
        self._killed = cgroup.oom_kills(self._group)
        if self._group is not None:
            cgroup.remove(self._group)
        if report is None:
            return Exit(None, None)
        self._cpu = max(self._cpu, report.cpu)
        return report.exit

    def _sweep(self) -> None:
        """Kill who outlived the guard."""
        deadline = time.monotonic() + _SWEEP_SECONDS
        while self._tree.kill_survivors() and time.monotonic() < deadline:
            time.sleep(0.005)


def launch(
    command: Confined | Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    pass_fds: Sequence[int] = (),
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
    file_size: int = 0,
) -> Guarded:
    """Start a command under a guard.

    The guard starts in a new session, so a terminal's Ctrl-C reaches the supervisor only.

    Args:
        command: what to run, as it is or as a sandbox made it.
        cwd: its working directory.
        env: its whole environment.
        pass_fds: descriptors it gets under the same numbers; ours stay open.
        stdin: a descriptor that it reads from; nothing unless said otherwise.
        stdout: a descriptor or a constant of `subprocess`; discarded unless said otherwise.
        stderr: as `stdout`.
        file_size: the largest file it may write, in bytes; 0 is no limit.

    Raises:
        FileNotFoundError: `cwd` is not there. A command that cannot be run exits with 127.
    """
    confined = command if isinstance(command, Confined) else Confined(tuple(command))
    group = cgroup.make(confined.processes) if confined.processes else None
    ours, theirs = socket.socketpair()
    with theirs, ExitStack() as held:
        try:
            ready = open_descriptors(confined, held)
            passed = (*pass_fds, *ready.passed)
            inner = () if ready.inner is None else (ready.inner,)
            told = [str(theirs.fileno()), _listed(passed), str(file_size), _listed(inner)]
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    str(_GUARD),
                    *told,
                    str(group or ""),
                    "--",
                    *ready.argv,
                ],
                cwd=cwd,
                env=dict(env),
                pass_fds=(theirs.fileno(), *passed, *inner),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            if group is not None:
                cgroup.remove(group)
            raise
    return Guarded(process, ours, group)


def _listed(descriptors: Sequence[int]) -> str:
    return ",".join(map(str, descriptors))


def signal_name(number: int) -> str:
    """Return SIGKILL for 9, and so on."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _read_report(lifeline: socket.socket) -> _Report | None:
    """Return what the guard says in its one line, or None if it was killed."""
    try:
        with lifeline.makefile("rb") as file:
            line = file.readline()
        report = json.loads(line)
        return _Report(Exit(report["code"], report["signal"]), float(report["cpu"]))
    except (OSError, ValueError, KeyError):
        return None
