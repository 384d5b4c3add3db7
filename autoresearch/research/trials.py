"""One trial from row to row, executed until its end is its own."""

from collections.abc import Callable
from dataclasses import replace

from autoresearch.errors import Interrupted
from autoresearch.evaluation import Cause
from autoresearch.execution import Executor, TrialResult, TrialSpec
from autoresearch.gitrepo import GitRepo
from autoresearch.records.events import Event, Notice, TrialScored, TrialStarted
from autoresearch.records.phases import SlotTime
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.tables import Experiment, Trial
from autoresearch.records.values import FailureKind, Purpose
from autoresearch.registry import Registry
from autoresearch.research.backoff import Backoff, Steps
from autoresearch.research.baseline_score import StudyUnits, allowance, keep_measured
from autoresearch.research.checkpoints import tidy
from autoresearch.research.health import Health
from autoresearch.research.profiling import quoted
from autoresearch.research.reference_curves import ReferenceCurves
from autoresearch.research.requests import Request, TrialSetup
from autoresearch.research.slot_clock import SlotClock
from autoresearch.research.tasks import Tasks
from autoresearch.research.trial_recorder import TrialRecorder, finished
from autoresearch.workers.checkpoint_store import CheckpointStore

_BEAT_SECONDS = 10.0
PROFILE_PARTS = 30  # a profile's budget is this part of a trial's
_LEAST_SECONDS = 3.0


