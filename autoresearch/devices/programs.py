"""Runs a program of the system's, such as a driver's own, and never waits for it for long."""

import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress

Ask = Callable[[Sequence[str]], str]
_PATIENCE = 60.0  # seconds; a driver that nobody has used for a while has to wake every card
_NOTHING = subprocess.DEVNULL


def output_of(command: Sequence[str]) -> str:
    """Return what a program prints; "" where there is none, it fails or takes too long."""
    try:
        process = subprocess.Popen(
            command, stdin=_NOTHING, stdout=subprocess.PIPE, stderr=_NOTHING, start_new_session=True
        )
    except OSError:
        return ""
    with suppress(subprocess.TimeoutExpired):
        output, _ = process.communicate(timeout=_PATIENCE)
        return "" if process.returncode else output.decode("utf-8", "replace")
    # A process that waits for a broken driver may survive a kill: do not wait for that.
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=1.0)
    return ""
