"""Which positions are challenged, and what the answers must be.

Half of the challenges are uniform. The other half is drawn where the server gained most on what
could be expected there, in proportion to the squared gain: a few stolen tokens weigh much.
The expectation is the best accepted checkpoint's log-probability at the same position where
there is one, else what the same server gives the same token elsewhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoresearch.evaluation.plan import Integers, Plan, grouped
from autoresearch.evaluation.rules import Disqualified, Rule
from autoresearch.evaluation.text import Tokens

Reals = NDArray[np.float64]
FLOOR = 1e-9  # so that what gained nothing is drawn when nothing else is left
CAUSES = (
    "a prediction may depend on nothing but the tokens before it in its row "
    "(BatchNorm, expert-choice routing, dropout left on and state kept between calls break this)"
)


@dataclass(frozen=True)
class Request:
    """Rows in which a vector is asked for: int32 [B, T + 1], the last column its place in the row.

    `members` are the numbers of the challenges, int64 [B].
    """

    members: Integers
    rows: Tokens


@dataclass(frozen=True)
class Claim:
    """What was committed at the challenged positions, and for which tokens; uniform ones first."""

    nats: Reals
    targets: Integers
    uniform: int

    def errors(self, vectors: Reals) -> Reals:
        """Return how far the claim is above what vectors [K, V] say, in nats."""
        return np.asarray(self.nats - vectors[np.arange(len(self.targets)), self.targets])


@dataclass(frozen=True)
class Finding:
    """How many positions were challenged, and the largest mismatch seen, in nats."""

    challenged: int
    mismatch: float


def expected(nats: Reals, plan: Plan) -> Reals:
    """Return for each position the mean over the other positions of its token.

    The token's share of the text counts as one observation more: some stand only once.
    """
    targets = plan.targets(np.arange(plan.positions))
    counts = np.bincount(targets)[targets]
    sums = np.bincount(targets, weights=nats)[targets]
    return np.asarray((sums - nats + np.log(counts / plan.positions)) / counts)


def draw(gain: Reals, count: int, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """Return positions to challenge: the uniform ones, and those drawn by gain; all distinct."""
    count = min(count, gain.size)
    uniform = rng.choice(gain.size, size=count - count // 2, replace=False)
    weights = np.square(np.maximum(gain, 0.0)) + FLOOR
    weights[uniform] = 0.0
    others = np.flatnonzero(weights)
    # The largest of log w + Gumbel noise are draws in proportion to w without replacement.
    keys = np.log(weights[others]) + rng.gumbel(size=others.size)
    return uniform, others[np.argsort(-keys)[: count // 2]]


def true_rows(
    plan: Plan, positions: Integers, batch: int, rng: np.random.Generator
) -> Iterator[Request]:
    """Yield requests for vectors in the rows as they are, with new mates.

    A row is cut short when its prefix is, but keeps the token that follows the prefix.
    """
    rows, columns = plan.places(positions)
    keep = np.minimum(plan.length[rows], plan.width(columns + 2))
    yield from _requests(plan, (rows, columns, keep), batch, rng)


def other_suffixes(
    plan: Plan, positions: Integers, batch: int, rng: np.random.Generator
) -> Iterator[Request]:
    """Yield requests for vectors after the same prefixes, followed by random tokens."""
    rows, columns = plan.places(positions)
    yield from _requests(plan, (rows, columns, columns + 1), batch, rng)


def _requests(
    plan: Plan,
    where: tuple[Integers, Integers, Integers],
    batch: int,
    rng: np.random.Generator,
) -> Iterator[Request]:
    rows, columns, keep = where
    for members, width in grouped(plan.width(keep), batch, rng):
        tokens = plan.fill(rows[members], keep[members], width, rng)
        places = columns[members, None].astype(np.int32)
        yield Request(members, np.concatenate([tokens, places], axis=1))


def normalised(logits: NDArray[np.float32]) -> Reals:
    """Return log-probabilities from logits [B, V]; minus infinity stands for "never".

    Raises:
        Disqualified: a NaN, plus infinity, or nothing possible at all.
    """
    values = logits.astype(np.float64)
    peak = values.max(axis=1, keepdims=True)
    if not np.isfinite(peak).all():
        raise Disqualified(Rule.NON_FINITE, "the model's logits are not finite")
    values -= peak
    return np.asarray(values - np.log(np.exp(values).sum(axis=1, keepdims=True)))


def compare(claim: Claim, own: Reals, audit: Reals, tolerance: float) -> Finding:
    """Return the finding if commitment, challenge and audit agree within `tolerance` nats.

    Args:
        claim: the commitment at K positions.
        own: normalised vectors [K, V] of the server that committed.
        audit: the same of the server that saw other suffixes. Whole vectors are compared by
            half the summed difference of probabilities.
        tolerance: nats.

    Raises:
        Disqualified: a mismatch is beyond the tolerance, or all lean the same way.
    """
    recomputed = _largest(claim.errors(own))
    _demand(Rule.COMMITMENT, recomputed, tolerance, "the same server, asked again for logits")
    distance = np.abs(np.exp(own) - np.exp(audit)).sum(axis=1) / 2
    audited = max(_largest(claim.errors(audit)), _largest(distance))
    who = "a second server, given the same prefixes with other suffixes"
    _demand(Rule.AUDIT, audited, tolerance, who)
    _refuse_bias(claim.errors(audit)[: claim.uniform], tolerance)
    return Finding(len(claim.nats), max(recomputed, audited))


def _demand(rule: Rule, mismatch: float, tolerance: float, who: str) -> None:
    if not mismatch <= tolerance:
        reason = f"{who}, differs by {mismatch:.3g} nats (tolerance {tolerance:g}): {CAUSES}"
        raise Disqualified(rule, reason)


def _refuse_bias(errors: Reals, tolerance: float) -> None:
    # A server that adds a little less than the tolerance everywhere passes each single check.
    # Honest rounding has no direction: four standard errors, and room for a rounded bias.
    mean = float(errors.mean())
    allowed = tolerance / 100 + 4 * float(errors.std()) / errors.size**0.5
    if errors.size >= 16 and mean > allowed:
        reason = f"log-probabilities are too high by {mean:.2g} nats on average"
        raise Disqualified(Rule.INFLATED, reason)


def _largest(differences: Reals) -> float:
    return float(np.abs(differences).max(initial=0.0))
