"""Servers that are started before there is anything to score, and those that are not."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoresearch.evaluation import Cause, Evaluator
from autoresearch.evaluation.rules import NoScore
from autoresearch.evaluation.scoring_dir import ScoringDir
from autoresearch.evaluation.server import ServerHandle
from autoresearch.process import cgroup, launch
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.training import Limits
from autoresearch.records.values import FailureKind, Trust
from autoresearch.sandbox import Sandbox
from tests.evaluation_stubs import HONEST, STARTS, Warm, documents, evaluator, score, warm_sandbox
from tests.processes import guarded_children
from tests.sandboxes import level


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture(params=STARTS)
def sealed(request: pytest.FixtureRequest) -> Sandbox:
    """Bubblewrap, or what passes for it."""
    return warm_sandbox(Trust.SEALED) if request.param else level("bubblewrap")


@pytest.fixture
def prepared(work: Path, sealed: Sandbox) -> Iterator[Evaluator]:
    """An evaluator whose servers wait, in the folder `work`."""
    found = evaluator(texts=documents(numbers=30), sandbox=sealed)
    found.prepare(work)
    found.wait_until_idle()
    yield found
    found.close()
    assert not guarded_children()


def guards() -> set[int]:
    """Our own children: below them are the servers."""
    return {each.pid for each in guarded_children() if each.ppid() == os.getpid()}


def test_servers_that_wait_are_those_that_score_and_nothing_is_left(
    prepared: Evaluator, sealed: Sandbox, work: Path, tmp_path: Path
) -> None:
    waiting = guards()
    assert len(waiting) == 2
    (place,) = work.iterdir()
    assert sorted(each.name for each in place.rglob("*")) == ["a", "b", "shown"]  # not a file
    prepared.prepare(work)
    assert guards() == waiting
    # A path of the evaluator's own, and no look at where the tree comes from or the trial was.
    spy = HONEST + f"assert __file__ == {str(place / 'shown' / 'tree' / 'train.py')!r}\n"
    if not isinstance(sealed, Warm):
        spy += f"assert not os.path.exists({str(tmp_path / 'scratch')!r})\n"
        spy += f"assert not os.path.exists({str(tmp_path / 'tree')!r})\n"
    first = score(prepared, tmp_path, spy)
    assert isinstance(first, Score), first
    assert not guarded_children()
    assert list(work.iterdir()) == []
    second = score(prepared, tmp_path, HONEST)  # from cold
    assert isinstance(second, Score)
    assert second.bpb == pytest.approx(first.bpb, abs=1e-6)


def test_a_server_that_died_while_it_waited_is_nobodys_fault(
    prepared: Evaluator, work: Path, tmp_path: Path
) -> None:
    victim = min(guards())
    os.kill(victim, signal.SIGKILL)
    while victim in guards():
        time.sleep(0.01)
    assert isinstance(score(prepared, tmp_path, HONEST), Score)
    assert list(work.iterdir()) == []


def test_servers_that_nobody_needs_are_ended(prepared: Evaluator, work: Path) -> None:
    prepared.close()
    assert not guarded_children()
    assert list(work.iterdir()) == []


@pytest.mark.parametrize("name", ["landlock", "plain"])
def test_where_a_trial_could_reach_them_none_wait_for_its_end(work: Path, name: str) -> None:
    evaluator(sandbox=level(name)).prepare(work)
    assert not guarded_children()
    assert list(work.iterdir()) == []


def test_a_server_over_its_memory_breaks_a_rule(work: Path) -> None:
    less_than_any_takes = Limits(memory=2**10)
    site = ScoringDir(work / "site", "train.py", "cpu", level("plain"), less_than_any_takes)
    ours, theirs = socket.socketpair()
    guarded = launch(["sleep", "60"], cwd=work, env=dict(os.environ))
    with theirs, ServerHandle(guarded, ours, site, site.scratch("a")) as server:
        with pytest.raises(NoScore, match="more memory than a trial may") as breach:
            server.collect()
        assert breach.value.cause == Cause.MEMORY
    assert not guarded_children()


def test_a_server_that_the_kernel_kills_for_memory_is_no_mystery(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter([4, 5])  # before and after it
    monkeypatch.setattr(cgroup, "oom_kills", lambda _group: next(counts))
    site = ScoringDir(work / "site", "train.py", "cpu", level("plain"), Limits())
    ours, theirs = socket.socketpair()
    guarded = launch(["sh", "-c", "kill -9 $$"], cwd=work, env=dict(os.environ))
    theirs.close()
    with ServerHandle(guarded, ours, site, site.scratch("a")) as server:
        with pytest.raises(NoScore, match="the system ran out of memory") as breach:
            server.collect()
        assert breach.value.cause == Cause.MEMORY


def test_servers_that_cannot_be_started_beforehand_cost_no_score(work: Path) -> None:
    scorer = evaluator(texts=documents(numbers=30), sandbox=warm_sandbox(Trust.SEALED))
    scorer.prepare(work / "gone")
    assert not guarded_children()
    assert isinstance(score(scorer, work, HONEST), Score)


def test_where_none_can_be_started_at_all_it_is_the_machines_fault(work: Path) -> None:
    scorer = evaluator(texts=documents(numbers=30), sandbox=warm_sandbox())
    found = scorer.score(work, work, work / "gone")
    assert isinstance(found, Unscored)
    assert (found.cause, found.kind) == (Cause.START, FailureKind.MACHINE)
