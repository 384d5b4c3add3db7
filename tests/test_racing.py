"""Racing, as a rule: who is hopeless, by which limits, and what few winners can show."""

import math
import random

import pytest

from autoresearch import policy
from autoresearch.policy import racing
from autoresearch.records.values import Clock, Point

STEPS = 200


def points(offset: float = 0.0, *, until: float = 1.0, noise: float = 0.0, seed: int = 1):
    """A curve that falls from 6 to 4 nats, so much above it all along."""
    chance = random.Random(seed)
    for step in range(int(STEPS * until)):
        at = step / STEPS
        loss = 6 - 2 * at + offset + chance.gauss(0, noise)
        yield Point(step=step, loss=loss, tokens=step, progress=at, seconds=at)


def flat(limit: float) -> policy.Ladder:
    return policy.Ladder((limit,) * racing.STRETCHES, winners=100, lost=0)


def raced(ladder: policy.Ladder, trial, incumbent=None) -> policy.Condemned | None:
    race = policy.Race(policy.Course(incumbent or points()), ladder)
    return next(filter(None, map(race.see, trial)), None)


def test_who_is_far_behind_is_condemned_at_the_first_look() -> None:
    found = raced(flat(0.1), points(0.3))
    assert found is not None
    assert found.progress == racing.FIRST / racing.STRETCHES
    assert found.behind == pytest.approx(0.3)
    assert found.limit == 0.1


@pytest.mark.parametrize("offset", [0.09, 0.0, -1.0])
def test_who_is_not_further_behind_than_the_limit_runs_on(offset: float) -> None:
    assert raced(flat(0.1), points(offset)) is None


def test_who_falls_behind_late_is_condemned_late() -> None:
    late = [*points(until=0.7), *list(points(0.5))[140:]]
    found = raced(flat(0.1), late)
    assert found is not None
    assert found.progress == pytest.approx(0.75)


def test_a_curve_with_holes_is_not_judged_there() -> None:
    sparse = [each for each in points(9.0) if each.progress < 0.1 or each.progress > 0.97]
    assert raced(flat(0.1), sparse) is None
    assert raced(flat(0.1), points(9.0), incumbent=sparse) is None


@pytest.mark.parametrize("progress", [-5.0, 0.0, 1.0, 7.0, 1e14])
def test_a_point_may_say_anything_of_its_progress(progress: float) -> None:
    liar = [Point(step=1, loss=1e14, tokens=1, progress=progress, seconds=0.0)] * 50
    assert raced(flat(0.1), liar) is None


@pytest.mark.parametrize(
    ("found", "of", "share"),
    [(0, 149, 0.0199), (0, 20, 0.139), (1, 20, 0.216), (0, 0, 1.0), (3, 3, 1.0)],
)
def test_a_bound_is_what_tables_say(found: int, of: int, share: float) -> None:
    assert policy.share_bound(found, of) == pytest.approx(share, abs=1e-3)


def test_a_bound_copes_with_many() -> None:
    assert policy.share_bound(0, 100_000) == pytest.approx(3e-5, rel=0.05)
    assert policy.share_bound(50, 5000) < 0.0135


def finished(chance: random.Random, difference: float) -> policy.Finished:
    """A training whose lag strays about its final one: 2 nats a token for a bit a byte."""
    stray = chance.gauss(0, 0.05)
    lags = (
        2 * difference + stray * (1 - over / racing.STRETCHES) + chance.gauss(0, 0.005)
        for over in range(1, racing.STRETCHES + 1)
    )
    return policy.Finished(tuple(lags), difference)


def ideas(seed: int, count: int) -> list[policy.Finished]:
    chance = random.Random(seed)
    return [
        finished(chance, chance.expovariate(50) * (-0.5 if chance.random() < 0.25 else 1.0))
        for _ in range(count)
    ]


def lost(ladder: policy.Ladder, trained: list[policy.Finished]) -> float:
    won = [each for each in trained if each.won]
    return sum(racing._height(each.gaps, ladder.limits) > 1 for each in won) / len(won)


@pytest.mark.parametrize("seed", range(5))
def test_a_ladder_from_few_trainings_loses_few_winners(seed: int) -> None:
    ladder = policy.ladder(ideas(seed, 60), None)
    assert ladder is not None
    assert lost(ladder, ideas(seed + 100, 4000)) <= racing.LOSABLE


def test_a_ladder_from_many_trainings_is_lower_and_still_loses_few() -> None:
    few, many = policy.calibrated(ideas(1, 40)), policy.calibrated(ideas(1, 2000))
    assert sum(many.limits[4:19]) < sum(few.limits[4:19])
    assert many.bound <= racing.LOSABLE < few.bound
    assert lost(many, ideas(7, 4000)) <= racing.LOSABLE


def test_limits_shrink_as_a_training_goes_on() -> None:
    limits = policy.calibrated(ideas(1, 500)).limits
    assert limits[4] > 2 * limits[14]


def test_a_study_has_no_ladder_before_it_has_winners_and_losers() -> None:
    losers = [each for each in ideas(1, 400) if not each.won]
    winners = [each for each in ideas(1, 400) if each.won]
    assert policy.ladder(losers, None) is None
    assert policy.ladder(winners[:40], None) is None
    assert policy.ladder(losers[:19] + winners[:5], None) is None
    assert policy.ladder(losers[:20] + winners[:5], None) is not None
    assert policy.ladder(losers, flat(0.2)) == flat(0.2)


def test_later_trainings_never_tighten_a_ladder() -> None:
    first, later = ideas(1, 60), ideas(2, 300)
    survivors = [each for each in later if max(each.gaps) < 0]
    before, after = policy.ladder(first, None), policy.ladder(first + survivors, None)
    assert before is not None
    assert after is not None
    assert after.limits == before.limits
    assert after.winners > before.winners


def test_a_winner_beyond_the_ladder_raises_it() -> None:
    comeback = policy.Finished((0.4,) * racing.STRETCHES, -0.01)
    raised = policy.ladder([comeback], flat(0.1))
    assert raised is not None
    assert raised.limits == pytest.approx((0.4,) * racing.STRETCHES)
    loser = policy.Finished(comeback.gaps, 0.01)
    assert policy.ladder([loser], flat(0.1)) == flat(0.1)


def test_where_all_curves_are_alike_a_hair_is_not_hopeless() -> None:
    alike = [policy.Finished((1e-6,) * racing.STRETCHES, 1e-6 * at) for at in range(-10, 40)]
    assert set(policy.calibrated(alike).limits) == {racing.LEAST}
    none = [policy.Finished((0.0,) * racing.STRETCHES, 0.0)] * 40
    assert set(policy.calibrated(none).limits) == {math.inf}


def test_stretches_that_nobody_filled_are_never_judged() -> None:
    holes = [
        policy.Finished((None,) * 10 + each.gaps[10:], each.difference) for each in ideas(1, 60)
    ]
    ladder = policy.calibrated(holes)
    assert ladder.limits[:10] == (math.inf,) * 10
    assert ladder.limits[15] < math.inf


def test_the_shipped_ladder_is_for_the_profile_it_was_made_on() -> None:
    asked = {"profile": "cpu", "clock": Clock.CPU, "budget": 60.0, "vocab_size": 2048}
    made = policy.shipped_ladder(**asked)
    assert made is not None
    assert made.limits[racing.FIRST] > made.limits[-3] > 0
    for other in ({"profile": "gpu"}, {"clock": Clock.WALL}, {"budget": 5.0}, {"vocab_size": 8192}):
        assert policy.shipped_ladder(**asked | other) is None
