"""The fixed half of the project: settings, data and the score. Proposals never change this file.

`train.py` takes from here its context and vocabulary, its session with the harness and its
batches. Run as a script, it prepares the corpus, as `autoresearch prepare` does.
"""

import math
import re
import sys
import tomllib
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from autoresearch.runtime import Session, TrainData, open_session

PROJECT = Path(__file__).resolve().parent
SETTINGS = tomllib.loads((PROJECT / "autoresearch.toml").read_text("utf-8"))
MAX_SEQ_LEN: int = SETTINGS["evaluation"]["context"]  # tokens a window holds when it is scored
VOCAB_SIZE: int = SETTINGS["corpus"]["vocab_size"]  # tokens, the one that begins documents too

# Dense bf16 FLOP/s by the makers' datasheets; the first name found in the card's own wins.
PEAK_FLOPS = {
    "B200": 2.25e15, "H200": 989e12, "H100 PCIE": 756e12, "H100 NVL": 835e12, "H100": 989e12,
    "H800": 989e12, "H20": 148e12, "GH200": 989e12, "A100": 312e12, "A40": 150e12, "A30": 165e12,
    "A10": 125e12, "L40S": 362e12, "L40": 181e12, "L4": 121e12, "RTX 6000 ADA": 364e12,
    "RTX A6000": 155e12, "5090": 210e12, "4090": 165e12, "4080": 98e12, "3090": 71e12,
}  # fmt: skip


def open_run() -> Session:
    """Return this run's session: the harness's if one is there, else one that runs by hand."""
    training = SETTINGS["training"]
    session = open_session(
        budget=_seconds(training["budget"]),
        clock=training["clock"],
        device=training["device"],
        train_files=lambda: (list(_corpus().train_files()), _corpus().token_bytes),
    )
    session.device = _usable(session.device)
    if session.device == "cpu":
        torch.set_num_threads(training["threads"])
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
        stops = range(0, len(ids) - 1, MAX_SEQ_LEN)
        windows += [ids[at : at + MAX_SEQ_LEN + 1] for at in stops]
    windows.sort(key=len)  # rows of one length need no padding
    nats = torch.zeros((), dtype=torch.float64)
    for at in range(0, len(windows), batch):
        rows = windows[at : at + batch]
        x, y = _padded(rows, device)
        losses = F.cross_entropy(
            model(x).float().flatten(0, 1), y.flatten(), ignore_index=-1, reduction="none"
        )
        nats += losses.cpu().double().sum()
    return float(nats) / math.log(2) / total_bytes


def val_documents() -> Iterator[tuple[list[int], int]]:
    """Yield the validation documents as (token ids with BOS, raw bytes): for runs by hand only.

    Under the harness they are out of reach, and the evaluator scores the checkpoint.
    """
    corpus = _corpus()
    tokenizer = corpus.tokenizer()
    for document in corpus.val():
        yield [corpus.bos, *tokenizer.encode(document.data)], len(document.data)


def peak_flops(device: torch.device | str) -> float | None:
    """Return the card's dense bf16 FLOP/s; None if it is no CUDA card, or not in the table."""
    if torch.device(device).type != "cuda":
        return None
    name = torch.cuda.get_device_name(device).upper()
    found = (peak for card, peak in PEAK_FLOPS.items() if re.search(rf"\b{card}\b", name))
    return next(found, None)


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


def _padded(rows: list[list[int]], device: torch.device | str) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(row) for row in rows) - 1
    inputs = [row[:-1] + [0] * (width + 1 - len(row)) for row in rows]
    targets = [row[1:] + [-1] * (width + 1 - len(row)) for row in rows]
    return torch.tensor(inputs, device=device), torch.tensor(targets, device=device)


def _corpus() -> Any:  # its class is out of reach of a trial, as is the corpus
    from autoresearch import corpus, errors  # noqa: PLC0415 - needed by hand alone

    try:
        return corpus.load(PROJECT / ".autoresearch" / "corpus.json")
    except errors.CorpusError as fault:
        sys.exit(str(fault))


def _seconds(budget: str) -> float:
    units = {"": 1, "s": 1, "m": 60, "h": 3600}
    parts = re.findall(r"([\d.]+)([smh]?)", budget)
    return sum(float(number) * units[unit] for number, unit in parts)


def _usable(device: str) -> str:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if there.get(device, True):
        return device
    print(f"no {device} device here: training on the CPU instead", file=sys.stderr)
    return "cpu"


if __name__ == "__main__":
    from autoresearch.cli import main  # by hand alone, like the corpus

    sys.argv[1:] = ["prepare", *sys.argv[1:]]
    main()
