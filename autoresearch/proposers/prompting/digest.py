"""What a past teaches, in numbers: near misses, what paid, what broke again, what came true."""

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch.policy import Calibration, calibrate
from autoresearch.proposers.base import HistoryEntry
from autoresearch.records.values import UNCOUNTED, Category, Standing, Verdict

MOST = 6  # of near misses and of crashes
BAN = 3  # crashes of one kind
_ENOUGH = 5  # predictions of one category
_MOST_IDEAS = 12  # of those for later


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


def near_misses(history: Sequence[HistoryEntry]) -> list[HistoryEntry]:
    """Return the discards whose pairs read better than the incumbent, the likeliest gains first.

    One that read no better is none, however little is known of it: nothing and nothing add up to
    nothing. A keep that was taken back is none either: what it read when it was kept was luck. Nor
    is one that broke a guard: what it read is not to be had.
    """
    found = [
        past
        for past in history
        if past.verdict is Verdict.DISCARD
        and not past.broke
        and (past.measured or 0.0) < 0
        and not _refuted(past)
    ]
    return sorted(found, key=_likeliest)[:MOST]


def open_ideas(history: Sequence[HistoryEntry], proposer: str = "") -> list[tuple[str, str]]:
    """Return the ideas that a proposer has noted and neither tried nor dropped, oldest first.

    With their numbers; everyone's without a name. What was refused before any training was not
    tried. Of many the newest.
    """
    mine = [past for past in history if proposer in ("", past.proposer)]
    noted = [
        (f"{past.id}.{place}", text)
        for past in mine
        for place, text in enumerate(past.notes.later, 1)
    ]
    tried = [past.notes.takes for past in mine if past.verdict not in UNCOUNTED]
    settled = {number for each in (*tried, *(past.notes.drops for past in mine)) for number in each}
    return [(number, text) for number, text in noted if number not in settled][-_MOST_IDEAS:]


def lineage(history: Sequence[HistoryEntry], incumbent: int) -> list[HistoryEntry]:
    """Return the incumbent and all that it was built on, from the baseline on."""
    known = {past.id: past for past in history}
    found: list[HistoryEntry] = []
    while (past := known.pop(incumbent, None)) is not None:
        found.append(past)
        incumbent = past.parent_id or 0
    return found[::-1]


def tallies(history: Sequence[HistoryEntry]) -> list[Tally]:
    """Return how each category that was tried has paid, in the order of the enum."""
    found = []
    for category in Category:
        mine = [past for past in history if past.category is category]
        if mine and category is not Category.BASELINE:
            found.append(_tally(category, mine))
    return found


def calibration(history: Sequence[HistoryEntry], proposer: str = "") -> Calibration | None:
    """Return what became of a proposer's predictions, of everyone's without a name."""
    return calibrate([pair for _, pair in _predictions(history, proposer)])


def calibrations(
    history: Sequence[HistoryEntry], proposer: str = ""
) -> dict[Category, Calibration]:
    """Return the same for each category of which there are enough, if there is more than one."""
    mine = _predictions(history, proposer)
    by_category = {each: [pair for of, pair in mine if of is each] for each in Category}
    if sum(map(bool, by_category.values())) < 2:
        return {}
    found = {each: calibrate(pairs) for each, pairs in by_category.items() if len(pairs) >= _ENOUGH}
    return {each: told for each, told in found.items() if told is not None}


def _predictions(
    history: Sequence[HistoryEntry], proposer: str
) -> list[tuple[Category, tuple[float, float]]]:
    return [
        (past.category, (past.predicted_delta, past.delta))
        for past in history
        if proposer in ("", past.proposer)
        and past.predicted_delta is not None
        and past.delta is not None
    ]


def repeated_crashes(history: Sequence[HistoryEntry]) -> list[list[HistoryEntry]]:
    """Return crashes of a kind that was seen twice or more, the most frequent first."""
    kinds: dict[str, list[HistoryEntry]] = {}
    for past in history:
        if past.verdict is Verdict.CRASH and past.fingerprint:
            kinds.setdefault(past.fingerprint, []).append(past)
    again = [same for same in kinds.values() if len(same) > 1]
    return sorted(again, key=len, reverse=True)[:MOST]


def since_keep(history: Sequence[HistoryEntry]) -> int:
    """Return how many experiments were trained since the last keep; refused ones cost none."""
    trained = [past for past in history if past.verdict not in UNCOUNTED]
    kept = [at for at, past in enumerate(trained) if past.verdict is Verdict.KEEP]
    return len(trained) - 1 - kept[-1] if kept else len(trained)


def _likeliest(past: HistoryEntry) -> tuple[float, float]:
    return (-past.chances.better if past.chances else 0.0), past.measured or 0.0


def _refuted(past: HistoryEntry) -> bool:
    return past.standing is Standing.REFUTED


def _tally(category: Category, mine: Sequence[HistoryEntry]) -> Tally:
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
