"""One trial where it runs: a clean workspace, a capped training, a sealed score."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from autoresearch import policy
from autoresearch.errors import Interrupted, is_passing
from autoresearch.evaluation import Cause
from autoresearch.execution.spec import PruningReference, TrialResult, TrialSpec
from autoresearch.process import remove
from autoresearch.records.events import Event, Notice, Scoring, TrialPoint
from autoresearch.records.scores import LARGEST, Allowance, Score, Unscored
from autoresearch.records.text import safe_line
from autoresearch.records.training import Point
from autoresearch.records.values import Ending, FailureKind
from autoresearch.workers import Assignment, Worker, never_pruned

# The project's files at a commit in a clean directory, gone afterwards; asks often whether to stop.
Checkout = Callable[[str, Path, Callable[[], bool]], AbstractContextManager[Path]]


class Scorer(Protocol):
    """What turns a checkpoint into a score; see `evaluation.Evaluator`."""

    def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score | Unscored:
        """Return the score, or why there is none."""


class ReadyScorer(Scorer, Protocol):
    """A scorer that can make ready for its next score beforehand."""

    def prepare(self, place: Path) -> None:
        """Start in a folder what the next score can use; do not wait."""

    def wait_until_idle(self) -> None:
        """Wait until what was started is at rest: a training should have the machine to itself."""

    def close(self) -> None:
        """End what was started and not used."""


@dataclass(frozen=True)
class Host:
    """What one slot of a machine trains and scores with.

    `train_files` hold the train split, tokens of `token_bytes` bytes each; `work` is a folder of
    the host's own. `keep` is given a trial's number and the checkpoint of one that has its score;
    it returns false where there is no room. `allow` is told before a scoring how far predictions
    may differ in it; None: that is to be measured. `held` are trials whose folders wait for another
    scoring, with their checkpoints. What a trial here starts keeps to `cores`; none: to any.
    """

    worker: Worker
    evaluator: ReadyScorer
    checkout: Checkout
    train_files: tuple[Path, ...]
    token_bytes: int
    work: Path
    keep: Callable[[int, Path], bool] = lambda _number, _checkpoint: True
    allow: Callable[[Allowance | None], None] = lambda _allowance: None
    held: dict[int, TrialResult] = field(default_factory=dict)
    cores: frozenset[int] = frozenset()

    def release(self, number: int) -> None:
        """Remove what is held of a trial, if anything is."""
        self.held.pop(number, None)
        remove(self.place(number))

    def place(self, number: int) -> Path:
        """Return the folder of a trial."""
        return self.work / f"trial-{number}"


@dataclass(frozen=True)
class Watch:
    """Who looks on: `tell` hears what happens; `stop` is asked often, and true ends the trial."""

    tell: Callable[[Event], None]
    stop: Callable[[], bool]


def execute_trial(spec: TrialSpec, host: Host, watch: Watch) -> TrialResult:
    """Train a trial on a host and score what comes of it.

    A checkpoint that the machine may have kept from its score is held, for a spec that asks
    `again`.

    Raises:
        Interrupted: it was told to stop.
        OSError, GitBusyError: nothing was trained, for a reason that may pass: a full disk, a lock.
    """
    held = host.held.pop(spec.number, None)
    try:
        if spec.again and held is not None:
            return _scored(spec, host, watch, held)
        _make(host.place(spec.number) / "scratch")
        result = _trained(spec, host, watch)
        if result.outcome.checkpoint is None or not spec.scored:
            return replace(result, outcome=replace(result.outcome, checkpoint=None))
        return _scored(spec, host, watch, result)
    finally:
        if spec.number not in host.held:
            remove(host.place(spec.number))


def _trained(spec: TrialSpec, host: Host, watch: Watch) -> TrialResult:
    place = host.place(spec.number)
    pruner = Pruner(spec.reference) if spec.reference else None
    if spec.scored:
        host.evaluator.prepare(host.work)  # they start beside the training's own start-up
    with host.checkout(spec.commit, place / "tree", watch.stop) as tree, _settling(host) as at_rest:
        assignment = Assignment(
            tree=tree,
            scratch=place / "scratch",
            entry=spec.entry,
            seed=spec.seed,
            device=spec.device,
            budget=spec.budget,
            limits=spec.limits,
            train_files=host.train_files,
            token_bytes=host.token_bytes,
            trusted=spec.trusted,
            profiled=spec.profiled,
            canary=spec.canary,
        )
        outcome = host.worker.train(
            assignment,
            on_point=lambda point: watch.tell(TrialPoint(point)),
            stop=watch.stop,
            prune_check=pruner or never_pruned,
            at_rest=at_rest,
        )
    if outcome.ending is Ending.INTERRUPTED:
        raise Interrupted(outcome.detail)
    return TrialResult(outcome, pruned_at=pruner.pruned_at if pruner else None)


@contextmanager
def _settling(host: Host) -> Iterator[Callable[[], bool]]:
    """Let the scorer's preparations finish in a thread; yield a function that says if they have."""

    def settle() -> None:
        with suppress(Exception):  # what is wrong with them, the scoring finds out
            host.evaluator.wait_until_idle()

    thread = threading.Thread(target=settle, name="settling", daemon=True)
    thread.start()
    try:
        yield lambda: not thread.is_alive()
    finally:
        thread.join()


