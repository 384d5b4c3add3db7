"""A Ray cluster of fake GPUs on this machine, and hosts for it that train stubs."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from autoresearch.execution import (
    Checkout,
    Host,
    HostFacts,
    HostPlan,
    RayExecutor,
    StudyHost,
    Terms,
    pack,
    wire,
)
from autoresearch.execution.hosting import private_work
from autoresearch.records.hardware import Hardware
from autoresearch.records.values import Trust
from autoresearch.workers.shelf import Shelf
from tests.executors import PATIENCE, Gates, GatedWorker, Rig, gated_host
from tests.inline import InlineWorker
from tests.stubs import ConfigScorer

FACTS = HostFacts(Hardware("cuda", "Fake"), Trust.UNSEALED)
TERMS = Terms(FACTS.key, "study")
_STORE = 80 * 2**20


class Cluster:
    """Machines of one fake GPU each, that can be taken away."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster as Made  # noqa: PLC0415 - it is an extra

        variables = {
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "TMPDIR": str(folder),
            "AUTORESEARCH_HOME": str(folder / "data"),
        }
        self._variables = variables
        self.made = Made()
        self.nodes: list[Any] = []

    def add(self, cpus: int = 1) -> Any:
        node = self.made.add_node(
            num_cpus=cpus,
            num_gpus=1,
            object_store_memory=_STORE,
            env_vars=self._variables,
            include_dashboard=False,
        )
        self.nodes.append(node)
        return node

    def lose(self, node: Any) -> None:
        self.nodes.remove(node)
        self.made.remove_node(node, allow_graceful=False)

    @property
    def address(self) -> str:
        return str(self.made.address)

    def close(self) -> None:
        self.made.shutdown()


@dataclass(frozen=True)
class StubHost:
    """Trains stubs where it runs, without a process for each; `name` is of its card."""

    tokens: Path
    name: str = "Fake"

    def facts(self) -> HostFacts:
        return replace(FACTS, hardware=Hardware("cuda", self.name))

    def open(self, checkout: Checkout, stop: Callable[[], bool], study: str) -> Host:
        work = private_work()
        return Host(
            worker=InlineWorker(),
            evaluator=ConfigScorer(),
            checkout=checkout,
            train_files=(self.tokens,),
            token_bytes=2,
            work=work,
            keep=Shelf(work / "checkpoints", 2**20).put,
        )


@dataclass(frozen=True)
class GatedHost:
    """Trains at gates; see `gated_host`."""

    gates: Path

    def facts(self) -> HostFacts:
        return FACTS

    def open(self, checkout: Checkout, stop: Callable[[], bool], study: str) -> Host:
        return replace(gated_host(self.gates, private_work()), checkout=checkout)


def begin(cluster: Cluster, plan: HostPlan) -> wire.Begin:
    return wire.Begin(cluster.address, plan, cores=1, gpus=True, corpus=None)


@contextmanager
def executor(
    cluster: Cluster, plan: HostPlan, code: Callable[[str], bytes], slots: int
) -> Iterator[RayExecutor]:
    with RayExecutor(begin(cluster, plan), code) as made:
        made.accept(TERMS, lambda _event: None, lambda: False)
        assert made.wait_for_slots(slots, PATIENCE)
        yield made
