"""Waiting for what passes by itself: a full disk, a locked registry, a machine that is ill."""

import itertools
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

from autoresearch.errors import Interrupted, is_passing
from autoresearch.execution import TrialResult, TrialSpec
from autoresearch.records.events import Event, Notice, WaitCause, Waiting

FIRST_PAUSE = 5.0  # seconds; doubled by each further one
LONGEST_PAUSE = 300.0
LONG = 6  # pauses, of five minutes together: no passing thing any more
LOOK_SECONDS = 0.2  # how often a wait looks whether it should end
T = TypeVar("T")


@dataclass(frozen=True)
class Pause:
    """Let seconds pass; `Interrupted` is thrown where the run is to stop meanwhile."""

    seconds: float
    reason: str


# A task as a generator: it says what it needs next, the trial to execute on its slot or a pause,
# and is sent what came of it, or has thrown what kept it from a result. So one thread follows many
# tasks, each written as if it were alone.
Steps = Generator[TrialSpec | Pause, TrialResult | None, T]


def backoff_seconds(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row before the last one."""
    return min(FIRST_PAUSE * 2.0 ** min(failures, 10), LONGEST_PAUSE)


def waiting(reason: str, attempt: int, cause: WaitCause = WaitCause.OTHER) -> Waiting | None:
    """Return what is to be told before a pause: of the first one, and that it has become long."""
    if attempt == 0:
        return Waiting(f"{reason}; it is tried again until it works", cause)
    if attempt == LONG and cause is WaitCause.OTHER:
        minutes = sum(map(backoff_seconds, range(LONG))) / 60
        return Waiting(f"{reason}; so for {minutes:.0f} minutes by now", WaitCause.MACHINE)
    return None


@dataclass(frozen=True)
class Backoff:
    """Lets time pass and tries again. Every wait ends at once when the run is to stop.

    `clock` and `sleep` are the run's, in seconds; `on_event` is told why it waits, once for each
    wait and once more where it becomes a long one; `stop` is asked often; `deadline` is on the
    clock, None: there is none. While `paused` is true nothing is to be executed.
    """

    clock: Callable[[], float]
    sleep: Callable[[float], None]
    on_event: Callable[[Event], None]
    stop: Callable[[], bool]
    deadline: float | None = None
    paused: Callable[[], bool] = lambda: False

    @property
    def left(self) -> float | None:
        """Seconds until the run is to stop; None where no time is set."""
        return None if self.deadline is None else max(self.deadline - self.clock(), 0.0)

    def retry(self, act: Callable[[], T]) -> T:
        """Return what `act` returns, tried again for as long as what hinders it may pass.

        Args:
            act: may be begun anew after it failed half-way.

        Raises:
            Interrupted: the run is to stop, and it still fails.
        """
        for attempt in itertools.count():
            try:
                done = act()
            except Exception as fault:
                if not is_passing(fault):
                    raise
                self.back_off(str(fault), attempt)
            else:
                if attempt:
                    self.on_event(Notice("it goes on"))
                return done
        raise AssertionError

    def back_off(self, reason: str, attempt: int) -> None:
        """Let a pause pass, each longer than the one before; the first is told with its reason.

        Raises:
            Interrupted: the run is to stop.
        """
        if told := waiting(reason, attempt):
            self.on_event(told)
        self.wait(backoff_seconds(attempt))
        if self.stop():
            msg = f"stopped while waiting: {reason}"
            raise Interrupted(msg)

    def wait(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let seconds pass; fewer when the run is to stop, or `until` comes true."""
        end = self.clock() + seconds
        while (left := end - self.clock()) > 0 and not self.stop() and not until():
            self.sleep(min(left, LOOK_SECONDS))

    def pause(self, reason: str, attempt: int, cause: WaitCause = WaitCause.OTHER) -> Steps[None]:
        """Let a pause pass as a step of a task; see `back_off`.

        Raises:
            Interrupted: the run is to stop.
        """
        if told := waiting(reason, attempt, cause):
            self.on_event(told)
        yield Pause(backoff_seconds(attempt), reason)

    def executed(self, spec: TrialSpec) -> Steps[TrialResult]:
        """Return a trial's result as a step of a task; see `retry`.

        Nothing is executed while the person has paused the run.

        Raises:
            Interrupted: the run is to stop.
        """
        while self.paused():
            yield Pause(LOOK_SECONDS, "the run is paused")
        for attempt in itertools.count():
            try:
                result = yield spec
            except Exception as fault:
                if not is_passing(fault):
                    raise
                yield from self.pause(str(fault), attempt)
            else:
                assert result is not None
                if attempt:
                    self.on_event(Notice("it goes on"))
                return result
        raise AssertionError
