"""Which of the numbers that a program prints is the one to make better, and which way that is."""

import re
from collections.abc import Iterable, Sequence

from autoresearch.records.metric import Direction

_HIGHER = frozenset(
    {"acc", "accuracy", "auc", "auroc", "f1", "precision", "recall", "bleu", "rouge", "iou", "miou"}
    | {"map", "r2", "reward", "return", "psnr", "ssim", "dice", "top1", "top5", "score"}
)
_LOWER = frozenset(
    {"loss", "bpb", "bpc", "perplexity", "ppl", "nll", "error", "err", "mse", "rmse", "mae"}
    | {"wer", "cer", "fid", "crossentropy"}
)
# What a number is read on, the best first: a study is judged by what is held out.
_SPLITS = (
    frozenset({"val", "valid", "validation"}),
    frozenset({"eval", "dev", "holdout", "heldout"}),
    frozenset({"test"}),
    frozenset[str](),
)
_TRAINING = frozenset({"train", "training"})


def direction_of(name: str) -> Direction | None:
    """Return which way a metric of this name is better; None where the name does not tell."""
    words = _words(name)
    if words & _LOWER:
        return Direction.LOWER
    return Direction.HIGHER if words & _HIGHER else None


def likeliest(names: Iterable[str]) -> Sequence[str]:
    """Return the printed names that may be the metric: one where it is clear, else all of them.

    Those of the best split that has any: `val_loss` goes before `test_loss` and `loss`.
    """
    measures = [
        name for name in dict.fromkeys(names) if direction_of(name) and not _words(name) & _TRAINING
    ]
    for split in _SPLITS:
        if found := [name for name in measures if not split or _words(name) & split]:
            return found
    return ()


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", name.lower()))
