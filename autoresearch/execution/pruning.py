"""Early stopping, where the trial runs: its curve beside the incumbent's on the same seed."""

from dataclasses import dataclass

from autoresearch import policy
from autoresearch.records.training import Point


@dataclass(frozen=True)
class PruningReference:
    """What a trial is held against while it trains.

    `points` are the incumbent's curve on the trial's seed, `ladder` how far behind it a trial may
    be; one that is `spared` runs on to its end, to see what early stopping costs.
    """

    points: tuple[Point, ...]
    ladder: policy.Ladder
    spared: bool


class Pruner:
    """Hears every point of one trial, and says when it is hopeless."""

    def __init__(self, reference: PruningReference) -> None:
        self._race = policy.Race(policy.Yardstick(reference.points), reference.ladder)
        self._spared = reference.spared
        self._condemned: policy.Condemned | None = None

    @property
    def condemned_at(self) -> float | None:
        """The progress at which it was given up, if it was."""
        return self._condemned.progress if self._condemned else None

    def __call__(self, point: Point) -> str | None:
        """Return why the trial is to end now, or None; a spared one only has it noted."""
        if self._condemned is not None:
            return None
        self._condemned = self._race.see(point)
        return None if self._condemned is None or self._spared else _words(self._condemned)


def _words(condemned: policy.Condemned) -> str:
    return (
        f"stopped early at {condemned.progress:.0%}: {condemned.behind:.2f} nats behind the "
        f"incumbent, where {condemned.limit:.2f} may be made up for"
    )
