"""What the sealed protocol costs beside scoring the same checkpoint on the same text in-process.

    python benchmarks/evaluator.py [--corpus PATH] [--repeats 5] [--threads 1] [--batch 16]
                                   [--plain-allocator]

Both sides take turns in one run; every figure is a median by the wall (the processes of a sandbox
are in nobody's CPU account), every cost also a ratio of the two. The sealed side uses two cores.
The model is the template's at the cpu profile with fresh weights: a forward costs the same
whatever the weights. "servers wait" is how a study scores that could start the servers while a
proposal was made; "from cold" starts them itself, as the second trial of a pair does, and where
there is no sandbox. "start" is what scoring a single byte from cold takes: processes, imports,
loading.
Both sides have the servers' allocator settings (glibc); --plain-allocator leaves them to the
servers alone, as they are in a plain PyTorch program: that side is then the slower one.
"""

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import torch

from autoresearch.config import CorpusSettings, EvaluationSettings, load_settings
from autoresearch.corpus import Corpus, prepare
from autoresearch.evaluation import Evaluator
from autoresearch.records.scores import Document, Score, Unscored
from autoresearch.records.training import Limits
from autoresearch.sandbox import THRIFT, detect
from autoresearch.scaffold import render

Result = TypeVar("Result")
# The same checkpoint scored again needs few probes. Trained candidates (another learning rate,
# another rotary base) needed 324 and 452 beside their incumbent: so many are asked for here.
CHALLENGES = 450
ROWS = ("in-process", "sealed, servers wait", "sealed, from cold", "  of that, start")


class Bench:
    """One project, one checkpoint, and the two ways to score it."""

    def __init__(self, place: Path, corpus: str, threads: int, batch: int) -> None:
        self.place = place
        self._threads = threads
        self._tree = _folder(place / "tree")
        for name, text in render("gpt", "cpu").items():
            (self._tree / name).write_text(text, "utf-8")
        settings = load_settings(self._tree / "autoresearch.toml")
        self._settings: EvaluationSettings = replace(
            settings.evaluation, batch=batch, challenges=CHALLENGES
        )
        self.corpus = _prepare(corpus, settings.corpus, place)
        torch.set_num_threads(threads)
        self._program = _import(self._tree / "train.py")
        self._checkpoint = _folder(place / "checkpoint")
        model = self._program.GPT(self._program.Shape())
        self._program.save_checkpoint(model, self._checkpoint)
        self._model = self._program.load_model(self._checkpoint, "cpu")
        tokenizer = self.corpus.tokenizer()
        self._encoded = [
            ([tokenizer.bos, *tokenizer.encode(each.data)], len(each.data))
            for each in self.corpus.val()
        ]

    def evaluator(self, documents: Sequence[Document]) -> Evaluator:
        """Return an evaluator of these documents."""
        return Evaluator(
            self._settings,
            sandbox=detect(os.environ),
            limits=Limits(threads=self._threads),
            device="cpu",
            tokenizer=self.corpus.tokenizer(),
            documents=documents,
        )

    def sealed(self, evaluator: Evaluator) -> Score:
        """Return the evaluator's score."""
        scratch = Path(tempfile.mkdtemp(dir=self.place))
        score = evaluator.score(self._tree, self._checkpoint, scratch)
        if isinstance(score, Unscored):
            raise SystemExit(f"{score.cause}: {score.reason}")
        return score

    def in_process(self) -> float:
        """Return bits per byte, model and tokens being at hand."""
        bpb: float = self._program.prepare.evaluate_bpb(
            self._model, self._encoded, "cpu", self._settings.batch
        )
        return bpb


def timed(act: Callable[[], Result]) -> tuple[Result, float]:
    """Return what an act gives and the seconds it took, by the wall."""
    began = time.monotonic()
    result = act()
    return result, time.monotonic() - began


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _prepare(source: str, settings: CorpusSettings, place: Path) -> Corpus:
    return prepare(source, settings, place / "home", report=lambda _stage, _done, _total: None)


def _import(path: Path) -> ModuleType:
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("train", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["train"] = module
    spec.loader.exec_module(module)
    return module


def measure(bench: Bench, repeats: int) -> None:
    whole = bench.evaluator(bench.corpus.val())
    one_byte = bench.evaluator([Document(b"x")])
    bench.sealed(whole)  # the corpus tokenizer runs once in an evaluator's life
    bench.in_process()
    plain, waiting, cold, start = [], [], [], []
    for _ in range(repeats):
        bpb, cost = timed(bench.in_process)
        plain.append(cost)
        whole.prepare(bench.place)
        whole.wait_until_idle()
        score, cost = timed(lambda: bench.sealed(whole))
        waiting.append(cost)
        assert abs(score.bpb - bpb) < 1e-4, (score.bpb, bpb)
        cold.append(timed(lambda: bench.sealed(whole))[1])
        start.append(timed(lambda: bench.sealed(one_byte))[1])
    medians = map(statistics.median, (plain, waiting, cold, start))
    report(score, dict(zip(ROWS, medians, strict=True)))


def report(score: Score, seconds: Mapping[str, float]) -> None:
    print(f"text        {sum(score.doc_bytes):,} bytes, {score.tokens:,} tokens, {score.trust}")
    print(f"challenges  {score.challenged}, largest mismatch {score.mismatch:.2g} nats")
    print(f"{'':22}{'seconds':>8}{'ratio':>7}")
    for name, each in seconds.items():
        print(f"{name:22}{each:8.2f}{each / seconds[ROWS[0]]:7.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--corpus", default="stdlib", help="as for `autoresearch prepare`")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=EvaluationSettings().batch)
    parser.add_argument("--plain-allocator", action="store_true")
    given = parser.parse_args()
    if not given.plain_allocator and not THRIFT.items() <= os.environ.items():
        # glibc reads these once, before Python runs.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **THRIFT})
    with tempfile.TemporaryDirectory() as place:
        measure(Bench(Path(place), given.corpus, given.threads, given.batch), given.repeats)


if __name__ == "__main__":
    main()
