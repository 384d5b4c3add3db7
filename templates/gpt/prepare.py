"""The fixed half of the project: settings, data and the score. Proposals never change this file.

`train.py` takes from here its context and vocabulary, its session with the harness and its
batches. Run as a script, it prepares the corpus, as `autoresearch prepare` does.
"""

import functools
import importlib
import math
import os
import sys
import tomllib
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

from autoresearch.runtime import Session, TrainData, open_session
from autoresearch.runtime.peaks import peak_flops

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
    _choose_device(session)
    if session.device == "cpu":
        torch.set_num_threads(training["threads"])
    else:  # torch's allocator, which has not begun, then leaves no gaps that nothing fits into
        os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    return session


def batches(
    data: TrainData, batch_size: int, seq_len: int, seed: int, device: torch.device | str
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield inputs and targets for ever, both int64 [batch_size, seq_len] on `device`.

    An epoch cuts every shard into windows of `seq_len` predictions that do not overlap, from a
    random offset on, and visits each once in random order. The order of rows depends on the seed
    alone, so two programs with other batch sizes still read the same text in the same order.
    """
    shards = [_tokens(shard, data.token_bytes) for shard in data.shards()]
    order = _windows([len(shard) for shard in shards], seq_len, seed)
    while True:
        picks = [next(order) for _ in range(batch_size)]
        rows = torch.stack([shards[shard][at : at + seq_len + 1] for shard, at in picks])
        if torch.device(device).type == "cuda":  # pinned, the copy runs beside the step before
            rows = rows.pin_memory().to(device, non_blocking=True)
        rows = rows.to(device).long() & (256**data.token_bytes - 1)  # stored without a sign
        yield rows[:, :-1].contiguous(), rows[:, 1:].contiguous()


@torch.inference_mode()
def evaluate_bpb(
    model: torch.nn.Module,
    documents: Iterable[tuple[list[int], int]],
    device: torch.device | str,
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
    nats = torch.zeros((), dtype=torch.float64)
    for at in range(0, len(windows), batch):
        rows = [torch.tensor(row, device=device) for row in windows[at : at + batch]]
        x = pad_sequence([row[:-1] for row in rows], batch_first=True)
        y = pad_sequence([row[1:] for row in rows], batch_first=True, padding_value=-1)
        logits = model(x).float().flatten(0, 1)
        losses = F.cross_entropy(logits, y.flatten(), ignore_index=-1, reduction="none")
        nats += losses.cpu().double().sum()
    return float(nats) / math.log(2) / total_bytes


def print_summary(model: torch.nn.Module, stats: dict, seconds: float) -> None:
    """Print what karpathy/autoresearch prints, with the score on val: for runs by hand only."""
    device = next(model.parameters()).device
    bpb = evaluate_bpb(model, by_hand().val_documents(PROJECT), device)
    by_hand().print_block(bpb, stats, seconds, peak_flops(device))


def _windows(lengths: list[int], seq_len: int, seed: int) -> Iterator[tuple[int, int]]:
    generator = torch.Generator().manual_seed(seed)
    usable = [(shard, length) for shard, length in enumerate(lengths) if length > seq_len]
    if not usable:
        raise ValueError(f"no train shard is longer than {seq_len} tokens: prepare more text")
    while True:
        places = []
        for shard, length in usable:
            offset = int(torch.randint(min(seq_len, length - seq_len), (), generator=generator))
            places += [(shard, at) for at in range(offset, length - seq_len, seq_len)]
        for place in torch.randperm(len(places), generator=generator).tolist():
            yield places[place]


def _tokens(shard: object, token_bytes: int) -> torch.Tensor:
    kind = {1: torch.uint8, 2: torch.int16, 4: torch.int32}[token_bytes]
    with warnings.catch_warnings():  # torch warns that the map is read-only, as it should be
        warnings.simplefilter("ignore", UserWarning)
        return torch.frombuffer(shard, dtype=kind)


def _choose_device(session: Session) -> None:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(session.device, True):
        if session.harnessed:  # what was asked for would not be measured
            raise RuntimeError(f"PyTorch finds no {session.device} device")
        print(f"no {session.device} device here: training on the CPU instead", file=sys.stderr)
        session.device = "cpu"


if __name__ == "__main__":
    sys.argv.insert(1, "prepare")
    importlib.import_module("autoresearch.cli").main()
