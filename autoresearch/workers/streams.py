"""The supervisor's ends of a trial's three streams. What comes down them may be anything.

Whatever a trial writes, what is kept is bounded, and a chunk is worked off in time linear in it.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from autoresearch.records.text import counted, safe_line
from autoresearch.records.training import Point, ProfileRow
from autoresearch.runtime.profiler import MAX_ROWS

MAX_CONTROL_BYTES = 64 * 1024
LINE_BYTES = 2**14  # read at once of what comes in lines: they cost more to work off
MAX_CURVE = 512
MAX_FACTS = 200
MAX_ROW_BYTES = 4096
# Looked for at the beginnings of lines and drawings alone, so in a time linear in the text.
_OVERDRAWN = re.compile(rb"(?<![^\r\n])[^\r\n]++\r++(?=[^\r\n])")
_METRIC_KEYS = frozenset({"step", "loss", "tokens", "progress", "seconds"})


class CappedLog:
    """The head and the tail of a log; what lies between is counted, not kept.

    Of a line that is drawn over and over (a progress bar: carriage returns without a line end) the
    last drawing is kept, as a terminal shows it: megabytes of bars push nothing else out.
    """

    def __init__(self, limit: int) -> None:
        self._half = max(limit // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0
        self._row = b""  # the beginning of a line whose end is not here yet

    def write(self, data: bytes) -> None:
        """Append."""
        data, returns = self._row + data, b"\r" in data or self._row.endswith(b"\r")
        data = _OVERDRAWN.sub(b"", data) if returns else data
        end = data.rfind(b"\n") + 1
        # A longer line is no bar: what would still be drawn over it is kept beside it.
        end = end if len(data) - end <= MAX_ROW_BYTES else len(data)
        self._row = data[end:]
        self._keep(data[:end])

    def read(self) -> bytes:
        """Return what was kept, with a line that says how much was not."""
        room = self._half - len(self._head)
        head, tail = self._head + self._row[:room], self._tail + self._row[room:]
        excess = max(len(tail) - self._half, 0)
        gap = self._dropped + excess
        note = f"\n[… {counted(gap, 'byte')} left out …]\n".encode() if gap else b""
        return bytes(head) + note + bytes(tail[excess:])

    def _keep(self, data: bytes) -> None:
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        excess = len(self._tail) - self._half
        # Trimmed only now and then: a shift of the whole tail per write would be quadratic.
        if excess > self._half:
            self._dropped += excess
            del self._tail[:excess]


class Lines:
    """Cuts a byte stream into lines; one longer than `limit` bytes is skipped whole."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield every whole line that `data` completes; empty ones are left out."""
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line and not self._skipping and len(line) <= self._limit:
                yield line
            self._skipping = False
        self._skipping = self._skipping or len(rest) > self._limit
        self._rest = b"" if self._skipping else rest


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


class Facts:
    """What a trial says of itself, name by name, bounded in every way. The last word counts."""

    def __init__(self) -> None:
        self._values: dict[str, float | int | str | bool] = {}

    def update(self, values: object) -> None:
        """Keep what is plain: finite numbers, integers below 2**53, booleans, short text."""
        for name, value in values.items() if isinstance(values, dict) else ():
            label, kept = safe_line(str(name), 60), _plain(value)
            if kept is not None and (label in self._values or len(self._values) < MAX_FACTS):
                self._values[label] = kept

    def values(self) -> Mapping[str, float | int | str | bool]:
        """Return what was kept."""
        return MappingProxyType(self._values)


def parse_metric(line: bytes) -> Point | None:
    """Return the point a line states, or None for anything but exactly that."""
    values = _object(line)
    if values is None or set(values) != _METRIC_KEYS:
        return None
    step, tokens = _count(values["step"]), _count(values["tokens"])
    loss, progress = real(values["loss"]), real(values["progress"])
    seconds = real(values["seconds"])
    if step is None or tokens is None or loss is None or progress is None or seconds is None:
        return None
    return Point(step=step, loss=loss, tokens=tokens, progress=progress, seconds=seconds)


def parse_step(event: Mapping[str, object], *, progress: float, seconds: float) -> Point | None:
    """Return the point that a command's `step` event states, or None for what is none.

    Args:
        event: needs `step` and `loss`; may have `tokens` and `progress`.
        progress: what counts where it tells none.
        seconds: since its training began.
    """
    step, tokens = _count(event.get("step")), _count(event.get("tokens", 0))
    loss, told = real(event.get("loss")), real(event.get("progress", progress))
    if step is None or tokens is None or loss is None or told is None:
        return None
    return Point(step=step, loss=loss, tokens=tokens, progress=told, seconds=seconds)


def parse_control(line: bytes) -> Mapping[str, object] | None:
    """Return a control message, or None for what is none."""
    message = _object(line)
    return message if message is not None and isinstance(message.get("event"), str) else None


def parse_profile(rows: object) -> tuple[ProfileRow, ...]:
    """Return where a trial says that its time goes; nothing where a row is not sound."""
    found = [_profile_row(each) for each in rows[:MAX_ROWS]] if isinstance(rows, list) else []
    depth, told = -1, list[ProfileRow]()
    for row in found:
        if row is None or row.depth > depth + 1:
            return ()
        told.append(row)
        depth = row.depth
    return tuple(told)


def _profile_row(row: object) -> ProfileRow | None:
    match row:
        case [int(depth), int() | float() as share, str(path), int(line)]:
            sound = 0 <= depth < MAX_ROWS and 0 < share <= 1 and 0 < line < 2**31
            return ProfileRow(depth, float(share), path[:200], line) if sound else None
    return None


def _plain(value: object) -> float | int | str | bool | None:
    if isinstance(value, str):
        return safe_line(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 2**53 else None


def real(value: object) -> float | None:
    """Return a number that is finite and not absurd, or None for what is none."""
    if type(value) not in (int, float) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e15 else None  # infinity and NaN are not below it


def _object(line: bytes) -> dict[str, object] | None:
    try:
        values = json.loads(line, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "duplicate key"
        raise ValueError(msg)
    return found
