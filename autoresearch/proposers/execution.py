"""One run of a command under the guard: told something on stdin, its output kept, its end forced.

However much it prints, what is kept is bounded and it never waits for us to read. When `run`
returns, nobody of its process tree is alive, whoever daemonised included (see
`autoresearch.process` for what that rests on).
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch import process
from autoresearch.process import Breach, Confined, Exit, signal_name
from autoresearch.records.training import Limits

# Seconds between the interrupt, the termination and the kill.
_PATIENCE = {Breach.TIME: 0.5, Breach.STOPPED: 0.5}


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
    kept = max(limits.log, 1)
    ran = process.run(
        argv, cwd=cwd, env=environment, told=told.encode("utf-8", "replace"),
        limits=replace(limits, memory=sys.maxsize),  # it is a program of the person's own
        timeout=timeout, stop=stop, kept=kept, patience=_PATIENCE, now=now,
    )  # fmt: skip
    out, error = (said[-kept:].decode("utf-8", "replace") for said in (ran.answer, ran.log))
    late, stopped = ran.breach is Breach.TIME, ran.breach is Breach.STOPPED
    return ProgramResult(ran.exit, late, stopped, out, error)
