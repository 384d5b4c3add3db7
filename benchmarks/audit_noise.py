"""How far predictions in bfloat16 differ when they are computed again, and what that hides.

    python benchmarks/audit_noise.py --train 40 --checkpoint PLACE [--documents 4]
                                     [--probes 160]
    python benchmarks/audit_noise.py --checkpoint PLACE

The template's GPT at the gpu profile's width, depth, context and vocabulary (50 million weights),
bfloat16 forced on the CPU, on the standard library's source. `--train` makes the checkpoint first:
so many optimizer steps of 4,096 tokens, some five CPU seconds each. Without it weights are read.

Rows are committed to and probed as in the audit (`evaluation/challenge.py`): other batches, other
widths, other suffixes; with logits in bfloat16 and in float32. What these cost is timed in turns on
the same rows, beside a mask at every width ("one kernel") and one where it is needed ("by width").
These are CPU seconds, and only ratios mean anything here; an accelerator's are others.
"""

import argparse
import importlib.util
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from autoresearch import policy
from autoresearch.config import load_settings
from autoresearch.corpus import Corpus, prepare
from autoresearch.evaluation.challenge import normalised, other_suffixes
from autoresearch.evaluation.text import encode
from autoresearch.evaluation.windows import Reals, WindowPlan, cut
from autoresearch.patching import set_constants
from autoresearch.records.scores import Document
from autoresearch.runtime.session import map_paths
from autoresearch.scaffold import render

CONSTANTS = {"TOTAL_BATCH_SIZE": 4096, "DEVICE_BATCH_SIZE": 2, "LOSS_CHUNK": 2048}
FORCED = {  # what has a template compute in bfloat16 without a GPU, however it chooses
    "torch.bfloat16 if tokens.is_cuda else torch.float32": "torch.bfloat16",
    "matrices.bfloat16() if matrices.is_cuda else matrices": "matrices.bfloat16()",
    "if generation >= 8:": "if True:",
}
BY_WIDTH = {"window < max(q.size(1), MAX_SEQ_LEN)": "window < q.size(1)"}
SPREAD = 0.35  # nats: what probes are drawn by, beside a changed learning rate
BYTES = 4.0  # of a token
# A CPU's bfloat16 does not hang on the batch. A GPU takes other kernels for other shapes: so the
# audit is made once more with an attention that adds up in another order and rounds elsewhere.
KERNELS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "the same": nullcontext,
    "another": lambda: sdpa_kernel(SDPBackend.MATH),
}
LENGTH = 30_000  # bytes of a document


@dataclass(frozen=True)
class Seen:
    """Errors of a way to compute, at the probed positions, in nats."""

    kernel: str
    logits: str
    errors: Reals

    def told(self) -> str:
        """Return a line of the report."""
        errors = self.errors
        largest, noise = float(np.abs(errors).max()), float(np.sqrt(np.square(errors).mean()))
        allowed = policy.allow(largest, noise, 1e-3)
        a_token = math.log(2) * BYTES
        probes = policy.probes_needed(1e-3 * a_token, SPREAD, noise)
        leak = policy.smallest_leak(probes, SPREAD, noise) / a_token
        return (
            f"{self.kernel:10} {self.logits:9} {noise:9.6f} {largest:9.5f} "
            f"{errors.mean():+9.5f} {allowed.tolerance:10.3f} {probes:7} {leak:9.4f}"
        )


class Bench:
    """The template at its real size, and text to score."""

    def __init__(self, place: Path, edits: dict[str, str]) -> None:
        texts = render("gpt", "gpu")
        source = set_constants(texts["train.py"], CONSTANTS)
        for old, new in (FORCED | edits).items():
            assert old in source or old in FORCED, f"train.py is not what it was: {old}"
            source = source.replace(old, new)
        for name, text in (texts | {"train.py": source}).items():
            (place / name).write_text(text, "utf-8")
        self.settings = load_settings(place / "autoresearch.toml")
        self.program = imported(place)

    def corpus(self, home: Path) -> Corpus:
        """Return the standard library's source as a corpus of the gpu profile."""
        return prepare("stdlib", self.settings.corpus, home, report=lambda *_told: None)

    def train(self, corpus: Corpus, steps: int, out: Path) -> None:
        """Train, and write a checkpoint."""
        trainer = self.program.Trainer(1, torch.device("cpu"))
        data = map_paths(lambda: (list(corpus.train_files()), corpus.token_bytes))
        context = self.program.MAX_SEQ_LEN
        feed = self.program.prepare.batches(data, trainer.rows, context, 1, "cpu")
        for step in range(steps):
            loss = trainer.step(feed, self.program.lr_scale(step / steps))
            print(f"step {step + 1} of {steps}: loss {float(loss):.3f}", file=sys.stderr)
        out.mkdir(parents=True, exist_ok=True)
        self.program.save_checkpoint(trainer.model, out)

    def plan(self, corpus: Corpus, documents: int) -> WindowPlan:
        """Return the rows of the first long documents of val."""
        context, tokenizer = self.program.MAX_SEQ_LEN, corpus.tokenizer()
        long = [each.data[:LENGTH] for each in corpus.val() if len(each.data) >= LENGTH]
        return cut(encode(tokenizer, [Document(each) for each in long[:documents]]), context)


