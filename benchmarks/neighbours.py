"""Neighbours on the machine: programs that come and go on every core.

Each has a session of its own, as other people's jobs have: Linux shares a core among sessions, so
all programs of one session together would take no more of it than the training does.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

PROGRAMS = 2  # for each core
BUSY, IDLE = (4.0, 24.0), (2.0, 16.0)  # seconds: shortest and longest


@contextmanager
def neighbours(seed: int = 0) -> Iterator[None]:
    """Keep programs on every core, busy and idle by turns of seconds drawn by the seed."""
    count = PROGRAMS * (psutil.cpu_count() or 1)
    one = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(
            [sys.executable, __file__, str(seed * count + number)], env=one, start_new_session=True
        )
        for number in range(count)
    ]
    try:
        yield
    finally:
        for each in running:
            each.kill()
            each.wait()


def disturb(seed: int) -> None:
    """Multiply matrices and rest, by turns, until killed or left alone."""
    import numpy as np  # noqa: PLC0415 - the parent has no need of it

    dice, matrix, parent = random.Random(seed), np.ones((300, 300)), os.getppid()
    while os.getppid() == parent:
        until = time.monotonic() + dice.uniform(*BUSY)
        while time.monotonic() < until:
            matrix = matrix @ matrix / 300
        time.sleep(dice.uniform(*IDLE))


if __name__ == "__main__":
    disturb(int(sys.argv[1]))
