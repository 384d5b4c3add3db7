"""A Ray cluster of fake GPUs on this machine, and hosts for it that train stubs."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from autoresearch.execution import (
    Checkout,
    Host,
    HostFacts,
    HostPlan,
    RayExecutor,
    Terms,
    messages,
)
from autoresearch.execution.hosting import private_work
from autoresearch.process import launch, remove
from autoresearch.records.hardware import Hardware
from autoresearch.records.training import Outcome, Point
from autoresearch.records.values import Trust
from autoresearch.workers import Assignment, PruneCheck, never_pruned
from autoresearch.workers.checkpoint_store import CheckpointStore
from tests.executors import Gates, gated_host
from tests.inline import InlineWorker
from tests.processes import PATIENCE
from tests.stubs import ConfigScorer

FACTS = HostFacts(Hardware("cuda", "Fake"), Trust.UNSEALED)
TERMS = Terms(FACTS.key, "study")
STORE = 80 * 2**20
_ROOT = Path(__file__).parents[1]
_ANSWER = "> "


class Cluster:
    """Machines of one fake GPU each, that can be taken away.

    They are made by a process of their own, which Ray may do with as it likes.
    """

    def __init__(self, folder: Path, *, spills: bool = True) -> None:
        """Make the first machine, the head, in which trials are also run.

        Where it does not spill, the machines' disks count as full: a full object store has nowhere
        to put anything.
        """
        self.folder = folder
        # Ray's sockets are in there, whose whole names have 107 bytes at most.
        self._short = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        self._maker = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.clusters", *([] if spills else ["no-spilling"])],
            cwd=_ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(_ROOT),
                "TMPDIR": str(folder),
                "RAY_TMPDIR": str(self._short),
                "AUTORESEARCH_HOME": str(folder / "data"),
                "RAY_DISABLE_MEMORY_MONITOR": "1",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.head = self.add()
        self.address = self._say("address")

    def add(self) -> str:
        """Add a machine and return its name."""
        return self._say("add")

    def lose(self, slot: str) -> None:
        """Take the machine of a slot away."""
        self._say(f"lose {slot.rpartition(':')[0].rpartition('-')[2]}")

    def behead(self) -> None:
        """Take the head away."""
        self._say("behead")

    def restart(self) -> None:
        """Make another head at the address of the one that was taken away: a new cluster."""
        self.head = self._say("restart")

    def fill(self) -> None:
        """Fill the object store of the head, until `empty`."""
        self._say("fill")

    def empty(self) -> None:
        """Take out what `fill` has put in."""
        self._say("empty")

    def is_head(self, slot: str) -> bool:
        return f"-{self.head[:6]}:" in slot

    def close(self) -> None:
        self._maker.communicate("", PATIENCE)
        remove(self._short)

    def _say(self, line: str) -> str:
        assert self._maker.stdin is not None
        assert self._maker.stdout is not None
        self._maker.stdin.write(f"{line}\n")
        self._maker.stdin.flush()
        for answer in self._maker.stdout:
            if answer.startswith(_ANSWER):
                return answer.removeprefix(_ANSWER).strip()
        raise AssertionError(line)


def _make_machines(*, spills: bool) -> None:
    import ray  # noqa: PLC0415 - it is an extra
    from ray.cluster_utils import Cluster as Made  # noqa: PLC0415 - see above
    from ray.exceptions import OutOfDiskError  # noqa: PLC0415 - see above

    made, nodes, held = Made(), dict[str, Any](), list[Any]()
    # The second is for what Ray maps from a disk where a store has no room for it.
    full = {"automatic_object_spilling_enabled": False, "local_fs_capacity_threshold": 0.001}
    config = {} if spills else {"_system_config": full}
    machine = {"num_cpus": 1, "num_gpus": 1, "object_store_memory": STORE}
    address = ""
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        answer = ""
        if word == "add":
            # What the store does with a full one, the head tells the others.
            node = made.add_node(**machine, **({} if made.head_node else config))
            answer = node.node_id
            nodes[answer[:6]] = node
        elif word == "lose":
            made.remove_node(nodes.pop(rest), allow_graceful=False)
        elif word == "behead":
            address = made.address
            made.remove_node(made.head_node, allow_graceful=False)
        elif word == "restart":
            port = int(address.rpartition(":")[2])
            answer = made.add_node(**machine, **config, gcs_server_port=port).node_id
            assert made.address == address
        elif word == "fill":
            ray.init(address=made.address, log_to_driver=False, ignore_reinit_error=True)
            with suppress(OutOfDiskError):
                while True:
                    held.append(ray.put(bytes(STORE // 20)))
        elif word == "empty":
            held.clear()
        elif word == "address":
            answer = made.address
        print(f"{_ANSWER}{answer}", flush=True)  # noqa: T201 - it is read by `Cluster`
    made.shutdown()


@dataclass
class HeldWorker(InlineWorker):
    """Trains stubs, but not as long as "hold" is said.

    It says then that it is "held", by its process, and which process it has started meanwhile.
    """

    gates: Gates = field(kw_only=True)

    def train(
        self,
        assignment: Assignment,
        *,
        on_point: Callable[[Point], None],
        stop: Callable[[], bool],
        prune_check: PruneCheck = never_pruned,
        at_rest: Callable[[], bool] = lambda: True,
    ) -> Outcome:
        del at_rest
        if self.gates.said("hold", 0):
            with launch(["sleep", "600"], cwd=Path("/"), env={}) as guarded:
                self.gates.set("held", os.getpid(), str(guarded.pid))
                while self.gates.said("hold", 0) and not stop():
                    time.sleep(0.01)
        return super().train(assignment, on_point=on_point, stop=stop, prune_check=prune_check)


@dataclass(frozen=True)
class StubHost:
    """Trains stubs where it runs, without a process for each; `name` is of its card."""

    tokens: Path
    gates: Path
    name: str = "Fake"

    def facts(self) -> HostFacts:
        return replace(FACTS, hardware=Hardware("cuda", self.name))

    def open(self, checkout: Checkout, stop: Callable[[], bool], study: str) -> Host:
        work = private_work()
        return Host(
            worker=HeldWorker(gates=Gates(self.gates)),
            evaluator=ConfigScorer(),
            checkout=checkout,
            train_files=(self.tokens,),
            token_bytes=2,
            work=work,
            keep=CheckpointStore(work / "checkpoints", 2**20).put,
        )


@dataclass(frozen=True)
class GatedHost:
    """Trains at gates; see `gated_host`."""

    gates: Path

    def facts(self) -> HostFacts:
        return FACTS

    def open(self, checkout: Checkout, stop: Callable[[], bool], study: str) -> Host:
        return replace(gated_host(self.gates, private_work()), checkout=checkout)


def begin(cluster: Cluster, plan: HostPlan) -> messages.Begin:
    return messages.Begin(cluster.address, plan, cores=1, gpus=True, corpus=None)


@contextmanager
def executor(
    cluster: Cluster, plan: HostPlan, code: Callable[[str], bytes], slots: int
) -> Iterator[RayExecutor]:
    with RayExecutor(begin(cluster, plan), code) as made:
        made.accept(TERMS, lambda _event: None, lambda: False)
        assert made.wait_for_slots(slots, PATIENCE)
        yield made


if __name__ == "__main__":
    _make_machines(spills="no-spilling" not in sys.argv)
