"""Any metric: its scale comes from its own noise, and nothing hangs on its unit."""

import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch.policy import (
    CPU,
    CPU_SCALE,
    GPU_SCALE,
    Belief,
    DecidedExperiment,
    Decision,
    Kept,
    MoreTrials,
    Noise,
    Scale,
    advice,
    belief_after,
    claim,
    judge,
    noise,
    power,
    scale_of,
    should_unkeep,
    worth_confirming,
)
from autoresearch.records.metric import BITS_PER_BYTE, Direction, Metric, MetricSource
from autoresearch.records.values import Clock, Reading, Verdict

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
from metrics import KINDS, MEASURED, Kind, night
from night_rules import NOTHING

ACCURACY = Metric("accuracy", "accuracy", Direction.HIGHER, MetricSource.EVALUATED)
ODD = (
    (), (0.0,), (0.0, 0.0), (-0.9,), (-0.9, -0.9), (-0.9,) * 30, (-0.2, 0.2), (0.0, 0.3),
    (1e12, 1e12), (-1e100, -1e100), (1e-100, 2e-100), (350.0, 354.0), (-1e6, -1e6 - 4),
)  # fmt: skip
SCORES = st.lists(st.floats(-0.05, 0.05), min_size=2, max_size=5)
POWERS = st.integers(-60, 60).map(lambda power: 2.0**power)  # floats times these are exact


def readings(values: Sequence[float]) -> list[Reading]:
    return [Reading(seed, value) for seed, value in enumerate(values, 1)]


def times(side: Sequence[Reading], factor: float, more: float = 0.0) -> list[Reading]:
    return [replace(each, bpb=factor * each.bpb + more) for each in side]


def louder(known: Noise, factor: float) -> Noise:
    names = ("seed", "pair", "slope")
    return replace(known, **{name: factor * getattr(known, name) for name in names})


def of(*values: float, paired: bool = True) -> Scale:
    return scale_of(ACCURACY, "cpu", [readings(values)] if values else [], paired=paired)


def test_bits_per_byte_have_the_scale_of_their_device_whatever_was_read() -> None:
    read = [readings([2.0, 9.0])]
    assert scale_of(BITS_PER_BYTE, "cpu", read) is CPU_SCALE
    assert scale_of(BITS_PER_BYTE, "cuda", read) is GPU_SCALE


@pytest.mark.parametrize("values", ODD)
def test_whatever_a_baseline_reads_a_scale_is_above_zero_and_in_proportion(
    values: tuple[float, ...],
) -> None:
    scale = of(*values)
    unit = scale.noise.seed / CPU.seed
    assert 0 < unit < math.inf
    assert scale == replace(CPU_SCALE.times(unit), noise=scale.noise, metric=ACCURACY)
    assert scale.noise.pair / scale.noise.seed == pytest.approx(CPU.pair / CPU.seed)
    assert scale.noise.slope == 0
    # And all that is done with it comes to numbers.
    belief = Belief(Noise(scale.noise.seed, scale.noise.pair), scale.ideas, scale=scale)
    mine, other = readings([*values, 0.0, 0.0][:2]), readings([*values, 1.0, 1.0][:2])
    judged = judge(mine, other, belief=belief)
    assert isinstance(judged, Decision | MoreTrials)
    assert math.isfinite(power(belief.noise, scale).gain)


def test_the_noise_is_near_what_the_baseline_shows_and_nearer_with_each_repeat() -> None:
    spread = [0.0, 4.0, -4.0, 2.0, -2.0, 5.0, -5.0, 1.0, -1.0, 4.0, -4.0]
    few, many = (of(*(350 + each for each in spread[:count])) for count in (3, 11))
    assert few.noise.seed == pytest.approx(4.0, rel=0.5)
    assert many.noise.seed == pytest.approx(3.6, rel=0.2)
    keeps = [readings([350.0]), *(readings([300.0, 304.0]) for _ in range(10))]
    kept = scale_of(ACCURACY, "cpu", keeps)
    assert kept.noise.seed == pytest.approx(4 / math.sqrt(2), rel=0.2)


