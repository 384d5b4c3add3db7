"""Which trainings are hopeless before they end: the rule, and how it is calibrated.

An experiment's training loss, averaged over the last tenth of the budget, is laid beside its
incumbent's over the same tenth, on the same seed. Behind by more than a limit for that progress, it
is condemned. The limits come from finished trainings: from how far those had been behind that won
in the end. Losses and gaps are in nats a token; progress is a share of the budget, 0 to 1.

A curve is what a training says of itself. It can cost, or save, that training its own time alone.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autoresearch.records.values import Point

STRETCHES = 20  # equal parts of a budget
SPAN = 2  # how many of them are averaged
FIRST = 4  # how many are over before the first look
LEAST = 0.01  # nats a token: behind by less, nothing is hopeless
SURE = 0.95
LOSABLE = 0.02  # share of winners that may be lost
WINNERS, LOSERS = 5, 20  # finished pairs that a study's own ladder needs
_UNBEATEN = 149  # winners, none of them lost, show that at most 2% are: 0.98**149 < 0.05

Gaps = tuple[float | None, ...]


class Course:
    """How a training's loss fell, stretch by stretch. A point more costs constant time."""

    def __init__(self, points: Iterable[Point] = ()) -> None:
        self._sums = [0.0] * STRETCHES
        self._counts = [0] * STRETCHES
        for point in points:
            self.add(point)

    def add(self, point: Point) -> int:
        """Add a point; return how many stretches are over by its progress."""
        over = min(max(int(point.progress * STRETCHES), 0), STRETCHES - 1)
        self._sums[over] += point.loss
        self._counts[over] += 1
        return over

    def loss(self, over: int) -> float | None:
        """Return the mean loss of the last stretches when `over` are over; None: one is empty."""
        recent = slice(max(over - SPAN, 0), over)
        counts = self._counts[recent]
        return sum(self._sums[recent]) / sum(counts) if counts and all(counts) else None


@dataclass(frozen=True)
class Finished:
    """A training that ran to its end beside its incumbent's, on one seed.

    `gaps` is how far it was behind when 1, 2, ... stretches were over, `difference` its score less
    the incumbent's, in bits per byte: below zero it won.
    """

    gaps: Gaps
    difference: float

    @property
    def won(self) -> bool:
        """Whether its score was the better one."""
        return self.difference < 0


@dataclass(frozen=True)
class Ladder:
    """How far a training may be behind when 1, 2, ... stretches are over.

    It rests on so many winners, of which it would have lost some.
    """

    limits: tuple[float, ...]
    winners: int
    lost: int

    @property
    def bound(self) -> float:
        """The share of winners that it loses, at most, as far as these winners can tell."""
        return share_bound(self.lost, self.winners)


@dataclass(frozen=True)
class Condemned:
    """That a training is hopeless: at which progress, how far behind, and what the limit was."""

    progress: float
    behind: float
    limit: float


class Race:
    """One training beside its incumbent's course."""

    def __init__(self, incumbent: Course, ladder: Ladder) -> None:
        self._incumbent = incumbent
        self._ladder = ladder
        self._mine = Course()
        self._over = FIRST - 1

    def see(self, point: Point) -> Condemned | None:
        """Take a point of the training; return why it is hopeless, if it is."""
        over = self._mine.add(point)
        if over <= self._over:
            return None
        self._over = over
        behind, limit = _gap(self._mine, self._incumbent, over), self._ladder.limits[over - 1]
        if behind is None or behind <= limit:
            return None
        return Condemned(point.progress, behind, limit)


def gaps(mine: Course, theirs: Course) -> Gaps:
    """Return how far a course is behind another when 1, 2, ... stretches are over."""
    return tuple(_gap(mine, theirs, over) for over in range(1, STRETCHES + 1))


