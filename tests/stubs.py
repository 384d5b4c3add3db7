"""A project whose trainings take no time: the loop's tests run on it, through real processes."""

import hashlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from autoresearch.config import Project, find_project
from autoresearch.errors import Interrupted
from autoresearch.execution import Executor, Host, LocalExecutor, ReadyScorer
from autoresearch.gitrepo import GitRepo
from autoresearch.proposers import Brief, Check, ProposeFailure, Proposer
from autoresearch.records.events import Event, NoProposal, TrialStarted, WaitCause, Waiting
from autoresearch.records.metric import Metric
from autoresearch.records.money import CapReached, Caps, Intent, Settlement
from autoresearch.records.proposals import Change, ChangeFormat, Proposal
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.tables import Study
from autoresearch.records.values import Category, Clock, FailureKind, Trust
from autoresearch.registry import Registry
from autoresearch.research import StopRules, TrialRunner, controller_for, recover
from autoresearch.research.admission import SmokeTestRun
from autoresearch.research.backoff import Backoff
from autoresearch.research.checkpoints import checkpoint_store_of
from autoresearch.research.control import Control
from autoresearch.research.reference_curves import ReferenceCurves
from autoresearch.research.requests import TrialSetup
from autoresearch.research.schedule import Participant
from autoresearch.research.stopping import MoneyCap
from autoresearch.sandbox import detect
from autoresearch.workers import LocalWorker, Worker
from autoresearch.workers.checkpoint_store import CheckpointStore
from tests.inline import InlineExecutor, InlineWorker, ShuffledExecutor
from tests.rows import a_study

TRAIN = '''\
"""A training that takes no time; its true worth is QUALITY, its noise comes from the seed."""
import json
from autoresearch.runtime import open_session

QUALITY = 2.0
NOISE = 0.0
BEHAVIOUR = "good"


def main():
    session = open_session()
    data = session.start()
    assert data.shards()[0][:4] == b"toks"
    for step in range(3):
        session.log(step=step, loss=3.0 - step, tokens=step * 10)
    if BEHAVIOUR == "crash":
        raise RuntimeError("it broke")
    if BEHAVIOUR == "nan":
        session.log(step=3, loss=float("nan"), tokens=30)
    if BEHAVIOUR == "slow":
        import time
        time.sleep(60)
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    weights = len(header).to_bytes(8, "little") + header + b"\\0" * 4
    (session.out / "model.safetensors").write_bytes(weights)
    bpb = QUALITY + NOISE * (session.seed % 2)
    (session.out / "config.json").write_text(json.dumps({"bpb": bpb}))
    session.finish()


if __name__ == "__main__":
    main()
'''


# Most tests count trainings: only those that ask for it have more than they see happen.
QUIET = "[policy]\nreplicates = 1\ndrift_every = 0\n"


class FreeLedger:
    """Lets everything pass and remembers it."""

    def __init__(self) -> None:
        self.intents: list[Intent] = []
        self.settled: dict[int, Settlement] = {}
        self.sent_back: dict[int, str] = {}

    def reserve(self, intent: Intent) -> int | CapReached:
        self.intents.append(intent)
        return len(self.intents)

    def settle(self, call: int, settlement: Settlement) -> None:
        self.settled.setdefault(call, settlement)

    def send_back(self, call: int, reason: str) -> None:
        self.sent_back[call] = reason

    def remaining(self) -> float | None:
        return None


class ConfigScorer:
    """Believes the checkpoint's own config: the loop is under test here, not the seal."""

    def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score | Unscored:
        assert (tree / "train.py").is_file()
        assert not (tree / ".git").exists()
        bpb = json.loads((checkpoint / "config.json").read_text())["bpb"]
        if bpb < 0:
            return Unscored("impossible", "below zero", FailureKind.RULE)
        return Score(bpb, (bpb * 8.0,), (8,), Trust.UNSEALED, 4, 1, 0.0, 0.1)

    def prepare(self, place: Path) -> None:
        """It needs nothing."""

    def wait_until_idle(self) -> None:
        """It has nothing to wait for."""

    def close(self) -> None:
        """It has nothing to end."""


