"""What to train, and how it ended: frozen values that may cross to another machine."""

from dataclasses import dataclass

from autoresearch import policy
from autoresearch.records.scores import Allowance, Score, Unscored
from autoresearch.records.training import Budget, Limits, Outcome, Point
from autoresearch.records.values import FailureKind


@dataclass(frozen=True)
class PruningReference:
    """What a trial is held against while it trains.

    `points` are the incumbent's curve on the trial's seed, `thresholds` how far behind it a trial
    may be; one that is `spared` runs on to its end, to see what early stopping costs.
    """

    points: tuple[Point, ...]
    thresholds: policy.PruningThresholds
    spared: bool


@dataclass(frozen=True)
class TrialSpec:
    """One trial to execute. It names no place of any machine.

    `number` is the trial's in the registry; `commit` the code, which a host gets by its own way;
    `corpus` the fingerprint of the text; `scored` whether a score is wanted; `profiled` whether it
    is watched for where its time goes. `reference` stops it
    early where it is hopeless; None lets it run. `trusted` says that the code is the person's own:
    what it compiles may serve others. `allowance` is how far its predictions may differ when they
    are computed again; None has that measured, on the person's own code. `again` asks for another
    scoring of the checkpoint that the host still holds of this trial: nothing is trained.
    """

    number: int
    commit: str
    entry: str
    seed: int
    device: str
    corpus: str
    budget: Budget
    limits: Limits
    scored: bool = True
    trusted: bool = False
    profiled: bool = False
    reference: PruningReference | None = None
    allowance: Allowance | None = None
    again: bool = False

    @property
    def canary(self) -> bool:
        """Whether it only shows that the machine can train."""
        return not self.scored and not self.profiled


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended. `outcome` names no checkpoint: that is the host's.

    `score` is None where there was nothing to score; `pruned_at` the progress at which early
    stopping gave it up, or would have; `held` says that the host keeps the checkpoint for another
    scoring, until it is released.
    """

    outcome: Outcome
    score: Score | Unscored | None = None
    pruned_at: float | None = None
    held: bool = False

    @property
    def failure(self) -> FailureKind | None:
        """Whose fault it seems that there is no score; None where there is one, or no fault."""
        return self.score.kind if isinstance(self.score, Unscored) else self.outcome.failure
