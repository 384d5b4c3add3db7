"""Trials on this machine: a thread a slot waits for the processes of its trial."""

import threading
from collections.abc import Callable, Mapping

from autoresearch.execution.base import Ended, Message, Told
from autoresearch.execution.spec import TrialResult, TrialSpec
from autoresearch.execution.trial import Host, Watch, execute_trial
from autoresearch.process.cores import pinned


class LocalExecutor:
    """Executes trials on hosts of this machine, by the names of their slots."""

    def __init__(self, hosts: Mapping[str, Host], stop: Callable[[], bool]) -> None:
        """Build it; where `stop` comes true, every trial ends as interrupted."""
        self._hosts = dict(hosts)
        self._stop = stop
        self._cancelled = {slot: threading.Event() for slot in hosts}
        self._at_work: dict[str, threading.Thread] = {}
        self.name = next(iter(hosts.values())).worker.name

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the slots."""
        return tuple(self._hosts)

    def submit(self, slot: str, spec: TrialSpec, tell: Callable[[Message], None]) -> None:
        """Begin a trial; see `Executor.submit`."""
        self._cancelled[slot].clear()
        thread = threading.Thread(
            target=self._execute, args=(slot, spec, tell), name=f"slot {slot}", daemon=True
        )
        self._at_work[slot] = thread
        thread.start()

    def cancel(self, slot: str) -> None:
        """Have the trial on a slot end as interrupted."""
        self._cancelled[slot].set()

    def release(self, slot: str, number: int) -> None:
        """Remove what is held of a trial."""
        self._hosts[slot].release(number)

    def prepare(self) -> None:
        """Start what the next scorings need; do not wait."""
        for slot, host in self._hosts.items():
            if slot not in self._at_work or not self._at_work[slot].is_alive():
                with pinned(host.cores):
                    host.evaluator.prepare(host.work)
                    host.worker.prepare(host.work)

    def close(self) -> None:
        """End every trial and wait until its processes are dead."""
        for slot, thread in self._at_work.items():
            self.cancel(slot)
            thread.join()
        for host in self._hosts.values():
            host.evaluator.close()
            host.worker.close()

    def _execute(self, slot: str, spec: TrialSpec, tell: Callable[[Message], None]) -> None:
        cancelled = self._cancelled[slot]
        watch = Watch(
            lambda event: tell(Told(slot, event)), lambda: cancelled.is_set() or self._stop()
        )
        found: TrialResult | Exception
        try:
            with pinned(self._hosts[slot].cores):
                found = execute_trial(spec, self._hosts[slot], watch)
        except Exception as fault:  # noqa: BLE001 - it is raised where the result is asked for
            found = fault
        tell(Ended(slot, found))
