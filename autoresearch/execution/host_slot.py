"""A slot of a cluster as the process that speaks to Ray has it: its host opens, works, breaks."""

import threading
import time
from collections.abc import Callable
from typing import Any

from autoresearch.errors import SlotLostError

BACK_SECONDS = 60.0  # so long after its host broke a slot counts on, without another host


class HostSlot:
    """A share of one machine, and the actor that is its host; for any thread.

    `node` is the machine. It is `gone` when that is no more, or is not used. What waits for a host
    is let go of when there is none soon: `counts` says whether the slot can be waited for.
    """

    def __init__(self, slot: str, node: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Build it; there is no host yet."""
        self.slot, self.node = slot, node
        self.actor: Any = None
        self.gone = False
        self.counts = False
        self._clock = clock
        self._changed = threading.Condition()
        self._study: str | None = None
        self._is_ready = False
        self._broke = 0.0
        self._cancelled: set[int] = set()

    @property
    def host(self) -> Any:
        """The actor that can execute trials now; None while there is none."""
        return self.actor if self._is_ready and not self.gone else None

    # --- its host

    def begin(self, actor: Any) -> None:
        """Begin with another host, which is not accepted yet."""
        with self._changed:
            self.actor, self._study = actor, None

    def accept(self, study: str) -> None:
        """Have its host made ready for a study."""
        with self._changed:
            self._study = study
            self._changed.notify_all()

    def accepted(self) -> str:
        """Wait until its host is accepted; return for which study.

        Raises:
            SlotLostError: it is gone instead.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._study is not None or self.gone)
            if self.gone or self._study is None:
                raise SlotLostError(self.slot)
            return self._study

    def open(self) -> None:
        """Note that its host can execute trials."""
        with self._changed:
            self._is_ready = self.counts = True
            self._changed.notify_all()

    def break_down(self, actor: Any) -> None:
        """Note that a host is no more, if it still is this slot's."""
        with self._changed:
            if self._is_ready and actor is self.actor:
                self._is_ready, self._broke = False, self._clock()
                self._changed.notify_all()

    def leave(self) -> None:
        """Let go of its machine: whoever waits for it need wait no longer."""
        with self._changed:
            self.gone, self.counts = True, False
            self._changed.notify_all()

    def wait_until_broken(self) -> None:
        """Wait until its host is no more, or its machine."""
        with self._changed:
            self._changed.wait_for(lambda: self.host is None)

    def goes_within(self, seconds: float) -> bool:
        """Return whether its machine is gone, or turns out to be so soon."""
        with self._changed:
            return self._changed.wait_for(lambda: self.gone, seconds)

    def lapses(self) -> bool:
        """Return once that it counts no more, since its host is not back in time."""
        with self._changed:
            late = self._clock() - self._broke >= BACK_SECONDS
            if not self.counts or self._is_ready or not late:
                return False
            self.counts = False
            self._changed.notify_all()
            return True

    # --- its calls

    def host_for(self, call: int) -> Any:
        """Wait for the host that a call is to begin on; None: it was cancelled, or none comes."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_ready or not self.counts or call in self._cancelled
            )
            return None if call in self._cancelled else self.host

    def cancel(self, call: int) -> None:
        """Let a call not begin any more."""
        with self._changed:
            self._cancelled.add(call)
            self._changed.notify_all()

    def was_cancelled(self, call: int) -> bool:
        """Return whether a call was."""
        return call in self._cancelled
