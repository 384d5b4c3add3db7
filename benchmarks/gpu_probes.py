"""What holds of the template on this device: `gpu_night.py` asks, in a process of its own.

    python benchmarks/gpu_probes.py PROJECT CHECKPOINT DEVICE

Prints JSON lines, each with what was looked at, found and expected, and whether it is so.
"""

import gc
import importlib
import itertools
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from autoresearch.byhand import train_files, val_documents
from autoresearch.runtime.exhaustion import out_of_memory
from autoresearch.runtime.session import map_paths

ROWS = 16  # windows that are predicted together, alone and cut short
NOISE = 0.02  # of an attention in bf16 beside one in float32, on values of about 1
ROUNDS, STEPS = 3, 10  # of each way to take steps
TOO_MUCH = 2**50  # bytes that no device has

Found = dict[str, Any]


def main() -> None:
    """Print what each probe finds; one that fails is a line, too."""
    project, checkpoint, device = Path(sys.argv[1]), Path(sys.argv[2]), torch.device(sys.argv[3])
    sys.path.insert(0, str(project))
    train, prepare = (importlib.import_module(name) for name in ("train", "prepare"))
    probes: list[Callable[[], Iterator[Found]]] = [
        lambda: numbers(train, device),
        lambda: attentions(train, device),
        lambda: noise(train, prepare, project, checkpoint, device),
        lambda: exhaustion(device),
        lambda: paces(train, prepare, project, device),
        lambda: fewer_rows(train, device),
    ]
    for probe in probes:
        try:
            for each in probe():
                print(json.dumps(each), flush=True)
        except Exception as fault:  # noqa: BLE001 - the next probe is to be asked all the same
            print(
                json.dumps(found("probe", repr(fault)[:300], "no failure", good=False)), flush=True
            )


def found(what: str, text: object, expected: str = "", *, good: bool | None = None) -> Found:
    """Return a line of the results."""
    return {"what": what, "found": str(text), "expected": expected, "good": good}


def numbers(train: Any, device: torch.device) -> Iterator[Found]:
    """Name the type that the device computes in, and whether it is one of its own."""
    kind = train.compute_type(device)
    own = device.type != "cuda" or kind != torch.bfloat16 or torch.cuda.is_bf16_supported()
    yield found("type of the activations", kind, "one that the device has", good=own)
    if device.type == "cuda":
        version = f"CUDA {torch.version.cuda}, HIP {torch.version.hip}"
        yield found("PyTorch is built for", f"{torch.__version__}, {version}")


def attentions(train: Any, device: torch.device) -> Iterator[Found]:
    """Hold every way to attend against the one that works everywhere, in float32."""
    shape = train.Shape(heads=2, heads_per_kv=2, window_pattern="S")
    q, k, v = (
        torch.randn(2, shape.context, heads, shape.head_dim, device=device)
        for heads in (shape.heads, shape.kv_heads, shape.kv_heads)
    )
    kind, window = train.compute_type(device), shape.windows[0]
    right = train.sdpa(q, k, v, window)
    for name, attend in train.attentions(device, shape):
        made = torch.compile(attend) if name == "flex" else attend
        try:
            off = (made(q.to(kind), k.to(kind), v.to(kind), window).float() - right).abs().max()
            text, good = f"{float(off):.4f}", float(off) < NOISE
        except Exception as fault:  # noqa: BLE001 - the warm-up would go on to the next one
            text, good = repr(fault)[:200], False
        yield found(f"attention by {name}: largest error", text, f"under {NOISE}", good=good)


