"""Which planted bugs does a train.py have? Found by what it does, not by how it is written.

    python benchmarks/planted_probes.py FOLDER

FOLDER holds a project's train.py, prepare.py and autoresearch.toml. train.py is run: on made-up
text for a few small steps, under a session of its own, and piece by piece. Prints a JSON object,
bug to true (there), false (mended) or null (cannot be told: the piece that is asked is gone).
"""

import importlib
import json
import math
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from planted_watching import WATCHED, Rehearsed, rehearsed
from torch import nn

from autoresearch.patching import set_constants

# Small enough for a second: two rows a step, none accumulated.
SMALL = {"TOTAL_BATCH_SIZE": 256, "DEVICE_BATCH_SIZE": 2}


def main() -> None:
    """Probe the folder's train.py and print what was found."""
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    told = sys.stdout
    with tempfile.TemporaryDirectory() as place, redirect_stdout(sys.stderr):
        train = load(folder, Path(place))
        found: dict[str, bool | None] = {}
        try:
            seen: Rehearsed | None = rehearsed(train, Path(place))
        except Exception as fault:  # noqa: BLE001 - any program may be probed
            print(f"it does not train: {type(fault).__name__}: {fault}", file=sys.stderr)
            seen = None
        for name, asked in WATCHED.items():
            found[name] = None if seen is None else asked(seen)
        for name, ask in PIECES.items():
            found[name] = answered(ask, train)
    print(json.dumps(found), file=told)


def load(folder: Path, place: Path) -> Any:
    """Import the folder's train.py, made small, from a copy in `place`."""
    for name in ("prepare.py", "autoresearch.toml"):
        (place / name).write_text((folder / name).read_text())
    source = (folder / "train.py").read_text()
    (place / "train.py").write_text(set_constants(source, SMALL))
    sys.path.insert(0, str(place))
    return importlib.import_module("train")


def answered(ask: Callable[[Any], bool], train: ModuleType) -> bool | None:
    """Return the answer, or None where the question fails."""
    torch.manual_seed(0)
    try:
        return ask(train)
    except Exception as fault:  # noqa: BLE001 - any program may be probed
        print(f"{ask.__name__}: {type(fault).__name__}: {fault}", file=sys.stderr)
        return None


def schedule(train: Any) -> bool:
    """Whether the learning rate ends far above zero, or long before the training does."""
    rates = [train.lr_scale(step / 100) for step in range(101)]
    return rates[-1] > 0.3 * max(rates) or rates[75] <= rates[-1]


def rotary(train: Any) -> bool:
    """Whether one layer of attention gives the same when two earlier tokens change places."""
    model = drawn(train, depth=1)
    tokens = torch.arange(1, 9)[None]
    swapped = tokens[:, [1, 0, 2, 3, 4, 5, 6, 7]]
    with torch.no_grad():
        return bool(torch.allclose(model(tokens)[0, -1], model(swapped)[0, -1], atol=1e-4))


def attention_scale(train: Any) -> bool:
    """Whether attention is blunter than normed queries and keys over sqrt(d) make it."""
    model, felt = drawn(train, depth=1), list[float]()
    attend = model.attend

    def spy(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, window: int) -> torch.Tensor:
        felt.append(sharpness(attend, q, k, window))
        result: torch.Tensor = attend(q, k, v, window)
        return result

    model.attend = spy
    with torch.no_grad():
        model(torch.arange(1, 9)[None])
    return felt[0] < 0.5 * math.sqrt(model.shape.head_dim)


def sharpness(attend: Callable[..., torch.Tensor], q: Any, k: Any, window: int) -> float:
    """Return the largest score that attention can give: its scale, times |q|, times |k|."""
    rows, length, heads, _ = q.shape
    ones = torch.eye(length)[None, :, None].expand(rows, length, heads, length)
    weights = attend(q, k, ones, window)[0, -1].double().log()  # [heads, length]
    scores = torch.einsum("hd,thd->ht", q[0, -1], k[0]).double()
    weights, scores = (each - each.mean(-1, keepdim=True) for each in (weights, scores))
    scale = float((weights * scores).sum() / scores.square().sum())
    return scale * float(q[0, -1].norm(dim=-1).mean() * k[0].norm(dim=-1).mean())