def test_equal_scores_say_that_there_is_little_noise_the_more_the_more_there_are() -> None:
    alone, two, six = of(-0.9), of(-0.9, -0.9), of(*[-0.9] * 6)
    assert alone.noise.seed == pytest.approx(0.005 * 0.9, rel=0.05)
    assert alone.noise.seed > 100 * two.noise.seed > 100 * six.noise.seed > 0


@pytest.mark.parametrize("far", [1e3, 1e12, 1e38])
@pytest.mark.parametrize("first", [(-0.9, -0.9), (-0.9, -0.904), (1e-30, 2e-30)])
def test_what_goes_astray_is_discarded_and_moves_nothing(
    first: tuple[float, float], far: float
) -> None:
    base, lost = readings(first), readings([far])
    scale = scale_of(ACCURACY, "cpu", [base])
    known = noise({1: base, 2: lost, 3: readings([first[0], far])}, scale.noise, 1)
    past = [
        DecidedExperiment(1, None, kept=True, readings=base),
        DecidedExperiment(2, 1, kept=False, readings=lost),
    ]
    calm, after = belief_after(past[:1], known, scale), belief_after(past, known, scale)
    assert after.score.mean == pytest.approx(calm.score.mean, abs=3 * known.seed)
    judged = judge(lost, base, belief=after)
    assert isinstance(judged, Decision)
    assert judged.verdict is Verdict.DISCARD
    kept = Kept(readings([-far, -far, far]), readings([0.0, 0.0, 0.0]))
    assert not claim(kept, known, scale.ideas, scale).confirmed


def test_without_a_seed_nothing_is_shared() -> None:
    scale = of(-0.9, -0.904, paired=False)
    assert scale.noise.pair == math.sqrt(2) * scale.noise.seed
    # What looks like a seed that is good for every code is chance.
    known = {1: readings([1.0, 1.1, 1.2]), 2: readings([2.0, 2.1, 2.2])}
    alone, shared = noise(known, scale.noise), noise(known, replace(scale.noise, paired=True))
    assert alone.pair == pytest.approx(math.sqrt(2) * alone.seed)
    assert alone.pair_repeats == alone.seed_repeats == 4
    assert alone.shared < 0.11 * alone.trial
    assert shared.pair < alone.pair
    renamed = {1: known[1], 2: [replace(each, seed=4 - each.seed) for each in known[2]]}
    assert noise(renamed, scale.noise) == alone
    told = advice(power(alone, scale), "cpu", Clock.WALL)
    assert told is not None
    assert "let the command take a seed" in told


def test_a_metric_is_told_in_its_own_direction_and_unit() -> None:
    scale = of(-0.9, -0.904)
    belief = Belief(Noise(0.004, 0.002, 20, 20), scale.ideas, scale=scale)
    judged = judge(readings([-0.93]), readings([-0.9]), belief=belief)
    assert isinstance(judged, Decision)
    assert judged.reason.startswith("expected to be better: +0.0300 accuracy on 1 pair, believed +")


@settings(max_examples=25)
@given(SCORES, SCORES, POWERS, st.integers(-40, 40), st.booleans())
def test_no_verdict_hangs_on_the_unit(
    mine: list[float], other: list[float], unit: float, lines: int, paired: bool
) -> None:
    scale = replace(CPU_SCALE, noise=replace(CPU_SCALE.noise, paired=paired), metric=ACCURACY)
    found = []
    for factor in (1.0, unit):
        sides = [times(readings(each), factor) for each in (mine, other)]
        sized = scale.times(factor)
        known = noise(dict(enumerate(sides, 1)), sized.noise, incumbent=2)
        belief = belief_after(
            [DecidedExperiment(2, None, kept=True, readings=sides[1])], known, sized
        )
        found.append(judge(*sides, belief=belief, lines=lines))
    one, two = found
    if isinstance(one, MoreTrials):
        assert isinstance(two, MoreTrials)
        assert one.seed == two.seed
        return
    assert isinstance(two, Decision)
    assert (one.verdict, one.pairs) == (two.verdict, two.pairs)
    assert one.effect is not None
    assert two.effect is not None
    assert two.effect.mean == pytest.approx(unit * one.effect.mean, abs=1e-9 * unit)


