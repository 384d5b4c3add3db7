"""Early stopping, as a rule: who is hopeless, by which limits, and what few winners can show."""

import math
import random
from collections.abc import Iterable, Iterator
from statistics import fmean

import pytest

from autoresearch import policy
from autoresearch.policy import pruning
from autoresearch.records.training import Point
from autoresearch.records.values import Clock

STEPS = 200


def points(offset: float = 0.0, until: float = 1.0) -> Iterator[Point]:
    """A curve that falls from 6 to 4 nats, so much above it all along."""
    for step in range(int(STEPS * until)):
        at = step / STEPS
        yield Point(step, 6 - 2 * at + offset, tokens=step, progress=at, seconds=at)


def flat(limit: float) -> policy.PruningThresholds:
    return policy.PruningThresholds((limit,) * pruning.STRETCHES, winners=100)


def pruned(
    thresholds: policy.PruningThresholds, trial: Iterable[Point], incumbent: Iterable[Point] = ()
) -> policy.PruneDecision | None:
    run = policy.PruningRun(policy.ReferenceCurve(incumbent or points()), thresholds)
    return next(filter(None, map(run.add, trial)), None)


def test_who_is_far_behind_is_pruned_at_the_first_look() -> None:
    found = pruned(flat(0.1), points(0.3))
    assert found is not None
    assert found.progress == pruning.FIRST / pruning.STRETCHES
    assert found.behind == pytest.approx(0.3)
    assert found.limit == 0.1


@pytest.mark.parametrize("offset", [0.09, 0.0, -1.0])
def test_who_is_not_further_behind_than_the_limit_runs_on(offset: float) -> None:
    assert pruned(flat(0.1), points(offset)) is None


def test_who_falls_behind_late_is_pruned_late() -> None:
    late = [*points(until=0.7), *list(points(0.5))[140:]]
    found = pruned(flat(0.1), late)
    assert found is not None
    assert found.progress == pytest.approx(0.75)


def test_a_curve_with_holes_is_not_judged_there() -> None:
    sparse = [each for each in points(9.0) if each.progress < 0.1 or each.progress > 0.97]
    assert pruned(flat(0.1), sparse) is None
    assert pruned(flat(0.1), points(9.0), incumbent=sparse) is None


@pytest.mark.parametrize("progress", [-5.0, 0.0, 1.0, 7.0, 1e14])
def test_a_point_may_say_anything_of_its_progress(progress: float) -> None:
    liar = [Point(step=1, loss=1e14, tokens=1, progress=progress, seconds=0.0)] * 50
    assert pruned(flat(0.1), liar) is None


@pytest.mark.parametrize(
    ("found", "of", "share"),
    [(0, 149, 0.0199), (0, 20, 0.139), (1, 20, 0.216), (0, 0, 1.0), (3, 3, 1.0)],
)
def test_a_bound_is_what_tables_say(found: int, of: int, share: float) -> None:
    assert policy.share_bound(found, of) == pytest.approx(share, abs=1e-3)


def test_a_bound_copes_with_many() -> None:
    assert policy.share_bound(0, 100_000) == pytest.approx(3e-5, rel=0.05)
    assert policy.share_bound(50, 5000) < 0.0135


def finished(chance: random.Random, difference: float) -> policy.FinishedTraining:
    """A training whose lag strays about its final one: 2 nats a token for a bit a byte."""
    stray = chance.gauss(0, 0.05)
    lags = (
        2 * difference + stray * (1 - over / pruning.STRETCHES) + chance.gauss(0, 0.005)
        for over in range(1, pruning.STRETCHES + 1)
    )
    return policy.FinishedTraining(tuple(lags), difference)


def ideas(seed: int, count: int) -> list[policy.FinishedTraining]:
    chance = random.Random(seed)
    return [
        finished(chance, chance.expovariate(50) * (-0.5 if chance.random() < 0.25 else 1.0))
        for _ in range(count)
    ]


def lost(thresholds: policy.PruningThresholds, trained: list[policy.FinishedTraining]) -> float:
    won = [each for each in trained if each.won]
    return sum(pruning._height(each.lags, thresholds.limits) > 1 for each in won) / len(won)


@pytest.mark.parametrize("seed", range(5))
def test_thresholds_from_few_trainings_lose_few_winners(seed: int) -> None:
    thresholds = policy.thresholds_for(ideas(seed, 60), None)
    assert thresholds is not None
    assert lost(thresholds, ideas(seed + 100, 4000)) <= pruning.LOSABLE


def test_thresholds_from_many_trainings_are_lower_and_still_lose_few() -> None:
    few = [policy.calibrated_thresholds(ideas(seed, 30)) for seed in range(10)]
    many = policy.calibrated_thresholds(ideas(1, 500))
    assert many.bound <= pruning.LOSABLE < few[0].bound
    assert many.limits[4] < fmean(each.limits[4] for each in few)
    assert lost(many, ideas(7, 4000)) <= pruning.LOSABLE


