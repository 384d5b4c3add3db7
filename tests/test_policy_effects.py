"""Effects, noise and the machine's speed: what is believed of them."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.policy import CPU, Noise, Prior, adjust_for_throughput, noise
from autoresearch.policy.effect_prior import fit_prior
from autoresearch.policy.effects import posterior, prospects, value_of_idea, value_of_pair
from autoresearch.policy.noise import slope
from autoresearch.records.values import Chances, Reading
from tests.test_policy import readings

IDEAS = Prior()
values = st.floats(-0.2, 0.2)
errors = st.floats(0.0003, 0.1)


def by_hand(measured: float, error: float) -> tuple[float, float, float]:
    """Mean, variance and share of the better by plain integration over a grid."""
    grid, step = np.linspace(-0.8, 0.8, 800_001, retstep=True)
    likely = np.exp(-(((grid - measured) / error) ** 2) / 2)
    better = IDEAS.better / IDEAS.gain * np.exp(np.minimum(grid, 0) / IDEAS.gain)
    worse = IDEAS.worse / IDEAS.loss * np.exp(-np.maximum(grid, 0) / IDEAS.loss)
    weights = np.where(grid < 0, better, worse) * likely * step
    total = weights.sum() + IDEAS.neutral * math.exp(-((measured / error) ** 2) / 2)
    mean = float((grid * weights).sum() / total)
    square = float((grid**2 * weights).sum() / total)
    return mean, square - mean**2, float(weights[grid < 0].sum() / total)


@pytest.mark.parametrize(
    ("measured", "error"),
    [(-0.01, 0.0035), (0.02, 0.0035), (-0.05, 0.04), (0.1, 0.01), (0.0, 0.0005), (-0.004, 0.001)],
)
def test_the_closed_form_is_the_integral(measured: float, error: float) -> None:
    found = posterior(IDEAS, measured, error**2)
    mean, variance, better = by_hand(measured, error)
    assert found.mean == pytest.approx(mean, rel=1e-2, abs=1e-6)
    assert found.variance == pytest.approx(variance, rel=1e-2, abs=1e-10)
    assert found.better == pytest.approx(better, rel=1e-2, abs=1e-6)


@given(values, errors)
def test_a_posterior_is_a_proper_one(measured: float, error: float) -> None:
    found = posterior(IDEAS, measured, error**2)
    assert found.better + found.neutral + found.worse == pytest.approx(1)
    assert found.gain >= 0
    assert found.loss >= 0
    assert 0 <= found.deviation < 1
    assert all(math.isfinite(each) for each in (found.mean, found.evidence))


@given(values, st.floats(0.0, 0.1), errors)
def test_belief_follows_the_measurement(measured: float, more: float, error: float) -> None:
    low, high = posterior(IDEAS, measured, error**2), posterior(IDEAS, measured + more, error**2)
    assert low.mean <= high.mean + 1e-9
    assert low.better >= high.better - 1e-9


@given(values, st.floats(0.001, 0.1))
def test_prospects_are_probabilities_that_average_to_now(measured: float, error: float) -> None:
    found = prospects(IDEAS, measured, error**2, error**2)
    assert sum(share for share, _, _ in found) == pytest.approx(1)
    now = posterior(IDEAS, measured, error**2)
    mean = sum(share * each.mean for share, _, each in found)
    assert mean == pytest.approx(now.mean, abs=0.05 * error)


def test_a_pair_is_worth_most_in_doubt() -> None:
    doubt, clear = (value_of_pair(IDEAS, each, 1e-5, 1e-5) for each in (-0.003, -0.03))
    assert doubt > 10 * max(clear, 1e-9)
    assert value_of_pair(IDEAS, -0.003, 1e-5, 1e-3) < doubt


def test_an_idea_is_worth_less_in_noise() -> None:
    quiet, loud = value_of_idea(IDEAS, 0.003**2), value_of_idea(IDEAS, 0.05**2)
    assert 0 < loud < quiet < IDEAS.better * IDEAS.gain


def test_the_prior_learns_from_the_study() -> None:
    assert fit_prior(IDEAS, []) == IDEAS
    barren = fit_prior(IDEAS, [(0.0, 0.001**2)] * 40)
    assert barren.neutral > 0.9
    assert barren.better < 0.05
    rich = fit_prior(IDEAS, [(-0.01, 0.001**2), (0.0, 0.001**2)] * 20)
    assert rich.better > 0.25
    assert rich.gain == pytest.approx(0.01, abs=0.003)


@given(st.lists(st.tuples(values, errors), min_size=1, max_size=20), st.randoms())
def test_what_is_learned_is_a_prior_whatever_the_order(
    effects: list[tuple[float, float]], random: Random
) -> None:
    measured = [(effect, error**2) for effect, error in effects]
    found = fit_prior(IDEAS, measured)
    assert found.better + found.neutral + found.worse == pytest.approx(1)
    assert min(found.better, found.neutral, found.worse) > 0
    assert 0 < found.gain < 13 * IDEAS.gain
    assert 0 < found.loss < 13 * IDEAS.loss
    random.shuffle(measured)
    assert fit_prior(IDEAS, measured).better == pytest.approx(found.better)


def test_without_repeats_the_noise_is_the_usual() -> None:
    found = noise({1: readings(2.0), 2: readings(1.9)})
    assert found == Noise(CPU.seed, CPU.pair, slope=CPU.slope)
    assert not found.measured


def test_repeats_of_code_far_from_the_incumbent_count_little() -> None:
    broken = {1: readings(3.2, 3.24, 3.17, 3.23), 2: readings(3.0, 2.96, 3.04, 3.01)}
    mended = {3: readings(2.0, 2.002, 1.999), 4: readings(2.01, 2.011, 2.008)}
    alone, alike = noise(mended), noise(broken | mended)
    both = noise(broken | mended, incumbent=4)
    assert alike.pair > 5 * alone.pair
    assert both.pair < 0.5 * alike.pair
    assert both.seed < 0.5 * alike.seed
    assert both.pair_repeats == pytest.approx(alone.pair_repeats, abs=0.2)
    assert noise(broken | mended, incumbent=1).pair > alike.pair


def test_repeats_at_the_incumbents_own_score_count_in_full() -> None:
    near = {1: readings(2.0, 2.01, 2.03), 2: readings(2.0, 2.02, 2.02)}
    whole, weighed = noise(near), noise(near, incumbent=2)
    assert weighed.pair == pytest.approx(whole.pair, rel=0.01)
    assert weighed.pair_repeats == pytest.approx(whole.pair_repeats, rel=0.05)


def test_pairs_are_quieter_than_seeds() -> None:
    study = {number: readings(2.0 + number, 2.2 + number) for number in range(6)}
    found = noise(study)
    assert found.seed_repeats == 6
    assert found.pair_repeats == 5
    assert found.pair < found.seed / 10


@given(st.integers(0, 2**32 - 1), st.floats(0.001, 0.05))
def test_the_noise_is_found_beside_code_and_seed(seed: int, sigma: float) -> None:
    draw = np.random.default_rng(seed)
    code, offset = draw.normal(2, 0.1, 40), draw.normal(0, 0.02, 4)
    study = {
        int(n): [
            Reading(s, float(code[n] + offset[s] + draw.normal(0, sigma)))
            for s in draw.choice(4, 3, replace=False)
        ]
        for n in range(40)
    }
    assert noise(study).trial == pytest.approx(sigma, rel=0.4)


@given(st.integers(1, 30))
def test_pairs_that_happen_to_agree_never_make_silence(count: int) -> None:
    found = noise({number: readings(2.0, 2.0) for number in range(count + 1)})
    assert found.pair > 0.2 * CPU.pair / math.sqrt(count)
    assert found.of_pair([0.0, 0.0]) > 0.5 * found.pair


def timed(*pairs: tuple[float, int]) -> list[Reading]:
    return [Reading(1 + number, bpb, steps) for number, (bpb, steps) in enumerate(pairs)]


@given(
    st.lists(st.tuples(st.floats(1, 3), st.integers(1, 10**6)), min_size=1, max_size=6),
    st.floats(-0.5, 0.0),
)
def test_a_mean_score_is_never_corrected(pairs: list[tuple[float, int]], slope: float) -> None:
    # So code that is truly slower is forgiven nothing, however slow, on however many trials.
    before = timed(*pairs)
    after = adjust_for_throughput(before, slope)
    for side in (before, after):
        assert len(side) == len(pairs)
    assert sum(each.bpb for each in after) == pytest.approx(sum(each.bpb for each in before))
    assert [each.seed for each in after] == [each.seed for each in before]


def test_a_trial_that_a_neighbour_slowed_is_put_right() -> None:
    slowed = timed((2.0, 200), (2.0 + 0.15 * math.log(2), 100))
    first, second = adjust_for_throughput(slowed, -0.15)
    assert first.bpb == pytest.approx(second.bpb)
    assert adjust_for_throughput(timed((2.0, 0), (2.1, 100)), -0.15) == timed((2.0, 0), (2.1, 100))
    assert adjust_for_throughput(timed((2.0, 50)), -0.15) == timed((2.0, 50))


def test_a_training_that_went_astray_says_nothing_of_small_losses() -> None:
    usual = [(0.004, 0.001**2), (0.012, 0.001**2), (-0.006, 0.001**2), (0.03, 0.001**2)] * 2
    calm = fit_prior(IDEAS, usual)
    for outlier in (0.2, 1.0, 50.0):
        found = fit_prior(IDEAS, [*usual, (outlier, 0.001**2)])
        assert found.loss < 2.5 * calm.loss, outlier
        assert posterior(found, -0.0005, 0.005**2 / 2).mean > 0, "caution stays"


def test_the_slope_is_learned_and_shrunk() -> None:
    steep = [timed(*((2 - 0.4 * math.log(n / 100), n) for n in (50, 100, 200))) for _ in range(9)]
    assert slope([], CPU, 0.01) == CPU.slope
    assert slope(steep, CPU, 0.01) == pytest.approx(-0.4, abs=0.02)
    assert CPU.slope > slope(steep[:1], CPU, 0.1) > -0.4
    faster_is_worse = [timed((2.0, 100), (3.0, 200))] * 9
    assert slope(faster_is_worse, CPU, 0.01) == 0


@given(st.floats(0, 1), st.floats(0, 1))
def test_chances_in_words_add_up_to_a_hundred(better: float, share: float) -> None:
    chances = Chances(better, share * (1 - better))
    told = [int(each.partition("%")[0]) for each in str(chances).split(", ")]
    assert sum(told) == 100
    exact = (chances.better, chances.neutral, chances.worse)
    assert all(abs(whole - 100 * each) <= 1 for whole, each in zip(told, exact, strict=True))


def test_chances_in_words() -> None:
    assert str(Chances(0.175, 0.711)) == "18% better, 71% no difference, 11% worse"
    assert str(Chances(0.335, 0.335)) == "34% better, 33% no difference, 33% worse"
    assert str(Chances(1.0, 0.0)) == "100% better, 0% no difference, 0% worse"