@settings(max_examples=25)
@given(SCORES, SCORES, POWERS, st.integers(-3, 3))
def test_no_claim_hangs_on_the_unit_nor_on_where_zero_is(
    mine: list[float], other: list[float], unit: float, level: int
) -> None:
    found = []
    for factor, more in ((1.0, 0.0), (unit, 0.0), (1.0, 1024.0 * level)):
        sized, known = CPU_SCALE.times(factor), louder(Noise(0.014, 0.005, 8, 8), factor)
        sides = [times(readings(each), factor, more) for each in (mine, other)]
        kept = Kept(sides[0], sides[1], lines=-1)
        made = claim(kept, known, sized.ideas, sized)
        found.append(
            (
                made.confirmed,
                made.pairs,
                round(made.probability, 6),
                should_unkeep(kept, known, sized.ideas, sized),
                worth_confirming([kept], known, sized.ideas),
            )
        )
    assert found[0] == found[1]
    if not level or abs(found[0][2] - 0.95) > 1e-3:  # far from zero the last digits are lost
        assert found[0][:2] == found[2][:2]
        assert found[0][2] == pytest.approx(found[2][2], abs=1e-5)


def claims(kind: Kind, seeds: range, slots: int, *, paired: bool) -> tuple[int, float]:
    """False claims, and keeps a training, of nights on which nothing works."""
    nights = [night(seed, NOTHING, kind, paired=paired, slots=slots) for seed in seeds]
    made = sum(each.false_claims for each in nights)
    return made, sum(each.kept for each in nights) / (slots * len(nights))


@pytest.mark.parametrize("paired", [True, False], ids=["seeds", "no seed"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_patches_that_change_nothing_are_not_claimed(kind: Kind, paired: bool) -> None:
    made, kept = claims(kind, range(40, 41), 50, paired=paired)
    assert made == 0
    assert kept < 0.5


@pytest.mark.thorough
@pytest.mark.parametrize("paired", [True, False], ids=["seeds", "no seed"])
def test_hundreds_of_trainings_that_change_nothing_are_not_claimed(paired: bool) -> None:
    found = [claims(kind, range(50, 58), 100, paired=paired) for kind in KINDS]
    assert sum(made for made, _ in found) <= 2  # nights with one are fewer than one of twenty
    assert max(kept for _, kept in found) < 0.3


def test_true_gains_of_any_metric_are_kept_and_claimed() -> None:
    for kind in KINDS[:2]:
        found = night(30_000, MEASURED, kind, paired=True)
        assert found.true < 0
        assert found.claims >= 1


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("baseline", [(-0.5, -0.5), (-0.36643, -0.36694)])
def test_repeats_that_agree_by_chance_do_not_make_large_gains_unbelievable(
    baseline: tuple[float, float], *, paired: bool
) -> None:
    before = tuple(Reading(seed, each) for seed, each in enumerate(baseline, 1))
    after = (Reading(1, baseline[0] - 0.10), Reading(2, baseline[1] - 0.14))
    scale = scale_of(ACCURACY, "cpu", [before], paired=paired)
    seen = noise({1: before, 2: after}, scale.noise, 1)
    belief = belief_after([DecidedExperiment(1, None, kept=True, readings=before)], seen, scale)
    found = judge(after, before, belief=belief)
    assert isinstance(found, Decision)
    assert found.effect is not None
    assert found.effect.mean < -0.08
