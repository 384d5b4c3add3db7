"""The night as one sentence: next experiment, train, score, judge, keep or discard."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from autoresearch import policy
from autoresearch.config import Project
from autoresearch.errors import Interrupted
from autoresearch.gitrepo import GitRepo
from autoresearch.proposers import Remaining
from autoresearch.records.events import Event
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import (
    ExperimentState,
    Reading,
    Rejection,
    StudyState,
    Verdict,
)
from autoresearch.registry import Registry
from autoresearch.research import telling
from autoresearch.research.briefing import Briefing
from autoresearch.research.opening import BASELINE, Opening, Rehearse
from autoresearch.research.proposing import Proposing
from autoresearch.research.purse import Purse
from autoresearch.research.remembering import Memory, remember
from autoresearch.research.rota import Rota, Seat
from autoresearch.research.study import advance
from autoresearch.research.trials import TrialRunner


@dataclass(frozen=True)
class StopRules:
    """When a run ends by itself. `deadline` is on the run's own clock; None means never."""

    deadline: float | None = None
    experiments: int | None = None
    patience: int | None = None


class Research:
    """One `run` over one study."""

    def __init__(
        self,
        study: Study,
        *,
        project: Project,
        registry: Registry,
        repo: GitRepo,
        trials: TrialRunner,
        seats: Sequence[Seat],
        purse: Purse,
        rules: StopRules,
        clock: Callable[[], float],
        see: Callable[[Event], None],
        sleep: Callable[[float], None] = time.sleep,
        rehearse: Rehearse | None = None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.study = study
        self._budget = project.settings.budget(study.budget_seconds)
        self._registry = registry
        self._repo = repo
        self._trials = trials
        self._briefing = Briefing(registry, repo, project)
        self._opening = Opening(project, registry, repo, self._briefing, rehearse)
        self._rota = Rota(seats, clock)
        self._proposing = Proposing(
            self._rota, clock=clock, sleep=sleep, see=see, stopped=self._must_stop,
            keep=project.keep_fault,
        )  # fmt: skip
        self._purse = purse
        self._rules = rules
        self._clock = clock
        self._see = see
        self._interrupted = interrupted
        self._finished = 0

    def run(self) -> str:
        """Work until a rule, the proposers or the person ends it; return why.

        Raises:
            Interrupted: the person stopped it; everything is saved.
        """
        reason = "interrupted"
        self._enter()
        try:
            for experiment in self._experiments():
                self._close(experiment, self._conduct(experiment))
            self._raise_if_interrupted()
            reason = self._stop_reason() or self._rota.why()
        except Interrupted:
            self._raise_if_interrupted()
            reason = self._stop_reason() or reason
        finally:
            self._leave(reason)
        return reason

    @property
    def failed(self) -> bool:
        """Whether the person must mend something: the unchanged project, a key, an account."""
        return self._baseline_failed() is not None or self._rota.faulty

    def _experiments(self) -> Iterator[Experiment]:
        while self._stop_reason() is None:
            opened = self._next()
            if opened is None:
                return
            self._see(telling.experiment_opened(opened))
            checked = self._opening.commit(self.study, opened)
            self._rota.judged(refused=isinstance(checked, Rejection))
            if isinstance(checked, Rejection):
                self._close(opened, _decision(Verdict.INVALID, checked.reason))
            else:
                yield checked

    def _next(self) -> Experiment | None:
        pending = self._registry.unfinished(self.study)
        if pending:
            return pending[0]
        incumbent = self._registry.incumbent(self.study)
        if incumbent is None:
            return self._opening.open(self.study, BASELINE, None)
        proposal = self._proposing.next(
            lambda: self._briefing.brief(self.study, incumbent, self._remaining()),
            lambda made: self._opening.check(self.study, made, incumbent),
        )
        return None if proposal is None else self._opening.open(self.study, proposal, incumbent)

    def _remaining(self) -> Remaining:
        rules, now = self._rules, self._clock()
        return Remaining(
            seconds=None if rules.deadline is None else max(rules.deadline - now, 0.0),
            experiments=None if rules.experiments is None else rules.experiments - self._finished,
            usd=self._purse.left,
        )

    def _conduct(self, experiment: Experiment) -> policy.Decision:
        incumbent = self._registry.incumbent(self.study)
        if incumbent is None:
            trial = self._trials.run(experiment, policy.FIRST_SEED, "baseline")
            return _failure(trial) or _decision(Verdict.KEEP, "the baseline")
        seed, purpose = self._readings(incumbent)[-1].seed, "screening"
        while True:
            trial = self._trials.run(experiment, seed, purpose)
            if failure := _failure(trial):
                return failure
            if self._trials.run(incumbent, seed, "fresh seed, incumbent").val_bpb is None:
                reason = f"the incumbent failed on seed {seed}: there is no fair comparison"
                return _decision(Verdict.DISCARD, reason)
            judged = policy.judge(
                self._readings(experiment),
                self._readings(incumbent),
                belief=remember(self._registry, self.study).belief,
                lines=experiment.lines_added - experiment.lines_removed,
            )
            if isinstance(judged, policy.Decision):
                return judged
            seed, purpose = judged.seed, "fresh seed"

    def _close(self, experiment: Experiment, decision: policy.Decision) -> None:
        """Write the verdict; a keep moves the branch between two writes of its row."""
        trials = self._registry.trials(experiment)
        kept = decision.verdict is Verdict.KEEP
        experiment.verdict = decision.verdict
        experiment.reason = decision.reason
        if experiment.parent_id is not None and decision.effect is not None:
            experiment.delta = decision.effect.mean
            experiment.delta_error = decision.effect.error
        experiment.seconds = sum(trial.total_seconds + trial.scoring_seconds for trial in trials)
        experiment.peak_memory = max((trial.peak_memory for trial in trials), default=0)
        experiment.finished_at = self._registry.now()
        experiment.state = ExperimentState.COMMITTING if kept else ExperimentState.DONE
        memory = remember(self._registry, self.study, closing=experiment)
        experiment = self._registry.save(_estimated(experiment, memory))
        if kept:
            experiment = advance(self._registry, self._repo, self.study, experiment)
        if trials:
            self._refresh(experiment, memory)
        self._finished += 1
        self._see(telling.experiment_done(experiment))

    def _refresh(self, experiment: Experiment, memory: Memory) -> None:
        """Let the incumbent's new readings, and the noise once it is known, reach their rows."""
        sigma = memory.noise.seed if memory.noise.measured else None
        first_known = self.study.sigma is None and sigma is not None
        self.study.sigma = sigma
        self.study = self._registry.save(self.study)
        stale: list[Experiment] = []
        if first_known:
            stale = self._registry.experiments(self.study, whole=True)
        elif experiment.parent_id is not None:
            stale = [self._registry.experiment(experiment.parent_id)]
        for row in stale:
            self._registry.save(_estimated(row, memory))

    def _readings(self, experiment: Experiment) -> list[Reading]:
        return [
            Reading(trial.seed, trial.val_bpb, trial.steps)
            for trial in self._registry.trials(experiment)
            if trial.val_bpb is not None
        ]

    def _stop_reason(self) -> str | None:
        if self._interrupted():
            return "interrupted"
        return self._baseline_failed() or self._rule_reached() or self._purse.empty()

    def _must_stop(self) -> bool:
        late = self._rules.deadline is not None and self._clock() >= self._rules.deadline
        return late or self._interrupted()

    def _rule_reached(self) -> str | None:
        rules, done = self._rules, self._finished
        if rules.deadline is not None and self._clock() >= rules.deadline:
            return "the time is up"
        if rules.experiments is not None and done >= rules.experiments:
            return "1 experiment is done" if done == 1 else f"{done} experiments are done"
        if rules.patience is not None and self._registry.since_keep(self.study) >= rules.patience:
            return f"no improvement in {rules.patience} experiments"
        return None

    def _baseline_failed(self) -> str | None:
        if not self._finished or self._registry.incumbent(self.study) is not None:
            return None
        last = self._registry.experiments(self.study, last=1)[0]
        see = f"autoresearch status {last.id} --log"
        return f"the baseline failed ({last.reason}): see `{see}`, mend it, commit and run again"

    def _raise_if_interrupted(self) -> None:
        if self._interrupted():
            msg = "interrupted; everything is saved, and `autoresearch run` continues"
            raise Interrupted(msg)

    def _enter(self) -> None:
        self._set_state(StudyState.RUNNING)
        names = self._rota.names
        summary = self._registry.summary(self.study)
        self._see(telling.study_opened(summary, self._budget, names))

    def _leave(self, reason: str) -> None:
        self._set_state(StudyState.STOPPED)
        self._see(telling.study_stopped(self._registry.summary(self.study), reason))

    def _set_state(self, state: StudyState) -> None:
        self.study = self._registry.save(self.study.model_copy(update={"state": state}))


def _decision(verdict: Verdict, reason: str) -> policy.Decision:
    return policy.Decision(verdict, None, reason)


def _estimated(experiment: Experiment, memory: Memory) -> Experiment:
    estimate = memory.scores.get(int(experiment.id or 0))
    if estimate is not None:
        experiment.val_bpb, experiment.val_bpb_error = estimate.mean, estimate.error
    return experiment


def _failure(trial: Trial) -> policy.Decision | None:
    """Return the verdict of a trial that has no score; None for one that has."""
    if trial.val_bpb is not None:
        return None
    ended = trial.ending.verdict if trial.ending else None
    if ended is None:  # it finished, and the evaluator refused its checkpoint
        return _decision(Verdict.DISQUALIFIED, trial.detail)
    return _decision(ended, f"{trial.ending}: {trial.detail}")
