"""The controller over simulated devices: what it costs, and what parallel search loses.

    python benchmarks/fleet.py [--devices 1,8,64,512] [--trainings N] [--nights N] [--write]
    python benchmarks/fleet.py --memory N

Nothing is trained: an executor of its own says after five minutes of a simulated clock what the
training would have read. All else is real: controller, policy, registry, git. Code is a file of
places, each with what it adds to the true score, so that two ideas may stand side by side or
conflict. Ideas and noise are those of nights.py ("as measured"). Every line has as many trainings
in all: many devices have them at once, one has them one after another, which is what parallel
search is compared with. CPU is that of the process and of the git it calls, without the
simulation's. --memory runs one device for so many experiments and shows what each hundred
costs.
"""

import argparse
import gc
import math
import platform
import resource
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import psutil
from night_rules import MIXES, OFFSET, SHRINK, START

from autoresearch.config import find_project
from autoresearch.errors import Interrupted
from autoresearch.execution import Ended, Message, TrialResult, TrialSpec
from autoresearch.gitrepo import GitRepo
from autoresearch.proposers import Brief, Check, ProposeFailure
from autoresearch.records.events import Event, ExperimentDone
from autoresearch.records.proposals import Proposal
from autoresearch.records.scores import Score
from autoresearch.records.training import Outcome, Point, Timing
from autoresearch.records.values import Category, Ending, Trust, Verdict
from autoresearch.research import StopRules, TrialRunner, tasks
from autoresearch.research.schedule import Participant
from tests.stubs import Night, git, make_project, whole

RESULTS = Path(__file__).parent / "results" / "fleet.md"
PLACES = 150
SECONDS = 300.0  # a training's, on the simulated clock
SIGMA = 0.005  # of a trial's own noise, bpb
DAY = datetime(2026, 11, 23, 22, tzinfo=UTC)
BASE = "".join(f"P{at} = 0.0\n# place {at}\n\n" for at in range(PLACES))
CODE = f'''"""Places, each with what it adds to the true score."""
{BASE}'''
SETTINGS = "[policy]\nreplicates = 2\ndrift_every = 40\n[pruning]\nenabled = false\n"


@dataclass
class Clock:
    """A simulated one, and the seconds of CPU that the simulation itself took."""

    now: float = 0.0
    own: float = 0.0

    def sleep(self, seconds: float) -> None:
        """Let seconds pass."""
        self.now += seconds

    @contextmanager
    def simulating(self) -> Iterator[None]:
        """Count what happens meanwhile as the simulation's."""
        begun = time.thread_time() + of_children()
        try:
            yield
        finally:
            self.own += time.thread_time() + of_children() - begun


def of_children() -> float:
    """Return the CPU seconds of the processes that this one has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def of_living() -> float:
    """Return the CPU seconds of the processes that this one has not waited for: git's own one."""
    spent = (each.cpu_times() for each in psutil.Process().children())
    return sum(each.user + each.system for each in spent)


def places(code: str) -> dict[int, float]:
    """Return what each place adds to the true score."""
    rows = (line.split(" = ") for line in code.splitlines() if line.startswith("P"))
    return {int(name[1:]): float(value) for name, value in rows}


class Fleet:
    """Executes trials on so many devices of a simulated clock."""

    name = "simulated"

    def __init__(self, devices: int, repo: GitRepo, clock: Clock, seed: int) -> None:
        self.slots = tuple(map(str, range(devices)))
        self.ended = 0
        self._repo = repo
        self._clock = clock
        self._dice = np.random.default_rng(seed)
        self._seeds = np.random.default_rng([1, seed]).normal(0, OFFSET, 10_000)
        self._ends: list[tuple[float, str, Callable[[Message], None], TrialResult]] = []
        self._known: dict[str, float] = {}

    def true(self, commit: str) -> float:
        """Return a commit's true score."""
        if commit not in self._known:
            # By a git of its own: what the controller reads is to be counted as the controller's.
            code = git(self._repo.root, "show", f"{commit}:train.py")
            self._known[commit] = START + sum(places(code).values())
        return self._known[commit]

    def submit(self, slot: str, spec: TrialSpec, tell: Callable[[Message], None]) -> None:
        """Begin a trial."""
        with self._clock.simulating():
            bpb = self.true(spec.commit) + self._seeds[spec.seed] + self._dice.normal(0, SIGMA)
            took = SECONDS * float(self._dice.uniform(0.97, 1.03))
            end = self._clock.now + took
            outcome = Outcome(
                Ending.FINISHED,
                timing=Timing(startup=1.0, training=took, total=took),
                curve=(Point(1000, bpb, 10**6, 1.0, took),),
            )
            score = Score(bpb, (bpb * 8.0,), (8,), Trust.UNSEALED, 4, 1, 0.0, 0.1)
            self._ends.append((end, slot, tell, TrialResult(outcome, score)))

    def step(self) -> None:
        """Let time pass until the next trial ends, and those that end in the same ten seconds."""
        with self._clock.simulating():
            if not self._ends:
                return
            self._clock.now = max(self._clock.now, min(end for end, *_ in self._ends)) + 10.0
            over = [each for each in self._ends if each[0] <= self._clock.now]
            self._ends = [each for each in self._ends if each[0] > self._clock.now]
            for _, slot, tell, result in sorted(over, key=lambda each: each[:2]):
                self.ended += 1
                tell(Ended(slot, result))

    def cancel(self, slot: str) -> None:
        """Forget a trial."""

    def release(self, slot: str, number: int) -> None:
        """Hold nothing."""

    def prepare(self) -> None:
        """Need nothing."""

    def close(self) -> None:
        """Have nothing to end: what has not ended is lost."""
        self._ends.clear()


