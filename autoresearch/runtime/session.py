"""Both sides of a training session as `train.py` sees them: under the harness, and by hand.

Under the harness one variable, AUTORESEARCH_CONTROL_FD, names a Unix stream socket that carries
JSON lines. First the harness sends a hello (seed, budget, clock, device, out). The trainer says
``{"event": "start"}``, with the seconds that PyTorch compiled where it did; the supervisor starts
its own clock and only then answers ``data`` with the names of the data files and, as ancillary
data, their descriptors. Metrics go down a pipe of their own; at the end the trainer says ``finish``
with the digests of its checkpoint.
The clock here only steers the schedule: what counts is the supervisor's.
"""

import hashlib
import itertools
import json
import math
import mmap
import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CONTROL_FD = "AUTORESEARCH_CONTROL_FD"
MAX_METRIC_BYTES = 512
MAX_FILES = 250  # the kernel passes at most 253 descriptors in one message
CHECKPOINT_FILES = ("model.safetensors", "config.json")


@dataclass(frozen=True)
class TrainData:
    """The train split, memory-mapped: token shards and, beside them, the raw documents.

    `files` maps a name to its bytes: ``00000.bin`` holds little-endian unsigned tokens
    of `token_bytes` bytes each (every document preceded by the BOS token), ``00000.txt`` the
    same documents as UTF-8 text and ``00000.idx`` their n+1 byte offsets as little-endian uint64.
    """

    files: Mapping[str, mmap.mmap]
    token_bytes: int

    def shards(self) -> list[mmap.mmap]:
        """Return the token shards in name order."""
        return [self.files[name] for name in sorted(self.files) if name.endswith(".bin")]

    def documents(self) -> list[bytes]:
        """Return every raw train document, for a train.py that brings its own tokenizer."""
        found: list[bytes] = []
        for name in sorted(self.files):
            if name.endswith(".idx"):
                offsets = memoryview(self.files[name]).cast("Q")
                text = self.files[name[:-4] + ".txt"]
                found += [text[a:b] for a, b in itertools.pairwise(offsets)]
        return found


@dataclass
class Session:
    """One training, from process start to checkpoint.

    `budget` is in seconds on `clock`: "wall", or "cpu" for this process's CPU seconds (the
    harness counts those of its child processes too: stop earlier if you start any). `out` is
    where the checkpoint goes; `harnessed` is false by hand.
    """

    seed: int
    budget: float
    clock: str
    device: str
    out: Path
    _hand_over: Callable[[], TrainData]
    _send: Callable[[dict[str, object]], None]
    _metric: Callable[[dict[str, float]], None]
    harnessed: bool = True
    _started: float | None = field(default=None)

    def start(self) -> TrainData:
        """Say that warm-up is done; return the training data. The budget runs from here.

        Raises:
            RuntimeError: called twice.
        """
        if self._started is not None:
            msg = "start() was already called: a session has one budget"
            raise RuntimeError(msg)
        data = self._hand_over()
        self._started = self._now()
        return data

    @property
    def seconds(self) -> float:
        """Seconds of training so far on the budget's clock; 0 before start()."""
        return 0.0 if self._started is None else self._now() - self._started

    @property
    def progress(self) -> float:
        """Fraction of the budget spent, 0 to 1 (and beyond, when late)."""
        return self.seconds / self.budget

    def log(self, *, step: int, loss: float, tokens: int) -> None:
        """Report a step: `loss` in nats per token, `tokens` consumed since start().

        Raises:
            FloatingPointError: the loss is NaN or infinite; leave it uncaught and the trial
                is recorded as such.
        """
        if not math.isfinite(loss):
            msg = f"loss is {loss} at step {step}"
            raise FloatingPointError(msg)
        self._metric(
            {
                "step": int(step),
                "loss": float(loss),
                "tokens": int(tokens),
                "progress": round(self.progress, 6),
                "seconds": round(self.seconds, 4),
            }
        )

    def facts(self, values: Mapping[str, float | int | str | bool]) -> None:
        """Report facts for people: resolved constants, parameter count. Truth for nobody.

        Kept are finite numbers, integers below 2**53, booleans and strings of 200 characters;
        200 names at most. What is none of these is left out, and never a reason to fail.
        """
        plain = {str(name): value for name, value in values.items() if _is_plain(value)}
        self._send({"event": "facts", "values": plain})

    def finish(self) -> None:
        """Hand in the checkpoint in `out`; nothing written later counts.

        Raises:
            FileNotFoundError: model.safetensors or config.json is not there.
            RuntimeError: start() was never called.
        """
        if self._started is None:
            msg = "finish() before start(): nothing was trained"
            raise RuntimeError(msg)
        digests = {name: file_digest(self.out / name) for name in CHECKPOINT_FILES}
        self._send({"event": "finish", "files": digests})

    def _now(self) -> float:
        return time.process_time() if self.clock == "cpu" else time.monotonic()


