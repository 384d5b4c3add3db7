"""Early stopping, where the trial runs: its curve beside the incumbent's on the same seed."""

from dataclasses import dataclass

from autoresearch import policy
from autoresearch.records.training import Point


@dataclass(frozen=True)
class PruningReference:
    """What a trial is held against while it trains.

    `points` are the incumbent's curve on the trial's seed, `thresholds` how far behind it a trial
    may be; one that is `spared` runs on to its end, to see what early stopping costs.
    """

    points: tuple[Point, ...]
    thresholds: policy.PruningThresholds
    spared: bool


class Pruner:
    """Hears every point of one trial, and says when it is hopeless."""

    def __init__(self, reference: PruningReference) -> None:
        self._pruning = policy.PruningRun(
            policy.ReferenceCurve(reference.points), reference.thresholds
        )
        self._spared = reference.spared
        self._decision: policy.PruneDecision | None = None

    @property
    def pruned_at(self) -> float | None:
        """The progress at which it was given up, if it was."""
        return self._decision.progress if self._decision else None

    def __call__(self, point: Point) -> str | None:
        """Return why the trial is to end now, or None; a spared one only has it noted."""
        if self._decision is not None:
            return None
        self._decision = self._pruning.add(point)
        return None if self._decision is None or self._spared else _words(self._decision)


def _words(decision: policy.PruneDecision) -> str:
    return (
        f"stopped early at {decision.progress:.0%}: {decision.behind:.2f} nats behind the "
        f"incumbent, where {decision.limit:.2f} may be made up for"
    )
