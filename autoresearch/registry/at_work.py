"""The run at work in a project, as it describes itself to other processes."""

import json
import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self


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

    def with_paused(self, *, paused: bool) -> Self:
        """Return the note of a run that is paused, or is no more."""
        return replace(self, paused=paused)

    def with_end(self, until: datetime | None, experiments: int | None) -> Self:
        """Return the note of a run that has an end."""
        when = until.isoformat(timespec="seconds") if until else ""
        return replace(self, until=when, experiments=experiments or 0)

    def without_terminal(self) -> Self:
        """Return the note of a run whose terminal is gone."""
        return replace(self, terminal="")

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, at work on this host."""
        return self.host == socket.gethostname()

    @property
    def who(self) -> str:
        """The process in words."""
        return f"process {self.pid}" if self.is_here else f"process {self.pid} on {self.host}"


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
