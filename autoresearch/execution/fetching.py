"""A store whose checkpoints lie with the hosts that trained them, until one is surely wanted."""

from collections.abc import Collection, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

from autoresearch.execution.base import Holder
from autoresearch.process import remove
from autoresearch.workers.checkpoint_store import CheckpointStore


class FetchingStore(CheckpointStore):
    """Fetches what is kept. All its methods are for one thread."""

    def __init__(self, folder: Path, room: int, holder: Holder, work: Path) -> None:
        """Build it; `holder` knows where checkpoints lie, `work` is for what is under way."""
        super().__init__(folder, room)
        self._holder = holder
        self._work = work
        self._under_way: set[int] = set()
        self._arrived: SimpleQueue[tuple[int, Path, bool]] = SimpleQueue()

    def trials(self) -> list[int]:
        """Return the trials whose checkpoint is here, on its way or with its host, oldest first."""
        self._take_in()
        return sorted({*super().trials(), *self._under_way, *self._holder.held})

    def tidy(self, wanted: Sequence[int], at_work: Collection[int] = ()) -> None:
        """Remove all but these; see `CheckpointStore.tidy`."""
        self._take_in()
        for number in self._holder.held:
            if number not in wanted and number not in at_work:
                self._holder.drop(number)
        super().tidy(wanted, at_work)

    def secure(self, wanted: Sequence[int]) -> None:
        """Have these brought here; do not wait."""
        for number in set(self._holder.held) & {*wanted}:
            self._fetch(number)

    def finish(self, seconds: float) -> None:
        """Have all brought here that are not yet; wait so long for each at most."""
        self.secure(self._holder.held)
        while self._under_way:
            try:
                self._put(*self._arrived.get(timeout=seconds))
            except Empty:
                return

    def _fetch(self, number: int) -> None:
        folder = self._work / f"fetched-{number}"
        remove(folder)
        self._under_way.add(number)
        self._holder.fetch(number, folder, lambda here: self._arrived.put((number, folder, here)))

    def _take_in(self) -> None:
        while not self._arrived.empty():
            self._put(*self._arrived.get())

    def _put(self, number: int, folder: Path, here: bool) -> None:  # noqa: FBT001 - it was told so
        self._under_way.discard(number)
        if here:
            self.put(number, folder)
        remove(folder)
