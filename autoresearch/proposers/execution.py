"""One run of a command under the guard: told something on stdin, its output kept, its end forced.

However much it prints, what is kept is bounded and it never waits for us to read. When `run`
returns, nobody of its process tree is alive, whoever daemonised included (see
`autoresearch.process` for what that rests on).
"""

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from autoresearch.process import Confined, Exit, Guarded, Pipe, launch, signal_name, supervise
from autoresearch.records.training import Limits

_PATIENCE_SECONDS = 0.5  # between the interrupt, the termination and the kill


@dataclass(frozen=True)
class ProgramResult:
    """How a run went. `late`: its time was up; `stopped`: we were asked to end it.

    `out` and `error` are the ends of its stdout and stderr; they may hold anything.
    """

    exit: Exit
    late: bool
    stopped: bool
    out: str
    error: str

    @property
    def oddity(self) -> str:
        """How it ended, where that was not with exit status 0; else empty."""
        if self.exit.signal is not None:
            return f"ended by {signal_name(self.exit.signal)}"
        if self.exit.code is None:
            return "killed along with its guard"
        return f"exit status {self.exit.code}" if self.exit.code else ""


class _Tail:
    """The last bytes of a stream, `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = max(limit, 1)
        self._kept = bytearray()

    def write(self, data: bytes) -> None:
        self._kept += data
        if len(self._kept) > 2 * self._limit:  # not at every write: a shift of it all is dear
            del self._kept[: -self._limit]

    def text(self) -> str:
        return self._kept[-self._limit :].decode("utf-8", "replace")


def run(
    argv: Sequence[str] | Confined,
    *,
    cwd: Path,
    environment: Mapping[str, str],
    told: str,
    timeout: float,
    limits: Limits,
    stop: Callable[[], bool],
    now: Callable[[], float] = time.monotonic,
) -> ProgramResult:
    """Run a command to its end and return how it went.

    Args:
        argv: the command, as it is or as a sandbox made it.
        cwd: its working directory.
        environment: its whole environment.
        told: what it reads on standard input.
        timeout: seconds until its tree is ended.
        limits: of these, the largest file it may write and how much of each stream is kept.
        stop: whether it should end at once; asked some twenty times a second.
        now: the clock, in seconds.

    Raises:
        OSError: it cannot be started at all, for example since `cwd` is gone.
    """
    out, error = _Tail(limits.log), _Tail(limits.log)
    with ExitStack() as held:
        given = held.enter_context(tempfile.TemporaryFile())
        given.write(told.encode("utf-8", "replace"))
        given.seek(0)
        with ExitStack() as theirs:
            (out_end, outs), (error_end, errors) = (_pipe(held, theirs) for _ in range(2))
            tree = launch(
                argv, cwd=cwd, env=environment, stdin=given.fileno(),
                stdout=outs, stderr=errors, file_size=limits.file_size,
            )  # fmt: skip
            held.enter_context(tree)
        deadline = now() + timeout
        watch = _Watch(tree, lambda: now() >= deadline, stop)
        pipes = [Pipe(out_end, out.write), Pipe(error_end, error.write)]
        supervise(tree, pipes, tick=watch.tick, ended=lambda: None)
        return ProgramResult(tree.kill(), watch.late, watch.stopped, out.text(), error.text())


def _pipe(ours: ExitStack, theirs: ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for stack, end in zip((ours, theirs), ends, strict=True):
        stack.callback(os.close, end)
    return ends


@dataclass
class _Watch:
    """Ends a tree that is late, or that is to stop."""

    tree: Guarded
    is_late: Callable[[], bool]
    is_stopped: Callable[[], bool]
    late: bool = False
    stopped: bool = False

    def tick(self) -> None:
        self.late, self.stopped = self.is_late(), self.is_stopped()
        if self.late or self.stopped:
            self.tree.stop(_PATIENCE_SECONDS)
