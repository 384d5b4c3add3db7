"""Scores by a fixed program of the project's, on data that no trial could read."""

import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from autoresearch.config import MetricSettings
from autoresearch.errors import EvaluationError, Interrupted
from autoresearch.evaluation.own_metric import OwnMetricScorer, RawMetric
from autoresearch.evaluation.parsing import numbers, parse_object
from autoresearch.evaluation.rules import Cause, NoScore
from autoresearch.process import Breach, ProcessResult, remove, run
from autoresearch.records.text import safe_line
from autoresearch.records.training import Limits
from autoresearch.records.values import Trust
from autoresearch.runtime import evaluate
from autoresearch.sandbox import Sandbox
from autoresearch.sandbox.data import OUT_VARIABLE, DataLink, place, strip

SPLIT_VARIABLE = "AUTORESEARCH_SPLIT"
VAL, TEST = "val", "test"
_KEPT_BYTES = 8 * 2**20  # of what it prints
_RUNNER = Path(evaluate.__file__)  # every sandbox shows it


def doubt(
    sandbox: Sandbox, data: Sequence[DataLink], *, network: bool = False, imports: str = ""
) -> str:
    """Return why scores of an evaluator are not `evaluated`, and what to do; "" where they are.

    They are if a sandbox keeps the data from trials, nothing that reads the data can send it away,
    and no code of the trial runs in the evaluator: `imports` is the editable file that it imports,
    if any; see `runs_editable`.
    """
    if imports:
        return f"the evaluator runs {imports}, which proposals may change"
    if not data:
        return "nothing is held out from trials: name it in [data] held_out"
    if network:
        return "a trial may send away what it read: [sandbox] network is true"
    sealed = sandbox.trust is Trust.SEALED
    return "" if sealed else "no sandbox here keeps trials from what is held out"


