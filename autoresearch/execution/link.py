"""The controller's end of the line to the process that speaks to a cluster."""

import os
import socket
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue

from autoresearch.config import without_secrets
from autoresearch.execution import messages

LOOK_SECONDS = 0.2  # how often `tick` is called
_END_SECONDS = 30.0
_MOST_CODES = 32  # commits that the cluster knows at once
_LONGEST_PAUSE = 60.0


def pause_after(failures: int, longest: float) -> float:
    """Return the seconds to wait after so many failures in a row, at most `longest`."""
    return min(2.0 * 2.0 ** min(failures, 10), longest)


class Link:
    """Sends commands to the other process, and hears its reports, in threads of its own."""

    def __init__(
        self,
        begin: messages.Begin,
        pack: Callable[[str], bytes],
        *,
        hear: Callable[[messages.Report], None],
        lost: Callable[[int], None],
        tick: Callable[[], None],
    ) -> None:
        """Build it and start the other process.

        Args:
            begin: the first command.
            pack: returns a commit's files, as `packing.pack` does.
            hear: told every report.
            lost: told that the process has ended, and how often in a row; it is begun anew.
            tick: called several times a second.
        """
        self._begin = begin
        self._pack = pack
        self._known: OrderedDict[str, None] = OrderedDict()
        self._hear, self._lost, self._tick = hear, lost, tick
        self._outbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._sending = threading.Lock()
        self._knowing = threading.Lock()
        self._ended = threading.Event()
        self._bug: Exception | None = None
        self._connection, self._process = _start(begin)
        self._threads = [
            threading.Thread(target=self._until_bug, args=(act,), daemon=True, name="ray")
            for act in (self._listen, self._speak)
        ]

    def open(self) -> None:
        """Begin to hear and to speak."""
        for thread in self._threads:
            thread.start()

    def check(self) -> None:
        """Raise what has ended one of its threads, if anything has: a run would hear no more."""
        if self._bug is not None:
            raise self._bug

    def send(self, command: messages.Command) -> None:
        """Send a command now."""
        with self._sending, suppress(OSError):  # `_listen` finds out, and begins anew
            self._connection.send(command)

    def soon(self, act: Callable[[], None] | messages.Command) -> None:
        """Send a command, or do what takes its time, after all that was asked for before."""
        self._outbox.put(act if callable(act) else lambda: self.send(act))

    def make_known(self, commit: str) -> None:
        """Have the cluster know a commit's files; the one that was not asked for longest goes.

        Raises:
            GitError: there are no such files, or they cannot be read now.
        """
        with self._knowing:
            if commit in self._known:
                self._known.move_to_end(commit)
                return
        data = self._pack(commit)
        with self._knowing:  # before it is sent: that it is lost may be heard at once
            self._known[commit] = None
            many = len(self._known) > _MOST_CODES
            oldest = self._known.popitem(last=False)[0] if many else None
        self.send(messages.Code(commit, data))
        if oldest is not None:
            self.send(messages.Code(oldest, None))

    def doubt(self, commit: str) -> None:
        """Send a commit's files anew when it is next trained: the cluster may have lost them."""
        with self._knowing:
            self._known.pop(commit, None)

    def close(self) -> None:
        """End the other process, and with it all that is at work."""
        self._ended.set()
        self._outbox.put(lambda: None)
        for thread in self._threads:
            thread.join()
        self._connection.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _until_bug(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as bug:  # noqa: BLE001 - see `check`
            self._bug = bug

    def _speak(self) -> None:
        while not self._ended.is_set():
            self._outbox.get()()

    def _listen(self) -> None:
        failures = 0
        while not self._ended.is_set():
            try:
                if self._connection.poll(LOOK_SECONDS):
                    self._hear(self._connection.recv())
                    failures = 0
            except (EOFError, OSError):
                self._lost(failures)
                failures += 1
                if not self._ended.wait(pause_after(failures, _LONGEST_PAUSE)):
                    self._again()
            self._tick()

    def _again(self) -> None:
        with self._sending:
            self._connection.close()
            self._process.wait()
            with self._knowing:
                self._known.clear()
            self._connection, self._process = _start(self._begin)


def _start(begin: messages.Begin) -> tuple[Connection, subprocess.Popen[bytes]]:
    """Start the process that speaks to the cluster; nothing of what Ray prints reaches ours."""
    ours, theirs = socket.socketpair()
    with theirs:
        descriptor = theirs.fileno()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "autoresearch.execution.bridge", str(descriptor)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(descriptor,),
            start_new_session=True,  # Ctrl-C is the controller's
            env={**without_secrets(os.environ), "RAY_USAGE_STATS_ENABLED": "0"},
        )
    connection = Connection(ours.detach())
    with suppress(OSError):
        connection.send(begin)
    return connection, process
