"""`run --detach`: a run in a session of its own, which no terminal's end reaches.

The command that was typed waits until the run is at work, and ends as the run does if that comes
first; all that a start says is said where it was typed.
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from autoresearch.errors import ExitCode, ProjectError

Tell = Callable[[str], None]


def detach() -> Tell:
    """Return in a new process, the only one that goes on; this one waits for it and exits.

    Returns:
        What the new process calls once it is at work, with what the person should be told.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    told, tells = os.pipe()
    # In the middle of a fork nothing that Python raises is heard of: a Ctrl-C waits until it is.
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    child = os.fork()
    if child:
        os.close(tells)
        _follow(child, told, heard)
    os.close(told)
    os.setsid()
    signal.pthread_sigmask(signal.SIG_SETMASK, heard)

    def tell(text: str) -> None:
        with suppress(OSError):  # who typed the command has gone
            os.write(tells, text.encode("utf-8", "backslashreplace"))
        os.close(tells)

    return tell


def _follow(child: int, told: int, heard: set[signal.Signals | int]) -> NoReturn:
    """Wait until the run is at work, or has ended, and exit; signals are blocked as in `heard`."""
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)
        with os.fdopen(told, encoding="utf-8") as pipe:
            said = pipe.read()
    except KeyboardInterrupt:
        os.kill(child, signal.SIGINT)  # in a session of its own it hears no Ctrl-C
        said = ""
    if said:
        sys.stdout.write(said)
        raise SystemExit(ExitCode.DONE)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        msg = f"the run was ended by {signal.Signals(-code).name} before it was at work"
        raise ProjectError(msg)
    raise SystemExit(code)
