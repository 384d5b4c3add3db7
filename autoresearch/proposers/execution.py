"""One run of a command under the guard: told something on stdin, its output kept, its end forced.

However much it prints, what is kept is bounded and it never waits for us to read. When `run`
returns, nobody of its process tree is alive, whoever daemonised included (see
`autoresearch.process` for what that rests on).
"""

import os
import selectors
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from autoresearch.process import Confined, Exit, Guarded, launch, signal_name
from autoresearch.records.training import Limits

_TICK_SECONDS = 0.05
_PATIENCE_SECONDS = 0.5  # between the interrupt, the termination and the kill
_DRAIN_SECONDS = 2.0
_READ_BYTES = 64 * 1024


@dataclass(frozen=True)
class Ran:
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
) -> Ran:
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
    with ExitStack() as held, selectors.DefaultSelector() as selector:
        given = held.enter_context(tempfile.TemporaryFile())
        given.write(told.encode("utf-8", "replace"))
        given.seek(0)
        with ExitStack() as theirs:
            ends = [_pipe(selector, tail, held, theirs) for tail in (out, error)]
            tree = launch(
                argv, cwd=cwd, env=environment, stdin=given.fileno(),
                stdout=ends[0], stderr=ends[1], file_size=limits.file_size,
            )  # fmt: skip
            held.enter_context(tree)
        deadline = now() + timeout
        late, stopped = _follow(tree, selector, lambda: now() >= deadline, stop)
        exit_ = tree.stop(_PATIENCE_SECONDS)
        _drain(selector)
    return Ran(exit_, late, stopped, out.text(), error.text())


def _pipe(selector: selectors.BaseSelector, tail: _Tail, ours: ExitStack, theirs: ExitStack) -> int:
    """Return the end that the command writes to; what comes out of the other goes to `tail`."""
    read, write = os.pipe()
    ours.callback(os.close, read)
    theirs.callback(os.close, write)
    selector.register(read, selectors.EVENT_READ, tail)
    return write


def _follow(
    tree: Guarded,
    selector: selectors.BaseSelector,
    late: Callable[[], bool],
    stop: Callable[[], bool],
) -> tuple[bool, bool]:
    """Read until the tree has ended or has to; return whether it is late and whether stopped."""
    while tree.poll() is None:
        _pump(selector, _TICK_SECONDS)
        is_late, is_stopped = late(), stop()
        if (is_late or is_stopped) and tree.poll() is None:
            return is_late, is_stopped
    return False, False


def _pump(selector: selectors.BaseSelector, timeout: float) -> bool:
    """Read once from each stream that has something; return whether any had."""
    ready = selector.select(timeout)
    for key, _ in ready:
        data = os.read(key.fd, _READ_BYTES)
        if data:
            key.data.write(data)
        else:
            selector.unregister(key.fd)
    return bool(ready)


def _drain(selector: selectors.BaseSelector) -> None:
    """Read what the dead have left in the pipes."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while selector.get_map() and time.monotonic() < deadline and _pump(selector, 0):
        pass