@dataclass
class Scripted:
    """Proposes these source texts, one after another, whatever the brief says."""

    sources: list[str | Change]
    name: str = "scripted"
    briefs: list[Brief] = field(default_factory=list)

    def propose(self, brief: Brief, check: Check) -> Proposal | ProposeFailure | None:
        self.briefs.append(brief)
        made = [each.proposer for each in brief.history]
        made += [each.proposer for each in brief.pending]
        done = made.count(self.name)
        if done >= len(self.sources):
            return None
        source = self.sources[done]
        change = source if isinstance(source, Change) else whole(source)
        return Proposal(self.name, f"idea {done + 1}", change, Category.OTHER)


def accepted(_proposal: Proposal) -> None:
    """A check that refuses nothing."""


def not_in_the_loop(_files: object, _incumbent: object) -> None:
    """A smoke test that is passed, and holds up no controller."""
    assert threading.current_thread() is not threading.main_thread()


def whole(source: str) -> Change:
    return Change(ChangeFormat.FILE, f"train.py\n```python\n{source}```\n")


def variant(source: str = TRAIN, **constants: object) -> str:
    """A stub's source with other constants."""
    lines = []
    for line in source.splitlines(keepends=True):
        name = line.partition(" = ")[0]
        lines.append(f"{name} = {constants[name]!r}\n" if name in constants else line)
    return "".join(lines)


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def make_project(root: Path, source: str = TRAIN) -> Project:
    root.mkdir(parents=True)
    (root / "train.py").write_text(source)
    (root / "prepare.py").write_text("FIXED = True\n")
    (root / "program.md").write_text("# Goal\nLower val_bpb.\n")
    (root / "autoresearch.toml").write_text('[training]\nclock = "wall"\ngrace = "2s"\n' + QUIET)
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "begin")
    project = find_project(root)
    project.make_state()
    return project


def _at_rest() -> float:
    return 0.0


