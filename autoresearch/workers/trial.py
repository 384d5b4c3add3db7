"""The supervisor's half of the session with one running trial, and the judgement of its end."""

import json
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from autoresearch.process import Exit
from autoresearch.records.text import safe_reason, safe_text
from autoresearch.records.training import Outcome, Point, ProfileRow, Timing
from autoresearch.records.values import Ending, FailureKind
from autoresearch.runtime.session import MAX_METRIC_BYTES
from autoresearch.workers.base import Assignment, PruneCheck
from autoresearch.workers.checkpoint import BadCheckpointError, copy_checkpoint
from autoresearch.workers.exits import OOM_KILLED, Failed, failure_of
from autoresearch.workers.meter import Meter
from autoresearch.workers.process import TrialProcess
from autoresearch.workers.streams import (
    MAX_CONTROL_BYTES,
    CappedLog,
    Curve,
    Facts,
    Lines,
    parse_control,
    parse_metric,
    parse_profile,
    real,
)

TRACEBACK_LINES = 40
_KINDS = {
    "nan": Ending.NAN, "out of memory": Ending.OUT_OF_MEMORY, "no device": Ending.NOT_STARTED,
}  # fmt: skip
_SHARED = "</torch_"  # how PyTorch names what its processes share, in messages that do not say so


