"""One untrusted process under a clock and its limits, and what it says of itself."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from autoresearch.process.confined import Confined
from autoresearch.process.guarded import Exit, Guarded, launch
from autoresearch.process.resource_limits import ResourceLimits
from autoresearch.process.starvation import CoreWaits
from autoresearch.process.supervising import Pipe, open_pipe, supervise
from autoresearch.records.training import Limits

_KEPT_BYTES = 2**17  # of an answer or a log, at its end


class Breach(Enum):
    """Why a process was ended by us. USAGE: it ran too many processes, or wrote too much."""

    TIME = "time"
    MEMORY = "memory"
    USAGE = "usage"
    STOPPED = "stopped"


PATIENCE = {Breach.TIME: 5.0}  # seconds, in which it may say where it hung


@dataclass(frozen=True)
class ProcessResult:
    """How it went: `answer` and `log` are the ends of what it wrote (hostile), `seconds` wall.

    `starved` are those of these seconds in which it was kept from the cores; see `CoreWaits`.
    `exhausted`: meanwhile the system killed processes for want of memory, its children perhaps.
    `excess` says in words what a breach of USAGE was.
    """

    exit: Exit
    breach: Breach | None
    answer: bytes
    log: bytes
    seconds: float
    starved: float = 0.0
    exhausted: bool = False
    excess: str = ""


def run(
    command: Sequence[str] | Confined,
    *,
    cwd: Path,
    env: Mapping[str, str],
    limits: Limits,
    timeout: float,
    stop: Callable[[], bool],
    told: bytes = b"",
    answer_variable: str = "",
    scratch: Path | None = None,
    kept: int = _KEPT_BYTES,
    patience: Mapping[Breach, float] = PATIENCE,
    now: Callable[[], float] = time.monotonic,
) -> ProcessResult:
    """Run a command to its end, or end it; nothing of it is alive afterwards.

    Args:
        command: its arguments.
        cwd: its working directory.
        env: its whole environment.
        limits: of these, memory and file size, in bytes; with `scratch` also processes and disk.
        timeout: in wall seconds.
        stop: asked often; true ends it.
        told: what it reads on standard input.
        answer_variable: names the environment variable that tells it the descriptor that its
            answer goes to; its log is then both standard streams. Where it is empty the answer is
            its standard output, and the log its standard error.
        scratch: the folder whose size and number of files are watched, if any is.
        kept: bytes of its answer and of its log that are kept at least, where there are so many.
        patience: after which breaches it is asked to end, and the seconds between interrupt,
            termination and kill; after any other it is killed at once.
        now: the clock, in seconds.

    Raises:
        OSError: no process can be started here.
    """
    with ExitStack() as held:
        began = now()
        with ExitStack() as theirs, _giving(told) as given:
            answer, answer_end = open_pipe(held, theirs)
            log, log_end = open_pipe(held, theirs)
            apart = {answer_variable: str(answer_end)} if answer_variable else {}
            tree = launch(
                command, cwd=cwd, env={**env, **apart},
                pass_fds=(answer_end,) if apart else (),
                stdin=given,
                stdout=log_end if apart else answer_end,
                stderr=subprocess.STDOUT if apart else log_end,
                file_size=limits.file_size,
            )  # fmt: skip
        held.enter_context(tree)
        answered, logged = _Tail(kept), _Tail(kept)
        usage_limits = ResourceLimits(tree, limits, scratch) if scratch else None
        waits = CoreWaits(tree.core_delays, tree.cpu_seconds, now)
        watch = _Watch(
            tree, limits.memory, began + timeout, stop, usage_limits, waits, patience, now
        )
        pipes = [Pipe(answer, answered.write), Pipe(log, logged.write)]
        supervise(tree, pipes, tick=watch.tick, ended=watch.ended)
        return ProcessResult(
            tree.kill(), watch.breach, bytes(answered.data), bytes(logged.data),
            watch.at_end - began, watch.starved, tree.ran_out_of_memory, watch.excess,
        )  # fmt: skip


class _Tail:
    """The end of a stream: `kept` bytes at least, and at most twice as many."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self.data = bytearray()

    def write(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > 2 * self._kept:
            del self.data[: -self._kept]


@contextmanager
def _giving(told: bytes) -> Iterator[int]:
    """Yield a descriptor that gives `told` to who reads from it: it never waits for a reader."""
    if not told:
        yield subprocess.DEVNULL
        return
    with tempfile.TemporaryFile() as given:
        given.write(told)
        given.seek(0)
        yield given.fileno()


@dataclass
class _Watch:
    """Ends a tree that has to be ended; `excess` is what it used too much of.

    `starved` are the seconds in which it was kept from the cores, as long as it ran.
    """

    tree: Guarded
    memory: int
    deadline: float
    stop: Callable[[], bool]
    usage_limits: ResourceLimits | None
    waits: CoreWaits
    patience: Mapping[Breach, float]
    now: Callable[[], float]
    breach: Breach | None = None
    excess: str = ""
    at_end: float = 0.0
    starved: float = 0.0

    def tick(self) -> None:
        self.starved = self.waits.seconds()
        self.breach = self._found()
        if self.breach is None:
            return
        if self.breach in self.patience:
            self.tree.stop(self.patience[self.breach])
        else:
            self.tree.kill()

    def ended(self) -> None:
        self.at_end = self.now()

    def _found(self) -> Breach | None:
        if self.stop():
            return Breach.STOPPED
        if self.now() >= self.deadline:
            return Breach.TIME
        if self.tree.resident() > self.memory and self.tree.resident(exact=True) > self.memory:
            return Breach.MEMORY
        self.excess = (self.usage_limits and self.usage_limits.violation()) or ""
        return Breach.USAGE if self.excess else None
