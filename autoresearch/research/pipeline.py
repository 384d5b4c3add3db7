"""Has proposals made: as many as slots will come free while they are thought of."""

from collections import deque
from dataclasses import dataclass, field
from functools import partial

from autoresearch.proposers import Brief, Remaining
from autoresearch.records.proposals import Proposal, Rejection
from autoresearch.records.tables import Experiment, Study
from autoresearch.registry import Registry
from autoresearch.research.admission import BASELINE
from autoresearch.research.agenda import Agenda
from autoresearch.research.backoff import Backoff
from autoresearch.research.briefing import Briefing
from autoresearch.research.open_experiments import OpenExperiments
from autoresearch.research.plan import Pace, proposals_at_once, proposals_wanted, until_wanted
from autoresearch.research.requesting import ProposalRequests
from autoresearch.research.reversals import Reversals
from autoresearch.research.schedule import ProposerSchedule
from autoresearch.research.stopping import MoneyCap, Stopper
from autoresearch.research.tasks import Tasks
from autoresearch.research.trials import TrialRunner

_LAST = 4  # proposals whose time says how long the next one takes
_LOOK_SECONDS = 10.0  # after so long what is due is looked at again, though nothing has happened
_PAST = 0.05  # seconds by which a moment is certainly past


@dataclass(frozen=True)
class ProposalPipeline:
    """Asks for proposals, and hands on those that come.

    `ahead` of them may be made for slots that are not free yet; `took` are the seconds of the last.
    """

    registry: Registry
    agenda: Agenda
    experiments: OpenExperiments
    briefing: Briefing
    reversals: Reversals
    requests: ProposalRequests
    schedule: ProposerSchedule
    trials: TrialRunner
    tasks: Tasks
    stopper: Stopper
    money_cap: MoneyCap
    backoff: Backoff
    ahead: int
    took: deque[float] = field(default_factory=lambda: deque(maxlen=_LAST), init=False)

    @property
    def for_thought(self) -> float | None:
        """How long a proposal may take for a training to fit behind it; None: any time."""
        left = self.backoff.left
        return None if left is None else left - self.agenda.quickest

    @property
    def look_seconds(self) -> float:
        """After how long what is due is to be looked at again, though nothing has happened."""
        return min(_LOOK_SECONDS, until_wanted(self._slot_ends(), self._pace) + _PAST)

    def take_in(self) -> None:
        """Take up the proposals that have come since.

        Raises:
            Interrupted: a proposer was told to stop.
        """
        found = self.requests.answers()
        self.took.extend(each.seconds for each in found)
        for made in found:
            shown = self.registry.experiment(made.incumbent, whole=False)
            holds = self.experiments.open(made.proposal, shown, made.turn.control)
            self.schedule.record_check(made.turn.participant, refused=not holds)

    def think(self) -> None:
        """Have proposals thought of, if more are wanted; a study begins with its baseline."""
        incumbent = self.agenda.incumbent
        if incumbent is None:
            if not self.agenda.works:
                self.experiments.open(BASELINE, None)
            return
        pace, ends = self._pace, self._slot_ends()
        made = len(self.agenda.waiting) + self.schedule.awaited
        room = self.stopper.proposals_left(self.agenda.begun)
        wanted = proposals_wanted(
            ends, made, pace, ahead=self.ahead, room=room, left=self.backoff.left
        )
        at_once = proposals_at_once(wanted, ends, made, pace, ahead=self.ahead, room=room)
        now = self.tasks.spare - made  # how many are for a slot that is free now
        if wanted > 0:
            self.trials.executor.prepare()
        taken = self._reverse(incumbent, wanted)
        wanted, now = wanted - taken, now - taken
        while wanted > 0:
            asked = self.requests.ask(
                partial(self.backoff.retry, partial(self._brief, incumbent)),
                partial(self._check, self.agenda.study, incumbent),
                wanted,
                at_once,
                self.for_thought,
                ahead=now <= 0,
            )
            if not asked:
                return
            wanted, now = wanted - asked, now - asked

    def _reverse(self, incumbent: Experiment, most: int) -> int:
        """Take up the reverses of refuted keeps below the incumbent; return how many are due.

        One that is still being checked is due as well, and is looked for again.
        """
        find = partial(self.reversals.next, self.agenda.study, incumbent)
        for taken in range(most):
            back = self.backoff.retry(find)
            if back is None:
                return taken
            if not self.experiments.is_checked(back, incumbent):
                return taken + 1
            self.experiments.open(back, incumbent)
        return most

    def _check(self, study: Study, incumbent: Experiment, made: Proposal) -> Rejection | None:
        """Return why a proposal would be refused; for the thread of who makes it.

        What was paid for is not lost because it cannot be looked at now.
        """
        check = self.experiments.admission.check
        return self.backoff.retry(partial(check, study, made, incumbent))

    @property
    def _pace(self) -> Pace:
        return Pace(max(self.took, default=0.0), self.agenda.quickest)

    def _slot_ends(self) -> list[float]:
        """Return in how many seconds each slot will be free; 0 where it is."""
        return [*self.agenda.busy(), *(0.0 for _ in range(self.tasks.spare))]

    def _brief(self, incumbent: Experiment) -> Brief:
        rows = [each.row for each in self.agenda.works.values()]
        remaining = Remaining(
            seconds=self.backoff.left,
            experiments=self.stopper.experiments_left(0),
            usd=self.money_cap.left,
            training=self.agenda.quickest or None,
        )
        return self.briefing.brief(self.agenda.study, incumbent, remaining, rows)
