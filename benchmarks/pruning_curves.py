"""Learning curves of the template and of changed templates, for `pruning.py`.

usage: python benchmarks/pruning_curves.py OUT.jsonl [--budget 10] [--seeds 1,2,3] [--corpus stdlib]

Every line of OUT is a training in this process, on its CPU seconds, one thread: what was changed,
the seed, the budget, the steps, val_bpb on the whole validation split, and of every step progress
and training loss. Trainings that are in OUT already are not run again.
"""

import argparse
import gzip
import importlib
import json
import random
import sys
import tempfile
import time
import types
from pathlib import Path
from typing import Any

import torch
from pruning_edits import ARCHITECTURE, BASE, STEERING, Edit

from autoresearch import corpus as corpora
from autoresearch.config import data_home, load_settings
from autoresearch.runtime import Session
from autoresearch.runtime.session import map_paths
from autoresearch.scaffold import render


def main() -> None:
    """Train what is not in the file yet, one line each."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("out", type=Path)
    options.add_argument("--budget", type=float, default=10.0, help="CPU seconds of a training")
    options.add_argument("--seeds", default="1,2,3")
    options.add_argument("--corpus", default="stdlib")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    known = {(each["name"], each["seed"], each["budget"]) for each in read(chosen.out)}
    bench = Bench(Path(tempfile.mkdtemp(prefix="autoresearch-curves-")), chosen.corpus)
    for seed in map(int, chosen.seeds.split(",")):
        pruned, chance = [*ARCHITECTURE], random.Random(seed)
        chance.shuffle(pruned)  # neighbours come and go: no edit is always last
        for edit in (BASE, *pruned, *STEERING):
            if (edit.name, seed, chosen.budget) not in known:
                line = json.dumps(bench.train(edit, seed, chosen.budget))
                with chosen.out.open("a") as out:
                    out.write(line + "\n")
                print(line[:100], flush=True)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file of curves, gzipped or not; of a missing file, none."""
    if not path.exists():
        return []
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in text.decode().splitlines()]


class Bench:
    """The template's CPU profile, trained in this process."""

    def __init__(self, place: Path, source: str) -> None:
        files = render("gpt", "cpu")
        for name, text in files.items():
            (place / name).write_text(text)
        settings = load_settings(place / "autoresearch.toml")
        self._corpus = corpora.prepare(source, settings.corpus, data_home(), report=lambda *_: None)
        self._source = files["train.py"]
        self._place = place
        sys.path.insert(0, str(place))
        self._prepare = importlib.import_module("prepare")  # it reads the settings beside it
        tokenizer, bos = self._corpus.tokenizer(), self._corpus.bos
        self._val = [
            ([bos, *tokenizer.encode(each.data)], len(each.data)) for each in self._corpus.val()
        ]

    def train(self, edit: Edit, seed: int, budget: float) -> dict[str, object]:
        """Return the line of one training; a change that fails gets one without a score."""
        points: list[tuple[float, float]] = []
        session = self._session(seed, budget, points)
        line = {"name": edit.name, "seed": seed, "budget": budget}
        module = types.ModuleType("train")
        sys.modules["train"] = module
        try:
            exec(compile(edit.apply(self._source), "train.py", "exec"), module.__dict__)
            model, stats = module.train(session, time.monotonic())
        except Exception as fault:  # noqa: BLE001 - a change may fail in any way
            return {**line, "fault": repr(fault)[:200]}
        bpb = self._prepare.evaluate_bpb(model, self._val, "cpu")
        return {**line, "bpb": round(bpb, 5), "steps": stats.steps, "curve": points}

    def _session(self, seed: int, budget: float, points: list[tuple[float, float]]) -> Session:
        files = list(self._corpus.train_files()), self._corpus.token_bytes
        return Session(
            seed=seed,
            budget=budget,
            clock="cpu",
            device="cpu",
            out=self._place,
            _hand_over=lambda: map_paths(lambda: files),
            _send=lambda _message: None,
            _metric=lambda point: points.append(
                (round(point["progress"], 3), round(point["loss"], 3))
            ),
        )


if __name__ == "__main__":
    main()
