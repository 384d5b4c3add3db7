"""Processes that share nothing with this one, and what they do to a registry.

They are forked from a server that has made the imports once: a spawned one makes them each time.
"""

import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from unittest.mock import patch

from autoresearch.errors import RegistryError
from autoresearch.records.money import CallEnding, CapReached, Caps, Intent, Settlement, Usage
from autoresearch.registry import Registry, RunLock, schema

_APART = multiprocessing.get_context("forkserver")
_APART.set_forkserver_preload([__name__])


def start_apart(target: Callable[..., None], *arguments: object) -> BaseProcess:
    """Start a process that does this.

    The server's socket lies among the machine's temporary files: a test's own folder may have a
    longer name than a socket can.
    """
    process = _APART.Process(target=target, args=arguments)
    with patch.object(tempfile, "tempdir", None):
        process.start()
    return process


def intent(worst: float, proposer: str = "openai:gpt-5.5") -> Intent:
    return Intent(proposer, "openai", "gpt-5.5", "propose", worst, "genai-prices 0.2.3")


def answered(cost: float | None, usage: Usage | None = None) -> Settlement:
    return Settlement(CallEnding.ANSWERED, cost, usage or Usage(100, 10), answer="DEPTH = 9")


def create(path: Path) -> None:
    schema.create(path)


def check(path: Path) -> None:
    Registry.open(path).check()


def try_lock(path: Path, told: Path) -> None:
    try:
        with RunLock(path):
            told.write_text("got it")
    except RegistryError as fault:
        told.write_text(str(fault))


def spend(path: Path, tag: str, caps: Caps, journal: Path) -> None:
    """Reserve and settle without end; write down each number when it is acknowledged."""
    registry = Registry.open(path)
    study = registry.study(tag)
    assert study is not None
    ledger = registry.ledger(study, caps)
    dice = random.Random(os.getpid())
    acknowledged = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while True:
        worst = dice.uniform(0.001, 0.01)
        call = ledger.reserve(intent(worst))
        if isinstance(call, CapReached):
            time.sleep(0.01)
            continue
        os.write(acknowledged, f"reserved {call} {worst!r}\n".encode())
        cost = dice.choice([None, worst * dice.random()])
        ledger.settle(call, answered(cost))
        os.write(acknowledged, f"settled {call} {worst if cost is None else cost!r}\n".encode())
