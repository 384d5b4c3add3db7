"""The simulated night and the simple rules that play it.

night_house.py plays the policy; night_bound.py says how much there is to gain.

A night has 100 slots; a slot is one whole training. An idea's true effect comes from a mix of
better, neutral and worse; gains shrink as one improves. A reading is the code's true score, plus an
offset of the seed (common to all codes), plus noise of the trial's own of deviation sigma.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from autoresearch.policy.effects import Prior, posterior
from autoresearch.records.values import Reading

SLOTS = 100
IDEAS = 2 * SLOTS  # more than any night gets through
OFFSET = 0.013  # deviation of a seed's offset, bpb
START = 2.0
_MENDS = 0.4  # of ideas, while there are faults
# Per bpb: eight planted bugs cost 1.2 bpb, and pairs of that program were thirteen times as loud.
_LOUDER = 2.1
SHRINK = 0.06  # bpb: after this much improvement gains are 1/e of what they were


@dataclass(frozen=True)
class Mix:
    """How often ideas are better, neutral and worse; mean gain and loss in bpb.

    Gains are exponential; losses are too, or lognormal where `tails` says so. `offset` is the
    deviation of what a seed adds for every code. `faults` are what the program's bugs cost, at the
    start; while there are any, four ideas of ten mend one. The noise is as much louder as the
    program is worse.
    """

    name: str
    better: float
    neutral: float
    worse: float
    gain: float
    loss: float
    tails: bool = True
    offset: float = OFFSET
    faults: tuple[float, ...] = ()

    @property
    def prior(self) -> Prior:
        """The mix as a rule would know it that had been told."""
        return Prior(self.better, self.neutral, self.worse, self.gain, self.loss)


# Losses of 0.010 and gains that shrink by 1/e in 0.06 bpb give upstream's rule what it had there.
NOTES = Mix("as in the first study", 0.15, 0.25, 0.60, 0.010, 0.010, tails=False, offset=0.0)
MIXES = (
    NOTES,
    Mix("as measured", 0.15, 0.25, 0.60, 0.010, 0.030),
    Mix("few ideas work", 0.05, 0.35, 0.60, 0.010, 0.030),
    Mix("many small gains", 0.30, 0.40, 0.30, 0.004, 0.010),
)
# As planted: what eight bugs cost at 850 steps.
BROKEN = Mix(
    "begins broken", 0.15, 0.25, 0.60, 0.010, 0.030,
    faults=(0.385, 0.137, 0.116, 0.091, 0.077, 0.074, 0.176, 0.063),
)  # fmt: skip
NOTHING = Mix("A/A: patches that change nothing", 0.0, 1.0, 0.0, 0.010, 0.030)


class Lab:
    """One night's ideas and noise, the same for every rule."""

    def __init__(self, seed: int, sigma: float, mix: Mix) -> None:
        draw = np.random.default_rng(seed)
        self.sigma, self.mix, self.left = sigma, mix, float(SLOTS)
        self.faults = list(draw.permutation(mix.faults)) if mix.faults else []
        self.start = START + sum(self.faults)
        self._mend: float | None = None  # the true score that the last mend was to bring
        # Heavier in the tail than the policy's prior: it is not told the truth.
        tails = mix.loss * np.exp(draw.normal(-0.5, 1, IDEAS))
        losses = tails if mix.tails else draw.exponential(mix.loss, IDEAS)
        kinds, gains = draw.random(IDEAS), draw.exponential(mix.gain, IDEAS)
        self._ideas: Iterator[list[float]] = iter(np.stack([kinds, gains, losses], 1).tolist())
        self._noise = iter(draw.normal(0, sigma, 4 * SLOTS).tolist())
        self._races = iter(np.random.default_rng([2, seed]).random(IDEAS).tolist())
        # Two by two with opposite offsets: their mean is no rule's doing.
        twin = np.random.default_rng([1, seed // 2]).normal(0, mix.offset, 4 * SLOTS)
        self._offsets = (twin * (1 - 2 * (seed % 2))).tolist()

    def idea(self, true: float) -> float:
        """Return the true score of the next idea on top of code of this true score."""
        kind, gain, loss = next(self._ideas)
        if true == self._mend:  # it was kept, so that fault is gone
            self.faults.pop()
            self._mend = None
        if self.faults and kind > 1 - _MENDS:
            self._mend = true - self.faults[-1]
            return self._mend
        if kind < self.mix.better:
            worse = (true - START) / SHRINK
            # What a fault costs is not what other ideas gain.
            return true - gain * math.exp(min(worse, 0.0) if self.mix.faults else worse)
        return true if kind < self.mix.better + self.mix.neutral else true + loss

    def train(self, true: float, seed: int = 1) -> Reading:
        """Take a slot and return what it reads."""
        self.left -= 1
        louder = math.exp(_LOUDER * max(true - START, 0.0))
        return Reading(seed, true + louder * (self._offsets[seed] + next(self._noise)))

    def true(self, score: float) -> float:
        """Return a score that was read, or is believed, in bpb."""
        return score

    def stopped(self, effect: float, early: "EarlyStop") -> bool:
        """Return whether a first trial of this true effect is stopped early; its time is taken."""
        chance = next(self._races) if effect else 1.0
        stops = chance < (early.losers if effect > 0 else early.winners)
        self.left -= early.at if stops else 0.0
        return stops


@dataclass(frozen=True)
class EarlyStop:
    """Early stopping: which share of losers and winners it stops, at which share of the budget."""

    losers: float
    winners: float
    at: float


# As in results/pruning.md: two losers of three are stopped, which saves 22% of losers' time. It
# lost no winner there; at most 2% is what it aims at.
EARLY = EarlyStop(losers=0.63, winners=0.02, at=0.65)


@dataclass
class Night:
    """What a night came to, in bpb against the baseline's true score; keeps and claims.

    `error` is the standard error that is reported with the score, 0 by a rule that knows none;
    `doubtful` keeps stand on one pair alone and are more likely no better.
    """

    true: float
    reported: float
    error: float = 0.0
    kept: int = 0
    truly: int = 0
    taken_back: int = 0
    claims: int = 0
    false_claims: int = 0
    doubtful: int = 0


def threshold(sigmas: float) -> Callable[[Lab], Night]:
    """Keep what is lower than the best reading by so many sigmas; zero is upstream's rule."""

    def night(lab: Lab) -> Night:
        true, best = lab.start, lab.train(lab.start).bpb
        while lab.left:
            idea = lab.idea(true)
            read = lab.train(idea).bpb
            if read < best - sigmas * lab.sigma:
                true, best = idea, read
        return Night(true - lab.start, best - lab.start)

    return night


def rerun(lab: Lab) -> Night:
    """Train again what looks lower; keep it if the mean of two is."""
    true, best = lab.start, fmean([lab.train(lab.start).bpb, lab.train(lab.start).bpb])
    while lab.left:
        idea = lab.idea(true)
        read = lab.train(idea).bpb
        if read < best and lab.left:
            read = fmean([read, lab.train(idea).bpb])
            if read < best:
                true, best = idea, read
    return Night(true - lab.start, best - lab.start)


def fresh_pair(lab: Lab) -> Night:
    """Screen on a seed the incumbent has; a fresh pair alone decides (the rule before)."""
    true, seed, held = lab.start, 1, lab.train(lab.start)
    scores = [held.bpb]
    while lab.left:
        idea = lab.idea(true)
        screened = lab.train(idea, seed).bpb - held.bpb
        if screened >= 0 or lab.left < 2:
            continue
        seed += 1
        mine, held = lab.train(idea, seed), lab.train(true, seed)
        scores.append(held.bpb)
        if mine.bpb < held.bpb:
            true, held, scores = idea, mine, [mine.bpb]
    return Night(true - lab.start, fmean(scores) - lab.start)


def told(lab: Lab) -> Night:
    """The best rule of the notes: Bayes told sigma and mix, one trial more when in doubt."""
    true, score, variance = lab.start, lab.train(lab.start).bpb, lab.sigma**2
    while lab.left:
        idea = lab.idea(true)
        read, noise = lab.train(idea).bpb, lab.sigma**2
        effect = posterior(lab.mix.prior, read - score, variance + noise)
        if abs(effect.better - 0.5) < 0.25 and lab.left:
            read, noise = fmean([read, lab.train(idea).bpb]), noise / 2
            effect = posterior(lab.mix.prior, read - score, variance + noise)
        pull = variance / (variance + noise)
        kept = effect.mean < 0
        score += pull * (read - score - effect.mean) + (effect.mean if kept else 0.0)
        share = 1 - pull if kept else pull
        variance = variance * (1 - pull) + share**2 * effect.variance
        true = idea if kept else true
    return Night(true - lab.start, score - lab.start)
