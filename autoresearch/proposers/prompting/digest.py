"""What a study's history teaches, in numbers: near misses, what paid, which crashes came again."""

from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch.policy import Calibration, calibrate
from autoresearch.proposers.base import HistoryEntry, Pending
from autoresearch.records.values import UNCOUNTED, Category, Standing, Verdict

MOST = 6  # of near misses and of crashes
BAN = 3  # crashes of one kind
_ENOUGH = 5  # predictions of one category
_MOST_IDEAS = 12  # noted for later
_MOST_OVERTAKEN, _KEEPS = 4, 2  # ideas that are handed back, and for how many keeps


@dataclass(frozen=True)
class Tally:
    """How a category has paid; `gain` is the sum of the believed effects of its keeps.

    A keep that further pairs refuted does not count: its effect was luck.
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

    Left out are those that read no better, however little is known of them; keeps that were taken
    back, since what they read at first was luck; and those that broke a guard.
    """
    entries = [
        entry
        for entry in history
        if entry.verdict is Verdict.DISCARD
        and not entry.broke
        and (entry.measured or 0.0) < 0
        and not _refuted(entry)
    ]
    return sorted(
        entries,
        key=lambda entry: (-entry.chances.better if entry.chances else 0.0, entry.measured or 0.0),
    )[:MOST]


def open_ideas(history: Sequence[HistoryEntry], proposer: str = "") -> list[tuple[str, str]]:
    """Return the ideas that a proposer has noted and neither tried nor dropped, oldest first.

    Each with its number; of all proposers if `proposer` is empty. An experiment that was refused
    before any training tried none. Of many ideas the newest are returned.
    """
    mine = [entry for entry in history if proposer in ("", entry.proposer)]
    noted = [
        (f"{entry.id}.{place}", text)
        for entry in mine
        for place, text in enumerate(entry.notes.later, 1)
    ]
    tried = [entry.notes.takes for entry in mine if entry.verdict not in UNCOUNTED]
    finished = {
        number for each in (*tried, *(entry.notes.drops for entry in mine)) for number in each
    }
    return [(number, text) for number, text in noted if number not in finished][-_MOST_IDEAS:]


def overtaken(
    history: Sequence[HistoryEntry], pending: Sequence[Pending] = (), proposer: str = ""
) -> list[tuple[str, HistoryEntry]]:
    """Return what a proposer may propose again: overtaken by a keep, and not tried since.

    Each with the number by which `takes` and `drops` name it; the newest first, of all proposers if
    `proposer` is empty. Tried is what is at work or had another end, under the same hypothesis or
    by its number. What was overtaken before the last keeps is left out: the code has moved on.
    """
    mine: list[HistoryEntry | Pending] = [*history, *pending]
    mine = [each for each in mine if proposer in ("", each.proposer)]
    newest = {each.hypothesis: each.id for each in sorted(mine, key=lambda each: each.id)}
    refused = {entry.id for entry in history if entry.verdict is Verdict.INVALID}
    taken = [each.notes.takes for each in mine if each.id not in refused]
    named = {number for each in (*taken, *(each.notes.drops for each in mine)) for number in each}
    found = [
        (f"{entry.id}.0", entry)
        for entry in reversed(history[_place_of_keep(history, _KEEPS) :])
        if entry.verdict is Verdict.STALE and newest.get(entry.hypothesis) == entry.id
    ]
    return [each for each in found if each[0] not in named][:_MOST_OVERTAKEN]


def lineage(history: Sequence[HistoryEntry], incumbent: int) -> list[HistoryEntry]:
    """Return the incumbent and all that it was built on, beginning with the baseline."""
    known = {entry.id: entry for entry in history}
    entries: list[HistoryEntry] = []
    while (entry := known.pop(incumbent, None)) is not None:
        entries.append(entry)
        incumbent = entry.parent_id or 0
    return entries[::-1]


def tallies(history: Sequence[HistoryEntry]) -> list[Tally]:
    """Return how each category that was tried has paid, in the order of the enum.

    What was overtaken was not tried, or is another experiment by now.
    """
    decided = [entry for entry in history if entry.verdict is not Verdict.STALE]
    tried = []
    for category in Category:
        mine = [entry for entry in decided if entry.category is category]
        if mine and category is not Category.BASELINE:
            tried.append(_tally(category, mine))
    return tried


def calibration(history: Sequence[HistoryEntry], proposer: str = "") -> Calibration | None:
    """Return how a proposer's predictions compare with effects; all proposers' if it is empty."""
    return calibrate([pair for _, pair in _predictions(history, proposer)])


def calibrations(
    history: Sequence[HistoryEntry], proposer: str = ""
) -> dict[Category, Calibration]:
    """Return the same for each category with enough predictions, if there is more than one."""
    mine = _predictions(history, proposer)
    by_category = {each: [pair for of, pair in mine if of is each] for each in Category}
    if sum(map(bool, by_category.values())) < 2:
        return {}
    enough = {each: pairs for each, pairs in by_category.items() if len(pairs) >= _ENOUGH}
    return {
        each: result for each, pairs in enough.items() if (result := calibrate(pairs)) is not None
    }


def _predictions(
    history: Sequence[HistoryEntry], proposer: str
) -> list[tuple[Category, tuple[float, float]]]:
    return [
        (entry.category, (entry.predicted_delta, entry.delta))
        for entry in history
        if proposer in ("", entry.proposer)
        and entry.predicted_delta is not None
        and entry.delta is not None
    ]


def repeated_crashes(history: Sequence[HistoryEntry]) -> list[list[HistoryEntry]]:
    """Return the crashes of each kind that was seen twice or more, the most frequent first."""
    kinds: dict[str, list[HistoryEntry]] = {}
    for entry in history:
        if entry.verdict is Verdict.CRASH and entry.fingerprint:
            kinds.setdefault(entry.fingerprint, []).append(entry)
    again = [same for same in kinds.values() if len(same) > 1]
    return sorted(again, key=len, reverse=True)[:MOST]


def since_keep(history: Sequence[HistoryEntry]) -> int:
    """Return how many experiments were trained since the last keep; refused ones do not count."""
    trained = [entry for entry in history if entry.verdict not in UNCOUNTED]
    kept = [at for at, entry in enumerate(trained) if entry.verdict is Verdict.KEEP]
    return len(trained) - 1 - kept[-1] if kept else len(trained)


def _place_of_keep(history: Sequence[HistoryEntry], back: int) -> int:
    """Return where the keep is that is so many keeps back, 1 for the last; 0 where none is."""
    kept = [at for at, entry in enumerate(history) if entry.verdict is Verdict.KEEP]
    return kept[-back] if len(kept) >= back else 0


def _refuted(entry: HistoryEntry) -> bool:
    return entry.standing is Standing.REFUTED


def _tally(category: Category, mine: Sequence[HistoryEntry]) -> Tally:
    deltas = [entry.delta for entry in mine if entry.delta is not None and not _refuted(entry)]
    kept = [entry for entry in mine if entry.verdict is Verdict.KEEP and not _refuted(entry)]
    refused = (Verdict.INVALID, Verdict.DISQUALIFIED)
    return Tally(
        category=str(category),
        tried=len(mine),
        kept=len(kept),
        crashed=sum(entry.verdict is Verdict.CRASH for entry in mine),
        refused=sum(entry.verdict in refused for entry in mine),
        gain=sum(entry.delta or 0.0 for entry in kept),
        best=min(deltas, default=None),
    )
