"""The night as one sentence: next experiment, train, score, judge, keep or discard."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from autoresearch import policy, preflight
from autoresearch.config import Project
from autoresearch.errors import Interrupted
from autoresearch.gitrepo import GitRepo, commit_message
from autoresearch.proposers import Proposer
from autoresearch.records.events import (
    Event,
    ExperimentDone,
    ExperimentOpened,
    StudyOpened,
    StudyStopped,
)
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import (
    Category,
    Change,
    ChangeFormat,
    Estimate,
    ExperimentState,
    Proposal,
    Reading,
    Rejection,
    StudyState,
    Verdict,
)
from autoresearch.registry import Registry
from autoresearch.research.briefing import Briefing
from autoresearch.research.study import advance
from autoresearch.research.trials import TrialRunner

BASELINE = Proposal("baseline", "the unchanged project", Change.none(), Category.BASELINE)
# In a row: a proposer that writes nothing valid must end the run, not fill the disk.
MAX_REFUSALS = 20


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
        proposers: Sequence[Proposer],
        rules: StopRules,
        clock: Callable[[], float],
        see: Callable[[Event], None],
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.study = study
        self._project = project
        self._registry = registry
        self._repo = repo
        self._trials = trials
        self._briefing = Briefing(registry, repo, project)
        self._proposers = list(proposers)
        self._rules = rules
        self._clock = clock
        self._see = see
        self._interrupted = interrupted
        self._finished = 0
        self._refused = 0

    def run(self) -> str:
        """Work until a rule, the proposers or the person ends it; return why.

        Raises:
            Interrupted: the person stopped it; everything is saved.
        """
        reason = "interrupted"
        self._enter()
        try:
            for experiment in self._experiments():
                self._close_with(experiment, self._conduct(experiment))
            self._raise_if_interrupted()
            reason = self._stop_reason() or "the proposers have nothing more to try"
        except Interrupted:
            self._raise_if_interrupted()
            reason = self._stop_reason() or reason
        finally:
            self._leave(reason)
        return reason

    def _raise_if_interrupted(self) -> None:
        if self._interrupted():
            msg = "interrupted; everything is saved, and `autoresearch run` continues"
            raise Interrupted(msg)

    def _experiments(self) -> Iterator[Experiment]:
        while self._stop_reason() is None:
            experiment = self._next()
            if experiment is None:
                return
            if experiment.state is not ExperimentState.DONE:
                yield experiment

    def _next(self) -> Experiment | None:
        pending = self._registry.unfinished(self.study)
        if pending:
            self._see_opened(pending[0])
            return self._check(pending[0])
        incumbent = self._registry.incumbent(self.study)
        proposal = BASELINE if incumbent is None else self._propose(incumbent)
        return None if proposal is None else self._open(proposal, incumbent)

    def _propose(self, incumbent: Experiment) -> Proposal | None:
        while self._proposers:
            proposer = self._proposers.pop(0)
            proposal = proposer.propose(self._briefing.brief(self.study, incumbent))
            if proposal is not None:
                self._proposers.append(proposer)
                return proposal
        return None

    def _open(self, proposal: Proposal, incumbent: Experiment | None) -> Experiment:
        experiment = self._registry.save(
            Experiment(
                study_id=int(self.study.id or 0),
                parent_id=incumbent.id if incumbent else None,
                state=ExperimentState.OPEN,
                proposer=proposal.proposer,
                hypothesis=proposal.hypothesis,
                category=proposal.category,
                predicted_delta=proposal.predicted_delta,
                change_format=proposal.change.format,
                change_text=proposal.change.text,
                parent_sha=incumbent.commit_sha if incumbent else self.study.base_commit,
                created_at=self._registry.now(),
            )
        )
        self._see_opened(experiment)
        return self._check(experiment)

    def _check(self, experiment: Experiment) -> Experiment:
        """Turn the proposal into a commit, or refuse it; what a killed run did is not redone."""
        if experiment.commit_sha is not None:
            return experiment
        if experiment.parent_id is None:
            return self._commit_baseline(experiment)
        checked = preflight.check(
            _proposal(experiment),
            self._briefing.files(str(experiment.parent_sha)),
            editable=self._project.settings.target.editable,
            seen=self._registry.effects(self.study),
            apply_diff=self._repo.apply_diff,
        )
        if isinstance(checked, Rejection):
            self._refused += 1
            refusal = policy.Decision(Verdict.INVALID, Estimate(0.0), checked.reason)
            return self._close_with(experiment, refusal)
        self._refused = 0
        sha = self._repo.write_commit(
            str(experiment.parent_sha),
            checked.files,
            commit_message(
                experiment.hypothesis, experiment=int(experiment.id or 0), study=self.study.tag
            ),
            experiment.created_at,
        )
        self._repo.set_ref(f"refs/autoresearch/experiments/{experiment.id}", sha, old=None)
        experiment.commit_sha = sha
        experiment.patch = checked.diff
        experiment.effect_hash = checked.effect_hash
        experiment.lines_added = checked.lines_added
        experiment.lines_removed = checked.lines_removed
        return self._registry.save(experiment)

    def _commit_baseline(self, experiment: Experiment) -> Experiment:
        experiment.commit_sha = self.study.base_commit
        experiment.effect_hash = self._briefing.effect(self.study.base_commit)
        return self._registry.save(experiment)

    def _conduct(self, experiment: Experiment) -> policy.Decision:
        incumbent = self._registry.incumbent(self.study)
        if incumbent is None:
            trial = self._trials.run(experiment, policy.FIRST_SEED, "baseline")
            return _failure(trial) or policy.Decision(Verdict.KEEP, Estimate(0.0), "the baseline")
        seed, purpose = self._readings(incumbent)[-1].seed, "screening"
        while True:
            trial = self._trials.run(experiment, seed, purpose)
            if failure := _failure(trial):
                return failure
            if self._trials.run(incumbent, seed, "fresh seed, incumbent").val_bpb is None:
                reason = f"the incumbent failed on seed {seed}: there is no fair comparison"
                return policy.Decision(Verdict.DISCARD, Estimate(0.0), reason)
            judged = policy.judge(
                self._readings(experiment),
                self._readings(incumbent),
                noise=self._noise(),
                simpler=experiment.lines_removed > experiment.lines_added,
            )
            if isinstance(judged, policy.Decision):
                return judged
            seed, purpose = judged.seed, "fresh seed"

    def _close_with(self, experiment: Experiment, decision: policy.Decision) -> Experiment:
        trials = self._registry.trials(experiment)
        readings = _readings(trials)
        compared = readings and experiment.parent_id is not None
        experiment.verdict = decision.verdict
        experiment.reason = decision.reason
        experiment.delta = decision.effect.mean if compared else None
        experiment.delta_error = decision.effect.error if compared else None
        experiment.seconds = sum(trial.total_seconds + trial.scoring_seconds for trial in trials)
        experiment.peak_memory = max((trial.peak_memory for trial in trials), default=0)
        experiment.finished_at = self._registry.now()
        kept = decision.verdict is Verdict.KEEP
        experiment.state = ExperimentState.COMMITTING if kept else ExperimentState.DONE
        experiment = self._registry.save(self._estimated(experiment, readings))
        if kept:
            experiment = advance(self._registry, self._repo, self.study, experiment)
        self._refresh(experiment)
        self._finished += 1
        self._see(_done(experiment))
        return experiment

    def _refresh(self, experiment: Experiment) -> None:
        """Let the incumbent's new readings and the better known noise reach their rows."""
        self.study.sigma = self._noise().seed
        self.study = self._registry.save(self.study)
        if experiment.parent_id is not None:
            parent = self._registry.experiment(experiment.parent_id)
            self._registry.save(self._estimated(parent, self._readings(parent)))

    def _estimated(self, experiment: Experiment, readings: Sequence[Reading]) -> Experiment:
        if readings:
            screened = experiment.parent_id is not None
            estimate = policy.score(readings, self._noise(), screened=screened)
            experiment.val_bpb, experiment.val_bpb_error = estimate.mean, estimate.error
        return experiment

    def _readings(self, experiment: Experiment) -> list[Reading]:
        return _readings(self._registry.trials(experiment))

    def _noise(self) -> policy.Noise:
        readings: dict[int, list[Reading]] = {}
        for number, seed, bpb in self._registry.scored_trials(self.study):
            readings.setdefault(number, []).append(Reading(seed, bpb))
        parents = self._registry.parents(self.study)
        return policy.noise(readings, parents)

    def _stop_reason(self) -> str | None:
        rules = self._rules
        if self._interrupted():
            return "interrupted"
        if rules.deadline is not None and self._clock() >= rules.deadline:
            return "the time is up"
        if rules.experiments is not None and self._finished >= rules.experiments:
            return f"{self._finished} experiments are done"
        if rules.patience is not None and self._registry.since_keep(self.study) >= rules.patience:
            return f"no improvement in {rules.patience} experiments"
        if self._refused >= MAX_REFUSALS:
            return f"{self._refused} proposals in a row were refused"
        return self._baseline_failed()

    def _baseline_failed(self) -> str | None:
        if not self._finished or self._registry.incumbent(self.study) is not None:
            return None
        last = self._registry.experiments(self.study, last=1)[0]
        return f"the baseline failed ({last.reason}); see `autoresearch status {last.id} --log`"

    def _enter(self) -> None:
        self.study = self._registry.save(
            self.study.model_copy(update={"state": StudyState.RUNNING})
        )
        summary = self._registry.summary(self.study)
        self._see(
            StudyOpened(
                tag=self.study.tag,
                branch=self.study.branch,
                budget=self._project.settings.budget(self.study.budget_seconds),
                device=self.study.device,
                trust=self.study.trust,
                proposers=tuple(proposer.name for proposer in self._proposers),
                corpus=self.study.corpus,
                continued=summary.finished > 0,
                baseline_bpb=summary.baseline.val_bpb if summary.baseline else None,
                best_bpb=summary.incumbent.val_bpb if summary.incumbent else None,
            )
        )

    def _leave(self, reason: str) -> None:
        self.study = self._registry.save(
            self.study.model_copy(update={"state": StudyState.STOPPED})
        )
        summary = self._registry.summary(self.study)
        self._see(
            StudyStopped(
                reason=reason,
                finished=summary.finished,
                kept=summary.verdicts.get(Verdict.KEEP, 0),
                discarded=summary.verdicts.get(Verdict.DISCARD, 0),
                crashed=summary.verdicts.get(Verdict.CRASH, 0),
                invalid=summary.verdicts.get(Verdict.INVALID, 0),
                disqualified=summary.verdicts.get(Verdict.DISQUALIFIED, 0),
                per_hour=summary.per_hour,
                baseline_bpb=summary.baseline.val_bpb if summary.baseline else None,
                best_bpb=summary.incumbent.val_bpb if summary.incumbent else None,
            )
        )

    def _see_opened(self, experiment: Experiment) -> None:
        self._see(
            ExperimentOpened(
                int(experiment.id or 0),
                experiment.proposer,
                experiment.hypothesis,
                experiment.category,
            )
        )


