"""The policy, pure: what it keeps, what it never keeps, and what it says of the noise."""

import math
from statistics import stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.policy import (
    Decision,
    MoreTrials,
    Noise,
    judge,
    next_seed,
    noise,
    paired,
    pooled_deviation,
    score,
)
from autoresearch.records.values import Reading, Verdict

QUIET = Noise(seed=0.01, pair=0.003)
bits = st.floats(0.5, 8.0)


def readings(*values: float, first: int = 1) -> list[Reading]:
    return [Reading(first + number, value) for number, value in enumerate(values)]


def test_worse_on_the_screen_is_discarded_at_once() -> None:
    judged = judge(readings(2.01), readings(2.0), noise=QUIET)
    assert isinstance(judged, Decision)
    assert judged.verdict is Verdict.DISCARD
    assert judged.effect is not None
    assert judged.effect.mean == pytest.approx(0.01)
    assert judged.effect.error == 0.003


def test_better_on_the_screen_earns_a_fresh_seed() -> None:
    judged = judge(readings(1.99), readings(2.0, 2.1), noise=QUIET)
    assert judged == MoreTrials(3, judged.reason)


def test_a_lucky_screen_is_not_kept() -> None:
    judged = judge(readings(1.90, 2.02), readings(2.0, 2.0), noise=QUIET)
    assert isinstance(judged, Decision)
    assert judged.verdict is Verdict.DISCARD


def test_the_effect_of_a_keep_leaves_out_the_screen() -> None:
    judged = judge(readings(1.80, 1.98), readings(2.0, 2.0), noise=QUIET)
    assert isinstance(judged, Decision)
    assert judged.verdict is Verdict.KEEP
    assert judged.effect is not None
    assert judged.effect.mean == pytest.approx(-0.02)


def test_a_tie_goes_to_the_simpler_code() -> None:
    tied = readings(2.0, 2.0)
    plain = judge(tied, tied, noise=QUIET)
    simpler = judge(tied, tied, noise=QUIET, simpler=True)
    assert isinstance(plain, Decision)
    assert plain.verdict is Verdict.DISCARD
    assert isinstance(simpler, Decision)
    assert simpler.verdict is Verdict.KEEP


def test_without_a_common_seed_nothing_can_be_said() -> None:
    with pytest.raises(ValueError, match="share no seed"):
        judge(readings(1.0, first=5), readings(2.0), noise=QUIET)


@given(bits, bits)
def test_one_pair_never_keeps(mine: float, other: float) -> None:
    judged = judge(readings(mine), readings(other), noise=Noise(), simpler=True)
    assert isinstance(judged, MoreTrials) or judged.verdict is Verdict.DISCARD


@given(st.lists(bits, min_size=2, max_size=2), st.lists(bits, min_size=2, max_size=2))
def test_nan_is_never_kept(mine: list[float], other: list[float]) -> None:
    for place in (0, 1):
        broken = [*mine[:place], math.nan, *mine[place + 1 :]]
        judged = judge(readings(*broken), readings(*other), noise=QUIET, simpler=True)
        assert isinstance(judged, MoreTrials) or judged.verdict is Verdict.DISCARD


@given(bits, bits, bits, bits, st.floats(0.001, 1.0))
def test_better_evidence_never_turns_a_keep_into_a_discard(
    a: float, b: float, c: float, d: float, gain: float
) -> None:
    before = judge(readings(a, b), readings(c, d), noise=QUIET)
    after = judge(readings(a - gain, b - gain), readings(c, d), noise=QUIET)
    if isinstance(before, Decision) and before.verdict is Verdict.KEEP:
        assert isinstance(after, Decision)
        assert after.verdict is Verdict.KEEP


@given(bits, bits, bits, bits)
def test_two_sides_are_never_both_better(a: float, b: float, c: float, d: float) -> None:
    one = judge(readings(a, b), readings(c, d), noise=QUIET)
    other = judge(readings(c, d), readings(a, b), noise=QUIET)
    kept = [
        judged
        for judged in (one, other)
        if isinstance(judged, Decision) and judged.verdict is Verdict.KEEP
    ]
    assert len(kept) <= 1


def test_the_screening_trial_is_left_out_of_the_score() -> None:
    assert score(readings(1.0, 2.0, 4.0), QUIET, screened=True).mean == 3.0
    assert score(readings(1.0), QUIET, screened=True).mean == 1.0
    assert score(readings(1.0, 2.0), QUIET, screened=False).mean == 1.5


def test_more_trials_shrink_the_error() -> None:
    four = score(readings(1.0, 1.0, 1.0, 1.0), QUIET, screened=False)
    assert four.error == pytest.approx(0.005)
    assert score(readings(1.0), Noise(), screened=False).error is None


def test_the_noise_is_pooled_within_groups() -> None:
    assert pooled_deviation([[1.0], [2.0]]) is None
    assert pooled_deviation([[1.0, 2.0, 4.0]]) == pytest.approx(stdev([1.0, 2.0, 4.0]))
    assert pooled_deviation([[0.0, 2.0], [10.0, 12.0]]) == pytest.approx(math.sqrt(2))


def test_pairs_are_quieter_than_seeds() -> None:
    found = noise({1: readings(2.0, 2.2), 2: readings(1.9, 2.11)}, {2: 1})
    assert found.seed is not None
    assert found.pair is not None
    assert found.pair < found.seed / 10


def test_pairs_match_on_seeds_not_on_order() -> None:
    mine = [Reading(3, 1.0), Reading(1, 2.0), Reading(9, 0.0)]
    assert paired(mine, readings(5.0, 6.0, 7.0)) == [-6.0, -3.0]
    assert next_seed(mine, readings(1.0)) == 10


def test_half_a_pair_is_completed_not_drawn_again() -> None:
    # The run was stopped after the experiment's fresh trial, before the incumbent's.
    judged = judge(readings(1.9, 1.95), readings(2.0), noise=QUIET)
    assert isinstance(judged, MoreTrials)
    assert judged.seed == 2
