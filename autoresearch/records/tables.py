"""The registry's tables. Times are UTC and aware; NaN, infinity and NUL never reach a column."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, LargeBinary
from sqlmodel import Field

from autoresearch.records.columns import Directed, Finite, Plain, Row, Utc, Word
from autoresearch.records.metric import Metric
from autoresearch.records.money import CallEnding, CallState
from autoresearch.records.scores import Allowance
from autoresearch.records.values import (
    Category,
    Chances,
    Clock,
    Ending,
    ExperimentState,
    FailureKind,
    Purpose,
    Standing,
    StudyState,
    TrialState,
    Trust,
    Verdict,
)


class Study(Row, table=True):
    """One night's lineage: a tag, a branch, a base commit, what makes its scores comparable.

    `salt` is random and secret from candidate code: what no hostile text can foresee grows from it.
    `machine_changes` are the numbers of the last trials before the machine was seen to have
    changed, oldest first: what was read before one is compared with nothing after it. `doc_bytes`
    are the sizes of the val documents, in the order of every trial's `doc_bits` (zlib-compressed
    little-endian uint32); `token_bytes` the bytes of training text in a token, on average.
    `idle` are the seconds, by `IdleReason`, that slots stood idle after the last trial of a run.
    Trainings that are not `seeded` take no seed: two on one share nothing but its number.
    `audit_tolerance` and `audit_noise` are what recomputed predictions may differ by, in nats, as
    the baseline's scoring measured it; None in studies of older versions. `facts` are what a run
    tells of the training text and of the machine (`research.conditions`). `measure` is the metric
    as in `Metric.stored`, empty for bits per byte. Scores and effects of all tables are in its
    unit, lower where they are better, whatever the columns are called; `doc_bits` and `doc_bytes`
    are then the scores and weights of its units (examples, folds), where it has any, and
    `test_bytes` the weights of those on test. `origin` names the file that an imported study was
    read from: nothing of it was trained here, it has no trials, no branch and no further
    experiments, and none of its scores is compared with another study's.
    """

    tag: str = Field(sa_type=Plain, unique=True)
    branch: str = Field(sa_type=Plain)
    base_commit: str = Field(sa_type=Plain)
    profile: str = Field(sa_type=Plain)
    device: str = Field(sa_type=Plain)
    corpus: str = Field(sa_type=Plain)
    comparability: str = Field(sa_type=Plain)
    budget_seconds: float = Field(sa_type=Finite)
    clock: Clock = Field(sa_type=Word(Clock))
    trust: Trust = Field(sa_type=Word(Trust))
    state: StudyState = Field(sa_type=Word(StudyState))
    sigma: float | None = Field(default=None, sa_type=Finite)
    salt: str = Field(default="", sa_type=Plain)
    machine_changes: list[int] = Field(default_factory=list, sa_type=JSON)
    doc_bytes: bytes | None = Field(default=None, sa_type=LargeBinary)
    test_bytes: bytes | None = Field(default=None, sa_type=LargeBinary)
    token_bytes: float | None = Field(default=None, sa_type=Finite)
    audit_tolerance: float | None = Field(default=None, sa_type=Finite)
    audit_noise: float | None = Field(default=None, sa_type=Finite)
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    idle: dict[str, float] = Field(default_factory=dict, sa_type=JSON)
    measure: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    origin: str = Field(default="", sa_type=Plain)
    seeded: bool = True
    created_at: datetime = Field(sa_type=Utc)

    @property
    def is_imported(self) -> bool:
        """Whether it was read from a file of the person's, not trained here."""
        return bool(self.origin)

    @property
    def metric(self) -> Metric:
        """What its scores are."""
        return Metric.of(self.measure)

    @property
    def allowance(self) -> Allowance | None:
        """How far recomputed predictions may differ; None before the baseline was scored."""
        if self.audit_tolerance is None:
            return None
        return Allowance(self.audit_tolerance, self.audit_noise)

    @property
    def steady_since(self) -> int:
        """The number of the last trial before the last change of the machine; 0: none was seen."""
        return self.machine_changes[-1] if self.machine_changes else 0


