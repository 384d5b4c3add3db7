"""What is asked at the challenged positions, and how the answers compare with the commitment."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoresearch.evaluation.audit import Evidence
from autoresearch.evaluation.rules import Cause, NoScore
from autoresearch.evaluation.text import Tokens
from autoresearch.evaluation.windows import Integers, Reals, WindowPlan, grouped


@dataclass(frozen=True)
class Request:
    """Rows of tokens, for each of which the logits at one place are asked for.

    `rows` is int32 [B, T + 1]: the last column says the place in the row. `members` are the numbers
    of the challenges, int64 [B].
    """

    members: Integers
    rows: Tokens


def true_rows(
    plan: WindowPlan, positions: Integers, batch: int, rng: np.random.Generator
) -> Iterator[Request]:
    """Yield requests at these positions in their own rows, batched with other rows than before.

    A row is cut to the padded width of its prefix, but keeps the token that follows the prefix.
    """
    rows, columns = plan.places(positions)
    keep = np.minimum(plan.length[rows], plan.width(columns + 2))
    yield from _requests(plan, (rows, columns, keep), batch, rng)


def other_suffixes(
    plan: WindowPlan, positions: Integers, batch: int, rng: np.random.Generator
) -> Iterator[Request]:
    """Yield requests at these positions, each after its own prefix and before random tokens."""
    rows, columns = plan.places(positions)
    yield from _requests(plan, (rows, columns, columns + 1), batch, rng)


def _requests(
    plan: WindowPlan,
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
        NoScore: a NaN, plus infinity, or nothing possible at all.
    """
    values = logits.astype(np.float64)
    peak = values.max(axis=1, keepdims=True)
    if not np.isfinite(peak).all():
        raise NoScore(Cause.NON_FINITE, "the model's logits are not finite")
    values -= peak
    return np.asarray(values - np.log(np.exp(values).sum(axis=1, keepdims=True)))


class AnswerComparison:
    """Compares a commitment at K positions with the servers' answers, as they come in.

    Where both servers are asked about a position, their whole vectors are compared, too: by half
    the summed difference of probabilities (total variation).
    """

    def __init__(self, nats: Reals, targets: Integers, uniform: int) -> None:
        """Build it.

        Args:
            nats: what was committed at the positions [K].
            targets: for which tokens.
            uniform: how many of the positions, the first, were drawn uniformly.
        """
        self._nats = nats
        self._targets = targets
        self._uniform = uniform
        self._recomputed = 0.0
        self._audited = np.zeros(len(nats))
        self._vectors: dict[int, NDArray[np.float32]] = {}
        self._distance = 0.0

    def recompute(self, members: Integers, vectors: Reals) -> None:
        """Add answers of the server that committed: log-probabilities [B, V] at these members."""
        self._recomputed = _largest(self._recomputed, self._errors(members, vectors))
        self._compare_vectors(members, vectors)

    def audit(self, members: Integers, vectors: Reals) -> None:
        """Add answers of the server that did not commit, [B, V] at these members as above."""
        self._audited[members] = self._errors(members, vectors)
        self._compare_vectors(members, vectors)

    def expect(self, members: Integers) -> None:
        """Note the members about which both servers are asked."""
        self._vectors |= {int(each): np.empty(0, np.float32) for each in members}

    def evidence(self) -> Evidence:
        """Return the evidence of all answers so far."""
        audited = _largest(self._distance, self._audited)
        uniform = self._audited[: self._uniform]
        return Evidence(len(self._nats), self._recomputed, audited, uniform)

    def _errors(self, members: Integers, vectors: Reals) -> Reals:
        """Return the committed less the recomputed log-probabilities at `members`, in nats [B]."""
        answered = vectors[np.arange(len(members)), self._targets[members]]
        return np.asarray(self._nats[members] - answered)

    def _compare_vectors(self, members: Integers, vectors: Reals) -> None:
        for member, vector in zip(members.tolist(), vectors, strict=True):
            if member not in self._vectors:
                continue
            first, now = self._vectors[member], np.exp(vector)
            if first.size:
                self._distance = max(self._distance, float(np.abs(first - now).sum() / 2))
            self._vectors[member] = now.astype(np.float32)


def _largest(before: float, differences: Reals) -> float:
    """Return the largest absolute difference so far; a NaN counts as larger than any number."""
    return float(np.maximum(before, np.abs(differences).max(initial=0.0)))
