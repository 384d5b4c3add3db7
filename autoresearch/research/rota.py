"""Whose turn it is to propose: shares of the turns, pauses after a failure, and who is out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autoresearch.proposers import Proposer, Unable

FIRST_PAUSE = 5.0  # seconds after a first failure; doubled by each further one in a row
LONGEST_PAUSE = 300.0
LONGEST_REST = 3600.0  # however long a provider asks to be left alone: its night may be misread
MOST_DOUBTS = 5  # failures in a row that may be final, until they are
MOST_REFUSALS = 20  # in a row: who writes nothing valid must not fill the disk


@dataclass
class Seat:
    """One proposer's place. `weight` is its share of the turns; `credit` what it is owed of them.

    `ready_at` is on the run's clock; `out` says why it is asked no more, "" while it is asked.
    """

    proposer: Proposer
    weight: float = 1.0
    credit: float = 0.0
    failures: int = 0
    doubts: int = 0
    refusals: int = 0
    ready_at: float = float("-inf")
    out: str = ""
    fault: bool = False


class Rota:
    """Shares the turns by weight among those who can take one (smooth weighted round robin)."""

    def __init__(self, seats: Sequence[Seat], clock: Callable[[], float]) -> None:
        self._seats = list(seats)
        self._clock = clock
        self._last: Seat | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The proposers' names, in the order given."""
        return tuple(seat.proposer.name for seat in self._seats)

    def next(self) -> Seat | None:
        """Return whose turn it is; None while everyone rests or is out."""
        ready = [seat for seat in self._in() if seat.ready_at <= self._clock()]
        if not ready:
            return None
        for seat in ready:
            seat.credit += seat.weight
        chosen = max(ready, key=lambda seat: seat.credit)  # of equals the first
        chosen.credit -= sum(seat.weight for seat in ready)
        return chosen

    def served(self, seat: Seat) -> None:
        """Note that a proposal came."""
        seat.failures = seat.doubts = 0
        self._last = seat

    def judged(self, *, refused: bool) -> None:
        """Note whether the last proposal was refused before any training."""
        seat, self._last = self._last, None
        if seat is None:  # it was left by an earlier run
            return
        seat.refusals = seat.refusals + 1 if refused else 0
        if seat.refusals >= MOST_REFUSALS:
            seat.out = f"{seat.refusals} proposals in a row were refused"

    def failed(self, seat: Seat, why: Unable | None) -> None:
        """Note that none came; None: there is nothing more to try."""
        if why is None or why.final:
            seat.out = why.reason if why else "nothing more to try"
            seat.fault = why is not None and not why.planned
            return
        pause = min(FIRST_PAUSE * 2 ** min(seat.failures, 10), LONGEST_PAUSE)
        asked = min(why.retry_after or 0.0, LONGEST_REST)
        seat.ready_at = self._clock() + max(pause, asked)
        seat.failures += 1
        seat.doubts = seat.doubts + 1 if why.doubtful else 0
        if seat.doubts >= MOST_DOUBTS:
            seat.out, seat.fault = why.reason, True

    def pause(self) -> float | None:
        """Return in how many seconds someone can be asked again; None: never."""
        waits = [seat.ready_at - self._clock() for seat in self._in()]
        return max(min(waits), 0.0) if waits else None

    @property
    def faulty(self) -> bool:
        """Whether everyone is out, and someone for a reason that the person must mend."""
        return not self._in() and any(seat.fault for seat in self._seats)

    def why(self) -> str:
        """Return in words why nobody is left."""
        told = [f"{seat.proposer.name}: {seat.out}" for seat in self._seats if seat.out]
        plain = all(seat.out == "nothing more to try" for seat in self._seats)
        return "the proposers have nothing more to try" if plain else "; ".join(told)

    def _in(self) -> list[Seat]:
        return [seat for seat in self._seats if not seat.out]
