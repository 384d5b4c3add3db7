"""Whose turn it is, and who waits."""

from collections import Counter
from dataclasses import dataclass

import pytest

from autoresearch.proposers import Brief, Check, Unable
from autoresearch.records.values import Proposal
from autoresearch.research.rota import LONGEST_PAUSE, Rota, Seat


@dataclass
class Named:
    name: str

    def propose(self, brief: Brief, check: Check) -> Proposal | Unable | None:
        raise AssertionError(brief, check)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def table(clock: Clock, **weights: float) -> Rota:
    return Rota([Seat(Named(name), weight) for name, weight in weights.items()], clock)


def turn(rota: Rota) -> Seat:
    seat = rota.next()
    assert seat is not None
    return seat


def turns(rota: Rota, count: int) -> list[str]:
    names = []
    for _ in range(count):
        seat = turn(rota)
        rota.served(seat)
        names.append(seat.proposer.name)
    return names


def test_equal_weights_take_turns_in_the_order_given() -> None:
    assert turns(table(Clock(), a=1, b=1, c=1), 6) == ["a", "b", "c", "a", "b", "c"]


@pytest.mark.parametrize("weights", [{"a": 3, "b": 1}, {"a": 0.2, "b": 0.8}, {"a": 5, "b": 2}])
def test_turns_are_shared_by_weight_and_spread(weights: dict[str, float]) -> None:
    made = turns(table(Clock(), **weights), 70)
    share = Counter(made)["a"] / 70
    assert share == pytest.approx(weights["a"] / sum(weights.values()), abs=0.02)
    assert len(set(made[:5])) == 2


def test_a_failure_gives_the_turn_to_the_next_at_once() -> None:
    clock = Clock()
    rota = table(clock, a=1, b=1)
    rota.failed(turn(rota), Unable("busy"))
    assert turns(rota, 3) == ["b", "b", "b"]
    assert rota.pause() == 0
    clock.now = 5.0
    assert "a" in turns(rota, 2)


def test_pauses_double_up_to_a_limit_and_a_proposal_ends_them() -> None:
    clock = Clock()
    rota = table(clock, a=1)
    pauses = []
    for _ in range(8):
        rota.failed(turn(rota), Unable("busy"))
        assert rota.next() is None
        pauses.append(rota.pause() or 0.0)
        clock.now += pauses[-1]
    assert pauses == [5, 10, 20, 40, 80, 160, 300, LONGEST_PAUSE]
    rota.served(turn(rota))
    rota.failed(turn(rota), Unable("busy"))
    assert rota.pause() == 5


def test_a_provider_that_asks_to_be_left_alone_is() -> None:
    rota = table(Clock(), a=1)
    rota.failed(turn(rota), Unable("too many requests", retry_after=3600.0))
    assert rota.pause() == 3600


def test_who_is_out_is_asked_no_more() -> None:
    rota = table(Clock(), a=1, b=1)
    rota.failed(turn(rota), Unable("the key was refused", final=True))
    assert turns(rota, 2) == ["b", "b"]
    early = rota.faulty
    rota.failed(turn(rota), None)
    assert rota.next() is None
    assert rota.pause() is None
    assert (early, rota.faulty) == (False, True)
    assert rota.why() == "a: the key was refused; b: nothing more to try"


def test_a_cap_is_no_fault() -> None:
    rota = table(Clock(), a=1)
    rota.failed(turn(rota), Unable("the cap is reached", final=True, planned=True))
    assert not rota.faulty
    assert rota.why() == "a: the cap is reached"


def test_all_who_ran_dry_are_told_in_one_word() -> None:
    rota = table(Clock(), a=1, b=1)
    for _ in range(2):
        rota.failed(turn(rota), None)
    assert rota.why() == "the proposers have nothing more to try"
    assert not rota.faulty


def test_a_long_night_of_failures_does_not_overflow() -> None:
    clock = Clock()
    rota = table(clock, a=1)
    for _ in range(3000):
        rota.failed(turn(rota), Unable("busy"))
        clock.now += rota.pause() or 0.0
    assert rota.pause() == 0
