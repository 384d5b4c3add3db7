"""Waiting for what other processes do, and looking for what should be dead."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

PATIENCE = 240.0  # seconds until what does not come to pass is taken for a fault


def until(holds: Callable[[], object]) -> None:
    """Wait for what comes to pass by itself."""
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends, "it never came to pass"
        time.sleep(0.005)


def guarded_children() -> list[psutil.Process]:
    """Return the guards among our children and all below them; what pytest started is not ours."""
    found = []
    for child in psutil.Process().children():
        try:
            if any(part.endswith("guard.py") for part in child.cmdline()):
                found += [child, *child.children(recursive=True)]
        except psutil.NoSuchProcess:  # it has just ended, or nobody has waited for it yet
            continue
    return found


def dies_out(folder: Path) -> bool:
    """Wait until no process names this folder or lives in it; return whether that came to pass."""
    deadline = time.monotonic() + PATIENCE
    while any(_of(folder)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _of(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            named = [*process.cmdline(), process.environ().get("HOME", "")]
            dead = process.status() == psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if not dead and any(str(folder) in each for each in named):
            yield process