def imported(place: Path) -> ModuleType:
    """Return the train.py in a folder, with the prepare.py beside it."""
    sys.path.insert(0, str(place))
    for name in ("prepare", "train"):
        sys.modules.pop(name, None)
    spec = importlib.util.spec_from_file_location("train", place / "train.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.pop(0)
    return module


@torch.inference_mode()
def both(model: Any, tokens: np.ndarray, places: np.ndarray | None) -> tuple[Any, Any]:
    """Return logits in bfloat16 and in float32, of all places [B, T] or of one a row [B]."""
    stream = model.stream(torch.from_numpy(tokens).long())
    assert stream.dtype == torch.bfloat16
    if places is not None:
        stream = stream[torch.arange(len(places)), torch.from_numpy(places).long()]
    coarse = model.train().logits(stream)
    return coarse, model.eval().logits(stream)


def committed(model: Any, plan: WindowPlan, batch: int, rng: np.random.Generator) -> list[Reals]:
    """Return the log-probability of every position, by both kinds of logits."""
    found = [np.empty(plan.positions), np.empty(plan.positions)]
    for block in plan.blocks(batch, rng):
        mask, positions = plan.charged(block)
        targets = torch.from_numpy(block.tokens[:, 1:]).long()[..., None]
        for nats, logits in zip(found, both(model, block.tokens[:, :-1], None), strict=True):
            chosen = logits.gather(-1, targets)[..., 0] - torch.logsumexp(logits, -1)
            nats[positions] = chosen.numpy()[mask]
    return found


def errors(model: Any, plan: WindowPlan, probes: int, batch: int) -> dict[str, list[Reals]]:
    """Return how far commitments are above what an audit of some positions says, by its kernels."""
    rng = np.random.default_rng(7)
    nats = committed(model, plan, batch, rng)
    positions = rng.choice(plan.positions, probes, replace=False)
    targets = plan.targets(positions)
    found = {name: [np.empty(probes), np.empty(probes)] for name in KERNELS}
    for request in other_suffixes(plan, positions, batch, rng):
        rows, places, mine = request.rows[:, :-1], request.rows[:, -1], request.members
        for name, kernels in KERNELS.items():
            with kernels():
                answers = both(model, rows, places)
            for kind, logits in enumerate(answers):
                said = normalised(logits.numpy())[np.arange(len(mine)), targets[mine]]
                found[name][kind][mine] = nats[kind][positions[mine]] - said
    return found


def seconds(act: Callable[[], object]) -> float:
    """Return what an act takes, in CPU seconds."""
    began = time.process_time()
    act()
    return time.process_time() - began


@torch.inference_mode()
def costs(ways: dict[str, Any], repeats: int, width: int) -> None:
    """Print what the ways to attend and to make logits cost, beside the first and coarse one."""
    tokens = torch.randint(8000, (2, width), generator=torch.Generator().manual_seed(1))
    acts = {}
    for name, model in ways.items():
        acts[name, "bfloat16"] = lambda model=model: model.train()(tokens)
        acts[name, "float32"] = lambda model=model: model.eval()(tokens)
    taken: dict[tuple[str, str], list[float]] = {each: [] for each in acts}
    for _ in range(repeats):
        for each, act in acts.items():
            taken[each].append(seconds(act))
    medians = {each: statistics.median(all_) for each, all_ in taken.items()}
    first = next(iter(medians.values()))
    told = ", ".join(f"{' and '.join(each)} {took / first:.2f}" for each, took in medians.items())
    print(f"cost of a forward of {width} tokens, as a ratio: {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--train", type=int, default=0, help="optimizer steps; 0: weights are read")
    parser.add_argument("--documents", type=int, default=4, help="that are scored, 30 kB of each")
    parser.add_argument("--probes", type=int, default=160)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as place:
        one, other = (Path(place) / each for each in ("one", "other"))
        for folder in (one, other):
            folder.mkdir()
        bench = Bench(one, {})
        corpus = bench.corpus(Path(place) / "home")
        if given.train:
            bench.train(corpus, given.train, given.checkpoint)
        plan = bench.plan(corpus, given.documents)
        ways = {
            "by width": Bench(other, BY_WIDTH).program,
            "one kernel": bench.program,
        }
        models = {name: each.load_model(given.checkpoint, "cpu") for name, each in ways.items()}
        print(f"{plan.positions:,} positions, {given.probes} probes; nats but the last two")
        print("kernel     logits          rms   largest      mean  tolerance  probes  leak, bpb")
        seen = errors(models["one kernel"], plan, given.probes, given.batch)
        for name, found in seen.items():
            for logits, each in zip(("bfloat16", "float32"), found, strict=True):
                print(Seen(name, logits, each).told())
        for width in (512, 2048):
            costs(models, given.repeats, width)


if __name__ == "__main__":
    main()
