"""Trials on the machines of a Ray cluster: a slot a GPU (or a CPU share) of each that fits.

Ray itself is in a process of its own (`bridge.py`). Slots come and go with the machines. What a
machine lets down is its failure, and never an idea's.
"""

import errno
import itertools
import pickle
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from autoresearch.errors import Interrupted, ProjectError, SlotLostError
from autoresearch.execution import messages
from autoresearch.execution.base import Ended, Message, Terms, Told
from autoresearch.execution.held_checkpoints import HeldCheckpoints
from autoresearch.execution.hosting import HostFacts, misfit
from autoresearch.execution.link import LOOK_SECONDS, Link
from autoresearch.execution.serving import lost
from autoresearch.execution.spec import TrialResult, TrialSpec
from autoresearch.records.events import Event, Notice
from autoresearch.records.scores import Score

_QUIET_SECONDS = 3.0  # without a further machine, until the first look around is over
_END_SECONDS = 30.0  # from when a trial is cancelled until its host is not waited for any more


@dataclass(eq=False)
class _Call:
    """A trial at work, and when it was cancelled."""

    number: int
    spec: TrialSpec
    tell: Callable[[Message], None]
    cancelled: float | None = None


class RayExecutor:
    """Executes trials on the machines of a cluster; see `ClusterExecutor`. Close it with `with`."""

    name = "ray"

    def __init__(
        self,
        begin: messages.Begin,
        pack: Callable[[str], bytes],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Build it and connect.

        Args:
            begin: where the cluster is, and what its machines are to be.
            pack: returns a commit's files, as `packing.pack` does.
            clock: in seconds.
        """
        self._begin, self._clock = begin, clock
        self._on_event: Callable[[Event], None] = lambda _event: None
        self._stop: Callable[[], bool] = lambda: False
        self._terms: Terms | None = None
        self._found: dict[str, HostFacts] = {}
        self._slots: tuple[str, ...] = ()
        self._calls: dict[str, _Call] = {}
        self._numbers = itertools.count(1)  # of calls
        self._refused: set[str] = set()
        self._changed = threading.Condition()
        self._fault = ""
        self._link = Link(begin, pack, hear=self._hear, lost=self._lose_all, tick=self._heed_stop)
        self._held = HeldCheckpoints(self._link.soon)
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
                self._link.check()
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
        self._link.check()
        return self._slots

    def submit(self, slot: str, spec: TrialSpec, tell: Callable[[Message], None]) -> None:
        """Begin a trial; see `Executor.submit`."""
        if self._stop():
            tell(Ended(slot, Interrupted("the run ends")))
            return
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
        with self._changed:
            call = self._calls.get(slot)
            if call is None or call.cancelled is not None:
                return
            call.cancelled = self._clock()
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
        return self._held.numbers

    def drop(self, number: int) -> None:
        """Forget a checkpoint."""
        self._held.drop(number)

    def fetch(self, number: int, folder: Path, then: Callable[[bool], None]) -> None:
        """Bring a checkpoint into a new folder; tell in another thread whether it is there."""
        self._held.fetch(number, folder, then)

    # --- the other process

    def _begin_call(self, slot: str, call: _Call) -> None:
        try:
            self._link.make_known(call.spec.commit)
        except Exception as fault:  # noqa: BLE001 - it is raised where the result is asked for
            self._end(slot, fault, call.number)
            return
        if self._calls.get(slot) is call:  # else its slot was lost meanwhile: it runs elsewhere
            self._link.send(messages.Submit(slot, call.number, call.spec))

    def _heed_stop(self) -> None:
        """Have every trial end once the run is to stop; none is waited for long."""
        if not self._stop():
            return
        with self._changed:
            calls = list(self._calls.items())
        for slot, call in calls:
            if call.cancelled is None:
                self.cancel(slot)
            elif self._clock() - call.cancelled >= _END_SECONDS:
                self._end(slot, _gone(slot), call.number)

    def _lose_all(self, failures: int) -> None:
        if not failures:
            why = f"{self._fault or 'the connection was lost'}; it is tried again"
            self._on_event(Notice(f"the Ray cluster at {self._begin.address}: {why}"))
        self._found = {}
        self._held.lose_all()
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
                self._held.arrived(folder, here=here)
            case messages.Forgotten(commit):
                self._link.doubt(commit)
            case messages.Note(text):
                self._on_event(Notice(text))
            case messages.Unreachable(reason):
                with self._changed:
                    self._fault = reason
                    self._changed.notify_all()

    def _told(self, slot: str, number: int, said: Event | TrialResult | Exception) -> None:
        if (call := self._calls.get(slot)) is None or call.number != number:
            return
        if isinstance(said, TrialResult) and isinstance(said.score, Score):
            self._held.add(call.spec.number, slot)
        if isinstance(said, TrialResult | Exception):
            self._end(slot, said, number)
        else:
            call.tell(Told(slot, said))

    def _failed(self, slot: str, number: int, reason: str, *, full: bool) -> None:
        if (call := self._calls.get(slot)) is None or call.number != number:
            return
        self._link.doubt(call.spec.commit)  # perhaps it was that which was lost
        result: TrialResult | Exception = lost(f"the cluster lost the trial: {reason}")
        if call.cancelled is not None:
            result = Interrupted(reason)
        elif full:
            result = OSError(errno.ENOSPC, "the object store of the Ray cluster is full")
        self._end(slot, result, number)

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
        self._held.lose(slot)
        if was:
            self._on_event(Notice(f"{slot} is gone; what was at work there is run elsewhere"))
        self._end(slot, _gone(slot))


def _gone(slot: str) -> SlotLostError:
    return SlotLostError(f"{slot} is gone")
