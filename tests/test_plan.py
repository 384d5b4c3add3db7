"""What is begun next: pure, by property; how many proposals are asked for ahead."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.records.values import Purpose
from autoresearch.research.plan import (
    Pace,
    State,
    plan,
    proposals_at_once,
    proposals_wanted,
    until_wanted,
)
from autoresearch.research.requests import Request, Wanted


def group(of: int, size: int, purpose: Purpose) -> Wanted:
    """The trials that an experiment needs: its own, and its parent's."""
    sides = (of, of - 1)[:size]
    return tuple(Request(side, seed=7, purpose=purpose, of=of) for side in sides)


def groups(first: int, purpose: Purpose) -> st.SearchStrategy[list[Wanted]]:
    def made(sizes: list[int]) -> list[Wanted]:
        return [group(first + 10 * at, size, purpose) for at, size in enumerate(sizes)]

    return st.lists(st.integers(1, 2), max_size=4).map(made)


STATES = st.builds(
    State,
    free=st.integers(0, 6).map(lambda count: [str(at) for at in range(count)]),
    busy=st.lists(st.floats(0.001, 200), max_size=4),
    paired_trials=groups(100, Purpose.PAIR),
    drift=st.integers(0, 1).map(lambda size: group(2, size, Purpose.DRIFT)),
    confirmation=st.integers(0, 2).map(lambda size: group(3, size, Purpose.CONFIRMING)),
    waiting=groups(500, Purpose.SCREENING),
    room=st.none() | st.integers(0, 4),
    seconds=st.floats(0, 100),
    left=st.none() | st.floats(0, 300),
)


@given(STATES)
def test_a_slot_has_one_trial_and_a_trial_one_slot(state: State) -> None:
    starts = plan(state)
    slots = [slot for slot, _ in starts]
    assert slots == list(state.free)[: len(slots)]
    assert len({id(request) for _, request in starts}) == len(starts)


@given(STATES)
def test_nothing_begins_that_cannot_end_in_time(state: State) -> None:
    begun = {request.of for _, request in plan(state)}
    everything = [*state.paired_trials, state.drift, state.confirmation, *state.waiting]
    for wanted in everything:
        rounds = math.ceil(len(wanted) / max(len(state.free) + len(state.busy), 1))
        if wanted and state.left is not None and rounds * state.seconds > state.left:
            assert wanted[0].of not in begun


@given(STATES)
def test_all_that_is_begun_can_end_in_time_with_what_it_needs(state: State) -> None:
    begun = {request.of for _, request in plan(state)}
    groups = [*state.paired_trials, state.drift, state.confirmation, *state.waiting]
    frees = sorted([*(0.0 for _ in state.free), *state.busy])
    for request in [each for group in groups if group and group[0].of in begun for each in group]:
        frees = sorted([frees[0] + state.seconds, *frees[1:]])
        assert state.left is None or frees[-1] <= max([state.left, *state.busy]), request


def test_a_pair_whose_second_half_finds_no_slot_in_time_is_not_begun() -> None:
    pair, single = group(9, 2, Purpose.PAIR), group(11, 1, Purpose.SCREENING)

    def begun(left: float, busy: float) -> list[tuple[str, Request]]:
        return plan(State(["0"], [busy], [pair], waiting=[single], seconds=100.0, left=left))

    assert begun(150.0, 50.0) == [("0", pair[0])]
    assert begun(149.0, 50.0) == [("0", single[0])], "what fits is begun"
    assert begun(200.0, 500.0) == [("0", pair[0])]
    assert begun(99.0, 0.1) == []


@given(STATES, st.integers(0, 6))
def test_nothing_begins_that_cannot_be_paid_for_whole(state: State, paid: int) -> None:
    starts = plan(replace(state, paid=paid))
    everything = [*state.paired_trials, state.drift, state.confirmation, *state.waiting]
    begun = {request.of for _, request in starts}
    assert sum(len(wanted) for wanted in everything if wanted and wanted[0].of in begun) <= paid


@given(STATES)
def test_no_slot_stays_free_while_something_fits(state: State) -> None:
    starts = plan(State(**{**state.__dict__, "left": None}))
    new = state.waiting[: state.room]
    wanted = sum(map(len, [*state.paired_trials, state.drift, state.confirmation, *new]))
    assert len(starts) == min(len(state.free), wanted)


@given(STATES)
def test_a_full_queue_starves_nothing_that_is_due(
    state: State,
) -> None:
    purposes = [request.purpose for _, request in plan(state)]
    order = [Purpose.PAIR, Purpose.DRIFT, Purpose.CONFIRMING, Purpose.SCREENING]
    assert purposes == sorted(purposes, key=order.index)
    new = [request.of for _, request in plan(state) if request.purpose is Purpose.SCREENING]
    assert len(set(new)) <= (math.inf if state.room is None else state.room)


