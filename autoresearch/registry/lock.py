"""One `run` at a time in a project: two would fight over the branch and the machine."""

import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from autoresearch.errors import RegistryError
from autoresearch.registry.at_work import RunNote


class RunLock:
    """Held while a `run` is at work. The system drops it when the process dies, however it dies."""

    def __init__(self, path: Path) -> None:
        self._note_path = RunNote.path(path)
        self._lock = FileLock(path)
        self._note = RunNote.of_this_process()
        self._changing = threading.RLock()  # a signal may strike while the note is written

    def __enter__(self) -> Self:
        """Take the lock at once.

        Raises:
            RegistryError: another run holds it, or the folder cannot be written.
        """
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            msg = f"another run is at work in this project{self._holder()}: wait for it or stop it"
            raise RegistryError(msg) from None
        except OSError as fault:
            msg = f"cannot lock {self._lock.lock_file}: {fault.strerror}"
            raise RegistryError(msg) from None
        self._note.write(self._note_path)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give it back."""
        self._note_path.unlink(missing_ok=True)
        self._lock.release()

    def note_paused(self, *, paused: bool) -> None:
        """Let others know whether the run is paused."""
        self._change(self._note.with_paused(paused=paused))

    def note_end(self, until: datetime | None, experiments: int | None) -> None:
        """Let others know when the run begins nothing new, or after how many experiments."""
        self._change(self._note.with_end(until, experiments))

    def note_hung_up(self) -> None:
        """Let others know that the terminal is gone."""
        self._change(self._note.without_terminal())

    def _change(self, note: RunNote) -> None:
        with self._changing, suppress(OSError):  # a full disk: others are told less
            self._note = note
            note.write(self._note_path)

    def _holder(self) -> str:
        note = RunNote.read(self._note_path)
        return f" ({note.who})" if note else ""
