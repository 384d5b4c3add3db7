"""The noise of a study's scores: measured on its own repeats, shrunk to the usual values.

Two standard deviations matter. Trainings of the same code on different seeds differ by `seed`; the
*difference* of two codes on the same seed differs from seed to seed by `pair`, which is less
wherever the two share initialisation and data order.
"""

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from autoresearch.records.values import Reading

# How many repeats the usual noise is worth beside the study's own.
PRIOR_REPEATS = 3
# Repeats of code whose score differs from the incumbent's by this share of it count for a third.
# A smaller share would trust the few repeats that are near too much; see benchmarks/nights.py.
_NEAR = 0.15
_TINY = sys.float_info.min


@dataclass(frozen=True)
class NoisePrior:
    """The usual noise, expected before anything is measured, in the metric's unit.

    It counts as `PRIOR_REPEATS` repeats: the study's own soon outweigh it, but two repeats that
    happen to agree do not make the noise look like zero. `slope` is score per unit of ln(steps),
    `slope_error` how far a study's own may be from it; `speed` is the deviation of ln(steps) among
    trials of the same code. `near` is a difference of scores at which another code's repeats count
    at least for a third. `paired` says whether two codes trained on one seed share anything.
    """

    seed: float
    pair: float
    slope: float = -0.15
    slope_error: float = 0.05
    speed: float = 0.05
    near: float = 0.0
    paired: bool = True

    def times(self, factor: float) -> "NoisePrior":
        """Return this for scores that are so many times as large."""
        return replace(
            self,
            seed=factor * self.seed,
            pair=factor * self.pair,
            slope=factor * self.slope,
            slope_error=factor * self.slope_error,
            near=factor * self.near,
        )


# Measured with a tiny GPT on two shared cores: 20 s budgets, 8 repeats; pairs of small and of
# structural changes. The GPU's are guesses from one published night until a study measures.
CPU = NoisePrior(seed=0.014, pair=0.005)
GPU = NoisePrior(seed=0.0015, pair=0.001, slope=-0.05, speed=0.01)


@dataclass(frozen=True)
class Noise:
    """Standard deviations in the metric's unit, and how many repeats they were estimated from.

    `seed` is of one trial's score between seeds of the same code, `pair` of a paired difference
    between seeds; `seed_repeats` and `pair_repeats` are the degrees of freedom that they were
    estimated from, those of code far from the incumbent counted in part.
    `slope` and `speed` are as in `NoisePrior`, learned from the study.
    """

    seed: float = CPU.seed
    pair: float = CPU.pair
    seed_repeats: float = 0.0
    pair_repeats: float = 0.0
    slope: float = CPU.slope
    speed: float = CPU.speed

    @property
    def trial(self) -> float:
        """Standard deviation of one trial's own noise: a pair's difference has it twice."""
        return self.pair / math.sqrt(2)

    @property
    def shared(self) -> float:
        """Standard deviation of the offset that all codes share on one seed; never quite zero."""
        return math.sqrt(max(self.seed**2 - self.trial**2, 0.01 * self.trial**2))

    @property
    def measured(self) -> bool:
        """Whether anything at all was repeated."""
        return self.seed_repeats + self.pair_repeats > 0

    def of_pair(self, differences: Sequence[float]) -> float:
        """Return the deviation of these differences: their own, shrunk to the study's.

        A structural change is several times noisier than a small one, so its own pairs count too.
        """
        squares, freedom = _within([differences])
        return math.sqrt((PRIOR_REPEATS * self.pair**2 + squares) / (PRIOR_REPEATS + freedom))


def noise(
    readings: Mapping[int, Sequence[Reading]], usual: NoisePrior = CPU, incumbent: int | None = None
) -> Noise:
    """Return the noise of code like the incumbent, estimated from all repeats so far.

    How large the noise is depends on the code: a broken program's scores scatter more than those of
    the same program mended. So repeats count by how near their code scores to the incumbent.

    Args:
        readings: every experiment's readings, by its number.
        usual: the noise expected of such a study. Where nothing is paired, two trials on one seed
            differ by as much as on two seeds.
        incumbent: the number of the code to be compared with; None counts all repeats alike.
    """
    groups = [part for mine in readings.values() for part in _epochs(mine) if len(part) > 1]
    beside = readings.get(incumbent, ()) if incumbent else ()
    weights = _nearness(groups, beside, usual.near)
    seed = _within([[each.bpb for each in mine] for mine in groups], weights)
    trial = _beside_seeds(groups, weights) if usual.paired else seed
    deviation = _shrunk(usual.seed, *seed)
    pair = math.sqrt(2) * _shrunk(usual.pair / math.sqrt(2), *trial)
    speed = _shrunk(usual.speed, *_within([_log_steps(mine) for mine in groups]))
    return Noise(deviation, pair, seed[1], trial[1], slope(groups, usual, deviation), speed)


def repeated(readings: Sequence[Reading]) -> tuple[float, float]:
    """Return the sum of squares of one code's scores about their mean, and its degrees of freedom.

    Each epoch has its own mean.
    """
    return _within([[each.bpb for each in part] for part in _epochs(readings)])


def paired(experiment: Sequence[Reading], incumbent: Sequence[Reading]) -> list[float]:
    """Return the differences on shared seeds, experiment minus incumbent, in its reading order."""
    return [difference for _, difference in by_seed(experiment, incumbent)]


def by_seed(experiment: Sequence[Reading], incumbent: Sequence[Reading]) -> list[tuple[int, float]]:
    """Return the differences on shared seeds as `paired` does, each with its seed."""
    other = {(each.seed, each.epoch): each.bpb for each in incumbent}
    pairs = [(each, other.get((each.seed, each.epoch))) for each in experiment]
    return [(mine.seed, mine.bpb - theirs) for mine, theirs in pairs if theirs is not None]