class Experiment(Row, table=True):
    """One proposal and its fate; a row whatever happens to it.

    `parent_sha` is the commit it changes, `commit_sha` the commit that was trained (also for a
    discard: it stays reachable under refs/autoresearch/). `delta` is the believed effect on
    the score against the incumbent of its time, below zero = better. `control` names the control
    proposer that could have had its turn as well, "" where there was no such choice; the turn was
    the control's own where that is `proposer`. `notes` are as in `Notes.stored`.

    The evidence for it: `measured` with its standard error on so many `pairs`, the probabilities
    `p_better` and `p_neutral` (the rest is that of worse), and `documents_error`, the
    standard error that the choice of val documents leaves in the difference. A keep has a
    `standing` once it is confirmed or refuted: `claim` is the probability of a true improvement by
    `claim_pairs` fresh pairs. `reverts_id` is the keep that this experiment takes back; `call_id`
    a call of another experiment that made this one, too. `test_bpb` is of the checkpoint of trial
    `test_trial_id`;
    `test_bits` are its documents' bits (zlib-compressed little-endian float32). `val_gain` and
    `test_gain` are that checkpoint's difference to one of the baseline on either split, below zero
    = better, with the standard errors that the choice of documents leaves.
    """

    __table_args__ = (
        Index("ix_experiment_study_verdict", "study_id", "verdict"),
        Index("ix_experiment_study_state", "study_id", "state"),
        Index("ix_experiment_study_created", "study_id", "created_at"),
        Index("ix_experiment_study_finished", "study_id", "finished_at"),
        # What proposers are compared by. It holds all of it, since some columns lie behind the long
        # texts of a row: `status` would read every patch of a study.
        Index(
            "ix_experiment_arms", "study_id", "category", "verdict", "reverts_id", "proposer",
            "control", "seconds", "standing", "delta", "delta_error", "predicted_delta",
        ),
    )  # fmt: skip

    study_id: int = Field(foreign_key="study.id", index=True)
    parent_id: int | None = Field(default=None, foreign_key="experiment.id")
    state: ExperimentState = Field(sa_type=Word(ExperimentState))
    verdict: Verdict | None = Field(default=None, sa_type=Word(Verdict))
    proposer: str = Field(sa_type=Plain)
    control: str = Field(default="", sa_type=Plain)
    hypothesis: str = Field(sa_type=Plain)
    category: Category = Field(sa_type=Word(Category))
    predicted_delta: float | None = Field(default=None, sa_type=Directed)
    risk: str = Field(default="", sa_type=Plain)
    reason: str = Field(default="", sa_type=Plain)
    val_bpb: float | None = Field(default=None, sa_type=Directed)
    val_bpb_error: float | None = Field(default=None, sa_type=Finite)
    delta: float | None = Field(default=None, sa_type=Directed)
    delta_error: float | None = Field(default=None, sa_type=Finite)
    measured: float | None = Field(default=None, sa_type=Directed)
    measured_error: float | None = Field(default=None, sa_type=Finite)
    pairs: int = 0
    p_better: float | None = Field(default=None, sa_type=Finite)
    p_neutral: float | None = Field(default=None, sa_type=Finite)
    documents_error: float | None = Field(default=None, sa_type=Finite)
    standing: Standing | None = Field(default=None, sa_type=Word(Standing))
    claim: float | None = Field(default=None, sa_type=Finite)
    claim_pairs: int = 0
    claim_reason: str = Field(default="", sa_type=Plain)
    reverts_id: int | None = Field(default=None, foreign_key="experiment.id")
    call_id: int | None = None
    test_bpb: float | None = Field(default=None, sa_type=Directed)
    test_trial_id: int | None = None
    test_bits: bytes | None = Field(default=None, sa_type=LargeBinary)
    val_gain: float | None = Field(default=None, sa_type=Directed)
    val_gain_error: float | None = Field(default=None, sa_type=Finite)
    test_gain: float | None = Field(default=None, sa_type=Directed)
    test_gain_error: float | None = Field(default=None, sa_type=Finite)
    seconds: float = Field(default=0.0, sa_type=Finite)
    peak_memory: int = Field(default=0, sa_type=BigInteger)
    parent_sha: str | None = Field(default=None, sa_type=Plain)
    commit_sha: str | None = Field(default=None, sa_type=Plain)
    effect_hash: str | None = Field(default=None, sa_type=Plain, index=True)
    lines_added: int = 0
    lines_removed: int = 0
    created_at: datetime = Field(sa_type=Utc)
    finished_at: datetime | None = Field(default=None, sa_type=Utc)
    notes: dict[str, list[str]] = Field(default_factory=dict, sa_type=JSON)
    change_format: str = Field(default="diff", sa_type=Plain)
    change_text: str = Field(default="", sa_type=Plain)
    patch: str = Field(default="", sa_type=Plain)

    @property
    def chances(self) -> Chances | None:
        """How likely it is better, neutral or worse; None where that is not known."""
        if self.p_better is None or self.p_neutral is None:
            return None
        return Chances(self.p_better, self.p_neutral)

    @property
    def is_reversal(self) -> bool:
        """Whether it takes back a keep."""
        return self.reverts_id is not None