class RunningTrial:
    """One trial from hello to outcome. The first ending that is decided stays."""

    def __init__(
        self,
        assignment: Assignment,
        process: TrialProcess,
        meter: Meter,
        shards: Sequence[IO[bytes]],
        on_point: Callable[[Point], None],
        prune_check: PruneCheck,
        at_rest: Callable[[], bool],
        patience: float,
    ) -> None:
        self._assignment = assignment
        self._tree = process.tree
        self._meter = meter
        self._control = process.control
        self._shards = shards
        self._on_point = on_point
        self._pruning = prune_check
        self._at_rest = at_rest
        self._is_ready = False  # it has said `start`
        self._patience = patience
        self._messages = Lines(MAX_CONTROL_BYTES)
        self._metrics = Lines(MAX_METRIC_BYTES)
        self._log = CappedLog(assignment.limits.log)
        self._curve = Curve()
        self._facts = Facts()
        self._profile: tuple[ProfileRow, ...] = ()
        self._digests: Mapping[str, str] | None = None
        self._failure: Mapping[str, object] = {}
        self._compiling: float | None = None
        self._ended: Failed | None = None
        self._tell(
            seed=assignment.seed,
            budget=assignment.budget.training,
            clock=str(assignment.budget.clock),
            device=assignment.device,
            out=str(assignment.out),
            metrics_fd=process.metrics_fd,
        )

    def take_log(self, data: bytes) -> None:
        """Take what it printed."""
        self._log.write(data)

    def take_control(self, data: bytes) -> None:
        """Take what it says of its course."""
        for line in self._messages.feed(data):
            self._heed(line)

    def take_metrics(self, data: bytes) -> None:
        """Take points of its curve."""
        point = None
        for line in self._metrics.feed(data):
            found = parse_metric(line) if self._meter.started else None
            if found:
                point = found
                self._curve.add(point)
                self._give_up(self._pruning(point))
        if point:  # the last of a burst: who looks on must not be the brake
            self._on_point(point)

    def tick(self, *, stop: bool) -> None:
        """Look at the clocks and the memory; end the trial where a limit is passed."""
        self._begin_if_at_rest()
        if stop:
            self._end(Failed(Ending.INTERRUPTED, "stopped by the person or the deadline"))
        elif failed := self._meter.overdue():
            self._end(failed)
        elif failed := self._meter.overweight():
            self._kill(failed)

    def outcome(self) -> Outcome:
        """Return how it ended, the checkpoint taken if it finished; when no process is left."""
        exit_ = self._tree.kill()
        checkpoint = self._judge(exit_)
        ended = self._ended or Failed(Ending.FINISHED, "")
        return Outcome(
            ending=ended.ending,
            detail=safe_reason(ended.detail),
            failure=ended.failure,
            doubtful=ended.doubtful,
            traceback=safe_text(str(self._failure.get("traceback", "")), lines=TRACEBACK_LINES),
            checkpoint=checkpoint,
            curve=self._curve.points(),
            log=self._log.read(),
            timing=self._timing(),
            peak_memory=self._peak_memory(),
            # After a finish the signal is ours: it says nothing about the trial.
            exit_code=exit_.code if checkpoint is None else None,
            signal=exit_.signal if checkpoint is None else None,
            facts=self._facts.values(),
            profile=self._profile,
        )

    def _give_up(self, reason: str | None) -> None:
        # Whoever has handed in its checkpoint, or has failed, is through: no time is left to save.
        if reason and not (self._ended or self._digests is not None or self._failure):
            self._kill(Failed(Ending.PRUNED, reason))

    def _heed(self, line: bytes) -> None:
        message = parse_control(line)
        if message is None or self._ended is not None or self._digests is not None:
            return
        event = message["event"]
        if event == "start" and not self._is_ready:
            self._compiling = real(message.get("compile_seconds"))
            self._is_ready = True
            self._begin_if_at_rest()
        elif event == "finish":
            self._finish(message.get("files"))
        elif event == "failed":
            self._failure = message
        elif event == "facts":
            self._facts.update(message.get("values"))
        elif event == "profile" and self._assignment.profiled:
            self._profile = parse_profile(message.get("rows"))

    def _begin_if_at_rest(self) -> None:
        if self._is_ready and not self._meter.started and not self._ended and self._at_rest():
            self._hand_over()

    def _hand_over(self) -> None:
        # The clock first, the data second: what comes before the clock cannot have seen data.
        self._meter.start()
        self._tell(
            [each.fileno() for each in self._shards],
            event="data",
            names=[path.name for path in self._assignment.train_files],
            token_bytes=self._assignment.token_bytes,
        )

    def _tell(self, descriptors: Sequence[int] = (), **message: object) -> None:
        line = json.dumps(message).encode() + b"\n"
        with suppress(OSError):  # it is gone, or reads nothing: how it ends will be seen
            sent = socket.send_fds(self._control, [line], descriptors) if descriptors else 0
            self._control.sendall(line[sent:])

    def _finish(self, files: object) -> None:
        if not self._meter.started:
            told = "handed in a checkpoint before start(): nothing trained"
            self._kill(Failed(Ending.NO_FINISH, told))
            return
        self._meter.freeze()
        self._meter.weigh()
        found = files if isinstance(files, dict) else {}
        self._digests = {str(name): str(digest) for name, digest in found.items()}
        if late := self._meter.late():
            self._decide(late)
        self._tree.kill()

    def _end(self, failed: Failed) -> None:
        """End the trial with patience: its last words (where it hung) belong in the log."""
        self._meter.freeze()
        self._decide(failed)
        self._tree.stop(self._patience)

    def _kill(self, failed: Failed) -> None:
        self._meter.freeze()
        self._decide(failed)
        self._tree.kill()

    def _decide(self, failed: Failed) -> None:
        self._ended = self._ended or failed

    def _judge(self, exit_: Exit) -> Path | None:
        """Decide the ending if nothing has yet; return the checkpoint of a finished trial."""
        if self._ended is None and self._digests is not None:
            return self._take(self._digests)
        if self._failure:
            self._decide(self._blamed(str(self._failure.get("kind"))))
        elif exit_.code == 0:
            self._decide(Failed(Ending.NO_FINISH, "exited without handing in a checkpoint"))
        else:
            oom = self._tree.ran_out_of_memory
            self._decide(failure_of(exit_, ran_out_of_memory=oom))
        return None

    def _blamed(self, kind: str) -> Failed:
        """Return how it failed by what it said of it itself; see `runtime.launch.kind_of`."""
        ending = _KINDS.get(kind, Ending.EXCEPTION)
        said = f"{self._failure.get('type')}: {self._failure.get('message')}"
        if _SHARED in said and "shared memory" not in said:
            said += " (a file in shared memory: smaller batches, or no loader workers)"
        if kind == "doubtful" and self._tree.ran_out_of_memory:  # a process of a loader's, say
            ending, said = Ending.OUT_OF_MEMORY, f"{said} ({OOM_KILLED})"
        fault = FailureKind.MACHINE if kind == "machine" else None
        doubtful = kind in ("machine", "doubtful", "out of memory", "no device")
        return Failed(ending, said.removeprefix(": "), fault, doubtful=doubtful)

    def _take(self, digests: Mapping[str, str]) -> Path | None:
        destination = self._assignment.scratch / "checkpoint"
        limit = self._assignment.limits.file_size
        try:
            return copy_checkpoint(self._assignment.out, digests, destination, limit=limit)
        except BadCheckpointError as fault:
            self._decide(Failed(Ending.BAD_CHECKPOINT, str(fault)))
        except OSError as fault:
            why = f"it cannot be copied: {fault.strerror}"
            self._decide(Failed(Ending.BAD_CHECKPOINT, why, FailureKind.MACHINE, doubtful=True))
        return None

    def _timing(self) -> Timing:
        timing, told = self._meter.timing(), self._compiling
        if told is None:
            return timing
        return replace(timing, compiling=min(max(told, 0.0), timing.startup))

    def _peak_memory(self) -> int:
        """Return the peak in bytes: the device's own, as the trial says, where there is one."""
        claimed = self._facts.values().get("peak_vram_bytes")
        on_device = self._assignment.device != "cpu" and type(claimed) is int and claimed > 0
        return claimed if on_device and isinstance(claimed, int) else self._meter.peak
