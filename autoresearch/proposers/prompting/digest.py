"""What a past teaches, in numbers: near misses, what paid, what broke again, what came true."""

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch.policy import Calibration, calibrate
from autoresearch.proposers.base import Past
from autoresearch.records.values import Category, Standing, Verdict

MOST = 6  # of near misses and of crashes
BAN = 3  # crashes of one kind
_UNKNOWN_NOISE = 0.002  # bits per byte; about what seeds differ by at five minutes


@dataclass(frozen=True)
class Tally:
    """How a category has paid; `gain` sums the measured effects of what was kept.

    What further pairs refuted was not kept, and its effect was luck: it is neither gain nor best.
    """

    category: str
    tried: int
    kept: int
    crashed: int
    refused: int
    gain: float
    best: float | None


def near_misses(history: Sequence[Past], noise: float | None) -> list[Past]:
    """Return the discards that may well be small gains, best first.

    Those within two standard errors of zero, or one deviation between seeds where no error is
    known. A keep that was taken back is none: what it read when it was kept was luck.
    """
    found = [
        past
        for past in history
        if past.verdict is Verdict.DISCARD
        and not _refuted(past)
        and past.delta is not None
        and past.delta <= (2 * past.delta_error if past.delta_error else noise or _UNKNOWN_NOISE)
    ]
    return sorted(found, key=lambda past: past.delta or 0.0)[:MOST]


def tallies(history: Sequence[Past]) -> list[Tally]:
    """Return how each category that was tried has paid, in the order of the enum."""
    found = []
    for category in Category:
        mine = [past for past in history if past.category is category]
        if mine and category is not Category.BASELINE:
            found.append(_tally(category, mine))
    return found


def calibration(history: Sequence[Past], proposer: str = "") -> Calibration | None:
    """Return what became of a proposer's predictions, of everyone's without a name."""
    mine = [past for past in history if proposer in ("", past.proposer)]
    return calibrate(
        [
            (past.predicted_delta, past.delta)
            for past in mine
            if past.predicted_delta is not None and past.delta is not None
        ]
    )


def repeated_crashes(history: Sequence[Past]) -> list[list[Past]]:
    """Return crashes of a kind that was seen twice or more, the most frequent first."""
    kinds: dict[str, list[Past]] = {}
    for past in history:
        if past.verdict is Verdict.CRASH and past.fingerprint:
            kinds.setdefault(past.fingerprint, []).append(past)
    again = [same for same in kinds.values() if len(same) > 1]
    return sorted(again, key=len, reverse=True)[:MOST]


def since_keep(history: Sequence[Past]) -> int:
    """Return how many experiments were trained since the last keep; refused ones cost none."""
    trained = [past for past in history if past.verdict is not Verdict.INVALID]
    kept = [at for at, past in enumerate(trained) if past.verdict is Verdict.KEEP]
    return len(trained) - 1 - kept[-1] if kept else len(trained)


def _refuted(past: Past) -> bool:
    return past.standing is Standing.REFUTED


def _tally(category: Category, mine: Sequence[Past]) -> Tally:
    deltas = [past.delta for past in mine if past.delta is not None and not _refuted(past)]
    kept = [past for past in mine if past.verdict is Verdict.KEEP and not _refuted(past)]
    refused = (Verdict.INVALID, Verdict.DISQUALIFIED)
    return Tally(
        category=str(category),
        tried=len(mine),
        kept=len(kept),
        crashed=sum(past.verdict is Verdict.CRASH for past in mine),
        refused=sum(past.verdict in refused for past in mine),
        gain=sum(past.delta or 0.0 for past in kept),
        best=min(deltas, default=None),
    )