def test_limits_shrink_as_a_training_goes_on() -> None:
    limits = policy.calibrated_thresholds(ideas(1, 500)).limits
    assert limits[4] > 2 * limits[14]


def test_a_study_has_no_thresholds_before_it_has_winners_and_losers() -> None:
    losers = [each for each in ideas(1, 400) if not each.won]
    winners = [each for each in ideas(1, 400) if each.won]
    assert policy.thresholds_for(losers, None) is None
    assert policy.thresholds_for(winners[:40], None) is None
    assert policy.thresholds_for(losers[:19] + winners[:5], None) is None
    assert policy.thresholds_for(losers[:20] + winners[:5], None) is not None
    assert policy.thresholds_for(losers, flat(0.2)) == flat(0.2)


def test_survivors_never_bring_thresholds_below_who_needed_them() -> None:
    """What thresholds let through is not taken for all there is: nobody known is beyond them."""
    known = ideas(1, 60)
    for round_ in range(5):
        thresholds = policy.thresholds_for(known, None)
        assert thresholds is not None
        assert lost(thresholds, known) == 0
        more = ideas(10 + round_, 300)
        known += [each for each in more if pruning._height(each.lags, thresholds.limits) <= 1]
    assert lost(policy.calibrated_thresholds(known), ideas(99, 4000)) <= pruning.LOSABLE


def test_a_winner_beyond_the_thresholds_raises_them() -> None:
    comeback = policy.FinishedTraining((0.4,) * pruning.STRETCHES, -0.01)
    raised = policy.thresholds_for([comeback], flat(0.1))
    assert raised is not None
    assert raised.limits == pytest.approx((0.4,) * pruning.STRETCHES)
    loser = policy.FinishedTraining(comeback.lags, 0.01)
    assert policy.thresholds_for([loser], flat(0.1)) == flat(0.1)


def test_where_all_curves_are_alike_a_hair_is_not_hopeless() -> None:
    alike = [
        policy.FinishedTraining((1e-6,) * pruning.STRETCHES, 1e-6 * at) for at in range(-10, 40)
    ]
    assert set(policy.calibrated_thresholds(alike).limits) == {pruning.LEAST}
    assert set(policy.calibrated_thresholds([]).limits) == {math.inf}


def test_what_is_not_known_counts_for_nothing() -> None:
    nothing = policy.FinishedTraining((None,) * pruning.STRETCHES, -0.01)
    behind = policy.FinishedTraining((0.3,) * pruning.STRETCHES, -0.01)
    assert set(policy.calibrated_thresholds([nothing] * 30).limits) == {pruning.LEAST}
    assert policy.calibrated_thresholds([nothing, behind]) == policy.calibrated_thresholds(
        [behind, behind]
    )


def test_hard_batches_are_no_lag() -> None:
    """Half as many steps in the budget: other batches at the same progress, some of them hard."""
    chance = random.Random(3)
    hard = [chance.gauss(0, 0.3) for _ in range(STEPS)]

    def on(batches: int, offset: float) -> list[Point]:
        return [
            Point(step, 6 - step / 100 + hard[step] + offset, step, step / batches, 0.0)
            for step in range(batches)
        ]

    reference = policy.ReferenceCurve(on(STEPS, 0.0))
    same = policy.lags(on(STEPS, 0.1), reference)[1:]
    assert same == pytest.approx((0.1,) * len(same), abs=1e-6)
    # A step is worth 0.01 nats; at the end of a stretch half the steps of it are behind.
    slow = policy.lags(on(STEPS // 2, 0.0), reference)
    for over in range(pruning.FIRST, pruning.STRETCHES):
        behind = (over - pruning.SPAN / 2) / pruning.STRETCHES * STRETCHED
        assert slow[over - 1] == pytest.approx(behind, abs=0.12)


STRETCHED = 1.0  # nats that half of the steps are worth


def test_a_batch_never_met_says_nothing() -> None:
    reference = policy.ReferenceCurve(points())
    unmet = [Point(each.step + 10**6, each.loss + 9, 0, each.progress, 0.0) for each in points()]
    assert set(policy.lags(unmet, reference)) == {None}
    assert set(policy.lags(points(), policy.ReferenceCurve([]))) == {None}


def shipped(
    profile: str = "cpu", clock: Clock = Clock.CPU, budget: float = 60.0, vocab_size: int = 2048
) -> policy.PruningThresholds | None:
    return policy.default_thresholds(
        profile=profile, clock=clock, budget=budget, vocab_size=vocab_size
    )


def test_the_shipped_thresholds_are_for_the_profile_it_was_made_on() -> None:
    made = shipped()
    assert made is not None
    assert made.limits[pruning.FIRST] > made.limits[-3] > 0
    assert shipped(profile="gpu") is None
    assert shipped(clock=Clock.WALL) is None
    assert shipped(budget=5.0) is None
    assert shipped(vocab_size=8192) is None