def final_norm(train: Any) -> bool:
    """Whether a stream of another size changes the logits."""
    model = drawn(train, depth=1)
    tokens = torch.arange(1, 9)[None]
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("out.weight", "down.weight")):
                weight.zero_()
        before = model(tokens)
        model.stream_scales *= 4
        model.x0_scales *= 4
        return not bool(torch.allclose(model(tokens), before, rtol=0.01, atol=1e-3))


def muon(train: Any) -> bool:
    """Whether a step of a matrix is as lopsided as its gradient."""
    model, step = stepping(train)
    weight = model.blocks[0].attention.query.weight
    with torch.no_grad():
        weight.zero_()
    u, _, v = torch.linalg.svd(torch.randn(weight.shape))
    sizes = torch.logspace(0, -2, len(u))
    step({id(weight): u @ torch.diag(sizes) @ v})
    moved = torch.linalg.svdvals(weight.detach())
    return float(moved[0] / moved[len(moved) // 2]) > 3  # of the gradient: 10


def betas(train: Any) -> bool:
    """Whether Adam's step grows when the gradient stops."""
    model, step = stepping(train)
    weight = model.x0_scales
    for _ in range(50):
        step({id(weight): torch.ones_like(weight)})
    sizes = []
    for grad in (1.0, 0.0):
        before = weight.detach().clone()
        step({id(weight): torch.full_like(weight, grad)})
        sizes.append(float((weight - before).abs().mean()))
    return sizes[1] > sizes[0]


def smoothing(train: Any) -> bool:
    """Whether training's loss is not the cross-entropy of the logits."""
    model, draw = drawn(train, depth=1), torch.Generator().manual_seed(0)
    stream = torch.randn(50, model.shape.width, generator=draw)
    targets = torch.randint(model.shape.vocab_size, (50,), generator=draw)
    with torch.no_grad():
        logits = model.logits(stream)
        true = nn.functional.cross_entropy(logits, targets, reduction="sum")
        best = nn.functional.cross_entropy(logits, logits.argmax(-1), reduction="sum")
        told = model.loss(stream, targets) - model.loss(stream, logits.argmax(-1))
    # As a difference: what is added to the loss for its own sake may be.
    return abs(float(told / (true - best)) - 1) > 0.05


def adam_scale(train: Any) -> bool:
    """Whether Adam's first step of the embedding is far smaller than the rate says it is."""
    model, step = stepping(train)
    before = model.embed.weight.detach().clone()
    step({id(model.embed.weight): torch.ones_like(before)})
    return float((model.embed.weight.detach() - before).abs().mean()) < 0.4


def table_decay(train: Any) -> bool:
    """Whether an embedding table shrinks by a twentieth in a step without gradients."""
    model, step = stepping(train)
    before = model.embed.weight.norm().item()
    step({})
    return float(model.embed.weight.norm()) < 0.95 * before


def drawn(train: Any, **shape: object) -> Any:
    """Return a model with all its weights drawn at random, so that no part is silent."""
    model = train.GPT(replace(train.Shape(), **shape))
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(std=2 / math.sqrt(weight.size(-1)))
    return model.eval()


def stepping(train: Any) -> tuple[Any, Callable[[dict[int, torch.Tensor]], None]]:
    """Return a model, and how to step it with these gradients and zeros elsewhere."""
    model = train.GPT(train.Shape())
    optimizer = train.Optimizer(model, compiled=False)

    def step(grads: dict[int, torch.Tensor]) -> None:
        for each in model.parameters():
            each.grad = grads.get(id(each), torch.zeros_like(each))
        optimizer.step(1.0)

    return model, step


PIECES: dict[str, Callable[[Any], bool]] = {
    "schedule": schedule,
    "rotary": rotary,
    "attention-scale": attention_scale,
    "final-norm": final_norm,
    "muon": muon,
    "betas": betas,
    "table-decay": table_decay,
    "smoothing": smoothing,
    "adam-scale": adam_scale,
}


if __name__ == "__main__":
    main()