@dataclass
class Night:
    """A study over a stub project, ready to run and to be run again."""

    project: Project
    proposer: Proposer | Sequence[Participant]
    rules: StopRules = field(default_factory=StopRules)
    events: list[Event] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    listener: Callable[[Event], None] = lambda _event: None
    clock: Callable[[], float] = _at_rest
    sleep: Callable[[float], None] = time.sleep
    smoke_test: SmokeTestRun | None = None
    caps: Caps = field(default_factory=Caps)
    budget: float = 20.0
    confirm_share: float = 0.0
    profile: bool = False
    scorer: ReadyScorer = field(default_factory=ConfigScorer)
    chance: Callable[[], float] | None = None
    worker: Worker = field(default_factory=InlineWorker)
    slots: int = 1
    shuffled: int | None = None  # a seed: trials end in another order than they began
    control: Control = field(default_factory=Control)
    metric: Metric = field(default_factory=Metric)

    def __post_init__(self) -> None:
        self.registry = Registry.open(self.project.registry, create=True)
        self.repo = GitRepo.open(self.project.root)
        self.tokens = (self.project.state / "00000.bin",)
        self.tokens[0].write_bytes(b"toks" * 10)
        self.setup = TrialSetup(
            entry="train.py",
            device="cpu",
            corpus="toks",
            budget=self.project.settings.budget(self.budget),
            limits=self.project.settings.limits(),
        )

    def study(self) -> Study:
        found = self.registry.study("night")
        if found is not None:
            return found
        return self.registry.save(
            a_study(
                "night",
                base_commit=self.repo.head(),
                budget_seconds=self.budget,
                clock=Clock.WALL,
                measure=self.metric.stored,
            )
        )

    def on_event(self, event: Event) -> None:
        if isinstance(event, Waiting) and event.cause is not WaitCause.MACHINE:
            why = [each.reason for each in self.events if isinstance(each, NoProposal)]
            assert self.clock is not _at_rest, (event, why)  # it would wait for ever
        self.events.append(event)
        self.listener(event)

    def participants(self) -> Sequence[Participant]:
        return (
            self.proposer if isinstance(self.proposer, Sequence) else [Participant(self.proposer)]
        )

    @property
    def backoff(self) -> Backoff:
        deadline, paused = self.rules.deadline, lambda: self.control.paused
        return Backoff(self.clock, self.sleep, self.on_event, self.stopped, deadline, paused)

    def stopped(self) -> bool:
        late = self.rules.deadline is not None and self.clock() >= self.rules.deadline
        return late or self.stop.is_set()

    def runner(self) -> TrialRunner:
        backoff, store = self.backoff, self._store()
        host = Host(
            worker=self.worker,
            evaluator=self.scorer,
            checkout=self.repo.workspace,
            train_files=self.tokens,
            token_bytes=2,
            work=self.project.work,
            keep=store.put,
        )
        return TrialRunner(
            self.setup,
            executor=self._executor({str(at): host for at in range(self.slots)}),
            backoff=backoff,
            registry=self.registry,
            repo=self.repo,
            broke=self.control.why,
            store=store,
            reference_curves=ReferenceCurves(
                self.project.settings, self.registry, self.repo, self.chance
            ),
        )

    def _store(self) -> CheckpointStore:
        return checkpoint_store_of(self.project)

    def _executor(self, hosts: Mapping[str, Host]) -> Executor:
        if not isinstance(self.worker, InlineWorker):
            return LocalExecutor(hosts, self.stopped)
        if self.shuffled is None:
            return InlineExecutor(hosts, self.stopped)
        return ShuffledExecutor(hosts, self.stopped, self.shuffled)

    def run_until(self, when: Callable[[TrialStarted], bool]) -> None:
        """Run, and be interrupted in the first training of this kind."""

        def look(event: Event) -> None:
            if isinstance(event, TrialStarted) and when(event):
                self.stop.set()

        self.listener = look
        with pytest.raises(Interrupted, match="interrupted"):
            self.run()
        self.stop.clear()
        self.listener = lambda _event: None

    def run(self) -> str:
        study = self.study()
        recover(self.registry, self.repo, self.project, study)
        trials = self.runner()
        controller = controller_for(
            study,
            project=self.project,
            registry=self.registry,
            repo=self.repo,
            trials=trials,
            participants=self.participants(),
            money_cap=MoneyCap(self.registry.ledger(study, self.caps)),
            backoff=self.backoff,
            smoke_test=self.smoke_test,
            confirm_share=self.confirm_share,
            profile=self.profile,
            rules=self.rules,
            interrupted=self.stop.is_set,
            control=self.control,
        )
        executor = trials.executor
        if isinstance(executor, ShuffledExecutor):
            # Only when all that could begin has begun, and nobody thinks, does a trial end.
            schedule = controller.schedule
            tasks = controller.tasks
            tasks._beat = lambda: None if schedule.awaited else executor.deal()
        return controller.run()


def processes(now: Callable[[], float] = time.monotonic) -> LocalWorker:
    """The worker of a real night, for what an inline one cannot show: processes and their ends."""
    return LocalWorker(detect({}), now)


def snapshot(root: Path) -> dict[str, str]:
    """Hashes of everything in a checkout but our own state and git's object store."""
    found = {}
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if (
            path.is_file()
            and ".autoresearch" not in relative.parts
            and ".git" not in relative.parts
        ):
            found[str(relative)] = hashlib.sha256(path.read_bytes()).hexdigest()
    found["HEAD"] = git(root, "rev-parse", "HEAD")
    found["branch"] = git(root, "symbolic-ref", "HEAD")
    found["status"] = git(root, "status", "--porcelain")
    return found


__all__: Sequence[str] = [
    "TRAIN", "ConfigScorer", "FreeLedger", "Night", "Scripted", "accepted", "git",
    "make_project", "not_in_the_loop", "processes", "snapshot", "variant", "whole",
]  # fmt: skip
