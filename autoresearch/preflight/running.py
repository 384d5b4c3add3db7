"""One untrusted process under a clock and a memory limit, and what it says of itself."""

import os
import selectors
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from autoresearch.process import Confined, Exit, Guarded, launch
from autoresearch.records.training import Limits

TICK_SECONDS = 0.1
PATIENCE_SECONDS = 5.0  # between interrupt, termination and kill: it may say where it hung
_READ_BYTES = 2**16
_KEPT_BYTES = 2**17  # of an answer or a log, at its end


class Breach(Enum):
    """Why a process was ended by us."""

    TIME = "time"
    MEMORY = "memory"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Ran:
    """How it went: `answer` and `log` are the ends of what it wrote (hostile), `seconds` wall.

    `exhausted`: meanwhile the system killed processes for want of memory, its children perhaps.
    """

    exit: Exit
    breach: Breach | None
    answer: bytes
    log: bytes
    seconds: float
    exhausted: bool = False


def run(
    command: Sequence[str] | Confined,
    *,
    answer_variable: str,
    cwd: Path,
    env: Mapping[str, str],
    limits: Limits,
    timeout: float,
    stop: Callable[[], bool],
    now: Callable[[], float] = time.monotonic,
) -> Ran:
    """Run a command to its end, or end it; nothing of it is alive afterwards.

    Args:
        command: its arguments.
        answer_variable: names the environment variable that tells it where its answer goes.
        cwd: its working directory.
        env: its whole environment.
        limits: memory and file size, in bytes.
        timeout: in wall seconds.
        stop: asked often; true ends it.
        now: the clock, in seconds.

    Raises:
        OSError: no process can be started here.
    """
    with ExitStack() as held:
        answer, answer_end = _pipe(held)
        log, log_end = _pipe(held)
        began = now()
        with os.fdopen(answer_end, "wb", 0), os.fdopen(log_end, "wb", 0):
            tree = launch(
                command, cwd=cwd, env={**env, answer_variable: str(answer_end)},
                pass_fds=(answer_end,),
                stdout=log_end, stderr=subprocess.STDOUT, file_size=limits.file_size,
            )  # fmt: skip
        held.enter_context(tree)
        tails = {answer: bytearray(), log: bytearray()}
        ends = began + timeout
        breach = _watch(tree, tails, limits.memory, lambda: now() >= ends, stop)
        ended, seconds = tree.kill(), now() - began
        while _pump(tails):
            pass
        return Ran(
            ended, breach, bytes(tails[answer]), bytes(tails[log]), seconds,
            exhausted=tree.ran_out_of_memory,
        )  # fmt: skip


def _pipe(held: ExitStack) -> tuple[int, int]:
    """Return a pipe's ends; the reading one is ours and never waits."""
    ours, theirs = os.pipe()
    held.callback(os.close, ours)
    os.set_blocking(ours, False)
    return ours, theirs


def _watch(
    tree: Guarded,
    tails: Mapping[int, bytearray],
    memory: int,
    late: Callable[[], bool],
    stop: Callable[[], bool],
) -> Breach | None:
    with selectors.DefaultSelector() as selector:
        selector.register(tree, selectors.EVENT_READ)
        for each in tails:
            selector.register(each, selectors.EVENT_READ)
        while tree.poll() is None:
            ready = selector.select(TICK_SECONDS)
            if not _pump(tails) and ready:
                time.sleep(TICK_SECONDS / 10)  # a pipe at its end is always ready
            breach = _breach(tree, memory, late, stop)
            if breach is Breach.TIME:
                tree.stop(PATIENCE_SECONDS)
            if breach is not None:
                return breach
    return None


def _breach(
    tree: Guarded, memory: int, late: Callable[[], bool], stop: Callable[[], bool]
) -> Breach | None:
    if stop():
        return Breach.STOPPED
    if late():
        return Breach.TIME
    if tree.resident() > memory and tree.resident(exact=True) > memory:
        return Breach.MEMORY
    return None


def _pump(tails: Mapping[int, bytearray]) -> bool:
    """Read what is there, keep the end of it; return whether there was anything."""
    read = 0
    for descriptor, tail in tails.items():
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            continue
        tail.extend(data)
        if len(tail) > 2 * _KEPT_BYTES:
            del tail[:-_KEPT_BYTES]
        read += len(data)
    return read > 0
