"""The policy on a simulated night, as the loop does it: confirming, un-keeping, early stopping."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from night_rules import EARLY, EarlyStop, Lab, Night

from autoresearch import policy
from autoresearch.records.values import Reading, Verdict


@dataclass(frozen=True)
class Ways:
    """How the night is played: trainings of the baseline at its start; a share for confirming.

    `scale` makes the policy's scale of what the baseline and the keeps read.
    """

    replicates: int = 2
    confirm: float = 0.15
    early: EarlyStop | None = None
    scale: Callable[[Sequence[Sequence[Reading]]], policy.Scale] = lambda _: policy.CPU_SCALE


@dataclass
class House:
    """One night of the policy; experiments are numbers, the baseline is 1."""

    lab: Lab
    ways: Ways
    true: dict[int, float] = field(default_factory=dict)
    readings: dict[int, list[Reading]] = field(default_factory=dict)
    parents: dict[int, int] = field(default_factory=dict)
    kept: list[int] = field(default_factory=lambda: [1])
    refuted: set[int] = field(default_factory=set)
    reversals: list[int] = field(default_factory=list)  # to be tried
    reversing: set[int] = field(default_factory=set)  # that were
    taken_back: int = 0
    spent: float = 0.0
    idle: bool = False  # no pair is worth it until something new is read

    def __post_init__(self) -> None:
        self.whole = self.lab.left
        self.true[1] = self.lab.start
        self.readings[1] = [
            self.lab.train(self.lab.start, 1 + n) for n in range(self.ways.replicates)
        ]
        self.recall()

    @property
    def incumbent(self) -> int:
        """The experiment that ideas are compared with."""
        return self.kept[-1]

    def recall(self) -> None:
        """Go through the study again, as the loop does before every verdict."""
        self.repeats = self._repeated()
        self.scale = self.ways.scale([self.readings[number] for number in self.kept])
        self.noise = policy.noise(self.readings, self.scale.noise, self.incumbent)
        kept = set(self.kept)
        past = [
            policy.DecidedExperiment(
                number, self.parents.get(number), number in kept, mine, number in self.reversing
            )
            for number, mine in self.readings.items()
        ]
        self.belief, self.idle = policy.belief_after(past, self.noise, self.scale), False

    def play(self) -> None:
        """Try ideas until the slots are used; before each, confirm what is due."""
        while self.lab.left >= 1:
            self.confirm()
            number = self.open()
            if number is None:
                continue
            decision = self.conduct(number)
            if decision is None:  # the night ended in the middle of it
                del self.readings[number]
                return
            self.close(number, kept=decision.verdict is Verdict.KEEP)

    def open(self) -> int | None:
        """Begin the next experiment; None if there is no time or early stopping stops it."""
        if self.lab.left < 1:
            return None
        before, number = self.true[self.incumbent], len(self.true) + 1
        if self.reversals:
            old = self.reversals.pop(0)
            self.reversing.add(number)
            self.true[number] = before + self.true[self.parents[old]] - self.true[old]
        else:
            self.true[number] = self.lab.idea(before)
        early = self.ways.early
        if early is not None and self.lab.stopped(self.true[number] - before, early):
            return None
        self.readings[number] = []
        return number

    def conduct(self, number: int) -> policy.Decision | None:
        """Train pairs until there is a verdict or no slot."""
        mine, other = self.readings[number], self.readings[self.incumbent]
        seed = other[-1].seed
        while self.lab.left >= 1:
            self.pair(number, self.incumbent, seed)
            back = number in self.reversing
            judged = policy.judge(mine, other, belief=self.belief, reversal=back)
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
            self.idle = False
        if self._repeated() > 1.1 * self.repeats:
            self.recall()
            return
        belief = self.belief.seeing(self.readings[parent])
        back = number in self.reversing
        evidence = belief.weighing(self.readings[number], reversal=back)
        self.belief = belief.keeping(evidence) if kept else belief.discarding(evidence)

    def _repeated(self) -> int:
        return sum(len(mine) - 1 for mine in self.readings.values())

    def standing(self) -> list[int]:
        """Return the keeps that are not refuted, oldest first."""
        return [number for number in self.kept[1:] if number not in self.refuted]

    def beside(self, number: int) -> policy.Kept:
        """Return a keep beside its parent."""
        mine, theirs = self.readings[number], self.readings[self.parents[number]]
        return policy.Kept(mine, theirs, reversal=number in self.reversing)

    def confirm(self) -> None:
        """Spend the share that confirming has by now, if any keep is worth it."""
        while self.ways.confirm and (self.due() or self.within()):
            keeps = self.standing()
            worth = policy.worth_confirming(
                [self.beside(number) for number in keeps], self.noise, self.belief.prior
            )
            self.idle = worth is None
            if worth is None or self.lab.left < 2:
                return
            number, before = keeps[worth[0]], self.lab.left
            self.pair(number, self.parents[number], worth[1])
            self.spent += before - self.lab.left
            self.recall()
            prior = self.belief.prior
            if policy.should_unkeep(self.beside(number), self.noise, prior, self.scale):
                self.take_back(number)

    def within(self) -> bool:
        """Whether there may be a pair worth it, and a share of the night left for it."""
        return not self.idle and self.spent < self.ways.confirm * (self.whole - self.lab.left)

    def doubtful(self) -> int:
        """How many keeps stand on one pair alone and are more likely no better."""
        keeps = [self.beside(number) for number in self.standing()]
        return len(policy.doubtful(keeps, self.noise, self.belief.prior))

    def due(self) -> bool:
        """Whether the rest of the night is what the doubtful keeps need."""
        most = 2 * (len(self.kept) - 1) + 1
        return self.lab.left <= most and 0 < self.lab.left - 1 <= 2 * self.doubtful()

    def take_back(self, number: int) -> None:
        """Take back what is none: the newest at once, an older keep by trying its reversal."""
        self.taken_back += 1
        if number == self.incumbent:
            self.kept.pop()
            self.recall()
        else:
            self.refuted.add(number)
            self.reversals.append(number)

    def end_doubts(self) -> None:
        """Take back what is on top, stands on one pair alone and is more likely no better."""
        while self.ways.confirm and self.incumbent in self.standing():
            tip = [self.beside(self.incumbent)]
            if not policy.doubtful(tip, self.noise, self.belief.prior):
                return
            self.take_back(self.incumbent)

    def result(self) -> Night:
        """Return what it came to."""
        self.recall()
        self.end_doubts()
        start = self.true[1]
        night = Night(
            self.true[self.incumbent] - start,
            self.lab.true(self.belief.score.mean) - start,
            error=self.belief.score.error or 0.0,
            doubtful=self.doubtful(),
            kept=len(self.kept) - 1,
            taken_back=self.taken_back,
        )
        for number in self.kept[1:]:
            better = self.true[number] < self.true[self.parents[number]]
            night.truly += better
            sure = policy.claim(self.beside(number), self.noise, self.belief.prior).confirmed
            night.claims += sure
            night.false_claims += sure and not better
        return night


def searching(lab: Lab) -> Night:
    """The policy with every slot for the search."""
    return played(lab, Ways(confirm=0.0))


def confirming(lab: Lab) -> Night:
    """The policy with the usual share for confirming."""
    return played(lab, Ways())


def shipped(lab: Lab) -> Night:
    """The policy as the loop ships: with confirming and early stopping."""
    return played(lab, Ways(early=EARLY))


def played(lab: Lab, ways: Ways) -> Night:
    """Return what the policy makes of a night that is played this way."""
    house = House(lab, ways)
    house.play()
    return house.result()
