"""Honest changes of the real template that break late or in scoring: each is named by its cause."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from autoresearch.records.scores import Score
from autoresearch.records.text import safe_text
from autoresearch.records.values import FailureKind
from autoresearch.sandbox import detect
from tests.cheats.catalogue import TRAINING, WORTH, honest
from tests.cheats.fates import Fate, Range
from tests.evaluation_stubs import warm_sandbox
from tests.shares import THOROUGH

pytestmark = THOROUGH  # small ones of each kind: tests/cheats/zoo and test_evaluation_cheats.py

STEP = "        step += 1\n"
FORWARD = (
    '        """Return float32 logits [B, T, V] of integers [B, T], with T up to the context."""\n'
)
AFTER = "    model = trainer.model\n"
FACTS = "    session.facts({**constants, **asdict(stats)})\n"
LOADER = """\
        if step == 2:
            from torch.utils.data import DataLoader
            big = [torch.ones(2**26)] * 64
            for _each in DataLoader(big, batch_size=2, num_workers=2):
                pass
"""
ORPHAN = """\
        if step == 2:
            import multiprocessing, os, signal
            def hold():
                os.setsid()
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                while True:
                    signal.pause()
            multiprocessing.get_context("fork").Process(target=hold, daemon=False).start()
"""
NAN = """\
    with torch.no_grad():
        model.unembed.weight.fill_(float("nan"))
"""
RETURNS = "        print('\\r'.join(f'it {i} loss 1.0' for i in range(20000)), end='\\r')\n"
INFINITE = "    session.facts({'x': float('nan'), 'y': float('inf'), 'w': 10**400 % 10**300})\n"


def large(tokens: int) -> str:
    """What takes three GiB in a forward of so many tokens and more."""
    return f"        if tokens.numel() >= {tokens}:\n            torch.ones(3 * 2**28)\n"


def slow(tokens: int) -> str:
    """What takes a minute in a forward of so many tokens and more."""
    return f"        if tokens.numel() >= {tokens}:\n            time.sleep(60)\n"


@dataclass(frozen=True)
class Misfit:
    """A change (a text, and what follows it from now on), and what becomes of it."""

    at: str
    then: str
    end: str = WORTH
    kind: FailureKind | None = None
    says: Sequence[str] = ()
    timeout: str = "120s"


MISFITS: Mapping[str, Misfit] = {
    "weights that are NaN": Misfit(AFTER, NAN, "non-finite", FailureKind.IDEA, ["not finite"]),
    "too large for the evaluator's batch": Misfit(FORWARD, large(1024)),
    "too large for any batch": Misfit(
        FORWARD, large(64), "out of memory", FailureKind.IDEA, ["memory", "8 rows"]
    ),
    "too slow for the evaluator's batch": Misfit(FORWARD, slow(1024), timeout="20s"),
    "too slow for any batch": Misfit(
        FORWARD, slow(64), "time-out", FailureKind.IDEA, ["in time", "8 rows"], timeout="8s"
    ),
    "a loader beyond shared memory": Misfit(
        STEP, LOADER, "exception", FailureKind.IDEA, ["shared memory"]
    ),
    "a process that outlives it": Misfit(STEP, ORPHAN),
    "a log of carriage returns": Misfit(STEP, RETURNS),
    "facts that are no numbers": Misfit(FACTS, INFINITE),
    "a learning rate that diverges": Misfit("MATRIX_LR = 0.04", "e4"),
}


def fate_of(misfit: Misfit) -> Fate:
    texts = honest("template")
    program = texts["train.py"]
    assert program.count(misfit.at) == 1, misfit.at
    program = program.replace(misfit.at, misfit.at + misfit.then)
    # Of a warm server nobody sees how much memory it takes.
    servers = None if "2**28" in misfit.then else warm_sandbox()
    place = Range(detect(os.environ), servers, timeout=misfit.timeout)
    return place.run({**texts, "train.py": program}, TRAINING)


@pytest.mark.parametrize("name", MISFITS)
def test_what_becomes_of_it(name: str) -> None:
    misfit = MISFITS[name]
    fate = fate_of(misfit)
    assert fate.end == misfit.end, fate.reason
    for part in misfit.says:
        assert part in fate.reason
    if misfit.kind is None:
        assert isinstance(fate.result, Score)
    else:
        found = fate.outcome.failure if fate.result is None else fate.result
        kind = found if isinstance(found, FailureKind) else getattr(found, "kind", None)
        assert kind is misfit.kind
    json.dumps(dict(fate.outcome.facts), allow_nan=False)
    shown = safe_text(fate.outcome.log)
    assert len(shown) <= 6000
