"""Sending from a thread, so that no night waits for a server."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from queue import Empty, Full, Queue, SimpleQueue

from autoresearch.notify.channels import Channel
from autoresearch.notify.notification import Notification

MOST_WAITING = 16  # notifications; the next one is dropped
SECONDS = 9.0  # for one notification, over all channels
Make = Callable[[], Notification]


class Notifier:
    """Sends notifications over every channel, one after the other.

    What fails costs one line, until it has worked again. Nobody waits for a channel that hangs:
    its thread is left alone, and it gets nothing new before that has ended.
    """

    def __init__(
        self, channels: Sequence[Channel], tell: Callable[[str], None], seconds: float = SECONDS
    ) -> None:
        """Start it.

        Args:
            channels: where to.
            tell: is given a line for the person, from another thread.
            seconds: that one notification may take.
        """
        self._channels = channels
        self._tell = tell
        self._seconds = seconds
        self._waiting: Queue[Make | None] = Queue(MOST_WAITING)
        self._failing: set[str] = set()
        self._hanging: dict[str, threading.Thread] = {}
        self._dropped = 0
        self._thread = threading.Thread(target=self._work, name="notifier", daemon=True)
        self._thread.start()

    def send(self, make: Make) -> None:
        """Have a notification made and sent; returns at once, and never raises."""
        try:
            self._waiting.put_nowait(make)
        except Full:
            self._dropped += 1

    def close(self, seconds: float) -> None:
        """Wait so long at most until all has been sent; what has not been by then is given up."""
        end = time.monotonic() + seconds
        try:
            self._waiting.put(None, timeout=seconds)
        except Full:
            pass
        else:
            self._thread.join(max(end - time.monotonic(), 0.0))
        if self._dropped or self._thread.is_alive():
            self._tell("not every notification could be sent in time")

    def _work(self) -> None:
        while (make := self._waiting.get()) is not None:
            try:
                notification = make()
            except Exception as fault:  # noqa: BLE001 - a message that cannot be made ends nothing
                self._tell(f"a notification could not be made ({type(fault).__name__})")
            else:
                self._deliver(notification)

    def _deliver(self, notification: Notification) -> None:
        """Send over all channels at once, and say which failed for the first time."""
        answers: SimpleQueue[tuple[str, str]] = SimpleQueue()
        begun = {each.name for each in self._channels if self._begin(each, notification, answers)}
        end = time.monotonic() + self._seconds
        while begun:
            try:
                name, fault = answers.get(timeout=max(end - time.monotonic(), 0.0))
            except Empty:
                break
            begun.discard(name)
            self._note(name, fault)
        for name in begun:
            self._note(name, f"it did not answer in {self._seconds:g} s")

    def _begin(
        self,
        channel: Channel,
        notification: Notification,
        answers: "SimpleQueue[tuple[str, str]]",
    ) -> bool:
        before = self._hanging.get(channel.name)
        if before is not None and before.is_alive():
            return False

        def act() -> None:
            answers.put((channel.name, sent(channel, notification)))

        thread = threading.Thread(target=act, name="notification", daemon=True)
        self._hanging[channel.name] = thread
        thread.start()
        return True

    def _note(self, name: str, fault: str) -> None:
        if fault and name not in self._failing:
            self._tell(f"no notification reached {name}: {fault}; the run does without")
        (self._failing.add if fault else self._failing.discard)(name)


def sent(channel: Channel, notification: Notification) -> str:
    """Send over one channel, without its picture where it fails with it; return "" or why not."""
    try:
        fault = channel.send(notification)
        if fault and notification.picture:
            return channel.send(replace(notification, picture=None))
    except Exception as odd:  # noqa: BLE001 - of a library; its text may name the URL
        return f"it failed ({type(odd).__name__})"
    return fault
