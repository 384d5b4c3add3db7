"""Where answers go."""

import sys

from rich.console import Console

PIPED_WIDTH = 200


def stdout() -> Console:
    """Return a console on stdout; into a pipe it does not cut lines to 80 columns."""
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
