"""Checks that take seconds, such as smoke tests, in threads beside the controller's loop."""

from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread

MOST = 2  # at once: they run on cores that trials may want


@dataclass(frozen=True)
class BackgroundChecks:
    """Has checks done in threads that nobody waits for, not even a run's end.

    What a check finds, whoever does it remembers; here it is known that it is over. All but `wake`,
    which is called from another thread when one is over, is for the controller's own thread.
    """

    wake: Callable[[], None]
    _at_work: set[Hashable] = field(default_factory=set, init=False)
    _done: set[Hashable] = field(default_factory=set, init=False)
    _ended: SimpleQueue[Hashable] = field(default_factory=SimpleQueue, init=False)

    @property
    def pending(self) -> bool:
        """Whether any was at work at the last `take_in`, or was begun since."""
        return bool(self._at_work)

    def take_in(self) -> None:
        """Note which are over."""
        with suppress(Empty):
            while True:
                over = self._ended.get_nowait()
                self._at_work.remove(over)
                self._done.add(over)

    def is_done(self, name: Hashable, check: Callable[[], object]) -> bool:
        """Return whether a check is over; it is begun if it was not, unless enough are at work.

        That it is over is said once: the same check may be due again.

        Args:
            name: what is checked, and beside what.
            check: does it, and remembers what it found. What hinders it, such as a full disk, is
                met again by whoever asks for that, and is raised there.
        """
        if name in self._done:
            self._done.remove(name)
            return True
        if name not in self._at_work and len(self._at_work) < MOST:
            self._at_work.add(name)
            Thread(target=self._run, args=(name, check), name="check", daemon=True).start()
        return False

    def _run(self, name: Hashable, check: Callable[[], object]) -> None:
        with suppress(Exception):
            check()
        self._ended.put(name)
        self.wake()