def share_bound(found: int, of: int) -> float:
    """Return the largest share of which so few would be found once in twenty (Clopper-Pearson)."""
    low, high = found / of if of else 1.0, 1.0
    while high - low > 1e-6:
        share = (low + high) / 2
        often = sum(_binomial(count, of, share) for count in range(found + 1)) > 1 - SURE
        low, high = (share, high) if often else (low, share)
    return high


def _binomial(count: int, of: int, share: float) -> float:
    ways = math.lgamma(of + 1) - math.lgamma(count + 1) - math.lgamma(of - count + 1)
    return math.exp(ways + count * math.log(share) + (of - count) * math.log1p(-share))


def _gap(mine: Course, theirs: Course, over: int) -> float | None:
    one, other = mine.loss(over), theirs.loss(over)
    return None if one is None or other is None else one - other


def enough(finished: Sequence[Finished]) -> bool:
    """Return whether a study's own trainings suffice for a ladder of its own."""
    won = sum(each.won for each in finished)
    return won >= WINNERS and len(finished) - won >= LOSERS


def ladder(finished: Sequence[Finished], shipped: Ladder | None) -> Ladder | None:
    """Return the ladder of a study: its own once enough have finished, else the one given.

    Its own rests on the first that are enough: of those that came later, the condemned are missing,
    and a ladder made from what a ladder let through would grow ever tighter. A later winner beyond
    the ladder (an audit's) loosens it.

    Args:
        finished: in the order in which they ended.
        shipped: what to begin with, if anything.
    """
    first = next((at for at in range(len(finished) + 1) if enough(finished[:at])), None)
    own = shipped if first is None else calibrated(finished[:first])
    return None if own is None else _cleared(own, [each for each in finished[first:] if each.won])


def calibrated(finished: Sequence[Finished]) -> Ladder:
    """Return the lowest ladder that seems to lose no more than 2% of the winners.

    Two trainings are a winner whichever of them is taken for the incumbent. Counted are the closer
    half of all, since far ones are in no danger. The ladder's shape is how large gaps usually are
    at each progress between trainings that end close, its height what the winners need: 149 of
    them, none lost, would show that at most 2% are. Of n < 149 the one that was furthest behind is
    taken for as extreme as it is among n, where the tail is exponential: so the furthest of 149
    would be behind by ln(149) / ln(n) times as much.
    """
    close = sorted(finished, key=lambda each: abs(each.difference))[: (len(finished) + 1) // 2]
    winners = [each.gaps if each.won else _turned(each.gaps) for each in close]
    shape = [_usual(at) for at in zip(*winners, strict=True)]
    needed = sorted((_height(gaps, shape) for gaps in winners), reverse=True)
    lost = next(n for n in range(len(needed)) if share_bound(n + 1, len(needed)) > LOSABLE)
    unseen = max(1.0, math.log(_UNBEATEN) / math.log(max(len(needed), 2)))
    height = max(needed[lost], 1.0) * unseen
    limits = tuple(max(height * each, LEAST) for each in shape)
    return Ladder(limits, len(needed), lost)


def _cleared(low: Ladder, winners: Sequence[Finished]) -> Ladder:
    """Return the ladder raised until none of these winners is beyond it."""
    worst = max((_height(each.gaps, low.limits) for each in winners), default=0.0)
    raised = tuple(limit * max(worst, 1.0) for limit in low.limits)
    return Ladder(raised, low.winners + len(winners), low.lost)


def _turned(gaps: Gaps) -> Gaps:
    return tuple(None if gap is None else -gap for gap in gaps)


def _usual(gaps: Iterable[float | None]) -> float:
    """Return the root mean square of what gaps there are; infinite where there is none."""
    squares = [gap**2 for gap in gaps if gap is not None]
    return math.sqrt(sum(squares) / len(squares)) if any(squares) else math.inf


def _height(gaps: Gaps, shape: Sequence[float]) -> float:
    """Return how many times the shape a training was behind, where it was furthest."""
    looks = list(zip(gaps, shape, strict=True))[FIRST - 1 : STRETCHES - 1]
    return max((gap / usual for gap, usual in looks if gap is not None), default=0.0)