class TrialRunner:
    """Runs trials. What the machine spoiled has no verdict, and is run again."""

    def __init__(
        self,
        setup: TrialSetup,
        *,
        executor: Executor,
        backoff: Backoff,
        registry: Registry,
        repo: GitRepo,
        broke: Callable[[], str | None] = lambda: None,
        store: CheckpointStore | None = None,
        reference_curves: ReferenceCurves | None = None,
    ) -> None:
        """Build it.

        Args:
            setup: what all trials share.
            executor: who trains and scores.
            backoff: who is told what happens, and what ends a wait.
            registry: where trials are written down.
            repo: where their code is.
            broke: returns why there is no money for a trial.
            store: where checkpoints go that `promote` may ask for; None keeps none.
            reference_curves: who stops hopeless trials early; None lets all run.
        """
        self._setup = setup
        self.executor = executor
        self._backoff = backoff
        self._on_event: Callable[[Event], None] = backoff.on_event
        self._registry = registry
        self._repo = repo
        self._broke = broke
        self._store = store
        self._reference_curves = reference_curves
        self._units = StudyUnits(registry, backoff.on_event)
        self._beaten = backoff.clock()
        self._healths: dict[str, Health] = {}
        self.slot_clock = SlotClock(backoff.clock)

    def tasks(self) -> Tasks:
        """Return a place where this runner's tasks can be at work."""
        return Tasks(self.executor, self._backoff, self._beat, self.slot_clock)

    def run(self, request: Request) -> Trial:
        """Return a trial that was asked for, run with nothing else at work if it was not yet.

        Raises:
            Interrupted: see `task`.
        """
        experiment = self._registry.experiment(request.experiment, whole=False)
        if (trained := self.known(experiment).get(request.seed)) is not None:
            return trained
        slot = self.executor.slots[0]
        return self.tasks().run(slot, self.task(request, slot))

    def task(self, request: Request, slot: str, waited: float = 0.0) -> Steps[Trial]:
        """Run a trial on a slot, and return its row.

        It was wanted `waited` seconds ago. What failed by the machine's fault is run again, once
        the machine can train.

        Raises:
            Interrupted: the person or the deadline stopped it, and the trial's row says so; or
                there is no money or no time to begin it.
        """
        experiment = self._registry.experiment(request.experiment, whole=False)
        if request.purpose is Purpose.PROFILE:
            return (yield from self._profile(experiment, request, slot, waited))
        told = TrialStarted(
            request.experiment, request.seed, request.purpose, request.incumbent, slot
        )
        health, strikes = self._health(slot), 0
        while True:
            if reason := self._broke():
                raise Interrupted(reason)
            self.require_time(experiment.study_id, 1)
            self._on_event(told)
            self.slot_clock.begin(slot, waited)
            trial = yield from self._attempt(experiment, request, slot, strikes)
            waited = 0.0
            self._on_event(
                TrialScored(request.experiment, trial.seed, trial.val_bpb, trial.detail, slot)
            )
            if trial.failure is not FailureKind.MACHINE:
                if trial.val_bpb is not None:
                    health.came_through(strikes)
                return trial
            strikes += not health.sick
            why = f"{trial.ending}: {trial.detail}"
            name = f"experiment {experiment.id}"
            self._on_event(Notice(f"no fault of {name}'s ({why}): it is trained again"))
            if health.sick:
                yield from health.rest(experiment)

    def _profile(
        self, experiment: Experiment, request: Request, slot: str, waited: float
    ) -> Steps[Trial]:
        """Train an experiment for a moment under the profiler. A failure is the row's alone.

        What its row says of lines is the commit's own text.
        """
        self._on_event(TrialStarted(request.experiment, request.seed, request.purpose, slot=slot))
        self.slot_clock.begin(slot, waited)
        recording = self._recording(slot)
        trial = recording.begin(experiment, request.seed, request.purpose)
        commit = str(experiment.commit_sha)
        whole = self._setup.budget
        short = min(whole.training, max(whole.training / PROFILE_PARTS, _LEAST_SECONDS))
        spec = replace(
            self._setup.spec(trial, commit),
            scored=False,
            profiled=True,
            budget=replace(whole, training=short),
        )
        with recording.broken_off(trial, lambda: self.slot_clock.end(slot)):
            result = yield from self._backoff.executed(spec)
        took = self.slot_clock.end(slot)
        files = self._backoff.retry(lambda: self._repo.read_files(commit, ("**/*.py",)))
        profile = quoted(result.outcome.profile, files)
        result = replace(result, outcome=replace(result.outcome, profile=profile))
        return recording.end(trial, result, None if profile else result.outcome.failure, took)

    def too_late(self, study: int, trials: int = 1) -> str | None:
        """Return why so many trials cannot come to an end before the deadline; None if they may.

        The quickest of the last scored ones of a study, by its number, says how long one takes.
        """
        left = self._backoff.left
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

    def close(self) -> None:
        """End what was made ready. More trials may follow."""
        self.executor.close()

    def known(self, experiment: Experiment) -> dict[int, Trial]:
        """Return the trial of every seed that is not trained again."""
        trials = finished(self._registry, experiment)
        return {each.seed: each for each in trials if each.purpose is not Purpose.DRIFT}

    def lacks(self, experiment: Experiment) -> str:
        """Return in one line what its trials lack of the person's checkout; empty if nothing."""
        commit, setup = str(experiment.commit_sha), self._setup
        found = self._repo.gaps(commit, setup.entry, setup.shown)
        return "; ".join(map(str, found[:3]))

    def tidy(self) -> None:
        """Remove the checkpoints that nobody will ask for."""
        if self._store is not None:
            tidy(self._store, self._registry)

    def _attempt(
        self, experiment: Experiment, request: Request, slot: str, strikes: int
    ) -> Steps[Trial]:
        """Execute it once; return its finished row, in which stands whose fault a failure was."""
        health, recording = self._health(slot), self._recording(slot)
        trial = recording.begin(experiment, request.seed, request.purpose)
        took: SlotTime | None = None
        try:
            with recording.broken_off(trial, lambda: took or self.slot_clock.end(slot)):
                spec = self._spec(trial, experiment, request)
                result = yield from self._backoff.executed(spec)
                took = self.slot_clock.end(slot)  # what more is done here looks into the machine
                result = yield from self._scored(experiment, spec, result, health)
                score = self._units.comparable(experiment, result.score)
                result = replace(result, score=score)
                # What scoring failed for was looked into while the checkpoint was still there.
                failure = yield from health.find_fault(
                    experiment,
                    result.failure,
                    doubtful=result.outcome.doubtful,
                    strikes=health.strikes if isinstance(result.score, Unscored) else strikes,
                )
        finally:
            self.executor.release(slot, trial.number)
        keep_measured(self._registry, experiment, result.score, self._on_event)
        trial = recording.end(trial, result, failure, took)
        self.tidy()
        return trial

    def _spec(self, trial: Trial, experiment: Experiment, request: Request) -> TrialSpec:
        spec = self._setup.spec(trial, str(experiment.commit_sha))
        study = self._registry.study_of(experiment)
        spec = replace(spec, allowance=allowance(self._registry, study.tag, self._setup.tolerance))
        screened = request.purpose is Purpose.SCREENING and not request.incumbent
        if self._reference_curves is None or not screened:
            return spec
        return replace(spec, reference=self._reference_curves.reference(experiment, request.seed))

    def _scored(
        self, experiment: Experiment, spec: TrialSpec, result: TrialResult, health: Health
    ) -> Steps[TrialResult]:
        """Have a checkpoint scored again while the machine is to blame that it has no score.

        Training it again would cost far more. Lack of memory is the idea's fault only beside a
        machine on which the incumbent fits.
        """
        strikes = pauses = 0
        while result.held and isinstance(found := result.score, Unscored):
            if found.cause == Cause.START:  # a canary would say nothing: it needs no server
                yield from self._backoff.pause(f"scoring cannot start: {found.reason}", pauses)
                pauses += 1
            elif not (yield from health.is_well(experiment)):
                yield from health.rest(experiment)
            elif found.cause == Cause.MEMORY:
                break
            else:
                strikes += 1
                if strikes == health.strikes:
                    break
                self._on_event(Notice(f"scoring failed ({found.cause}: {found.reason}); once more"))
            result = yield from self._backoff.executed(replace(spec, again=True))
        if isinstance(result.score, Score):
            health.came_through(strikes)
        return result

    def _health(self, slot: str) -> Health:
        """Return the state of a slot's machine; slots may come and go."""
        if slot not in self._healths:
            self._healths[slot] = Health(
                self._registry, self._recording(slot), self._setup, self._backoff
            )
        return self._healths[slot]

    def _recording(self, slot: str) -> TrialRecorder:
        """Return what writes a slot's trials, under its name where there are several."""
        name = self.executor.name
        several = len(self.executor.slots) > 1
        return TrialRecorder(self._registry, f"{name}:{slot}" if several else name)

    def _beat(self) -> None:
        """Tell the registry now and then that this run is alive, whatever it waits for."""
        now = self._backoff.clock()
        if now - self._beaten >= _BEAT_SECONDS:
            self._beaten = now
            self._registry.heartbeat()
