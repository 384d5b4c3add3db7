"""Starts one model server and talks to it; nothing that the server says is trusted.

Whatever the server does, a request ends: with exactly the bytes that were expected, or as
`NoScore`. Its stdout and stderr go nowhere, for sealed text could come back through them.
"""

import builtins
import secrets
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from autoresearch.errors import EvaluationError, Interrupted
from autoresearch.evaluation.rules import Cause, NoScore
from autoresearch.evaluation.scoring_dir import ScoringDir
from autoresearch.process import Guarded, ResourceLimits, launch
from autoresearch.records.text import safe_line
from autoresearch.runtime import wire

TICK = 0.25  # seconds between looks at the clock and the memory
DEATH_SECONDS = 5.0  # the longest that a server that hung up may take to tell how it ended
STARTUP_SECONDS = 300.0  # the longest that this package and PyTorch may take to be imported
PACKAGES = Path(__file__).parents[2]  # where `import autoresearch` finds this package
_BLAME = {
    "load": (Cause.LOAD, "loading the model"),
    "tokenizer": (Cause.LOAD, "loading the tokenizer"),
    "encode": (Cause.EXCEPTION, "the tokenizer"),
}
# What the system or an accelerator raises: the code need not be to blame.
_OTHERS = ("AcceleratorError", "OSError", "BlockingIOError")


@dataclass(frozen=True)
class Reply:
    """A reply whose nonce and size were right."""

    header: dict[str, object]
    payload: bytearray

    def integer(self, name: str, least: int, most: int) -> int:
        """Return an integer field within bounds.

        Raises:
            NoScore: it is absent, no integer, or out of bounds.
        """
        try:
            value = wire.integer(self.header, name)
        except wire.FrameError:
            value = least - 1
        if not least <= value <= most:
            raise NoScore(Cause.PROTOCOL, f"the model server gave no sound {name!r}")
        return value


