"""The log file of a project's runs: the plain lines that a terminal would show, each with its time.

It stands in two files of bounded size; the older one has `.1` behind its name.
"""

import io
import logging
import os
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, cast

from rich.console import Console

from autoresearch.render.live import PlainWatcher

MOST_BYTES = 8 * 2**20  # of both files


class _Rotating(RotatingFileHandler):
    """Starts a new file where one is full. What cannot be written is left out: no night ends so."""

    streams: tuple[int, ...] = ()

    def doRollover(self) -> None:  # noqa: N802 - its name in the standard library
        """Start a new file, also for the streams that write to this one."""
        super().doRollover()
        self.redirect()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the same
        """Leave it out."""

    def redirect(self) -> None:
        """Let the streams write to the file that is written now."""
        if self.stream is not None:
            for number in self.streams:
                os.dup2(self.stream.fileno(), number)


class LogFile(io.TextIOBase):
    """A text stream onto the log; every line of it gets its time."""

    def __init__(self, path: Path, most: int = MOST_BYTES) -> None:
        """Open the log; `most` bytes are kept.

        Raises:
            OSError: it cannot be written.
        """
        self._handler = _Rotating(
            path, maxBytes=most // 2, backupCount=1, encoding="utf-8", errors="backslashreplace"
        )
        self._handler.setFormatter(
            logging.Formatter("%(asctime)s  %(message)s", "%Y-%m-%d %H:%M:%S")
        )
        self._part = ""

    def write(self, text: str) -> int:
        """Write what is whole of it, line by line."""
        *lines, self._part = (self._part + text).split("\n")
        for line in lines:
            self._handler.handle(logging.makeLogRecord({"msg": line}))
        return len(text)

    def take_streams(self) -> None:
        """Let the process's own standard output and error go to the log, too; nothing is read."""
        with suppress(OSError):
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.close(nothing)
        self._handler.streams = (1, 2)
        self._handler.redirect()

    def watcher(self) -> PlainWatcher:
        """Return who writes a run's events to it."""
        stream = cast("IO[str]", self)
        return PlainWatcher(Console(file=stream, force_terminal=False, color_system=None))

    def close(self) -> None:
        """Close it; the streams that it was given stay open."""
        with suppress(OSError):  # a full disk
            self._handler.close()
        super().close()