@dataclass
class Inventor:
    """Has an idea as in nights.py: another value at a place of the incumbent's code."""

    dice: Random
    clock: Clock
    name: str = "inventor"
    count: int = 0

    def propose(self, brief: Brief, _check: Check) -> Proposal | ProposeFailure | None:
        """Return the next one."""
        with self.clock.simulating():
            return self._next(brief)

    def _next(self, brief: Brief) -> Proposal:
        self.count += 1
        code = brief.files["train.py"]
        at, known = self.dice.randrange(PLACES), places(code)
        value = known[at] + self._effect(sum(known.values()))
        # What changes nothing is another text all the same.
        text = code.replace(f"P{at} = {known[at]!r}\n", f"P{at} = {value!r}\nN{self.count} = 0\n")
        return Proposal(self.name, f"idea {self.count}", whole(text), Category.OTHER)

    def _effect(self, gained: float) -> float:
        mix, kind = MIXES[1], self.dice.random()
        if kind < mix.better:
            return -self.dice.expovariate(1 / mix.gain) * math.exp(gained / SHRINK)
        if kind < mix.better + mix.neutral:
            return 0.0
        return mix.loss * math.exp(self.dice.gauss(-0.5, 1))


class SimulatedNight(Night):
    """A night over a fleet."""

    def on(self, devices: int, seed: int) -> "SimulatedNight":
        """Give it devices and their clock."""
        self.time = Clock()
        self.clock, self.sleep = lambda: self.time.now, self.time.sleep
        ticks = iter(range(10**9))
        self.registry.now = lambda: DAY + timedelta(seconds=self.time.now + 1e-6 * next(ticks))
        self.fleet = Fleet(devices, self.repo, self.time, seed)
        self.proposer = [Participant(Inventor(Random(seed), self.time))]
        return self

    def runner(self) -> TrialRunner:
        """Return one over the fleet."""
        runner = TrialRunner(
            self.setup, executor=self.fleet, backoff=self.backoff, registry=self.registry,
            repo=self.repo,
        )  # fmt: skip
        self.made = runner.tasks()
        self.made._beat = self._beat  # noqa: SLF001 - time passes where the run would wait
        runner.tasks = lambda: self.made  # type: ignore[method-assign]
        return runner

    def _beat(self) -> None:
        """Let time pass when nobody thinks."""
        if not any(participant.awaited for participant in self.participants()):
            self.fleet.step()


@dataclass(frozen=True)
class Told:
    """What one night cost and came to; seconds are of CPU."""

    devices: int
    trainings: int
    experiments: int
    own: float
    megabytes: float
    gain: float
    stale: int
    kept: int

    @property
    def line(self) -> str:
        """The row of a table."""
        each = 1000 * self.own / max(self.experiments, 1)
        size = 1000 * self.megabytes / max(self.experiments, 1)
        return (
            f"| {self.devices} | {self.trainings} | {self.experiments} | {each:.1f} "
            f"| {self.experiments / self.own:.0f} | {size:.1f} | {self.kept} | {self.stale} "
            f"| {self.gain:+.4f} |"
        )


