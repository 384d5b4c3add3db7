"""What confinement costs: launching a process at each level against a plain subprocess.

    python benchmarks/sandbox.py [--times N]

All ways run the same two commands to their end, turn by turn so that neighbours disturb all
alike: `/bin/true`, and a Python that does nothing. Times are medians of wall milliseconds from the
call to the collected exit. The last line is what finding out the level costs, once a night.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from autoresearch.process import launch
from autoresearch.records.training import Limits
from autoresearch.sandbox import Sandbox, Unsealed, detection, examine

COMMANDS = {"/bin/true": ["/bin/true"], "python -S -c pass": [sys.executable, "-S", "-c", "pass"]}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=41, metavar="N")
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'command':<20} {'level':<16} {'median, ms':>10} {'least, ms':>10} {'ratio':>6}")
        for name, argv in COMMANDS.items():
            table(name, ways(argv, Path(folder)), times)
    found = milliseconds(partial(examine, os.environ))
    print(f"finding out the level: {found:.0f} ms")


def ways(argv: Sequence[str], scratch: Path) -> dict[str, Callable[[], object]]:
    """Return what to measure, by name; the first is what the others are compared with."""
    inherited = {"PATH": os.environ["PATH"]}
    offers = (detection.bubblewrap(inherited, ()), detection.landlock(inherited, ()))
    levels = [Unsealed(inherited), *(each for each in offers if not isinstance(each, str))]
    confined = {each.name: partial(inside, each, argv, scratch) for each in levels}
    return {"none": partial(plain, argv), **confined}


def table(command: str, ways: dict[str, Callable[[], object]], times: int) -> None:
    """Run every way in turn, and print its row."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(times):
        for name, act in ways.items():
            taken[name].append(milliseconds(act))
    base = statistics.median(taken["none"])
    for name, all_ in taken.items():
        median = statistics.median(all_)
        row = f"{command:<20} {name:<16} {median:>10.1f} {min(all_):>10.1f}"
        print(f"{row} {median / base:>6.1f}", flush=True)


def milliseconds(act: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begin = time.perf_counter()
    act()
    return (time.perf_counter() - begin) * 1000


def plain(argv: Sequence[str]) -> None:
    """Run to the end, alone."""
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def inside(sandbox: Sandbox, argv: Sequence[str], scratch: Path) -> None:
    """Run to the end at a level."""
    limits = Limits()
    command = sandbox.command(argv, readable=(), writable=(scratch,), limits=limits)
    environment = sandbox.environment(scratch, limits)
    with launch(command, cwd=scratch, env=environment) as guarded:
        ended = guarded.wait()
        assert ended is not None
        assert ended.code == 0


if __name__ == "__main__":
    main()