def _scored(spec: TrialSpec, host: Host, watch: Watch, result: TrialResult) -> TrialResult:
    """Score a checkpoint; hold it if the machine may be to blame that it has no score."""
    checkpoint = result.outcome.checkpoint
    assert checkpoint is not None
    if watch.stop():
        msg = "stopped by the person or the deadline"
        raise Interrupted(msg)
    watch.tell(Scoring())
    host.worker.prepare(host.work)  # no clock runs here: the next trial's process may load
    score = _score(spec, host, watch, checkpoint)
    if isinstance(score, Score) and not host.keep(spec.number, checkpoint):
        watch.tell(Notice(f"no room to keep the checkpoint of trial {spec.number} for `promote`"))
    held = isinstance(score, Unscored) and (
        score.kind is FailureKind.MACHINE or score.cause == Cause.MEMORY
    )
    if held:
        host.held[spec.number] = result
    told = replace(result.outcome, checkpoint=None)
    return replace(result, outcome=told, score=score, held=held)


def _score(spec: TrialSpec, host: Host, watch: Watch, checkpoint: Path) -> Score | Unscored:
    place = host.place(spec.number)
    host.allow(spec.allowance)
    try:
        # Another export: the training process could have written into the first one.
        with host.checkout(spec.commit, place / "tree", watch.stop) as tree:
            return _comparable(host.evaluator.score(tree, checkpoint, place / "scratch"))
    except Exception as fault:
        if not is_passing(fault):
            raise
        return Unscored(Cause.START, safe_line(str(fault)), FailureKind.MACHINE)


def _comparable(score: Score | Unscored) -> Score | Unscored:
    """Return a score, or that it is none: it has diverged, whatever it is a measure of."""
    if isinstance(score, Unscored) or abs(score.bpb) <= LARGEST:
        return score
    reason = f"the score {score.bpb:.3g} is no number to compare"
    return Unscored(Cause.NON_FINITE, reason, FailureKind.IDEA)


def _make(scratch: Path) -> None:
    remove(scratch.parent)
    scratch.mkdir(parents=True, mode=0o700)


class Pruner:
    """Hears every point of one trial, and says when it is hopeless beside its reference."""

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
        decision = self._decision = self._pruning.add(point)
        if decision is None or self._spared:
            return None
        return (
            f"stopped early at {decision.progress:.0%}: {decision.behind:.2f} nats behind the "
            f"incumbent, where {decision.limit:.2f} may be made up for"
        )
