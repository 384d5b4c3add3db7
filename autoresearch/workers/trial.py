"""What the supervisor knows and does about one running trial."""

import json
import os
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from autoresearch.process import Exit, Guarded
from autoresearch.records.text import safe_line, safe_text
from autoresearch.records.values import Clock, Ending, Outcome, Point, Timing
from autoresearch.runtime.session import MAX_METRIC_BYTES
from autoresearch.workers.base import Assignment
from autoresearch.workers.checkpoint import BadCheckpointError, take
from autoresearch.workers.streams import (
    MAX_CONTROL_BYTES,
    CappedLog,
    Curve,
    Lines,
    parse_control,
    parse_metric,
)

PATIENCE_SECONDS = 2.0
MEMORY_POLL_SECONDS = 0.25
TRACEBACK_LINES = 40
MAX_FACTS = 200


class RunningTrial:
    """One trial from hello to outcome. The first ending that is decided stays."""

    def __init__(
        self,
        assignment: Assignment,
        tree: Guarded,
        control: socket.socket,
        on_point: Callable[[Point], None],
        now: Callable[[], float],
    ) -> None:
        self._assignment = assignment
        self._tree = tree
        self._control = control
        self._on_point = on_point
        self._now = now
        self._feeds = {
            "control": (Lines(MAX_CONTROL_BYTES), self._on_control),
            "metrics": (Lines(MAX_METRIC_BYTES), self._on_metric),
        }
        self._log = CappedLog(assignment.limits.log)
        self._curve = Curve()
        self._born = now()
        self._started: float | None = None
        self._started_wall = 0.0
        self._spent: float | None = None
        self._digests: Mapping[str, str] | None = None
        self._failure: Mapping[str, object] = {}
        self._facts: dict[str, float | int | str | bool] = {}
        self._ending: Ending | None = None
        self._detail = ""
        self._peak = 0
        self._polled = 0.0
        self._total = 0.0

    def hello(self, metrics_fd: int) -> None:
        """Tell the trial its seed, its budget, its device and where its checkpoint goes."""
        self._send(
            {
                "seed": self._assignment.seed,
                "budget": self._assignment.budget.training,
                "clock": str(self._assignment.budget.clock),
                "device": self._assignment.device,
                "out": str(self._out),
                "metrics_fd": metrics_fd,
            }
        )

    def feed(self, stream: str, data: bytes) -> None:
        """Take what came down a stream."""
        if stream == "log":
            self._log.write(data)
            return
        lines, act = self._feeds[stream]
        for line in lines.feed(data):
            act(line)

    def tick(self, *, stop: bool) -> None:
        """Look at the clocks and the memory; end the trial where a limit is passed."""
        budget = self._assignment.budget
        if stop:
            self._end(Ending.INTERRUPTED, "stopped by the person or the deadline")
        elif self._digests is not None:
            self._tree.kill()
        elif self._started is None:
            if self._now() - self._born > budget.startup:
                self._end(Ending.START_TIMEOUT, f"no start within {budget.startup:g} s")
        elif self._training() > budget.training + budget.grace:
            self._end(Ending.HANG, f"did not finish within {budget.training:g} s of training")
        elif self._now() - self._started_wall > budget.wall_limit:
            self._end(Ending.HANG, f"did not finish within {budget.wall_limit:g} s of wall time")
        self._poll_memory()

    def ended(self) -> None:
        """Note that no process of the trial is left."""
        self._total = self._now() - self._born

    def outcome(self) -> Outcome:
        """Return how it ended, the checkpoint taken if it finished."""
        exit_ = self._tree.kill()
        checkpoint = self._judge(exit_)
        return Outcome(
            ending=self._ending or Ending.FINISHED,
            detail=safe_line(self._detail),
            traceback=safe_text(str(self._failure.get("traceback", "")), lines=TRACEBACK_LINES),
            checkpoint=checkpoint,
            curve=self._curve.points(),
            log=self._log.read(),
            timing=self._timing(),
            peak_memory=self._peak_memory(),
            exit_code=exit_.code,
            signal=exit_.signal,
            facts=dict(self._facts),
        )

    @property
    def _out(self) -> Path:
        return self._assignment.scratch / "out"

    def _on_control(self, line: bytes) -> None:
        message = parse_control(line) or {}
        event = message.get("event")
        if event == "start" and self._started is None:
            self._hand_over()
        elif event == "finish" and self._digests is None and self._started is not None:
            self._finish(message.get("files"))
        elif event == "failed":
            self._failure = message
        elif event == "facts":
            self._keep_facts(message.get("values"))

    def _on_metric(self, line: bytes) -> None:
        if self._started is not None and (point := parse_metric(line)):
            self._curve.add(point)
            self._on_point(point)

    def _hand_over(self) -> None:
        # The clock first, the data second: what comes before the clock cannot have seen data.
        self._started_wall = self._now()
        self._started = self._clock()
        files = self._assignment.train_files
        message = {
            "event": "data",
            "names": [path.name for path in files],
            "token_bytes": self._assignment.token_bytes,
        }
        descriptors = [os.open(path, os.O_RDONLY) for path in files]
        try:
            line = json.dumps(message).encode() + b"\n"
            sent = socket.send_fds(self._control, [line], descriptors)
            self._control.sendall(line[sent:])
        except OSError:
            return  # it is gone already; its exit says how
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _finish(self, files: object) -> None:
        self._spent = self._training()
        found = files if isinstance(files, dict) else {}
        self._digests = {str(name): str(digest) for name, digest in found.items()}
        budget = self._assignment.budget
        if self._spent > budget.training + budget.grace:
            over = self._spent - budget.training
            self._decide(Ending.LATE, f"finished {over:.1f} s after its budget")

    def _keep_facts(self, values: object) -> None:
        if isinstance(values, dict) and len(values) <= MAX_FACTS:
            for name, value in values.items():
                plain = isinstance(value, bool | int | float) and abs(value) < 2**62
                kept = value if plain else safe_line(str(value))
                self._facts[safe_line(str(name), 60)] = kept

    def _poll_memory(self) -> None:
        if self._now() - self._polled < MEMORY_POLL_SECONDS:
            return
        self._polled = self._now()
        self._peak = max(self._peak, self._tree.resident())
        if self._peak > self._assignment.limits.memory:
            limit = self._assignment.limits.memory / 2**30
            self._decide(Ending.OUT_OF_MEMORY, f"used more than {limit:g} GiB")
            self._tree.kill()

    def _end(self, ending: Ending, detail: str) -> None:
        self._spent = self._training() if self._started is not None else None
        self._decide(ending, detail)
        self._tree.stop(PATIENCE_SECONDS)

    def _decide(self, ending: Ending, detail: str) -> None:
        if self._ending is None:
            self._ending, self._detail = ending, detail

    def _judge(self, exit_: Exit) -> Path | None:
        """Decide the ending if nothing has yet; return the checkpoint of a finished trial."""
        if self._ending is None and self._digests is not None:
            return self._take()
        if self._ending is None and self._failure:
            kinds = {"nan": Ending.NAN, "out of memory": Ending.OUT_OF_MEMORY}
            kind = kinds.get(str(self._failure.get("kind")), Ending.EXCEPTION)
            self._decide(kind, f"{self._failure.get('type')}: {self._failure.get('message')}")
        elif self._ending is None and exit_.signal is not None:
            self._decide(Ending.SIGNAL, f"died by {_signal_name(exit_.signal)}")
        elif self._ending is None and exit_.code == 0:
            self._decide(Ending.NO_FINISH, "exited without handing in a checkpoint")
        elif self._ending is None:
            self._decide(Ending.EXCEPTION, f"exited with code {exit_.code}")
        return None

    def _take(self) -> Path | None:
        try:
            return take(
                self._out,
                self._digests or {},
                self._assignment.scratch / "checkpoint",
                limit=self._assignment.limits.file_size,
            )
        except (BadCheckpointError, OSError) as fault:
            self._decide(Ending.BAD_CHECKPOINT, str(fault))
            return None

    def _training(self) -> float:
        return 0.0 if self._started is None else self._clock() - self._started

    def _clock(self) -> float:
        on_cpu = self._assignment.budget.clock is Clock.CPU
        return self._tree.cpu_seconds() if on_cpu else self._now()

    def _timing(self) -> Timing:
        waited = self._started_wall if self._started is not None else self._now()
        spent = self._spent if self._spent is not None else self._training()
        return Timing(startup=waited - self._born, training=spent, total=self._total)

    def _peak_memory(self) -> int:
        on_device = self._facts.get("peak_vram_bytes")
        return int(on_device) if isinstance(on_device, int) and on_device > 0 else self._peak

    def _send(self, message: Mapping[str, object]) -> None:
        try:
            self._control.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            return  # it is gone already; its exit says how


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
