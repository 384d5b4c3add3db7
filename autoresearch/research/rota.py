"""Whose turn it is to propose: shares of the turns, pauses after a failure, and who is out."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from autoresearch.proposers import Proposer, Unable
from autoresearch.records.tables import Experiment
from autoresearch.research.patience import growing_pause

LONGEST_REST = 86400.0  # seconds: a usage limit may ask for all of the night, and is believed
MOST_DOUBTS = 5  # failures in a row that may be final, until they are
DUE = 0.5  # of a turn: from here on a control's count is nearer to its share with one more
MOST_REFUSALS = 20  # in a row: who writes nothing valid must not fill the disk


@dataclass
class Seat:
    """One proposer's place. `weight` is its share of the turns; `credit` what it is owed of them.

    The control's `share` is one of all turns, whatever the others' weights; 0 for those others.
    It can make `at_once` proposals of one call. It is asked `ahead`, while trials run, unless its
    proposals build one on the other. `ready_at` is on the run's clock; `out` says why it
    is asked no more, "" while it is asked; `thinks` for how many it was asked and has not answered;
    `took` is the seconds of its last proposals.
    """

    proposer: Proposer
    weight: float = 1.0
    share: float = 0.0
    at_once: int = 1
    credit: float = 0.0
    failures: int = 0
    doubts: int = 0
    refusals: int = 0
    ready_at: float = float("-inf")
    out: str = ""
    fault: bool = False
    thinks: int = 0
    ahead: bool = True
    took: deque[float] = field(default_factory=lambda: deque(maxlen=4))

    def answers_in(self, now: float) -> float:
        """Return in how many seconds it will answer if it is asked as soon as it can be."""
        return max(self.ready_at - now, 0.0) + max(self.took, default=0.0)


@dataclass(frozen=True)
class Turn:
    """Whose turn it is; `rival` is the control, where it could have been its or another's."""

    seat: Seat
    rival: Seat | None

    @property
    def control(self) -> str:
        """The control that could have had the turn as well, or had it; "" without such a choice."""
        return self.rival.proposer.name if self.rival else ""


