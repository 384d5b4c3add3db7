"""Trials on the machines of a Ray cluster: a slot a GPU (or a CPU share) of each that fits.

Ray itself is in a process of its own (`bridge.py`). Slots come and go with the machines. What a
machine lets down is its failure, and never an idea's.
"""

import errno
import os
import pickle
import socket
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from autoresearch.config import without_secrets
from autoresearch.errors import ProjectError, SlotLostError
from autoresearch.execution import wire
from autoresearch.execution.base import Ended, Message, Told
from autoresearch.execution.hosting import HostFacts, misfit
from autoresearch.execution.serving import lost
from autoresearch.execution.spec import TrialResult, TrialSpec
from autoresearch.records.events import Event, Notice
from autoresearch.records.scores import Score

_LOOK_SECONDS = 0.2  # how often it is asked whether to stop
_QUIET_SECONDS = 3.0  # without a further machine, until the first look around is over
_END_SECONDS = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0
_MOST_CODES = 32  # commits that the cluster knows at once

Pack = Callable[[str], bytes]


@dataclass(frozen=True)
class _Call:
    """A trial at work."""

    number: int
    spec: TrialSpec
    tell: Callable[[Message], None]


@dataclass(frozen=True)
class Terms:
    """On what machines are accepted: the study's comparability key, and its name for `open`."""

    key: Mapping[str, str]
    study: str


