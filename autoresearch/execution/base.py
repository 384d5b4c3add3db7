"""Who executes trials, and what it says meanwhile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from autoresearch.execution.spec import TrialResult, TrialSpec
from autoresearch.records.events import Event


@dataclass(frozen=True)
class Told:
    """What happens in the trial on a slot."""

    slot: str
    event: Event


@dataclass(frozen=True)
class Ended:
    """That a trial on a slot is over: its result, or the exception that kept it from one."""

    slot: str
    result: TrialResult | Exception


Message = Told | Ended


class Executor(Protocol):
    """Executes trials on its slots, one a slot at a time. Its methods do not wait, but `close`."""

    @property
    def name(self) -> str:
        """Return what the registry calls it; rows add the slot where there are several."""
        ...

    @property
    def slots(self) -> Sequence[str]:
        """Return the names of its slots: one a device. They may come and go."""
        ...

    def submit(self, slot: str, spec: TrialSpec, tell: Callable[[Message], None]) -> None:
        """Begin a trial on a free slot.

        Args:
            slot: where.
            spec: what.
            tell: hears what happens, from any thread, and at last that it has `Ended`.
        """
        ...

    def cancel(self, slot: str) -> None:
        """Have the trial on a slot end as interrupted, if there is one."""
        ...

    def release(self, slot: str, number: int) -> None:
        """Remove what a slot holds of a trial, by its number, for another scoring."""
        ...

    def prepare(self) -> None:
        """Make ready for the next trials while there is something else to wait for."""
        ...

    def close(self) -> None:
        """End what runs and what was made ready. More trials may be submitted."""
        ...
