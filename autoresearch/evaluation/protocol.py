"""What is said to the servers, in order: load, commit to everything, then answer challenges."""

from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from autoresearch.config import EvaluationSettings
from autoresearch.evaluation.challenge import (
    Claim,
    Finding,
    Reals,
    Request,
    compare,
    draw,
    normalised,
    other_suffixes,
    true_rows,
)
from autoresearch.evaluation.plan import Plan
from autoresearch.evaluation.rules import Disqualified, Rule
from autoresearch.evaluation.server import ServerHandle
from autoresearch.evaluation.text import MAX_VOCABULARY

EPSILON = 1e-4  # nats above zero that rounding may give a log-probability


def post_load(server: ServerHandle, checkpoint: Path, device: str, threads: int) -> None:
    """Tell a server to load the model and try it on two tokens; do not wait."""
    probe = np.zeros(2, "<i4").tobytes()  # token 0 is in every vocabulary
    server.post("load", probe, checkpoint=str(checkpoint), device=device, threads=threads)


def vocabulary(server: ServerHandle, plan: Plan) -> int:
    """Wait until a server has loaded its model; return V.

    Raises:
        Disqualified: the model does not load or cannot speak of every token of the text.
    """
    entries = server.collect().integer("vocab", 1, MAX_VOCABULARY)
    needed = int(plan.fillers.max()) + 1
    if entries < needed:
        reason = f"the model knows {entries} tokens, and the text needs {needed}"
        raise Disqualified(Rule.SHAPE, reason)
    return entries


def commit(server: ServerHandle, plan: Plan, batch: int, rng: np.random.Generator) -> Reals:
    """Return the log-probability in nats of every position: the server's commitment.

    Raises:
        Disqualified: one is not finite or above zero, or the server breaks the protocol.
    """
    nats = np.empty(plan.positions)
    for block in plan.blocks(batch, rng):
        height, width = block.tokens.shape
        reply = server.ask("score", block.tokens.tobytes(), 4 * height * (width - 1), rows=height)
        mask, positions = plan.charged(block)
        nats[positions] = np.frombuffer(reply.payload, "<f4").reshape(mask.shape)[mask]
    if not np.isfinite(nats).all():
        raise Disqualified(Rule.NON_FINITE, "a log-probability is not finite")
    if nats.max() > EPSILON:
        raise Disqualified(Rule.POSITIVE, "a log-probability is above zero")
    return np.minimum(nats, 0.0)


@dataclass(frozen=True)
class Pair:
    """Two servers that loaded the same model of `entries` tokens and share nothing else."""

    scoring: ServerHandle
    audit: ServerHandle
    entries: int

    def challenge(
        self,
        plan: Plan,
        nats: Reals,
        gain: Reals,
        settings: EvaluationSettings,
        rng: np.random.Generator,
    ) -> Finding:
        """Challenge a commitment; `gain` is what it gained on what was expected, nats.

        Raises:
            Disqualified: the answers do not agree with it, or with each other.
        """
        uniform, drawn = draw(gain, settings.challenges, rng)
        positions = np.concatenate([uniform, drawn])
        own, other = self._interrogate(
            list(true_rows(plan, positions, settings.batch, rng)),
            list(other_suffixes(plan, positions, settings.batch, rng)),
            len(positions),
        )
        claim = Claim(nats[positions], plan.targets(positions), uniform.size)
        return compare(claim, own, other, settings.tolerance)

    def _interrogate(
        self, truths: list[Request], others: list[Request], count: int
    ) -> tuple[Reals, Reals]:
        """Return both servers' vectors, float64 [count, V]; the two work side by side."""
        found = np.empty((2, count, self.entries))
        for truth, other in zip_longest(truths, others):
            turn = ((self.scoring, truth, found[0]), (self.audit, other, found[1]))
            for server, request, _ in turn:
                if request is not None:
                    server.post("vectors", request.rows.tobytes(), rows=len(request.rows))
            for server, request, vectors in turn:
                if request is not None:
                    vectors[request.members] = self._vectors(server, len(request.rows))
        return found[0], found[1]

    def _vectors(self, server: ServerHandle, rows: int) -> Reals:
        payload = server.collect(4 * rows * self.entries).payload
        return normalised(np.frombuffer(payload, "<f4").reshape(rows, self.entries))
