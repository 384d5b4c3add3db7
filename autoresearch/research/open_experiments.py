"""Open experiments: from a row to a commit, on top of what is kept meanwhile, to a verdict."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import partial

from autoresearch import policy
from autoresearch.records.events import ExperimentOpened
from autoresearch.records.proposals import Proposal, Rejection
from autoresearch.records.tables import Experiment
from autoresearch.records.values import Verdict
from autoresearch.registry import Registry
from autoresearch.research.admission import Admission
from autoresearch.research.agenda import Agenda, OpenExperiment
from autoresearch.research.background import BackgroundChecks
from autoresearch.research.backoff import Backoff
from autoresearch.research.recorder import Recorder
from autoresearch.research.requests import Wanted
from autoresearch.research.stopping import Stopper
from autoresearch.research.trial_recorder import is_finished


@dataclass(frozen=True)
class OpenExperiments:
    """Takes experiments up, keeps those that wait on top of the incumbent, and closes them.

    What is to be smoke-tested on top of another incumbent waits for that as it was, and the run
    goes on: see `checks`.
    """

    registry: Registry
    agenda: Agenda
    admission: Admission
    recorder: Recorder
    stopper: Stopper
    backoff: Backoff
    checks: BackgroundChecks

    def is_checked(self, proposal: Proposal, incumbent: Experiment) -> bool:
        """Whether it is known if a proposal would be trained; if not, it is being found out."""
        check = partial(self.admission.check, self.agenda.study, proposal, incumbent)
        return self._is_done((proposal.change.text, incumbent.number), check)

    def open(self, proposal: Proposal, shown: Experiment | None, control: str = "") -> bool:
        """Make a row of a proposal and take it up; return whether its change holds.

        Args:
            proposal: a change of the experiment that its author was shown. Where another was kept
                meanwhile, it is put on top of that like all that waits.
            shown: that experiment; None for the baseline.
            control: see `Admission.open`.
        """
        return self.take_up(self.admission.open(self.agenda.study, proposal, shown, control))

    def take_up(self, row: Experiment) -> bool:
        """Let an open experiment wait for its turn; return whether its change holds."""
        self.backoff.on_event(ExperimentOpened.of(row))
        trials = self.registry.trials(row)
        found = self.backoff.retry(partial(self.admission.commit, self.agenda.study, row))
        if isinstance(found, Rejection):
            self._close(row, policy.Decision(Verdict.INVALID, None, found.reason))
            return False
        self.agenda.works[row.number] = OpenExperiment(
            found,
            begun=any(map(is_finished, trials)),
            resumed=bool(trials),
            since=self.backoff.clock(),
        )
        return True

    def decide(self) -> None:
        """Write the verdicts that are earned, and learn what the others still need."""
        for work in self.agenda.undecided():
            found = self.agenda.step(work)
            if found is not None or self._is_overtaken(work.row):
                self._close(work.row, found)

    def ready(self, most: int) -> list[Wanted]:
        """Return what experiments that wait need first, of so many at most."""
        found = list[Wanted]()
        for work in self.agenda.waiting:
            if len(found) == most:
                break
            if self._keep_up(work):
                decision = self.agenda.step(work)
                if decision is not None:
                    self._close(work.row, decision)
                elif work.wanted:
                    found.append(work.wanted)
        return found

    def _keep_up(self, work: OpenExperiment) -> bool:
        """Put what waits on top of the incumbent; return whether it is there.

        It is dropped where it does not fit, and waits on while that is not known.
        """
        incumbent = self.agenda.incumbent
        if incumbent is None or work.resumed or not self._is_overtaken(work.row):
            return True
        if not self._is_checked_on(work.row, incumbent):
            return False
        rebase = partial(self.admission.rebase, self.agenda.study, work.row, incumbent)
        found = self.backoff.retry(rebase)
        if not isinstance(found, Rejection):
            work.row = found
            return True
        told = f"experiment {incumbent.id} was kept before its turn came: {found.reason}"
        self._close(work.row, policy.Decision(Verdict.STALE, None, told))
        return False

    def _is_overtaken(self, row: Experiment) -> bool:
        """Whether another was kept since it was opened."""
        incumbent = self.agenda.incumbent
        return incumbent is not None and row.parent_id not in (None, incumbent.id)

    def _is_checked_on(self, row: Experiment, incumbent: Experiment) -> bool:
        """Whether it is known if a change fits on top of another; if not, it is being found out."""
        check = partial(self.admission.check_on, self.agenda.study, row, incumbent)
        return self._is_done((row.number, incumbent.number), check)

    def _is_done(self, name: Hashable, check: Callable[[], object]) -> bool:
        return self.admission.is_quick or self.checks.is_done(name, check)

    def _close(self, row: Experiment, decision: policy.Decision | None) -> None:
        """Write a verdict; None: in doubt beside a parent that is no longer the best.

        A late winner is left undecided while it is not known whether it fits on top of the best.
        """
        incumbent = self.agenda.incumbent
        good = decision is None or decision.verdict is Verdict.KEEP
        if good and incumbent is not None and self._is_overtaken(row):
            if not self._is_checked_on(row, incumbent):
                self.agenda.works[row.number].wanted = None  # no trial more beside the old parent
                return
            stale = decision or policy.Decision(Verdict.STALE, None, "")
            decision = self._again(row, stale, incumbent)
        assert decision is not None
        self.recorder.record_verdict(self.agenda.study, row, decision)
        work = self.agenda.works.pop(row.number, None)
        self.agenda.reread()
        self.stopper.count(decision.verdict, begun=work is not None and work.begun)

    def _again(
        self, row: Experiment, found: policy.Decision, incumbent: Experiment
    ) -> policy.Decision:
        """Try a late winner on the incumbent, as a new experiment; return the old one's end.

        No further trial is spent on the old comparison, and the branch holds only code that was
        trained.
        """
        told = f"promising beside experiment {row.parent_id}, but {incumbent.id} was kept meanwhile"
        again = self.admission.repeat_on(self.agenda.study, row, incumbent)
        if isinstance(again, Rejection):
            told = f"{told}, and on top of that it does not fit: {again.reason}"
        else:
            if again.id not in self.agenda.works:
                self.take_up(again)
            told = f"{told}: tried on top of that as experiment {again.id}"
        return replace(found, verdict=Verdict.STALE, reason=told)