class Rota:
    """Shares the turns by weight among those who can take one (smooth weighted round robin).

    A control has its exact share of the turns that others could have had as well, evenly spread.
    While nobody else can take one it goes on alone, so that the machine does not stand idle; but
    those turns are no part of a comparison, and nothing is owed for them afterwards.
    """

    def __init__(self, seats: Sequence[Seat], clock: Callable[[], float]) -> None:
        self._seats = list(seats)
        self._clock = clock

    @property
    def names(self) -> tuple[str, ...]:
        """The proposers' names, in the order given; the control's with its share."""
        return tuple(_named(seat) for seat in self._seats)

    def resume(self, rows: Sequence[Experiment]) -> None:
        """Take up a control's share where earlier runs of the study left it."""
        for seat in (each for each in self._seats if each.share):
            name = seat.proposer.name
            turns = [row.proposer == name for row in rows if row.control == name]
            owed = len(turns) * seat.share - sum(turns)
            seat.credit = min(max(owed, -DUE), DUE)  # a share that was changed is not made up for

    def next(self, within: float | None = None, *, ahead: bool = False) -> Turn | None:
        """Return whose turn it is; None while everyone thinks, rests or is out.

        Nobody is asked who would need more than `within` seconds for the answer. Whoever is not to
        be asked `ahead` of the trials at work keeps the turn until they have ended: nobody has it
        meanwhile, or those who can be asked at any time would have them all.
        """
        ready = [seat for seat in self._in_time(within) if self._is_ready(seat)]
        others = [seat for seat in ready if not seat.share]
        controls = [seat for seat in ready if seat.share]
        rival = controls[0] if controls and others else None
        due = rival if rival and rival.credit + rival.share >= DUE else None
        chosen = due or _by_weight(others or controls)
        if chosen is None or (ahead and not chosen.ahead):
            return None
        if not due:
            _charge(chosen, others or controls)
        return Turn(chosen, rival)

    def served(self, turn: Turn, proposals: int = 1, seconds: float = 0.0) -> None:
        """Note that proposals came, and after how long: each further one is as good as a turn."""
        turn.seat.took.append(seconds)
        turn.seat.failures = turn.seat.doubts = 0
        if not turn.seat.share:
            _charge(turn.seat, [seat for seat in self._in() if not seat.share], proposals - 1)
        if turn.rival:  # a turn that came to nothing is none: the share is one of proposals
            turn.rival.credit += proposals * (turn.rival.share - (turn.seat is turn.rival))

    def judged(self, seat: Seat, *, refused: bool) -> None:
        """Note whether a seat's proposal was refused before any training."""
        seat.refusals = seat.refusals + 1 if refused else 0
        if seat.refusals >= MOST_REFUSALS:
            seat.out = f"{seat.refusals} proposals in a row were refused"

    def failed(self, seat: Seat, why: Unable | None) -> None:
        """Note that none came; None: there is nothing more to try."""
        if why is None or why.final:
            seat.out = why.reason if why else "nothing more to try"
            seat.fault = why is not None and not why.planned
            return
        asked = min(why.retry_after or 0.0, LONGEST_REST)
        seat.ready_at = self._clock() + max(growing_pause(seat.failures), asked)
        seat.failures += 1
        seat.doubts = seat.doubts + 1 if why.doubtful else 0
        if seat.doubts >= MOST_DOUBTS:
            seat.out, seat.fault = why.reason, True

    def pause(self, within: float | None = None) -> float | None:
        """Return in how many seconds someone can be asked again; None: nobody rests.

        Who would need more than `within` seconds for the answer is not waited for.
        """
        seats = self._in_time(within)
        waits = [seat.ready_at - self._clock() for seat in seats if not seat.thinks]
        return max(min(waits), 0.0) if waits else None

    @property
    def thinks(self) -> int:
        """For how many proposals somebody was asked who has not answered yet."""
        return sum(seat.thinks for seat in self._seats)

    @property
    def ready(self) -> int:
        """How many proposers can be asked now."""
        return sum(map(self._is_ready, self._in()))

    @property
    def over(self) -> bool:
        """Whether nobody is left to be asked, and nobody thinks."""
        return not self._in() and not self.thinks

    def too_late(self, within: float | None) -> bool:
        """Whether nobody thinks, and nobody could answer within so many seconds."""
        return not self.thinks and not self._in_time(within)

    @property
    def faulty(self) -> bool:
        """Whether everyone is out, and someone for a reason that the person must mend."""
        return not self._in() and any(seat.fault for seat in self._seats)

    def why(self) -> str:
        """Return in words why nobody is left."""
        told = [f"{seat.proposer.name}: {seat.out}" for seat in self._seats if seat.out]
        plain = all(seat.out == "nothing more to try" for seat in self._seats)
        return "the proposers have nothing more to try" if plain else "; ".join(told)

    def _is_ready(self, seat: Seat) -> bool:
        return not seat.thinks and seat.ready_at <= self._clock()

    def _in_time(self, within: float | None) -> list[Seat]:
        now = self._clock()
        return [seat for seat in self._in() if within is None or seat.answers_in(now) <= within]

    def _in(self) -> list[Seat]:
        return [seat for seat in self._seats if not seat.out]


def _by_weight(ready: Sequence[Seat]) -> Seat | None:
    """Return who is owed most; of equals the first."""
    return max(ready, key=lambda seat: seat.credit + seat.weight, default=None)


def _charge(chosen: Seat, ready: Sequence[Seat], turns: int = 1) -> None:
    """Take turns off one who had them, and owe each of those who were ready its share of them."""
    for seat in ready:
        seat.credit += turns * seat.weight
    chosen.credit -= turns * sum(seat.weight for seat in ready)


def _named(seat: Seat) -> str:
    share = f" ({seat.share:.0%} as control)" if seat.share else ""
    return seat.proposer.name + share