def _proposal(experiment: Experiment) -> Proposal:
    change = Change(ChangeFormat(experiment.change_format), experiment.change_text)
    return Proposal(
        experiment.proposer,
        experiment.hypothesis,
        change,
        experiment.category,
        experiment.predicted_delta,
    )


def _readings(trials: Sequence[Trial]) -> list[Reading]:
    return [
        Reading(trial.seed, trial.val_bpb, trial.steps)
        for trial in trials
        if trial.val_bpb is not None
    ]


def _failure(trial: Trial) -> policy.Decision | None:
    """Return the verdict of a trial that has no score; None for one that has."""
    if trial.val_bpb is not None:
        return None
    ended = trial.ending.verdict if trial.ending else None
    verdict = ended or Verdict.DISQUALIFIED
    return policy.Decision(verdict, Estimate(0.0), f"{trial.ending}: {trial.detail}")


def _done(experiment: Experiment) -> ExperimentDone:
    return ExperimentDone(
        experiment_id=int(experiment.id or 0),
        verdict=experiment.verdict or Verdict.CRASH,
        val_bpb=experiment.val_bpb,
        error=experiment.val_bpb_error,
        delta=experiment.delta,
        reason=experiment.reason,
        seconds=experiment.seconds,
        delta_error=experiment.delta_error,
    )
