"""The commits' files that a cluster's object store holds, for hosts to take."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import ObjectStoreFullError, OutOfDiskError

FULL = (ObjectStoreFullError, OutOfDiskError)  # the store, and the disk that it puts the rest on


class ClusterCode:
    """Commits' files by commit. Where there is no room, those go that were not used for longest."""

    def __init__(self, forgotten: Callable[[str], None]) -> None:
        """Build it; `forgotten` is told a commit whose files had to go."""
        self._forgotten = forgotten
        self._held: OrderedDict[str, Any] = OrderedDict()

    def put(self, commit: str, data: bytes) -> None:
        """Hold a commit's files, if there is room for them at all."""
        for oldest in (*self._held, commit):
            with suppress(*FULL):
                self._held[commit] = ray.put(data)
                return
            self.drop(oldest)
            self._forgotten(oldest)

    def drop(self, commit: str) -> None:
        """Hold a commit's files no longer."""
        self._held.pop(commit, None)

    def use(self, commit: str) -> Any:
        """Return what stands for a commit's files, and keeps them; None: there was no room."""
        if commit in self._held:
            self._held.move_to_end(commit)
        return self._held.get(commit)
