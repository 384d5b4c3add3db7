"""What a person may have to act on at night, told once a run: nobody left to propose, money low."""

from collections.abc import Callable
from dataclasses import dataclass, field

from autoresearch.records.events import Event, MoneyLow, ProposersOut
from autoresearch.research.schedule import ProposerSchedule
from autoresearch.research.stopping import MoneyCap

LOW = 0.8  # of a cap


@dataclass(frozen=True)
class Alarms:
    """Looks at money and proposers, and tells each thing once."""

    money_cap: MoneyCap
    schedule: ProposerSchedule
    on_event: Callable[[Event], None]
    _told: set[str] = field(default_factory=set, init=False)

    def look(self) -> None:
        """Tell what has come since the last look."""
        if self.schedule.is_over:
            self._once("proposers", ProposersOut(self.schedule.end_reason()))
        for use in self.money_cap.ledger.uses():
            if use.cap and use.spent >= LOW * use.cap:
                self._once(use.name, MoneyLow(use.name, use.spent, use.cap))

    def _once(self, name: str, event: Event) -> None:
        if name not in self._told:
            self._told.add(name)
            self.on_event(event)
