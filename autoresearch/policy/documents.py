"""The difference of two codes by document: how far it depends on which documents val holds.

For a metric other than bits per byte a document stands for a unit (an example, a fold), its bits
for the unit's score, its bytes for the unit's weight.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Bits = Mapping[int, Sequence[float]]


@dataclass(frozen=True)
class ByDocument:
    """A difference, after minus before, over `documents` documents on `pairs` shared seeds.

    `error` is the standard error that the choice of documents leaves in it, None with a single one:
    all seeds are scored on the same documents, so no number of pairs makes it smaller. `better` is
    the share of the text, in bytes, whose documents got better.
    """

    bpb: float
    error: float | None
    better: float
    documents: int
    pairs: int


def by_document(after: Bits, before: Bits, sizes: Sequence[int]) -> ByDocument | None:
    """Return how two codes differ document by document; None where nothing can be compared.

    Args:
        after: bits of every document by the seed of the trial.
        before: the same of the other code.
        sizes: bytes of every document.

    Source: the ratio estimator (Cochran, Sampling Techniques, 6.4), documents drawn independently
    from all text of their kind. Both codes are scored on the same documents, so what makes one
    document harder than another cancels: only how differently they changed is left.
    """
    lengths = np.array(sizes, dtype=np.float64)
    changes = [
        np.subtract(after[seed], before[seed], dtype=np.float64)
        for seed in sorted(after.keys() & before.keys())
        if len(after[seed]) == len(before[seed]) == len(lengths)
    ]
    total = float(lengths.sum())
    if not changes or not total:
        return None
    change = np.mean(changes, axis=0)
    bpb = float(change.sum()) / total
    better = float(lengths[change < 0].sum()) / total
    error = _error(change - bpb * lengths, total)
    return ByDocument(bpb, error, better, len(lengths), len(changes))


def _error(residuals: Vector, total: float) -> float | None:
    count = len(residuals)
    if count < 2:
        return None
    return float(np.sqrt(count / (count - 1) * (residuals**2).sum()) / total)
