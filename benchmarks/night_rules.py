"""The simulated night and the rules that play it; nights.py makes tables of them.

A night has 100 slots; a slot is one training. An idea's true effect comes from a mix of better,
neutral and worse; gains shrink as one improves. A reading is the code's true score, plus an offset
of the seed (common to all codes), plus noise of the trial's own of deviation sigma.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np

from autoresearch import policy
from autoresearch.policy.effects import Prior, weigh
from autoresearch.records.values import Reading, Verdict

SLOTS = 100
EXTRA = 30  # slots after the night that confirming may take
OFFSET = 0.013  # deviation of a seed's offset, bpb
START = 2.0


@dataclass(frozen=True)
class Mix:
    """How often ideas are better, neutral and worse; mean gain and loss in bpb."""

    name: str
    better: float
    neutral: float
    worse: float
    gain: float
    loss: float

    @property
    def prior(self) -> Prior:
        """The mix as a rule would know it that had been told."""
        return Prior(self.better, self.neutral, self.worse, self.gain, self.loss)


MIXES = (
    Mix("as measured", 0.15, 0.25, 0.60, 0.010, 0.030),
    Mix("few ideas work", 0.05, 0.35, 0.60, 0.010, 0.030),
    Mix("many small gains", 0.30, 0.40, 0.30, 0.004, 0.010),
)
NOTHING = Mix("A/A: patches that change nothing", 0.0, 1.0, 0.0, 0.010, 0.030)


class Lab:
    """One night's ideas and noise, the same for every rule."""

    def __init__(self, seed: int, sigma: float, mix: Mix) -> None:
        draw = np.random.default_rng(seed)
        self.sigma, self.mix, self.left = sigma, mix, SLOTS
        # Losses are heavier in the tail than the policy's prior: it is not told the truth.
        losses = mix.loss * np.exp(draw.normal(-0.5, 1, SLOTS))
        kinds, gains = draw.random(SLOTS), draw.exponential(mix.gain, SLOTS)
        self._ideas: Iterator[list[float]] = iter(np.stack([kinds, gains, losses], 1).tolist())
        self._noise = iter(draw.normal(0, sigma, 4 * SLOTS).tolist())
        # Two by two with opposite offsets: their mean is no rule's doing.
        twin = np.random.default_rng([1, seed // 2]).normal(0, OFFSET, 4 * SLOTS)
        self._offsets = (twin * (1 - 2 * (seed % 2))).tolist()

    def idea(self, true: float) -> float:
        """Return the true score of the next idea on top of code of this true score."""
        kind, gain, loss = next(self._ideas)
        if kind < self.mix.better:
            return true - gain * math.exp((true - START) / 0.06)
        return true if kind < self.mix.better + self.mix.neutral else true + loss

    def train(self, true: float, seed: int = 1) -> Reading:
        """Take a slot and return what it reads."""
        self.left -= 1
        return Reading(seed, true + self._offsets[seed] + next(self._noise))


@dataclass
class Night:
    """What a night came to, in bpb against the baseline's true score; claims; trainings."""

    true: float
    reported: float
    kept: int = 0
    truly: int = 0
    claims: int = 0
    false_claims: int = 0
    slots: int = SLOTS


def threshold(sigmas: float) -> Callable[[Lab], Night]:
    """Keep what is lower than the best reading by so many sigmas; zero is upstream's rule."""

    def night(lab: Lab) -> Night:
        true, best = START, lab.train(START).bpb
        while lab.left:
            idea = lab.idea(true)
            read = lab.train(idea).bpb
            if read < best - sigmas * lab.sigma:
                true, best = idea, read
        return Night(true - START, best - START)

    return night


def rerun(lab: Lab) -> Night:
    """Train again what looks lower; keep it if the mean of two is."""
    true, best = START, fmean([lab.train(START).bpb, lab.train(START).bpb])
    while lab.left:
        idea = lab.idea(true)
        read = lab.train(idea).bpb
        if read < best and lab.left:
            read = fmean([read, lab.train(idea).bpb])
            if read < best:
                true, best = idea, read
    return Night(true - START, best - START)


def fresh_pair(lab: Lab) -> Night:
    """Screen on a seed the incumbent has; a fresh pair alone decides (the rule before)."""
    true, seed, held = START, 1, lab.train(START)
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
    return Night(true - START, fmean(scores) - START)


def told(lab: Lab) -> Night:
    """The best rule of the notes: Bayes told sigma and mix, one trial more when in doubt."""
    true, score, variance = START, lab.train(START).bpb, lab.sigma**2
    while lab.left:
        idea = lab.idea(true)
        read, noise = lab.train(idea).bpb, lab.sigma**2
        effect = weigh(lab.mix.prior, read - score, variance + noise)
        if abs(effect.better - 0.5) < 0.25 and lab.left:
            read, noise = fmean([read, lab.train(idea).bpb]), noise / 2
            effect = weigh(lab.mix.prior, read - score, variance + noise)
        pull = variance / (variance + noise)
        kept = effect.mean < 0
        score += pull * (read - score - effect.mean) + (effect.mean if kept else 0.0)
        share = 1 - pull if kept else pull
        variance = variance * (1 - pull) + share**2 * effect.variance
        true = idea if kept else true
    return Night(true - START, score - START)


@dataclass
class House:
    """The policy of the house at work on one night."""

    lab: Lab
    reserve: int = 0
    true: dict[int, float] = field(default_factory=lambda: {1: START})
    readings: dict[int, list[Reading]] = field(default_factory=dict)
    parents: dict[int, int] = field(default_factory=dict)
    kept: list[int] = field(default_factory=lambda: [1])
    dropped: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.readings[1] = [self.lab.train(START)]
        self.noise = policy.Noise()
        self.recall()

    @property
    def incumbent(self) -> int:
        """The experiment that ideas are compared with."""
        return self.kept[-1]

    def recall(self) -> None:
        """Go through the study again, as the loop does before every verdict."""
        self.noise = policy.noise(self.readings)
        kept = set(self.kept)
        past = [
            policy.Past(number, self.parents.get(number), number in kept, mine)
            for number, mine in self.readings.items()
        ]
        self.belief = policy.recall(past, self.noise)

    def search(self) -> None:
        """Try ideas until the slots are used."""
        while self.lab.left > self.reserve:
            number = len(self.readings) + 1
            self.true[number] = self.lab.idea(self.true[self.incumbent])
            self.readings[number] = []
            decision = self.conduct(number)
            if decision is None:  # the night ended in the middle of it
                del self.readings[number]
                return
            self.close(number, kept=decision.verdict is Verdict.KEEP)

    def conduct(self, number: int) -> policy.Decision | None:
        """Train pairs until there is a verdict or no slot."""
        mine, other = self.readings[number], self.readings[self.incumbent]
        seed = other[-1].seed
        while self.lab.left > self.reserve:
            self.pair(number, self.incumbent, seed)
            judged = policy.judge(mine, other, belief=self.belief)
            if isinstance(judged, policy.Decision):
                return judged
            seed = judged.seed
        return None

    def pair(self, number: int, parent: int, seed: int) -> None:
        """Train both on a seed, unless one was already."""
        for each in (number, parent):
            if all(reading.seed != seed for reading in self.readings[each]):
                self.readings[each].append(self.lab.train(self.true[each], seed))

    def close(self, number: int, *, kept: bool) -> None:
        """Write the verdict down; what is believed follows, afresh if the noise is known better."""
        parent = self.incumbent
        self.parents[number] = parent
        if kept:
            self.kept.append(number)
        if len(self.readings[number]) > 1:
            self.recall()
            return
        belief = self.belief.seeing(self.readings[parent])
        evidence = belief.weighing(self.readings[number])
        self.belief = belief.keeping(evidence) if kept else belief.discarding(evidence)

    def keeps(self) -> list[policy.Kept]:
        """Return every kept experiment beside its parent."""
        return [
            policy.Kept(self.readings[number], self.readings[self.parents[number]])
            for number in self.kept[1:]
        ]

    def confirm(self, slots: int) -> int:
        """Spend up to so many slots on confirming; return how many were."""
        self.lab.left += slots
        begin = self.lab.left
        while self.lab.left >= 2:
            worth = policy.worth_confirming(self.keeps(), self.noise, self.belief.prior)
            if worth is None:
                break
            place, seed = worth
            number = self.kept[1 + place]
            self.pair(number, self.parents[number], seed)
            self.recall()
            self.take_back()
        return begin - self.lab.left

    def take_back(self) -> None:
        """Un-keep the incumbent where its readings by now say that it is worse."""
        while len(self.kept) > 1 and policy.should_unkeep(
            self.keeps()[-1], self.noise, self.belief.prior
        ):
            self.kept.pop()
            self.recall()

    def result(self, slots: int = SLOTS) -> Night:
        """Return what it came to."""
        prior = self.belief.prior
        night = Night(
            self.true[self.incumbent] - START,
            self.belief.score.mean - START,
            kept=len(self.kept) - 1,
            slots=slots,
        )
        for number, kept in zip(self.kept[1:], self.keeps(), strict=True):
            better = self.true[number] < self.true[self.parents[number]]
            night.truly += better
            sure = policy.claim(kept, self.noise, prior).confirmed
            night.claims += sure
            night.false_claims += sure and not better
        return night


def house(lab: Lab) -> Night:
    """The policy; what it claims is confirmed after the night, in slots of its own."""
    played = House(lab)
    played.search()
    at_dawn = played.result()
    spent = played.confirm(EXTRA)
    after = played.result(SLOTS + spent)
    after.true, after.reported = at_dawn.true, at_dawn.reported
    return after


def house_claiming(lab: Lab) -> Night:
    """The policy; confirming takes the last twenty of the hundred slots."""
    played = House(lab, reserve=20)
    played.search()
    lab.left = 0
    spent = played.confirm(20)
    return played.result(SLOTS - 20 + spent)
