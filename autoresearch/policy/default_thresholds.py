"""The pruning thresholds that a study begins with, and for which studies they hold.

Made by `python benchmarks/pruning.py --ship` from trainings of the template's CPU profile; see
benchmarks/results/pruning.md for what they can show and what not.
"""

from autoresearch.policy.pruning import PruningThresholds
from autoresearch.records.values import Clock

PROFILE = "cpu"
SHORTEST = 10.0  # CPU seconds of the trainings it was made from
VOCAB_SIZE = 2048  # tokens

_LIMITS = (
    0.433, 0.395, 0.359, 0.325, 0.293, 0.264, 0.236, 0.210, 0.186, 0.165,
    0.145, 0.128, 0.112, 0.099, 0.088, 0.078, 0.071, 0.066, 0.063, 0.062,
)  # fmt: skip
_THRESHOLDS = PruningThresholds(_LIMITS, winners=32)


def default_thresholds(
    *, profile: str, clock: Clock, budget: float, vocab_size: int
) -> PruningThresholds | None:
    """Return the shipped thresholds, or None for a study that they do not hold for.

    They hold for the CPU profile on a CPU clock: on a wall clock the load of other programs looks
    like a lag. They are cautious for longer budgets, where curves lie closer and are smoother, and
    for smaller vocabularies, whose tokens carry fewer nats; not for shorter budgets or larger
    vocabularies.
    """
    same = profile == PROFILE and clock is Clock.CPU
    return _THRESHOLDS if same and budget >= SHORTEST and vocab_size <= VOCAB_SIZE else None
