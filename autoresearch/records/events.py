"""What a `run` tells those who watch it: frozen events, and the Watcher that sees them.

Events are for people only: no watcher's answer changes what a run does. Text in them is as the
proposer or the training process wrote it; a watcher escapes it for its own sink.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from autoresearch.records.metric import BITS_PER_BYTE, Metric
from autoresearch.records.tables import Experiment
from autoresearch.records.training import Budget, Point
from autoresearch.records.values import Category, Purpose, Standing, Trust, Verdict
from autoresearch.records.verdict_counts import VerdictCounts


@dataclass(frozen=True)
class StudyOpened:
    """A run begins or continues a study, on these slots.

    `best_bpb` is the incumbent's, None before a baseline; `metric` says what this and the scores
    and effects of all later events are.
    """

    tag: str
    branch: str
    budget: Budget
    device: str
    trust: Trust
    proposers: tuple[str, ...]
    corpus: str = ""
    continued: bool = False
    baseline_bpb: float | None = None
    best_bpb: float | None = None
    slots: tuple[str, ...] = ()
    metric: Metric = BITS_PER_BYTE


@dataclass(frozen=True)
class ExperimentOpened:
    """A proposal has its row; nothing has been trained yet."""

    experiment_id: int
    proposer: str
    hypothesis: str
    category: Category

    @classmethod
    def of(cls, row: Experiment) -> "ExperimentOpened":
        """Return the event of a new row, or of one that a stopped run left open."""
        return cls(int(row.id or 0), row.proposer, row.hypothesis, row.category)


@dataclass(frozen=True)
class TrialStarted:
    """A training begins; `incumbent` where it is the other side of a pair."""

    experiment_id: int
    seed: int
    purpose: Purpose
    incumbent: bool = False
    slot: str = ""


@dataclass(frozen=True)
class TrialPoint:
    """The training under way reported a metric."""

    point: Point
    slot: str = ""


@dataclass(frozen=True)
class Scoring:
    """The checkpoint of a slot's trial is handed to the evaluator."""

    slot: str = ""


@dataclass(frozen=True)
class TrialScored:
    """A trial is over; `bpb` is None where it has no score, and `detail` then says why."""

    experiment_id: int
    seed: int
    bpb: float | None
    detail: str = ""
    slot: str = ""


@dataclass(frozen=True)
class ExperimentDone:
    """An experiment has its verdict. `delta` is to the incumbent of its time, below 0 = better."""

    experiment_id: int
    verdict: Verdict
    val_bpb: float | None
    error: float | None
    delta: float | None
    reason: str
    seconds: float
    delta_error: float | None = None

    @classmethod
    def of(cls, row: Experiment) -> "ExperimentDone":
        """Return the event of a row that has its verdict."""
        return cls(
            experiment_id=int(row.id or 0),
            verdict=row.verdict or Verdict.CRASH,
            val_bpb=row.val_bpb,
            error=row.val_bpb_error,
            delta=row.delta,
            reason=row.reason,
            seconds=row.seconds,
            delta_error=row.delta_error,
        )


@dataclass(frozen=True)
class StandingChanged:
    """What may be claimed of a keep has changed; `best_bpb` is the incumbent's by now.

    `standing` is None where a claim is lost: by further pairs, or by noise that is known better.
    `delta` is the believed effect, as in `ExperimentDone`.
    """

    experiment_id: int
    standing: Standing | None
    reason: str
    best_bpb: float | None = None
    hypothesis: str = ""
    delta: float | None = None
    delta_error: float | None = None


class WaitCause(StrEnum):
    """What a run stands still for."""

    MACHINE = "machine"
    PROPOSERS = "proposers"
    OTHER = "other"


@dataclass(frozen=True)
class Waiting:
    """The run stands still for a stated reason, and goes on by itself.

    `seconds` are those after which it tries again, None where that is not known.
    """

    reason: str
    cause: WaitCause = WaitCause.OTHER
    seconds: float | None = None


@dataclass(frozen=True)
class NoProposal:
    """A proposer had none to give; it is asked again in `again` seconds, None: not in this run."""

    proposer: str
    reason: str
    again: float | None


@dataclass(frozen=True)
class ProposersOut:
    """No proposer is asked any more in this run; it ends once what is open has its verdict."""

    reason: str


@dataclass(frozen=True)
class MoneyLow:
    """A cap is nearly reached. `spent` US dollars of `cap` are spent or reserved."""

    name: str
    spent: float
    cap: float


@dataclass(frozen=True)
class Notice:
    """Something that a person should know; the run goes on."""

    text: str


@dataclass(frozen=True)
class StudyStopped:
    """The run is over. The numbers count the whole study, earlier runs included.

    `gain` is what the best is believed to have gained on the baseline, below zero = better.
    """

    reason: str
    verdicts: VerdictCounts = field(default_factory=VerdictCounts)
    confirmed: int = 0
    per_hour: float | None = None
    baseline_bpb: float | None = None
    best_bpb: float | None = None
    gain: float | None = None


Event = (
    StudyOpened
    | ExperimentOpened
    | TrialStarted
    | TrialPoint
    | Scoring
    | TrialScored
    | ExperimentDone
    | StandingChanged
    | Waiting
    | NoProposal
    | ProposersOut
    | MoneyLow
    | Notice
    | StudyStopped
)


class Watcher(Protocol):
    """Someone who looks on. `on_event` must be quick and must not raise."""

    def on_event(self, event: Event) -> None:
        """Take notice of one event."""
        ...
