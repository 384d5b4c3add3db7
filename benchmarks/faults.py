"""Studies whose `run` is killed: after every single write, and 200 times at random.

    python benchmarks/faults.py [--each N] [--kills N] [--slots 1,3] [--seed N] [--write]
                                [--log FILE] [--minutes N]

For every write of a study of ten ideas (a row, a note, a commit, a ref, the branch, a folder) a
study is begun whose run is killed right after it, and run again to its end; `--each N` takes N of
each kind, the first one and others spread over the study. What is in the log is not done again, so
with `--minutes` it can be done in parts. Then runs with real training
processes are killed after a random time, again and again, until there were as many kills as asked
for. After every kill the next start must bring registry and branch together, and no process may be
left; after every study each idea must have come to one end, nothing be trained twice, and no folder
be left. What is found goes into results/faults.md with --write.
"""

import argparse
import json
import os
import platform
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from autoresearch.research import recover
from tests.commands import Forked
from tests.crashes import a_night, check_agree, check_whole, run_killed
from tests.processes import dies_out
from tests.stubs import Night, processes

RESULTS = Path(__file__).parent / "results" / "faults.md"
LONGEST = 4.0  # seconds from a start to a random kill


@dataclass
class Found:
    """What came of the studies of one kind."""

    studies: int = 0
    kills: int = 0
    experiments: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Point:
    """The N-th write of a kind in a study's first run."""

    kind: str
    number: int

    def due(self) -> Callable[[str], bool]:
        """Return what is true at this write."""
        count = iter(range(1, 10**9))
        return lambda name: name == self.kind and next(count) == self.number


class Log:
    """Studies that were killed after a write, one a line; what is there is not done again."""

    def __init__(self, path: Path | None, minutes: float) -> None:
        """Read what is there; no study begins after so many minutes."""
        self._path = path
        self._end = time.monotonic() + 60 * minutes
        lines = path.read_text().splitlines() if path and path.exists() else []
        self._known = [json.loads(line) for line in lines]

    def of(self, slots: int) -> Found:
        """Return what came of the studies with so many slots."""
        found = Found()
        for each in self._known:
            if each["slots"] == slots:
                found.studies += 1
                found.kills += each["killed"]
                found.kinds[each["kind"]] += each["killed"]
                found.experiments += each["experiments"]
                found.faults += each["faults"]
                found.seconds += each["seconds"]
        return found

    def left(self, slots: int, points: list[Point]) -> Iterator[Point]:
        """Yield the points that are still to be tried, as long as there is time."""
        known = {(each["slots"], each["kind"], each["number"]) for each in self._known}
        for point in points:
            if (slots, point.kind, point.number) not in known and time.monotonic() < self._end:
                yield point

    def add(self, slots: int, point: Point, found: Found) -> None:
        """Note a study."""
        line = {
            "slots": slots, "kind": point.kind, "number": point.number, "killed": found.kills,
            "experiments": found.experiments, "faults": found.faults, "seconds": found.seconds,
        }  # fmt: skip
        self._known.append(line)
        if self._path:
            with self._path.open("a") as file:
                file.write(f"{json.dumps(line)}\n")


