"""What the process that speaks to Ray does when hosts break, with a Ray that the test plays."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray, an extra, is not installed")

from ray.exceptions import ActorDiedError, RayActorError, RayError

from autoresearch.errors import SlotLostError
from autoresearch.execution import bridge as bridges
from autoresearch.execution import host_slot, messages
from autoresearch.execution.bridge import Bridge
from autoresearch.execution.host_slot import HostSlot
from tests.clusters import FACTS, StubHost
from tests.executors import spec
from tests.processes import PATIENCE

NODE = {"NodeID": "abcdef0", "Alive": True, "NodeManagerHostname": "a", "Resources": {"GPU": 1.0}}
SLOT = "a-abcdef:0"


class Method:
    """A method of an actor: what it was called with, and what it answers where it is known."""

    def __init__(self, *answer: object) -> None:
        self.called: list[tuple[object, ...]] = []
        self.answer = Future[object]()
        for each in answer:
            self.answer.set_result(each)

    def options(self, **_options: object) -> "Method":
        return self

    def remote(self, *given: object) -> Any:
        self.called.append(given)
        return self.answer


class Stream(Method):
    """A method that answers piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[Future[object]] = [Future()]

    def remote(self, *given: object) -> Any:
        self.called.append(given)
        return self.pieces


@dataclass
class Actor:
    """A host."""

    facts: Method = field(default_factory=lambda: Method(FACTS))
    open: Method = field(default_factory=lambda: Method(None))
    execute: Stream = field(default_factory=Stream)
    cancel: Method = field(default_factory=lambda: Method(None))
    close: Method = field(default_factory=lambda: Method(None))
    release: Method = field(default_factory=lambda: Method(None))
    checkpoint: Method = field(default_factory=lambda: Method(None))


class Ray:
    """As much of Ray as the bridge uses, for a machine whose next hosts are `actors`."""

    def __init__(self, actors: list[Actor]) -> None:
        self.actors, self.there = actors, True
        self.killed: list[Actor] = []

    def nodes(self) -> list[dict[str, Any]]:
        return [{**NODE, "Alive": self.there}]

    def wait(
        self, answers: list[Future[object]], num_returns: int = 1, timeout: float = 0.0
    ) -> tuple[list[Future[object]], object]:
        return [*wait(answers, timeout).done], num_returns

    def get(self, answer: Future[object], timeout: float | None = None) -> object:
        return answer.result(timeout)

    def kill(self, actor: Actor) -> None:
        self.killed.append(actor)


@dataclass
class Made:
    """A bridge with one slot, whose controller is the test."""

    bridge: Bridge
    ours: Connection
    ray: Ray
    first: Actor
    threads: list[threading.Thread]
    told: list[messages.Report] = field(default_factory=list)

    def end(self) -> None:
        """Wait until the bridge's threads have ended, and hear what they have told."""
        for thread in self.threads:
            thread.join(PATIENCE)
        while self.ours.poll():
            self.told.append(self.ours.recv())

    def hear(self) -> messages.Report:
        assert self.ours.poll(PATIENCE)
        found: messages.Report = self.ours.recv()
        return found

    def submit(self, call: int, slot: str = SLOT) -> None:
        self.bridge._code._held["c0ffee"] = "code"
        self.bridge._obey(messages.Submit(slot, call, spec(call)))

    def open(self) -> None:
        """Take the slot's next host."""
        assert self.hear() == messages.Found(SLOT, FACTS)
        self.bridge._obey(messages.Accept(SLOT, "study"))
        assert self.hear() == messages.Ready(SLOT)

    def leave(self) -> None:
        """Let the machine be gone."""
        self.ray.there = False
        self.bridge._host_slots[SLOT].leave()

    def break_down(self, fault: Exception | None = None) -> messages.Report:
        """Let the first host die with call 1 at work; return what is told of that."""
        self.submit(1)
        self.first.execute.pieces[0].set_exception(fault or ActorDiedError())
        return self.hear()


def starting() -> Actor:
    """A host that does not come: somebody else has the GPU."""
    return Actor(facts=Method())


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Made]]:
    made: list[Made] = []

    def act(*later: Actor) -> Made:
        first = Actor()
        ray = Ray([first, *later])
        monkeypatch.setattr(bridges, "ray", ray)
        monkeypatch.setattr(bridges, "_LOOK_SECONDS", 0.005)
        monkeypatch.setattr(bridges, "_DEAD_SECONDS", 0.0)
        ours, theirs = Pipe()
        bridge = Bridge(theirs)
        threads = list[threading.Thread]()

        def apart(act: Callable[[], None]) -> None:
            threads.append(threading.Thread(target=act, daemon=True))
            threads[-1].start()

        monkeypatch.setattr(bridge, "_apart", apart)
        bridge._begin = messages.Begin("", StubHost(tmp_path, tmp_path), 1, gpus=True, corpus=None)
        monkeypatch.setattr(bridge, "_actor", lambda _slot: ray.actors.pop(0))
        bridge._seat(str(NODE["NodeID"]), NODE)
        made.append(Made(bridge, ours, ray, first, threads))
        made[-1].open()
        return made[-1]

    yield act
    for each in made:
        each.leave()
        each.end()


