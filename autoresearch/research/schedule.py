"""Whose turn it is to propose: shares of the turns, pauses after a failure, and who is out."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from autoresearch.proposers import ProposeFailure, Proposer
from autoresearch.records.tables import Experiment
from autoresearch.records.values import Verdict
from autoresearch.research.backoff import backoff_seconds

LONGEST_REST = 86400.0  # seconds: a usage limit may ask for all of the night, and is believed
MOST_DOUBTS = 5  # failures in a row that may be final, until they are
DUE = 0.5  # of a turn: from here on a control's count is nearer to its share with one more
MOST_REFUSALS = 20  # in a row: who writes nothing valid must not fill the disk
NOTHING = "nothing more to try"


@dataclass
class Participant:
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
    awaited: int = 0
    ahead: bool = True
    took: deque[float] = field(default_factory=lambda: deque(maxlen=4))

    def answers_in(self, now: float) -> float:
        """Return in how many seconds it will answer if it is asked as soon as it can be."""
        return max(self.ready_at - now, 0.0) + max(self.took, default=0.0)


@dataclass(frozen=True)
class Turn:
    """Whose turn it is; `rival` is the control, where it could have been its or another's."""

    participant: Participant
    rival: Participant | None

    @property
    def control(self) -> str:
        """The control that could have had the turn as well, or had it; "" without such a choice."""
        return self.rival.proposer.name if self.rival else ""


class ProposerSchedule:
    """Shares the turns by weight among those who can take one (smooth weighted round robin).

    A control has its exact share of the turns that others could have had as well, evenly spread.
    While nobody else can take one it goes on alone, so that the machine does not stand idle; but
    those turns are no part of a comparison, and nothing is owed for them afterwards.
    """

    def __init__(self, participants: Sequence[Participant], clock: Callable[[], float]) -> None:
        self._participants = list(participants)
        self._clock = clock

    @property
    def names(self) -> tuple[str, ...]:
        """The proposers' names, in the order given; the control's with its share."""
        return tuple(map(_named, self._participants))

    def resume(self, rows: Sequence[Experiment]) -> None:
        """Take up a control's share where earlier runs of the study left it."""
        for participant in (each for each in self._participants if each.share):
            name = participant.proposer.name
            # A late winner's turn is that of its second try.
            had = [each for each in rows if each.verdict is not Verdict.STALE]
            turns = [row.proposer == name for row in had if row.control == name]
            owed = len(turns) * participant.share - sum(turns)
            # A share that was changed is not made up for.
            participant.credit = min(max(owed, -DUE), DUE)

    def next(self, within: float | None = None, *, ahead: bool = False) -> Turn | None:
        """Return whose turn it is; None while everyone thinks, rests or is out.

        Nobody is asked who would need more than `within` seconds for the answer. Whoever is not to
        be asked `ahead` of the trials at work keeps the turn until they have ended: nobody has it
        meanwhile, or those who can be asked at any time would have them all.
        """
        ready = [each for each in self._in_time(within) if self._is_ready(each)]
        others = [each for each in ready if not each.share]
        controls = [each for each in ready if each.share]
        rival = controls[0] if controls and others else None
        due = rival if rival and rival.credit + rival.share >= DUE else None
        sharing = others or controls
        owed = max(sharing, key=lambda each: each.credit + each.weight, default=None)
        chosen = due or owed  # of those who are owed as much the first
        if chosen is None or (ahead and not chosen.ahead):
            return None
        if not due:
            _charge(chosen, sharing)
        return Turn(chosen, rival)

    def record_answer(self, turn: Turn, proposals: int = 1, seconds: float = 0.0) -> None:
        """Note that a turn brought proposals, and how many seconds the answer took.

        Each proposal counts as a turn of its participant. The control's share is one of proposals,
        so turns that bring none do not count towards it.
        """
        author = turn.participant
        author.took.append(seconds)
        author.failures = author.doubts = 0
        if not author.share:
            others = [each for each in self._in() if not each.share]
            _charge(author, others, proposals - 1)
        if turn.rival:
            turn.rival.credit += proposals * (turn.rival.share - (author is turn.rival))

    def record_check(self, participant: Participant, *, refused: bool) -> None:
        """Note whether a participant's proposal was refused before any training."""
        participant.refusals = participant.refusals + 1 if refused else 0
        if participant.refusals >= MOST_REFUSALS:
            participant.out = f"{participant.refusals} proposals in a row were refused"

    def record_failure(self, participant: Participant, why: ProposeFailure | None) -> None:
        """Note that none came; None: there is nothing more to try."""
        if why is None or why.final:
            participant.out = why.reason if why else NOTHING
            participant.fault = why is not None and not why.planned
            return
        asked = min(why.retry_after or 0.0, LONGEST_REST)
        participant.ready_at = self._clock() + max(backoff_seconds(participant.failures), asked)
        participant.failures += 1
        participant.doubts = participant.doubts + 1 if why.doubtful else 0
        if participant.doubts >= MOST_DOUBTS:
            participant.out, participant.fault = why.reason, True

    def seconds_until_ready(self, within: float | None = None) -> float | None:
        """Return in how many seconds someone can be asked again; None: nobody rests.

        Who would need more than `within` seconds for the answer is not waited for.
        """
        resting = [each for each in self._in_time(within) if not each.awaited]
        waits = [each.ready_at - self._clock() for each in resting]
        return max(min(waits), 0.0) if waits else None

    @property
    def awaited(self) -> int:
        """For how many proposals somebody was asked who has not answered yet."""
        return sum(each.awaited for each in self._participants)

    @property
    def ready_count(self) -> int:
        """How many proposers can be asked now."""
        return sum(map(self._is_ready, self._in()))

    @property
    def is_over(self) -> bool:
        """Whether nobody is left to be asked, and nobody thinks."""
        return not self._in() and not self.awaited

    def too_late(self, within: float | None) -> bool:
        """Whether nobody thinks, and nobody could answer within so many seconds."""
        return not self.awaited and not self._in_time(within)

    @property
    def faulty(self) -> bool:
        """Whether everyone is out, and someone for a reason that the person must mend."""
        return not self._in() and any(each.fault for each in self._participants)

    def end_reason(self) -> str:
        """Return in words why nobody is left."""
        if all(each.out == NOTHING for each in self._participants):
            return f"the proposers have {NOTHING}"
        out = [each for each in self._participants if each.out]
        return "; ".join(f"{each.proposer.name}: {each.out}" for each in out)

    def _is_ready(self, participant: Participant) -> bool:
        return not participant.awaited and participant.ready_at <= self._clock()

    def _in_time(self, within: float | None) -> list[Participant]:
        now = self._clock()
        return [each for each in self._in() if within is None or each.answers_in(now) <= within]

    def _in(self) -> list[Participant]:
        return [each for each in self._participants if not each.out]


def _charge(chosen: Participant, ready: Sequence[Participant], turns: int = 1) -> None:
    """Take turns off one who had them, and owe each of those who were ready its share of them."""
    for each in ready:
        each.credit += turns * each.weight
    chosen.credit -= turns * sum(each.weight for each in ready)


def _named(participant: Participant) -> str:
    share = f" ({participant.share:.0%} as control)" if participant.share else ""
    return participant.proposer.name + share
