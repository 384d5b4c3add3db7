"""Whether the answers to challenges bear out what a server committed to, and how many it takes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from autoresearch import policy
from autoresearch.evaluation.audit_sampling import NONE, draw, needed, spread
from autoresearch.evaluation.rules import Cause, NoScore
from autoresearch.evaluation.windows import Integers, Reals
from autoresearch.records.scores import Allowance

CAUSES = (
    "a prediction may depend on nothing but the tokens before it in its row "
    "(BatchNorm, expert-choice routing, dropout left on and state kept between calls break this)"
)
FEW = 16  # errors: the mean of fewer says nothing yet
_AGAIN = "the same server, asked again for logits"
_OTHER = "a second server, given the same prefixes with other suffixes"


@dataclass(frozen=True)
class Evidence:
    """How far answers at the challenged positions differ from the commitment, in nats.

    `recomputed` is the largest difference where the committing server was asked again, `audited`
    the largest where the other server was asked; a NaN counts as larger than any number. `errors`
    are, at the uniform positions, how far the commitment is above what the other server says.
    `challenged` counts all positions.
    """

    challenged: int = 0
    recomputed: float = 0.0
    audited: float = 0.0
    errors: Reals = field(default_factory=lambda: np.empty(0))

    def __add__(self, other: Self) -> "Evidence":
        """Return the evidence of both together."""
        return Evidence(
            self.challenged + other.challenged,
            float(np.maximum(self.recomputed, other.recomputed)),
            float(np.maximum(self.audited, other.audited)),
            np.append(self.errors, other.errors),
        )

    @property
    def mismatch(self) -> float:
        """Return the largest difference."""
        return float(np.maximum(self.recomputed, self.audited))

    @property
    def noise(self) -> float:
        """Return the root mean square of the errors."""
        return float(np.sqrt(np.square(self.errors).mean())) if self.errors.size else 0.0

    def require(self, allowance: Allowance) -> None:
        """Check that the differences are within what the allowance permits.

        Raises:
            NoScore: one difference is beyond the tolerance, or their mean or root mean square is.
        """
        _require_near(Cause.COMMITMENT, self.recomputed, allowance, _AGAIN)
        _require_near(Cause.AUDIT, self.audited, allowance, _OTHER)
        if self.errors.size < FEW:
            return
        # A server that adds a little less than the tolerance everywhere passes each single check.
        mean, noise = float(self.errors.mean()), float(self.errors.std())
        if mean > policy.most_lean(allowance, noise, self.errors.size):
            reason = f"log-probabilities are too high by {mean:.2g} nats on average"
            raise NoScore(Cause.INFLATED, reason)
        if self.noise > (most := policy.most_noise(allowance)):
            reason = f"{_OTHER}, differs by {self.noise:.3g} nats in the root mean square"
            raise NoScore(Cause.AUDIT, f"{reason} ({most:.3g} are allowed): {CAUSES}")


@dataclass(frozen=True)
class Finding:
    """An audit that was passed: its evidence, and the smallest leak that it would have found.

    `leak` is in nats per position: of leaks of that size one in a thousand would have been missed.
    `measured` is the allowance, where it was measured in this audit.
    """

    evidence: Evidence
    leak: float
    measured: Allowance | None


@dataclass(frozen=True)
class Audit:
    """How thoroughly a commitment is audited.

    The audit is to find a leak of `worth` nats in the whole text, and makes at least `probes`
    challenges. `allowance` is None where the checkpoint is the baseline's: then it is measured
    here, and `least` is the tolerance that is given in any case.
    """

    allowance: Allowance | None
    worth: float
    probes: int
    least: float

    def conduct(
        self,
        excess: Reals,
        ask: Callable[[Integers, Integers], Evidence],
        rng: np.random.Generator,
    ) -> Finding:
        """Challenge positions until a leak of that worth would have been found.

        Where the differences are noisier than expected, more are challenged in a second round.

        Args:
            excess: log-probability committed to at every position, less what could be expected, in
                nats.
            ask: challenges positions, the uniform ones and those drawn by excess.
            rng: random numbers that no server can predict.

        Raises:
            NoScore: the recomputed log-probabilities differ too much from the commitment.
        """
        known = self.allowance
        least = self.probes if known else max(self.probes, policy.MEASURED)
        evidence, challenged = Evidence(), NONE
        noise = (known and known.noise) or 0.0
        for _ in range(2):
            count = max(least, needed(excess, self.worth, noise)) - evidence.challenged
            if count > 0 and evidence.challenged < excess.size:
                uniform, drawn = draw(excess, count, rng, challenged)
                evidence += ask(uniform, drawn)
                challenged = np.concatenate([challenged, uniform, drawn])
            allowed = known or policy.allow(evidence.mismatch, evidence.noise, self.least)
            evidence.require(allowed)
            if allowed.noise is not None:
                noise = max(allowed.noise, evidence.noise)
        noise = max(noise, evidence.noise)
        leak = policy.smallest_leak(evidence.challenged, spread(excess), noise)
        return Finding(evidence, leak, None if known else allowed)


def _require_near(rule: Cause, mismatch: float, allowance: Allowance, what: str) -> None:
    if not mismatch <= allowance.tolerance:
        reason = f"{what}, differs by {mismatch:.3g} nats (tolerance {allowance.tolerance:.3g})"
        raise NoScore(rule, f"{reason}: {CAUSES}")
