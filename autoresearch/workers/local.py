"""The worker on this machine: one trial at a time, on the supervisor's clock."""

import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from autoresearch.errors import WorkerError
from autoresearch.process import Guarded, launch
from autoresearch.records.values import Outcome, Point
from autoresearch.sandbox import Sandbox
from autoresearch.workers.base import Assignment
from autoresearch.workers.trial import RunningTrial

TICK_SECONDS = 0.05
READ_BYTES = 64 * 1024
DRAIN_SECONDS = 1.0


class LocalWorker:
    """Executes trials as processes of this machine."""

    def __init__(self, sandbox: Sandbox, now: Callable[[], float] = time.monotonic) -> None:
        self.name = "local"
        self._sandbox = sandbox
        self._now = now

    def train(
        self,
        assignment: Assignment,
        *,
        on_point: Callable[[Point], None],
        stop: Callable[[], bool],
    ) -> Outcome:
        """Return how the trial ended; see `Worker.train`."""
        (assignment.scratch / "out").mkdir(mode=0o700)
        control, theirs = socket.socketpair()
        metrics, metrics_end = os.pipe()
        log, log_end = os.pipe()
        try:
            tree = self._launch(assignment, theirs.fileno(), metrics_end, log_end)
        except OSError as fault:
            for descriptor in (metrics, log):
                os.close(descriptor)
            control.close()
            msg = f"cannot start a trial: {fault.strerror}"
            raise WorkerError(msg) from None
        finally:
            theirs.close()
            os.close(metrics_end)
            os.close(log_end)
        with tree, control, os.fdopen(metrics, "rb", 0), os.fdopen(log, "rb", 0):
            trial = RunningTrial(assignment, tree, control, on_point, self._now)
            trial.hello(metrics_end)
            self._watch(
                trial, tree, {"control": control.fileno(), "metrics": metrics, "log": log}, stop
            )
            return trial.outcome()

    def _launch(self, assignment: Assignment, control: int, metrics: int, log: int) -> Guarded:
        environment = self._sandbox.environment(assignment.scratch, assignment.limits)
        command = [sys.executable, "-m", "autoresearch.runtime.launch", assignment.entry]
        return launch(
            self._sandbox.command(
                command, readable=[assignment.tree], writable=[assignment.scratch]
            ),
            cwd=assignment.tree,
            env={**environment, "AUTORESEARCH_CONTROL_FD": str(control)},
            pass_fds=(control, metrics),
            stdout=log,
            stderr=subprocess.STDOUT,
            file_size=assignment.limits.file_size,
        )

    def _watch(
        self,
        trial: RunningTrial,
        tree: Guarded,
        streams: dict[str, int],
        stop: Callable[[], bool],
    ) -> None:
        """Follow the streams until the tree is gone, then read what is left in them."""
        with selectors.DefaultSelector() as selector:
            for name, descriptor in streams.items():
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ, name)
            selector.register(tree, selectors.EVENT_READ, "exit")
            while tree.poll() is None:
                _pump(selector, trial, TICK_SECONDS)
                trial.tick(stop=stop())
            selector.unregister(tree)
            trial.ended()
            deadline = self._now() + DRAIN_SECONDS
            while selector.get_map() and self._now() < deadline and _pump(selector, trial, 0):
                pass


def _pump(selector: selectors.BaseSelector, trial: RunningTrial, timeout: float) -> bool:
    """Hand what can be read to the trial; return whether there was anything."""
    ready = [key for key, _ in selector.select(timeout) if key.data != "exit"]
    for key in ready:
        try:
            data = os.read(key.fd, READ_BYTES)
        except OSError:
            data = b""
        if data:
            trial.feed(str(key.data), data)
        else:
            selector.unregister(key.fd)
    return bool(ready)