class Trial(Row, table=True):
    """One capped training of an experiment with one seed, with its score.

    Memory is in bytes, times are in seconds (training on the study's clock). `curve` is a list of
    [step, loss, tokens, progress, seconds]; `log` and `doc_bits` are zlib-compressed (raw bytes;
    little-endian float32). `failure` says whose fault it is that there is no score: a trial that
    the machine spoiled counts in no verdict. `detectable` is the smallest leak, in bits per byte,
    that scoring would have missed only once in a thousand times. `pruned_at` is the progress (0 to
    1) at which the trial was given up: it was stopped there, or runs on to its end as an audit of
    early stopping. `compile_seconds` are a part of `startup_seconds`. From `waiting_seconds` to
    `slot_seconds` they are wall seconds as in `SlotTime`, None in rows of older versions.
    `hardware` is as in `Hardware.stored`; `profile` a list of [depth, share, path, line, text], as
    in `ProfileRow`. `numbers` are other numbers than the score, by name, for guards.
    """

    # Rows are long and lie apart: what every verdict asks for is answered by the index alone.
    __table_args__ = (
        Index("ix_trial_reading", "experiment_id", "purpose", "val_bpb", "seed", "steps"),
        # Where the seconds of a slot went: `status` sums it up over all trials.
        Index(
            "ix_trial_phases", "experiment_id", "purpose", "state", "ending", "idle_seconds",
            "paused_seconds", "machine_seconds", "deciding_seconds", "slot_seconds",
            "startup_seconds", "training_seconds", "total_seconds", "scoring_seconds",
        ),
    )  # fmt: skip

    experiment_id: int = Field(foreign_key="experiment.id", index=True)
    seed: int
    purpose: Purpose = Field(default=Purpose.SCREENING, sa_type=Word(Purpose))
    pruned_at: float | None = Field(default=None, sa_type=Finite)
    worker: str = Field(sa_type=Plain)
    hardware: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    state: TrialState = Field(sa_type=Word(TrialState))
    ending: Ending | None = Field(default=None, sa_type=Word(Ending))
    failure: FailureKind | None = Field(default=None, sa_type=Word(FailureKind))
    detail: str = Field(default="", sa_type=Plain)
    val_bpb: float | None = Field(default=None, sa_type=Directed)
    trust: Trust | None = Field(default=None, sa_type=Word(Trust))
    mismatch: float | None = Field(default=None, sa_type=Finite)
    detectable: float | None = Field(default=None, sa_type=Finite)
    startup_seconds: float = Field(default=0.0, sa_type=Finite)
    compile_seconds: float | None = Field(default=None, sa_type=Finite)
    training_seconds: float = Field(default=0.0, sa_type=Finite)
    total_seconds: float = Field(default=0.0, sa_type=Finite)
    scoring_seconds: float = Field(default=0.0, sa_type=Finite)
    waiting_seconds: float | None = Field(default=None, sa_type=Finite)
    idle_seconds: float | None = Field(default=None, sa_type=Finite)
    paused_seconds: float | None = Field(default=None, sa_type=Finite)
    machine_seconds: float | None = Field(default=None, sa_type=Finite)
    deciding_seconds: float | None = Field(default=None, sa_type=Finite)
    slot_seconds: float | None = Field(default=None, sa_type=Finite)
    steps: int = 0
    tokens: int = Field(default=0, sa_type=BigInteger)
    peak_memory: int = Field(default=0, sa_type=BigInteger)
    exit_code: int | None = None
    signal: int | None = None
    started_at: datetime = Field(sa_type=Utc)
    heartbeat_at: datetime = Field(sa_type=Utc)
    finished_at: datetime | None = Field(default=None, sa_type=Utc)
    traceback: str = Field(default="", sa_type=Plain)
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    numbers: dict[str, float] = Field(default_factory=dict, sa_type=JSON)
    profile: list[list[Any]] = Field(default_factory=list, sa_type=JSON)
    curve: list[list[float]] = Field(default_factory=list, sa_type=JSON)
    doc_bits: bytes | None = Field(default=None, sa_type=LargeBinary)
    log: bytes | None = Field(default=None, sa_type=LargeBinary)

    @property
    def gauges(self) -> dict[str, float]:
        """Every number but the score that a guard may be set on."""
        # One that ended before it was looked at took next to nothing.
        seen = self.peak_memory or self.val_bpb is not None
        memory = {"peak_memory_gib": self.peak_memory / 2**30} if seen else {}
        return self.numbers | memory


class Call(Row, table=True):
    """One attempt at a provider. Costs in US dollars, latency in seconds, tokens as in `Usage`.

    While `state` is RESERVED, `cost_usd` is the worst case; a killed run's stay so. `answer` is
    the zlib-compressed text of the model, `sent_back` why it was refused; `price` names the rates.
    """

    study_id: int = Field(foreign_key="study.id", index=True)
    experiment_id: int | None = Field(default=None, foreign_key="experiment.id", index=True)
    proposer: str = Field(sa_type=Plain)
    provider: str = Field(sa_type=Plain)
    model: str = Field(sa_type=Plain)
    purpose: str = Field(sa_type=Plain)
    state: CallState = Field(sa_type=Word(CallState))
    ending: CallEnding | None = Field(default=None, sa_type=Word(CallEnding))
    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_written: int = 0
    tokens_out: int = 0
    price: str = Field(default="", sa_type=Plain)
    reserved_usd: float = Field(default=0.0, sa_type=Finite)
    cost_usd: float = Field(default=0.0, sa_type=Finite)
    latency_seconds: float = Field(default=0.0, sa_type=Finite)
    detail: str = Field(default="", sa_type=Plain)
    sent_back: str = Field(default="", sa_type=Plain)
    answer: bytes | None = Field(default=None, sa_type=LargeBinary)
    created_at: datetime = Field(sa_type=Utc)
