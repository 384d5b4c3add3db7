"""A task as a generator: it says what it needs next, and is told what came of it.

So one thread follows many tasks, each written as if it were alone.
"""

import itertools
from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

from autoresearch.errors import is_passing
from autoresearch.execution import TrialResult, TrialSpec
from autoresearch.records.events import Notice, WaitCause
from autoresearch.research.backoff import LOOK_SECONDS, Backoff, backoff_seconds, waiting

T = TypeVar("T")


@dataclass(frozen=True)
class Execute:
    """Have a trial executed on the task's slot; its result is sent, or what kept it is thrown."""

    spec: TrialSpec


@dataclass(frozen=True)
class Pause:
    """Let seconds pass; `Interrupted` is thrown where the run is to stop meanwhile."""

    seconds: float
    reason: str


Steps = Generator[Execute | Pause, TrialResult | None, T]


def pause(
    backoff: Backoff, reason: str, attempt: int, cause: WaitCause = WaitCause.OTHER
) -> Steps[None]:
    """Let a pause pass, each longer than the one before; the first is told with its reason.

    Raises:
        Interrupted: the run is to stop.
    """
    if told := waiting(reason, attempt, cause):
        backoff.on_event(told)
    yield Pause(backoff_seconds(attempt), reason)


def executed(backoff: Backoff, spec: TrialSpec) -> Steps[TrialResult]:
    """Return a trial's result, tried again for as long as what hinders it may pass.

    Nothing is executed while the person has paused the run.

    Raises:
        Interrupted: the run is to stop.
    """
    while backoff.paused():
        yield Pause(LOOK_SECONDS, "the run is paused")
    for attempt in itertools.count():
        try:
            result = yield Execute(spec)
        except Exception as fault:
            if not is_passing(fault):
                raise
            yield from pause(backoff, str(fault), attempt)
        else:
            assert result is not None
            if attempt:
                backoff.on_event(Notice("it goes on"))
            return result
    raise AssertionError
