"""What `python train.py` needs where no harness is there: the corpus, and its block of figures."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from autoresearch import corpus as corpora
from autoresearch.errors import CorpusError


def train_files(project: Path) -> tuple[list[Path], int]:
    """Return the train split's files and the bytes of a token."""
    corpus = _corpus(project)
    return list(corpus.train_files()), corpus.token_bytes


def val_documents(project: Path) -> Iterator[tuple[list[int], int]]:
    """Yield the validation documents, each as (token ids with BOS, raw bytes)."""
    corpus = _corpus(project)
    tokenizer = corpus.tokenizer()
    for document in corpus.val():
        yield [corpus.bos, *tokenizer.encode(document.data)], len(document.data)


def print_block(
    bpb: float, stats: Mapping[str, float], total_seconds: float, peak_flops: float | None
) -> None:
    """Print what karpathy/autoresearch prints after a training.

    Args:
        bpb: bits per byte on val.
        stats: a training's figures, as the template's `Stats` names them.
        total_seconds: from the start of the program on.
        peak_flops: what the card can do at most; None where nobody knows.
    """
    flops = stats["flops_per_token"] * stats["tokens"] / stats["training_seconds"]
    lines = {
        "val_bpb": f"{bpb:.6f}",
        "training_seconds": f"{stats['training_seconds']:.1f}",
        "total_seconds": f"{total_seconds:.1f}",
        "peak_vram_mb": f"{stats['peak_vram_bytes'] / 2**20:.1f}",
        "mfu_percent": f"{100 * flops / peak_flops:.2f}" if peak_flops else "n/a",
        "total_tokens_M": f"{stats['tokens'] / 1e6:.1f}",
        "num_steps": stats["steps"],
        "num_params_M": f"{stats['num_params'] / 1e6:.1f}",
        "depth": stats["depth"],
    }
    sys.stdout.write("\n".join(["---", *(f"{k + ':':<18}{v}" for k, v in lines.items()), ""]))


def _corpus(project: Path) -> corpora.Corpus:
    try:
        return corpora.load(project / ".autoresearch" / "corpus.json")
    except CorpusError as fault:
        sys.exit(str(fault))
