"""The night as one sentence: next experiment, train, score, judge, keep or discard."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from autoresearch import policy
from autoresearch.config import Project
from autoresearch.errors import AutoresearchError, Interrupted
from autoresearch.gitrepo import GitRepo
from autoresearch.proposers import Remaining
from autoresearch.records.tables import Experiment, Study
from autoresearch.records.text import counted
from autoresearch.records.values import ExperimentState, Rejection, StudyState, Verdict
from autoresearch.registry import Registry
from autoresearch.research import telling
from autoresearch.research.books import Books
from autoresearch.research.briefing import Briefing
from autoresearch.research.chores import Chore
from autoresearch.research.comparing import Comparing
from autoresearch.research.confirming import Confirming
from autoresearch.research.drift import Drifting
from autoresearch.research.opening import BASELINE, Opening, Rehearse
from autoresearch.research.patience import Patience
from autoresearch.research.profiling import Profiling
from autoresearch.research.proposing import Proposing
from autoresearch.research.purse import Purse
from autoresearch.research.recording import settled
from autoresearch.research.reversing import Reversing
from autoresearch.research.rota import Rota, Seat
from autoresearch.research.trials import TrialRunner


@dataclass(frozen=True)
class StopRules:
    """When a run ends by itself. `deadline` is on the run's own clock; None means never.

    `experiments` and `patience` count those that were trained. A proposer of which only refusals
    come ends the run all the same: it is asked no more after a few in a row (`rota.MOST_REFUSALS`).
    """

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
        patience: Patience,
        confirm_share: float = 0.0,
        profile: bool = False,
        rehearse: Rehearse | None = None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.study = study
        self._budget = project.settings.budget(study.budget_seconds)
        self._registry = registry
        self._trials = trials
        settings, see = project.settings.policy, patience.see
        self._comparing = Comparing(registry, trials, settings.replicates)
        self._books = Books(registry, repo, see)
        self._confirming = Confirming(
            confirm_share, registry, self._comparing, self._books, lambda: patience.left
        )
        self._drifting = Drifting(settings.drift_every, registry, trials, see)
        # The last: what is taken back at once needs no profile.
        profiling = Profiling(profile, registry, trials)
        self._chores: tuple[Chore, ...] = (self._drifting, self._confirming, profiling)
        self._reversing = Reversing(registry, repo, project.settings.target.editable)
        self._briefing = Briefing(registry, repo, project)
        self._opening = Opening(project, registry, repo, self._briefing, rehearse)
        self._rota = Rota(seats, patience.clock)
        self._proposing = Proposing(self._rota, patience, project.keep_fault)
        self._purse = purse
        self._rules = rules
        self._patience = patience
        self._clock: Callable[[], float] = patience.clock
        self._see = see
        self._interrupted = interrupted
        self._finished = 0
        self._trained = 0  # what was refused before training is none of those that were asked for

    def run(self) -> str:
        """Work until a rule, the proposers or the person ends it; return why.

        Raises:
            Interrupted: the person stopped it; everything is saved.
        """
        reason = "interrupted"
        self._enter()
        try:
            for experiment in self._experiments():
                self._close(experiment, self._comparing.verdict(self.study, experiment))
            self._settle()
            self._raise_if_interrupted()
            reason = self._stop_reason() or self._rota.why()
        except Interrupted as stopped:
            self._raise_if_interrupted()
            reason = self._stop_reason() or str(stopped)
        except AutoresearchError as fault:
            reason = str(fault)
            raise
        finally:
            self._trials.close()
            self._leave(reason)
        return reason

    @property
    def failed(self) -> bool:
        """Whether the person must mend something: the unchanged project, a key, an account."""
        return self._baseline_failed() is not None or self._rota.faulty

    def _experiments(self) -> Iterator[Experiment]:
        while self._stop_reason() is None:
            self._books.follow(self.study)
            if self._attend():
                continue
            opened = self._next()
            if opened is None:
                if self._finish():
                    continue
                return
            self._see(telling.experiment_opened(opened))
            checked = self._patience.through(partial(self._opening.commit, self.study, opened))
            self._rota.judged(refused=isinstance(checked, Rejection))
            if isinstance(checked, Rejection):
                self._close(opened, policy.Decision(Verdict.INVALID, None, checked.reason))
            else:
                yield checked

    def _attend(self) -> bool:
        """Do the first chore that is due; return whether one was."""
        pending = self._open()
        # What a stopped run left open is compared with its parent, which must not be taken back;
        # and its pairs belong to one machine.
        if any(settled(each) for row in pending for each in self._registry.trials(row)):
            return False
        for chore in [self._drifting] if pending else self._chores:
            if chore.attend(self.study):
                self._reread()
                return True
        return False

    def _open(self) -> list[Experiment]:
        rows = self._registry.unfinished(self.study)
        return [each for each in rows if each.state is ExperimentState.OPEN]

    def _finish(self) -> bool:
        """Look once more at what was kept, for nothing is left to try; return whether it helped."""
        if self._stop_reason() is not None or not self._confirming.attend(self.study, patient=True):
            return False
        self._reread()
        return True

    def _settle(self) -> None:
        """Pair what stands on one pair alone in doubt: a run's own end leaves none of it."""
        while not (self._interrupted() or self._purse.empty() or self._baseline_failed()):
            if not self._confirming.settle(self.study):
                return
            self._reread()

    def _next(self) -> Experiment | None:
        pending = self._open()
        if pending:
            return pending[0]
        incumbent = self._registry.incumbent(self.study)
        if incumbent is None:
            return self._opening.open(self.study, BASELINE, None)
        self._trials.prepare()
        through = self._patience.through
        back = through(partial(self._reversing.next, self.study, incumbent))
        proposal = back or self._proposing.next(
            lambda: self._briefing.brief(self.study, incumbent, self._remaining()),
            # What was paid for is not lost because it cannot be looked at now.
            lambda made: through(partial(self._opening.check, self.study, made, incumbent)),
        )
        if proposal is None:
            return None
        return self._opening.open(self.study, proposal, incumbent, self._rota.control)

    def _remaining(self) -> Remaining:
        rules, now = self._rules, self._clock()
        return Remaining(
            seconds=None if rules.deadline is None else max(rules.deadline - now, 0.0),
            experiments=None if rules.experiments is None else rules.experiments - self._trained,
            usd=self._purse.left,
            training=self._registry.quickest(int(self.study.id or 0)) or None,
        )

    def _close(self, experiment: Experiment, decision: policy.Decision) -> None:
        self._books.close(self.study, experiment, decision)
        self._reread()
        self._finished += 1
        self._trained += decision.verdict is not Verdict.INVALID

    def _reread(self) -> None:
        self._trials.tidy()
        self.study = self._registry.study(self.study.tag) or self.study

    def _stop_reason(self) -> str | None:
        if self._interrupted():
            return "interrupted"
        return self._baseline_failed() or self._rule_reached() or self._purse.empty()

    def _rule_reached(self) -> str | None:
        rules, done = self._rules, self._trained
        if rules.deadline is not None and self._clock() >= rules.deadline:
            return "the time is up"
        if late := self._trials.too_late(int(self.study.id or 0)):
            return late
        if rules.experiments is not None and done >= rules.experiments:
            return f"{counted(done, 'experiment')} {'is' if done == 1 else 'are'} done"
        if rules.patience is not None and self._registry.since_keep(self.study) >= rules.patience:
            return f"no improvement in {counted(rules.patience, 'experiment')}"
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
        self._rota.resume(self._registry.experiments(self.study))
        names = self._rota.names
        summary = self._registry.summary(self.study)
        self._see(telling.study_opened(summary, self._budget, names))

    def _leave(self, reason: str) -> None:
        with suppress(Interrupted):  # it waits for the registry, and may wait no longer
            self._set_state(StudyState.STOPPED)
        self._see(telling.study_stopped(self._registry.summary(self.study), reason))

    def _set_state(self, state: StudyState) -> None:
        self._reread()
        self.study = self._registry.save(self.study.model_copy(update={"state": state}))
