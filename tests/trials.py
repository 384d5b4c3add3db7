"""Trials for the worker's tests: second-long train.py stubs in plain Python, really executed."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from autoresearch import sandbox
from autoresearch.records.training import Budget, Limits, Outcome, Point
from autoresearch.records.values import Clock
from autoresearch.workers import Assignment, LocalWorker, PruneCheck, always, never_pruned

PRELUDE = '''\
import json, mmap, os, signal, subprocess, sys, time
from pathlib import Path
from autoresearch.runtime import open_session

HEADER = {"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}


def weights(header=HEADER, data=b"\\0\\0\\0\\0"):
    head = json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + data


def save(session, model=None, config=b"{}"):
    (session.out / "model.safetensors").write_bytes(weights() if model is None else model)
    (session.out / "config.json").write_bytes(config)


def busy(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def daemon(act):
    """Do `act` in a process that left session and group, was orphaned and ignores signals."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            act()
        os._exit(0)
    os.wait()


def until_gate():
    """Wait until the test opens the gate; see `Bench.open_gate`."""
    while not (Path.home() / "gate").exists():
        time.sleep(0.005)


session = open_session()
'''
FINISH = "data = session.start()\nsession.log(step=1, loss=2.0, tokens=3)\nsave(session)\n"
GOOD = FINISH + "session.finish()\ntime.sleep(60)\n"


# So long that a busy machine brings nothing to its end that should not come to one.
LONG = Budget(training=120.0, clock=Clock.WALL, startup=240.0, grace=20.0)
ROOMY = Limits(memory=2 * 2**30, log=64 * 1024)


@dataclass
class Ahead:
    """A clock that runs as the machine's does, and is put forward by a test.

    So a limit is passed when something has happened, and not before, however slow the machine is.
    """

    seconds: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.seconds

    def skip(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Bench:
    """A folder in which trials run one after the other, as in a night."""

    folder: Path
    budget: Budget = LONG
    limits: Limits = ROOMY
    worker: LocalWorker = field(
        default_factory=lambda: LocalWorker(sandbox.detect(os.environ), patience=0.2)
    )
    points: list[Point] = field(default_factory=list)
    count: int = 0
    device: str = "cpu"
    profiled: bool = False

    def run(
        self,
        body: str,
        *,
        on_point: Callable[[Point], None] | None = None,
        stop: Callable[[], bool] = lambda: False,
        prune_check: PruneCheck = never_pruned,
        seed: int = 5,
        prelude: str = PRELUDE,
        at_rest: Callable[[], bool] = always,
    ) -> Outcome:
        """Train with this body; whatever happens, nothing of the trial may be left alive."""
        assignment = self.assignment(prelude + body, seed)
        look = on_point or self.points.append
        outcome = self.worker.train(
            assignment, on_point=look, stop=stop, prune_check=prune_check, at_rest=at_rest
        )
        assert alive_under(assignment.scratch) == []
        return outcome

    def open_gate(self) -> None:
        """Let the trial at work go on that waits in `until_gate`."""
        (self.folder / f"trial-{self.count}" / "scratch" / "gate").touch()

    def assignment(self, source: str, seed: int = 5) -> Assignment:
        self.count += 1
        place = self.folder / f"trial-{self.count}"
        (place / "tree").mkdir(parents=True)
        (place / "scratch").mkdir()
        (place / "tree" / "train.py").write_text(source)
        return Assignment(
            tree=place / "tree",
            scratch=place / "scratch",
            entry="train.py",
            seed=seed,
            device=self.device,
            budget=self.budget,
            limits=self.limits,
            train_files=tuple(self._shards()),
            token_bytes=2,
            profiled=self.profiled,
        )

    def _shards(self) -> list[Path]:
        shard = self.folder / "00000.bin"
        shard.write_bytes(b"toks")
        return [shard]


def alive_under(scratch: Path) -> list[psutil.Process]:
    """Return the living processes whose home is this scratch folder: a trial's whole tree."""
    found = []
    for process in psutil.process_iter():
        try:
            mine = process.environ().get("HOME") == str(scratch)
            if mine and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
