"""Which trainings are hopeless before they end: the rule, and how it is calibrated.

An experiment is compared with its incumbent at the same progress, on the same seed. On one seed
both see the same batches in the same order, so how hard a batch is can be told from the incumbent's
loss on it and taken out: what is left is averaged over the last tenth of the budget. Behind by more
than a limit for that progress, the experiment is stopped. The limits come from finished trainings:
from how far the ones that won in the end had been behind. Losses and lags are in nats per token;
progress is a share of the budget, 0 to 1.

Points are what a training reports itself, and it may lie. All that it can change by that is how
long it runs.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoresearch.records.training import Point

STRETCHES = 20  # equal parts of a budget
SPAN = 2  # how many of them are averaged
FIRST = 6  # how many are over at the first look: before, the initialisation matters too much
LAST = 17  # how many are over at the last look: later, little is left to save
FEWEST = 3  # points that a mean is taken of
LEAST = 0.01  # nats per token: no training that is behind by less is hopeless
SURE = 0.95
LOSABLE = 0.02  # share of winners that may be lost
WINNERS, LOSERS = 5, 20  # finished trainings that a study's own thresholds need
PLENTY = 150  # finished trainings: further losers teach little
# The thresholds' shape: the less of the budget is left, the less can be made up for. Its height is
# measured.
_SHAPE = tuple((1 - over / STRETCHES) ** 2 + 0.15 for over in range(1, STRETCHES + 1))
_POWERS = np.arange(4)

Lags = tuple[float | None, ...]
Numbers = NDArray[np.float64]


class ReferenceCurve:
    """An incumbent's losses, split into a smooth trend and how hard each batch was."""

    def __init__(self, points: Iterable[Point]) -> None:
        seen = [(point.step, point.loss, point.progress) for point in points]
        steps, losses, progress = np.array(seen, dtype=np.float64).reshape(-1, 3).T
        trend = _trend(steps, losses)
        self._hardness = dict(zip(steps, losses - trend, strict=True))
        over = np.clip(progress * STRETCHES, 0, STRETCHES - 1).astype(int)
        self._sums, self._counts = np.zeros(STRETCHES), np.zeros(STRETCHES)
        np.add.at(self._sums, over, trend)
        np.add.at(self._counts, over, 1)

    def eased(self, point: Point) -> float | None:
        """Return a loss less the hardness of its batch; None for a step without a point here."""
        hardness = self._hardness.get(point.step)
        return None if hardness is None else point.loss - float(hardness)

    def loss(self, over: int) -> float | None:
        """Return its mean trend when so many stretches were over; None: too few points."""
        return _mean(self._sums, self._counts, over)


class Lag:
    """How far a training is behind a reference curve. Adding a point takes constant time."""

    def __init__(self, reference: ReferenceCurve) -> None:
        self._reference = reference
        self._sums, self._counts = np.zeros(STRETCHES), np.zeros(STRETCHES)

    def add(self, point: Point) -> int:
        """Add a point; return how many stretches are over by its progress."""
        over = min(max(int(point.progress * STRETCHES), 0), STRETCHES - 1)
        loss = self._reference.eased(point)
        if loss is not None:
            self._sums[over] += loss
            self._counts[over] += 1
        return over

    def behind(self, over: int) -> float | None:
        """Return how far it was behind when so many stretches were over; None: too few points."""
        mine, theirs = _mean(self._sums, self._counts, over), self._reference.loss(over)
        return None if mine is None or theirs is None else mine - theirs


@dataclass(frozen=True)
class FinishedTraining:
    """A training that ran to its end beside its incumbent's, on one seed.

    `lags` is how far it was behind when 1, 2, ... stretches were over, `difference` its score less
    the incumbent's: below zero it won.
    """

    lags: Lags
    difference: float

    @property
    def won(self) -> bool:
        """Whether its score was the better one."""
        return self.difference < 0


@dataclass(frozen=True)
class PruningThresholds:
    """How far a training may be behind when 1, 2, ... stretches are over.

    They were computed from `winners` trainings that won, and would have stopped none of them.
    """

    limits: tuple[float, ...]
    winners: int

    @property
    def bound(self) -> float:
        """The share of winners that they lose, at most, as far as these winners can tell."""
        return share_bound(0, self.winners)


@dataclass(frozen=True)
class PruneDecision:
    """That a training is hopeless: at which progress, how far behind, and what the limit was."""

    progress: float
    behind: float
    limit: float