class RayExecutor:
    """Executes trials on the machines of a cluster. Close it with `with`."""

    name = "ray"

    def __init__(self, begin: wire.Begin, pack: Pack) -> None:
        """Build it and connect.

        Args:
            begin: where the cluster is, and what its machines are to be.
            pack: returns a commit's files, as `packing.pack` does.
        """
        self._begin = begin
        self._pack = pack
        self._see: Callable[[Event], None] = lambda _event: None
        self._stop: Callable[[], bool] = lambda: False
        self._terms: Terms | None = None
        self._found: OrderedDict[str, HostFacts] = OrderedDict()
        self._slots: tuple[str, ...] = ()
        self._calls: dict[str, _Call] = {}
        self._last_call = 0
        self._known: OrderedDict[str, None] = OrderedDict()
        self._refused: set[str] = set()
        self._fetching: dict[Path, Callable[[bool], None]] = {}
        self._holders: dict[int, str] = {}
        self._changed = threading.Condition()
        self._outbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._ended = threading.Event()
        self._fault = ""
        self._connection, self._process = _start(begin)
        for act in (self._listen, self._speak):
            threading.Thread(target=act, daemon=True, name=f"ray {act.__name__}").start()

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Leave the cluster. What is at work there ends."""
        self._ended.set()
        with suppress(OSError):
            self._connection.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    # --- the machines

    def survey(self, known: Mapping[str, str] | None = None) -> HostFacts:
        """Wait for machines; return what most of them are, or those that fit a known study's key.

        Raises:
            ProjectError: the cluster cannot be reached.
        """
        with self._changed:
            while not self._found and not self._fault:
                self._changed.wait(_LOOK_SECONDS)
            while not self._fault and self._changed.wait(_QUIET_SECONDS):
                pass
            if not self._found:
                msg = f"cannot use the Ray cluster at {self._begin.address}: {self._fault}"
                raise ProjectError(msg)
            facts = list(self._found.values())
        keys = [each.key for each in facts]
        return max(facts, key=lambda each: (not misfit(each, known or {}), keys.count(each.key)))

    def accept(self, terms: Terms, see: Callable[[Event], None], stop: Callable[[], bool]) -> None:
        """Use every machine, now and later, that is like the study's.

        Args:
            terms: what the study's scores rest on.
            see: told of machines that come, go and are refused; from any thread.
            stop: asked often; true ends every trial.
        """
        with self._changed:
            self._terms, self._see, self._stop = terms, see, stop
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
            self._send(wire.Accept(slot, self._terms.study))
            return
        self._send(wire.Refuse(slot))
        if machine not in self._refused:
            self._refused.add(machine)
            self._see(Notice(f"{machine} is not used: {fault}"))

    # --- what every executor does

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the slots that can execute trials now."""
        return self._slots

    def submit(self, slot: str, spec: TrialSpec, tell: Callable[[Message], None]) -> None:
        """Begin a trial; see `Executor.submit`."""
        with self._changed:
            self._last_call += 1
            call = _Call(self._last_call, spec, tell)
            gone = slot not in self._slots
            if not gone:
                self._calls[slot] = call
        if gone:
            tell(Ended(slot, _gone(slot)))
        else:
            self._outbox.put(lambda: self._begin_call(slot, call))

    def cancel(self, slot: str) -> None:
        """Have the trial on a slot end as interrupted."""
        if (call := self._calls.get(slot)) is not None:
            self._outbox.put(lambda: self._send(wire.Cancel(slot, call.number)))

    def release(self, slot: str, number: int) -> None:
        """Remove what is held of a trial."""
        self._outbox.put(lambda: self._send(wire.Release(slot, number)))

    def prepare(self) -> None:
        """Have idle hosts start what their next scorings need; do not wait."""
        for slot in self._slots:
            if slot not in self._calls:
                self._outbox.put(lambda slot=slot: self._send(wire.Prepare(slot)))  # type: ignore[misc]

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
        self._outbox.put(lambda: self._send(wire.Fetch(slot, number, None)))

    def fetch(self, number: int, folder: Path, then: Callable[[bool], None]) -> None:
        """Bring a checkpoint into a new folder.

        Args:
            number: the trial's.
            folder: where to.
            then: told whether it is there, in another thread.
        """
        slot = self._holders.pop(number)
        self._fetching[folder] = then
        self._outbox.put(lambda: self._send(wire.Fetch(slot, number, folder)))

    # --- the other process

    def _begin_call(self, slot: str, call: _Call) -> None:
        try:
            self._make_known(call.spec.commit)
        except Exception as fault:  # noqa: BLE001 - it is raised where the result is asked for
            self._end(slot, fault, call.number)
            return
        self._send(wire.Submit(slot, call.number, call.spec))

    def _make_known(self, commit: str) -> None:
        """Have the cluster know a commit's files; the one that was not asked for longest goes."""
        if commit not in self._known:
            self._send(wire.Code(commit, self._pack(commit)))
        self._known[commit] = None
        self._known.move_to_end(commit)
        while len(self._known) > _MOST_CODES:
            oldest, _ = self._known.popitem(last=False)
            self._send(wire.Code(oldest, None))

    def _send(self, command: wire.Command) -> None:
        with suppress(OSError):  # `_listen` finds out, and begins anew
            self._connection.send(command)

    def _speak(self) -> None:
        """Do what takes its time, one after another."""
        while not self._ended.is_set():
            self._outbox.get()()

    def _listen(self) -> None:
        """Hear the other process; where that ends, all slots are gone, and it is begun anew."""
        failures, stopping = 0, False
        while not self._ended.is_set():
            try:
                if self._connection.poll(_LOOK_SECONDS):
                    self._hear(self._connection.recv())
                    failures = 0
            except (EOFError, OSError):
                self._lose_all(failures)
                failures += 1
                if not self._ended.wait(min(_FIRST_PAUSE * 2.0**failures, _LONGEST_PAUSE)):
                    self._process.wait()
                    self._connection, self._process = _start(self._begin)
            if self._stop() and not stopping:
                for slot in list(self._calls):
                    self.cancel(slot)
            stopping = self._stop()

    def _lose_all(self, failures: int) -> None:
        if self._ended.is_set():
            return
        if not failures:
            why = self._fault or "the connection was lost"
            self._see(Notice(f"the Ray cluster at {self._begin.address}: {why}; it is tried again"))
        self._known.clear()
        self._found.clear()
        self._holders.clear()
        for slot in self._slots:
            self._lose(slot)

    def _hear(self, report: wire.Report) -> None:
        match report:
            case wire.Told(slot, call, said):
                self._told(slot, call, pickle.loads(said))  # noqa: S301 - of a host that is trusted with scores
            case wire.Failed(slot, call, reason, full):
                self._failed(slot, call, reason, full=full)
            case wire.Found(slot, facts):
                with self._changed:
                    self._found[slot] = facts
                    self._changed.notify_all()
                self._judge(slot, facts)
            case wire.Ready(slot):
                self._gain(slot)
            case wire.Gone(slot):
                self._lose(slot)
            case wire.Fetched(_, folder, here):
                self._fetching.pop(folder)(here)
            case wire.Note(text):
                self._see(Notice(text))
            case wire.Unreachable(reason):
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
        call = self._calls.get(slot)
        if call is not None:
            self._known.pop(call.spec.commit, None)  # perhaps it was that which was lost
        told = f"the cluster lost the trial: {reason}"
        fault = OSError(errno.ENOSPC, "the object store of the Ray cluster is full")
        self._end(slot, fault if full else lost(told), number)

    def _end(self, slot: str, result: TrialResult | Exception, number: int | None = None) -> None:
        with self._changed:
            call = self._calls.get(slot)
            if call is None or number not in (None, call.number):
                return
            del self._calls[slot]
            self._changed.notify_all()
        call.tell(Ended(slot, result))

    def _gain(self, slot: str) -> None:
        with self._changed:
            self._fault = ""
            if slot not in self._slots:
                self._slots = (*self._slots, slot)
            self._changed.notify_all()

    def _lose(self, slot: str) -> None:
        with self._changed:
            self._found.pop(slot, None)
            was = slot in self._slots
            self._slots = tuple(each for each in self._slots if each != slot)
            self._changed.notify_all()
        if was and not self._ended.is_set():
            self._see(Notice(f"{slot} is gone; what was at work there is run elsewhere"))
        for number in [each for each, where in self._holders.items() if where == slot]:
            del self._holders[number]
        self._end(slot, _gone(slot))


def _gone(slot: str) -> SlotLostError:
    return SlotLostError(f"{slot} is gone")


def _start(begin: wire.Begin) -> tuple[Connection, subprocess.Popen[bytes]]:
    """Start the process that speaks to the cluster; nothing of what Ray prints reaches ours."""
    ours, theirs = socket.socketpair()
    with theirs:
        descriptor = theirs.fileno()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "autoresearch.execution.bridge", str(descriptor)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(descriptor,),
            start_new_session=True,  # Ctrl-C is the controller's
            env={**without_secrets(os.environ), "RAY_USAGE_STATS_ENABLED": "0"},
        )
    connection = Connection(ours.detach())
    with suppress(OSError):
        connection.send(begin)
    return connection, process


__all__ = ["RayExecutor", "Terms"]
