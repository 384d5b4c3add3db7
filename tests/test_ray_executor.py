"""What the controller's side of a Ray cluster does with what it hears, without a cluster."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import Pipe
from pathlib import Path
from pickle import UnpicklingError

import pytest

from autoresearch.errors import Interrupted, SlotLostError
from autoresearch.execution import Ended, Message, RayExecutor, TrialResult, messages
from autoresearch.execution import link as links
from autoresearch.execution import ray as ray_executor
from autoresearch.records.values import FailureKind
from tests.clusters import FACTS, TERMS, StubHost
from tests.executors import spec
from tests.processes import PATIENCE


@dataclass
class Line:
    """Stands for `Link`: what is sent is kept, and the test says what is heard."""

    hear: Callable[[messages.Report], None]
    lost: Callable[[int], None]
    tick: Callable[[], None]
    sent: list[messages.Command] = field(default_factory=list)
    queued: list[Callable[[], None]] | None = None  # a list: what is to be done soon waits there

    def open(self) -> None:
        """It is."""

    def close(self) -> None:
        """Nothing is to be ended."""

    def check(self) -> None:
        """All is well."""

    def make_known(self, commit: str) -> None:
        """All is known."""

    def doubt(self, commit: str) -> None:
        """It stays known."""

    def send(self, command: messages.Command) -> None:
        self.sent.append(command)

    def soon(self, act: Callable[[], None] | messages.Command) -> None:
        do = act if callable(act) else lambda: self.send(act)
        if self.queued is None:
            do()
        else:
            self.queued.append(do)

    def of(self, kind: type[messages.Command]) -> list[messages.Command]:
        return [each for each in self.sent if isinstance(each, kind)]


@dataclass
class Made:
    """An executor with a slot, "a:0", whose cluster the test plays."""

    executor: RayExecutor
    line: Line
    now: list[float]
    stop: list[bool]
    inbox: list[Message] = field(default_factory=list)

    def submit(self, seed: int, slot: str = "a:0") -> None:
        self.executor.submit(slot, spec(seed), self.inbox.append)

    @property
    def ends(self) -> list[TrialResult | Exception]:
        return [each.result for each in self.inbox if isinstance(each, Ended)]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Made]:
    lines: list[Line] = []

    def link(
        _begin: object,
        _pack: object,
        *,
        hear: Callable[[messages.Report], None],
        lost: Callable[[int], None],
        tick: Callable[[], None],
    ) -> Line:
        lines.append(Line(hear, lost, tick))
        return lines[0]

    monkeypatch.setattr(ray_executor, "Link", link)
    now, stop = [0.0], [False]
    plan = StubHost(tmp_path, tmp_path)
    begin = messages.Begin("nowhere", plan, cores=1, gpus=True, corpus=None)
    with RayExecutor(begin, lambda _commit: b"", lambda: now[0]) as executor:
        executor.accept(TERMS, lambda _event: None, lambda: stop[0])
        found = Made(executor, lines[0], now, stop)
        found.line.hear(messages.Found("a:0", FACTS))
        found.line.hear(messages.Ready("a:0"))
        yield found


class TestAStop:
    """Nothing that was asked for, at whatever time, holds up the end of a run."""

    def test_what_is_submitted_afterwards_ends_at_once(self, made: Made) -> None:
        made.stop[0] = True
        made.line.tick()
        made.submit(1)
        assert isinstance(made.ends[0], Interrupted)
        assert not made.line.of(messages.Submit)

    def test_what_came_between_two_looks_is_cancelled_once(self, made: Made) -> None:
        made.stop[0] = True
        made.line.tick()
        made.stop[0] = False
        made.submit(1)
        made.stop[0] = True
        for _ in range(3):
            made.line.tick()
        assert made.line.of(messages.Cancel) == [messages.Cancel("a:0", 1)]

    def test_a_host_that_does_not_answer_is_not_waited_for(self, made: Made) -> None:
        made.submit(1)
        made.stop[0] = True
        made.line.tick()
        made.now[0] += ray_executor._END_SECONDS - 1
        made.line.tick()
        assert not made.ends
        made.now[0] += 1
        made.line.tick()
        assert isinstance(made.ends[0], SlotLostError)

    def test_what_is_cancelled_and_lost_is_interrupted(self, made: Made) -> None:
        made.submit(1)
        made.executor.cancel("a:0")
        made.line.hear(messages.Failed("a:0", 1, "it was cancelled"))
        assert isinstance(made.ends[0], Interrupted)


class TestALoss:
    """What was asked for before the cluster was lost means nothing to the next one."""

    def test_a_call_that_was_not_sent_yet_is_never_sent(self, made: Made) -> None:
        made.line.queued = []
        made.submit(1)
        made.line.lost(0)
        assert isinstance(made.ends[0], SlotLostError)
        made.line.hear(messages.Ready("a:0"))
        for act in made.line.queued:
            act()
        assert not made.line.of(messages.Submit), "it is trained elsewhere already"

    def test_checkpoints_on_their_way_are_not_waited_for(self, made: Made, tmp_path: Path) -> None:
        arrived = list[bool]()
        made.executor._held.add(1, "a:0")
        made.executor.fetch(1, tmp_path / "fetched", arrived.append)
        made.line.lost(0)
        assert arrived == [False]
        made.line.hear(messages.Fetched(tmp_path / "fetched", here=False))  # of one that was queued
        assert arrived == [False]

    def test_a_checkpoint_whose_host_has_just_gone_is_nowhere(
        self, made: Made, tmp_path: Path
    ) -> None:
        arrived = list[bool]()
        made.executor._held.add(1, "a:0")
        assert made.executor.held == [1]
        made.line.hear(messages.Gone("a:0"))
        assert made.executor.held == []
        made.executor.fetch(1, tmp_path / "fetched", arrived.append)
        made.executor.drop(1)
        assert arrived == [False]
        assert not made.line.of(messages.Fetch)

    def test_what_is_late_of_a_call_changes_nothing(self, made: Made) -> None:
        made.submit(1)
        made.line.hear(messages.Gone("a:0"))
        made.line.hear(messages.Ready("a:0"))
        made.submit(2)
        made.line.hear(messages.Failed("a:0", 1, "too late"))
        assert [type(each) for each in made.ends] == [SlotLostError]
        made.line.hear(messages.Failed("a:0", 2, "its host died"))
        found = made.ends[1]
        assert isinstance(found, TrialResult)
        assert found.failure is FailureKind.MACHINE


def test_code_that_is_lost_as_soon_as_it_is_sent_is_sent_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(links, "_start", lambda _begin: (None, None))
    begin = messages.Begin("", StubHost(tmp_path, tmp_path), cores=1, gpus=True, corpus=None)
    line = links.Link(begin, str.encode, hear=print, lost=print, tick=lambda: None)
    sent, lossy = list[messages.Command](), [True]

    def send(command: messages.Command) -> None:
        sent.append(command)
        if lossy[0] and isinstance(command, messages.Code):
            line.doubt(command.commit)  # in the thread that hears, before this one goes on

    monkeypatch.setattr(line, "send", send)
    for lossy[0] in (True, False, False):
        line.make_known("c0ffee")
    assert sent == [messages.Code("c0ffee", b"c0ffee")] * 2
    for number in range(links._MOST_CODES):
        line.make_known(str(number))
    assert sent[-1] == messages.Code("c0ffee", None)


def test_a_bug_in_what_hears_the_cluster_ends_a_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours, theirs = Pipe()
    process = subprocess.Popen(["true"])
    monkeypatch.setattr(links, "_start", lambda _begin: (ours, process))
    begin = messages.Begin("", StubHost(tmp_path, tmp_path), cores=1, gpus=True, corpus=None)
    with RayExecutor(begin, str.encode) as executor:
        assert executor.slots == ()
        theirs.send(messages.Told("a:0", 1, b"no pickle"))
        for thread in executor._link._threads[:1]:
            thread.join(PATIENCE)
        with pytest.raises(UnpicklingError):
            _ = executor.slots
        with pytest.raises(UnpicklingError):
            executor.survey()
