"""The ladder to begin with, and the studies it was made for.

Made by `python benchmarks/racing.py --ship` from trainings of the template's CPU profile; see
benchmarks/results/racing.md for what they can show and what not.
"""

from autoresearch.policy.racing import Ladder
from autoresearch.records.values import Clock

PROFILE = "cpu"
SHORTEST = 10.0  # CPU seconds of the trainings it was made from
VOCAB_SIZE = 2048  # tokens

_LIMITS = (
    0.418,
    0.175,
    0.177,
    0.113,
    0.154,
    0.205,
    0.134,
    0.069,
    0.101,
    0.183,
    0.146,
    0.209,
    0.237,
    0.263,
    0.257,
    0.145,
    0.119,
    0.141,
    0.184,
    0.227,
)
_LADDER = Ladder(_LIMITS, winners=18, lost=0)


def shipped_ladder(*, profile: str, clock: Clock, budget: float, vocab_size: int) -> Ladder | None:
    """Return the shipped ladder, or None for a study that it does not hold for.

    It holds on the CPU profile's CPU clock: on a wall clock a neighbour's load looks like a lag.
    For longer budgets it is cautious, since curves lie closer and smoother there, and so it is for
    smaller vocabularies, whose tokens carry fewer nats. It is neither for shorter and larger ones.
    """
    same = profile == PROFILE and clock is Clock.CPU
    return _LADDER if same and budget >= SHORTEST and vocab_size <= VOCAB_SIZE else None
