"""How long a process tree was kept from the cores of a busy machine."""

from collections.abc import Callable, Mapping

LOOK_SECONDS = 1.0


class CoreWaits:
    """Counts the wall seconds in which a tree waited for a core and nothing of it ran.

    Two accounts are kept, and the smaller counts. One is of waiting: between two looks, what the
    thread that waited longest has waited. The other is of rest: the wall seconds less the CPU
    seconds, in so many of which at least no thread of the tree can have run. So threads that wait
    for each other's core count for nothing, however many they are: while one of them waits,
    another runs.
    """

    def __init__(
        self,
        delays: Callable[[], Mapping[int, float]],
        cpu: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        """Build it and begin to count; the arguments are as in `Guarded` and `supervise`."""
        self._delays = delays
        self._cpu = cpu
        self._now = now
        self._born = self._looked = now()
        self._known = delays()
        self._used = cpu()
        self._waited = self._rested = 0.0

    def seconds(self) -> float:
        """Return the seconds so far; call it often: it looks every second."""
        if self._now() - self._looked >= LOOK_SECONDS:
            self._look()
        return min(self._waited, self._rested)

    def _look(self) -> None:
        at, used, delays = self._now(), self._cpu(), self._delays()
        longest = max((self._further(*each) for each in delays.items()), default=0.0)
        # A wait is told when it is over, so it may be longer than the time since the last look; but
        # threads that waited at once must not be added up by coming one after the other.
        self._waited = min(self._waited + longest, at - self._born)
        self._rested += max(at - self._looked - (used - self._used), 0.0)
        self._looked, self._used, self._known = at, used, delays

    def _further(self, thread: int, delay: float) -> float:
        before = self._known.get(thread, 0.0)
        return delay - before if delay >= before else delay  # a later thread of the same number
