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
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from autoresearch import corpus as corpora
from autoresearch.corpus.manifest import read_manifest
from autoresearch.errors import AutoresearchError
from autoresearch.execution import messages
from autoresearch.execution.cluster_code import FULL, ClusterCode
from autoresearch.execution.packing import unpack
from autoresearch.execution.serving import HostServer
from autoresearch.process import remove

_LOOK_SECONDS = 1.0  # between two looks at which machines there are
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 120.0
_END_SECONDS = 10.0
_BESIDE = 4  # calls of a host that may run beside one that executes


@dataclass
class HostSlot:
    """A slot: a share of one machine, and the actor that is its host."""

    slot: str
    node: str
    actor: Any = None
    study: str = ""
    answered: threading.Event = field(default_factory=threading.Event)  # accepted, refused or gone
    ready: threading.Event = field(default_factory=threading.Event)
    broken: threading.Event = field(default_factory=threading.Event)
    gone: bool = False

    def leave(self) -> None:
        """Let go of its machine: whoever waits for it need wait no longer."""
        self.gone = True
        for event in (self.answered, self.ready, self.broken):
            event.set()


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
        host_slots = [
            each for each in self._host_slots.values() if each.actor is not None and not each.gone
        ]
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
                if host_slot.node not in nodes and not host_slot.gone:
                    host_slot.leave()
                    self._tell(messages.Gone(host_slot.slot))
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
        """Have a host at work on a slot for as long as its machine is there."""
        failures = 0
        while not host_slot.gone:
            try:
                self._open(host_slot)
                failures = 0
                host_slot.broken.wait()
            except (RayError, AutoresearchError, OSError) as fault:
                if not host_slot.gone and not failures:
                    self._tell(
                        messages.Note(f"{host_slot.slot} cannot be used now: {_line(fault)}")
                    )
                failures += 1
                time.sleep(min(_FIRST_PAUSE * 2.0**failures, _LONGEST_PAUSE))
            with suppress(Exception):
                ray.get(host_slot.actor.close.remote(), timeout=5.0)
            with suppress(Exception):
                ray.kill(host_slot.actor)

    def _open(self, host_slot: HostSlot) -> None:
        host_slot.ready.clear()
        host_slot.broken.clear()
        host_slot.answered.clear()
        host_slot.actor = self._actor(host_slot)
        facts = self._ask(host_slot, host_slot.actor.facts.remote())
        self._tell(messages.Found(host_slot.slot, facts))
        host_slot.answered.wait()
        if host_slot.gone:
            return
        if not facts.has_corpus and self._begin.corpus is not None:
            self._bring(host_slot)
        self._ask(host_slot, host_slot.actor.open.remote(host_slot.study))
        host_slot.ready.set()
        self._tell(messages.Ready(host_slot.slot))

    def _actor(self, host_slot: HostSlot) -> Any:
        begin = self._begin
        share = {"num_gpus": 1, "num_cpus": 0} if begin.gpus else {"num_cpus": begin.cores}
        there = NodeAffinitySchedulingStrategy(host_slot.node, soft=False)
        kind = ray.remote(**share, max_restarts=0, max_task_retries=0)(HostServer)
        made = kind.options(max_concurrency=_BESIDE, scheduling_strategy=there)
        return made.remote(begin.plan)

    def _ask(self, host_slot: HostSlot, answer: Any) -> Any:
        """Return an actor's answer; others may hold its machine's share for any time."""
        while not host_slot.gone and not ray.wait([answer], timeout=_LOOK_SECONDS)[0]:
            pass
        return None if host_slot.gone else ray.get(answer)

    def _bring(self, host_slot: HostSlot) -> None:
        """Bring a host the corpus, part by part, each taken before the next is read."""
        assert self._begin.corpus is not None
        corpus = corpora.portion(read_manifest(self._begin.corpus, "run `autoresearch prepare`"))
        self._tell(messages.Note(f"the corpus is brought to {host_slot.slot}"))
        self._ask(host_slot, host_slot.actor.expect.remote(corpus))
        for name, data in corpora.parts(corpus):
            if not host_slot.gone:
                self._ask(host_slot, host_slot.actor.take.remote(name, data))

    # --- trials

    def _execute(self, asked: messages.Submit, code: Any) -> None:
        host_slot = self._host_slots[asked.slot]
        host_slot.ready.wait()
        if host_slot.gone:
            return  # the controller knows
        if code is None:
            self._tell(messages.Failed(asked.slot, asked.call, "no room for the code", full=True))
            return
        try:
            for each in host_slot.actor.execute.options(num_returns="streaming").remote(
                asked.call, asked.spec, code
            ):
                self._tell(messages.Told(asked.slot, asked.call, ray.get(each)))
        except Exception as fault:  # noqa: BLE001 - Ray's are of every kind
            self._fail(host_slot, asked, fault)

    def _fail(self, host_slot: HostSlot, asked: messages.Submit, fault: Exception) -> None:
        """Tell that a trial was let down by the cluster; a machine that is gone tells it itself."""
        if isinstance(fault, RayActorError):
            host_slot.ready.clear()
            host_slot.broken.set()
            with suppress(Exception):
                if host_slot.node not in _alive():
                    return
        full = isinstance(fault, FULL) or isinstance(fault.__cause__, FULL)
        self._tell(messages.Failed(asked.slot, asked.call, _line(fault), full=full))

    def _fetch(self, asked: messages.Fetch) -> None:
        host_slot, here = self._host_slots[asked.slot], False
        with suppress(Exception):
            data = (
                None if host_slot.gone else ray.get(host_slot.actor.checkpoint.remote(asked.number))
            )
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
    with suppress(RayError):
        match command:
            case messages.Accept(_, study):
                host_slot.study = study
                host_slot.answered.set()
            case messages.Refuse():
                host_slot.leave()
            case messages.Cancel(_, call):
                host_slot.actor.cancel.remote(call)
            case messages.Release(_, number):
                host_slot.actor.release.remote(number)
            case messages.Prepare() if host_slot.ready.is_set():
                host_slot.actor.prepare.remote()


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
