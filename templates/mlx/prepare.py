"""The fixed half of the project: settings, data and the score. Proposals never change this file.

`train.py` takes from here its context and vocabulary, its session with the harness and its
batches. Run as a script, it prepares the corpus, as `autoresearch prepare` does.
"""

import functools
import importlib
import math
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import mlx.core as mx
import numpy as np

from autoresearch.runtime import Session, TrainData, open_session

PROJECT = Path(__file__).resolve().parent
SETTINGS = tomllib.loads((PROJECT / "autoresearch.toml").read_text("utf-8"))
MAX_SEQ_LEN: int = SETTINGS["evaluation"]["context"]  # tokens a window holds when it is scored
VOCAB_SIZE: int = SETTINGS["corpus"]["vocab_size"]  # tokens, the one that begins documents too
by_hand = functools.partial(importlib.import_module, "autoresearch.byhand")  # no trial has it


def open_run() -> Session:
    """Return this run's session: the harness's if one is there, else one that runs by hand."""
    training = SETTINGS["training"]
    session = open_session(
        budget=training["budget"],
        clock=training["clock"],
        device=training["device"],
        train_files=lambda: by_hand().train_files(PROJECT),
    )
    if session.device != "cpu" and not mx.is_available(mx.gpu):
        if session.harnessed:  # what was asked for would not be measured
            raise RuntimeError(f"MLX finds no {session.device} device")
        print(f"no {session.device} device here: training on the CPU instead", file=sys.stderr)
        session.device = "cpu"
    use(session.device)
    return session


def use(device: str) -> None:
    """Compute on a device from now on: "cpu", or the GPU under any other name."""
    mx.set_default_device(mx.cpu if device == "cpu" else mx.gpu)


def batches(
    data: TrainData, batch_size: int, seq_len: int, seed: int
) -> Iterator[tuple[mx.array, mx.array]]:
    """Yield inputs and targets for ever, both int32 [batch_size, seq_len].

    An epoch cuts every shard into windows of `seq_len` predictions that do not overlap, from a
    random offset on, and visits each once in random order. The order of rows depends on the seed
    alone, so two programs with other batch sizes still read the same text in the same order.
    """
    kind = {1: np.uint8, 2: np.dtype("<u2"), 4: np.dtype("<u4")}[data.token_bytes]
    shards = [np.frombuffer(shard, kind) for shard in data.shards()]
    order = _windows([len(shard) for shard in shards], seq_len, seed)
    while True:
        picks = [next(order) for _ in range(batch_size)]
        rows = np.stack([shards[shard][at : at + seq_len + 1] for shard, at in picks])
        tokens = mx.array(rows.astype(np.int32))
        yield tokens[:, :-1], tokens[:, 1:]


def evaluate_bpb(
    predict: Callable[[np.ndarray], mx.array],
    documents: Iterable[tuple[list[int], int]],
    batch: int = SETTINGS["evaluation"]["batch"],
) -> float:
    """Return bits per byte of whole documents, each given as (its token ids, its raw bytes).

    The ids begin with BOS. Every later token is predicted once, in windows of MAX_SEQ_LEN
    predictions that do not overlap. This is the evaluator's arithmetic without its guards.
    """
    total_bytes, windows = 0, []
    for ids, size in documents:
        total_bytes += size
        windows += [ids[at : at + MAX_SEQ_LEN + 1] for at in range(0, len(ids) - 1, MAX_SEQ_LEN)]
    windows.sort(key=len)  # rows of one length need no padding
    nats = 0.0
    for at in range(0, len(windows), batch):
        group = windows[at : at + batch]
        rows = np.zeros((len(group), max(map(len, group))), np.int64)
        charged = np.zeros((len(group), rows.shape[1] - 1), bool)
        for row, mask, ids in zip(rows, charged, group, strict=True):
            row[: len(ids)], mask[: len(ids) - 1] = ids, True
        logits = predict(rows[:, :-1])
        chosen = mx.take_along_axis(logits, mx.array(rows[:, 1:, None]), -1)[..., 0]
        losses = np.asarray(mx.logsumexp(logits, -1) - chosen)
        nats += float(losses[charged].sum(dtype=np.float64))
    return nats / math.log(2) / total_bytes


def print_summary(
    predict: Callable[[np.ndarray], mx.array], stats: dict[str, float], seconds: float
) -> None:
    """Print what karpathy/autoresearch prints, with the score on val: for runs by hand only."""
    bpb = evaluate_bpb(predict, by_hand().val_documents(PROJECT))
    by_hand().print_block(bpb, stats, seconds, None)


def _windows(lengths: list[int], seq_len: int, seed: int) -> Iterator[tuple[int, int]]:
    generator = np.random.default_rng(seed)
    usable = [(shard, length) for shard, length in enumerate(lengths) if length > seq_len]
    if not usable:
        raise ValueError(f"no train shard is longer than {seq_len} tokens: prepare more text")
    while True:
        places = []
        for shard, length in usable:
            offset = int(generator.integers(min(seq_len, length - seq_len)))
            places += [(shard, at) for at in range(offset, length - seq_len, seq_len)]
        for place in generator.permutation(len(places)).tolist():
            yield places[place]


if __name__ == "__main__":
    sys.argv.insert(1, "prepare")
    importlib.import_module("autoresearch.cli").main()