def points_of(writes: list[str], each: int) -> list[Point]:
    """Return the first write of every kind, then so many more of each, spread over the study."""
    totals = Counter(writes)
    rounds = [
        [Point(kind, 1 + at * count // min(each, count)) for kind, count in totals.items()
         if at < min(each, count)]
        for at in range(min(each, max(totals.values())))
    ]  # fmt: skip
    return [point for found in rounds for point in found]


def every_write(place: Path, slots: int, each: int, log: Log) -> Found:
    """Kill a study's run after its writes, a study each."""
    whole = partial(a_night, place / "whole", slots)
    whole()
    writes = run_killed(whole, lambda _name: False)[:-1]
    check_whole(whole())
    points = points_of(writes, each)
    for number, point in enumerate(log.left(slots, points)):
        found, begun = Found(), time.monotonic()
        night = partial(a_night, place / f"write-{number}", slots)
        night()
        what = f"{slots} slots, write {point.number} of kind {point.kind}"
        found.kills = run_killed(night, point.due())[-1] != "finished"  # not every study has it
        _agree_after(found, night(), what)
        run_killed(night, lambda _name: False)
        _end(found, night(), what)
        found.seconds = time.monotonic() - begun
        log.add(slots, point, found)
    done = log.of(slots)
    print(f"{slots} slots: {done.studies} of {len(points)} writes of {len(set(writes))} kinds")
    return done


def random_kills(place: Path, slots: int, kills: int, dice: random.Random) -> Found:
    """Kill runs with real processes after a random time until there were so many kills."""
    found = Found()
    while found.kills < kills:
        night = partial(a_night, place / f"random-{found.studies}", slots, processes())
        night()
        while not _dies(night, dice if found.kills < kills else None, found):
            pass
        _end(found, night(), f"study {found.studies}")
        print(f"{slots} slots: {found.kills} kills, {found.studies} studies", flush=True)
    return found


def _dies(night: Callable[[], Night], dice: random.Random | None, found: Found) -> bool:
    """Run until the end or a kill; return whether it came to the end."""
    forked = Forked(lambda: night().run())
    end = time.monotonic() + (dice.uniform(0.05, LONGEST) if dice else 10**6)
    while forked.poll() is None and time.monotonic() < end:
        time.sleep(0.002)
    if forked.poll() is None:
        os.kill(forked.pid, signal.SIGKILL)
    ended = forked.wait()
    if ended == 0:
        return True
    if ended != -signal.SIGKILL:
        found.faults.append(f"ended with {ended}: {forked.err[-300:]}")
        return True
    found.kills += 1
    if not dies_out(night().project.root):
        found.faults.append(f"kill {found.kills}: processes are left")
    _agree_after(found, night(), f"kill {found.kills}")
    return False


def _agree_after(found: Found, night: Night, what: str) -> None:
    """Let the next start bring both sides together."""
    try:
        recover(night.registry, night.repo, night.project, night.study())
        check_agree(night)
    except Exception as fault:  # noqa: BLE001 - it is what is looked for
        found.faults.append(f"{what}: {type(fault).__name__}: {fault}")


def _end(found: Found, night: Night, what: str) -> None:
    found.studies += 1
    found.experiments += len(night.registry.experiments(night.study()))
    try:
        check_whole(night)
    except AssertionError as fault:
        found.faults.append(f"{what}: {fault}")
    print(f"{what}: {len(found.faults)} faults so far {found.faults[-1:]}", flush=True)


def lines(name: str, slots: int, found: Found) -> Iterator[str]:
    """Yield the row of a table, and what went wrong below it."""
    yield (
        f"| {name} | {slots} | {found.studies} | {found.kills} | {found.experiments} "
        f"| {len(found.faults)} | {found.seconds:.0f} |"
    )
    yield from (f"<!-- {each} -->" for each in found.faults)


def main() -> None:
    """Kill, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--each", type=int, default=10**6, metavar="N", help="of a kind; 0: none")
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="for each --slots")
    parser.add_argument("--slots", default="1,3", metavar="N,N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--write", action="store_true", help="into results/")
    parser.add_argument("--log", type=Path, metavar="FILE", help="go on with what is there")
    parser.add_argument("--minutes", type=float, default=1e6, metavar="N", help="for --each")
    options = parser.parse_args()
    told, kinds, log = list[str](), Counter[str](), Log(options.log, options.minutes)
    for slots in map(int, options.slots.split(",")):
        tries: dict[str, Callable[[Path, int], Found]] = {}
        if options.each:
            tries["after a write"] = partial(every_write, each=options.each, log=log)
        if options.kills:
            dice = random.Random(options.seed)
            tries["at random, real processes"] = partial(
                random_kills, kills=options.kills, dice=dice
            )
        for name, attempt in tries.items():
            with tempfile.TemporaryDirectory(prefix="faults-") as place:
                begun = time.monotonic()
                found = attempt(Path(place), slots)
                found.seconds = found.seconds or time.monotonic() - begun
            told += lines(name, slots, found)
            kinds += found.kinds
            print("\n".join(told), flush=True)
    head = (
        f"{platform.platform()}, Python {platform.python_version()}\n\n"
        "| killed | slots | studies | kills | rows | faults | seconds |\n"
        "|---|---|---|---|---|---|---|"
    )
    points = ", ".join(f"{name} ({count})" for name, count in sorted(kinds.items()))
    text = "\n".join([head, *told, "", f"Writes after which a run was killed: {points}.", ""])
    print(text)
    if options.write:
        asked = " ".join(sys.argv[1:])
        RESULTS.write_text(
            f"# Runs that were killed\n\n`python benchmarks/faults.py {asked}`\n\n{text}"
        )


if __name__ == "__main__":
    main()
