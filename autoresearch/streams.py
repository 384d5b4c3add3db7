"""The standard streams, made so that none of them can do harm: closed, full, or with nobody there.

What cannot be said on stderr is left out, since a night must not end for it. What cannot be written
to stdout is a fault, for the answer is what was asked for.
"""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from autoresearch.errors import AutoresearchError

# A missing stream is replaced by one that fails in its own way: reading, writing, not at all.
_MODES = (os.O_WRONLY, os.O_RDONLY, os.O_RDWR)


class OutputFault(AutoresearchError):  # noqa: N818 - the fault is in where the answer should go
    """The answer cannot be written; `gone`: because its reader has left, and has all it wanted."""

    def __init__(self, fault: OSError) -> None:
        super().__init__(f"cannot write the answer to stdout: {fault.strerror or fault}")
        self.gone = fault.errno == errno.EPIPE


class _Stream:
    """A text stream that is written to with care, and else is the one that it stands for."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text."""
        try:
            return self._stream.write(text)
        except OSError as fault:
            self._failed(fault)
        return len(text)

    def flush(self) -> None:
        """Write what waits."""
        try:
            self._stream.flush()
        except OSError as fault:
            self._failed(fault)

    def writelines(self, lines: list[str]) -> None:
        """Write texts."""
        self.write("".join(lines))

    def _failed(self, _fault: OSError) -> None:
        """Go on; what waits to be written would fail once more when the interpreter ends."""
        with suppress(OSError, ValueError):
            spare = os.open(os.devnull, os.O_WRONLY)
            os.dup2(spare, self._stream.fileno())
            os.close(spare)


class _Answer(_Stream):
    """Stdout. Once it has failed it fails for ever: somebody in between may have said nothing."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lost: OutputFault | None = None

    def write(self, text: str) -> int:
        """Write a text.

        Raises:
            OutputFault: it cannot be written.
        """
        self._raise_if_lost()
        return super().write(text)

    def flush(self) -> None:
        """Write what waits.

        Raises:
            OutputFault: it, or something before it, cannot be written.
        """
        self._raise_if_lost()
        super().flush()

    @property
    def buffer(self) -> "_Bytes":
        """What takes bytes as they are, after the text before them."""
        return _Bytes(self)

    def put(self, data: bytes) -> int:
        """Write bytes.

        Raises:
            OutputFault: they cannot be written.
        """
        self.flush()
        try:
            self._stream.buffer.write(data)
            self._stream.buffer.flush()
        except OSError as fault:
            self._failed(fault)
        return len(data)

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise self._lost

    def _failed(self, fault: OSError) -> None:
        super()._failed(fault)
        self._lost = OutputFault(fault)
        raise self._lost from None


class _Bytes:
    """The bytes' side of stdout."""

    def __init__(self, answer: _Answer) -> None:
        self.write = answer.put
        self.flush = answer.flush


@contextmanager
def standard_streams() -> Iterator[None]:
    """Stand in for stdout and stderr; a failure of stdout raises OutputFault where it is seen."""
    _fill()
    before = sys.stdout, sys.stderr
    for stream in before:
        # A terminal that knows only ASCII gets escapes for ± and Δ, not a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout = cast("TextIO", _Answer(before[0]))
    sys.stderr = cast("TextIO", _Stream(before[1]))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _fill() -> None:
    """Open what is closed, or the next file to be opened would be written to in its place."""
    for number, mode in enumerate(_MODES):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)  # noqa: FBT003 - it takes no keyword
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 - open as long as we are
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - the same
