"""Whose turn it is, and who waits."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.proposers import Brief, Check, ProposeFailure
from autoresearch.records.proposals import Proposal
from autoresearch.records.tables import Experiment
from autoresearch.records.values import Category, ExperimentState
from autoresearch.research.backoff import LONGEST_PAUSE
from autoresearch.research.schedule import LONGEST_REST, Participant, ProposerSchedule, Turn


@dataclass
class Named:
    name: str

    def propose(self, brief: Brief, check: Check) -> Proposal | ProposeFailure | None:
        raise AssertionError(brief, check)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def table(clock: Clock, **weights: float) -> ProposerSchedule:
    return ProposerSchedule(
        [Participant(Named(name), weight) for name, weight in weights.items()], clock
    )


def taken(schedule: ProposerSchedule) -> Turn:
    found = schedule.next()
    assert found is not None
    return found


def turn(schedule: ProposerSchedule) -> Participant:
    return taken(schedule).participant


def turns(schedule: ProposerSchedule, count: int) -> list[str]:
    return [name for name, _ in contested(schedule, count)]


def test_who_thinks_is_not_asked_again_and_the_others_are() -> None:
    schedule = table(Clock(), a=1, b=1)
    turn(schedule).awaited = 1
    assert turns(schedule, 2) == ["b", "b"]
    turn(schedule).awaited = 1
    assert schedule.next() is None
    assert (schedule.seconds_until_ready(), schedule.awaited, schedule.is_over) == (None, 2, False)


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
    schedule = table(clock, a=1, b=1)
    schedule.record_failure(turn(schedule), ProposeFailure("busy"))
    assert turns(schedule, 3) == ["b", "b", "b"]
    assert schedule.seconds_until_ready() == 0
    clock.now = 5.0
    assert "a" in turns(schedule, 2)


def test_pauses_double_up_to_a_limit_and_a_proposal_ends_them() -> None:
    clock = Clock()
    schedule = table(clock, a=1)
    pauses = []
    for _ in range(8):
        schedule.record_failure(turn(schedule), ProposeFailure("busy"))
        assert schedule.next() is None
        pauses.append(schedule.seconds_until_ready() or 0.0)
        clock.now += pauses[-1]
    assert pauses == [5, 10, 20, 40, 80, 160, 300, LONGEST_PAUSE]
    schedule.record_answer(taken(schedule))
    schedule.record_failure(turn(schedule), ProposeFailure("busy"))
    assert schedule.seconds_until_ready() == 5


def test_a_provider_that_asks_to_be_left_alone_is() -> None:
    schedule = table(Clock(), a=1)
    schedule.record_failure(turn(schedule), ProposeFailure("too many requests", retry_after=1800.0))
    assert schedule.seconds_until_ready() == 1800


def test_nobody_rests_for_ever() -> None:
    schedule = table(Clock(), a=1)
    schedule.record_failure(turn(schedule), ProposeFailure("too many requests", retry_after=1.8e9))
    assert schedule.seconds_until_ready() == LONGEST_REST == 24 * 3600


def test_what_may_be_final_is_after_a_few_in_a_row() -> None:
    clock = Clock()
    schedule = table(clock, a=1)
    for _ in range(4):
        schedule.record_failure(turn(schedule), ProposeFailure("no such model", doubtful=True))
        clock.now += schedule.seconds_until_ready() or 0.0
    schedule.record_answer(taken(schedule))
    for _ in range(5):
        assert not schedule.faulty
        clock.now += schedule.seconds_until_ready() or 0.0
        schedule.record_failure(turn(schedule), ProposeFailure("no such model", doubtful=True))
    assert schedule.end_reason() == "a: no such model"


def test_who_writes_nothing_valid_is_out_and_the_others_go_on() -> None:
    schedule = table(Clock(), a=9, b=1)
    for _ in range(60):
        found = taken(schedule)
        schedule.record_answer(found)
        schedule.record_check(found.participant, refused=found.participant.proposer.name == "a")
    assert turns(schedule, 3) == ["b", "b", "b"]
    assert schedule.seconds_until_ready() == 0


def test_who_is_out_is_asked_no_more() -> None:
    schedule = table(Clock(), a=1, b=1)
    schedule.record_failure(turn(schedule), ProposeFailure("the key was refused", final=True))
    assert turns(schedule, 2) == ["b", "b"]
    early = schedule.faulty
    schedule.record_failure(turn(schedule), None)
    assert schedule.next() is None
    assert schedule.seconds_until_ready() is None
    assert (early, schedule.faulty) == (False, True)
    assert schedule.end_reason() == "a: the key was refused; b: nothing more to try"


def test_a_cap_is_no_fault() -> None:
    schedule = table(Clock(), a=1)
    schedule.record_failure(
        turn(schedule), ProposeFailure("the cap is reached", final=True, planned=True)
    )
    assert not schedule.faulty
    assert schedule.end_reason() == "a: the cap is reached"


def test_all_who_ran_dry_are_told_in_one_word() -> None:
    schedule = table(Clock(), a=1, b=1)
    for _ in range(2):
        schedule.record_failure(turn(schedule), None)
    assert schedule.end_reason() == "the proposers have nothing more to try"
    assert not schedule.faulty


def test_a_long_night_of_failures_does_not_overflow() -> None:
    clock = Clock()
    schedule = table(clock, a=1)
    for _ in range(3000):
        schedule.record_failure(turn(schedule), ProposeFailure("busy"))
        clock.now += schedule.seconds_until_ready() or 0.0
    assert schedule.seconds_until_ready() == 0


def beside(clock: Clock, share: float, **weights: float) -> ProposerSchedule:
    """A table with a control, "c", at its end."""
    participants = [Participant(Named(name), weight) for name, weight in weights.items()]
    return ProposerSchedule([*participants, Participant(Named("c"), share=share)], clock)


def contested(schedule: ProposerSchedule, count: int) -> list[tuple[str, str]]:
    """Whose each turn was, and which control could have had it."""
    made = []
    for _ in range(count):
        found = taken(schedule)
        schedule.record_answer(found)
        made.append((found.participant.proposer.name, found.control))
    return made


@given(
    share=st.floats(0.01, 0.99),
    weights=st.lists(st.floats(0.1, 9), min_size=1, max_size=4),
    count=st.integers(1, 300),
)
def test_a_control_has_its_share_from_the_start_and_to_the_end(
    share: float, weights: list[float], count: int
) -> None:
    schedule = beside(Clock(), share, **{f"p{at}": weight for at, weight in enumerate(weights)})
    made = turns(schedule, count)
    for turn_number in range(1, count + 1):
        had = made[:turn_number].count("c")
        assert abs(had - share * turn_number) <= 0.5 + 1e-9


def test_the_rest_is_shared_by_weight() -> None:
    made = Counter(turns(beside(Clock(), 0.2, a=3, b=1), 100))
    assert made == {"a": 60, "b": 20, "c": 20}


def test_a_control_s_turns_are_spread() -> None:
    made = "".join(turns(beside(Clock(), 0.25, a=1), 16))
    assert made == "acaa" * 4


def test_a_turn_between_both_is_known_as_such() -> None:
    schedule = beside(Clock(), 0.5, a=1)
    assert contested(schedule, 4) == [("c", "c"), ("a", "c"), ("c", "c"), ("a", "c")]
    assert taken(table(Clock(), a=1)).control == ""


def test_while_the_proposer_rests_the_control_goes_on_out_of_competition() -> None:
    clock = Clock()
    schedule = beside(clock, 0.1, a=1)
    assert contested(schedule, 2) == [("a", "c")] * 2
    schedule.record_failure(turn(schedule), ProposeFailure("busy", retry_after=100))
    assert contested(schedule, 30) == [("c", "")] * 30
    clock.now = 100.0
    after = contested(schedule, 20)
    # What it did alone is neither owed nor made up for: its share goes on as if nothing had been.
    assert all(control == "c" for _, control in after)
    assert [name for name, _ in after].count("c") == 2


def test_while_one_of_two_rests_the_control_keeps_its_share() -> None:
    clock = Clock()
    schedule = beside(clock, 0.2, a=3, b=1)
    while (found := taken(schedule)).participant.proposer.name != "a":
        schedule.record_answer(found)
    schedule.record_failure(found.participant, ProposeFailure("busy", retry_after=1000))
    assert Counter(turns(schedule, 50)) == {"b": 40, "c": 10}


def test_the_control_goes_on_alone_when_all_others_are_out() -> None:
    schedule = beside(Clock(), 0.2, a=1)
    schedule.record_failure(turn(schedule), ProposeFailure("no credit", final=True))
    assert contested(schedule, 3) == [("c", "")] * 3
    assert not schedule.faulty
    schedule.record_failure(turn(schedule), None)
    assert schedule.next() is None
    assert schedule.faulty


def test_without_its_control_the_others_go_on_and_their_turns_are_compared_with_nothing() -> None:
    schedule = beside(Clock(), 0.9, a=1)
    assert turn(schedule).proposer.name == "c"
    schedule.record_failure(turn(schedule), None)
    assert contested(schedule, 3) == [("a", "")] * 3


def test_a_turn_that_comes_to_nothing_is_not_counted() -> None:
    clock = Clock()
    schedule = beside(clock, 0.25, a=1)
    made = []
    for _ in range(80):
        found = taken(schedule)
        name = found.participant.proposer.name
        if name == "a" and clock.now % 2 == 0:  # every second time it fails
            schedule.record_failure(found.participant, ProposeFailure("busy"))
            clock.now += 1001
            continue
        clock.now += name == "a"
        schedule.record_answer(found)
        made.append((name, found.control))
    shared = [name for name, control in made if control]
    assert abs(shared.count("c") - 0.25 * len(shared)) <= 0.5
    assert len(shared) > 40


def a_row(proposer: str, control: str) -> Experiment:
    return Experiment(
        study_id=1, state=ExperimentState.DONE, proposer=proposer, control=control,
        hypothesis="", category=Category.OTHER, created_at=datetime(2026, 11, 23, tzinfo=UTC),
    )  # fmt: skip


def test_many_short_runs_share_the_turns_as_one_long_one_does() -> None:
    rows: list[Experiment] = []
    for _ in range(40):
        schedule = beside(Clock(), 0.2, a=1)
        schedule.resume(rows)
        ((name, control),) = contested(schedule, 1)
        rows.append(a_row(name, control))
    assert [row.proposer for row in rows].count("c") == 8
    assert [row.proposer for row in rows[:10]].count("c") == 2


def test_another_share_begins_anew() -> None:
    rows = [a_row("c", "c")] * 50 + [a_row("a", "")] * 50 + [a_row("a", "d")] * 50
    schedule = beside(Clock(), 0.1, a=1)
    schedule.resume(rows)
    assert turns(schedule, 20).count("c") in (1, 2)


def test_the_control_is_named_with_its_share() -> None:
    assert beside(Clock(), 0.2, a=1).names == ("a", "c (20% as control)")


def test_nobody_is_asked_who_would_answer_too_late() -> None:
    clock = Clock()
    schedule = table(clock, slow=3, quick=1)
    for name, seconds in (("slow", 90.0), ("quick", 20.0)):
        participant = next(each for each in schedule._participants if each.proposer.name == name)
        schedule.record_answer(Turn(participant, None), seconds=1.0)
        schedule.record_answer(Turn(participant, None), seconds=seconds)
    assert {turn(schedule).proposer.name for _ in range(4)} == {"slow", "quick"}
    found = [schedule.next(within=50.0) for _ in range(3)]
    assert [each.participant.proposer.name for each in found if each] == ["quick"] * 3
    assert schedule.next(within=19.0) is None
    assert [schedule.too_late(within) for within in (None, 20.0, 19.0)] == [False, False, True]
    quick = found[0].participant if found[0] else Participant(Named("none"))
    schedule.record_failure(quick, ProposeFailure("busy", retry_after=100.0))
    assert schedule.too_late(50.0), "it may rest for longer than there is time"
    assert schedule.seconds_until_ready(119.0) == 0.0
    assert schedule.seconds_until_ready(89.0) is None
    clock.now = 80.0
    assert schedule.seconds_until_ready(50.0) == pytest.approx(20.0), (
        "who would be too late is not waited for"
    )
    turn(schedule).awaited = 1
    assert not schedule.too_late(0.0), "an answer may yet come"


def test_each_proposal_of_a_call_is_as_good_as_a_turn() -> None:
    schedule = table(Clock(), a=1, b=1)
    found = taken(schedule)
    schedule.record_answer(found, 3)
    others = [taken(schedule) for _ in range(3)]
    assert [each.participant.proposer.name for each in (found, *others)] == ["a", "b", "b", "b"]


def test_a_series_is_not_asked_ahead_of_what_is_at_work_and_keeps_its_turn() -> None:
    series, other = Participant(Named("series"), weight=2, ahead=False), Participant(Named("other"))
    schedule = ProposerSchedule([series, other], Clock())
    assert schedule.next(ahead=True) is None
    found = []
    for _ in range(6):
        ahead = schedule.next(ahead=True)
        found.append(ahead.participant if ahead else turn(schedule))
    assert found == [series, other, series] * 2
    other.awaited = 1
    assert schedule.next(ahead=True) is None
    assert turn(schedule) is series