def slope(groups: Iterable[Sequence[Reading]], usual: NoisePrior, deviation: float) -> float:
    """Return score per unit of ln(steps) between trials of the same code; never above zero.

    Args:
        groups: readings of one code each.
        usual: the slope it is shrunk to, and how far it may be from it.
        deviation: of a score between trials of the same code.

    Source: regression within groups with a normal prior on its slope (ridge).
    """
    weight = (deviation / usual.slope_error) ** 2
    across, along = weight * usual.slope, weight
    for group in groups:
        timed = [each for each in group if each.steps > 0]
        if len(timed) > 1:
            logs = _centred(_log_steps(timed))
            bits = _centred([each.bpb for each in timed])
            across += sum(x * y for x, y in zip(logs, bits, strict=True))
            along += sum(x * x for x in logs)
    return min(across / along, 0.0)


def adjust_for_throughput(readings: Sequence[Reading], slope: float) -> list[Reading]:
    """Return the readings as if each had taken its own code's mean number of steps.

    Other programs on the machine slow one trial and not the next: the part of a score that its own
    number of steps explains is taken out. The mean score is unchanged, so code that is slower in
    all its trials gains nothing by it. A single reading is returned as it is. Each epoch has its
    own mean.

    Args:
        readings: of one code.
        slope: score per unit of ln(steps).
    """
    return [each for part in _epochs(readings) for each in _as_one_speed(part, slope)]


def _as_one_speed(readings: Sequence[Reading], slope: float) -> list[Reading]:
    if len(readings) < 2 or any(each.steps <= 0 for each in readings):
        return list(readings)
    logs = _centred(_log_steps(readings))
    return [
        replace(each, bpb=each.bpb - slope * excess)
        for each, excess in zip(readings, logs, strict=True)
    ]


def _epochs(readings: Sequence[Reading]) -> list[list[Reading]]:
    """Return one code's readings by epoch: those of different epochs cannot be compared."""
    return [
        [each for each in readings if each.epoch == epoch]
        for epoch in sorted({each.epoch for each in readings})
    ]


def _log_steps(readings: Sequence[Reading]) -> list[float]:
    return [math.log(each.steps) for each in readings if each.steps > 0]


def distance(score: float, other: float, near: float) -> float:
    """Return how far two scores are apart: from 1 on, what is known of one code's noise fades.

    Args:
        score: the one that stands for the study as it is.
        other: the other.
        near: what is no distance at least; see `NoisePrior`.
    """
    return abs(other - score) / max(_NEAR * abs(score), near, _TINY)


def _nearness(
    groups: Sequence[Sequence[Reading]], incumbent: Sequence[Reading], near: float
) -> list[float]:
    """Return how much each group's repeats count, from 1 at the incumbent's score down to 0."""
    if not incumbent:
        return [1.0] * len(groups)
    score = fmean(each.bpb for each in incumbent)
    levels = [fmean(each.bpb for each in group) for group in groups]
    return [math.exp(-distance(score, level, near)) for level in levels]


def _shrunk(usual: float, squares: float, freedom: float) -> float:
    """Return a deviation shrunk to the usual one.

    Source: the posterior mean of a variance with a scaled inverse chi-square prior. A mean rather
    than a mode: the noise is thought too large rather than too small while repeats are few.
    """
    if freedom < 1:  # not one repeat of code that is near
        return usual
    return math.sqrt((PRIOR_REPEATS * usual**2 + squares) / (PRIOR_REPEATS + freedom - 2))


def _beside_seeds(
    groups: Sequence[Sequence[Reading]], weights: Sequence[float]
) -> tuple[float, float]:
    """Return the sum of squares that neither code nor seed explains, and its degrees of freedom.

    Both count in part where a group's weight is less than one.

    Source: the residual of a two-way layout (code and seed), by weighted least squares; a row's
    freedom is its weight times what its leverage leaves. Pairwise differences would count an
    incumbent's own luck once for each experiment compared with it.
    """
    if len(groups) < 2:
        return 0.0, 0.0
    seeds = sorted({each.seed for group in groups for each in group})
    place = {seed: number for number, seed in enumerate(seeds)}
    layout = [np.eye(len(seeds))[[place[each.seed] for each in group]] for group in groups]
    across = np.concatenate([each - each.mean(axis=0) for each in layout])
    scores = np.concatenate([_centred([each.bpb for each in group]) for group in groups])
    rows = np.repeat(weights, [len(group) for group in groups])
    own = np.repeat([1 / len(group) for group in groups], [len(group) for group in groups])
    scale = np.sqrt(rows)[:, None]
    basis, sizes, _ = np.linalg.svd(across * scale, full_matrices=False)
    basis = basis[:, sizes > 1e-9]
    target = scores * scale[:, 0]
    residual = target - basis @ (basis.T @ target)
    freedom = float((rows * (1 - own - (basis**2).sum(axis=1))).sum())
    return (float((residual**2).sum()), freedom) if freedom > 1e-9 else (0.0, 0.0)


def _within(
    groups: Sequence[Sequence[float]], weights: Sequence[float] | None = None
) -> tuple[float, float]:
    """Return the sum of squares about each group's mean, and its degrees of freedom."""
    squares = freedom = 0.0
    for group, weight in zip(groups, weights or [1.0] * len(groups), strict=True):
        if len(group) > 1:
            squares += weight * sum(value**2 for value in _centred(group))
            freedom += weight * (len(group) - 1)
    return squares, freedom


def _centred(values: Sequence[float]) -> list[float]:
    middle = fmean(values)
    return [value - middle for value in values]
