"""One trial of a project's own command, from its start to its outcome."""

from collections.abc import Callable
from pathlib import Path

from autoresearch.process import Exit, Guarded
from autoresearch.records.text import safe_reason, safe_text
from autoresearch.records.training import Outcome, Point
from autoresearch.records.values import Ending, FailureKind
from autoresearch.workers.artifacts import take_artifacts
from autoresearch.workers.base import Assignment
from autoresearch.workers.checkpoint import BadCheckpointError
from autoresearch.workers.command_process import CommandRun
from autoresearch.workers.exits import Failed, failure_of
from autoresearch.workers.meter import Meter
from autoresearch.workers.streams import CappedLog, Curve, Lines, parse_control, parse_step
from autoresearch.workers.trial import TRACEBACK_LINES

MAX_EVENT_BYTES = 4096
# What a canary lives through, if it does not end before: so many seconds, and this part of the cap.
CANARY_SECONDS, CANARY_SHARE = 60.0, 5
_SIGNALLED = 128  # a shell's exit code for a command that died by a signal is so much above it
_WELL = Failed(Ending.FINISHED, "")


class RunningCommand:
    """A command at work."""

    def __init__(
        self,
        assignment: Assignment,
        run: CommandRun,
        tree: Guarded,
        meter: Meter,
        on_point: Callable[[Point], None],
        patience: float,
    ) -> None:
        self._assignment = assignment
        self._run = run
        self._tree = tree
        self._meter = meter
        self._on_point = on_point
        self._patience = patience
        self._events = Lines(MAX_EVENT_BYTES)
        self._log = CappedLog(assignment.limits.log)
        self._curve = Curve()
        self._told_start = False
        self._ended: Failed | None = None
        meter.start()  # all of it counts as training, unless it says where that begins

    def take_log(self, data: bytes) -> None:
        """Take what it printed."""
        self._log.write(data)

    def take_events(self, data: bytes) -> None:
        """Take what it says of its training."""
        point = None
        for line in self._events.feed(data):
            point = self._heed(line) or point
        if point:  # the last of a burst: who looks on must not be the brake
            self._on_point(point)

    def tick(self, *, stop: bool) -> None:
        """Look at the clock and at what it uses; end it where a limit is passed."""
        total, age = self._run.total, self._meter.age
        hung = f"did not end within {total:g} s ([training] total)"
        if stop:
            told = "stopped by the person or the deadline"
            self._end(Failed(Ending.INTERRUPTED, told), self._patience)
        elif failed := self._meter.outlasted(total, Ending.HANG, hung):
            self._end(failed, self._patience)
        elif self._assignment.canary and age > max(CANARY_SECONDS, total / CANARY_SHARE):
            self._end(_WELL, 0.0)
        elif failed := self._meter.overweight():
            self._end(failed, 0.0)

    def outcome(self) -> Outcome:
        """Return how it ended, with what it left if it ended well; when no process is left."""
        exit_ = _unshelled(self._tree.kill())
        ended = self._ended or self._judge(exit_)
        checkpoint = None
        if ended is None:
            checkpoint, ended = self._take()
        log, failed = self._log.read(), ended is not _WELL
        return Outcome(
            ending=ended.ending,
            detail=safe_reason(ended.detail),
            failure=ended.failure,
            doubtful=ended.doubtful,
            traceback=safe_text(log, lines=TRACEBACK_LINES) if failed else "",
            checkpoint=checkpoint,
            curve=self._curve.points(),
            log=log,
            timing=self._meter.timing(),
            peak_memory=self._meter.peak,
            exit_code=exit_.code if failed else None,
            signal=exit_.signal if failed else None,
        )

    def _heed(self, line: bytes) -> Point | None:
        event = parse_control(line) or {}
        if event.get("event") == "start" and not self._told_start:
            self._told_start = True
            self._meter.start()
        if event.get("event") != "step":
            return None
        progress = min(self._meter.age / self._run.total, 1.0)
        point = parse_step(event, progress=progress, seconds=self._meter.spent())
        if point:
            self._curve.add(point)
        return point

    def _end(self, ended: Failed, patience: float) -> None:
        """End it; where it hung, its last words belong in the log, for which it has some time."""
        self._meter.freeze()
        self._ended = ended
        self._tree.stop(patience)

    def _judge(self, exit_: Exit) -> Failed | None:
        """Return how it failed by its exit; None where it did not."""
        if exit_.code == 0:
            return None
        failed = failure_of(exit_, ran_out_of_memory=self._tree.ran_out_of_memory)
        if failed.ending is not Ending.EXCEPTION:
            return failed
        last = safe_text(self._log.read(), lines=1)
        told = f"{failed.detail}: {last}" if last else failed.detail
        return Failed(failed.ending, told, failed.failure, doubtful=failed.doubtful)

    def _take(self) -> tuple[Path | None, Failed]:
        try:
            return take_artifacts(self._assignment, self._run.collect, self._log.read()), _WELL
        except BadCheckpointError as fault:
            return None, Failed(Ending.BAD_CHECKPOINT, str(fault))
        except OSError as fault:
            why = f"what it left cannot be kept: {fault.strerror}"
            return None, Failed(Ending.BAD_CHECKPOINT, why, FailureKind.MACHINE, doubtful=True)


def _unshelled(exit_: Exit) -> Exit:
    """Return an exit by signal where a shell tells of one."""
    told = (exit_.code or 0) - _SIGNALLED
    return Exit(None, told) if 0 < told < 65 else exit_
