"""What the noise hides, and when a person is told."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.policy import (
    CONFIRMED,
    CPU,
    CPU_IDEAS,
    CPU_SCALE,
    GPU,
    GPU_SCALE,
    Noise,
    advice,
    power,
)
from autoresearch.policy.effects import posterior
from autoresearch.records.values import Clock

KNOWN = Noise(seed_repeats=10, pair_repeats=8)


def test_what_is_seen_is_what_six_pairs_confirm() -> None:
    found = power(KNOWN, CPU_SCALE)
    error = KNOWN.pair**2 / 6 * 8 / 6
    assert posterior(CPU_IDEAS, -found.gain, error).better == pytest.approx(CONFIRMED, abs=1e-6)
    assert 0.004 < found.gain < 0.010
    assert not found.is_too_low
    assert advice(found, "cpu", Clock.CPU) is None


def test_a_loud_study_is_told_what_to_do() -> None:
    found = power(replace(KNOWN, pair=0.05), CPU_SCALE)
    assert found.is_too_low
    said = advice(found, "cpu", Clock.WALL)
    assert said is not None
    assert "a pair's difference has a noise of 0.0500 bpb" in said
    assert 'train longer (--budget), or count CPU seconds ([training] clock = "cpu"), or' in said
    assert "CPU seconds" not in (advice(found, "cpu", Clock.CPU) or "")
    assert "CPU seconds" not in (advice(found, "cuda", Clock.WALL) or "")


def test_two_noisy_replicates_predict_noisy_pairs() -> None:
    loud = Noise(seed=0.1, seed_repeats=1)
    assert power(loud, CPU_SCALE).pair == pytest.approx(loud.pair * 0.1 / CPU.seed)
    assert power(loud, CPU_SCALE).is_too_low
    assert power(replace(loud, pair_repeats=1), CPU_SCALE).pair == loud.pair
    assert not power(Noise(seed=0.001, seed_repeats=1), CPU_SCALE).is_too_low


def test_what_is_usual_is_not_blind() -> None:
    assert not power(KNOWN, CPU_SCALE).is_too_low
    assert not power(replace(KNOWN, seed=GPU.seed, pair=GPU.pair), GPU_SCALE).is_too_low


@given(st.floats(1e-4, 0.3), st.floats(1.01, 4))
def test_more_noise_shows_less(pair: float, noisier: float) -> None:
    quiet = power(replace(KNOWN, pair=pair), CPU_SCALE)
    loud = power(replace(KNOWN, pair=pair * noisier), CPU_SCALE)
    assert loud.gain > quiet.gain
    assert loud.expected <= quiet.expected
