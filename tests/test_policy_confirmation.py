"""Claims: what is confirmed, what a pair is spent on, what is taken back."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autoresearch.policy import Kept, Noise, Prior, claim, doubtful, should_unkeep, worth_confirming
from autoresearch.records.values import Reading
from tests.test_policy import QUIET, readings

IDEAS = Prior()
near = st.floats(-0.05, 0.05)


def beside(*differences: float) -> Kept:
    return Kept(readings(*(2 + each for each in differences)), readings(*(2 for _ in differences)))


def test_the_screening_pair_confirms_nothing() -> None:
    found = claim(beside(-0.5), QUIET, IDEAS)
    assert not found.confirmed
    assert found.pairs == 0
    assert found.probability == pytest.approx(IDEAS.better, abs=0.01)
    assert found.reason == "no fresh pair yet"


def test_fresh_pairs_confirm() -> None:
    found = claim(beside(0.0, -0.02, -0.02), QUIET, IDEAS)
    assert found.confirmed
    assert found.pairs == 2
    assert found.probability > 0.95
    assert found.effect.mean == pytest.approx(-0.02, abs=0.003)
    assert "on 2 fresh pairs" in found.reason


@given(st.lists(near, min_size=0, max_size=2))
def test_nothing_is_claimed_while_the_noise_is_unknown(differences: list[float]) -> None:
    found = claim(beside(-0.1, *differences), Noise(), IDEAS)
    assert not found.confirmed


def test_its_own_pairs_say_how_loud_the_noise_is() -> None:
    assert claim(beside(-0.1, -0.1, -0.11, -0.1, -0.09), Noise(), IDEAS).confirmed


@given(st.lists(near, min_size=1, max_size=5), st.floats(0, 0.05))
def test_better_pairs_never_unmake_a_claim(differences: list[float], gain: float) -> None:
    before = claim(beside(-0.01, *differences), QUIET, IDEAS)
    after = claim(beside(-0.01, *(each - gain for each in differences)), QUIET, IDEAS)
    assert after.probability >= before.probability - 1e-9


@example([-0.01, -0.01, -0.01], 2, 0.07)
@given(st.lists(near, min_size=1, max_size=5), st.integers(0, 5), st.floats(0, 0.1))
def test_one_better_reading_lowers_no_probability(
    differences: list[float], place: int, gain: float
) -> None:
    # Though it may be so far from the others that they look noisy. Where a keep is not believed in
    # anyway, one reading that is less bad may well say so more surely.
    better = list(differences)
    better[place % len(better)] -= gain
    before, after = (beside(-0.01, *each) for each in (differences, better))
    probability = claim(before, QUIET, IDEAS).probability
    assert probability < 0.5 or claim(after, QUIET, IDEAS).probability >= probability - 1e-3
    assert should_unkeep(before, QUIET, IDEAS) or not should_unkeep(after, QUIET, IDEAS)


@given(st.lists(near, min_size=1, max_size=5), st.integers(-40, 40))
def test_a_claim_knows_no_level_and_no_names_of_seeds(differences: list[float], level: int) -> None:
    before = beside(-0.01, *differences)
    sides = [
        [Reading(50 - each.seed, each.bpb + level / 64) for each in side]
        for side in (before.experiment, before.parent)
    ]
    after = Kept(sides[0], sides[1][::-1])
    found, told = claim(before, QUIET, IDEAS), claim(after, QUIET, IDEAS)
    assert told.probability == pytest.approx(found.probability, abs=1e-6)
    assert told.effect.mean == pytest.approx(found.effect.mean, abs=1e-6)


@given(st.floats(-1.0, 0.0), st.sampled_from([QUIET, Noise()]))
def test_one_pair_is_never_claimed(difference: float, noise: Noise) -> None:
    assert not claim(beside(difference), noise, IDEAS).confirmed


@given(st.lists(near, min_size=1, max_size=5))
def test_of_two_sides_at_most_one_is_claimed(differences: list[float]) -> None:
    one = claim(beside(-0.01, *differences), QUIET, IDEAS)
    two = claim(beside(-0.01, *(-each for each in differences)), QUIET, IDEAS)
    assert not (one.confirmed and two.confirmed)


def test_pairs_that_disagree_make_their_own_error_larger() -> None:
    calm = claim(beside(0.0, -0.01, -0.01, -0.01), QUIET, IDEAS)
    wild = claim(beside(0.0, 0.02, -0.06, 0.01), QUIET, IDEAS)
    assert calm.probability > wild.probability


def test_the_next_pair_goes_where_a_claim_is_nearest() -> None:
    hopeless, done, near_one = beside(-0.004, 0.01), beside(-0.02, -0.02, -0.02), beside(-0.01)
    assert worth_confirming([hopeless, done, near_one], QUIET, IDEAS) == (2, 2)
    assert worth_confirming([hopeless, done], QUIET, IDEAS) is None
    assert worth_confirming([], QUIET, IDEAS) is None


def test_what_stands_on_one_pair_in_doubt_goes_first() -> None:
    clear, doubt, later, paired = (beside(each) for each in (-0.02, -0.002, -0.003, -0.001))
    paired = beside(-0.001, -0.001)
    keeps = [clear, paired, doubt, later]
    assert doubtful(keeps, QUIET, IDEAS) == [2, 3]
    assert worth_confirming(keeps, QUIET, IDEAS) == (2, 2)
    assert doubtful([clear, paired], QUIET, IDEAS) == []


def test_patience_takes_a_chance_that_only_many_pairs_could_make_good() -> None:
    small = beside(-0.003, -0.003)
    assert worth_confirming([small], QUIET, IDEAS) is None
    assert worth_confirming([small], QUIET, IDEAS, patient=True) == (0, 3)
    assert worth_confirming([beside(-0.003, 0.003)], QUIET, IDEAS, patient=True) is None


def test_half_a_pair_costs_half() -> None:
    half = Kept([Reading(1, 1.99)], readings(2.0, 2.0))
    assert worth_confirming([beside(-0.01), half], QUIET, IDEAS) == (1, 2)


def test_a_half_pair_from_before_the_machine_changed_is_none() -> None:
    half = Kept([Reading(1, 1.99)], readings(2.0, 2.0))
    assert worth_confirming([half], QUIET, IDEAS, epoch=1) == (0, 3)
    today = [*readings(2.0, 2.0), Reading(4, 2.0, epoch=1)]
    assert worth_confirming([Kept([Reading(1, 1.99)], today)], QUIET, IDEAS, epoch=1) == (0, 4)
    assert worth_confirming([half], QUIET, IDEAS, epoch=None) == (0, 3)


def at_speed(bpb: float, seeds: range, steps: int) -> list[Reading]:
    return [Reading(seed, bpb + (seed % 3) / 1000, steps) for seed in seeds]


def test_what_one_side_read_alone_at_another_speed_moves_no_pair() -> None:
    sides = at_speed(1.999, range(1, 4), 900), at_speed(2.0, range(1, 4), 900)
    slow = Kept(*sides)
    alone = Kept([*sides[0], *at_speed(1.983, range(4, 8), 1000)], sides[1])
    assert claim(alone, QUIET, IDEAS) == claim(slow, QUIET, IDEAS)
    behind = Kept(sides[0], [*sides[1], *at_speed(1.984, range(4, 8), 1000)])
    assert claim(behind, QUIET, IDEAS) == claim(slow, QUIET, IDEAS)


def test_a_reversal_is_taken_back_only_by_what_speaks_against_a_reversal() -> None:
    slight = beside(-0.003, 0.0025, 0.002)
    assert should_unkeep(slight, QUIET, IDEAS)
    assert not should_unkeep(replace(slight, reversal=True), QUIET, IDEAS)
    assert should_unkeep(replace(beside(0.0, 0.02, 0.02), reversal=True), QUIET, IDEAS)


def test_a_keep_that_turns_out_worse_is_taken_back() -> None:
    assert not should_unkeep(beside(-0.02), QUIET, IDEAS)
    assert not should_unkeep(beside(-0.02, -0.001), QUIET, IDEAS)
    assert should_unkeep(beside(-0.01, 0.02, 0.02), QUIET, IDEAS)
    assert not should_unkeep(Kept([], []), QUIET, IDEAS)


def test_no_prior_takes_a_keep_back_whose_pairs_read_better() -> None:
    gloomy = Prior(0.01, 0.04, 0.95)
    assert not should_unkeep(beside(-0.004, -0.001), replace(QUIET, pair=0.02), gloomy)
    assert should_unkeep(beside(-0.004, 0.006), replace(QUIET, pair=0.02), gloomy)


def test_shorter_code_stays_while_it_is_no_more_than_a_tie() -> None:
    slightly_worse = beside(0.0, *[0.0006] * 6)
    assert should_unkeep(slightly_worse, QUIET, IDEAS)
    assert not should_unkeep(replace(slightly_worse, lines=-3), QUIET, IDEAS)
    assert should_unkeep(replace(slightly_worse, lines=3), QUIET, IDEAS)
    assert should_unkeep(replace(beside(0.0, 0.02, 0.02), lines=-3), QUIET, IDEAS)


@given(st.lists(near, min_size=1, max_size=5), st.floats(0.0, 0.05))
def test_few_val_documents_make_no_claim(differences: list[float], sampling: float) -> None:
    plain = beside(-0.01, *differences)
    widened = replace(plain, sampling=sampling)
    if claim(widened, QUIET, IDEAS).confirmed:
        assert claim(plain, QUIET, IDEAS).probability > 0.5
    assert not claim(replace(plain, sampling=1.0), QUIET, IDEAS).confirmed


def test_what_val_documents_leave_open_no_pairs_can_settle() -> None:
    plain = beside(-0.01, *[-0.004] * 12)
    widened = replace(plain, sampling=0.01)
    assert claim(plain, QUIET, IDEAS).confirmed
    assert not claim(widened, QUIET, IDEAS).confirmed
    assert worth_confirming([widened], QUIET, IDEAS) is None
