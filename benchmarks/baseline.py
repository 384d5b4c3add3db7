"""The CPU profile's baseline: its score at several budgets, and how far repeats lie apart.

usage: python benchmarks/baseline.py [--budgets 20,60] [--repeats 5] [--corpus stdlib]

Each repeat is a whole trial of the unchanged template, with a seed of its own, through the worker
and the sealed evaluator; one column repeats the first seed, which shows what the machine adds.
"""

import argparse
import os
import platform
import shutil
import statistics
import tempfile
from pathlib import Path

from autoresearch import corpus as corpora
from autoresearch import sandbox as sandboxes
from autoresearch.config import data_home, load_settings
from autoresearch.evaluation import Evaluator
from autoresearch.records.scores import Score
from autoresearch.scaffold import render
from autoresearch.workers import Assignment, LocalWorker


def main() -> None:
    """Train, score and print one line a trial, one a budget."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--budgets", default="20,60", help="training seconds, comma-separated")
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--corpus", default="stdlib")
    chosen = options.parse_args()
    place = Path(tempfile.mkdtemp(prefix="autoresearch-baseline-"))
    try:
        bench = Bench(place, chosen.corpus)
        print(f"{platform.platform()}, Python {platform.python_version()}, {bench.about}")
        for budget in map(float, chosen.budgets.split(",")):
            others = [bench.score(budget, seed) for seed in range(1, chosen.repeats + 1)]
            same = [others[0], *(bench.score(budget, 1) for _ in range(chosen.repeats - 1))]
            print(f"{budget:g} CPU s, {chosen.repeats} seeds:     {spread(others)}")
            print(f"{budget:g} CPU s, seed 1 repeated: {spread(same)}")
    finally:
        shutil.rmtree(place)


def spread(values: list[float]) -> str:
    """Return mean, standard deviation and range of scores."""
    deviation = statistics.stdev(values) if len(values) > 1 else float("nan")
    return (
        f"mean {statistics.fmean(values):.4f} sd {deviation:.4f} "
        f"range {min(values):.4f} to {max(values):.4f} bpb"
    )


class Bench:
    """The template's CPU profile in a folder, with worker and evaluator."""

    def __init__(self, place: Path, source: str) -> None:
        self._tree = place / "tree"
        self._place = place
        self._tree.mkdir()
        for name, text in render("gpt", "cpu").items():
            (self._tree / name).write_text(text)
        self._settings = load_settings(self._tree / "autoresearch.toml")
        self._corpus = corpora.prepare(
            source, self._settings.corpus, data_home(), report=lambda *_: None
        )
        sandbox = sandboxes.detect(os.environ)
        self._worker = LocalWorker(sandbox)
        self._evaluator = Evaluator(
            self._settings.evaluation,
            sandbox=sandbox,
            limits=self._settings.limits(),
            device="cpu",
            tokenizer=self._corpus.tokenizer(),
            documents=self._corpus.val(),
        )
        self.about = f"corpus {self._corpus.name} {self._corpus.fingerprint[:12]}"

    def score(self, budget: float, seed: int) -> float:
        """Return the val_bpb of one trial."""
        scratch = Path(tempfile.mkdtemp(dir=self._place))
        assignment = Assignment(
            tree=self._tree,
            scratch=scratch,
            entry=self._settings.target.entry,
            seed=seed,
            device="cpu",
            budget=self._settings.budget(budget),
            limits=self._settings.limits(),
            train_files=self._corpus.train_files(),
            token_bytes=self._corpus.token_bytes,
        )
        outcome = self._worker.train(assignment, on_point=lambda _: None, stop=lambda: False)
        if outcome.checkpoint is None:
            raise SystemExit(f"the trial failed: {outcome.ending}: {outcome.detail}")
        score = self._evaluator.score(self._tree, outcome.checkpoint, scratch)
        shutil.rmtree(scratch)
        if not isinstance(score, Score):
            raise SystemExit(f"no score: {score.cause}: {score.reason}")
        print(
            f"  seed {seed}: {score.bpb:.4f} bpb, {outcome.steps} steps, "
            f"{outcome.timing.training:.1f} CPU s of {outcome.timing.total:.1f} s, "
            f"scored in {score.seconds:.1f} s",
            flush=True,
        )
        return score.bpb


if __name__ == "__main__":
    main()
