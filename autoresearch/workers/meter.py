"""The clocks and the memory of one trial, as the supervisor sees them."""

from collections.abc import Callable

from autoresearch.process import Guarded, ResourceLimits
from autoresearch.records.training import Budget, Limits, Timing
from autoresearch.records.values import Clock, Ending

MEMORY_POLL_SECONDS = 0.25

Breach = tuple[Ending, str]


class Meter:
    """Measures a trial from its launch; counts its budget from `start` to `freeze`."""

    def __init__(
        self,
        tree: Guarded,
        appetite: ResourceLimits,
        budget: Budget,
        limits: Limits,
        now: Callable[[], float],
    ) -> None:
        self._tree = tree
        self._appetite = appetite
        self._budget = budget
        self._limits = limits
        self._now = now
        self._born = now()
        self._started: float | None = None  # on the budget's clock
        self._started_wall = 0.0
        self._spent: float | None = None
        self._total: float | None = None
        self._polled = self._born
        self.peak = 0  # bytes

    @property
    def age(self) -> float:
        """The wall seconds since the launch."""
        return self._now() - self._born

    @property
    def started(self) -> bool:
        """Whether the budget runs, or ran."""
        return self._started is not None

    def start(self) -> None:
        """Let the budget run from here; where it is frozen already, that stays."""
        if self._spent is None:
            self._started_wall = self._now()
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
        self._total = self._now() - self._born

    def late(self) -> Breach | None:
        """Return LATE when more than budget and grace are spent."""
        over = self.spent() - self._budget.training
        if over <= self._budget.grace:
            return None
        return Ending.LATE, f"finished {over:.2g} s after its budget"

    def overdue(self) -> Breach | None:
        """Return the time limit that is passed, if any.

        A trial gets the grace twice before it is ended, so that a late finish is seen as what it
        is. The wall limit is for the other clock: it stands still while a trial sleeps.
        """
        budget, wall = self._budget, self._now()
        if self._started is None:
            limit, passed = budget.startup, wall - self._born > budget.startup
            return (Ending.START_TIMEOUT, f"no start within {limit:g} s") if passed else None
        if self.spent() > budget.training + 2 * budget.grace:
            return Ending.HANG, f"did not finish within {budget.training:g} s of training"
        if budget.clock is Clock.CPU and wall - self._started_wall > budget.wall_limit:
            return Ending.HANG, f"did not finish within {budget.wall_limit:g} s of wall time"
        return None

    def overweight(self) -> Breach | None:
        """Look at what is used if it is time to; return the limit that is passed, if any is."""
        if self._now() - self._polled < MEMORY_POLL_SECONDS:
            return None
        self.weigh()
        if self.peak > self._limits.memory:
            return Ending.OUT_OF_MEMORY, f"used more than {self._limits.memory / 2**30:.3g} GiB"
        excess = self._appetite.violation()
        return (Ending.OVER_LIMIT, excess) if excess else None

    def weigh(self) -> None:
        """Look at the memory now."""
        self._polled = self._now()
        used = self._tree.resident()
        if used > self._limits.memory:  # forked processes share most of what they hold
            used = min(used, self._tree.resident(exact=True))
        self.peak = max(self.peak, used)

    def timing(self) -> Timing:
        """Return the seconds by phase; after `end`."""
        total = self._total if self._total is not None else self._now() - self._born
        startup = self._started_wall - self._born if self.started else total
        return Timing(startup=startup, training=self.spent(), total=total)

    def _clock(self) -> float:
        return self._tree.cpu_seconds() if self._budget.clock is Clock.CPU else self._now()
