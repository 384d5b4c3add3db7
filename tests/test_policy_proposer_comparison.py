"""Who is worth what, beside a control, and whose predictions can be believed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch.policy.calibration import calibrate
from autoresearch.policy.proposer_comparison import Difference, calibrations, compare, records
from autoresearch.records.arms import Trained

EFFECTS = st.floats(-0.1, 0.1).map(lambda value: round(value, 6))
PAIRS = st.lists(st.tuples(EFFECTS, EFFECTS), min_size=1, max_size=30)


def a_keep(proposer: str, delta: float = -0.01, **changes: object) -> Trained:
    values: dict[str, object] = {"control": "random", "seconds": 300.0, "delta_error": 0.001}
    return Trained(proposer, kept=True, delta=delta, **(values | changes))  # type: ignore[arg-type]


def discards(proposer: str, count: int, **changes: object) -> list[Trained]:
    row = Trained(proposer, "random", 300.0, delta=0.01, delta_error=0.001)
    return [replace(row, **changes)] * count  # type: ignore[arg-type]


def the_difference(trained: list[Trained]) -> Difference:
    (found,) = compare(trained)
    assert found.per_experiment is not None
    return found.per_experiment


def test_a_record_sums_what_was_kept() -> None:
    trained = [
        a_keep("thinker", -0.010, confirmed=True),
        a_keep("thinker", -0.002),
        a_keep("thinker", 0.001),  # shorter code at the same score: what it cost counts
        *discards("thinker", 7),
    ]
    (found,) = records(trained)
    assert (found.trained, found.kept, found.confirmed) == (10, 3, 1)
    assert found.gained == pytest.approx(0.011)
    assert found.gained_error == pytest.approx(0.001 * 3**0.5)
    assert found.per_experiment == pytest.approx(0.0011)
    assert found.per_hour == pytest.approx(0.011 / (3000 / 3600))


def test_what_took_no_time_has_no_rate() -> None:
    (found,) = records(discards("thinker", 2, seconds=0.0))
    assert found.per_hour is None
    (both,) = compare([a_keep("thinker", seconds=0.0), *discards("random", 2, seconds=0.0)])
    assert both.per_hour is None
    assert both.per_experiment is not None


def test_controls_come_last_and_their_turns_apart_from_their_own() -> None:
    trained = [
        *discards("random", 2),
        *discards("zebra", 1),
        *discards("random", 3, control=""),
        *discards("ant", 1),
    ]
    told = [(each.proposer, each.control, each.trained) for each in records(trained)]
    assert told == [
        ("ant", False, 1), ("random", False, 3), ("zebra", False, 1), ("random", True, 2),
    ]  # fmt: skip


def test_a_clear_lead_is_seen() -> None:
    trained = [
        *[a_keep("thinker")] * 20,
        *discards("thinker", 60),
        a_keep("random", -0.002),
        *discards("random", 39),
    ]
    (found,) = compare(trained)
    assert (found.proposer, found.control) == ("thinker", "random")
    assert (found.trained, found.control_trained) == (80, 40)
    one, hour = found.per_experiment, found.per_hour
    assert one is not None
    assert hour is not None
    assert one.value == pytest.approx(0.2 / 80 - 0.002 / 40)
    assert 0 < one.low < one.value < one.high < 0.005
    assert one.seen
    assert hour.value == pytest.approx(one.value * 12)
    assert hour.low == pytest.approx(one.low * 12, rel=0.02)


def test_what_takes_longer_must_gain_more_an_hour() -> None:
    slow = [a_keep("thinker", seconds=3000.0)] * 20 + discards("thinker", 20, seconds=3000.0)
    quick = [a_keep("random", seconds=300.0)] * 10 + discards("random", 30, seconds=300.0)
    (found,) = compare([*slow, *quick])
    assert found.per_experiment is not None
    assert found.per_hour is not None
    assert found.per_experiment.low > 0
    assert found.per_hour.high < 0


def test_a_few_experiments_show_nothing() -> None:
    for trained in (
        [a_keep("thinker"), *discards("thinker", 7), *discards("random", 2)],
        [a_keep("thinker"), *discards("random", 1)],
        [a_keep("random"), *discards("thinker", 3)],
    ):
        assert not the_difference(trained).seen


def test_an_arm_that_kept_nothing_may_still_be_worth_something() -> None:
    few = the_difference(
        [*[a_keep("thinker")] * 5, *discards("thinker", 15), *discards("random", 5)]
    )
    many = the_difference(
        [*[a_keep("thinker")] * 5, *discards("thinker", 15), *discards("random", 200)]
    )
    assert few.value == many.value
    assert few.low < 0 < many.low


def test_where_nothing_was_kept_nothing_is_claimed() -> None:
    (found,) = compare([*discards("thinker", 9), *discards("random", 3)])
    assert (found.per_experiment, found.per_hour) == (None, None)


def test_only_shared_turns_are_compared_each_with_its_own_control() -> None:
    trained = [
        a_keep("thinker"),
        *discards("random", 1),
        *[a_keep("thinker", control="")] * 30,
        *discards("random", 30, control=""),
        *discards("thinker", 4, control="optuna"),
        *discards("optuna", 2, control="optuna"),
    ]
    told = [(each.proposer, each.control, each.trained, each.control_trained)
            for each in compare(trained)]  # fmt: skip
    assert told == [("thinker", "optuna", 4, 2), ("thinker", "random", 1, 1)]


def test_a_control_that_never_had_a_turn_compares_nothing() -> None:
    assert compare([a_keep("thinker"), *discards("thinker", 1)]) == []


def test_an_uncertain_gain_widens_the_interval() -> None:
    def width(error: float) -> float:
        found = the_difference(
            [
                *[a_keep("thinker", delta_error=error)] * 20,
                *discards("thinker", 20),
                *discards("random", 20),
            ]
        )
        return found.high - found.low

    assert width(0.02) > 1.3 * width(0.0)


def test_the_same_study_gives_the_same_interval() -> None:
    trained = [a_keep("thinker"), *discards("thinker", 5), *discards("random", 5)]
    assert compare(trained) == compare(trained)


@settings(max_examples=30, deadline=None)
@given(
    mine=st.lists(st.none() | st.floats(-0.05, 0.002), min_size=1, max_size=30),
    theirs=st.lists(st.none() | st.floats(-0.05, 0.002), min_size=1, max_size=30),
)
def test_an_interval_holds_what_was_seen_and_two_arms_are_mirrored(
    mine: list[float | None], theirs: list[float | None]
) -> None:
    def rows(name: str, deltas: list[float | None], control: str) -> list[Trained]:
        return [
            discards(name, 1, control=control)[0] if delta is None
            else a_keep(name, delta, control=control)
            for delta in deltas
        ]  # fmt: skip

    (one,) = compare([*rows("a", mine, "b"), *rows("b", theirs, "b")])
    (other,) = compare([*rows("a", mine, "a"), *rows("b", theirs, "a")])
    for found, mirrored in (
        (one.per_experiment, other.per_experiment),
        (one.per_hour, other.per_hour),
    ):
        if found is None or mirrored is None:
            assert all(delta is None for delta in (*mine, *theirs))
            continue
        assert found.low <= found.value <= found.high
        assert mirrored.value == pytest.approx(-found.value)
        spread = max(found.high - found.low, 1e-9)
        assert mirrored.low == pytest.approx(-found.high, abs=0.15 * spread)
        assert mirrored.high == pytest.approx(-found.low, abs=0.15 * spread)


def test_equal_arms_are_seldom_told_apart() -> None:
    dice, seen, times = np.random.default_rng(3), 0, 200
    for _ in range(times):
        trained = []
        for name, count in (("thinker", 40), ("random", 10)):
            for kept, size in zip(
                dice.random(count) < 0.1, dice.exponential(0.01, count), strict=True
            ):
                trained.append(a_keep(name, -size) if kept else discards(name, 1)[0])
        (found,) = compare(trained)
        seen += found.per_experiment is not None and found.per_experiment.seen
    assert seen <= 0.05 * times


def test_predictions_with_known_numbers() -> None:
    pairs = [(-0.01, -0.004), (-0.02, -0.006), (-0.01, 0.002), (0.01, 0.004), (-0.02, 0.004)]
    found = calibrate(pairs)
    assert found is not None
    assert found.pairs == 5
    assert found.predicted == pytest.approx(-0.01)
    assert found.actual == pytest.approx(0.002)
    assert found.bias == pytest.approx(0.012)
    assert found.signs == pytest.approx((3 / 5, 4 / 5 * 2 / 5 + 1 / 5 * 3 / 5))
    # Ranks 3.5, 1.5, 3.5, 5, 1.5 and 2, 1, 3, 4.5, 4.5: by hand.
    assert found.rank == pytest.approx(3.25 / (9.0 * 9.5) ** 0.5)
    assert found.slope == pytest.approx(0.0001 / 0.0006 * 5 / 15)


def test_who_always_hopes_predicts_no_sign() -> None:
    found = calibrate([(-0.004, -0.001)] * 3 + [(-0.004, 0.001)] * 7)
    assert found is not None
    assert (found.signs, found.rank, found.slope) == (None, None, None)


def test_one_miss_by_far_says_little_of_the_others() -> None:
    usual = [(-0.004, -0.001), (-0.003, 0.0), (-0.005, 0.001), (-0.004, 0.0)]
    found, missed = calibrate(usual), calibrate([*usual, (-0.004, 1.8)])
    assert found is not None
    assert missed is not None
    assert missed.bias == pytest.approx(found.bias, abs=0.001)


def test_a_few_predictions_have_no_order() -> None:
    found = calibrate([(-0.01, -0.01), (0.01, 0.01)])
    assert found is not None
    assert (found.signs, found.rank, found.slope) == ((1.0, 0.5), None, None)
    assert calibrate([]) is None


def test_a_perfect_prophet_needs_many_to_be_believed() -> None:
    for count, slope in ((10, 0.5), (90, 0.9)):
        found = calibrate([(0.001 * n, 0.001 * n) for n in range(count)])
        assert found is not None
        assert found.rank == pytest.approx(1.0)
        assert found.slope == pytest.approx(slope)


@given(PAIRS)
def test_shares_and_correlations_stay_in_their_bounds(pairs: list[tuple[float, float]]) -> None:
    found = calibrate(pairs)
    assert found is not None
    assert all(0 <= share <= 1 for share in found.signs or ())
    if found.rank is not None:
        assert -1 <= found.rank <= 1
    assert (found.rank is None) is (found.slope is None)


@given(PAIRS, st.floats(0.1, 10), st.randoms(use_true_random=False))
def test_order_and_scale_of_the_pairs_change_nothing_that_they_should_not(
    pairs: list[tuple[float, float]], scale: float, dice: object
) -> None:
    one = calibrate(pairs)
    shuffled = list(pairs)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    other = calibrate([(predicted * scale, actual) for predicted, actual in shuffled])
    assert one is not None
    assert other is not None
    assert other.signs == (one.signs and pytest.approx(one.signs))
    if one.rank is not None and one.slope is not None:
        assert other.rank == pytest.approx(one.rank, abs=1e-9)
        assert other.slope == pytest.approx(one.slope / scale, rel=1e-6, abs=1e-9)


def test_each_proposer_is_calibrated_over_all_its_turns() -> None:
    trained = [
        a_keep("thinker", predicted=-0.02),
        a_keep("thinker", predicted=-0.02, control=""),
        *discards("thinker", 1, predicted=None),
        *discards("thinker", 1, predicted=-0.01, delta=None),
        *discards("random", 5),
    ]
    (name,) = found = calibrations(trained)
    assert (name, found[name].pairs) == ("thinker", 2)
    assert found[name].bias == pytest.approx(0.01)
