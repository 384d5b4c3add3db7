"""What a person may have to act on at night, told once a run: nobody left to propose, money low."""

from collections.abc import Callable

from autoresearch.records.events import Event, MoneyLow, ProposersOut
from autoresearch.research.schedule import ProposerSchedule
from autoresearch.research.stopping import MoneyCap

LOW = 0.8  # of a cap


class Alarms:
    """Looks at money and proposers, and tells each thing once."""

    def __init__(
        self, money_cap: MoneyCap, schedule: ProposerSchedule, on_event: Callable[[Event], None]
    ) -> None:
        self._money_cap = money_cap
        self._schedule = schedule
        self._on_event = on_event
        self._told: set[str] = set()

    def look(self) -> None:
        """Tell what has come since the last look."""
        if self._schedule.is_over:
            self._once("proposers", ProposersOut(self._schedule.end_reason()))
        for use in self._money_cap.ledger.uses():
            if use.cap and use.spent >= LOW * use.cap:
                self._once(use.name, MoneyLow(use.name, use.spent, use.cap))

    def _once(self, name: str, event: Event) -> None:
        if name not in self._told:
            self._told.add(name)
            self._on_event(event)
