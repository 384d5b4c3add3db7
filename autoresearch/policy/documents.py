"""Two codes document by document: how far a difference hangs on which documents val holds.

Of another metric than bits per byte the documents are its units (examples, folds), their bits the
units' scores and their bytes the units' weights.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Bits = Mapping[int, Sequence[float]]


@dataclass(frozen=True)
class ByDocument:
    """A difference, after minus before, over `documents` documents on `pairs` shared seeds.

    `error` is the standard error that the choice of documents leaves in it, None with a single
    one: all seeds are scored on the same documents, so no number of pairs makes it smaller.
    `better` is the share of the bytes that stand in documents which got better.
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
    changes = list(_changes(after, before, len(lengths)))
    total = float(lengths.sum())
    if not changes or not total:
        return None
    change = np.mean(changes, axis=0)
    bpb = float(change.sum()) / total
    better = float(lengths[change < 0].sum()) / total
    error = _error(change - bpb * lengths, total)
    return ByDocument(bpb, error, better, len(lengths), len(changes))


def _changes(after: Bits, before: Bits, count: int) -> Iterator[Vector]:
    for seed in sorted(after.keys() & before.keys()):
        if len(after[seed]) == len(before[seed]) == count:
            yield np.subtract(after[seed], before[seed], dtype=np.float64)


def _error(residuals: Vector, total: float) -> float | None:
    count = len(residuals)
    if count < 2:
        return None
    return float(np.sqrt(count / (count - 1) * (residuals**2).sum()) / total)
