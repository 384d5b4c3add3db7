"""The worker for projects without our session: it runs a person's own command as it is.

The command is a line for the shell, in a clean export of the commit, under the guard and in the
sandbox. There is no control channel: its exit code says how it ended. It may say more in lines of
JSON (docs/events.md): when start-up is over, and how its loss goes.
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from autoresearch.devices import HERE, DeviceTree
from autoresearch.process import Pipe, supervise
from autoresearch.records.text import safe_line
from autoresearch.records.training import Outcome, Point
from autoresearch.records.values import Ending
from autoresearch.sandbox import Sandbox
from autoresearch.workers.base import Assignment, PruneCheck, always, never_pruned
from autoresearch.workers.command_process import CommandProcess, CommandRun
from autoresearch.workers.command_trial import RunningCommand
from autoresearch.workers.compiled import CompileCache
from autoresearch.workers.hardware import hardware
from autoresearch.workers.meter import Meter
from autoresearch.workers.streams import LINE_BYTES

__all__ = ["CommandRun", "CommandWorker"]

_REST_SECONDS = 0.02


class CommandWorker:
    """Executes a project's command, one trial at a time."""

    def __init__(
        self,
        sandbox: Sandbox,
        run: CommandRun,
        *,
        now: Callable[[], float] = time.monotonic,
        patience: float = 1.0,
        compiled: CompileCache | None = None,
        tree: DeviceTree = HERE,
    ) -> None:
        """Build it; `run` is what to run, the others are as in `LocalWorker`."""
        self.name = "command"
        self._sandbox = sandbox
        self._run = run
        self._now = now
        self._patience = patience
        self._compiled = compiled
        self._tree = tree

    def prepare(self, place: Path) -> None:
        """Do nothing: a command starts itself what it needs."""

    def close(self) -> None:
        """Do nothing: nothing waits."""

    def train(
        self,
        assignment: Assignment,
        *,
        on_point: Callable[[Point], None],
        stop: Callable[[], bool],
        prune_check: PruneCheck = never_pruned,  # noqa: ARG002 - nothing is known of the way to a command's score
        at_rest: Callable[[], bool] = always,
    ) -> Outcome:
        """Return how the trial ended; see `Worker.train`."""
        while not at_rest() and not stop():
            time.sleep(_REST_SECONDS)
        if self._compiled is not None:
            self._compiled.seed(assignment.scratch)
        try:
            process = CommandProcess(self._sandbox, self._run, assignment)
        except OSError as fault:
            why = f"cannot start a trial: {fault.strerror or fault}"
            return Outcome(Ending.NOT_STARTED, safe_line(why))
        with closing(process):
            outcome = self._follow(assignment, process, on_point, stop)
        if self._compiled is not None and assignment.trusted and outcome.checkpoint:
            self._compiled.keep(assignment.scratch)
        limits, variables = assignment.limits, self._sandbox.access.variables
        ran_on = hardware(assignment.device, limits.threads, variables, tree=self._tree)
        return replace(outcome, hardware=ran_on)

    def _follow(
        self,
        assignment: Assignment,
        process: CommandProcess,
        on_point: Callable[[Point], None],
        stop: Callable[[], bool],
    ) -> Outcome:
        tree, limits = process.tree, assignment.limits
        meter = Meter(tree, process.usage_limits, assignment.budget, limits, self._now)
        trial = RunningCommand(assignment, self._run, tree, meter, on_point, self._patience)
        pipes = (
            Pipe(process.events, trial.take_events, LINE_BYTES),
            Pipe(process.log, trial.take_log),
        )
        supervise(
            tree,
            pipes,
            tick=lambda: trial.tick(stop=stop()),
            ended=meter.end,
            now=self._now,
        )
        return trial.outcome()
