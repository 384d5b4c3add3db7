"""The process that speaks to a Ray cluster on the controller's behalf.

Ray prints, takes signals, and ends its process when a head is lost: none of that is the
controller's. This process ends when the controller does, by whatever end, and with it end the
actors on all machines; each trial's guard kills what an actor leaves behind.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import ray
from ray.exceptions import ActorDiedError, RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from autoresearch import corpus as corpora
from autoresearch.corpus.manifest import read_manifest
from autoresearch.errors import SlotLostError
from autoresearch.execution import messages
from autoresearch.execution.cluster_code import FULL, ClusterCode
from autoresearch.execution.host_slot import HostSlot
from autoresearch.execution.link import pause_after
from autoresearch.execution.packing import unpack
from autoresearch.execution.serving import HostServer
from autoresearch.process import remove

_LOOK_SECONDS = 1.0  # between two looks at which machines there are
_LONGEST_PAUSE = 120.0
_END_SECONDS = 10.0
_DEAD_SECONDS, _MUTE_SECONDS = 2.0, 30.0  # after a host, until its machine turns out to be gone
_BESIDE = 4  # calls of a host that may run beside one that executes


class Bridge:
    """Follows a cluster's machines and the trials on them; one thread a slot, one a trial."""

    def __init__(self, connection: Connection) -> None:
        """Build it; `connection` is the controller's."""
        self._connection = connection
        self._sending = threading.Lock()
        self._host_slots: dict[str, HostSlot] = {}
        self._code = ClusterCode(lambda commit: self._tell(messages.Forgotten(commit)))
        self._begin: messages.Begin

    def run(self) -> None:
        """Do what the controller says, until it is gone."""
        with suppress(EOFError, OSError):
            self._begin = self._connection.recv()
            try:
                ray.init(
                    address=self._begin.address,
                    log_to_driver=False,
                    configure_logging=False,
                    logging_level="ERROR",
                )
            except Exception as fault:  # noqa: BLE001 - Ray's are of every kind
                self._tell(messages.Unreachable(_line(fault)))
                return
            self._apart(self._follow)
            while True:
                self._obey(self._connection.recv())

    def end(self) -> None:
        """Let hosts end what is at work and remove what is left of it."""
        host_slots = [each for each in self._host_slots.values() if each.host is not None]
        for host_slot in host_slots:
            host_slot.gone = True
        with suppress(Exception):
            closing = [each.actor.close.remote() for each in host_slots]
            ray.wait(closing, num_returns=len(closing), timeout=_END_SECONDS)
        with suppress(Exception):
            ray.shutdown()

    def _tell(self, report: messages.Report) -> None:
        with self._sending, suppress(OSError):  # a controller that is gone hears nothing
            self._connection.send(report)

    def _apart(self, act: Callable[[], None]) -> None:
        threading.Thread(target=act, daemon=True).start()

    def _obey(self, command: messages.Command) -> None:
        match command:
            case messages.Code(commit, bytes(data)):
                self._code.put(commit, data)  # where there is no room, the trial will say so
            case messages.Code(commit):
                self._code.drop(commit)
            case messages.Submit():
                code = self._code.use(command.spec.commit)
                self._apart(partial(self._execute, command, code))
            case messages.Fetch():
                self._apart(partial(self._fetch, command))
            case messages.Begin():
                pass
            case _:
                if (host_slot := self._host_slots.get(command.slot)) is not None:
                    _direct(host_slot, command)

    # --- machines

    def _follow(self) -> None:
        """Look again and again which machines there are."""
        while True:
            try:
                nodes = _alive()
            except Exception as fault:  # noqa: BLE001 - see above
                self._tell(messages.Unreachable(_line(fault)))
                os._exit(1)
            for host_slot in list(self._host_slots.values()):
                if host_slot.node not in nodes:
                    host_slot.leave()
            for node, facts in nodes.items():
                self._seat(node, facts)
            time.sleep(_LOOK_SECONDS)

    def _seat(self, node: str, facts: dict[str, Any]) -> None:
        """Begin with the slots of a machine that is new."""
        has, begin = facts["Resources"], self._begin
        shares = int(has.get("GPU", 0)) if begin.gpus else int(has.get("CPU", 0) // begin.cores)
        for share in range(shares):
            slot = f"{facts['NodeManagerHostname']}-{node[:6]}:{share}"
            if slot not in self._host_slots:
                host_slot = self._host_slots[slot] = HostSlot(slot, node)
                self._apart(partial(self._host, host_slot))

    def _host(self, host_slot: HostSlot) -> None:
        """Have a host at work on a slot for as long as its machine is there.

        All that is told of the slot itself is told here, one after another.
        """
        failures = 0
        while True:
            try:
                self._open(host_slot)
                failures = 0
                host_slot.wait_until_broken()
            except Exception as fault:  # noqa: BLE001 - see above
                if not host_slot.gone and not failures:
                    self._tell(messages.Note(f"{host_slot.slot} is not usable now: {_line(fault)}"))
                failures += 1
            if host_slot.gone:
                break
            _let_go(host_slot.actor)
            if failures:
                self._rest(host_slot, failures)
        self._tell(messages.Gone(host_slot.slot))
        _let_go(host_slot.actor)

    def _open(self, host_slot: HostSlot) -> None:
        actor = self._actor(host_slot)
        host_slot.begin(actor)
        facts = self._ask(host_slot, actor.facts.remote())
        self._tell(messages.Found(host_slot.slot, facts))
        study = host_slot.accepted()
        if not facts.has_corpus and self._begin.corpus is not None:
            self._bring(host_slot)
        self._ask(host_slot, actor.open.remote(study))
        host_slot.open()
        self._tell(messages.Ready(host_slot.slot))

    def _rest(self, host_slot: HostSlot, failures: int) -> None:
        """Let time pass before a host is opened again, the longer the more often that failed."""
        ends = time.monotonic() + pause_after(failures, _LONGEST_PAUSE)
        while not host_slot.gone and time.monotonic() < ends:
            self._look(host_slot)
            time.sleep(_LOOK_SECONDS)

    def _look(self, host_slot: HostSlot) -> None:
        """Tell that a slot is gone if its host is not back in time: what waits runs elsewhere."""
        if host_slot.lapses():
            self._tell(messages.Gone(host_slot.slot))

    def _actor(self, host_slot: HostSlot) -> Any:
        begin = self._begin
        share = {"num_gpus": 1, "num_cpus": 0} if begin.gpus else {"num_cpus": begin.cores}
        there = NodeAffinitySchedulingStrategy(host_slot.node, soft=False)
        kind = ray.remote(**share, max_restarts=0, max_task_retries=0)(HostServer)
        return kind.options(max_concurrency=_BESIDE, scheduling_strategy=there).remote(begin.plan)

    def _ask(self, host_slot: HostSlot, answer: Any) -> Any:
        """Return an actor's answer; others may hold its machine's share for any time.

        Raises:
            SlotLostError: the machine is gone.
        """
        while not ray.wait([answer], timeout=_LOOK_SECONDS)[0]:
            self._look(host_slot)
            if host_slot.gone:
                raise SlotLostError(host_slot.slot)
        return ray.get(answer)

    def _bring(self, host_slot: HostSlot) -> None:
        """Bring a host the corpus, part by part, each taken before the next is read."""
        assert self._begin.corpus is not None
        corpus = corpora.portion(read_manifest(self._begin.corpus, "run `autoresearch prepare`"))
        self._tell(messages.Note(f"the corpus is brought to {host_slot.slot}"))
        self._ask(host_slot, host_slot.actor.expect.remote(corpus))
        for name, data in corpora.parts(corpus):
            self._ask(host_slot, host_slot.actor.take.remote(name, data))

    # --- trials

    def _execute(self, asked: messages.Submit, code: Any) -> None:
        if (host_slot := self._host_slots.get(asked.slot)) is None:
            return  # it was, before this process was begun anew, and the controller knows
        host = host_slot.host_for(asked.call)
        if host is None:  # it was cancelled, or the slot is gone, which the controller knows
            if host_slot.was_cancelled(asked.call):
                self._tell(messages.Failed(asked.slot, asked.call, "it was cancelled"))
            return
        if code is None:
            self._tell(messages.Failed(asked.slot, asked.call, "no room for the code", full=True))
            return
        execute = host.execute.options(num_returns="streaming")
        try:
            for each in execute.remote(asked.call, asked.spec, code):
                self._tell(messages.Told(asked.slot, asked.call, ray.get(each)))
        except Exception as fault:  # noqa: BLE001 - Ray's are of every kind
            self._fail(host_slot, host, asked, fault)

    def _fail(self, host_slot: HostSlot, host: Any, asked: messages.Submit, fault: Any) -> None:
        """Tell that a trial was let down by the cluster; a machine that is gone tells it itself."""
        if isinstance(fault, RayActorError):
            host_slot.break_down(host)
            mute = not isinstance(fault, ActorDiedError)
            if host_slot.goes_within(_MUTE_SECONDS if mute else _DEAD_SECONDS):
                return
        with suppress(Exception):
            host.cancel.remote(asked.call)  # it may be at work there all the same
        full = isinstance(fault, FULL) or isinstance(fault.__cause__, FULL)
        self._tell(messages.Failed(asked.slot, asked.call, _line(fault), full=full))

    def _fetch(self, asked: messages.Fetch) -> None:
        host_slot, here = self._host_slots.get(asked.slot), False
        with suppress(Exception):  # without a host, too
            assert host_slot is not None
            data = ray.get(host_slot.host.checkpoint.remote(asked.number))
            if data is not None and asked.folder is not None:
                unpack(data, asked.folder, links=False)
                here = True
        if asked.folder is not None:
            if not here:
                remove(asked.folder)
            self._tell(messages.Fetched(asked.folder, here))


def _alive() -> dict[str, dict[str, Any]]:
    """Return what Ray knows of the machines that are there, by their names."""
    return {each["NodeID"]: each for each in ray.nodes() if each["Alive"]}


def _direct(host_slot: HostSlot, command: messages.Command) -> None:
    """Do what asks for no answer."""
    with suppress(RayError, AttributeError):  # without a host there is nothing to be done
        match command:
            case messages.Accept(_, study):
                host_slot.accept(study)
            case messages.Refuse():
                host_slot.leave()
            case messages.Cancel(_, call):
                host_slot.cancel(call)
                host_slot.host.cancel.remote(call)
            case messages.Release(_, number):
                host_slot.host.release.remote(number)
            case messages.Prepare():
                host_slot.host.prepare.remote()


def _let_go(actor: Any) -> None:
    """End a host, and what is at work there."""
    with suppress(Exception):
        ray.get(actor.close.remote(), timeout=5.0)
    with suppress(Exception):
        ray.kill(actor)


def _line(fault: BaseException) -> str:
    """Return the line of a fault that says most: the last of what went wrong on a host."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    remote = type(fault).__name__ == "RayTaskError" or "ray::" in str(fault)
    return (lines[-1] if remote else lines[0]) if lines else type(fault).__name__


def main() -> None:
    """Serve the controller at the other end of the descriptor that is the first argument."""
    for number in (signal.SIGINT, signal.SIGHUP):  # the controller decides when it ends
        signal.signal(number, signal.SIG_IGN)
    bridge = Bridge(Connection(int(sys.argv[1])))
    bridge.run()
    bridge.end()
    os._exit(0)  # what Ray still waits for is nobody's concern


if __name__ == "__main__":
    main()
