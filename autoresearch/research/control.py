"""What the person has asked of a run that is at work: to stop after its trials, or to pause."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from autoresearch.records.money import CapReached, Intent, Ledger, Settlement

STOPPED = "by `autoresearch stop`; `autoresearch run` continues"


class Control:
    """Set from any thread, looked at by the controller, which is woken by every change."""

    def __init__(self) -> None:
        self.stopping = False
        self._goes_on = threading.Event()
        self._goes_on.set()
        self.wake: Callable[[], None] = lambda: None

    @property
    def paused(self) -> bool:
        """Whether nothing new is to begin until `resume`."""
        return not self._goes_on.is_set()

    @property
    def holds(self) -> bool:
        """Whether nothing new is to begin now, for whichever reason."""
        return self.stopping or self.paused

    def why(self) -> str | None:
        """Return why no trial may begin any more, also of what is at work; None while one may."""
        return STOPPED if self.stopping else None

    def stop(self) -> None:
        """Let nothing new begin, and the run end once nothing is at work."""
        self.stopping = True
        self.wake()

    def pause(self) -> None:
        """Let nothing new begin."""
        self._goes_on.clear()
        self.wake()

    def resume(self) -> None:
        """End the pause."""
        self._goes_on.set()
        self.wake()

    def wait(self) -> None:
        """Return once the run is not paused; for a thread that nobody waits for."""
        self._goes_on.wait()


@dataclass(frozen=True)
class HeldLedger:
    """A ledger for proposers that lets no call begin in a pause, or too late to be of use.

    `too_late` returns why not even a training can end in time, None if it can.
    """

    ledger: Ledger
    control: Control
    too_late: Callable[[], str | None]

    def reserve(self, intent: Intent) -> int | CapReached:
        """Return the new call's number, or why it may not be made; not before a pause is over."""
        self.control.wait()
        if reason := self.too_late():
            return CapReached(reason)
        return self.ledger.reserve(intent)

    def settle(self, call: int, settlement: Settlement) -> None:
        """Write down how a call ended."""
        self.ledger.settle(call, settlement)

    def send_back(self, call: int, reason: str) -> None:
        """Write down why a call's answer was refused."""
        self.ledger.send_back(call, reason)

    def remaining(self) -> float | None:
        """Return what the tightest cap leaves; None where there is none."""
        return self.ledger.remaining()
