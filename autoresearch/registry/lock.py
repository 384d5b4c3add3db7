"""One `run` at a time in a project, which says of itself what other processes may want to know.

Two would fight over the branch and the machine.
"""

import json
import os
import socket
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from autoresearch.errors import RegistryError


@dataclass(frozen=True)
class RunNote:
    """Who holds the run lock: process and host, since when, and from which terminal, "" for none.

    `until` is when it will begin nothing new, "" where nobody said; `experiments` how many it is to
    train at most, 0 for any number.

    A killed process leaves its note behind: it counts only while the lock is held.
    """

    pid: int
    host: str
    since: str
    terminal: str
    paused: bool = False
    until: str = ""
    experiments: int = 0

    @classmethod
    def of_this_process(cls) -> Self:
        """Describe this process, as at work from now on."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(os.getpid(), socket.gethostname(), now, _terminal())

    @staticmethod
    def path(lock: Path) -> Path:
        """Return where the note of a lock's holder lies."""
        return lock.with_suffix(".json")

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return a note; None where there is none that can be read."""
        with suppress(OSError, ValueError, TypeError):
            note = cls(**json.loads(path.read_text("utf-8")))
            datetime.fromisoformat(note.since)
            datetime.fromisoformat(note.until or note.since)
            return note
        return None

    def write(self, path: Path) -> None:
        """Write the note; who reads it meanwhile sees the old one or the new one."""
        draft = path.with_suffix(".part")
        draft.write_text(json.dumps(asdict(self)), "utf-8")
        draft.replace(path)

    def with_end(self, until: datetime | None, experiments: int | None) -> Self:
        """Return the note of a run that has an end."""
        when = until.isoformat(timespec="seconds") if until else ""
        return replace(self, until=when, experiments=experiments or 0)

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, at work on this host."""
        return self.host == socket.gethostname()

    @property
    def who(self) -> str:
        """The process in words."""
        return f"process {self.pid}" if self.is_here else f"process {self.pid} on {self.host}"


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

    def __exit__(self, *_fault: object) -> None:
        """Give it back."""
        self._note_path.unlink(missing_ok=True)
        self._lock.release()

    def note_paused(self, *, paused: bool) -> None:
        """Let others know whether the run is paused."""
        self._change(replace(self._note, paused=paused))

    def note_end(self, until: datetime | None, experiments: int | None) -> None:
        """Let others know when the run begins nothing new, or after how many experiments."""
        self._change(self._note.with_end(until, experiments))

    def note_hung_up(self) -> None:
        """Let others know that the terminal is gone."""
        self._change(replace(self._note, terminal=""))

    def _change(self, note: RunNote) -> None:
        with self._changing, suppress(OSError):  # a full disk: others are told less
            self._note = note
            note.write(self._note_path)

    def _holder(self) -> str:
        note = RunNote.read(self._note_path)
        return f" ({note.who})" if note else ""


def _terminal() -> str:
    """Return the terminal whose closing would hang this process up; "" where there is none."""
    with suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))  # fails where none controls it
        return next(filter(None, map(_name_of, (2, 1, 0))), "/dev/tty")
    return ""


def _name_of(stream: int) -> str:
    with suppress(OSError):
        return os.ttyname(stream)
    return ""
