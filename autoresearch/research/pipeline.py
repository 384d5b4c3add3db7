"""Proposals on their way from an author to their first trial."""

from collections.abc import Callable
from functools import partial

from autoresearch.config import Project
from autoresearch.gitrepo import GitRepo
from autoresearch.proposers import Brief
from autoresearch.records.events import Event, ExperimentOpened
from autoresearch.records.proposals import Proposal, Rejection
from autoresearch.records.tables import Experiment, Study
from autoresearch.registry import Registry
from autoresearch.research.admission import BASELINE, Admission, SmokeTestRun
from autoresearch.research.agenda import OpenExperiment
from autoresearch.research.backoff import Backoff
from autoresearch.research.briefing import Briefing
from autoresearch.research.requesting import ProposalRequests, ReceivedProposal
from autoresearch.research.reversals import Reversals
from autoresearch.research.schedule import ProposerSchedule
from autoresearch.research.trial_recorder import is_finished

_LAST = 4  # proposals whose time says how long the next one takes


class ProposalPipeline:
    """Has proposals made, makes rows of them, and keeps those that wait on top of the incumbent."""

    def __init__(
        self,
        project: Project,
        registry: Registry,
        repo: GitRepo,
        *,
        schedule: ProposerSchedule,
        backoff: Backoff,
        wake: Callable[[], None],
        smoke_test: SmokeTestRun | None,
    ) -> None:
        """Build it; see `ProposalRequests` for `wake`."""
        self._registry = registry
        self._schedule = schedule
        self._through = backoff.retry
        self._clock = backoff.clock
        self._on_event: Callable[[Event], None] = backoff.on_event
        self.briefing = Briefing(registry, repo, project)
        self._admission = Admission(project, registry, repo, self.briefing, smoke_test)
        self._reversals = Reversals(registry, repo, project.settings.target.editable)
        self._requests = ProposalRequests(schedule, backoff, wake, project.keep_fault)
        self._took: list[float] = []

    @property
    def seconds(self) -> float:
        """How long a proposal takes to be made, as the last ones did; 0 before the first."""
        return max(self._took, default=0.0)

    def answers(self) -> list[ReceivedProposal]:
        """Return the proposals that have come since.

        Raises:
            Interrupted: a proposer was told to stop.
        """
        found = self._requests.answers()
        self._took = [*self._took, *(each.seconds for each in found)][-_LAST:]
        return found

    def ask(
        self,
        study: Study,
        incumbent: Experiment,
        brief: Callable[[], Brief],
        wanted: int,
        at_once: int,
        within: float | None,
        *,
        ahead: bool,
    ) -> int:
        """Ask whoever has the turn; see `ProposalRequests.ask`."""

        def check(made: Proposal) -> Rejection | None:
            # What was paid for is not lost because it cannot be looked at now.
            return self._through(partial(self._admission.check, study, made, incumbent))

        through = partial(self._through, brief)
        return self._requests.ask(through, check, wanted, at_once, within, ahead=ahead)

    def reversal(self, study: Study, incumbent: Experiment) -> Proposal | None:
        """Return the reverse of a refuted keep that is still below the incumbent, if one is due."""
        return self._through(partial(self._reversals.next, study, incumbent))

    def baseline(self, study: Study) -> Experiment:
        """Make a row of the unchanged project."""
        return self.open(study, BASELINE, None)

    def open(
        self, study: Study, proposal: Proposal, incumbent: Experiment | None, control: str = ""
    ) -> Experiment:
        """Make a row of a proposal; see `Admission.open`."""
        return self._admission.open(study, proposal, incumbent, control)

    def admit(self, study: Study, row: Experiment) -> OpenExperiment | Rejection:
        """Make a commit of an open experiment's change, or say why it is refused."""
        self._on_event(ExperimentOpened.of(row))
        trials = self._registry.trials(row)
        checked = self._through(partial(self._admission.commit, study, row))
        if isinstance(checked, Rejection):
            return checked
        return OpenExperiment(
            checked, begun=any(map(is_finished, trials)), resumed=bool(trials), since=self._clock()
        )

    def record_check(self, made: ReceivedProposal, *, refused: bool) -> None:
        """Note whether a proposal was refused before any training."""
        self._schedule.record_check(made.turn.participant, refused=refused)

    def rebase(self, study: Study, work: OpenExperiment, incumbent: Experiment) -> Rejection | None:
        """Put what waits on top of the incumbent; return why it does not fit there, if so."""
        if work.resumed or work.row.parent_id in (None, incumbent.id):
            return None
        found = self._through(partial(self._admission.rebase, study, work.row, incumbent))
        if isinstance(found, Rejection):
            return found
        work.row = found
        return None

    def repeat_on(
        self, study: Study, row: Experiment, incumbent: Experiment
    ) -> Experiment | Rejection:
        """Make a row that tries an experiment's change on another incumbent, if it fits there."""
        return self._admission.repeat_on(study, row, incumbent)
