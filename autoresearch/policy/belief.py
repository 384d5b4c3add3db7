"""The posterior of the incumbent's score and of each seed's offset, from all readings so far.

A reading is `score of the code + offset of the seed + the trial's own noise`. Code trained on the
same seed shares the offset (initialisation, data order), so the difference of two codes on one seed
has less noise than their scores. But one reading of the incumbent serves in every comparison on its
seed: subtracted as it is, its noise would look like an effect of every experiment there. So score
and offsets are estimated together, from all readings of the lineage. An experiment that is kept
becomes the incumbent with the posterior of its score, not with its reading, which is too good on
average, because only experiments with good readings are kept.

Source: Bayesian linear model (Kalman's update), the effect's mixture folded in by its moments.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autoresearch.policy.effects import CPU_IDEAS, Posterior, Prior, posterior
from autoresearch.policy.noise import Noise, distance
from autoresearch.policy.scale import CPU_SCALE, Scale
from autoresearch.records.values import Estimate, Reading

Vector = NDArray[np.float64]
# Of the distance over which noise changes: so far apart, codes have little in common on one seed.
# Found by benchmarks/nights.py, on nights that begin broken and on those that do not.
_ALIKE = 1 / 3
ASTRAY = 1e5  # times a first guess's deviation


@dataclass(frozen=True)
class Evidence:
    """What an experiment's readings on n seeds say of its effect against the incumbent.

    `measured` with `variance` is the generalised least squares difference, `prior` what was
    expected of it, `effect` its posterior. `surprise` [n] is each reading less what the belief
    expected of the incumbent there; `gains` [1 + all seeds, n] (Kalman's) turn it into a change of
    the belief's mean.
    """

    measured: float
    variance: float
    prior: Prior
    effect: Posterior
    seeds: tuple[int, ...]
    surprise: Vector
    gains: Vector


@dataclass(frozen=True)
class Belief:
    """The incumbent's score (place 0 of `mean`) and the offset of each of `seeds` (the rest).

    `mean` [1 + seeds] and `covariance` are None before the baseline was read. `prior` is what the
    next idea's effect may be; `read` are the seeds on which the incumbent has been trained. After a
    change of the machine (a later `epoch`) the score is still that on the machine as it was; what
    the machine now adds is a part of the seeds' offsets, of which nothing is known at first.
    """

    noise: Noise
    prior: Prior = CPU_IDEAS
    seeds: tuple[int, ...] = ()
    read: frozenset[int] = frozenset()
    mean: Vector | None = None
    covariance: Vector | None = None
    epoch: int = 0
    scale: Scale = CPU_SCALE

    @property
    def score(self) -> Estimate:
        """The incumbent's score; its standard error is None until anything was repeated."""
        mean, covariance = self.state
        error = float(np.sqrt(covariance[0, 0])) if self.noise.measured else None
        return Estimate(float(mean[0]), error)

    @property
    def state(self) -> tuple[Vector, Vector]:
        """Mean and covariance, once the baseline has been read."""
        assert self.mean is not None
        assert self.covariance is not None
        return self.mean, self.covariance

    def since(self, epoch: int) -> "Belief":
        """Return the belief when an epoch begins: a later one takes over the score alone."""
        if epoch <= self.epoch:
            return self
        if self.mean is None or self.covariance is None:
            return replace(self, epoch=epoch)
        mean, covariance = self.mean[:1], self.covariance[:1, :1]
        blank: frozenset[int] = frozenset()
        return replace(self, epoch=epoch, seeds=(), read=blank, mean=mean, covariance=covariance)

    def seeing(self, incumbent: Sequence[Reading]) -> "Belief":
        """Return the belief after the incumbent's readings of this epoch; a seed counts once."""
        belief = self
        for reading in incumbent:
            if reading.seed not in belief.read and reading.epoch == belief.epoch:
                belief = belief.having_read(reading)
        return belief

    def having_read(self, reading: Reading) -> "Belief":
        """Return the belief after one reading of the incumbent (the first one begins it)."""
        belief = self if self.mean is not None else self._begun(reading.bpb)
        belief = belief.knowing([reading.seed])
        mean, covariance = belief.state
        place = belief.seeds.index(reading.seed) + 1
        reach = covariance[0] + covariance[place]
        gain = reach / (reach[0] + reach[place] + self.noise.trial**2)
        return replace(
            belief,
            read=self.read | {reading.seed},
            mean=mean + gain * (reading.bpb - mean[0] - mean[place]),
            covariance=covariance - np.outer(gain, reach),
        )

    def _begun(self, guess: float) -> "Belief":
        return replace(self, mean=np.array([guess]), covariance=np.array([[self.scale.vague**2]]))

    def knowing(self, seeds: Iterable[int]) -> "Belief":
        """Return the belief with a place for these seeds' offsets, of which nothing is known."""
        new = [seed for seed in dict.fromkeys(seeds) if seed not in self.seeds]
        if not new:
            return self
        mean, covariance = self.state
        size, more = len(mean), len(new)
        wider = np.zeros((size + more, size + more))
        wider[:size, :size] = covariance
        offset = self.scale.vague if self.epoch else self.noise.shared
        wider[range(size, size + more), range(size, size + more)] = offset**2
        return replace(
            self,
            seeds=(*self.seeds, *new),
            mean=np.concatenate([mean, np.zeros(more)]),
            covariance=wider,
        )

    def weighing(self, experiment: Sequence[Reading], *, reversal: bool = False) -> Evidence:
        """Return what readings of an experiment say of its effect; all seeds must be known here."""
        mean, _ = self.state
        seeds = tuple(reading.seed for reading in experiment)
        places = self._places(seeds)
        bits = np.array([reading.bpb for reading in experiment])
        # A training that went astray is bad whatever it reads: the rest would only cost digits.
        surprise = np.minimum(bits - mean[0] - mean[places], ASTRAY * self.scale.vague)
        reach, precision = self._reach(places)
        weights = precision.sum(axis=0)
        variance = 1 / float(weights.sum())
        measured = variance * float(weights @ surprise)
        prior = self.prior.of(reversal=reversal)
        effect = posterior(prior, measured, variance)
        return Evidence(measured, variance, prior, effect, seeds, surprise, reach @ precision)

    def spread(self, seeds: Sequence[int]) -> float:
        """Return the error variance of an effect measured on these seeds."""
        return 1 / float(self._reach(self._places(seeds))[1].sum())

    def _places(self, seeds: Sequence[int]) -> list[int]:
        return [self.seeds.index(seed) + 1 for seed in seeds]

    def _reach(self, places: list[int]) -> tuple[Vector, Vector]:
        """Return how n readings at these places vary: with the state, and among themselves.

        The first is their covariance with the state [1 + seeds, n], the second the inverse of their
        own covariance [n, n].
        """
        _, covariance = self.state
        reach = covariance[:, [0]] + covariance[:, places]
        spread = reach[[0]] + reach[places]
        spread.flat[:: len(places) + 1] += self.noise.trial**2
        # The common case in short: most experiments are read once, and every verdict replays all.
        precision = 1 / spread if len(places) == 1 else np.linalg.inv(spread)
        return reach, np.asarray(precision, dtype=np.float64)

    def with_fresh(self, seed: int) -> "Belief":
        """Return the belief as if the incumbent had read just what is expected on a new seed."""
        mean, _ = self.state
        return self.having_read(Reading(seed, float(mean[0]), epoch=self.epoch))

    def discarding(self, evidence: Evidence) -> "Belief":
        """Return the belief after a discard, whose readings improve the seeds' offsets as well."""
        mean, covariance, _ = self._after(evidence)
        return replace(self, mean=mean, covariance=covariance)

    def keeping(self, evidence: Evidence) -> "Belief":
        """Return the belief once the experiment is the incumbent: its effect joins the score.

        What a seed adds is alike for codes that score alike. After a leap, as from a broken program
        to a mended one, the offsets that were read before it are forgotten. What the seeds of this
        evidence add to the new incumbent is part of its score until it is read on others: the score
        is off by as much as their offsets are, and in pairs on those seeds that cancels out.
        """
        mean, covariance, shared = self._after(evidence)
        share, places = self._likeness(evidence.effect.mean), self._places(evidence.seeds)
        kept = np.where(np.arange(len(mean)) > 0, share, 1.0)
        mean, covariance, shared = mean * kept, covariance * np.outer(kept, kept), shared * kept
        mean[0] += evidence.effect.mean
        covariance[0] += shared
        covariance[:, 0] += shared
        covariance[0, 0] += evidence.effect.variance
        forgotten = (1 - share**2) * self.noise.shared**2
        unread = np.setdiff1d(np.arange(1, len(mean)), places)
        covariance[unread, unread] += forgotten
        shift = np.zeros(len(mean))
        shift[0], shift[places] = 1.0, -1.0
        covariance += forgotten / len(places) * np.outer(shift, shift)
        read = frozenset(evidence.seeds)
        return replace(self, mean=mean, covariance=covariance, read=read)

    def _likeness(self, effect: float) -> float:
        """Return how much the offsets of code that is `effect` away have in common, 1 to 0.

        In a later epoch they hold what the machine adds as well, and that no code changes.
        """
        if self.epoch:
            return 1.0
        score = float(self.state[0][0])
        far = distance(score, score + effect, self.scale.noise.near) / _ALIKE
        return math.exp(-(far**2) / 2)

    def _after(self, evidence: Evidence) -> tuple[Vector, Vector, Vector]:
        """Return mean and covariance after an experiment, and how its effect varies with them."""
        # Given the effect, readings move the mean by `gains`; the effect itself has a posterior.
        mean, covariance = self.state
        effect, places = evidence.effect, self._places(evidence.seeds)
        reach = covariance[:, [0]] + covariance[:, places]
        pull = evidence.gains.sum(axis=1)
        return (
            mean + evidence.gains @ (evidence.surprise - effect.mean),
            covariance - evidence.gains @ reach.T + effect.variance * np.outer(pull, pull),
            -effect.variance * pull,
        )
