"""What a machine of a cluster gets and becomes, without a cluster."""

import os
import pickle
import signal
import stat
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import psutil
import pytest

from autoresearch import corpus as corpora
from autoresearch.commands.fleet import packed
from autoresearch.commands.tasks import task_of
from autoresearch.config import CorpusSettings, MoneySettings, find_project
from autoresearch.corpus import Corpus
from autoresearch.errors import CorpusError, Interrupted
from autoresearch.execution import (
    Checkout,
    CommandHost,
    CommandTask,
    Host,
    HostFacts,
    TrialResult,
    pack,
    unpack,
)
from autoresearch.execution.hosting import misfit, private_work
from autoresearch.execution.serving import POINT_SECONDS, HostReport, HostServer, lost, spaced
from autoresearch.gitrepo import GitRepo
from autoresearch.records.events import Scoring, TrialPoint
from autoresearch.records.hardware import Hardware
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.training import Budget, Limits, Outcome, Point
from autoresearch.records.values import Clock, Ending, FailureKind, Trust
from autoresearch.sandbox import detect
from tests.commands import Forked
from tests.executors import GatedScorer, GatedWorker, Gates, gated_host, spec
from tests.processes import PATIENCE, until
from tests.stubs import git
from tests.test_metric_night import SETTINGS as LABELLED
from tests.test_metric_night import make_labelled

SETTINGS = CorpusSettings(vocab_size=300, val_share=0.2, test_share=0.2)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Forty documents, prepared."""
    source = tmp_path / "source"
    source.mkdir()
    for number in range(40):
        (source / f"{number}.txt").write_text(f"document {number} says {number * 7919} twice\n" * 9)
    home = tmp_path / "prepared"
    return corpora.prepare(str(source), SETTINGS, home, report=lambda *_: None)


CARD = Hardware("cuda", "Big", 80 * 2**30, "570.1", 700.0, 8, "3.11", "2.13", "CUDA 12.9")
FACTS = HostFacts(CARD, Trust.SEALED)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (FACTS, ""),
        (replace(FACTS, has_corpus=False), ""),
        (replace(FACTS, hardware=replace(CARD, name="Old")), "its card is Old, 80 GiB"),
        (replace(FACTS, hardware=replace(CARD, driver="")), "its driver is unknown"),
        (replace(FACTS, hardware=replace(CARD, torch="2.9")), "its software is Python 3.11, torch"),
        (replace(FACTS, trust=Trust.UNSEALED), "its trust is unsealed, the study's sealed"),
        (replace(FACTS, protocol=1), "its evaluator is protocol 1"),
        (replace(FACTS, version="0.0.9"), "it has autoresearch 0.0.9"),
        (replace(FACTS, fault="it has no data"), "it has no data"),
        (replace(FACTS, protocol=0), "its evaluator is unknown, the study's protocol"),
    ],
)
def test_machines_unlike_the_studys_are_told_from_it(other: HostFacts, said: str) -> None:
    found = misfit(other, {**FACTS.key, "budget": "300 s"})
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_a_folder_crosses_with_links_modes_and_bytes(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "empty").mkdir(parents=True)
    (tree / "data.bin").write_bytes(bytes(range(256)) * 99)
    (tree / "run.sh").write_text("#!/bin/sh\n")
    (tree / "run.sh").chmod(0o755)
    (tree / "up").symlink_to("../elsewhere")
    (tree / "near").symlink_to("data.bin")
    odd = os.fsencode(tree) + b"/odd-\xff"
    Path(os.fsdecode(odd)).write_text("odd")
    data = pack(tree)
    unpack(data, tmp_path / "there")
    there = tmp_path / "there"
    assert pack(there) == data
    assert (there / "data.bin").read_bytes() == (tree / "data.bin").read_bytes()
    assert (there / "up").readlink() == Path("../elsewhere")
    assert (there / "empty").is_dir()
    assert stat.S_IMODE((there / "run.sh").stat().st_mode) & 0o111
    with pytest.raises(Exception, match="outside the destination"):
        unpack(data, tmp_path / "strict", links=False)


def test_points_are_spaced_and_nothing_else_waits() -> None:
    now, inbox = [0.0], SimpleQueue[HostReport]()
    points = [TrialPoint(Point(at, 1.0, 1, 0.1, 1.0)) for at in range(6)]
    end = lost("gone")
    first: tuple[HostReport, ...] = (*points[:3], Scoring(), *points[3:5])
    for said in first:
        inbox.put(said)
    heard = spaced(inbox, lambda: now[0])
    assert [next(heard) for _ in range(3)] == [points[0], points[2], Scoring()]
    now[0] += 2 * POINT_SECONDS
    assert next(heard) == points[3]
    inbox.put(end)
    assert list(heard) == [points[4], end]
    assert end.failure is FailureKind.MACHINE


def test_a_corpus_is_brought_without_its_test_set(corpus: Corpus, tmp_path: Path) -> None:
    home = tmp_path / "data"
    assert corpora.find(home, corpus.fingerprint) is None
    sent = corpora.portion(corpus)
    arrival = corpora.Arrival(home, sent)
    for name, data in corpora.parts(sent):
        arrival.add(name, data)
    assert corpora.find(home, corpus.fingerprint) is None, "it is whole or not there"
    arrival.finish()
    found = corpora.find(home, corpus.fingerprint)
    assert found is not None
    assert found.val() == corpus.val()
    assert [each.read_bytes() for each in found.train_files()] == [
        each.read_bytes() for each in corpus.train_files()
    ]
    assert not list(home.rglob("test.*"))
    for path in [home / "brought", *(home / "brought").rglob("*")]:
        if path.is_dir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for path in found.directory.glob("sealed/*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_corpus_that_came_damaged_is_not_there(corpus: Corpus, tmp_path: Path) -> None:
    sent = corpora.portion(corpus)
    arrival = corpora.Arrival(tmp_path, sent)
    for name, data in corpora.parts(sent):
        arrival.add(name, data[:-1] + b"\0" if name.startswith("sealed") else data)
    with pytest.raises(CorpusError):
        arrival.finish()
    assert corpora.find(tmp_path, corpus.fingerprint) is None
    assert not list((tmp_path / "brought").iterdir())


def test_folders_of_dead_hosts_are_removed_and_of_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def work() -> None:
        (private_work() / "trial-1").mkdir()
        sys.stdout.write("at work")
        sys.stdout.flush()
        signal.pause()

    other = Forked(work)
    try:
        until(lambda: other.out)
        shared = Path(tempfile.gettempdir()) / f"autoresearch-{os.getuid()}"
        (theirs,) = shared.glob("host-*")
        # The clock was put back.
        monkeypatch.setattr(psutil.Process, "create_time", lambda _self: 1.0)
        own = private_work()
        assert stat.S_IMODE(own.stat().st_mode) == 0o700
        assert {*shared.glob("host-*")} == {own, theirs}
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
    another = private_work()
    assert {*shared.glob("host-*")} == {own, another}
    assert pickle.loads(pickle.dumps(FACTS)) == FACTS


class Elsewhere:
    """A machine of a cluster, of which the study's project is at `root`; it gets bytes alone."""

    def __init__(self, root: Path) -> None:
        self.plan: CommandHost = pickle.loads(pickle.dumps(CommandHost.of(command_task(root))))

    def executed(self, code: bytes) -> TrialResult:
        """Return what becomes of a commit's files there."""
        server = HostServer(self.plan)
        server.open("study")
        what = replace(spec(3), budget=Budget(60.0, Clock.WALL), limits=Limits(memory=2**31))
        with closing(server):
            *_, result = map(pickle.loads, server.execute(1, what, code))
        assert isinstance(result, TrialResult)
        return result


