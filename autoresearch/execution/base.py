"""Who executes trials, and what it says meanwhile."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from autoresearch.execution.hosting import HostFacts
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


class Holder(Protocol):
    """Who knows where checkpoints lie that are not here."""

    @property
    def held(self) -> list[int]:
        """Return the trials whose checkpoint is with its host."""
        ...

    def drop(self, number: int) -> None:
        """Have a host forget one."""
        ...

    def fetch(self, number: int, folder: Path, then: Callable[[bool], None]) -> None:
        """Bring one into a new folder, and tell from any thread whether it is there."""
        ...


@dataclass(frozen=True)
class Terms:
    """On what machines are accepted: the study's comparability key, and its name for `HostPlan`."""

    key: Mapping[str, str]
    study: str


class ClusterExecutor(Executor, Holder, Protocol):
    """An executor whose slots are other machines', with the checkpoints that lie there."""

    def survey(self, known: Mapping[str, str] | None = None) -> HostFacts:
        """Wait for machines; return what most of them are, or those that fit a known study's key.

        Raises:
            ProjectError: the cluster cannot be reached.
        """
        ...

    def accept(
        self, terms: Terms, on_event: Callable[[Event], None], stop: Callable[[], bool]
    ) -> None:
        """Use every machine, now and later, that is like the study's.

        Args:
            terms: what the study's scores rest on.
            on_event: told of machines that come, go and are refused; from any thread.
            stop: asked often; true ends every trial.
        """
        ...
