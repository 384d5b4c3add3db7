"""The requests to the servers, in order: load, commit to everything, then answer challenges.

On the CPU both servers commit, each to about half of the rows, and each is audited by the other: so
both cores of a small machine work. On an accelerator one commits and the other audits, for the
logits of two would not fit everywhere. Either way no server audits what it committed to.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoresearch.evaluation.challenge import (
    AnswerComparison,
    Request,
    normalised,
    other_suffixes,
    true_rows,
)
from autoresearch.evaluation.rules import Cause, NoScore
from autoresearch.evaluation.server import ServerHandle
from autoresearch.evaluation.text import MAX_VOCABULARY, Tokens
from autoresearch.evaluation.windows import Block, Integers, Reals, WindowPlan

EPSILON = 1e-4  # nats above zero that rounding may give a log-probability
RECOMPUTED = 32  # positions at which the committing server is asked again, to tell the two apart:
# a server that does not repeat itself, and one that differs from the other
MAX_NUMBERS = 2**24  # of one reply
MOST_NATS = 1e12  # of all text: a score beyond that would drown all others in sums


@dataclass(frozen=True)
class Job:
    """One request to a server, and how many float32 numbers must come back.

    `rows` is int32 [B, width]; `about` is what the rows were made from.
    """

    operation: str
    rows: Tokens
    numbers: int
    about: Block | Request
    audit: bool = False


@dataclass(frozen=True)
class Commitment:
    """The log-probability in nats of every position, and the number of the server it is from."""

    nats: Reals
    owner: NDArray[np.int8]


def vocabulary(servers: Sequence[ServerHandle], plan: WindowPlan) -> int:
    """Wait until the servers have loaded their model; return its number of tokens V.

    Raises:
        NoScore: the model does not load, or does not know every token of the text.
    """
    sizes = {server.collect().integer("vocab", 1, MAX_VOCABULARY) for server in servers}
    needed = int(plan.fillers.max()) + 1
    if len(sizes) != 1:
        raise NoScore(Cause.AUDIT, "two servers disagree on the size of the vocabulary")
    if min(sizes) < needed:
        reason = f"the model knows {min(sizes)} tokens, and the text needs {needed}"
        raise NoScore(Cause.SHAPE, reason)
    return sizes.pop()


def converse(
    servers: Sequence[ServerHandle], queues: Sequence[Iterator[Job]]
) -> Iterator[tuple[int, Job, NDArray[np.float32]]]:
    """Send every server the jobs of its queue, keeping all of them busy; two may share a queue.

    Yields:
        The server's number, the job and the numbers that came back.
    """
    pending: deque[tuple[int, Job]] = deque()

    def ask(number: int) -> None:
        if job := next(queues[number], None):
            servers[number].post(job.operation, job.rows.tobytes(), rows=len(job.rows))
            pending.append((number, job))

    for number in range(len(servers)):
        ask(number)
    while pending:
        number, job = pending.popleft()
        reply = servers[number].collect(4 * job.numbers)
        ask(number)
        yield number, job, np.frombuffer(reply.payload, "<f4")


def commit(
    servers: Sequence[ServerHandle], plan: WindowPlan, batch: int, rng: np.random.Generator
) -> Commitment:
    """Have these servers commit to every position: each row goes to one of them.

    Raises:
        NoScore: a number is not finite, next to infinite or above zero, or a server breaks the
            protocol.
    """
    nats, owner = np.empty(plan.positions), np.empty(plan.positions, np.int8)
    queue = (
        Job("score", each.tokens, each.tokens[:, 1:].size, each) for each in plan.blocks(batch, rng)
    )
    for number, job, numbers in converse(servers, [queue] * len(servers)):
        assert isinstance(job.about, Block)
        mask, positions = plan.charged(job.about)
        nats[positions] = numbers.reshape(mask.shape)[mask]
        owner[positions] = number
    if not np.isfinite(nats).all():
        raise NoScore(Cause.NON_FINITE, "a log-probability is not finite")
    if np.abs(nats).sum() > MOST_NATS:
        raise NoScore(Cause.NON_FINITE, "a log-probability is as good as infinite")
    if nats.max() > EPSILON:
        raise NoScore(Cause.POSITIVE, "a log-probability is above zero")
    return Commitment(np.minimum(nats, 0.0), owner)


@dataclass(frozen=True)
class Challenge:
    """The challenged `positions` [K], the first `uniform` of them drawn uniformly."""

    plan: WindowPlan
    commitment: Commitment
    positions: Integers
    uniform: int

    def put(
        self, servers: Sequence[ServerHandle], entries: int, batch: int, rng: np.random.Generator
    ) -> AnswerComparison:
        """Ask every server about positions that the other committed to, and again about a few own.

        Args:
            servers: two that loaded the same model of `entries` tokens and share nothing else.
            entries: V.
            batch: rows in a request.
            rng: random numbers that no server can predict.

        Raises:
            NoScore: an answer is no vector of logits.
        """
        nats, targets = self.commitment.nats[self.positions], self.plan.targets(self.positions)
        comparison = AnswerComparison(nats, targets, self.uniform)
        count = min(RECOMPUTED, len(self.positions), max(1, MAX_NUMBERS // entries))
        again = rng.choice(len(self.positions), count, replace=False)
        comparison.expect(again)
        rows = max(1, min(batch, MAX_NUMBERS // entries))
        queues = [
            iter([*self._jobs(server, again, entries, rows, rng)]) for server in range(len(servers))
        ]
        for _, job, numbers in converse(servers, queues):
            assert isinstance(job.about, Request)
            take = comparison.audit if job.audit else comparison.recompute
            take(job.about.members, normalised(numbers.reshape(len(job.rows), entries)))
        return comparison

    def _jobs(
        self, server: int, again: Integers, entries: int, rows: int, rng: np.random.Generator
    ) -> Iterator[Job]:
        """Yield what a server is asked: again about some that it committed to, and about others."""
        owner = self.commitment.owner[self.positions]
        own, others = again[owner[again] == server], np.flatnonzero(owner != server)
        for members, requests, audit in ((own, true_rows, False), (others, other_suffixes, True)):
            for each in requests(self.plan, self.positions[members], rows, rng):
                about = Request(members[each.members], each.rows)
                yield Job("vectors", each.rows, len(each.rows) * entries, about, audit)
