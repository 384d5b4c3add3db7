"""What the evaluator reads and says: sealed documents, scores, and why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from autoresearch.records.values import FailureKind, Trust

# A score beyond it, in whatever unit, is none: 32 bits of a float do not hold it.
LARGEST = 1e38


@dataclass(frozen=True)
class Document:
    """One sealed document: its raw UTF-8 bytes."""

    data: bytes


@dataclass(frozen=True)
class Allowance:
    """How far honest predictions may differ when they are computed again, in nats.

    `tolerance` bounds a single difference. `noise` is the root mean square of the baseline's own;
    None in studies whose baseline was scored before that was measured. `policy/rounding.py` has
    what follows from the two.
    """

    tolerance: float
    noise: float | None = None


@dataclass(frozen=True)
class Score:
    """A study's metric, lower where it is better, and what stands behind it.

    `bpb` is the score in the metric's unit: bits per byte over raw bytes of whole documents, where
    it is not another metric's; then `doc_bits` are the scores of its units (examples, folds) times
    their weights and `doc_bytes` the weights, empty where it has none. `numbers` are others of the
    evaluator's, by name, for guards. For bits per byte:

    `doc_bits[i]` is the code length in bits of the i-th document of `doc_bytes[i]` bytes;
    `challenged` positions were recomputed and audited, and `mismatch` is the largest difference
    seen in nats (log-probabilities). Of leaks worth `detectable` bits per byte one in a thousand
    would have been missed. `measured` is what this checkpoint's own arithmetic would allow later
    ones; None where that was known before.
    """

    bpb: float
    doc_bits: tuple[float, ...]
    doc_bytes: tuple[int, ...]
    trust: Trust
    tokens: int
    challenged: int
    mismatch: float
    seconds: float
    detectable: float | None = None
    measured: Allowance | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Unscored:
    """Why a checkpoint has no score, and whose fault that is.

    `cause` is a short stable name, `reason` one safe line. Where the kind is MACHINE, scoring the
    same checkpoint again may give a score.
    """

    cause: str
    reason: str
    kind: FailureKind
