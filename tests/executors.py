"""What every executor is tried with: trials that wait at gates, and an executor to try.

The gates are files, so trials may wait in this process or in others of this machine. A trial is
known by its seed: it begins when `began` says so, and trains until `open_gate`.
"""

import errno
import json
import os
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from autoresearch.execution import (
    Ended,
    Executor,
    Host,
    LocalExecutor,
    Message,
    TrialResult,
    TrialSpec,
)
from autoresearch.process import launch
from autoresearch.records.events import Event
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.training import Budget, Limits, Outcome, Point
from autoresearch.records.values import Clock, Ending, FailureKind, Trust
from autoresearch.workers import Assignment, PruneCheck, never_pruned
from tests.processes import PATIENCE, until


@dataclass(frozen=True)
class Gates:
    """Files by which a test and its trials speak to each other."""

    folder: Path

    def set(self, what: str, seed: int, text: str = "") -> None:
        """Say something of a trial: "go", or what is to go wrong with it."""
        part = self.folder / f"{what}-{seed}.part"
        part.write_text(text)
        part.rename(self._file(what, seed))

    def clear(self, what: str, seed: int) -> None:
        self._file(what, seed).unlink()

    def said(self, what: str, seed: int) -> bool:
        return self._file(what, seed).exists()

    def read(self, what: str, seed: int) -> str:
        until(lambda: self.said(what, seed))
        return self._file(what, seed).read_text()

    def count(self, what: str, seed: int) -> int:
        """Say it with a number of its own, and return how often it was said."""
        number = len(list(self.folder.glob(f"{what}-{seed}.*"))) + 1
        (self.folder / f"{what}-{seed}.{number}").touch()
        return number

    def times(self, what: str, seed: int) -> int:
        return len(list(self.folder.glob(f"{what}-{seed}.*")))

    def _file(self, what: str, seed: int) -> Path:
        return self.folder / f"{what}-{seed}"


@dataclass(frozen=True)
class GatedWorker:
    """Trains until its gate is open. With "full" the disk is; with "child" it starts a process."""

    gates: Gates
    name: str = "gated"

    def prepare(self, place: Path) -> None:
        """It needs nothing."""

    def close(self) -> None:
        """It has nothing to end."""

    def train(
        self,
        assignment: Assignment,
        *,
        on_point: Callable[[Point], None],
        stop: Callable[[], bool],
        prune_check: PruneCheck = never_pruned,
        at_rest: Callable[[], bool] = lambda: True,
    ) -> Outcome:
        """Return how it ended."""
        gates, seed = self.gates, assignment.seed
        gates.count("trained", seed)
        if gates.said("full", seed):
            raise OSError(errno.ENOSPC, "No space left on device")
        point = Point(step=1, loss=float(seed), tokens=1, progress=0.5, seconds=1.0)
        with self._child(seed):
            on_point(point)
            while not gates.said("go", seed):
                if stop():
                    return Outcome(Ending.INTERRUPTED, "stopped", curve=(point,))
                time.sleep(0.002)
        assignment.out.mkdir()
        (assignment.out / "config.json").write_text(json.dumps({"seed": seed}))
        return Outcome(Ending.FINISHED, checkpoint=assignment.out, curve=(point,))

    @contextmanager
    def _child(self, seed: int) -> Iterator[None]:
        if not self.gates.said("child", seed):
            yield
            return
        with launch(["sleep", "600"], cwd=Path("/"), env={}) as guarded:
            self.gates.set("host", seed, str(os.getpid()))
            self.gates.set("pid", seed, str(guarded.pid))
            yield


@dataclass(frozen=True)
class GatedScorer:
    """Gives every trial its seed for a score; none while "sick" is said of it."""

    gates: Gates

    def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score | Unscored:
        assert (tree / "train.py").is_file()
        assert scratch.is_dir()
        seed = json.loads((checkpoint / "config.json").read_text())["seed"]
        if self.gates.said("sick", seed):
            return Unscored("start", "no server starts", FailureKind.MACHINE)
        return Score(float(seed), (1.0,), (8,), Trust.UNSEALED, 1, 1, 0.0, 0.1)

    def prepare(self, place: Path) -> None:
        """It needs nothing."""

    def wait_until_idle(self) -> None:
        """It has nothing to wait for."""

    def close(self) -> None:
        """It has nothing to end."""


@contextmanager
def made_tree(_commit: str, place: Path, _stop: Callable[[], bool]) -> Iterator[Path]:
    """A workspace without a repository."""
    place.mkdir()
    (place / "train.py").write_text("# trains nothing\n")
    try:
        yield place
    finally:
        (place / "train.py").unlink()
        place.rmdir()


def gated_host(gates: Path, work: Path) -> Host:
    """A slot's host whose trials wait at gates in a folder; both folders are there."""
    found = Gates(gates)
    return Host(
        worker=GatedWorker(found),
        evaluator=GatedScorer(found),
        checkout=made_tree,
        train_files=(),
        token_bytes=2,
        work=work,
    )


def spec(seed: int, *, again: bool = False) -> TrialSpec:
    """A trial, numbered by its seed."""
    return TrialSpec(
        number=seed,
        commit="c0ffee",
        entry="train.py",
        seed=seed,
        device="cpu",
        corpus="toks",
        budget=Budget(20.0, Clock.WALL),
        limits=Limits(),
        again=again,
    )


@dataclass
class Rig:
    """An executor of two slots or more, its gates, and the folders in which its hosts work."""

    executor: Executor
    gates: Gates
    works: list[Path]
    inbox: "queue.SimpleQueue[Message]" = field(default_factory=queue.SimpleQueue)
    heard: dict[str, list[Event]] = field(default_factory=dict)

    def submit(self, slot: str, what: TrialSpec) -> None:
        self.executor.submit(slot, what, self.inbox.put)

    def run(self, slot: str, what: TrialSpec) -> TrialResult | Exception:
        """Return what a trial comes to that waits for nothing."""
        self.gates.set("go", what.seed)
        self.submit(slot, what)
        return self.ended()[1]

    def began(self, slot: str) -> None:
        """Return once a trial on a slot has told something."""
        self.heard.pop(slot, None)
        while slot not in self.heard:
            message = self.inbox.get(timeout=PATIENCE)
            assert not isinstance(message, Ended), message
            self.heard.setdefault(message.slot, []).append(message.event)

    def ended(self) -> tuple[str, TrialResult | Exception]:
        """Return the next end of a trial."""
        while True:
            message = self.inbox.get(timeout=PATIENCE)
            if isinstance(message, Ended):
                return message.slot, message.result
            self.heard.setdefault(message.slot, []).append(message.event)

    @property
    def left(self) -> list[Path]:
        """What lies in the folders of its hosts."""
        return [path for work in self.works for path in work.glob("**/trial-*")]


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@contextmanager
def local_rig(folder: Path) -> Iterator[Rig]:
    """Threads of this process."""
    gates, work = folder / "gates", folder / "work"
    gates.mkdir()
    work.mkdir()
    hosts = {slot: gated_host(gates, work) for slot in ("0", "1")}
    executor = LocalExecutor(hosts, lambda: False)
    yield Rig(executor, Gates(gates), [work])
    executor.close()


# Every executor there is but Ray's, whose tests derive from the contract: a folder for its files →
# a rig, closed afterwards.
RIGS: dict[str, Callable[[Path], AbstractContextManager[Rig]]] = {"local": local_rig}