def test_a_host_that_dies_is_replaced_and_what_waited_begins_on_the_next(
    make: Callable[..., Made],
) -> None:
    second = Actor()
    made = make(second)
    assert isinstance(made.break_down(), messages.Failed)
    made.submit(2)
    made.open()
    assert made.ray.killed == [made.first]
    second.execute.pieces[0].set_result(b"said")
    assert made.hear() == messages.Told(SLOT, 2, b"said")


def test_a_slot_whose_host_is_not_back_in_time_is_gone_until_it_is(
    make: Callable[..., Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_slot, "BACK_SECONDS", 0.0)
    late = starting()
    made = make(late)
    made.break_down()
    made.submit(2)
    assert made.hear() == messages.Gone(SLOT)
    assert not made.ours.poll(0.02), "nothing waits for it, and nothing is told twice"
    late.facts.answer.set_result(FACTS)
    made.open()
    made.submit(3)
    late.execute.pieces[0].set_result(b"said")
    assert made.hear() == messages.Told(SLOT, 3, b"said")
    assert [call for call, *_ in late.execute.called] == [3]


def test_a_host_that_is_mute_may_be_a_machine_that_is_gone(make: Callable[..., Made]) -> None:
    made = make(starting())
    made.submit(1)
    made.first.execute.pieces[0].set_exception(RayActorError())
    made.leave()
    made.end()
    assert made.told == [messages.Gone(SLOT)], "and it was no failure of the trial's"


def test_what_is_cancelled_while_a_host_opens_never_begins(make: Callable[..., Made]) -> None:
    made = make(starting())
    made.break_down()
    made.submit(2)
    made.bridge._obey(messages.Cancel(SLOT, 2))
    assert made.hear() == messages.Failed(SLOT, 2, "it was cancelled")


def test_a_call_that_fails_is_cancelled_on_its_host(make: Callable[..., Made]) -> None:
    made = make()
    told = made.break_down(RayError("an object is lost"))
    assert isinstance(told, messages.Failed)
    assert made.first.cancel.called == [(1,)]
    assert not made.ray.killed


def test_a_machine_that_goes_while_its_host_opens_is_told_once(make: Callable[..., Made]) -> None:
    made = make(starting())
    made.break_down()
    made.submit(2)
    made.leave()
    made.end()
    assert made.told == [messages.Gone(SLOT)], "and no facts of a machine that is not there"


def test_what_was_asked_of_an_earlier_process_is_answered_and_ends_nothing(
    make: Callable[..., Made], tmp_path: Path
) -> None:
    made = make(starting())
    made.submit(7, "b-000000:0")
    made.bridge._obey(messages.Fetch("b-000000:0", 7, tmp_path / "fetched"))
    assert made.hear() == messages.Fetched(tmp_path / "fetched", here=False)
    made.break_down()
    made.bridge._obey(messages.Release(SLOT, 7))
    made.bridge._obey(messages.Prepare(SLOT))
    made.bridge._obey(messages.Fetch(SLOT, 7, tmp_path / "fetched"))
    assert made.hear() == messages.Fetched(tmp_path / "fetched", here=False)


class TestASlot:
    """What waits for its host, on a clock of the test's."""

    def test_it_counts_on_for_a_while_after_its_host_broke(self) -> None:
        now = [0.0]
        slot, actor = HostSlot(SLOT, "node", lambda: now[0]), Actor()
        slot.begin(actor)
        slot.accept("study")
        assert slot.accepted() == "study"
        assert not slot.lapses(), "it never counted"
        slot.open()
        now[0] = 1000.0
        assert not slot.lapses()
        slot.break_down(Actor())
        assert slot.host_for(1) is actor, "it was another one's end"
        slot.break_down(actor)
        now[0] += host_slot.BACK_SECONDS - 1
        assert not slot.lapses()
        now[0] += 1
        assert [slot.lapses(), slot.lapses()] == [True, False]
        assert slot.host_for(2) is None
        slot.begin(actor)
        slot.open()
        assert slot.host_for(3) is actor
        slot.leave()
        assert slot.host_for(4) is None
        with pytest.raises(SlotLostError):
            slot.accepted()