HEADER = (
    "| devices | trainings | experiments | CPU ms an experiment | decisions a CPU second "
    "| registry kB an experiment | kept | stale | true effect, bpb |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def play(place: Path, devices: int, trainings: int, seed: int) -> Told:
    """Play one night."""
    night = a_night(place, devices, seed)
    fleet = night.fleet
    night.stopped = lambda: fleet.ended >= trainings  # type: ignore[method-assign]
    night.stop.is_set = night.stopped  # type: ignore[method-assign]
    begun = time.process_time() + of_children() + of_living()
    with suppress(Interrupted), patch.object(tasks, "LOOK_SECONDS", 0.0005):
        night.run()
    own = time.process_time() + of_children() + of_living() - begun - night.time.own
    study = night.study()
    rows = night.registry.experiments(study)
    best = night.registry.incumbent(study)
    assert best is not None
    verdicts = [row.verdict for row in rows]
    return Told(
        devices, fleet.ended, len([each for each in verdicts if each]), own,
        night.project.registry.stat().st_size / 1e6,
        fleet.true(str(best.commit_sha)) - fleet.true(study.base_commit),
        verdicts.count(Verdict.STALE), verdicts.count(Verdict.KEEP),
    )  # fmt: skip


def a_night(place: Path, devices: int, seed: int) -> SimulatedNight:
    """Make a project of places, and a night on it."""
    project = make_project(place / "project", CODE)
    settings = project.root / "autoresearch.toml"
    settings.write_text(settings.read_text().partition("[policy]")[0] + SETTINGS)
    git(project.root, "commit", "--quiet", "-am", "settings")
    project = find_project(project.root)
    return SimulatedNight(project, [], confirm_share=0.15).on(devices, seed)


def remembers(place: Path, experiments: int) -> list[str]:
    """Run one device for long; return what a hundred experiments cost, a line each."""
    night = a_night(place, 1, 1)
    night.rules = StopRules(experiments=experiments)
    lines = [
        "| experiments | resident MB | Python's own MB | ms of CPU | ms of wall |",
        "|---|---|---|---|---|",
    ]
    marks: list[tuple[float, float]] = []
    took: list[float] = []

    def on_event(event: Event) -> None:
        if not isinstance(event, ExperimentDone):
            return
        with night.time.simulating():  # to look is none of the controller's work
            living = of_living()
        spent = time.process_time() + of_children() + living - night.time.own
        marks.append((spent, time.monotonic()))
        if len(marks) % 100 == 0:
            before = marks[-100]
            took.extend(b[1] - a[1] for a, b in zip(marks[-100:], marks[-99:], strict=False))
            gc.collect()
            own = tracemalloc.get_traced_memory()[0] / 1e6
            held, wall = psutil.Process().memory_info().rss / 1e6, statistics.median(took[-99:])
            each = 10 * (marks[-1][0] - before[0])
            lines.append(
                f"| {len(marks)} | {held:.0f} | {own:.1f} | {each:.0f} | {1000 * wall:.0f} |"
            )
            print(lines[-1], flush=True)

    night.listener = on_event
    with patch.object(tasks, "LOOK_SECONDS", 0.0005):
        night.run()
    return lines


def main() -> None:
    """Play the nights and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--devices", default="1,8,64,512", metavar="N,N")
    parser.add_argument("--trainings", type=int, default=1024, metavar="N")
    parser.add_argument("--nights", type=int, default=1, metavar="N")
    parser.add_argument("--first", type=int, default=10_000, metavar="SEED")
    parser.add_argument("--memory", type=int, default=0, metavar="N", help="experiments; no nights")
    parser.add_argument("--trace", action="store_true", help="Python's own memory; slow")
    parser.add_argument("--write", action="store_true", help="into results/")
    options = parser.parse_args()
    if options.memory:
        if options.trace:
            tracemalloc.start()
        with tempfile.TemporaryDirectory(prefix="fleet-") as place:
            lines = remembers(Path(place), options.memory)
    else:
        lines = [HEADER]
        for devices in map(int, options.devices.split(",")):
            for seed in range(options.first, options.first + options.nights):
                with tempfile.TemporaryDirectory(prefix="fleet-") as place:
                    lines.append(play(Path(place), devices, options.trainings, seed).line)
                print(lines[-1], flush=True)
    head = f"{platform.platform()}, Python {platform.python_version()}\n\n"
    if options.write:
        asked = " ".join(sys.argv[1:])
        with RESULTS.open("a") as out:
            out.write(f"\n`python benchmarks/fleet.py {asked}`\n\n{head}" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
