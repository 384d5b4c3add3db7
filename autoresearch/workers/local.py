"""The worker on this machine: one trial at a time, on the supervisor's clock."""

import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from autoresearch.devices import HERE, DeviceTree
from autoresearch.errors import WorkerError
from autoresearch.process import Guarded, launch
from autoresearch.records.hardware import Hardware
from autoresearch.records.text import safe_line
from autoresearch.records.training import Outcome, Point
from autoresearch.records.values import Ending
from autoresearch.runtime.session import CONTROL_FD, MAX_FILES
from autoresearch.sandbox import Sandbox
from autoresearch.workers.base import Assignment, Race, unraced
from autoresearch.workers.compiled import CompileCache
from autoresearch.workers.hardware import hardware
from autoresearch.workers.meter import Meter
from autoresearch.workers.streams import Stream
from autoresearch.workers.trial import RunningTrial, hello
from autoresearch.workers.warming import Warmer

TICK_SECONDS = 0.05
DRAIN_SECONDS = 1.0
# What is read at once: a stream that floods must leave time for the clocks. Lines cost more.
_READ_BYTES = {Stream.CONTROL: 2**14, Stream.METRICS: 2**14, Stream.LOG: 2**16}
_PACKAGES = Path(__file__).parents[2]  # where `import autoresearch` finds this package


class LocalWorker:
    """Executes trials as processes of this machine."""

    def __init__(
        self,
        sandbox: Sandbox,
        now: Callable[[], float] = time.monotonic,
        patience: float = 1.0,
        *,
        compiled: CompileCache | None = None,
        tree: DeviceTree = HERE,
    ) -> None:
        """Build it.

        Args:
            sandbox: how untrusted code is started.
            now: the wall clock, in seconds.
            patience: seconds between interrupt, termination and kill of a trial that is ended.
            compiled: what trials begin to compile with; None leaves them with nothing.
            tree: where the card is looked for.
        """
        self.name = "local"
        self._sandbox = sandbox
        self._now = now
        self._patience = patience
        self._compiled = compiled
        self._tree = tree
        self._warmer = Warmer()

    def train(
        self,
        assignment: Assignment,
        *,
        on_point: Callable[[Point], None],
        stop: Callable[[], bool],
        race: Race = unraced,
    ) -> Outcome:
        """Return how the trial ended; see `Worker.train`."""
        self._warmer.touch(assignment.train_files, stop)
        if self._compiled is not None:
            self._compiled.seed(assignment.scratch)
        with ExitStack() as held:
            try:
                trial, tree, streams = self._begin(assignment, on_point, race, held)
            except OSError as fault:
                why = f"cannot start a trial: {fault.strerror or fault}"
                return Outcome(Ending.NOT_STARTED, safe_line(why))
            self._watch(trial, tree, streams, stop)
            outcome = replace(trial.outcome(), hardware=self._hardware(assignment))
        if self._compiled is not None and assignment.trusted and outcome.checkpoint is not None:
            self._compiled.keep(assignment.scratch)
        return outcome

    def _hardware(self, assignment: Assignment) -> Hardware:
        variables = self._sandbox.access.variables
        return hardware(assignment.device, assignment.limits.threads, variables, tree=self._tree)

    def _begin(
        self,
        assignment: Assignment,
        on_point: Callable[[Point], None],
        race: Race,
        held: ExitStack,
    ) -> tuple[RunningTrial, Guarded, Mapping[Stream, int]]:
        if len(assignment.train_files) > MAX_FILES:
            msg = f"the train split has more than {MAX_FILES} files: prepare the corpus again"
            raise WorkerError(msg)
        assignment.out.mkdir(mode=0o700)
        shards = [held.enter_context(path.open("rb", 0)) for path in assignment.train_files]
        with ExitStack() as theirs:
            control, control_end = socket.socketpair()
            held.enter_context(control)
            theirs.enter_context(control_end)
            metrics, metrics_end = _pipe(held, theirs)
            log, log_end = _pipe(held, theirs)
            control.sendall(hello(assignment, metrics_end))
            tree = self._launch(assignment, control_end.fileno(), metrics_end, log_end)
            held.enter_context(tree)
        meter = Meter(tree, assignment.budget, assignment.limits, assignment.scratch, self._now)
        trial = RunningTrial(
            assignment, tree, meter, control, shards, on_point, race, self._patience
        )
        streams = {Stream.CONTROL: control.fileno(), Stream.METRICS: metrics, Stream.LOG: log}
        return trial, tree, streams

    def _launch(self, assignment: Assignment, control: int, metrics: int, log: int) -> Guarded:
        environment = self._sandbox.environment(assignment.scratch, assignment.limits)
        # -P: a folder `autoresearch` in the tree must not stand in for this package.
        module = f"autoresearch.runtime.{'profiler' if assignment.profiled else 'launch'}"
        command = [sys.executable, "-P", "-m", module, assignment.entry, assignment.device]
        return launch(
            self._sandbox.command(
                command,
                readable=[assignment.tree, _PACKAGES / "autoresearch"],
                writable=[assignment.scratch],
                limits=assignment.limits,
                devices=assignment.device != "cpu",
            ),
            cwd=assignment.tree,
            env={**environment, "PYTHONPATH": str(_PACKAGES), CONTROL_FD: str(control)},
            pass_fds=(control, metrics),
            stdout=log,
            stderr=subprocess.STDOUT,
            file_size=assignment.limits.file_size,
        )

    def _watch(
        self,
        trial: RunningTrial,
        tree: Guarded,
        streams: Mapping[Stream, int],
        stop: Callable[[], bool],
    ) -> None:
        """Follow the streams until the tree is gone, then read what is left in them."""
        with selectors.DefaultSelector() as selector:
            for stream, descriptor in streams.items():
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ, stream)
            selector.register(tree, selectors.EVENT_READ)
            tree_key = selector.get_key(tree)
            due = self._now()
            while True:
                _pump(selector, trial, TICK_SECONDS)
                if self._now() >= due:
                    # Streams before clocks: a `finish` that waits in the socket is honoured,
                    # though whoever looks on may have kept us from reading it.
                    _pump(selector, trial, 0)
                    due = self._now() + TICK_SECONDS
                    if tree.poll() is None:
                        trial.tick(stop=stop())
                if tree.poll() is not None:
                    break
            selector.unregister(tree_key.fd)
            trial.ended()
            deadline = time.monotonic() + DRAIN_SECONDS
            while selector.get_map() and time.monotonic() < deadline and _pump(selector, trial, 0):
                pass


def _pipe(ours: ExitStack, theirs: ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for stack, end in zip((ours, theirs), ends, strict=True):
        stack.callback(os.close, end)
    return ends


def _pump(selector: selectors.BaseSelector, trial: RunningTrial, timeout: float) -> bool:
    """Hand what can be read to the trial, `control` first; return whether there was anything."""
    ready = [key for key, _ in selector.select(timeout) if key.data is not None]
    for key in sorted(ready, key=lambda each: each.data):
        try:
            data = os.read(key.fd, _READ_BYTES[key.data])
        except BlockingIOError:
            continue
        except OSError:
            data = b""
        if data:
            trial.feed(key.data, data)
        else:
            selector.unregister(key.fd)
    return bool(ready)
