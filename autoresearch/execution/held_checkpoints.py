"""Which checkpoints lie with the hosts that trained them, and which are on their way here."""

import threading
from collections.abc import Callable
from pathlib import Path

from autoresearch.execution import messages


class HeldCheckpoints:
    """Checkpoints by trial, each with a slot's host; for any thread."""

    def __init__(self, send: Callable[[messages.Fetch], None]) -> None:
        """Build it; `send` is given what hosts are to do."""
        self._send = send
        self._lock = threading.Lock()
        self._holders: dict[int, str] = {}
        self._fetching: dict[Path, Callable[[bool], None]] = {}

    @property
    def numbers(self) -> list[int]:
        """The trials whose checkpoints are still where they were trained."""
        with self._lock:
            return list(self._holders)

    def add(self, number: int, slot: str) -> None:
        """Note that a slot's host holds one."""
        with self._lock:
            self._holders[number] = slot

    def drop(self, number: int) -> None:
        """Have its host forget one."""
        with self._lock:
            slot = self._holders.pop(number, None)
        if slot is not None:
            self._send(messages.Fetch(slot, number, None))

    def fetch(self, number: int, folder: Path, then: Callable[[bool], None]) -> None:
        """Bring one into a new folder, and tell from any thread whether it is there."""
        with self._lock:
            slot = self._holders.pop(number, None)
            if slot is not None:
                self._fetching[folder] = then
        if slot is None:  # its host is gone meanwhile
            then(False)  # noqa: FBT003 - it is told so
        else:
            self._send(messages.Fetch(slot, number, folder))

    def arrived(self, folder: Path, *, here: bool) -> None:
        """Note that one is where it was wanted, or cannot be brought."""
        with self._lock:
            then = self._fetching.pop(folder, None)
        if then is not None:  # else nobody has waited for it since `lose_all`
            then(here)

    def lose(self, slot: str) -> None:
        """Forget what a slot held: its host is gone."""
        with self._lock:
            self._holders = {trial: at for trial, at in self._holders.items() if at != slot}

    def lose_all(self) -> None:
        """Forget all, and wait for nothing that was on its way."""
        with self._lock:
            waiting = list(self._fetching.values())
            self._holders.clear()
            self._fetching.clear()
        for then in waiting:
            then(False)  # noqa: FBT003 - it is told so
