"""One trial from row to row, executed until its end is its own."""

from collections.abc import Callable
from pathlib import Path

from autoresearch.errors import Interrupted
from autoresearch.evaluation import Cause
from autoresearch.records.events import Event, Notice, TrialScored, TrialStarted
from autoresearch.records.scores import Unscored
from autoresearch.records.tables import Experiment, Trial
from autoresearch.records.values import FailureKind, Purpose
from autoresearch.registry import Registry
from autoresearch.research.executing import Executing
from autoresearch.research.health import STRIKES, Health
from autoresearch.research.racing import Racing
from autoresearch.research.recording import Attempt, Recording, settled
from autoresearch.research.shelving import tidy
from autoresearch.workers.shelf import Shelf


class TrialRunner:
    """Runs trials. What the machine spoiled has no verdict, and is run again."""

    def __init__(
        self,
        executing: Executing,
        *,
        registry: Registry,
        broke: Callable[[], str | None] = lambda: None,
        shelf: Shelf | None = None,
        racing: Racing | None = None,
    ) -> None:
        """Build it.

        Args:
            executing: who trains and scores.
            registry: where trials are written down.
            broke: returns why there is no money for a trial.
            shelf: where checkpoints go that `promote` may ask for; None keeps none.
            racing: who stops hopeless trials early; None lets all run.
        """
        self._executing = executing
        self._registry = registry
        self._recording = Recording(registry, executing.worker.name)
        self._see: Callable[[Event], None] = executing.see
        self._broke = broke
        self._shelf = shelf
        self._racing = racing
        self._health = Health(
            registry, self._recording, executing, executing.patience, executing.see
        )

    def run(
        self, experiment: Experiment, seed: int, purpose: Purpose, *, incumbent: bool = False
    ) -> Trial:
        """Return this experiment's trial on this seed, from the registry if it was run already.

        To look for drift it is run again, whatever the registry has. What failed by the machine's
        fault is run again, once the machine can train.

        Args:
            experiment: one with a commit.
            seed: of initialisation and data order.
            purpose: why, for the row and for who looks on.
            incumbent: whether it is the other side of a pair.

        Raises:
            Interrupted: the person or the deadline stopped it, and the trial's row says so; or
                there is no money or no time to begin it.
        """
        known = self.known(experiment) if purpose is not Purpose.DRIFT else {}
        if seed in known:
            return known[seed]
        strikes = 0
        while True:
            if reason := self._broke():
                raise Interrupted(reason)
            self.require_time(experiment.study_id, 1)
            self._see(TrialStarted(int(experiment.id or 0), seed, purpose, incumbent))
            raced = purpose is Purpose.SCREENING and not incumbent
            trial = self._attempt(experiment, seed, purpose, strikes, raced=raced)
            self._see(TrialScored(trial.experiment_id, seed, trial.val_bpb, trial.detail))
            if trial.failure is not FailureKind.MACHINE:
                return trial
            strikes += not self._health.sick
            self._excuse(experiment, trial)

    def profile(self, experiment: Experiment, seed: int) -> bool:
        """Train an experiment for a moment under the profiler; return whether there was money.

        What its row says of lines is the commit's own text. A failure is the row's alone.

        Args:
            experiment: one that trains.
            seed: that it came through.

        Raises:
            Interrupted: the run is to stop; the row says so.
        """
        if self._broke():
            return False
        self._see(TrialStarted(int(experiment.id or 0), seed, Purpose.PROFILE))
        trial, commit = (
            self._recording.begin(experiment, seed, Purpose.PROFILE),
            experiment.commit_sha,
        )
        with self._recording.beating(trial):
            try:
                outcome = self._executing.profile(trial, str(commit))
            except Interrupted as stopped:
                self._recording.interrupted(trial, str(stopped))
                raise
            failure = None if outcome.profile else outcome.failure
            self._recording.end(trial, Attempt(outcome), failure)
        return True

    def too_late(self, study: int, trials: int = 1) -> str | None:
        """Return why so many trials cannot come to an end before the deadline; None if they may.

        The quickest of the last scored ones of a study, by its number, says how long one takes.
        """
        left = self._executing.patience.left
        if left is None:
            return None
        needed = trials * self._registry.quickest(study)
        if left >= needed:
            return None
        what = "a training takes" if trials == 1 else f"{trials} trainings take"
        return f"the time is up: {left:.0f} s are left, and {what} {needed:.0f} s"

    def require_time(self, study: int, trials: int) -> None:
        """Begin nothing that cannot end; see `too_late`.

        Raises:
            Interrupted: the deadline is too near for so many trials.
        """
        if reason := self.too_late(study, trials):
            raise Interrupted(reason)

    def prepare(self) -> None:
        """Make ready for scoring while there is something else to wait for; do not wait."""
        self._executing.evaluator.prepare(self._executing.setup.work)

    def close(self) -> None:
        """End what was made ready. More trials may follow."""
        self._executing.evaluator.close()

    def known(self, experiment: Experiment) -> dict[int, Trial]:
        """Return the trial of every seed that `run` would not train again."""
        trials = [each for each in self._registry.trials(experiment) if settled(each)]
        return {each.seed: each for each in trials if each.purpose is not Purpose.DRIFT}

    def lacks(self, experiment: Experiment) -> str:
        """Return in one line what its trials lack of the person's checkout; empty if nothing."""
        executing = self._executing
        found = executing.repo.gaps(str(experiment.commit_sha), executing.setup.entry)
        return "; ".join(map(str, found[:3]))

    def tidy(self) -> None:
        """Remove the checkpoints that nobody will ask for."""
        if self._shelf is not None:
            tidy(self._shelf, self._registry)

    def _attempt(
        self, experiment: Experiment, seed: int, purpose: Purpose, strikes: int, *, raced: bool
    ) -> Trial:
        """Execute it once; return its finished row, in which stands whose fault a failure was."""
        trial = self._recording.begin(experiment, seed, purpose)
        with self._recording.beating(trial):
            try:
                attempt = self._executing.execute(
                    trial,
                    str(experiment.commit_sha),
                    heat=self._racing.heat(experiment, seed) if self._racing and raced else None,
                    again=self._scoring_again(experiment),
                    scored=lambda checkpoint: self._shelve(trial, checkpoint),
                )
                # What scoring failed for was looked into while the checkpoint was still there.
                unscored = isinstance(attempt.score, Unscored)
                failure = self._health.judge(
                    experiment,
                    attempt.failure,
                    doubtful=attempt.outcome.doubtful,
                    strikes=STRIKES if unscored else strikes,
                )
            except Interrupted as stopped:
                self._recording.interrupted(trial, str(stopped))
                raise
            trial = self._recording.end(trial, attempt, failure)
        self.tidy()
        return trial

    def _scoring_again(self, experiment: Experiment) -> Callable[[Unscored], bool]:
        """Return who decides whether a checkpoint without a score is scored again.

        It is where the machine is to blame: training it again would cost far more.
        """
        strikes = pauses = 0

        def again(found: Unscored) -> bool:
            nonlocal strikes, pauses
            if found.kind is not FailureKind.MACHINE:
                return False
            if found.cause == Cause.START:  # a canary would say nothing: it needs no server
                self._executing.patience.pause(f"scoring cannot start: {found.reason}", pauses)
                pauses += 1
                return True
            if not self._health.is_well(experiment):
                self._health.rest(experiment)
                return True
            strikes += 1
            if strikes == STRIKES:
                return False
            self._see(Notice(f"scoring failed ({found.cause}: {found.reason}); once more"))
            return True

        return again

    def _excuse(self, experiment: Experiment, trial: Trial) -> None:
        why = f"{trial.ending}: {trial.detail}"
        self._see(Notice(f"no fault of experiment {experiment.id}'s ({why}): it is trained again"))
        if self._health.sick:
            self._health.rest(experiment)

    def _shelve(self, trial: Trial, checkpoint: Path) -> None:
        if self._shelf is not None and not self._shelf.put(int(trial.id or 0), checkpoint):
            self._see(Notice(f"no room to keep the checkpoint of trial {trial.id} for `promote`"))
