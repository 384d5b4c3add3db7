"""The worker on this machine: one trial at a time, on the supervisor's clock."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from autoresearch.devices import HERE, DeviceTree
from autoresearch.errors import WorkerError
from autoresearch.process import Pipe, ResourceLimits, supervise
from autoresearch.records.text import safe_line
from autoresearch.records.training import Limits, Outcome, Point
from autoresearch.records.values import Ending, Trust
from autoresearch.runtime.session import MAX_FILES
from autoresearch.sandbox import Sandbox
from autoresearch.workers.base import Assignment, PruneCheck, always, never_pruned
from autoresearch.workers.compiled import CompileCache
from autoresearch.workers.hardware import hardware
from autoresearch.workers.meter import Meter
from autoresearch.workers.process import Berth, Standby, TrialProcess
from autoresearch.workers.streams import LINE_BYTES
from autoresearch.workers.trial import RunningTrial
from autoresearch.workers.warming import Warmer


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
        self._kind: tuple[str, Limits] | None = (
            None  # of trials that use PyTorch: device and limits
        )
        self._standby: Standby | None = None

    def train(
        self,
        assignment: Assignment,
        *,
        on_point: Callable[[Point], None],
        stop: Callable[[], bool],
        prune_check: PruneCheck = never_pruned,
        at_rest: Callable[[], bool] = always,
    ) -> Outcome:
        """Return how the trial ended; see `Worker.train`."""
        self._warmer.touch(assignment.train_files, stop)
        if len(assignment.train_files) > MAX_FILES:
            msg = f"the train split has more than {MAX_FILES} files: prepare the corpus again"
            raise WorkerError(msg)
        with self._place(assignment) as (inner, standby):
            if self._compiled is not None:
                self._compiled.seed(inner.scratch)
            outcome = self._run(inner, standby, on_point, stop, prune_check, at_rest)
            if outcome.timing.compiling is not None:  # so PyTorch was there
                self._kind = assignment.device, assignment.limits
            if self._compiled is not None and assignment.trusted and outcome.checkpoint:
                self._compiled.keep(inner.scratch)
            return _brought(outcome, assignment)

    def prepare(self, place: Path) -> None:
        """Start the next trial's process in a new folder in `place`; do not wait.

        Only where a sandbox stands between it and other trials, and once one of these trials has
        shown that they use PyTorch, which is what there is to load; where none can be started now,
        its trial starts one.
        """
        if self._standby is None and self._kind and self._sandbox.trust is Trust.SEALED:
            with suppress(OSError):
                self._standby = Standby(self._sandbox, place, *self._kind)

    def close(self) -> None:
        """End a process that waits. `prepare` may be called again."""
        standby, self._standby = self._standby, None
        if standby is not None:
            standby.close()

    @contextmanager
    def _place(self, assignment: Assignment) -> Iterator[tuple[Assignment, Standby | None]]:
        """Yield the assignment with its tree and scratch where its process is to find them.

        That is where a process waits, if one does that suits it; one that does not is ended, for
        nothing of another trial may be at work while the clock runs.
        """
        standby = self._standby
        if standby is None or not standby.suits(assignment):
            self.close()
            yield assignment, None
            return
        self._standby = None
        try:
            yield standby.inner(assignment), standby
        finally:
            standby.close()

    def _run(
        self,
        assignment: Assignment,
        standby: Standby | None,
        on_point: Callable[[Point], None],
        stop: Callable[[], bool],
        prune_check: PruneCheck,
        at_rest: Callable[[], bool],
    ) -> Outcome:
        """Start its process, or have the one that waits begin, and follow it to its end."""
        with ExitStack() as held:
            try:
                assignment.out.mkdir(mode=0o700)
                shards = [held.enter_context(path.open("rb", 0)) for path in assignment.train_files]
                if standby is None:
                    process = held.enter_context(closing(self._launch(assignment)))
                else:
                    process = standby.begin(assignment)
            except OSError as fault:
                why = f"cannot start a trial: {fault.strerror or fault}"
                return Outcome(Ending.NOT_STARTED, safe_line(why))
            tree, limits = process.tree, assignment.limits
            usage_limits = ResourceLimits(tree, limits, assignment.scratch)
            meter = Meter(tree, usage_limits, assignment.budget, limits, self._now)
            trial = RunningTrial(
                assignment, process, meter, shards, on_point, prune_check, at_rest, self._patience
            )
            supervise(
                tree,
                [
                    Pipe(process.control.fileno(), trial.take_control, LINE_BYTES),
                    Pipe(process.metrics, trial.take_metrics, LINE_BYTES),
                    Pipe(process.log, trial.take_log),
                ],
                tick=lambda: trial.tick(stop=stop()),
                ended=meter.end,
                now=self._now,
            )
            outcome, variables = trial.outcome(), self._sandbox.access.variables
            ran_on = hardware(assignment.device, limits.threads, variables, tree=self._tree)
            return replace(outcome, hardware=ran_on)

    def _launch(self, assignment: Assignment) -> TrialProcess:
        module = "profiler" if assignment.profiled else "launch"
        berth = Berth(assignment.tree, assignment.scratch, assignment.device, assignment.limits)
        arguments = (assignment.entry, assignment.device)
        return TrialProcess(self._sandbox, berth, module, arguments)


def _brought(outcome: Outcome, assignment: Assignment) -> Outcome:
    """Return the outcome with its checkpoint in the assignment's own folder."""
    checkpoint, own = outcome.checkpoint, assignment.scratch / "checkpoint"
    if checkpoint is None or checkpoint == own:
        return outcome
    return replace(outcome, checkpoint=checkpoint.rename(own))