class PruningRun:
    """Compares one training with its incumbent while it runs."""

    def __init__(self, incumbent: ReferenceCurve, thresholds: PruningThresholds) -> None:
        self._lag = Lag(incumbent)
        self._thresholds = thresholds
        self._over = FIRST - 1

    def add(self, point: Point) -> PruneDecision | None:
        """Add a point of the training; return why it is hopeless, or None where it is not."""
        over = self._lag.add(point)
        if over <= self._over or over > LAST:
            return None
        self._over = over
        behind, limit = self._lag.behind(over), self._thresholds.limits[over - 1]
        if behind is None or behind <= limit:
            return None
        return PruneDecision(point.progress, behind, limit)


def lags(points: Iterable[Point], incumbent: ReferenceCurve) -> Lags:
    """Return how far a training was behind when 1, 2, ... stretches were over."""
    lag = Lag(incumbent)
    for point in points:
        lag.add(point)
    return tuple(lag.behind(over) for over in range(1, STRETCHES + 1))


def share_bound(seen: int, of: int) -> float:
    """Return the 95% upper bound of a share, `seen` of `of` cases (Clopper-Pearson)."""
    low, high = seen / of if of else 1.0, 1.0
    while high - low > 1e-6:
        share = (low + high) / 2
        often = sum(_binomial(count, of, share) for count in range(seen + 1)) > 1 - SURE
        low, high = (share, high) if often else (low, share)
    return high


def _binomial(count: int, of: int, share: float) -> float:
    ways = math.lgamma(of + 1) - math.lgamma(count + 1) - math.lgamma(of - count + 1)
    return math.exp(ways + count * math.log(share) + (of - count) * math.log1p(-share))


def _trend(steps: Numbers, losses: Numbers) -> Numbers:
    """Return a smooth curve through losses: a cubic of the logarithm of the step."""
    if not len(steps):
        return losses
    at = np.log(0.1 + steps / max(float(steps.max()), 1.0))[:, None] ** _POWERS
    return at @ np.linalg.lstsq(at, losses, rcond=None)[0]


def _mean(sums: Numbers, counts: Numbers, over: int) -> float | None:
    recent = slice(max(over - SPAN, 0), over)
    count = int(counts[recent].sum())
    return float(sums[recent].sum()) / count if count >= FEWEST else None


def enough(finished: Sequence[FinishedTraining]) -> bool:
    """Return whether a study's own trainings suffice for thresholds of its own."""
    won = sum(each.won for each in finished)
    return won >= WINNERS and len(finished) - won >= LOSERS


def thresholds_for(
    finished: Sequence[FinishedTraining], shipped: PruningThresholds | None
) -> PruningThresholds | None:
    """Return a study's thresholds: its own once enough trainings have finished, else `shipped`.

    A winner beyond the shipped ones, which an audit let run to its end, raises them.
    """
    if enough(finished):
        return calibrated_thresholds(finished)
    return None if shipped is None else _raised(shipped, [each for each in finished if each.won])


def calibrated_thresholds(finished: Sequence[FinishedTraining]) -> PruningThresholds:
    """Return the lowest thresholds that are 95% sure to lose at most 2% of winners.

    None of the known winners is beyond them. With 149 winners that would be enough to be so sure.
    With fewer, worse ones than the one furthest behind are to be expected; how much worse is known
    if the tail is exponential (the 5% quantile of the furthest of n is -ln(1 - 0.05 ** (1 / n)), in
    units of its decay). Losers whose score was close count too: with experiment and incumbent
    exchanged they won. Those far apart are in no danger either way and would only seem to be
    evidence.
    """
    nearest = sorted(abs(each.difference) for each in finished)
    close = nearest[len(nearest) // 2] if nearest else 0.0
    winners = [each.lags for each in finished if each.won]
    winners += [
        tuple(None if lag is None else -lag for lag in each.lags)
        for each in finished
        if 0 <= each.difference <= close
    ]
    if not winners:
        return PruningThresholds((math.inf,) * STRETCHES, 0)
    quantile = -math.log1p(-((1 - SURE) ** (1 / len(winners))))
    factor = max(1.0, -math.log(LOSABLE) / quantile)
    height = factor * max(_height(each, _SHAPE) for each in winners)
    return PruningThresholds(tuple(max(height * each, LEAST) for each in _SHAPE), len(winners))


def _raised(low: PruningThresholds, winners: Sequence[FinishedTraining]) -> PruningThresholds:
    """Return the thresholds raised until none of these winners is beyond them."""
    height = max([1.0, *(_height(each.lags, low.limits) for each in winners)])
    return PruningThresholds(
        tuple(limit * height for limit in low.limits), low.winners + len(winners)
    )


def _height(lags: Lags, limits: Sequence[float]) -> float:
    """Return how many times its limit a training was behind, at the look where that was most."""
    looks = list(zip(lags, limits, strict=True))[FIRST - 1 : LAST]
    return max((lag / limit for lag, limit in looks if lag is not None), default=0.0)
