"""The supervisor's ends of a trial's three streams: log, metrics, control."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from autoresearch.records.values import Point
from autoresearch.runtime.session import MAX_METRIC_BYTES

MAX_CONTROL_BYTES = 64 * 1024
MAX_CURVE = 512
_METRIC_KEYS = frozenset({"step", "loss", "tokens", "progress", "seconds"})


class CappedLog:
    """The head and the tail of a log, as raw bytes; what lies between is counted, not kept."""

    def __init__(self, limit: int) -> None:
        self._half = max(limit // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def write(self, data: bytes) -> None:
        """Append."""
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:] if room < len(data) else b""
        excess = len(self._tail) - self._half
        # Trimmed only now and then: a shift of the whole tail per write would be quadratic.
        if excess > self._half:
            self._dropped += excess
            del self._tail[:excess]

    def read(self) -> bytes:
        """Return what was kept, with a line that says how much was not."""
        excess = max(len(self._tail) - self._half, 0)
        gap = self._dropped + excess
        note = f"\n[… {gap} bytes left out …]\n".encode() if gap else b""
        return bytes(self._head) + note + bytes(self._tail[excess:])


@dataclass
class Lines:
    """Cuts a byte stream into lines; a line over the limit is skipped whole."""

    limit: int
    _buffer: bytearray = field(default_factory=bytearray)
    _skipping: bool = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield every whole line that `data` completes."""
        self._buffer += data
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if not newline:
                break
            self._buffer = rest
            if not self._skipping and len(line) <= self.limit:
                yield bytes(line)
            self._skipping = False
        if len(self._buffer) > self.limit:
            self._buffer.clear()
            self._skipping = True


class Curve:
    """The points of a training, thinned evenly so that any length fits; the last is kept."""

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._stride = 1
        self._seen = 0
        self._last: Point | None = None

    def add(self, point: Point) -> None:
        """Append a point."""
        self._last = point
        if self._seen % self._stride == 0:
            self._points.append(point)
        self._seen += 1
        if len(self._points) >= MAX_CURVE:
            self._points = self._points[::2]
            self._stride *= 2

    def points(self) -> tuple[Point, ...]:
        """Return what was kept."""
        if self._last is None or self._points[-1] is self._last:
            return tuple(self._points)
        return (*self._points, self._last)


def parse_metric(line: bytes) -> Point | None:
    """Return the point a line states, or None for anything but exactly that."""
    values = _object(line) if len(line) <= MAX_METRIC_BYTES else None
    if values is None or set(values) != _METRIC_KEYS:
        return None
    whole = all(
        type(values[name]) is int and 0 <= values[name] < 2**53 for name in ("step", "tokens")
    )
    real = all(
        type(values[name]) in (int, float)
        and abs(values[name]) < 1e15
        and math.isfinite(values[name])
        for name in ("loss", "progress", "seconds")
    )
    if not (whole and real):
        return None
    return Point(
        step=values["step"],
        loss=float(values["loss"]),
        tokens=values["tokens"],
        progress=float(values["progress"]),
        seconds=float(values["seconds"]),
    )


def parse_control(line: bytes) -> Mapping[str, object] | None:
    """Return a control message, or None for what is none."""
    message = _object(line)
    return message if message is not None and isinstance(message.get("event"), str) else None


def _object(line: bytes) -> dict[str, object] | None:
    try:
        values = json.loads(line, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "duplicate key"
        raise ValueError(msg)
    return found


def _no_constant(name: str) -> object:
    raise ValueError(name)
