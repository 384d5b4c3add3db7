"""What a proposer is given, and what it returns."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from types import MappingProxyType
from typing import Protocol

from autoresearch.policy import CPU_SCALE, Guard, Noise, Scale
from autoresearch.proposers.known import Known
from autoresearch.records.proposals import NO_NOTES, Change, Notes, Proposal, Rejection
from autoresearch.records.training import Budget, Limits, ProfileRow
from autoresearch.records.values import Category, Chances, Clock, Estimate, Standing, Verdict

MOST_AT_ONCE = 5  # proposals of one call: with more of them each is thought about too little
_EXAMPLE = 0.4  # of a usual gain
Check = Callable[[Proposal], Rejection | None]


@dataclass(frozen=True)
class TrialSummary:
    """What the first scored trial of an experiment measured; it never changes afterwards.

    `curve` is the training loss in nats per token, the mean of each eighth of the budget (None
    without any); `speed` is in tokens a second of the budget's clock, of which it used `seconds`;
    `memory` in bytes, at its peak; `gauges` are the numbers that guards are set on.
    """

    val_bpb: float
    steps: int
    tokens: int
    speed: float
    memory: int
    seconds: float = 0.0
    curve: tuple[float | None, ...] = ()
    gauges: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class HistoryEntry:
    """One finished experiment of the study, as the next proposal may learn from it.

    `change` is what its proposer would have changed, also where it was refused, or its answer where
    no change could be read; `patch` is the unified diff that was trained, empty where nothing was.
    `constants` are the numbers at the top of the entry file that it trained.

    Scores are in the metric's unit, differences are to the incumbent of its time (`parent_id`),
    below zero = better. `pairs` are the differences that were read up to the verdict, with their
    seeds, and `further` those of a keep that were read since; `delta` is the believed effect by
    `pairs`, with its standard error where that is known, and `chances` go with it. `run` is its
    first scored training, `beside` the incumbent's on the same seed. `steers` is the place in the
    code where the change altered what a loss during training means, "" where it did not. `broke`
    says which guard a trial broke: then it was discarded whatever its score.

    `val_bpb` and `error` may be estimated anew as the incumbent serves in more pairs, and `further`
    pairs may give a keep a `standing`, or take it back: then it is a discard with a new `reason`.
    Nothing else changes later. `traceback` is the safe end of a crash, and `fingerprint` is equal
    for crashes of the same kind at the same place. Every text may be hostile.
    """

    id: int
    proposer: str
    hypothesis: str
    change: Change
    verdict: Verdict
    category: Category = Category.OTHER
    reason: str = ""
    standing: Standing | None = None
    val_bpb: float | None = None
    error: float | None = None
    delta: float | None = None
    delta_error: float | None = None
    chances: Chances | None = None
    pairs: tuple[tuple[int, float], ...] = ()
    further: tuple[tuple[int, float], ...] = ()
    predicted_delta: float | None = None
    risk: str = ""
    notes: Notes = NO_NOTES
    parent_id: int | None = None
    patch: str = ""
    traceback: str = ""
    fingerprint: str = ""
    run: TrialSummary | None = None
    beside: TrialSummary | None = None
    steers: str = ""
    broke: str = ""
    constants: Mapping[str, int | float | bool] = field(
        default_factory=lambda: MappingProxyType({})
    )

    @property
    def measured(self) -> float | None:
        """The mean difference as it was read; None without a pair."""
        return fmean(difference for _, difference in self.pairs) if self.pairs else None


@dataclass(frozen=True)
class Pending:
    """An experiment without a verdict yet, so that nobody proposes it again.

    `change` is what its proposer wrote, with its `notes`; `constants` are the numbers at the top of
    the entry file. Every text may be hostile.
    """

    id: int
    proposer: str
    hypothesis: str
    change: Change
    category: Category = Category.OTHER
    notes: Notes = NO_NOTES
    constants: Mapping[str, int | float | bool] = field(
        default_factory=lambda: MappingProxyType({})
    )


@dataclass(frozen=True)
class TextSize:
    """The size of a text."""

    documents: int
    bytes: int
    tokens: int


@dataclass(frozen=True)
class Machine:
    """What a study is trained with: names of processor and card, versions, what compiles.

    `card` is empty on a processor, and any name where it is not known; `compiles` says whether
    `torch.compile` finds what it needs.
    """

    processor: str
    card: str
    software: str
    compiles: bool


@dataclass(frozen=True)
class Measuring:
    """What a study's scores are measured with.

    `vocabulary` and `context` (of the evaluation's windows) are in tokens; `threads` are those of
    the processor that a training has; `documents` are those of val, with their `bytes`;
    `token_bytes` is how many bytes of training text a token has on average, `train` the size of
    that text. The last three are None for a study of an older version.
    """

    vocabulary: int
    context: int
    threads: int
    documents: int
    bytes: int
    token_bytes: float | None = None
    train: TextSize | None = None
    machine: Machine | None = None


@dataclass(frozen=True)
class Remaining:
    """What is left of this run: seconds, experiments, dollars; None is no limit.

    `training` is how many seconds a training takes with all that belongs to it; None: not known.
    """

    seconds: float | None = None
    experiments: int | None = None
    usd: float | None = None
    training: float | None = None


@dataclass(frozen=True)
class Brief:
    """Everything that a proposer gets to know when it is asked for a proposal.

    `files` are the incumbent's editable files and `base_files` those of the study's base commit,
    `fixed_files` all other text files of that commit, path to text; `entry` is the one that
    trains, `editable` the globs. `number` is that of the experiment to propose; `history` holds
    every finished experiment of the study, kept, rejected or failed, oldest first; `pending` those
    that have no verdict yet. `notes` are what the person has added to `program` since the
    study began. `score` is the present estimate of the incumbent's, `profile` where a step
    of it spends its time, `parameters` how many it reports to have; `baseline` are the scores
    measured of the unchanged project, by seed; `scale` is the metric and what its unit is worth;
    `noise` the estimated noise, None until something was repeated; `guards` are numbers that
    must stay in bounds; `command` is what a training runs where it is not `entry` with a session,
    and `total` the wall seconds that it may take; `limits` are what any training may use;
    `measuring` what the numbers rest on; `known` what the person had found out before. `salt` is
    the study's secret, from which marks are made that no hostile text can predict; `wanted` is how
    many proposals have a free slot, for a proposer that can make several at once. A proposer that
    asks no model answers the same brief with the same proposal.
    """

    study: str
    number: int
    incumbent_id: int
    program: str
    entry: str
    files: Mapping[str, str]
    base_files: Mapping[str, str]
    history: tuple[HistoryEntry, ...] = ()
    pending: tuple[Pending, ...] = ()
    notes: tuple[str, ...] = ()
    fixed_files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    editable: tuple[str, ...] = ("train.py",)
    score: Estimate | None = None
    profile: tuple[ProfileRow, ...] = ()
    parameters: int | None = None
    baseline: tuple[tuple[int, float], ...] = ()
    noise: Noise | None = None
    scale: Scale = CPU_SCALE
    guards: tuple[Guard, ...] = ()
    command: str = ""
    total: float = 600.0
    limits: Limits = field(default_factory=Limits)
    measuring: Measuring | None = None
    device: str = "cpu"
    budget: Budget = field(default_factory=lambda: Budget(300.0, Clock.WALL))
    remaining: Remaining = Remaining()
    wanted: int = 1
    salt: str = ""
    known: tuple[Known, ...] = ()

    @property
    def all_files(self) -> Mapping[str, str]:
        """All text files of the project, path to text."""
        return {**self.fixed_files, **self.files}

    @property
    def largest_difference(self) -> float:
        """The largest number, in the metric's unit, that is read as a difference of two scores.

        A larger one that a proposer gives as its predicted change is taken for a score.
        """
        metric, vague = self.scale.metric, self.scale.vague
        if metric.is_bits_per_byte or self.score is None:
            return vague
        return max(vague, abs(self.score.mean) / 2)

    @property
    def example_delta(self) -> str:
        """A modest gain, written as a proposer should write its predicted change.

        Where gains are only guessed it is a power of ten, so that it hardly ever changes in a
        study.
        """
        metric, usual = self.scale.metric, self.scale.ideas.gain
        gain = _EXAMPLE * usual if metric.is_bits_per_byte else 10 ** math.floor(math.log10(usual))
        return f"{metric.shown(-gain):+.{max(0, -math.floor(math.log10(gain)))}f}"


@dataclass(frozen=True)
class Several:
    """Proposals made by one call, none of which depends on another's result."""

    proposals: tuple[Proposal, ...]


@dataclass(frozen=True)
class ProposeFailure:
    """Why no proposal comes now, in one safe line without secrets.

    `retry_after` is how many seconds the provider asked to wait, if it did. `final`: asking again
    in this run is useless, until the person has done what `reason` says. `planned`: final because a
    cap of the person's is reached. `doubtful`: it may pass, or be final; a few in a row are final.
    """

    reason: str
    retry_after: float | None = None
    final: bool = False
    planned: bool = False
    doubtful: bool = False


class Proposer(Protocol):
    """Suggests one change after another. It holds no state: what it did is in the brief."""

    @property
    def name(self) -> str:
        """Its spec, as given on the command line and kept with every experiment."""

    def propose(self, brief: Brief, check: Check) -> Proposal | Several | ProposeFailure | None:
        """Return the next proposal, why there is none now, or None if there is nothing more to try.

        Where the brief wants several, several may be returned at once.

        Args:
            brief: what to work from.
            check: returns why a proposal would be refused, None if it would be trained. For
                proposers that can mend what they wrote; what is returned is checked again in any
                case.

        Raises:
            ProposerError: it cannot go on at all.
        """
