"""A night's proposals: failures, pauses, and a stop while someone thinks."""

import errno
import threading
from dataclasses import dataclass, field

import pytest

from autoresearch.errors import GitBusyError, Interrupted, ProposerError
from autoresearch.proposers import Brief, Check, ProposeFailure
from autoresearch.records.events import Event, NoProposal, Waiting
from autoresearch.records.proposals import Change, ChangeFormat, Proposal
from autoresearch.research.backoff import Backoff
from autoresearch.research.requesting import ProposalRequests
from autoresearch.research.schedule import Participant, ProposerSchedule
from tests.processes import PATIENCE
from tests.stubs import accepted

GOOD = Proposal("a", "an idea", Change(ChangeFormat.DIFF, "x"))
BRIEF = Brief(
    study="s", number=2, incumbent_id=1, program="", entry="train.py", files={}, base_files={}
)


@dataclass
class Moody:
    """Answers what it is told to, then always the last."""

    name: str
    moods: list[Proposal | ProposeFailure | Exception | None]

    def propose(self, brief: Brief, check: Check) -> Proposal | ProposeFailure | None:
        mood = self.moods.pop(0) if len(self.moods) > 1 else self.moods[0]
        if isinstance(mood, Exception):
            raise mood
        return mood


@dataclass
class Bench:
    """Proposing on a clock that only sleeping moves."""

    participants: list[Participant]
    now: float = 0.0
    events: list[Event] = field(default_factory=list)
    until: float = float("inf")
    kept: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.schedule = ProposerSchedule(self.participants, lambda: self.now)
        self.answered = threading.Event()
        self.patience = Backoff(
            lambda: self.now, self.sleep, self.events.append, lambda: self.now >= self.until
        )
        self.requests = ProposalRequests(
            self.schedule, self.patience, self.answered.set, keep=self.kept.append
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def next(self) -> Proposal | None:
        """Ask one after another until there is a proposal, none can come, or time is up."""
        while not self.patience.stop():
            if self.requests.ask(lambda: BRIEF, accepted):
                assert self.answered.wait(PATIENCE)
                self.answered.clear()
                if found := self.requests.answers():
                    return found[0].proposal
            elif (pause := self.schedule.seconds_until_ready()) is not None:
                self.patience.wait(pause)
            else:
                return None
        return None


def test_a_provider_that_fails_for_ten_minutes_is_waited_for() -> None:
    @dataclass
    class Down:
        name: str = "anthropic:m"

        def propose(self, brief: Brief, check: Check) -> Proposal | ProposeFailure | None:
            return GOOD if bench.now >= 600 else ProposeFailure("the provider is overloaded")

    bench = Bench([Participant(Down())])
    assert bench.next() == GOOD
    assert 600 <= bench.now <= 900
    failures = [each for each in bench.events if isinstance(each, NoProposal)]
    assert len(failures) == 7
    assert failures[0].again == 5


def test_another_proposer_works_while_one_is_down() -> None:
    down = Moody("down", [ProposeFailure("overloaded")])
    bench = Bench([Participant(down, 5), Participant(Moody("up", [GOOD]))])
    assert [bench.next() for _ in range(4)] == [GOOD] * 4
    assert bench.now == 0
    assert not any(isinstance(each, Waiting) for each in bench.events)


def test_nobody_left_ends_it() -> None:
    bench = Bench(
        [
            Participant(Moody("a", [ProposeFailure("no credit", final=True)])),
            Participant(Moody("b", [None])),
        ]
    )
    assert bench.next() is None
    assert bench.schedule.faulty
    assert [each.again for each in bench.events if isinstance(each, NoProposal)] == [None]


def test_a_proposer_that_cannot_go_on_at_all_is_out() -> None:
    bench = Bench(
        [Participant(Moody("a", [ProposerError("gone")])), Participant(Moody("b", [GOOD]))]
    )
    assert bench.next() == GOOD
    assert bench.participants[0].out == "gone"


@pytest.mark.parametrize("fault", [ZeroDivisionError, TimeoutError, RecursionError, OSError])
def test_a_bug_costs_a_turn_and_keeps_its_traceback(fault: type[Exception]) -> None:
    bench = Bench([Participant(Moody("a", [fault("a bug")]), 9), Participant(Moody("b", [GOOD]))])
    assert bench.next() == GOOD
    assert "a bug" in bench.kept[0]
    assert "Traceback" in bench.kept[0]
    assert not bench.participants[0].out


def test_a_proposer_that_only_fails_is_out_after_a_while() -> None:
    bench = Bench([Participant(Moody("a", [KeyError("a bug")]))])
    assert bench.next() is None
    assert len(bench.kept) == 5
    assert bench.schedule.faulty
    assert bench.schedule.end_reason() == "a: it failed: KeyError: 'a bug'"


def test_an_interruption_inside_a_proposer_is_one() -> None:
    bench = Bench([Participant(Moody("a", [Interrupted("now")]))])
    with pytest.raises(Interrupted):
        bench.next()


def test_the_end_of_the_night_ends_a_wait() -> None:
    bench = Bench(
        [Participant(Moody("a", [ProposeFailure("busy", retry_after=3600.0)]))], until=60.0
    )
    assert bench.next() is None
    assert 60 <= bench.now < 61


def test_nobody_waits_for_who_thinks_and_others_are_asked() -> None:
    @dataclass
    class Slow:
        name: str = "slow"
        go_on: threading.Event = field(default_factory=threading.Event)

        def propose(self, brief: Brief, check: Check) -> Proposal | ProposeFailure | None:
            self.go_on.wait(PATIENCE)
            return GOOD

    slow = Slow()
    bench = Bench([Participant(slow, 9), Participant(Moody("b", [GOOD]))])
    assert bench.requests.ask(lambda: BRIEF, accepted)
    assert bench.requests.answers() == []
    assert bench.next() == GOOD
    slow.go_on.set()
    assert bench.answered.wait(PATIENCE)
    (made,) = bench.requests.answers()
    assert made.turn.participant.proposer is slow
    assert not bench.participants[0].awaited


def test_what_passes_puts_nobody_out() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    bench = Bench([Participant(Moody("anthropic:m", [*[full] * 9, GOOD]))])
    assert bench.next() == GOOD
    assert bench.kept == []


def test_a_brief_that_cannot_be_written_leaves_the_proposer_free() -> None:
    def busy() -> Brief:
        raise GitBusyError("index.lock is there")

    bench = Bench([Participant(Moody("a", [GOOD]))])
    with pytest.raises(GitBusyError):
        bench.requests.ask(busy, accepted)
    assert bench.next() == GOOD