def _is_plain(value: object) -> bool:
    """Return whether a value can be told in JSON: NaN cannot, and an integer of any length."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | bool) or (isinstance(value, int) and abs(value) < 2**53)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_session(
    *,
    seed: int = 42,
    budget: float | str = 300.0,
    clock: str = "wall",
    device: str = "cpu",
    train_files: Callable[[], tuple[list[Path], int]] | None = None,
) -> Session:
    """Return the harness's session if one is there, else one that runs by hand.

    Args:
        seed: used by hand; the harness brings its own, as it does all that follows.
        budget: seconds of training, or "20s", "5m", "1h30m".
        clock: "wall" or "cpu".
        device: "cpu", "cuda" or "mps".
        train_files: gives the train split's files and the bytes of a token.
    """
    if CONTROL_FD in os.environ:
        return _harness_session(int(os.environ.pop(CONTROL_FD)))
    out = Path(tempfile.mkdtemp(prefix="autoresearch-"))
    return Session(
        seed=seed,
        budget=_seconds(budget),
        clock=clock,
        device=device,
        out=out,
        _hand_over=lambda: map_paths(train_files),
        _send=lambda _message: None,
        _metric=lambda _metric: None,
        harnessed=False,
    )


def _seconds(duration: float | str) -> float:
    parts = re.findall(r"([\d.]+)([smh]?)", str(duration))
    return sum(float(number) * {"": 1, "s": 1, "m": 60, "h": 3600}[unit] for number, unit in parts)


def map_paths(train_files: Callable[[], tuple[list[Path], int]] | None) -> TrainData:
    """Return the train split that `train_files` names, memory-mapped."""
    if train_files is None:
        msg = "no training data: give open_session() a train_files"
        raise RuntimeError(msg)
    paths, token_bytes = train_files()
    return TrainData({path.name: _map(os.open(path, os.O_RDONLY)) for path in paths}, token_bytes)


def _map(descriptor: int) -> mmap.mmap:
    try:
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)


def _harness_session(descriptor: int) -> Session:
    control = socket.socket(fileno=descriptor)
    control.set_inheritable(False)
    hello = receive_line(control)
    metrics = os.fdopen(int(hello["metrics_fd"]), "wb", buffering=0)
    os.set_inheritable(metrics.fileno(), False)  # noqa: FBT003 - it takes no keyword

    def send(message: dict[str, object]) -> None:
        control.sendall(json.dumps(message, allow_nan=False).encode() + b"\n")

    def hand_over() -> TrainData:
        send({"event": "start", **_compiling()})
        return _receive_data(control)

    def metric(values: dict[str, float]) -> None:
        line = json.dumps(values, allow_nan=False).encode() + b"\n"
        if len(line) <= MAX_METRIC_BYTES:
            metrics.write(line)

    return Session(
        seed=int(hello["seed"]),
        budget=float(hello["budget"]),
        clock=str(hello["clock"]),
        device=str(hello["device"]),
        out=Path(hello["out"]),
        _hand_over=hand_over,
        _send=send,
        _metric=metric,
    )


def _compiling() -> dict[str, float]:
    """Return how long PyTorch's compiler has worked, in seconds; nothing where nobody can tell."""
    compiler: Any = sys.modules.get("torch._dynamo.utils")
    try:
        return {"compile_seconds": float(compiler.calculate_time_spent()["total_wall_time"])}
    except Exception:  # noqa: BLE001 - a number for people: no version's change may stop a training
        return {} if compiler or "torch" not in sys.modules else {"compile_seconds": 0.0}


def receive_line(control: socket.socket, first: bytes = b"") -> dict[str, Any]:
    """Return one message of JSON, and take nothing from the socket that comes after it.

    Raises:
        ConnectionError: there is none any more.
    """
    line = bytearray(first)
    while not line.endswith(b"\n"):
        byte = control.recv(1)
        if not byte:
            msg = "the harness closed the session"
            raise ConnectionError(msg)
        line += byte
    message: dict[str, Any] = json.loads(line)
    return message


def _receive_data(control: socket.socket) -> TrainData:
    # The descriptors ride on the first byte of the message: one recv_fds takes both.
    first, descriptors, _flags, _address = socket.recv_fds(control, 1, MAX_FILES)
    message = receive_line(control, first)
    shards = zip(message["names"], descriptors, strict=True)
    files = {name: _map(descriptor) for name, descriptor in shards}
    return TrainData(files, int(message["token_bytes"]))