class ServerHandle:
    """One server process. Use as a context manager: leaving it kills the whole process tree.

    `deadline` is on time.monotonic(): a request that still waits then ends as NoScore.
    """

    def __init__(
        self, guarded: Guarded, channel: socket.socket, scoring_dir: ScoringDir, scratch: Path
    ) -> None:
        self._guarded = guarded
        self._resource_limits = ResourceLimits(guarded, scoring_dir.limits, scratch)
        self._channel = channel
        self._scoring_dir = scoring_dir
        self._nonce = ""
        self._operation = ""
        self._greeted = False
        self._looked = time.monotonic()
        self.deadline = self._looked + STARTUP_SECONDS

    @classmethod
    def start(cls, scoring_dir: ScoringDir, name: str, *, models: bool = True) -> Self:
        """Start a server in a scratch folder of its own, named after it; do not wait.

        Args:
            scoring_dir: where.
            name: what its folder is called.
            models: it is to serve a model: it imports what that computes with before it greets.

        Raises:
            EvaluationError: the machine cannot start a process.
        """
        scratch = scoring_dir.scratch(name)
        mine, theirs = socket.socketpair()
        with theirs:
            try:
                guarded = cls._launch(scoring_dir, scratch, theirs.fileno(), models=models)
            except OSError as fault:
                mine.close()
                msg = f"cannot start a model server: {fault}"
                raise EvaluationError(msg) from None
        mine.setblocking(False)  # noqa: FBT003 - the standard library's signature
        return cls(guarded, mine, scoring_dir, scratch)

    @staticmethod
    def _launch(scoring_dir: ScoringDir, scratch: Path, channel: int, *, models: bool) -> Guarded:
        command = [sys.executable, "-P", "-m", "autoresearch.runtime.serve", str(channel)]
        command += [str(scoring_dir.tree), scoring_dir.entry]
        command += [scoring_dir.arrays] if models else []
        environment = scoring_dir.sandbox.environment(scratch, scoring_dir.limits)
        return launch(
            scoring_dir.sandbox.command(
                command,
                readable=(scoring_dir.shown, PACKAGES / "autoresearch"),
                writable=(scratch,),
                limits=scoring_dir.limits,
                devices=scoring_dir.device != "cpu",
            ),
            cwd=scoring_dir.shown,
            env={**environment, "PYTHONPATH": str(PACKAGES)},
            pass_fds=(channel,),
            file_size=scoring_dir.limits.file_size,
        )

    @property
    def alive(self) -> bool:
        """Tell whether it runs."""
        return self._guarded.poll() is None

    def greet(self) -> None:
        """Wait until the server says that it is there; none of the trial's code has run by then.

        Raises:
            EvaluationError: it cannot run on this machine.
            Interrupted: the run is to stop.
        """
        if self._greeted:
            return
        try:
            self._greeted = self._head().get("hello") is True
        except NoScore:
            self._greeted = False
        if not self._greeted:
            msg = (
                f"cannot start a model server: {sys.executable} does not run {PACKAGES} here, "
                "or has no PyTorch"
            )
            raise EvaluationError(msg)

    def ask(
        self,
        operation: str,
        payload: bytes = b"",
        size: int | Callable[[Reply], int] = 0,
        **fields: object,
    ) -> Reply:
        """Post a request and collect its reply.

        Raises:
            NoScore: the server broke a rule instead of answering.
            EvaluationError: the server cannot run on this machine at all.
            Interrupted: the run is to stop.
        """
        self.post(operation, payload, **fields)
        return self.collect(size)

    def post(self, operation: str, payload: bytes = b"", **fields: object) -> None:
        """Send a request; `collect` its reply before the next."""
        self.greet()
        self._nonce, self._operation = secrets.token_hex(16), operation
        header = {"op": operation, "nonce": self._nonce, **fields}
        self._send(wire.head(header, len(payload)))
        self._send(payload)

    def collect(self, size: int | Callable[[Reply], int] = 0) -> Reply:
        """Return the reply to the request posted last.

        Args:
            size: the payload's exact length in bytes, or a function of the reply that returns it.
        """
        header = self._head()
        if header.get("nonce") != self._nonce:
            raise NoScore(Cause.PROTOCOL, "the model server did not repeat the nonce")
        if "error" in header:
            raise self._error(header)
        expected = size(Reply(header, bytearray())) if callable(size) else size
        if header["bytes"] != expected:
            raise NoScore(Cause.PROTOCOL, "the model server's reply has the wrong size")
        return Reply(header, self._read(expected))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_fault: object) -> None:
        """Kill the server and all it started."""
        self._channel.close()
        self._guarded.kill()

    def _head(self) -> dict[str, object]:
        try:
            return wire.read_head(self._read)
        except wire.FrameError as fault:
            raise NoScore(Cause.PROTOCOL, f"the model server sent {fault}") from None

    def _error(self, header: Mapping[str, object]) -> NoScore:
        """Return why there is no score; see `runtime.launch.kind_of` for the kind of a fault."""
        type_, message = header["error"], header.get("message")
        if type_ == "ShapeError":
            return NoScore(Cause.SHAPE, "the model's output is not logits of shape [B, T, V]")
        cause, verb = _BLAME.get(self._operation, (Cause.EXCEPTION, "the model"))
        if header.get("kind") == "out of memory":
            return NoScore(Cause.MEMORY, f"{verb} ran out of memory")
        reason = f"{verb} raised {_type_name(type_, self._operation)}"
        # A device's libraries raise what a wrong shape raises, too.
        if type_ in _OTHERS or (type_ == "RuntimeError" and self._scoring_dir.device != "cpu"):
            return NoScore(Cause.DEVICE, reason)
        if self._operation in wire.BEFORE_TEXT and isinstance(message, str) and message.strip():
            reason = f"{reason}: {safe_line(message, 400)}"
        return NoScore(cause, reason)

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._wait(write=True)
            try:
                view = view[self._channel.send(view) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self._death() from None

    def _read(self, size: int) -> bytearray:
        data = bytearray(size)
        view, have = memoryview(data), 0
        while have < size:
            self._wait(write=False)
            try:
                got = self._channel.recv_into(view[have:])
            except BlockingIOError:
                continue
            except OSError:
                got = 0
            if got == 0:
                raise self._death()
            have += got
        return data

    def _wait(self, *, write: bool) -> None:
        poll = select.poll()  # `select` knows no descriptor above 1023
        poll.register(self._channel, select.POLLOUT if write else select.POLLIN)
        while True:
            ready = poll.poll(1000 * TICK)
            if self._scoring_dir.stop():
                msg = "stopped by the person or the deadline"
                raise Interrupted(msg)
            self._look()
            if ready:
                return

    def _look(self) -> None:
        now = time.monotonic()
        if now >= self.deadline:
            raise NoScore(Cause.TIMEOUT, "the model server did not answer in time")
        if now - self._looked < TICK:
            return
        self._looked = now
        if self._guarded.resident() > self._scoring_dir.limits.memory:
            raise NoScore(Cause.MEMORY, "the model server took more memory than a trial may")
        if excess := self._resource_limits.violation():
            raise NoScore(Cause.LIMIT, f"the model server {excess}")

    def _death(self) -> NoScore:
        ended = self._guarded.wait(DEATH_SECONDS)
        if ended is None:
            return NoScore(Cause.EXIT, "the model server closed its channel")
        if ended.signal is not None and self._guarded.ran_out_of_memory:
            reason = "the system ran out of memory, and killed the model server"
            return NoScore(Cause.MEMORY, reason)
        if ended.signal is not None:
            how = f"was killed: {signal.strsignal(ended.signal) or ended.signal}"
            return NoScore(Cause.DEATH, f"the model server {how}")
        if ended.code is None:
            return NoScore(Cause.DEATH, "the model server's guard was killed, and it with it")
        return NoScore(Cause.EXIT, f"the model server exited with code {ended.code}")


def _type_name(kind: object, operation: str) -> str:
    # Once the server has seen sealed text, a type's name could carry it out: from then on only the
    # names of Python's own exceptions, and torch's commonest, are shown.
    if not isinstance(kind, str) or not kind.isidentifier() or not kind.isascii():
        return "an exception"
    sealed = operation not in wire.BEFORE_TEXT
    known = isinstance(getattr(builtins, kind, None), type) or kind == "OutOfMemoryError"
    return kind[:60] if known or not sealed else "an exception of its own"
