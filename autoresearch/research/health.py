"""Whether the machine can train: told by a canary, a short training of the incumbent.

A sick machine makes every idea look broken. So after a failure that could be the machine's the
incumbent, which is known to train, is trained for a moment on a seed that it came through before.
"""

import math
from dataclasses import dataclass, field, replace

from autoresearch.records.events import Notice, WaitCause
from autoresearch.records.tables import Experiment
from autoresearch.records.training import Budget, Outcome
from autoresearch.records.values import Ending, FailureKind, Purpose
from autoresearch.registry import Registry
from autoresearch.research.backoff import Backoff, Steps
from autoresearch.research.requests import TrialSetup
from autoresearch.research.trial_recorder import TrialRecorder

# Failures in a row that only a machine explains, on one that trains, until they are the idea's: so
# many that chance would hardly bring them, as often as the machine fails others; at least, at most.
_CHANCE = 1e-5
LEAST_STRIKES, _MOST_STRIKES = 3, 12
_FINE = 46  # tries that a machine is credited with before its first: three strikes are enough then
_IN_A_ROW = 2  # experiments without a score, for whatever reason, until the machine is looked at
_SHARE = 20  # a canary's budget is this part of a trial's
_LEAST_SECONDS = 2.0


@dataclass
class Health:
    """The state of one slot's machine: `failures` in a row; `sick`, by the last canary.

    `tries` and `spoiled` say how often it fails what comes through when it is tried again.
    """

    registry: Registry
    recording: TrialRecorder
    setup: TrialSetup
    backoff: Backoff
    failures: int = field(default=0, init=False)
    sick: bool = field(default=False, init=False)
    tries: int = field(default=0, init=False)
    spoiled: int = field(default=0, init=False)
    _why: str = field(default="", init=False)
    _whole: bool = field(default=False, init=False)

    def find_fault(
        self,
        experiment: Experiment,
        failure: FailureKind | None,
        *,
        doubtful: bool,
        strikes: int,
    ) -> Steps[FailureKind | None]:
        """Return whose fault it is that an attempt has no score, the machine looked at if need be.

        Args:
            experiment: whose attempt it was.
            failure: whose fault it seems; None for an attempt that has its score, or was pruned.
            doubtful: it could be the machine's all the same.
            strikes: attempts before that only a machine explains, on a machine that was well.

        Raises:
            Interrupted: the run is to stop.
        """
        if failure in (None, FailureKind.RULE):
            self.failures = 0
            return failure
        self.failures += 1
        suspect = doubtful or failure is FailureKind.MACHINE or self.failures >= _IN_A_ROW
        if not suspect:
            return failure
        if not (yield from self.is_well(experiment)):
            return FailureKind.MACHINE
        self.failures = 0
        excused = failure is FailureKind.MACHINE and strikes + 1 < self.strikes
        return FailureKind.MACHINE if excused else FailureKind.IDEA

    @property
    def strikes(self) -> int:
        """After how many failures in a row that seem the machine's they are the idea's after all.

        A machine that fails one try of ten at random fails some idea three times in a night.
        """
        rate = (self.spoiled + 1) / (self.tries + self.spoiled + _FINE + 1)
        needed = math.ceil(math.log(_CHANCE) / math.log(rate))
        return min(max(needed, LEAST_STRIKES), _MOST_STRIKES)

    def came_through(self, strikes: int) -> None:
        """Note that a training or a scoring came to its end after so many strikes."""
        self.tries += 1
        self.spoiled += strikes

    def is_well(self, experiment: Experiment) -> Steps[bool]:
        """Train a canary; return whether it came through. Without an incumbent there is none.

        Raises:
            Interrupted: the run is to stop.
        """
        known = self._canary(experiment)
        if known is None:
            self.sick = False
            return True
        incumbent, seed = known
        outcome = yield from self._train(incumbent, seed)
        if not _came_through(outcome) and outcome.failure is FailureKind.IDEA and not self._whole:
            # It may be the short budget that this program cannot do with.
            self._whole = True
            outcome = yield from self._train(incumbent, seed)
            self._whole = _came_through(outcome)
        self._why = f"{outcome.ending}: {outcome.detail}"
        self.sick = not _came_through(outcome)
        return not self.sick

    def _train(self, incumbent: Experiment, seed: int) -> Steps[Outcome]:
        trial = self.recording.begin(incumbent, seed, Purpose.CANARY)
        spec = self.setup.spec(trial, str(incumbent.commit_sha))
        spec = replace(spec, scored=False, budget=self._budget())
        with self.recording.broken_off(trial):
            result = yield from self.backoff.executed(spec)
        failure = None if _came_through(result.outcome) else FailureKind.MACHINE
        self.recording.end(trial, result, failure)
        return result.outcome

    def rest(self, experiment: Experiment) -> Steps[None]:
        """Wait, longer and longer, until a canary comes through.

        Raises:
            Interrupted: the run is to stop.
        """
        attempt = 0
        while self.sick:
            why = f"the machine cannot train: the unchanged incumbent fails ({self._why})"
            yield from self.backoff.pause(why, attempt, WaitCause.MACHINE)
            attempt += 1
            yield from self.is_well(experiment)
        self.failures = 0
        self.backoff.on_event(Notice("the machine trains again"))

    def _canary(self, experiment: Experiment) -> tuple[Experiment, int] | None:
        """Return the incumbent and a seed that it came through last; None where none did."""
        incumbent = self.registry.incumbent(self.registry.study_of(experiment))
        if incumbent is None:
            return None
        scored = [each for each in self.registry.trials(incumbent) if each.val_bpb is not None]
        return (incumbent, scored[-1].seed) if scored else None

    def _budget(self) -> Budget:
        whole = self.setup.budget
        short = max(whole.training / _SHARE, _LEAST_SECONDS)
        return whole if self._whole else replace(whole, training=min(whole.training, short))


def _came_through(outcome: Outcome) -> bool:
    # LATE: a step may be longer than so short a budget. It trained to its end.
    return outcome.ending in (Ending.FINISHED, Ending.LATE)
