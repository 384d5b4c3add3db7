"""What is believed of the incumbent: its score, and what each seed adds for everyone.

A reading is `score of the code + offset of the seed + the trial's own noise`. Code trained on the
same seed shares the offset (initialisation, data order), so a difference on one seed is quieter
than two scores; but an incumbent's reading also serves in *every* comparison on its seed, and its
own luck would be counted as everybody's effect. So score and offsets are estimated together, from
all readings of the lineage, with the luck of having been chosen taken into account: a keep passes
on its *posterior*, not its reading.
Source: Bayesian linear model (Kalman's update), the effect's mixture folded in by its moments.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autoresearch.policy.effects import CPU_IDEAS, Posterior, Prior, posterior
from autoresearch.policy.noise import Noise
from autoresearch.policy.scale import CPU_SCALE, Scale
from autoresearch.records.values import Estimate, Reading

Vector = NDArray[np.float64]
ASTRAY = 1e5  # times a first guess's deviation


@dataclass(frozen=True)
class Evidence:
    """What an experiment's readings say of its effect against the incumbent.

    `measured` with `variance` is the generalised least squares difference, `prior` what was
    expected of it, `effect` its posterior; `gains` carries the surprise of each reading back to
    the incumbent's state.
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

    `prior` is what the next idea's effect may be; `read` are the seeds on which the incumbent has
    been trained. After a change of the machine (a later `epoch`) the score stays as it was before,
    and a seed's offset holds whatever the machine now adds: of that nothing is known beforehand.
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
        """The incumbent's score with its standard error: unknown until anything was repeated."""
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
        """Return the belief in an epoch: in a later one no reading of before is compared again."""
        if epoch <= self.epoch:
            return self
        if self.mean is None or self.covariance is None:
            return replace(self, epoch=epoch)
        mean, covariance = self.mean[:1], self.covariance[:1, :1]
        blank: frozenset[int] = frozenset()
        return replace(self, epoch=epoch, seeds=(), read=blank, mean=mean, covariance=covariance)

    def seeing(self, incumbent: Sequence[Reading]) -> "Belief":
        """Return the belief after the incumbent's readings; those seen before count once."""
        belief = self
        for reading in incumbent:
            if reading.seed not in belief.read and reading.epoch == belief.epoch:
                belief = belief.having_read(reading)
        return belief

    def having_read(self, reading: Reading) -> "Belief":
        """Return the belief after one reading of the incumbent."""
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
        """Return what an experiment's readings say; each on a seed that the incumbent has."""
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
        """Return covariances of the state with the readings there, and the latter's precision."""
        _, covariance = self.state
        reach = covariance[:, [0]] + covariance[:, places]
        spread = reach[[0]] + reach[places]
        spread.flat[:: len(places) + 1] += self.noise.trial**2
        # Most experiments are read once, and a study is gone through at every verdict.
        precision = 1 / spread if len(places) == 1 else np.linalg.inv(spread)
        return reach, np.asarray(precision, dtype=np.float64)

    def with_fresh(self, seed: int) -> "Belief":
        """Return the belief as if the incumbent had been read, unsurprisingly, on a new seed."""
        mean, _ = self.state
        return self.having_read(Reading(seed, float(mean[0]), epoch=self.epoch))

    def discarding(self, evidence: Evidence) -> "Belief":
        """Return the belief once the experiment is discarded: its readings say something too."""
        mean, covariance, _ = self._after(evidence)
        return replace(self, mean=mean, covariance=covariance)

    def keeping(self, evidence: Evidence) -> "Belief":
        """Return the belief of the new incumbent."""
        mean, covariance, shared = self._after(evidence)
        mean[0] += evidence.effect.mean
        covariance[0] += shared
        covariance[:, 0] += shared
        covariance[0, 0] += evidence.effect.variance
        read = frozenset(evidence.seeds)
        return replace(self, mean=mean, covariance=covariance, read=read)

    def _after(self, evidence: Evidence) -> tuple[Vector, Vector, Vector]:
        # Given the effect, readings move the state by `gains`; the effect itself has a posterior.
        mean, covariance = self.state
        effect, places = evidence.effect, self._places(evidence.seeds)
        reach = covariance[:, [0]] + covariance[:, places]
        pull = evidence.gains.sum(axis=1)
        return (
            mean + evidence.gains @ (evidence.surprise - effect.mean),
            covariance - evidence.gains @ reach.T + effect.variance * np.outer(pull, pull),
            -effect.variance * pull,
        )
