"""Frozen values and enums that the rooms exchange. No SQL here, no behaviour beyond their own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What became of an experiment.

    INVALID was refused before any training. STALE was overtaken: another was kept before it had a
    verdict, and its change fits no more, or is tried again on top of that one.
    """

    KEEP = "keep"
    DISCARD = "discard"
    CRASH = "crash"
    INVALID = "invalid"
    DISQUALIFIED = "disqualified"
    STALE = "stale"

    @property
    def past(self) -> str:
        """What an experiment of this verdict was: "kept", "discarded", "crashed", "invalid"."""
        changed = {Verdict.KEEP: "kept", Verdict.DISCARD: "discarded", Verdict.CRASH: "crashed"}
        return changed.get(self, str(self))

    @property
    def failed(self) -> bool:
        """Whether the experiment came to no result that could be compared."""
        return self in (Verdict.CRASH, Verdict.INVALID, Verdict.DISQUALIFIED)


UNCOUNTED = (Verdict.INVALID, Verdict.STALE)  # verdicts that say nothing of an idea's worth


class Clock(StrEnum):
    """Which seconds a budget counts."""

    WALL = "wall"
    CPU = "cpu"


class Trust(StrEnum):
    """How far a score could have been touched by the code it scores.

    SEALED: by nothing. EVALUATED: a fixed program of the project's read what the code left, with
    data out of its reach. UNSEALED: no sandbox stood between them. SELF_REPORTED: it is its word.
    """

    SEALED = "sealed"
    EVALUATED = "evaluated"
    UNSEALED = "unsealed"
    SELF_REPORTED = "self-reported"


class StudyState(StrEnum):
    """Whether a study's last `run` ended by itself."""

    RUNNING = "running"
    STOPPED = "stopped"


class ExperimentState(StrEnum):
    """How far an experiment's row has come; OPEN rows have no verdict yet.

    While it is COMMITTING the branch moves to its commit, while WITHDRAWING back to its parent's.
    """

    OPEN = "open"
    COMMITTING = "committing"
    WITHDRAWING = "withdrawing"
    DONE = "done"


class Standing(StrEnum):
    """What further pairs made of a keep: CONFIRMED is a claim, REFUTED is a keep that was none."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"


class FailureKind(StrEnum):
    """Whose fault it is that a trial came to no score.

    IDEA: the same code would fail again here. MACHINE: the code is not to blame; there is no
    verdict, and the trial is run again. RULE: it broke a rule of the measurement.
    """

    IDEA = "idea"
    MACHINE = "machine"
    RULE = "rule"


class Purpose(StrEnum):
    """Why a trial was trained. DRIFT repeats a seed to see whether the machine has changed.

    A CANARY is a short training of the incumbent that tells whether the machine can train at all;
    it is never scored. Nor is a PROFILE, which tells where the incumbent's time goes.
    """

    BASELINE = "baseline"
    REPLICATE = "replicate"
    SCREENING = "screening"
    PAIR = "pair"
    CONFIRMING = "confirming"
    DRIFT = "drift"
    CANARY = "canary"
    PROFILE = "profile"

    @property
    def scored(self) -> bool:
        """Whether a trial of this kind is trained to be scored."""
        return self not in (Purpose.CANARY, Purpose.PROFILE)


class TrialState(StrEnum):
    """How far a trial has come. LOST trials belong to a `run` that was killed."""

    RUNNING = "running"
    DONE = "done"
    LOST = "lost"


class Category(StrEnum):
    """What kind of idea a proposal is."""

    BASELINE = "baseline"
    ARCHITECTURE = "architecture"
    OPTIMIZER = "optimizer"
    SCHEDULE = "schedule"
    REGULARIZATION = "regularization"
    EFFICIENCY = "efficiency"
    BUG_FIX = "bug fix"
    SIMPLIFICATION = "simplification"
    DATA = "data"
    OTHER = "other"


class Ending(StrEnum):
    """How a trial ended, decided by exit code, signal and the control channel alone.

    PRUNED: its curve was hopeless beside the incumbent's, so it was stopped before its time.
    NOT_STARTED: no process could be begun, or none with the device that it was promised.
    """

    FINISHED = "finished"
    NAN = "nan"
    EXCEPTION = "exception"
    OUT_OF_MEMORY = "out of memory"
    OVER_LIMIT = "over limit"
    START_TIMEOUT = "start timeout"
    HANG = "hang"
    NO_FINISH = "no finish"
    SIGNAL = "signal"
    BAD_CHECKPOINT = "bad checkpoint"
    LATE = "late"
    PRUNED = "pruned"
    INTERRUPTED = "interrupted"
    NOT_STARTED = "not started"

    @property
    def failure(self) -> FailureKind | None:
        """Whose fault this ending is where nothing more is known; None where it is no failure."""
        if self in (Ending.FINISHED, Ending.INTERRUPTED, Ending.PRUNED):
            return None
        if self is Ending.NOT_STARTED:
            return FailureKind.MACHINE
        return FailureKind.RULE if self is Ending.LATE else FailureKind.IDEA


@dataclass(frozen=True)
class Reading:
    """One scored trial as the policy sees it.

    `epoch` is how often the machine had been seen to have changed before: readings of two epochs
    are never compared.
    """

    seed: int
    bpb: float
    steps: int = 0
    epoch: int = 0


@dataclass(frozen=True)
class Chances:
    """How likely it is that a change is truly better, makes no difference, or is worse.

    The three add up to one; as text they are whole percents that add up to a hundred.
    """

    better: float
    neutral: float

    @property
    def worse(self) -> float:
        """What is left of one."""
        return max(1.0 - self.better - self.neutral, 0.0)

    def __str__(self) -> str:
        better, neutral, worse = self._percents()
        return f"{better}% better, {neutral}% no difference, {worse}% worse"

    @property
    def short(self) -> str:
        """The same percents alone: better, no difference, worse."""
        return "/".join(map(str, self._percents()))

    def _percents(self) -> Sequence[int]:
        exact = [100 * each for each in (self.better, self.neutral, self.worse)]
        whole = [math.floor(each) for each in exact]
        # Those with the largest remainders are rounded up.
        up = sorted(range(3), key=lambda at: whole[at] - exact[at])[: 100 - sum(whole)]
        return [each + (at in up) for at, each in enumerate(whole)]


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error; `error` is None while nothing is known of the noise."""

    mean: float
    error: float | None = None
