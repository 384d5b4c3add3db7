"""Drift: what says that the machine has changed, and what does not; and what two epochs share."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.policy import (
    CPU,
    CPU_IDEAS,
    DecidedExperiment,
    Kept,
    Noise,
    adjust_for_throughput,
    belief_after,
    claim,
    drift,
    noise,
    paired,
    replay,
)
from autoresearch.policy.drift import FALSE_ALARM, tail
from autoresearch.records.values import Reading

KNOWN = Noise(seed=0.014, pair=0.005, seed_repeats=10, pair_repeats=10, speed=0.02)


def late(readings: list[Reading]) -> list[Reading]:
    return [replace(each, epoch=1) for each in readings]


@pytest.mark.parametrize(
    ("freedom", "value"),
    [(1, 12.7062), (2, 4.30265), (3, 3.18245), (4, 2.77645), (10, 2.22814), (11, 2.20099)],
)
def test_tails_are_students(freedom: int, value: float) -> None:
    assert tail(value, freedom) == pytest.approx(0.05, abs=1e-6)
    assert tail(-value, freedom) == tail(value, freedom)


@given(st.integers(1, 200), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_tail_is_a_probability_that_falls(freedom: int, near: float, more: float) -> None:
    assert 0 <= tail(near + more, freedom) <= tail(near, freedom) + 1e-9 <= 1 + 1e-9


def test_a_slow_machine_is_seen() -> None:
    found = drift(Reading(3, 1.931, 246), Reading(3, 1.9, 300), KNOWN)
    assert found.changed
    assert found.description == "reads +0.0310 bpb (noise 0.0050) at 0.82 times the steps"


def test_a_faster_machine_is_as_bad() -> None:
    assert drift(Reading(3, 1.87, 360), Reading(3, 1.9, 300), KNOWN).changed


def test_noise_is_no_drift() -> None:
    assert not drift(Reading(3, 1.908, 295), Reading(3, 1.9, 300), KNOWN).changed


def test_steps_tell_before_scores_do_but_only_where_they_matter() -> None:
    slower = drift(Reading(1, 1.9, 255), Reading(1, 1.9, 300), KNOWN)
    assert slower.changed
    loud = replace(KNOWN, pair=0.1)
    assert not drift(Reading(1, 1.9, 255), Reading(1, 1.9, 300), loud).changed


def test_without_steps_the_score_decides_alone() -> None:
    found = drift(Reading(1, 2.0), Reading(1, 1.9), KNOWN)
    assert found.changed
    assert found.steps is None
    assert found.description == "reads +0.1000 bpb (noise 0.0050)"


def test_a_steady_machine_is_hardly_ever_accused() -> None:
    draw = np.random.default_rng(3)
    alarms = 0
    for _ in range(4000):
        repeats = draw.normal(0, KNOWN.pair, 10)
        known = (3 * CPU.pair**2 + float((repeats**2).sum())) / 11
        bpb, steps = draw.normal(0, KNOWN.trial, 2), 300 * np.exp(draw.normal(0, 0.02, 2))
        then, again = (Reading(1, 1.9 + bpb[n], round(steps[n])) for n in (0, 1))
        alarms += drift(again, then, replace(KNOWN, pair=known**0.5)).changed
    assert alarms <= 4000 * 4 * FALSE_ALARM


def test_two_epochs_are_never_compared() -> None:
    before, after = [Reading(1, 2.0), Reading(2, 2.01)], late([Reading(2, 2.1), Reading(3, 2.1)])
    assert paired([*before, *after], before) == [0.0, 0.0]
    assert paired(after, before) == []


def test_each_epoch_has_its_own_speed() -> None:
    before = [Reading(1, 2.0, 300), Reading(2, 2.0, 300)]
    after = late([Reading(5, 2.1, 100), Reading(6, 2.1, 100)])
    assert adjust_for_throughput([*before, *after], -0.15) == [*before, *after]


def test_a_change_of_the_machine_is_no_noise() -> None:
    before = [Reading(seed, 2.0 + 0.001 * seed) for seed in (1, 2, 3)]
    after = [Reading(seed, 2.3 + 0.001 * seed) for seed in (4, 5)]
    mixed = noise({1: [*before, *after]})
    parted = noise({1: [*before, *late(after)]})
    assert mixed.seed > 0.1
    assert parted.seed < 0.02
    assert parted.seed_repeats == 3


def test_what_the_incumbent_was_on_the_old_machine_is_still_believed() -> None:
    base = DecidedExperiment(1, None, kept=True, readings=[Reading(1, 2.0), Reading(2, 2.0)])
    before = belief_after([base], KNOWN)
    after = belief_after([base], KNOWN, epoch=1)
    assert after.read == frozenset()
    assert after.score == before.score
    slow = replace(base, readings=[*base.readings, *late([Reading(3, 2.3)])])
    assert belief_after([slow], KNOWN, epoch=1).score.mean == pytest.approx(2.0, abs=1e-3)


def test_a_comparison_on_the_new_machine_rests_on_its_own_pair() -> None:
    base = DecidedExperiment(
        1, None, kept=True, readings=[Reading(1, 2.0), *late([Reading(3, 2.3)])]
    )
    better = DecidedExperiment(2, 1, kept=True, readings=late([Reading(3, 2.27)]))
    belief = belief_after([base, better], KNOWN, epoch=1)
    assert belief.read == {3}
    assert belief.score.mean == pytest.approx(1.97, abs=0.003)
    assert replay([base, better], KNOWN).scores[2].mean == pytest.approx(1.97, abs=0.003)
    weighed = belief.seeing(better.readings).weighing(late([Reading(3, 2.27)]))
    assert weighed.measured == pytest.approx(0.0, abs=0.002)


def test_a_keep_confirmed_on_a_new_machine_counts_pairs_of_both() -> None:
    mine = [Reading(1, 1.97), Reading(2, 1.97), *late([Reading(3, 2.27), Reading(4, 2.27)])]
    theirs = [Reading(1, 2.0), Reading(2, 2.0), *late([Reading(3, 2.3), Reading(4, 2.3)])]
    found = claim(Kept(mine, theirs), KNOWN, CPU_IDEAS)
    assert found.confirmed
    assert found.pairs == 3
    half = [*theirs[:2], *late(theirs[:2])]
    assert claim(Kept(mine, half), KNOWN, CPU_IDEAS).pairs == 1
