"""Through worker and evaluator, as every trial of a study goes, and what becomes of it."""

import importlib.util
import math
import sys
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from autoresearch.config import EvaluationSettings
from autoresearch.evaluation import Evaluator
from autoresearch.records.scores import Document, Score, Unscored
from autoresearch.records.training import Budget, Limits, Outcome
from autoresearch.records.values import Clock, Ending
from autoresearch.sandbox import Sandbox
from autoresearch.workers import Assignment, LocalWorker
from tests.cheats.catalogue import CONTEXT
from tests.evaluation_stubs import ByteTokenizer
from tests.trials import alive_under

TRAIN = ("argparse", "ast", "configparser", "inspect")
VAL = ("textwrap", "shlex", "fnmatch")
# Long, for a machine that others keep busy: counting pairs takes a tenth of a second.
BUDGET = Budget(training=120.0, clock=Clock.WALL, startup=240.0, grace=5.0)
LIMITS = Limits(memory=2 * 2**30, file_size=64 * 2**20, log=64 * 1024)


def source(module: str) -> bytes:
    """Return a module's source: real text that every machine has."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_bytes()


@dataclass(frozen=True)
class Fate:
    """What became of a program: how its trial ended, and what its checkpoint was worth."""

    outcome: Outcome
    result: Score | Unscored | None

    @property
    def end(self) -> str:
        """Return "worth" for a score, else the rule that was broken or the trial's ending."""
        if isinstance(self.result, Unscored):
            return self.result.cause
        return "worth" if self.result else str(self.outcome.ending)

    @property
    def reason(self) -> str:
        """Return the line that a person reads."""
        return self.result.reason if isinstance(self.result, Unscored) else self.outcome.detail

    @property
    def bpb(self) -> float:
        """Return the score of one that has one."""
        assert isinstance(self.result, Score), self.reason
        return self.result.bpb


@dataclass
class Range:
    """A worker and an evaluator in one sandbox, for one trial after the other.

    `servers` is how model servers are started, if otherwise: then scores are of the sandbox's
    trust all the same.
    """

    sandbox: Sandbox
    servers: Sandbox | None = None
    budget: Budget = BUDGET
    limits: Limits = LIMITS
    timeout: str = "240s"
    evaluator: Evaluator = field(init=False)

    def __post_init__(self) -> None:
        self.documents = tuple(Document(source(each)) for each in VAL)
        self.evaluator = Evaluator(
            EvaluationSettings(context=CONTEXT, batch=64, timeout=self.timeout),
            sandbox=self.servers or self.sandbox,
            limits=self.limits,
            device="cpu",
            tokenizer=ByteTokenizer(),
            documents=self.documents,
            trust=self.sandbox.trust,
        )

    def run(self, files: Mapping[str, str], changes: Mapping[str, Any] | None = None) -> Fate:
        """Train these files and score what comes out."""
        place = Path(tempfile.mkdtemp(prefix="trial-"))
        scratch = place / "scratch"
        scratch.mkdir()
        assignment = Assignment(
            tree=_tree(place / "tree", files),
            scratch=scratch,
            entry="train.py",
            seed=5,
            device="cpu",
            budget=replace(self.budget, **(changes or {})),
            limits=self.limits,
            train_files=(_shard(place / "00000.bin"),),
            token_bytes=2,
        )
        worker = LocalWorker(self.sandbox, patience=0.2)
        outcome = worker.train(assignment, on_point=lambda _point: None, stop=lambda: False)
        assert alive_under(scratch) == []
        if outcome.ending is not Ending.FINISHED:
            return Fate(outcome, None)
        assert outcome.checkpoint is not None
        # A second export, as in a study: the first one was in the trial's reach.
        result = self.evaluator.score(_tree(place / "again", files), outcome.checkpoint, scratch)
        return Fate(outcome, result)

    def worth(self, files: Mapping[str, str], checkpoint: Path) -> float:
        """Return bits per byte by a plain loop in this process. Only for honest programs."""
        tree = _tree(Path(tempfile.mkdtemp(prefix="plain-")), files)
        program = _import(tree)
        tokenizer = (
            program.load_tokenizer(checkpoint) if hasattr(program, "load_tokenizer") else None
        )
        model = program.load_model(checkpoint, "cpu").eval()
        with warnings.catch_warnings(), redirect_stdout(None):
            warnings.simplefilter("ignore")
            bits = sum(
                plain_bits(model, tokenizer or ByteTokenizer(), each.data)
                for each in self.documents
            )
        return bits / sum(len(each.data) for each in self.documents)


@torch.inference_mode()
def plain_bits(model: torch.nn.Module, tokenizer: ByteTokenizer, data: bytes) -> float:
    """Return what a document costs: window by window, nothing hidden, nothing checked."""
    ids = torch.tensor([tokenizer.bos, *tokenizer.encode(data)])
    nats = 0.0
    for at in range(0, len(ids) - 1, CONTEXT):
        row = ids[at : at + CONTEXT + 1]
        logs = torch.log_softmax(model(row[None, :-1])[0].double(), -1)
        nats -= float(logs.gather(1, row[1:, None]).sum())
    return nats / math.log(2)


def _tree(folder: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def _shard(path: Path) -> Path:
    tokens = [token for each in TRAIN for token in (256, *source(each))]
    path.write_bytes(b"".join(token.to_bytes(2, "little") for token in tokens))
    return path


def _import(tree: Path) -> ModuleType:
    sys.path.insert(0, str(tree))
    try:
        spec = importlib.util.spec_from_file_location("train", tree / "train.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["train"] = module
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(tree))
        for name in ("train", "prepare"):
            sys.modules.pop(name, None)
