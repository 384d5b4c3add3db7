"""The clocks and the memory of one trial, as the supervisor sees them."""

from collections.abc import Callable
from dataclasses import dataclass

from autoresearch.process import CoreWaits, Guarded, ResourceLimits
from autoresearch.records.training import MOST_STARVED, Budget, Limits, Timing
from autoresearch.records.values import Clock, Ending, FailureKind
from autoresearch.workers.exits import Failed

MEMORY_POLL_SECONDS = 0.25


@dataclass(frozen=True)
class _Moment:
    """A moment: by the wall, and how long the trial had been kept from the cores until then."""

    wall: float
    starved: float


class Meter:
    """Measures a trial from its launch; counts its budget from `start` to `freeze`."""

    def __init__(
        self,
        tree: Guarded,
        usage_limits: ResourceLimits,
        budget: Budget,
        limits: Limits,
        now: Callable[[], float],
    ) -> None:
        self._tree = tree
        self._usage_limits = usage_limits
        self._budget = budget
        self._limits = limits
        self._now = now
        # By the wall clock a busy machine's seconds count like all others.
        on_cpu = budget.clock is Clock.CPU
        self._waits = CoreWaits(tree.core_delays, tree.cpu_seconds, now) if on_cpu else None
        self._launch = self._begun = self._moment()
        self._started: float | None = None  # on the budget's clock
        self._spent: float | None = None
        self._total: float | None = None
        self._polled = self._launch.wall
        self.peak = 0  # bytes

    @property
    def age(self) -> float:
        """The wall seconds since the launch."""
        return self._now() - self._launch.wall

    @property
    def started(self) -> bool:
        """Whether the budget runs, or ran."""
        return self._started is not None

    def start(self) -> None:
        """Let the budget run from here; where it is frozen already, that stays."""
        if self._spent is None:
            self._begun = self._moment()
            self._started = self._clock()

    def spent(self) -> float:
        """Return the seconds of the budget that are spent."""
        if self._started is None:
            return 0.0
        return self._clock() - self._started if self._spent is None else self._spent

    def freeze(self) -> None:
        """Stop counting the budget: the trial has finished or is being ended. Idempotent."""
        self._spent = self.spent()

    def end(self) -> None:
        """Note that no process of the trial is left."""
        self.freeze()
        self._total = self.age

    def late(self) -> Failed | None:
        """Return LATE when more than budget and grace are spent."""
        over = self.spent() - self._budget.training
        if over <= self._budget.grace:
            return None
        return Failed(Ending.LATE, f"finished {over:.2g} s after its budget")

    def overdue(self) -> Failed | None:
        """Return the time limit that is passed, if any.

        A trial gets the grace twice before it is ended, so that a late finish is seen as what it
        is. The wall limit is for the other clock: it stands still while a trial sleeps.
        """
        budget = self._budget
        if self._started is None:
            told = f"no start within {budget.startup:g} s"
            return self.outlasted(budget.startup, Ending.START_TIMEOUT, told)
        if self.spent() > budget.training + 2 * budget.grace:
            told = f"did not finish within {budget.training:g} s of training"
            return Failed(Ending.HANG, told, doubtful=True)
        if budget.clock is Clock.WALL:
            return None
        told = f"did not finish within {budget.wall_limit:g} s of wall time"
        return self._outlasted(budget.wall_limit, self._begun, Ending.HANG, told)

    def outlasted(self, limit: float, ending: Ending, told: str) -> Failed | None:
        """Return that a trial ends so if it has lasted longer than a limit since its launch.

        On the CPU clock the seconds do not count in which the machine gave it no core, up to a
        bound: a process may see to it that it gets none, by the lowest priority on a core that a
        neighbour keeps busy, and would never end.

        Args:
            limit: wall seconds.
            ending: what it is then.
            told: the reason, in words.
        """
        return self._outlasted(limit, self._launch, ending, told)

    def _outlasted(self, limit: float, since: _Moment, ending: Ending, told: str) -> Failed | None:
        at = self._moment()
        passed, starved = at.wall - since.wall, at.starved - since.starved
        if passed - min(starved, (MOST_STARVED - 1) * limit) <= limit:
            return None
        if starved <= passed / 2:
            return Failed(ending, told, doubtful=True)
        why = f"{told}: for {starved:.0f} s of {passed:.0f} s the machine gave it no core"
        return Failed(ending, why, FailureKind.MACHINE, doubtful=True)

    def _moment(self) -> _Moment:
        return _Moment(self._now(), self._waits.seconds() if self._waits else 0.0)

    def overweight(self) -> Failed | None:
        """Look at what is used if it is time to; return the limit that is passed, if any is."""
        if self._now() - self._polled < MEMORY_POLL_SECONDS:
            return None
        self.weigh()
        if self.peak > self._limits.memory:
            told = f"used more than {self._limits.memory / 2**30:.3g} GiB"
            return Failed(Ending.OUT_OF_MEMORY, told)
        excess = self._usage_limits.violation()
        return Failed(Ending.OVER_LIMIT, excess) if excess else None

    def weigh(self) -> None:
        """Look at the memory now."""
        self._polled = self._now()
        used = self._tree.resident()
        if used > self._limits.memory:  # forked processes share most of what they hold
            used = min(used, self._tree.resident(exact=True))
        self.peak = max(self.peak, used)

    def timing(self) -> Timing:
        """Return the seconds by phase; after `end`."""
        total = self._total if self._total is not None else self.age
        startup = self._begun.wall - self._launch.wall if self.started else total
        return Timing(startup=startup, training=self.spent(), total=total)

    def _clock(self) -> float:
        return self._tree.cpu_seconds() if self._budget.clock is Clock.CPU else self._now()
