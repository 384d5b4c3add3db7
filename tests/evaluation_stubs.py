"""Tiny trees for the evaluator's tests: an honest causal model, and what cheats change in it."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from autoresearch.config import EvaluationSettings
from autoresearch.evaluation import Evaluator
from autoresearch.process import Confined
from autoresearch.records.scores import Allowance, Document, Score, Unscored
from autoresearch.records.training import Limits
from autoresearch.records.values import Trust
from autoresearch.sandbox import Sandbox, Unsealed, detect
from tests import warm

# Logits from the token, a causal convolution over the two before it, and a matrix product.
HONEST = """
import os, sys, time
import torch
import torch.nn.functional as F

VOCAB = 300

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(7)
        self.embed = torch.nn.Embedding(VOCAB, 24)
        self.mix = torch.nn.Conv1d(24, 24, 3)
        self.head = torch.nn.Linear(24, VOCAB)
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, x):
        h = self.embed(x)
        h = h + self.mix(F.pad(h.transpose(1, 2), (2, 0))).transpose(1, 2)
        return 3 * self.head(self.drop(h).tanh())

def load_model(directory, device):
    return Model().to(device)
"""

# A changed tokenizer: bytes, and three pairs of bytes that are cut greedily.
PAIRS = """
class Pairs:
    bos = 0
    table = [b"<s>", *(bytes([i]) for i in range(256)), b"th", b"e ", "\\u00e9".encode()]

    def encode(self, data):
        ids, at = [], 0
        while at < len(data):
            pair = data[at:at + 2]
            ids.append(self.table.index(pair, 257) if pair in self.table[257:] else data[at] + 1)
            at += 2 if ids[-1] > 256 else 1
        return ids

def load_tokenizer(directory):
    return Pairs()
"""


class ByteTokenizer:
    """A corpus tokenizer: token i is byte i; BOS is 256 and has no bytes."""

    table = (*(bytes([i]) for i in range(256)), b"")
    bos = 256

    def encode(self, data: bytes) -> list[int]:
        return list(data)


@dataclass(frozen=True)
class Warm(Unsealed):
    """No sandbox, and servers that have PyTorch in memory when they start; see tests/warm.py."""

    def command(self, argv: Sequence[str], **_asked: Any) -> Confined:
        return Confined(tuple(warm.command(argv)))


# How servers are started; None is as this machine can.
STARTS = [
    pytest.param("warm", id="warm"),
    pytest.param(None, id="as ever", marks=pytest.mark.thorough),
]


def warm_sandbox(trust: Trust = Trust.UNSEALED) -> Warm:
    return Warm({"PATH": os.environ["PATH"]}, trust)


def started(how: str | None) -> Sandbox:
    """Return what starts servers in one of these ways."""
    return warm_sandbox() if how else detect(os.environ)


def documents(numbers: int = 1500) -> list[Document]:
    texts = [
        "",
        "a",
        "the théâtre of 東京 🙂\n" * 40,
        "x" * 33,
        "héé, " * 7,
        "\n".join(map(str, range(numbers))),
    ]
    return [Document(text.encode()) for text in texts]


def evaluator(
    *,
    texts: list[Document] | None = None,
    timeout: str = "1m",
    memory: int = 16 * 2**30,
    sandbox: Sandbox | None = None,
    stop: Callable[[], bool] = lambda: False,
    allowance: Callable[[], Allowance | None] | None = None,
    arrays: Literal["torch", "numpy"] = "torch",
) -> Evaluator:
    return Evaluator(
        EvaluationSettings(context=32, batch=16, challenges=256, timeout=timeout, arrays=arrays),
        sandbox=sandbox or detect(os.environ),
        limits=Limits(threads=1, memory=memory),
        device="cpu",
        tokenizer=ByteTokenizer(),
        documents=documents() if texts is None else texts,
        stop=stop,
        allowance=allowance,
    )


def score(scorer: Evaluator, place: Path, program: str) -> Score | Unscored:
    for name in ("tree", "checkpoint", "scratch"):
        (place / name).mkdir(exist_ok=True)
    (place / "tree" / "train.py").write_text(program)
    return scorer.score(place / "tree", place / "checkpoint", place / "scratch")
