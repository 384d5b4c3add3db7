"""What other processes of the same person ask of the run at work, through a named pipe.

A pipe holds nothing once nobody reads it: what was asked of a run that is gone stops no other one.
Only its owner may open it, and whether somebody reads it says whether a run is at work.
"""

import errno
import os
import pwd
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path

from filelock import FileLock, Timeout

from autoresearch.errors import RegistryError
from autoresearch.registry.lock import RunNote

_CLOSE = b"close\n"  # written by the run itself, so that its reader ends


class Ask(StrEnum):
    """What may be asked of a run."""

    STOP = "stop"
    STOP_NOW = "stop now"
    PAUSE = "pause"
    RESUME = "resume"


@contextmanager
def listening(
    pipe: Path, take: Callable[[Ask], None], tell: Callable[[str], None]
) -> Iterator[None]:
    """Give what is asked meanwhile to `take`, in a thread of its own; for who holds the run lock.

    Where the folder cannot hold a named pipe, `tell` is told so, and nothing can be asked.
    """
    try:
        reading, writing = _opened(pipe)
    except OSError as fault:
        tell(f"cannot make {pipe} ({fault.strerror}): stop, pause and status cannot see this run")
        yield
        return
    reader = threading.Thread(target=_read, args=(reading, take), name="control", daemon=True)
    reader.start()
    try:
        yield
    finally:
        pipe.unlink(missing_ok=True)
        os.set_blocking(writing, True)
        os.write(writing, _CLOSE)
        reader.join()
        os.close(reading)
        os.close(writing)


def _opened(pipe: Path) -> tuple[int, int]:
    """Return a new pipe's two ends; that this process holds one to write keeps reads waiting."""
    pipe.unlink(missing_ok=True)  # of a run that was killed
    os.mkfifo(pipe, 0o600)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    os.set_blocking(reading, True)
    return reading, writing


def _read(reading: int, take: Callable[[Ask], None]) -> None:
    known = {each.value: each for each in Ask}
    while said := os.read(reading, 4096):  # each is written whole, being shorter than PIPE_BUF
        for line in said.splitlines(keepends=True):
            if line == _CLOSE:
                return
            if (ask := known.get(line.decode("ascii", "replace").strip())) is not None:
                take(ask)


def run_at_work(pipe: Path, lock: Path) -> RunNote | None:
    """Return the note of the run at work; None where there is none.

    Of one on another host, or another person's, its note and the lock are believed.
    """
    note = RunNote.read(RunNote.path(lock))
    try:
        os.close(_writing_end(pipe))
    except RegistryError:
        return note if _is_held(lock) else None
    except OSError:
        return note if _is_elsewhere(note, lock) else None
    return note


def send(pipe: Path, lock: Path, ask: Ask) -> RunNote | None:
    """Ask something of the run at work; return its note.

    Args:
        pipe: the project's.
        lock: its run lock, beside which the note lies.
        ask: what.

    Raises:
        RegistryError: no run is at work, or it is another person's, or on another host.
    """
    note = RunNote.read(RunNote.path(lock))
    try:
        writing = _writing_end(pipe)
    except FileNotFoundError:
        raise RegistryError(_nobody(note, lock)) from None
    except OSError as fault:
        if fault.errno == errno.ENXIO:
            raise RegistryError(_nobody(note, lock)) from None
        msg = f"cannot reach the run: {fault.strerror}"
        raise RegistryError(msg) from None
    try:
        os.write(writing, f"{ask}\n".encode())
    except OSError as fault:
        msg = f"the run does not listen ({fault.strerror}): end it by its process number"
        raise RegistryError(msg) from None
    finally:
        os.close(writing)
    return note


def _writing_end(pipe: Path) -> int:
    """Open the pipe of this person's run.

    Raises:
        OSError: nobody reads it, or it is not there, or cannot be opened.
        RegistryError: it is another person's, or no pipe.
    """
    facts = pipe.lstat()
    if facts.st_uid != os.geteuid():
        msg = f"the run here is {_name(facts.st_uid)}'s: only they can stop or pause it"
        raise RegistryError(msg)
    if not stat.S_ISFIFO(facts.st_mode):
        msg = f"{pipe} is no named pipe: remove it"
        raise RegistryError(msg)
    return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)


def _nobody(note: RunNote | None, lock: Path) -> str:
    if note is not None and _is_elsewhere(note, lock):
        return f"the run of this project is at work on {note.host}: stop or pause it there"
    return "no run is at work in this project"


def _is_elsewhere(note: RunNote | None, lock: Path) -> bool:
    """Whether a run is at work on another host; one that was killed there left its note alone."""
    return note is not None and not note.is_here and _is_held(lock)


def _is_held(lock: Path) -> bool:
    probe = FileLock(lock)
    try:
        probe.acquire(timeout=0)
    except (Timeout, OSError):  # where it cannot be tried, it may be
        return True
    probe.release()
    return False


def _name(uid: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return f"user {uid}"
