"""What the evaluator reads and says: sealed documents, scores, and why there is none."""

from dataclasses import dataclass

from autoresearch.records.values import FailureKind, Trust


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
    """Bits per byte over raw bytes of whole documents, and what stands behind it.

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


@dataclass(frozen=True)
class Unscored:
    """Why a checkpoint has no score, and whose fault that is.

    `cause` is a short stable name, `reason` one safe line. Where the kind is MACHINE, scoring the
    same checkpoint again may give a score.
    """

    cause: str
    reason: str
    kind: FailureKind