class ProgramScorer(OwnMetricScorer):
    """Runs the project's evaluator on what a trial left, in a sandbox of its own.

    It reads a fresh export of the commit, the data and the trial's output, and writes nothing but a
    private folder (HOME and TMPDIR). One JSON object on its standard output is the score; its
    standard error is a log, whose last line is shown where it fails.

    What a trial left is hostile, and so may the evaluator become: unpickling a file of the trial's,
    or importing its code, lets that print any score. Nothing of it is opened here, and none of it
    gets out of the sandbox.
    """

    def __init__(
        self,
        settings: MetricSettings,
        *,
        sandbox: Sandbox,
        limits: Limits,
        timeout: float,
        data: Sequence[DataLink],
        shown: Sequence[DataLink] = (),
        hidden: Sequence[str] = (),
        split: str = VAL,
        device: str = "cpu",
        python: str = sys.executable,
        network: bool = False,
        trust: Trust | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Build it.

        Args:
            settings: with the `evaluator`, a path in the project.
            sandbox: what it runs in; it must not hide `data`.
            limits: of its process tree.
            timeout: seconds that it may take.
            data: what the split is scored on, by its path in the person's folder; the evaluator
                finds it at the same path.
            shown: what else of the person's it finds in its tree or home: what trials are shown,
                such as the packages of `python`.
            hidden: globs of what is held out, of both splits: nothing in the commit stands in for
                `data`, and it has nothing of the other split.
            split: the value of AUTORESEARCH_SPLIT in its environment: VAL, or TEST at `promote`.
            device: what it computes on.
            python: the interpreter that runs it.
            network: let it use the network.
            trust: what the score carries, where that is less than `doubt` leaves.
            stop: asked often; true ends a scoring as Interrupted.
        """
        doubted = doubt(sandbox, data, network=network)
        super().__init__(settings, trust or (Trust.UNSEALED if doubted else Trust.EVALUATED))
        self._sandbox = sandbox
        self._limits = limits
        self._timeout = timeout
        self._shown = (*data, *shown)
        self._hidden = tuple(hidden)
        self._split = split
        self._device = device
        self._python = python
        self._network = network
        self._stop = stop

    def _read(self, tree: Path, checkpoint: Path, scratch: Path) -> RawMetric:
        name = safe_line(self._settings.evaluator, 80)
        if not (tree / self._settings.evaluator).is_file():
            msg = f"[metric] evaluator: {name} is not in the commit: write it, and commit it"
            raise EvaluationError(msg)
        scratch_dir = Path(tempfile.mkdtemp(prefix="evaluation-", dir=scratch))
        try:
            strip(tree, self._hidden)
            place(self._shown, tree, scratch_dir)
            ran = self._run(tree, checkpoint / "out", scratch_dir)
        finally:
            remove(scratch_dir)
        _require_success(ran, name, self._timeout, self._limits)
        if len(ran.answer) >= _KEPT_BYTES:
            reason = f"{name} printed more than {_KEPT_BYTES // 2**20} MiB"
            raise NoScore(Cause.METRIC, reason)
        values = parse_object(ran.answer.decode("utf-8", "replace"), f"what {name} printed")
        rest = {key: each for key, each in values.items() if key not in ("score", "units")}
        what = f"the score that {name} printed"
        return RawMetric(what, values.get("score"), values.get("units"), numbers(rest))

    def _run(self, tree: Path, out: Path, scratch: Path) -> ProcessResult:
        argv = [self._python, str(_RUNNER), self._settings.evaluator]
        sources = [each.source for each in self._shown]
        variables = {OUT_VARIABLE: str(out), SPLIT_VARIABLE: self._split}
        return run(
            self._sandbox.command(
                argv,
                readable=[tree, out, *sources],
                writable=[scratch],
                limits=self._limits,
                network=self._network,
                devices=self._device != "cpu",
            ),
            cwd=tree,
            env={**self._sandbox.environment(scratch, self._limits), **variables},
            limits=self._limits,
            timeout=self._timeout,
            stop=self._stop,
            scratch=scratch,
            kept=_KEPT_BYTES,
        )


def _require_success(ran: ProcessResult, name: str, timeout: float, limits: Limits) -> None:
    """Check that an evaluator ended by itself, and with exit code 0.

    Raises:
        NoScore: it did not.
        Interrupted: the run is to stop.
    """
    if ran.breach is Breach.STOPPED:
        msg = "stopped by the person or the deadline"
        raise Interrupted(msg)
    if ran.breach is Breach.TIME:
        raise NoScore(Cause.TIMEOUT, f"{name} did not end within {timeout:g} s")
    if ran.breach is Breach.MEMORY:
        raise NoScore(Cause.MEMORY, f"{name} took more than {limits.memory / 2**30:.3g} GiB")
    if ran.breach is Breach.USAGE:
        raise NoScore(Cause.LIMIT, f"{name} {ran.excess}")
    if ran.exit.signal is not None and ran.exhausted:
        reason = f"the system ran out of memory, and killed {name}"
        raise NoScore(Cause.MEMORY, reason)
    if ran.exit.signal is not None:
        how = signal.strsignal(ran.exit.signal) or f"signal {ran.exit.signal}"
        raise NoScore(Cause.DEATH, f"{name} was killed: {how}")
    if ran.exit.code is None:
        raise NoScore(Cause.DEATH, f"the guard of {name} was killed, and it with it")
    if ran.exit.code == evaluate.OUT_OF_MEMORY:
        raise NoScore(Cause.MEMORY, f"{name} ran out of memory{_log_end(ran)}")
    if ran.exit.code:
        raise NoScore(
            Cause.EXCEPTION, f"{name} ended with exit code {ran.exit.code}{_log_end(ran)}"
        )


def _log_end(ran: ProcessResult) -> str:
    """Return a colon and the last line of its log, to end a message with; empty without a log."""
    rows = ran.log.decode("utf-8", "backslashreplace").strip().splitlines()
    return f": {safe_line(rows[-1], 160)}" if rows else ""
