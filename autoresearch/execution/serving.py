"""A host's own side of a cluster: it executes one trial at a time and tells what happens."""

import pickle
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue

from autoresearch.config import data_home
from autoresearch.corpus import Arrival, Corpus
from autoresearch.errors import Interrupted, is_passing
from autoresearch.execution.hosting import HostFacts, HostPlan
from autoresearch.execution.packing import pack, unpack
from autoresearch.execution.spec import TrialResult, TrialSpec
from autoresearch.execution.trial import Host, Watch, execute_trial
from autoresearch.process import remove
from autoresearch.records.events import Event, TrialPoint
from autoresearch.records.text import safe_line
from autoresearch.records.training import Outcome
from autoresearch.records.values import Ending, FailureKind

POINT_SECONDS = 1.0  # between two points of a curve that are told: it comes whole with the result
_LINE = 300

HostReport = Event | TrialResult | Exception


@dataclass(frozen=True)
class _Call:
    """A trial at work: its code, whether it was cancelled, and whether nothing of it is left."""

    commit: str
    code: bytes
    cancelled: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def end(self) -> None:
        """Have it end, and wait until it has."""
        self.cancelled.set()
        self.over.wait()


class HostServer:
    """One slot's host: one trial is at work at a time, and all methods may be called beside."""

    def __init__(self, plan: HostPlan) -> None:
        """Build it; nothing is opened yet."""
        self._plan = plan
        self._host: Host | None = None
        self._arrival: Arrival | None = None
        self._calls: dict[int, _Call] = {}
        self._beginning = threading.Lock()
        self._dropped: set[int] = set()  # calls that were cancelled before they began

    def facts(self) -> HostFacts:
        """Return what this machine is."""
        return self._plan.facts()

    def expect(self, corpus: Corpus) -> None:
        """Begin to take in a corpus."""
        if self._arrival is not None:
            self._arrival.give_up()
        self._arrival = Arrival(data_home(), corpus)

    def take(self, name: str, data: bytes) -> None:
        """Take in what comes next of a file."""
        assert self._arrival is not None
        self._arrival.add(name, data)

    def open(self, study: str) -> None:
        """Make ready for trials; what was taken in is in its place from now on."""
        arrival, self._arrival = self._arrival, None
        if arrival is not None:
            arrival.finish()
        self._host = self._plan.open(self._checkout, self._stopped, study)

    def execute(self, call: int, spec: TrialSpec, code: bytes) -> Iterator[bytes]:
        """Execute a trial; yield what happens, pickled, and at last its result.

        What goes wrong here and may not pass by waiting is the machine's failure of this trial. One
        that is still at work is ended first: who asks for another has given it up.
        """
        at_work = _Call(spec.commit, code)
        inbox = SimpleQueue[HostReport]()
        thread = threading.Thread(target=self._work, args=(spec, at_work, inbox.put), daemon=True)
        with self._beginning:
            self._end_all()
            self._calls[call] = at_work
            if call in self._dropped:
                at_work.cancelled.set()
            thread.start()
        try:
            for said in spaced(inbox, time.monotonic):
                yield pickle.dumps(said)
        finally:  # also where nobody listens any more
            at_work.end()
            self._calls.pop(call, None)

    def cancel(self, call: int) -> None:
        """Have a trial end as interrupted."""
        self._dropped.add(call)
        if (at_work := self._calls.get(call)) is not None:
            at_work.cancelled.set()

    def release(self, number: int) -> None:
        """Remove what is held of a trial."""
        self._ready.release(number)

    def prepare(self) -> None:
        """Start what the next scoring needs, unless a trial is at work."""
        if not self._calls:
            self._ready.evaluator.prepare(self._ready.work)

    def checkpoint(self, number: int) -> bytes | None:
        """Return a trial's checkpoint and forget it; None where it is not here."""
        place = self._ready.work / "checkpoints" / f"trial-{number}"
        try:
            return pack(place)
        except OSError:
            return None
        finally:
            remove(place)

    def close(self) -> None:
        """End what is at work and what was made ready, and remove what is left of it."""
        with self._beginning:
            self._end_all()
        if self._host is not None:
            self._host.evaluator.close()
            self._host.worker.close()
            remove(self._host.work)

    def _end_all(self) -> None:
        for number, call in list(self._calls.items()):
            call.end()
            self._calls.pop(number, None)

    @property
    def _ready(self) -> Host:
        assert self._host is not None, "it was not opened"
        return self._host

    def _stopped(self) -> bool:
        return any(each.cancelled.is_set() for each in list(self._calls.values()))

    def _work(self, spec: TrialSpec, call: _Call, tell: Callable[[HostReport], None]) -> None:
        found: HostReport
        try:
            found = execute_trial(spec, self._ready, Watch(tell, call.cancelled.is_set))
        except Exception as fault:  # noqa: BLE001 - it is told where the trial was asked for
            found = _portable(fault)
        if isinstance(found, TrialResult):
            facts = dict(found.outcome.facts)  # a read-only view cannot be pickled
            found = replace(found, outcome=replace(found.outcome, facts=facts))
        call.over.set()
        tell(found)

    @contextmanager
    def _checkout(self, commit: str, folder: Path, stop: Callable[[], bool]) -> Iterator[Path]:
        code = next(each.code for each in list(self._calls.values()) if each.commit == commit)
        if stop():
            msg = "stopped while a commit was being written out"
            raise Interrupted(msg)
        remove(folder)
        try:
            unpack(code, folder)
            yield folder
        finally:
            remove(folder)


def spaced(inbox: "SimpleQueue[HostReport]", clock: Callable[[], float]) -> Iterator[HostReport]:
    """Yield what comes, up to the result; of points that come at once only the last one."""
    held: TrialPoint | None = None
    due = clock()
    while True:
        said: HostReport | None = None
        with suppress(Empty):
            said = inbox.get(timeout=None if held is None else max(due - clock(), 0.0))
        if isinstance(said, TrialPoint) and clock() < due:
            held = said
            continue
        if held is not None:
            yield held
            held, due = None, clock() + POINT_SECONDS
        if said is not None:
            yield said
        if isinstance(said, TrialPoint):
            due = clock() + POINT_SECONDS
        if isinstance(said, TrialResult | Exception):
            return


def lost(reason: str) -> TrialResult:
    """Return the result of a trial that the machine let down, for no fault of its code."""
    told = safe_line(reason, _LINE)
    return TrialResult(Outcome(Ending.NOT_STARTED, told, failure=FailureKind.MACHINE))


def _portable(fault: Exception) -> HostReport:
    """Return a fault in a form that other machines know."""
    if isinstance(fault, Interrupted):
        return Interrupted(str(fault))
    if is_passing(fault):
        with suppress(AttributeError):
            return OSError(fault.errno, fault.strerror)  # type: ignore[attr-defined]  # of an OSError
    return lost(f"{type(fault).__name__}: {fault}")
