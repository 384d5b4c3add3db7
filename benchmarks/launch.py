"""What the guard costs: launching a process tree with it against a plain subprocess.

    python benchmarks/launch.py [--times N]

Both ways run the same two commands to their end, turn by turn so that neighbours disturb both
alike: `/bin/true`, and a Python that does nothing. Times are medians of wall milliseconds from
the call to the collected exit. The last lines say what a look at a running tree costs: its CPU
seconds (20 times a second on that clock) and its memory (4 times a second).
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from autoresearch.process import launch

HERE = Path(__file__).parent
COMMANDS = {"/bin/true": ["/bin/true"], "python -S -c pass": [sys.executable, "-S", "-c", "pass"]}
FOREST = "import os, time\nfor _ in range(3): os.fork()\ntime.sleep(60)"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=41, metavar="N")
    times = parser.parse_args().times
    print(f"{'command':<20} {'plain, ms':>10} {'guarded, ms':>12} {'difference':>11} {'ratio':>6}")
    for name, argv in COMMANDS.items():
        without, guarded = medians(argv, times)
        row = f"{name:<20} {without:>10.1f} {guarded:>12.1f} {guarded - without:>11.1f}"
        print(f"{row} {guarded / without:>6.1f}", flush=True)
    looks(times)


def medians(argv: Sequence[str], times: int) -> tuple[float, float]:
    """Return the median milliseconds of a plain and of a guarded launch."""
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(times):
        for sink, act in zip(taken, (plain, under_guard), strict=True):
            sink.append(milliseconds(partial(act, argv)))
    return statistics.median(taken[0]), statistics.median(taken[1])


def milliseconds(act: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begin = time.perf_counter()
    act()
    return (time.perf_counter() - begin) * 1000


def plain(argv: Sequence[str]) -> None:
    """Run to the end, alone."""
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def under_guard(argv: Sequence[str]) -> None:
    """Run to the end, under a guard."""
    with launch(argv, cwd=HERE, env=dict(os.environ)) as guarded:
        assert guarded.wait() is not None


def looks(times: int) -> None:
    """Print what it costs to look at a tree of eight processes."""
    with launch([sys.executable, "-c", FOREST], cwd=HERE, env=dict(os.environ)) as guarded:
        time.sleep(1.0)
        ways: dict[str, Callable[[], object]] = {
            "CPU seconds": guarded.cpu_seconds,
            "memory": guarded.resident,
            "memory, shared pages once": lambda: guarded.resident(exact=True),
        }
        for name, act in ways.items():
            cost = statistics.median(milliseconds(act) for _ in range(times))
            print(f"a look at 8 processes: {name}: {cost:.2f} ms")


if __name__ == "__main__":
    main()
