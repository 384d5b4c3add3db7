"""What a report holds: scores and effects as they are stored, lower where they are better.

The metric of the study says what they are. Times are in seconds, money in US dollars.

Texts of proposals and trainings are as they were written, and hostile: whoever shows them escapes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from autoresearch import policy
from autoresearch.policy.calibration import Calibration
from autoresearch.policy.proposer_comparison import (
    ProposerComparison,
    ProposerRecord,
    calibrations,
    compare,
    records,
)
from autoresearch.records.arms import Trained
from autoresearch.records.values import Chances, Estimate, Standing, Verdict

NORMAL_95 = 1.96  # standard errors to either side


@dataclass(frozen=True)
class TrialReport:
    """One training. `training` is by the budget's clock, the other seconds by the wall.

    `curve` are points of progress (0 to 1) and loss, thinned out; `faulty` that the machine spoiled
    it; `detectable` the smallest leak that scoring would have found. `last_sign` is its end or, of
    one at work, when it was last known to be alive.
    """

    number: int
    seed: int
    purpose: str
    ending: str
    faulty: bool
    bpb: float | None
    detail: str
    startup: float
    compiling: float
    training: float
    scoring: float
    total: float
    steps: int
    memory: int
    hardware: str
    detectable: float | None
    curve: tuple[tuple[float, float], ...]
    at_work: bool
    last_sign: datetime


@dataclass(frozen=True)
class Pair:
    """An experiment's score and its incumbent's, on one seed and one state of the machine."""

    seed: int
    incumbent: float
    experiment: float

    @property
    def difference(self) -> float:
        """The experiment's score less the incumbent's: below zero = better."""
        return self.experiment - self.incumbent


@dataclass(frozen=True)
class LaterIdea:
    """What an author noted beside a proposal for later, and what became of it ("" = nothing)."""

    number: str
    text: str
    fate: str


@dataclass(frozen=True)
class Cost:
    """What the calls behind a proposal cost; of a call that made several, the equal share."""

    usd: float = 0.0
    calls: int = 0
    tokens_in: float = 0.0
    tokens_out: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        """Return both together."""
        return Cost(
            self.usd + other.usd,
            self.calls + other.calls,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
        )


@dataclass(frozen=True)
class ExperimentReport:
    """One proposal and its fate. Estimates are None where nothing is known yet.

    `delta` is the believed effect, `measured` the mean of its pairs; `documents_error` what the
    choice of val documents (or units) leaves open in it; `generalization_gap` what test says of it,
    and `test_distance` how far test lies from val for the checkpoint that was scored on it.
    `change` is the diff, or of what was refused the change as proposed; `log` the end of the last
    training's log, and `traceback` that of the last one that left any.
    """

    number: int
    parent: int | None
    verdict: Verdict | None
    standing: Standing | None
    state: str
    proposer: str
    control: str
    category: str
    hypothesis: str
    risk: str
    reason: str
    bpb: Estimate | None
    delta: Estimate | None
    predicted: float | None
    measured: Estimate | None
    documents_error: float | None
    pairs: tuple[Pair, ...]
    chances: Chances | None
    claim: str
    test_bpb: float | None
    test_distance: float | None
    gap: policy.GeneralizationGap | None
    seconds: float
    memory: int
    commit: str
    lines: tuple[int, int]
    opened: datetime
    reverts: int | None
    cost: Cost
    change: str
    log: str
    traceback: str
    later: tuple[LaterIdea, ...]
    trials: tuple[TrialReport, ...]

    @property
    def kept(self) -> bool:
        """Whether it was kept, and has not been taken back."""
        return self.verdict is Verdict.KEEP and self.standing is not Standing.REFUTED

    @property
    def fate(self) -> str:
        """Its verdict in a word; of a keep, and of one that was taken back, the standing."""
        return str(self.standing or self.verdict or self.state)


@dataclass(frozen=True)
class FailureGroup:
    """Experiments that failed in the same way, oldest first, and what the last one said."""

    verdict: Verdict
    fingerprint: str
    experiments: tuple[int, ...]
    example: str


@dataclass(frozen=True)
class Phases:
    """Where the wall seconds of a study's trials went; `compiling` is a part of `startup`."""

    startup: float = 0.0
    compiling: float = 0.0
    training: float = 0.0
    scoring: float = 0.0

    @property
    def total(self) -> float:
        """All that the trials took."""
        return self.startup + self.training + self.scoring


@dataclass(frozen=True)
class Proposers:
    """What each side gained, beside the control, and what became of its predictions."""

    records: tuple[ProposerRecord, ...]
    comparisons: tuple[ProposerComparison, ...]
    calibrations: Mapping[str, Calibration]

    @classmethod
    def of(cls, trained: Sequence[Trained]) -> "Proposers":
        """Work them out of what each side trained."""
        return cls(tuple(records(trained)), tuple(compare(trained)), calibrations(trained))


def interval(estimate: Estimate) -> tuple[float, float] | None:
    """Return the 95% interval of an estimate; None where its error is not known."""
    if estimate.error is None:
        return None
    reach = NORMAL_95 * estimate.error
    return estimate.mean - reach, estimate.mean + reach
