"""A trial's process with what connects it to this one, started for its trial or ahead of it."""

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch.process import launch, link_tree, open_pipe, remove
from autoresearch.records.training import Limits
from autoresearch.runtime.session import CONTROL_FD
from autoresearch.sandbox import Sandbox
from autoresearch.workers.base import Assignment

_PACKAGES = Path(__file__).parents[2]  # where `import autoresearch` finds this package


@dataclass(frozen=True)
class Berth:
    """What a process may reach: it reads `shown`, which may be empty yet, and writes `scratch`."""

    shown: Path
    scratch: Path
    device: str
    limits: Limits


class TrialProcess:
    """A running process of one trial. A context manager that kills it and closes its streams.

    `metrics_fd` is the number that the metrics' pipe has over there; `metrics` and `log` are ours.
    """

    def __init__(
        self, sandbox: Sandbox, berth: Berth, module: str, arguments: Sequence[str]
    ) -> None:
        """Start ``python -m autoresearch.runtime.MODULE ARGUMENTS``; do not wait.

        Raises:
            OSError: the machine cannot start a process.
        """
        self.berth = berth
        with ExitStack() as ours, ExitStack() as theirs:
            self.control, control = socket.socketpair()
            ours.enter_context(self.control)
            theirs.enter_context(control)
            self.metrics, self.metrics_fd = open_pipe(ours, theirs)
            self.log, log = open_pipe(ours, theirs)
            command = [sys.executable, "-P", "-m", f"autoresearch.runtime.{module}", *arguments]
            # -P: a folder `autoresearch` in the tree must not stand in for this package.
            environment = sandbox.environment(berth.scratch, berth.limits)
            descriptor = control.fileno()
            self.tree = ours.enter_context(
                launch(
                    sandbox.command(
                        command,
                        readable=[berth.shown, _PACKAGES / "autoresearch"],
                        writable=[berth.scratch],
                        limits=berth.limits,
                        devices=berth.device != "cpu",
                    ),
                    cwd=berth.shown,
                    env={
                        **environment,
                        "PYTHONPATH": str(_PACKAGES),
                        CONTROL_FD: str(descriptor),
                    },
                    pass_fds=(descriptor, self.metrics_fd),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    file_size=berth.limits.file_size,
                )
            )
            self._held = ours.pop_all()

    def close(self) -> None:
        """Kill it, with all that it started, and close the streams."""
        self._held.close()


class Standby:
    """A process that waits for its trial in a folder of its own, with PyTorch in memory.

    It runs nothing but this package and PyTorch until it is told its trial; see `runtime.standby`.
    """

    def __init__(self, sandbox: Sandbox, place: Path, device: str, limits: Limits) -> None:
        """Start it in a new folder in `place`; do not wait.

        Raises:
            OSError: the machine cannot start a process.
        """
        self.place = Path(tempfile.mkdtemp(prefix="standby-", dir=place))
        with ExitStack() as held:
            held.callback(remove, self.place)
            berth = Berth(self.place / "shown", self.place / "scratch", device, limits)
            berth.shown.mkdir()
            berth.scratch.mkdir(mode=0o700)
            self.process = held.enter_context(closing(TrialProcess(sandbox, berth, "standby", ())))
            self._held = held.pop_all()

    def suits(self, assignment: Assignment) -> bool:
        """Return whether it can become this trial's process."""
        berth, is_plain = self.process.berth, not assignment.profiled
        fits = (berth.device, berth.limits) == (assignment.device, assignment.limits)
        return is_plain and fits and self.process.tree.poll() is None

    def inner(self, assignment: Assignment) -> Assignment:
        """Return an assignment whose tree and scratch are where this process finds them.

        Raises:
            OSError: the tree cannot be put there.
        """
        berth = self.process.berth
        tree = berth.shown / "tree"
        link_tree(assignment.tree, tree)
        return replace(assignment, tree=tree, scratch=berth.scratch)

    def begin(self, inner: Assignment) -> TrialProcess:
        """Tell it its trial, and let it begin; return it."""
        order = {"tree": str(inner.tree), "entry": inner.entry, "device": inner.device}
        with suppress(OSError):  # it is gone: how it ended will be seen
            self.process.control.sendall(json.dumps(order).encode() + b"\n")
        return self.process

    def close(self) -> None:
        """Kill it; nothing is left of its folder."""
        self._held.close()
