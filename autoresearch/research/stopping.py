"""When a run ends, and what of it was done until then."""

from collections.abc import Callable
from dataclasses import dataclass, field

from autoresearch.errors import Interrupted
from autoresearch.records.money import ROUNDING, Account
from autoresearch.records.tables import Study
from autoresearch.records.text import counted
from autoresearch.records.values import UNCOUNTED, Verdict
from autoresearch.registry import Registry
from autoresearch.research.backoff import Backoff
from autoresearch.research.control import Control
from autoresearch.research.trials import TrialRunner


@dataclass(frozen=True)
class StopRules:
    """When a run ends by itself. `deadline` is on the run's own clock; None means never.

    `experiments` and `patience` count those that were trained. A proposer of which only refusals
    come ends the run all the same: it is asked no more after a few in a row
    (`schedule.MOST_REFUSALS`).
    """

    deadline: float | None = None
    experiments: int | None = None
    patience: int | None = None


@dataclass(frozen=True)
class MoneyCap:
    """The run's money. `trial_usd` is the most that one trial can cost on this machine."""

    ledger: Account
    trial_usd: float = 0.0

    @property
    def left(self) -> float | None:
        """US dollars that the tightest cap leaves; None where there is no cap."""
        return self.ledger.remaining()

    @property
    def trials(self) -> int | None:
        """How many trials are sure to be paid for; None: any number."""
        left = self.left if self.trial_usd else None
        return None if left is None else int((left + ROUNDING) // self.trial_usd)

    def reached(self, trials: int = 1) -> str | None:
        """Return why there is no money for so many trials; None if there is.

        Where trials are free only thinking is capped: who has no money makes way for who needs
        none.
        """
        paid = self.trials
        if paid is None or paid >= trials:
            return None
        what = "a trial may cost" if trials == 1 else f"{trials} trials may cost"
        leave = f"the caps leave ${max(self.left or 0, 0):.2f}"
        return f"{what} ${trials * self.trial_usd:.2f}, and {leave}"


@dataclass
class Stopper:
    """Counts what a run has done, and says why it is to end. A reason once found stays."""

    rules: StopRules
    registry: Registry
    trials: TrialRunner
    money_cap: MoneyCap
    backoff: Backoff
    interrupted: Callable[[], bool]
    control: Control
    _reason: str = field(default="", init=False)
    _finished: int = field(default=0, init=False)
    # What was refused before training is none of those that were asked for.
    _trained: int = field(default=0, init=False)

    def count(self, verdict: Verdict, *, begun: bool) -> None:
        """Count an experiment that has its verdict; `begun`: what came of it, it was trained."""
        self._finished += 1
        self._trained += begun or verdict not in UNCOUNTED

    def experiments_left(self, begun: int) -> int | None:
        """Return how many experiments more may begin beside those that have; None: any number."""
        if self.rules.experiments is None:
            return None
        return max(self.rules.experiments - self._trained - begun, 0)

    def proposals_left(self, begun: int) -> int | None:
        """Return for how many proposals there may be a training, as far as money goes, too."""
        bounds = self.experiments_left(begun), self.money_cap.trials
        return min((each for each in bounds if each is not None), default=None)

    def stop(self, reason: str) -> None:
        """End the run for a reason, if it does not end already."""
        self._reason = self._reason or reason

    def reason(self, study: Study, *, busy: bool = False) -> str:
        """Return why nothing new is to begin; "" while it may.

        Where trials are at work (`busy`), what they have reserved may come back: want of money is
        no reason yet.
        """
        self.stop(self._found(study, busy=busy) or "")
        return self._reason

    def baseline_failed(self, study: Study) -> str | None:
        """Return how the unchanged project failed, if it did in this run."""
        if not self._finished or self.registry.incumbent(study) is not None:
            return None
        last = self.registry.experiments(study, last=1)[0]
        where = f"autoresearch status {last.id} --log"
        return f"the baseline failed ({last.reason}): see `{where}`, mend it, commit and run again"

    def all_spent(self, study: Study) -> bool:
        """Whether nothing at all may begin, what is in doubt at the end included."""
        return bool(self.money_cap.reached() or self.baseline_failed(study))

    def raise_if_interrupted(self) -> None:
        """Return if the person has not stopped the run.

        Raises:
            Interrupted: they have.
        """
        if self.interrupted():
            msg = "interrupted; everything is saved, and `autoresearch run` continues"
            raise Interrupted(msg)

    def _found(self, study: Study, *, busy: bool) -> str | None:
        if self.interrupted():
            return "interrupted"
        if reason := self.control.why():
            return reason
        broke = None if busy else self.money_cap.reached()
        return self.baseline_failed(study) or self._rule_reached(study) or broke

    def _rule_reached(self, study: Study) -> str | None:
        rules, done = self.rules, self._trained
        if rules.deadline is not None and self.backoff.clock() >= rules.deadline:
            return "the time is up"
        if late := self.trials.too_late(study.number):
            return late
        if rules.experiments is not None and done >= rules.experiments:
            return f"{counted(done, 'experiment')} {'is' if done == 1 else 'are'} done"
        if rules.patience is not None and self.registry.since_keep(study) >= rules.patience:
            return f"no improvement in {counted(rules.patience, 'experiment')}"
        return None