def test_one_slot_finishes_what_it_began_before_anything_else() -> None:
    pair, due = group(9, 2, Purpose.PAIR), group(3, 2, Purpose.CONFIRMING)
    new = [group(10, 1, Purpose.SCREENING)]
    begin = State(free=["0"], paired_trials=[pair], confirmation=due, waiting=new)
    assert plan(begin) == [("0", pair[0])]
    assert plan(State(free=["0"], confirmation=due, waiting=new)) == [("0", due[0])]
    assert plan(State(free=["0"], waiting=new)) == [("0", new[0][0])]


@pytest.mark.parametrize(
    ("ends", "pace", "wanted"),
    [
        pytest.param([0.0], Pace(0, 60), 1, id="a free slot"),
        pytest.param([30.0], Pace(0, 60), 0, id="thinking takes no time: the newest brief is best"),
        pytest.param([30.0], Pace(10, 60), 0, id="too early"),
        pytest.param([12.0], Pace(10, 60), 1, id="it will be there just in time"),
        pytest.param([30.0], Pace(40, 60), 1, id="longer than what is left"),
        pytest.param([30.0], Pace(100, 60), 2, id="two trials will end meanwhile"),
        pytest.param([0.0], Pace(100, 60), 3, id="one now, two while it is thought of"),
        pytest.param([5.0, 20.0, 55.0, 40.0], Pace(30, 60), 2, id="two of four slots"),
        pytest.param([30.0], Pace(40, 0), 1, id="no trial has ended yet"),
    ],
)
def test_as_many_are_asked_for_as_slots_come_free_meanwhile(
    ends: list[float], pace: Pace, wanted: int
) -> None:
    assert proposals_wanted(ends, 0, pace, ahead=9, room=None) == wanted
    assert proposals_wanted(ends, 1, pace, ahead=9, room=None) == max(wanted - 1, 0)
    assert proposals_wanted(ends, wanted, pace, ahead=9, room=None) == 0
    assert proposals_wanted(ends, 0, pace, ahead=9, room=0) == 0
    free = sum(end <= 0 for end in ends)
    assert proposals_wanted(ends, 0, pace, ahead=0, room=None) == free
    assert proposals_wanted(ends, 0, pace, ahead=9, room=None, left=1e6) == wanted


SECONDS = st.floats(0, 300)


@given(
    ends=st.lists(st.one_of(st.just(0.0), SECONDS), max_size=6),
    pace=st.builds(Pace, SECONDS, st.floats(1, 300)),
    ahead=st.integers(0, 9),
    left=st.floats(0, 2000),
)
def test_none_is_asked_for_that_cannot_be_trained_in_time(
    ends: list[float], pace: Pace, ahead: int, left: float
) -> None:
    wanted = proposals_wanted(ends, 0, pace, ahead=ahead, room=None, left=left)
    assert wanted * pace.trial <= sum(max(left - end, 0.0) for end in ends) * (1 + 1e-9)
    assert wanted <= proposals_wanted(ends, 0, pace, ahead=ahead, room=None)
    some = any(end <= 0 for end in ends) and pace.trial <= left
    assert wanted > 0 or not some, "what fits is asked for"


@pytest.mark.parametrize(
    ("ends", "proposal", "seconds"),
    [
        ((100.0, 60.0), 40.0, 10.0),  # a quarter of a proposal's time is kept in hand
        ((100.0, 60.0), 60.0, 25.0),  # the nearer one is asked for already
        ((60.0,), 60.0, math.inf),
        ((0.001,), 0.0, math.inf),  # nothing is known before the first
        ((), 40.0, math.inf),
    ],
)
def test_the_next_look_is_when_one_more_proposal_may_be_wanted(
    ends: tuple[float, ...], proposal: float, seconds: float
) -> None:
    assert until_wanted(ends, Pace(proposal, trial=100.0)) == seconds


@pytest.mark.parametrize(
    ("wanted", "ends", "made", "asked"),
    [
        (1, (60.0, 61.0, 62.0, 63.0), 0, 4),  # trials that began together
        (1, (60.0, 300.0), 0, 1),  # the other one has time for a call of its own
        (1, (60.0, 61.0, 0.0), 1, 2),
        (1, (60.0,), 0, 1),
        (2, (60.0,), 0, 2),  # trials are shorter than the call
    ],
)
def test_a_call_is_made_for_the_slots_that_come_free_before_another_could_be_back(
    wanted: int, ends: tuple[float, ...], made: int, asked: int
) -> None:
    pace = Pace(50.0, trial=100.0)
    assert proposals_at_once(wanted, ends, made, pace, ahead=64, room=None) == asked
    assert proposals_at_once(0, ends, made, pace, ahead=64, room=0) == 0
