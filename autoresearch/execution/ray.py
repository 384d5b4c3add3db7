"""Trials on the machines of a Ray cluster: a slot a GPU (or a CPU share) of each that fits.

Ray itself is in a process of its own (`bridge.py`). Slots come and go with the machines. What a
machine lets down is its failure, and never an idea's.
"""

import errno
import itertools
import pickle
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from autoresearch.errors import ProjectError, SlotLostError
from autoresearch.execution import messages
from autoresearch.execution.base import Ended, Message, Terms, Told
from autoresearch.execution.hosting import HostFacts, misfit
from autoresearch.execution.link import LOOK_SECONDS, Link
from autoresearch.execution.serving import lost
from autoresearch.execution.spec import TrialResult, TrialSpec
from autoresearch.records.events import Event, Notice
from autoresearch.records.scores import Score

_QUIET_SECONDS = 3.0  # without a further machine, until the first look around is over
_END_SECONDS = 30.0


@dataclass(frozen=True)
class _Call:
    """A trial at work."""

    number: int
    spec: TrialSpec
    tell: Callable[[Message], None]


class RayExecutor:
    """Executes trials on the machines of a cluster; see `ClusterExecutor`. Close it with `with`."""

    name = "ray"

    def __init__(self, begin: messages.Begin, pack: Callable[[str], bytes]) -> None:
        """Build it and connect.

        Args:
            begin: where the cluster is, and what its machines are to be.
            pack: returns a commit's files, as `packing.pack` does.
        """
        self._begin = begin
        self._on_event: Callable[[Event], None] = lambda _event: None
        self._stop: Callable[[], bool] = lambda: False
        self._terms: Terms | None = None
        self._found: dict[str, HostFacts] = {}
        self._slots: tuple[str, ...] = ()
        self._calls: dict[str, _Call] = {}
        self._numbers = itertools.count(1)  # of calls
        self._refused: set[str] = set()
        self._fetching: dict[Path, Callable[[bool], None]] = {}
        self._holders: dict[int, str] = {}
        self._changed = threading.Condition()
        self._fault = ""
        self._stopping = False
        self._link = Link(begin, pack, hear=self._hear, lost=self._lose_all, tick=self._heed_stop)
        self._link.open()

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_fault: object) -> None:
        """Leave the cluster. What is at work there ends."""
        self._link.close()

    # --- the machines

    def survey(self, known: Mapping[str, str] | None = None) -> HostFacts:
        """See `ClusterExecutor.survey`."""
        with self._changed:
            while not self._found and not self._fault:
                self._changed.wait(LOOK_SECONDS)
            while not self._fault and self._changed.wait(_QUIET_SECONDS):
                pass
            if not self._found:
                msg = f"cannot use the Ray cluster at {self._begin.address}: {self._fault}"
                raise ProjectError(msg)
            facts = list(self._found.values())
        keys = [each.key for each in facts]
        return max(
            facts,
            key=lambda each: (not misfit(each, known or {}), not each.fault, keys.count(each.key)),
        )

    def accept(
        self, terms: Terms, on_event: Callable[[Event], None], stop: Callable[[], bool]
    ) -> None:
        """See `ClusterExecutor.accept`."""
        with self._changed:
            self._terms, self._on_event, self._stop = terms, on_event, stop
            found = list(self._found.items())
        for slot, facts in found:
            self._judge(slot, facts)

    def wait_for_slots(self, many: int, seconds: float) -> bool:
        """Wait until there are so many slots at least; return whether there are."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._slots) >= many, seconds)

    def _judge(self, slot: str, facts: HostFacts) -> None:
        """Accept a slot's machine or let go of it, the reason told once a machine."""
        if self._terms is None:
            return
        machine, fault = slot.rpartition(":")[0], misfit(facts, self._terms.key)
        if not fault:
            self._link.send(messages.Accept(slot, self._terms.study))
            return
        self._link.send(messages.Refuse(slot))
        if machine not in self._refused:
            self._refused.add(machine)
            self._on_event(Notice(f"{machine} is not used: {fault}"))

    # --- what every executor does

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the slots that can execute trials now."""
        return self._slots

    def submit(self, slot: str, spec: TrialSpec, tell: Callable[[Message], None]) -> None:
        """Begin a trial; see `Executor.submit`."""
        call = _Call(next(self._numbers), spec, tell)
        with self._changed:
            if is_there := slot in self._slots:
                self._calls[slot] = call
        if is_there:
            self._link.soon(lambda: self._begin_call(slot, call))
        else:
            tell(Ended(slot, _gone(slot)))

    def cancel(self, slot: str) -> None:
        """Have the trial on a slot end as interrupted."""
        if (call := self._calls.get(slot)) is not None:
            self._link.soon(messages.Cancel(slot, call.number))

    def release(self, slot: str, number: int) -> None:
        """Remove what is held of a trial."""
        self._link.soon(messages.Release(slot, number))

    def prepare(self) -> None:
        """Have idle hosts start what their next scorings need; do not wait."""
        for slot in self._slots:
            if slot not in self._calls:
                self._link.soon(messages.Prepare(slot))

    def close(self) -> None:
        """End every trial and wait until all have ended, as far as their machines answer."""
        for slot in list(self._calls):
            self.cancel(slot)
        with self._changed:
            self._changed.wait_for(lambda: not self._calls, _END_SECONDS)
        for slot in list(self._calls):
            self._end(slot, _gone(slot))

    # --- checkpoints

    @property
    def held(self) -> list[int]:
        """The trials whose checkpoints are still where they were trained."""
        return list(self._holders)

    def drop(self, number: int) -> None:
        """Forget a checkpoint."""
        slot = self._holders.pop(number)
        self._link.soon(messages.Fetch(slot, number, None))

    def fetch(self, number: int, folder: Path, then: Callable[[bool], None]) -> None:
        """Bring a checkpoint into a new folder; tell in another thread whether it is there."""
        slot = self._holders.pop(number)
        self._fetching[folder] = then
        self._link.soon(messages.Fetch(slot, number, folder))

    # --- the other process

    def _begin_call(self, slot: str, call: _Call) -> None:
        try:
            self._link.make_known(call.spec.commit)
        except Exception as fault:  # noqa: BLE001 - it is raised where the result is asked for
            self._end(slot, fault, call.number)
            return
        self._link.send(messages.Submit(slot, call.number, call.spec))

    def _heed_stop(self) -> None:
        """Have every trial end once the run is to stop."""
        stop = self._stop()
        if stop and not self._stopping:
            for slot in list(self._calls):
                self.cancel(slot)
        self._stopping = stop

    def _lose_all(self, failures: int) -> None:
        if not failures:
            why = self._fault or "the connection was lost"
            told = f"the Ray cluster at {self._begin.address}: {why}; it is tried again"
            self._on_event(Notice(told))
        self._found.clear()
        self._holders.clear()
        for slot in self._slots:
            self._lose(slot)

    def _hear(self, report: messages.Report) -> None:
        match report:
            case messages.Told(slot, call, said):
                self._told(slot, call, pickle.loads(said))  # noqa: S301 - of a host that is trusted with scores
            case messages.Failed(slot, call, reason, full):
                self._failed(slot, call, reason, full=full)
            case messages.Found(slot, facts):
                with self._changed:
                    self._found[slot] = facts
                    self._changed.notify_all()
                self._judge(slot, facts)
            case messages.Ready(slot):
                with self._changed:
                    self._fault = ""
                    self._slots = tuple(dict.fromkeys((*self._slots, slot)))
                    self._changed.notify_all()
            case messages.Gone(slot):
                self._lose(slot)
            case messages.Fetched(folder, here):
                self._fetching.pop(folder)(here)
            case messages.Forgotten(commit):
                self._link.doubt(commit)
            case messages.Note(text):
                self._on_event(Notice(text))
            case messages.Unreachable(reason):
                with self._changed:
                    self._fault = reason
                    self._changed.notify_all()

    def _told(self, slot: str, number: int, said: Event | TrialResult | Exception) -> None:
        call = self._calls.get(slot)
        if call is None or call.number != number:
            return
        if isinstance(said, TrialResult) and isinstance(said.score, Score):
            self._holders[call.spec.number] = slot
        if isinstance(said, TrialResult | Exception):
            self._end(slot, said, number)
        else:
            call.tell(Told(slot, said))

    def _failed(self, slot: str, number: int, reason: str, *, full: bool) -> None:
        if (call := self._calls.get(slot)) is not None:
            self._link.doubt(call.spec.commit)  # perhaps it was that which was lost
        fault = OSError(errno.ENOSPC, "the object store of the Ray cluster is full")
        self._end(slot, fault if full else lost(f"the cluster lost the trial: {reason}"), number)

    def _end(self, slot: str, result: TrialResult | Exception, number: int | None = None) -> None:
        with self._changed:
            call = self._calls.get(slot)
            if call is None or number not in (None, call.number):
                return
            del self._calls[slot]
            self._changed.notify_all()
        call.tell(Ended(slot, result))

    def _lose(self, slot: str) -> None:
        with self._changed:
            self._found.pop(slot, None)
            was = slot in self._slots
            self._slots = tuple(each for each in self._slots if each != slot)
            self._changed.notify_all()
        if was:
            self._on_event(Notice(f"{slot} is gone; what was at work there is run elsewhere"))
        for number in [each for each, where in self._holders.items() if where == slot]:
            del self._holders[number]
        self._end(slot, _gone(slot))


def _gone(slot: str) -> SlotLostError:
    return SlotLostError(f"{slot} is gone")
