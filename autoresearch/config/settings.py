"""Everything autoresearch.toml can say: defaults, types, and what is sensible."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from autoresearch.config.checked import STRICTLY, Duration, DurationOrNone, Number, require
from autoresearch.config.durations import parse_duration
from autoresearch.config.metric_settings import DataSettings, GuardSettings, MetricSettings
from autoresearch.config.proposer_settings import (
    CommandSettings,
    LlmSettings,
    MoneySettings,
    PriceSettings,
)
from autoresearch.records.metric import MetricSource
from autoresearch.records.training import Budget, Limits
from autoresearch.records.values import Clock


@dataclass(frozen=True, config=STRICTLY)
class TargetSettings:
    """[target]: which files a proposer may change (globs relative to the project).

    `command` is a shell line that runs the project as it is, for one that does not know the
    session API; empty: `entry` does. `seed` says how such a command takes a seed: the name of an
    environment variable, or arguments that hold {seed}; empty: it takes none.
    """

    editable: tuple[str, ...] = ("train.py",)
    entry: str = "train.py"
    command: str = ""
    seed: str = ""

    @model_validator(mode="after")
    def _is_sensible(self) -> Self:
        require(self.editable, "editable names no file")
        require(self.command or not self.seed, "seed goes with command")
        return self


@dataclass(frozen=True, config=STRICTLY)
class TrainingSettings:
    """[training]: the device, the clock and the limits of one trial (seconds, GiB, MiB).

    `total` caps a [target] command from outside, by the wall, start-up and all; empty: `startup`,
    `budget` and `grace` together.
    `checkpoints_gib` bounds what is kept of all trials for a score on test at `promote`.
    """

    profile: str = "cpu"
    device: Literal["cpu", "cuda", "mps"] = "cpu"
    clock: Literal["wall", "cpu"] = "cpu"
    budget: Duration = "5m"
    grace: Duration = "5s"
    startup: Duration = "5m"
    total: DurationOrNone = ""
    threads: Annotated[int, Field(ge=1)] = 1
    memory_gib: Annotated[float, Field(gt=0)] = 16.0
    file_gib: Annotated[float, Field(gt=0)] = 8.0
    log_mib: Annotated[float, Field(gt=0)] = 4.0
    checkpoints_gib: Annotated[float, Field(ge=0)] = 16.0


@dataclass(frozen=True, config=STRICTLY)
class CorpusSettings:
    """[corpus]: how `prepare` splits and tokenizes. Shares are fractions of the documents."""

    vocab_size: Annotated[int, Field(ge=258, le=2**20)] = 2048
    val_share: Annotated[float, Field(gt=0)] = 0.05
    test_share: Annotated[float, Field(gt=0)] = 0.05
    max_mib: Annotated[float, Field(gt=0)] = 4096.0

    @model_validator(mode="after")
    def _is_sensible(self) -> Self:
        share = self.val_share + self.test_share
        require(share <= 0.5, "val_share and test_share must be at most 0.5 together")
        return self


@dataclass(frozen=True, config=STRICTLY)
class EvaluationSettings:
    """[evaluation]: window length in tokens, rows per request, probes, tolerance in nats.

    `challenges` and `tolerance` are the least: noisy arithmetic is probed more, and allowed what
    the study's baseline needs. `arrays`: tensors ("torch"), or what NumPy can read ("numpy").
    """

    context: Annotated[int, Field(ge=2)] = 128
    batch: Annotated[int, Field(ge=1)] = 16
    challenges: Annotated[int, Field(ge=1)] = 256
    tolerance: Annotated[float, Field(gt=0)] = 1e-3
    timeout: Duration = "10m"
    arrays: Literal["torch", "numpy"] = "torch"


@dataclass(frozen=True, config=STRICTLY)
class PreflightSettings:
    """[preflight]: the smoke test of a change on the CPU before its training.

    `steps` of training (0: none is smoke-tested) on windows of `context` tokens, within `timeout`;
    `toy` gives constants of the editable files the small values that they have in it.
    """

    steps: Annotated[int, Field(ge=0)] = 2
    context: Annotated[int, Field(ge=2)] = 32
    timeout: Duration = "2m"
    toy: Mapping[str, Number] = field(default_factory=dict)


@dataclass(frozen=True, config=STRICTLY)
class PolicySettings:
    """[policy]: how verdicts are reached.

    `confirm_share` of the training time goes into confirming keeps; the baseline is trained on
    `replicates` seeds; after `drift_every` trained experiments, or some hours (0: never), the
    incumbent is trained again, to see whether the machine has changed. At most `ahead` proposals
    are made while trials run, so that none waits for a proposal; 0: each knows what came of all
    before it.
    """

    confirm_share: Annotated[float, Field(ge=0, lt=1)] = 0.15
    replicates: Annotated[int, Field(ge=1, le=4)] = 2
    drift_every: Annotated[int, Field(ge=0)] = 20
    ahead: Annotated[int, Field(ge=0)] = 64


@dataclass(frozen=True, config=STRICTLY)
class PruningSettings:
    """[pruning]: `enabled` stops hopeless trials early; the share `audit` of them runs on."""

    enabled: bool = True
    audit: Annotated[float, Field(ge=0, le=1)] = 0.05


@dataclass(frozen=True, config=STRICTLY)
class SandboxSettings:
    """[sandbox]: `require` refuses to run where nothing seals trials off from the machine.

    What a [target] command needs beside its files: `readable` files and folders (absolute, below
    ~, or relative to the project, where the trial finds them at the same place), and `network`.
    """

    require: bool = False
    readable: tuple[str, ...] = ()
    network: bool = False


@dataclass(frozen=True, config=STRICTLY)
class NotifySettings:
    """[notify]: `urls` that are told what a person should know of a run; see docs/notifications.md.

    "$NAME" stands for what that environment variable holds: this file is committed, and trials can
    read it.
    """

    urls: tuple[str, ...] = ()


@dataclass(frozen=True, config=STRICTLY)
class Settings:
    """Everything autoresearch.toml can say, with its defaults."""

    target: TargetSettings = field(default_factory=TargetSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    corpus: CorpusSettings = field(default_factory=CorpusSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    preflight: PreflightSettings = field(default_factory=PreflightSettings)
    llm: LlmSettings = field(default_factory=LlmSettings)
    command: CommandSettings = field(default_factory=CommandSettings)
    money: MoneySettings = field(default_factory=MoneySettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    pruning: PruningSettings = field(default_factory=PruningSettings)
    sandbox: SandboxSettings = field(default_factory=SandboxSettings)
    metric: MetricSettings = field(default_factory=MetricSettings)
    guard: tuple[GuardSettings, ...] = ()
    data: DataSettings = field(default_factory=DataSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
    prices: Mapping[str, PriceSettings] = field(default_factory=dict)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        sealed, data = self.metric.source is MetricSource.SEALED, self.data
        opened = (*self.sandbox.readable, *data.held_out, *data.test, data.prepare)
        if not self.target.command:
            require(sealed, "a [metric] of your own goes with a [target] command")
            require(not self.training.total, "training total goes with [target] command")
            require(
                not any(opened) and not self.sandbox.network,
                "sandbox readable, network and [data] go with [target] command",
            )
        require(not (sealed and self.target.command), "target command needs a [metric] of its own")
        require(
            self.metric.evaluator or not (data.held_out or data.test),
            "data held_out and test go with [metric] evaluator",
        )
        return self

    def budget(self, override: float | None = None) -> Budget:
        """Return the budget of one trial; `override` replaces its training seconds."""
        return Budget(
            training=override or parse_duration(self.training.budget),
            clock=Clock(self.training.clock),
            startup=parse_duration(self.training.startup),
            grace=parse_duration(self.training.grace),
        )

    @property
    def total(self) -> float:
        """Wall seconds that a [target] command may take, start-up and all."""
        if self.training.total:
            return parse_duration(self.training.total)
        budget = self.budget()
        return budget.startup + budget.wall_limit

    @property
    def checkpoint_bytes(self) -> int:
        """Bytes that the checkpoints kept for `promote` may take together."""
        return int(self.training.checkpoints_gib * 2**30)

    def limits(self) -> Limits:
        """Return what one trial may use."""
        return Limits(
            threads=self.training.threads,
            memory=int(self.training.memory_gib * 2**30),
            file_size=int(self.training.file_gib * 2**30),
            log=int(self.training.log_mib * 2**20),
            disk=int((2 * self.training.file_gib + 4) * 2**30),  # two checkpoints and the caches
        )
