"""A project whose trainings take no time and whose checkpoints have true scores.

It counts how often each token comes, and believes that to a degree: the nearer SHARPNESS is to 1,
the better, for certain. So the whole line (the command, a corpus, the sealed evaluator) can be
walked in seconds, and every verdict is known beforehand.
"""

import difflib
import math
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from numpy.typing import NDArray
from safetensors.numpy import load_file

from autoresearch.corpus import Tokenizer
from autoresearch.execution import text_task
from autoresearch.records.scores import Document, Score
from autoresearch.records.values import Trust
from autoresearch.sandbox import Sandbox
from tests.commands import autoresearch

TRAIN = '''\
"""A training that takes no time and whose checkpoint has a true score."""
import array
import json
import math
import time

from autoresearch.runtime import open_session

SHARPNESS = 0.5
LINGER = 0.0
VOCAB = 512


def main():
    session = open_session()
    data = session.start()
    time.sleep(LINGER)
    counts = [1] * VOCAB
    for shard in data.shards():
        for token in array.array("H", bytes(shard)):
            counts[token] += 1
    session.log(step=1, loss=1.0, tokens=sum(counts))
    own = 0.001 * ((session.seed * 7 + int(SHARPNESS * 100)) % 5 - 2)
    table = [(SHARPNESS + own) * math.log(count / sum(counts)) for count in counts]
    raw = array.array("f", table).tobytes()
    entry = {"dtype": "F32", "shape": [VOCAB], "data_offsets": [0, len(raw)]}
    header = json.dumps({"table": entry}).encode()
    weights = len(header).to_bytes(8, "little") + header + raw
    (session.out / "model.safetensors").write_bytes(weights)
    (session.out / "config.json").write_text("{}")
    session.finish()


def load_model(directory, device):
    import torch
    from safetensors.torch import load_file

    class Model(torch.nn.Module):
        def __init__(self, table):
            super().__init__()
            self.table = table

        def forward(self, ids):
            return self.table.expand(*ids.shape, -1)

    return Model(load_file(directory / "model.safetensors")["table"])


if __name__ == "__main__":
    main()
'''
SETTINGS = """\
[training]
clock = "wall"
budget = "20s"
[corpus]
vocab_size = 512
[preflight]
steps = 0
[policy]
replicates = 1
"""
FILES = {
    "train.py": TRAIN,
    "prepare.py": "FIXED = True\n",
    "program.md": "# Goal\nLower.\n",
    "autoresearch.toml": SETTINGS,
}


def make_counting(place: Path) -> None:
    """Make `place/project`, committed and prepared on a small corpus of its own."""
    root, texts = place / "project", place / "texts"
    for folder in (root, texts):
        folder.mkdir(parents=True)
    for name, text in FILES.items():
        (root / name).write_text(text)
    for arguments in (["init", "--quiet", "-b", "main"], ["add", "."], ["commit", "-qm", "begin"]):
        subprocess.run(["git", *arguments], cwd=root, check=True, env=environment(place))
    for number in range(400):
        words = " ".join(f"word{number * 7 % 31} and {number + each}" for each in range(30))
        (texts / f"{number}.txt").write_text(words)
    autoresearch("prepare", "--corpus", str(texts), cwd=root, env=environment(place))


@dataclass
class InlineEvaluator:
    """Scores the counting program's checkpoints here, as the sealed evaluator would, at once.

    For tests of what is done with scores. `tests/test_end_to_end.py` holds it against the real one.
    """

    settings: object
    sandbox: Sandbox
    limits: object
    device: str
    tokenizer: Tokenizer
    documents: Sequence[Document]
    entry: str = "train.py"
    trust: Trust | None = None
    stop: object = None
    allowance: object = None

    def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score:
        table = load_file(checkpoint / "model.safetensors")["table"].astype(np.float64)
        costs = (np.log(np.exp(table).sum()) - table) / math.log(2)
        bits = [float(costs[self._tokens(each)].sum()) for each in self.documents]
        sizes = tuple(len(each.data) for each in self.documents)
        return Score(
            bpb=math.fsum(bits) / sum(sizes),
            doc_bits=tuple(bits),
            doc_bytes=sizes,
            trust=self.trust or self.sandbox.trust,
            tokens=1,
            challenged=1,
            mismatch=0.0,
            seconds=0.0,
        )

    def _tokens(self, document: Document) -> NDArray[np.int64]:
        return np.array(self.tokenizer.encode(document.data), dtype=np.int64)

    def allow(self, allowance: object) -> None:
        """It allows nothing and everything."""

    def prepare(self, place: Path) -> None:
        """It needs nothing."""

    def wait_until_idle(self) -> None:
        """It has nothing to wait for."""

    def close(self) -> None:
        """It has nothing to end."""


def score_inline(patch: pytest.MonkeyPatch) -> None:
    """Let commands of this process, and those forked from it, score with the InlineEvaluator."""
    patch.setattr(text_task, "Evaluator", InlineEvaluator)


def environment(place: Path) -> dict[str, str]:
    """Return the environment in which a shared project is made: nobody's home, a known author."""
    names = {"NAME": "Ada", "EMAIL": "ada@example.org"}
    who = {f"GIT_{role}_{key}": names[key] for role in ("AUTHOR", "COMMITTER") for key in names}
    return {
        **os.environ,
        **who,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "AUTORESEARCH_HOME": str(place / "home"),
        "TMPDIR": str(place),
    }


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that `make` has filled, once for all processes of this test session."""
    base = factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    made = Path(f"{place}.made")
    with FileLock(f"{place}.lock"):
        if not made.exists():
            shutil.rmtree(place, ignore_errors=True)  # of a maker that failed
            make(place)
            made.touch()
    return place


def copy_of(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of a shared project to spoil; its corpus is only read."""
    monkeypatch.setenv("AUTORESEARCH_HOME", str(place / "home"))
    copy = tmp_path / "project"
    shutil.copytree(place / "project", copy, symlinks=True)
    return copy


def change(source: str, values: Mapping[str, str] | None = None, **more: str) -> str:
    """Return a unified diff that gives constants of train.py other values."""
    values = {**(values or {}), **more}
    lines = source.splitlines(keepends=True)
    changed = [
        f"{name} = {values[name]}\n" if (name := line.partition(" = ")[0]) in values else line
        for line in lines
    ]
    assert changed != lines
    return "".join(difflib.unified_diff(lines, changed, "a/train.py", "b/train.py"))
