"""Moves the constants of train.py at random: what an idea must beat to be worth its thinking."""

import math
from collections.abc import Iterator, Mapping
from random import Random

from autoresearch.patching import Number
from autoresearch.proposers.base import Brief
from autoresearch.proposers.space import Choice, Range, Span, rounded
from autoresearch.proposers.tuning import ATTEMPTS, Tuner, some_of


class RandomProposer(Tuner):
    """Changes one to three constants around the incumbent; no score changes what it draws.

    The ranges are those of `optuna`, so that the two differ in learning alone (random search:
    Bergstra and Bengio, JMLR 2012). Seeded by study and experiment: the same brief, the same
    proposal.
    """

    def __init__(self) -> None:
        super().__init__("random", _draws)


def _draws(brief: Brief, space: Mapping[str, Span]) -> Iterator[dict[str, Number]]:
    for attempt in range(ATTEMPTS):
        dice, names = some_of(space, f"random/{brief.study}/{brief.number}/{attempt}")
        yield {name: _drawn(space[name], dice) for name in names}


def _drawn(where: Span, dice: Random) -> Number:
    if isinstance(where, Choice):
        return dice.choice(where.values)
    if where.whole:
        return _whole(where, dice)
    return min(max(rounded(_between(where.low, where.high, where, dice)), where.low), where.high)


def _whole(where: Range, dice: Random) -> int:
    low, high = int(where.low), int(where.high)
    if not where.log:
        return dice.randrange(low, high + 1, where.step)
    # Half a step beyond both ends, so that these are drawn as often as their magnitude says.
    drawn = round(_between(low - 0.5, high + 0.5, where, dice))
    return min(max(drawn, low), high)


def _between(low: float, high: float, where: Range, dice: Random) -> float:
    if where.log:
        return math.exp(dice.uniform(math.log(low), math.log(high)))
    return dice.uniform(low, high)
