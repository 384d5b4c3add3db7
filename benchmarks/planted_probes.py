"""Which planted bugs does a train.py have? Found by what it does, not by how it is written.

    python benchmarks/planted_probes.py FOLDER

FOLDER holds a project's train.py, prepare.py and autoresearch.toml. train.py is run: on made-up
text for a few small steps, under a session of its own, and piece by piece. Prints a JSON object,
bug to true (there), false (mended) or null (cannot be told: the piece that is asked is gone).
"""

import importlib
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from planted_watching import WATCHED, Rehearsed, rehearsed

from autoresearch.patching import set_constants

# Small enough for a second: four rows a step, none accumulated.
SMALL = {"TOTAL_BATCH_SIZE": 512, "DEVICE_BATCH_SIZE": 4}


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
    return bool(rates[-1] > 0.3 * max(rates) or rates[75] <= rates[-1])


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


def stepping(train: Any) -> tuple[Any, Callable[[dict[int, torch.Tensor]], None]]:
    """Return a model, and how to step it with these gradients and zeros elsewhere."""
    model = train.GPT(train.Shape())
    optimizer = train.Optimizer(model, compiled=False)

    def step(grads: dict[int, torch.Tensor]) -> None:
        for each in model.parameters():
            each.grad = grads.get(id(each), torch.zeros_like(each))
        optimizer.step(1.0)

    return model, step


PIECES: dict[str, Callable[[Any], bool]] = {"schedule": schedule, "betas": betas}


if __name__ == "__main__":
    main()
