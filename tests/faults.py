"""A night on an injected clock in which everything goes wrong once, and its faultless twin.

A training takes a minute of that clock. A device dies for ten minutes, the disk fills and empties,
the registry is locked for 90 seconds, the study's branch is checked out for twenty minutes, every
fifth scoring dies, the provider is down.
"""

import errno
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from unittest.mock import patch

from autoresearch.config import find_project
from autoresearch.execution import trial as execution
from autoresearch.proposers import Brief, Check, ProposeFailure
from autoresearch.records.proposals import Change, Proposal
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.training import Outcome
from autoresearch.records.values import Ending, FailureKind
from autoresearch.research import StopRules
from autoresearch.workers import Assignment
from tests.inline import InlineWorker
from tests.stubs import ConfigScorer, Night, Scripted, git, make_project, variant

MINUTE = 60.0
# From when to when, in seconds of the night.
LOOKED_AT = (3 * MINUTE, 23 * MINUTE)
ILL = (5 * MINUTE, 15 * MINUTE)
FULL = (18 * MINUTE, 20 * MINUTE)
LOCKED = (21 * MINUTE, 22.5 * MINUTE)
DOWN = (24 * MINUTE, 27 * MINUTE)
KILLED = Unscored("death", "the model server was killed", FailureKind.MACHINE)
LOST = Outcome(Ending.EXCEPTION, "AcceleratorError: device lost", FailureKind.MACHINE)


def sources(experiments: int) -> list[str | Change]:
    """Ideas of every fate: better, worse, null, crashing, a NaN, a cheat."""
    found: list[str | Change] = []
    best = 2.0
    for number in range(2, experiments + 1):
        if number % 7 == 0:
            found.append(variant(QUALITY=best - 0.01, BEHAVIOUR=("crash", "nan")[number % 2]))
        elif number % 11 == 0:
            found.append(variant(QUALITY=-float(number)))
        elif number % 4 == 0:
            best -= 0.02
            found.append(variant(QUALITY=round(best, 4)))
        else:
            found.append(variant(QUALITY=round(best + 0.001 * number, 4)))
    return found


@dataclass
class Clock:
    """Moves when somebody sleeps or trains; what is due by then happens."""

    now: float = 0.0
    due: list[tuple[float, Callable[[], object]]] = field(default_factory=list)

    def at(self, when: float, act: Callable[[], object]) -> None:
        """Let something happen once at a time."""
        self.due = sorted([*self.due, (when, act)], key=lambda each: each[0])

    def sleep(self, seconds: float) -> None:
        """Let seconds pass."""
        self.now += seconds
        while self.due and self.due[0][0] <= self.now:
            self.due.pop(0)[1]()

    def within(self, begin: float, end: float) -> bool:
        """Return whether it is between two times."""
        return begin <= self.now < end


def device(clock: Clock, ill: tuple[float, float] | None) -> InlineWorker:
    """Return a worker that takes a minute for a training, ill in these minutes of the night."""

    def fault(assignment: Assignment) -> Outcome | None:
        clock.sleep(assignment.budget.training / 20 * MINUTE)
        return LOST if ill and clock.within(*ill) else None

    return InlineWorker(fault=fault)


@dataclass
class Dying(ConfigScorer):
    """Dies in every so many-th scoring."""

    every: int = 0
    count: int = 0

    def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score | Unscored:
        """Return the score, or that it was killed."""
        self.count += 1
        if self.every and self.count % self.every == 0:
            return KILLED
        return super().score(tree, checkpoint, scratch)


@dataclass
class Provider(Scripted):
    """A paid one: it counts what it is asked; down at times."""

    down: Callable[[], bool] = lambda: False
    asked: list[float] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)

    def propose(self, brief: Brief, check: Check) -> Proposal | ProposeFailure | None:
        """Return the next idea, or that it is down."""
        if self.down():
            return ProposeFailure("the provider is overloaded")
        self.asked.append(self.clock.now)
        return super().propose(brief, check)


def a_night(root: Path, clock: Clock, experiments: int, *, faults: bool) -> Night:
    """Return a night over a project in a folder, with its faults or without."""
    project = find_project(root) if root.exists() else make_project(root)
    provider = Provider(sources(experiments), clock=clock)
    if faults:
        provider.down = lambda: clock.within(*DOWN)
    return Night(
        project,
        provider,
        clock=lambda: clock.now,
        sleep=clock.sleep,
        worker=device(clock, ILL if faults else None),
        scorer=Dying(every=5 if faults else 0),
        confirm_share=0.3,
        rules=StopRules(experiments=experiments),
    )


@contextmanager
def a_tenth_fails(night: Night, dice: Random) -> Iterator[Counter[str]]:
    """Let disk, provider, worker and scorer each fail in one try of ten; count how often."""
    failed: Counter[str] = Counter()

    def fails(what: str) -> bool:
        found = dice.random() < 0.1
        failed[what] += found
        return found

    worker, scorer, provider, make = night.worker, night.scorer, night.proposer, execution._make
    assert isinstance(worker, InlineWorker)
    assert isinstance(scorer, Dying)
    assert isinstance(provider, Provider)
    trains, score = worker.fault, scorer.score
    worker.fault = lambda given: trains(given) or (LOST if fails("worker") else None)
    provider.down = lambda: fails("provider")

    def made(scratch: Path) -> None:
        if fails("disk"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(scratch))
        make(scratch)

    with (
        patch.object(execution, "_make", made),
        patch.object(scorer, "score", lambda *a: KILLED if fails("scorer") else score(*a)),
    ):
        yield failed


@contextmanager
def everything_goes_wrong(night: Night, clock: Clock) -> Iterator[None]:
    """Let what lies outside worker, scorer and provider fail and come back as time passes."""
    night.registry.be_patient(night.backoff.back_off)
    root, branch = night.project.root, night.study().branch
    with ExitStack() as held:
        held.enter_context(patch.object(execution, "_make", _made_unless_full(clock)))
        lock = sqlite3.connect(night.project.registry, isolation_level=None)
        held.callback(lock.close)
        clock.at(LOCKED[0], lambda: lock.execute("BEGIN EXCLUSIVE"))
        clock.at(LOCKED[1], lambda: lock.execute("COMMIT"))
        clock.at(LOOKED_AT[0], lambda: git(root, "checkout", "--quiet", branch))
        clock.at(LOOKED_AT[1], lambda: git(root, "checkout", "--quiet", "main"))
        yield


def _made_unless_full(clock: Clock) -> Callable[[Path], None]:
    make = execution._make

    def made(scratch: Path) -> None:
        if clock.within(*FULL):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(scratch))
        make(scratch)

    return made
