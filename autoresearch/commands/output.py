"""Where answers go."""

import sys
from contextlib import suppress
from pathlib import Path

from rich.console import Console

PIPED_WIDTH = 200


def stdout() -> Console:
    """Return a console on stdout; into a pipe it does not cut lines to 80 columns."""
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
