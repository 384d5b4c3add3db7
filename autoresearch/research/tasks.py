"""The tasks at work, at most one a slot, and the one place where this process waits for them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue

from autoresearch.errors import Interrupted
from autoresearch.execution import Ended, Executor, Told, TrialResult
from autoresearch.records.events import Scoring, TrialPoint
from autoresearch.records.phases import IdleReason
from autoresearch.records.tables import Trial
from autoresearch.research.backoff import LOOK_SECONDS, Backoff, Pause, Steps
from autoresearch.research.slot_clock import SlotClock


@dataclass
class _AtWork:
    """A task on its slot; `pause` and when it is over, where it waits for nothing else."""

    steps: Steps[Trial]
    pause: Pause | None = None
    until: float = 0.0


@dataclass(frozen=True)
class Done:
    """That a task on a slot is over: the row that it returned, or what it raised."""

    slot: str
    value: Trial | Exception


@dataclass(frozen=True)
class Wake:
    """A message that says no more than that something outside the slots has changed."""


class Tasks:
    """Starts tasks on free slots, and takes each a step further when what it waits for is there.

    `fit` returns which of the slots may have one.
    """

    def __init__(
        self,
        executor: Executor,
        backoff: Backoff,
        beat: Callable[[], None],
        slot_clock: SlotClock,
    ) -> None:
        """Build it.

        Args:
            executor: with the slots.
            backoff: the run's clock, and what ends a wait.
            beat: called at every turn, several times a second while trials run.
            slot_clock: is told what slots without a trial wait for.
        """
        self._executor = executor
        self._backoff = backoff
        self._beat = beat
        self._slot_clock = slot_clock
        self._inbox: SimpleQueue[Told | Ended | Wake] = SimpleQueue()
        self._at_work: dict[str, _AtWork] = {}
        self._done: list[Done] = []
        self._woken = False
        self._slots = executor.slots  # as last looked at
        self.fit: Callable[[Sequence[str]], list[str]] = list

    @property
    def free(self) -> list[str]:
        """The slots that may have a task and have none; `turn` returns once there are others."""
        self._look()
        return [slot for slot in self.fit(self._slots) if slot not in self._at_work]

    @property
    def spare(self) -> int:
        """How many of the slots that were last looked at are free."""
        return sum(slot not in self._at_work for slot in self.fit(self._slots))

    def wake(self) -> None:
        """Let `turn` return soon; for any thread."""
        self._inbox.put(Wake())

    def start(self, slot: str, steps: Steps[Trial]) -> None:
        """Begin a task on a free slot."""
        self._at_work[slot] = _AtWork(steps)
        self._advance(slot, None)

    def run(self, slot: str, steps: Steps[Trial]) -> Trial:
        """Return what a task returns, with nothing else at work.

        Raises:
            Exception: whatever the task raises.
        """
        self.start(slot, steps)
        while True:
            for done in self.turn():
                if isinstance(done.value, Exception):
                    raise done.value
                return done.value

    def turn(
        self, longest: float | None = None, idle: IdleReason = IdleReason.PROPOSALS
    ) -> list[Done]:
        """Wait until a task is over, or something changes, or the run is to stop, or it takes long.

        A change is a call of `wake`, or a slot that comes or goes.

        Args:
            longest: seconds to wait at most, None: any time.
            idle: why the slots that are free have nothing to do.

        Returns:
            The tasks that are over.
        """
        ends = None if longest is None else self._backoff.clock() + longest
        while not self._done and not self._woken and self._executor.slots == self._slots:
            if self._backoff.stop() and not self._at_work:
                break
            left = None if ends is None else ends - self._backoff.clock()
            if left is not None and left <= 0:
                break
            self._wait(left, idle)
            self._beat()
            self._resume_paused()
        self._take_all()
        self._look()
        self._woken, done, self._done = False, self._done, []
        return done

    def end_waiting(self, reason: str) -> None:
        """End the tasks that only let time pass, before they execute anything again."""
        for slot, task in list(self._at_work.items()):
            if task.pause is not None:
                self._advance(slot, Interrupted(reason))

    def linger(
        self, seconds: float, idle: IdleReason, until: Callable[[], bool] = lambda: False
    ) -> None:
        """Let seconds pass with nothing at work; see `Backoff.wait`, and `turn` for `idle`."""
        with self._told(idle):
            self._backoff.wait(seconds, until)

    def close(self) -> None:
        """End every task as interrupted, its rows written, and what the executor made ready."""
        self._executor.close()
        self._take_all()
        for slot in list(self._at_work):
            self._advance(slot, Interrupted("the run ended"))

    def _look(self) -> None:
        """Look which slots there are now; of one that is gone no time is counted any more."""
        self._slots = self._executor.slots
        self._slot_clock.close_others([*self._slots, *self._at_work])

    def _wait(self, longest: float | None, idle: IdleReason) -> None:
        """Let time pass until there is a message, or a pause is over, or for a moment."""
        pauses = [each.until for each in self._at_work.values() if each.pause]
        left = [until - self._backoff.clock() for until in pauses]
        left += [] if longest is None else [longest]
        if pauses and len(pauses) == len(self._at_work):
            with self._told(idle):
                self._backoff.wait(max(min(left), 0.0), until=lambda: not self._inbox.empty())
            self._take_all()
            return
        with suppress(Empty):
            with self._told(idle):
                # Looked at now and then: what stops a run may be a mere flag.
                message = self._inbox.get(timeout=max(min([*left, LOOK_SECONDS]), 0.0))
            self._take(message)
            self._take_all()

    @contextmanager
    def _told(self, idle: IdleReason) -> Iterator[None]:
        """Tell the slots' clock what they wait for, while this process waits."""
        began = self._backoff.clock()
        try:
            yield
        finally:
            self._slot_clock.passed(self._backoff.clock() - began, self._reasons(idle))

    def _reasons(self, idle: IdleReason) -> dict[str, IdleReason]:
        """Return why each slot has no trial at work; those that have one are left out."""
        fit = {*self.fit(self._slots)}
        waiting = (slot for slot in self._slots if slot not in self._at_work)
        found = {slot: idle if slot in fit else IdleReason.MACHINE for slot in waiting}
        for slot, task in self._at_work.items():
            if task.pause or not self._slot_clock.is_training(slot):
                found[slot] = IdleReason.MACHINE
        return found

    def _take_all(self) -> None:
        with suppress(Empty):
            while True:
                self._take(self._inbox.get_nowait())

    def _resume_paused(self) -> None:
        stop = self._backoff.stop()
        for slot, task in list(self._at_work.items()):
            if task.pause is None:
                continue
            if stop:
                self._advance(slot, Interrupted(f"stopped while waiting: {task.pause.reason}"))
            elif task.until <= self._backoff.clock():
                self._advance(slot, None)

    def _take(self, message: Told | Ended | Wake) -> None:
        match message:
            case Told():
                event = message.event
                if isinstance(event, TrialPoint | Scoring):
                    event = replace(event, slot=message.slot)
                self._backoff.on_event(event)
            case Ended():
                self._advance(message.slot, message.result)
            case Wake():
                self._woken = True

    def _advance(self, slot: str, sent: TrialResult | Exception | None) -> None:
        """Take a task a step further: to the next trial or pause, or to its end."""
        task = self._at_work[slot]
        ended: Trial | Exception
        try:
            steps = task.steps
            step = steps.throw(sent) if isinstance(sent, Exception) else steps.send(sent)
        except StopIteration as over:
            ended = over.value
        except Exception as fault:  # noqa: BLE001 - it is raised where the task's end is taken
            ended = fault
        else:
            task.pause = step if isinstance(step, Pause) else None
            if isinstance(step, Pause):
                task.until = self._backoff.clock() + step.seconds
            else:
                self._executor.submit(slot, step, self._inbox.put)
            return
        del self._at_work[slot]
        self._done.append(Done(slot, ended))