@torch.inference_mode()
def noise(
    train: Any, prepare: Any, project: Path, checkpoint: Path, device: torch.device
) -> Iterator[Found]:
    """Make the trained model's predictions in other batches and widths, as an audit does."""
    model, width = train.load_model(checkpoint, device), prepare.MAX_SEQ_LEN
    long = (ids[: width + 1] for ids, _ in val_documents(project) if len(ids) > width)
    windows = torch.tensor([*itertools.islice(long, ROWS)], device=device)
    if not len(windows):
        yield found("noise of predictions", f"no document of {width} tokens")
        return
    x, y = windows[:, :-1], windows[:, 1:, None]

    def nats(rows: torch.Tensor) -> Any:
        logits = model(rows).float()
        return logits.log_softmax(-1).gather(-1, y[: len(rows), : rows.size(1)])

    together, limit = nats(x), prepare.SETTINGS["evaluation"]["tolerance"]
    alone = torch.cat([model(row[None]).float().log_softmax(-1) for row in x]).gather(-1, y)
    short = nats(x[:, : width // 2])
    for name, other in (("alone", alone), ("in half the width", short)):
        off = (together[:, : other.size(1)] - other).abs().flatten()
        text = f"median {float(off.median()):.5f}, largest {float(off.max()):.5f} of {len(off)}"
        yield found(f"noise of predictions made {name}, nats", text,
                    f"largest under {limit}, or a tolerance measured above it",
                    good=float(off.max()) < limit)  # fmt: skip


def paces(train: Any, prepare: Any, project: Path, device: torch.device) -> Iterator[Found]:
    """Time steps as train.py takes them, and without what should make them faster, in turns."""
    trainer = train.Trainer(1, device)
    trainer.warm_up()
    data = map_paths(lambda: train_files(project))
    feed = prepare.batches(data, trainer.rows, prepare.MAX_SEQ_LEN, 1, device)
    ways: dict[str, Callable[[], float]] = {
        "as they are": lambda: pace(trainer, feed, ahead=True),
        "batches made after the step": lambda: pace(trainer, feed, ahead=False),
        "garbage collected": lambda: collecting(lambda: pace(trainer, feed, ahead=True)),
    }
    gc.disable()
    best = dict.fromkeys(ways, math.inf)
    for name, way in [*ways.items()] * ROUNDS:
        best[name] = min(best[name], way())
    shipped = best.pop("as they are")
    yield found("seconds of a step", f"{shipped:.4f}")
    for name, seconds in best.items():
        good = seconds > 0.99 * shipped if device.type == "cuda" else None  # a CPU's are noise
        yield found(f"seconds of a step, {name}", f"{seconds / shipped:.3f} times", "1 or more",
                    good=good)  # fmt: skip
    if device.type == "cuda":
        wasted = torch.cuda.max_memory_reserved() / torch.cuda.max_memory_allocated()
        yield found("memory taken, of what was needed", f"{wasted:.2f} times", "under 1.2",
                    good=wasted < 1.2)  # fmt: skip


def pace(trainer: Any, feed: Iterator[Any], *, ahead: bool) -> float:
    """Return the seconds of a step, the next batch made while the device works, or after it."""
    batch, began = next(feed), time.perf_counter()
    for _ in range(STEPS):
        loss = trainer.step(itertools.chain([batch], feed), 0.0)
        if not ahead:
            float(loss)
        batch = next(feed)
        float(loss)
    return (time.perf_counter() - began) / STEPS


def collecting(work: Callable[[], float]) -> float:
    """Do something with the garbage collector at work."""
    gc.enable()
    try:
        return work()
    finally:
        gc.disable()


def exhaustion(device: torch.device) -> Iterator[Found]:
    """Ask for more memory than there is."""
    try:
        torch.empty(TOO_MUCH, dtype=torch.uint8, device=device)
        told, said = False, "nothing was raised"
    except Exception as fault:  # noqa: BLE001 - which one is the question
        told, said = out_of_memory(fault), repr(fault)[:200]
    yield found("memory that is not there", said, "known as out of memory", good=told)


def fewer_rows(train: Any, device: torch.device) -> Iterator[Found]:
    """Begin with more rows than fit: a card says so itself, a CPU by decree, above two."""
    wide = 2**14 if device.type == "cuda" else 8
    context = train.MAX_SEQ_LEN
    train.TOTAL_BATCH_SIZE, train.DEVICE_BATCH_SIZE = wide * context, wide
    train.compiles = lambda _device: False  # each try would be compiled
    trainer = train.Trainer(1, device)
    learn = trainer._learn  # noqa: SLF001 - where a CPU is told what it has

    def decreed(tokens: torch.Tensor, targets: torch.Tensor) -> Any:
        if device.type == "cpu" and len(tokens) > 2:
            raise torch.OutOfMemoryError
        return learn(tokens, targets)

    trainer._learn = decreed  # noqa: SLF001 - as above
    trainer.warm_up()
    good = trainer.rows < wide and trainer.rows * trainer.times == wide
    yield found(f"rows of {context} that fit, of {wide}", f"{trainer.rows}, {trainer.times} times",
                "fewer, and the step as large", good=good)  # fmt: skip


if __name__ == "__main__":
    main()
