"""Moves the constants of train.py at random: a control that ideas must beat."""

import math
from collections.abc import Iterator, Mapping
from random import Random

from autoresearch.patching import Number
from autoresearch.proposers.base import Brief
from autoresearch.proposers.space import Choice, Range, Span, rounded
from autoresearch.proposers.tuning import ATTEMPTS, Tuner, some_of


class RandomProposer(Tuner):
    """Changes one to three constants around the incumbent; no score changes what it draws.

    The ranges are those of `optuna`, so that the two differ only in learning (random search:
    Bergstra and Bengio, JMLR 2012). Seeded by study and experiment: the same brief gives the same
    proposal.
    """

    def __init__(self) -> None:
        super().__init__("random", _draws)


def _draws(brief: Brief, space: Mapping[str, Span]) -> Iterator[dict[str, Number]]:
    for attempt in range(ATTEMPTS):
        rng, names = some_of(space, f"random/{brief.study}/{brief.number}/{attempt}")
        yield {name: _drawn(space[name], rng) for name in names}


def _drawn(where: Span, rng: Random) -> Number:
    if isinstance(where, Choice):
        return rng.choice(where.values)
    if where.whole:
        return _whole(where, rng)
    return min(max(rounded(_between(where.low, where.high, where, rng)), where.low), where.high)


def _whole(where: Range, rng: Random) -> int:
    low, high = int(where.low), int(where.high)
    if not where.log:
        return rng.randrange(low, high + 1, where.step)
    # Half a step beyond both ends, so that these are drawn as often as their magnitude says.
    drawn = round(_between(low - 0.5, high + 0.5, where, rng))
    return min(max(drawn, low), high)


def _between(low: float, high: float, where: Range, rng: Random) -> float:
    if where.log:
        return math.exp(rng.uniform(math.log(low), math.log(high)))
    return rng.uniform(low, high)