def command_task(root: Path) -> CommandTask:
    task = task_of(find_project(root))
    assert isinstance(task, CommandTask)
    return task


class TestACommandElsewhere:
    """A project with a command of its own, whose data are in no commit."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = tmp_path / "labelled"
        make_labelled(root)
        return root

    def code(self, root: Path, tmp_path: Path) -> bytes:
        repo = GitRepo.open(root)
        return packed(repo, repo.head(), tmp_path)

    def test_an_evaluator_scores_there_on_what_is_held_out(
        self, root: Path, tmp_path: Path
    ) -> None:
        machine = Elsewhere(root)
        facts = machine.plan.facts()
        assert facts.fault == ""
        assert facts.trust is command_task(root).trust(detect(os.environ))
        assert not misfit(facts, {**facts.key, "held-out data": "other"})
        result = machine.executed(self.code(root, tmp_path))
        assert isinstance(result.score, Score), result
        assert -result.score.bpb == pytest.approx(0.6, abs=0.08)
        assert result.score.trust is facts.trust

    def test_no_trial_reaches_there_what_is_held_out(self, root: Path, tmp_path: Path) -> None:
        (root / "train.py").write_text("print(open('data/val.json').read())\n")
        git(root, "commit", "--quiet", "-am", "reads")
        result = Elsewhere(root).executed(self.code(root, tmp_path))
        assert result.outcome.ending is Ending.EXCEPTION
        assert "data/val.json" in result.outcome.detail

    def test_a_trials_own_word_is_read_there(self, root: Path, tmp_path: Path) -> None:
        told = LABELLED.replace('evaluator = "evaluate.py"', 'summary = "accuracy"')
        held_out = told[told.index("[data]") : told.index("[policy]")]
        (root / "autoresearch.toml").write_text(told.replace(held_out, ""))
        machine = Elsewhere(root)
        assert machine.plan.facts().trust is Trust.SELF_REPORTED
        result = machine.executed(self.code(root, tmp_path))
        assert isinstance(result.score, Score), result
        assert result.score.bpb == -0.6

    @pytest.mark.parametrize("change", ["gone", "other", "none"])
    def test_a_machine_without_what_is_held_out_is_refused(self, root: Path, change: str) -> None:
        machine = Elsewhere(root)
        labels = root / "data" / "val.json"
        if change == "gone":
            labels.unlink()
        elif change == "other":
            labels.write_text("[]")
        else:
            root.rename(root.with_name("moved"))
        said = misfit(machine.plan.facts(), {})
        assert said == f"what [data] held_out names is not in its {root} as it is here"

    def test_a_machine_without_what_is_shown_is_refused(self, root: Path) -> None:
        (root / "data" / "train.csv").write_text("1,2\n")
        (root / "autoresearch.toml").write_text(
            f'{LABELLED}[sandbox]\nreadable = ["data/train.csv"]\n'
        )
        machine = Elsewhere(root)
        assert machine.plan.facts().fault == ""
        (root / "data" / "train.csv").unlink()
        said = machine.plan.facts().fault
        assert said.startswith("[sandbox] readable: data/train.csv cannot be read: No such file")
        assert said.endswith(f"(the project's data must be there as they are here, in {root})")

    def test_a_project_in_the_home_is_looked_for_in_the_home_there(
        self, monkeypatch: pytest.MonkeyPatch, root: Path, tmp_path: Path
    ) -> None:
        here, there = tmp_path / "ada", tmp_path / "mnt" / "ada"
        monkeypatch.setenv("HOME", str(here))
        here.mkdir()
        root.rename(here / "labelled")
        machine = Elsewhere(here / "labelled")
        assert machine.plan.root == "~/labelled"
        there.parent.mkdir()
        here.rename(there)
        monkeypatch.setenv("HOME", str(there))
        assert machine.plan.facts().fault == ""

    def test_nothing_but_what_trials_need_crosses(self, root: Path) -> None:
        (root / "autoresearch.toml").write_text(
            f'{LABELLED}[notify]\nurls = ["https://example.org/hook"]\n[money]\nstudy_usd = 5\n'
        )
        assert b"example.org" not in pickle.dumps(Elsewhere(root).plan)
        assert Elsewhere(root).plan.settings.money == MoneySettings()


@dataclass
class OneAtATime:
    """A machine whose trials wait at gates; they and its evaluator say what must never be."""

    gates: Gates
    work: Path
    at_work: int = 0
    closed: list[str] = field(default_factory=list)

    def facts(self) -> HostFacts:
        return FACTS

    def open(self, checkout: Checkout, stop: Callable[[], bool], study: str) -> Host:
        plan = self

        class Worker(GatedWorker):
            def train(self, *given: Any, **named: Any) -> Outcome:
                plan.at_work += 1
                if plan.at_work > 1:
                    msg = "two trials on a device"
                    raise ValueError(msg)
                try:
                    return super().train(*given, **named)
                finally:
                    plan.at_work -= 1

            def close(self) -> None:
                plan.closed.append("worker")

        class Scorer(GatedScorer):
            def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score | Unscored:
                assert not stop(), "another one was cancelled"
                return super().score(tree, checkpoint, scratch)

            def close(self) -> None:
                plan.closed.append("evaluator")

        host = gated_host(self.gates.folder, self.work)
        return replace(
            host, worker=Worker(self.gates), evaluator=Scorer(self.gates), checkout=checkout
        )


class TestAHost:
    """What a machine does that is asked for more than it should be."""

    @pytest.fixture
    def plan(self, tmp_path: Path) -> OneAtATime:
        for name in ("gates", "work"):
            (tmp_path / name).mkdir()
        return OneAtATime(Gates(tmp_path / "gates"), tmp_path / "work")

    @pytest.fixture
    def server(self, plan: OneAtATime) -> HostServer:
        server = HostServer(plan)
        server.open("study")
        return server

    def heard(self, server: HostServer, seed: int, place: Path) -> list[object]:
        tree = place / "tree"
        tree.mkdir(exist_ok=True)
        (tree / "train.py").touch()
        return [pickle.loads(each) for each in server.execute(seed, spec(seed), pack(tree))]

    def test_a_trial_takes_the_place_of_one_that_was_given_up(
        self, plan: OneAtATime, server: HostServer, tmp_path: Path
    ) -> None:
        with ThreadPoolExecutor() as threads, closing(server):
            first = threads.submit(self.heard, server, 1, tmp_path)
            until(lambda: plan.gates.times("trained", 1))
            plan.gates.set("go", 2)
            *_, result = self.heard(server, 2, tmp_path)
            assert isinstance(first.result(PATIENCE)[-1], Interrupted)
        assert isinstance(result, TrialResult)
        assert isinstance(result.score, Score), result
        assert result.score.bpb == 2.0

    def test_what_goes_wrong_there_is_told_as_the_machines_failure(
        self, plan: OneAtATime, server: HostServer, tmp_path: Path
    ) -> None:
        plan.at_work = 1
        *_, result = self.heard(server, 1, tmp_path)
        assert isinstance(result, TrialResult)
        assert result.failure is FailureKind.MACHINE
        assert result.outcome.detail == "ValueError: two trials on a device"

    def test_all_that_was_made_ready_is_ended(self, plan: OneAtATime, server: HostServer) -> None:
        server.close()
        assert sorted(plan.closed) == ["evaluator", "worker"]
        assert not plan.work.exists()
