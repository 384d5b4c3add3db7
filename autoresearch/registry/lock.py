"""One `run` at a time in a project: two would fight over the branch and the machine."""

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from autoresearch.errors import RegistryError


class RunLock:
    """Held while a `run` is at work. The system drops it when the process dies, however it dies."""

    def __init__(self, path: Path) -> None:
        self._note = path.with_suffix(".pid")
        self._lock = FileLock(path)

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
        self._note.write_text(str(os.getpid()))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give it back."""
        self._note.unlink(missing_ok=True)
        self._lock.release()

    def _holder(self) -> str:
        with suppress(OSError):
            return f" (process {self._note.read_text().strip()})"
        return ""
