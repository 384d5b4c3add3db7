"""Getting proposals, whatever the night is like: who is asked, who failed, who thinks."""

import math
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue

from autoresearch.errors import Interrupted, ProposerError, is_passing
from autoresearch.proposers import Brief, Check, ProposeFailure, Proposer, Several
from autoresearch.records.events import NoProposal
from autoresearch.records.proposals import Proposal
from autoresearch.records.text import safe_line
from autoresearch.research.backoff import Backoff
from autoresearch.research.schedule import Participant, ProposerSchedule, Turn

Proposals = tuple[Proposal, ...]


@dataclass(frozen=True)
class ReceivedProposal:
    """A proposal, whose it is, the incumbent that it changes, and the seconds its call took.

    Another experiment may have been kept while it was thought of.
    """

    proposal: Proposal
    turn: Turn
    incumbent: int
    seconds: float


@dataclass(frozen=True)
class _Answer:
    turn: Turn
    incumbent: int
    made: Proposals | ProposeFailure | Interrupted | None
    seconds: float


@dataclass(frozen=True)
class ProposalRequests:
    """Asks proposers in their turns. Each thinks in a thread of its own that nobody waits for.

    `wake` is called from another thread when there is an answer. `keep` is given the traceback of a
    bug, which costs a turn and never the night.
    """

    schedule: ProposerSchedule
    backoff: Backoff
    wake: Callable[[], None]
    keep: Callable[[str], None] = lambda _trace: None
    _answers: SimpleQueue[_Answer] = field(default_factory=SimpleQueue, init=False)

    def ask(
        self,
        brief: Callable[[], Brief],
        check: Check,
        wanted: int = 1,
        at_once: int = 1,
        within: float | None = None,
        *,
        ahead: bool = False,
    ) -> int:
        """Ask whoever has the turn for its part of the proposals that are wanted.

        Args:
            brief: makes what it is told.
            check: says whether a proposal would be trained.
            wanted: how many proposals are wanted of all who can be asked.
            at_once: how many of those who can make several at once.
            within: seconds in which it must answer; see `ProposerSchedule.next`.
            ahead: whether it is for a slot that is not free yet.

        Returns:
            For how many it was asked; 0: there was nobody to ask.
        """
        ready, turn = self.schedule.ready_count, self.schedule.next(within, ahead=ahead)
        if turn is None:
            return 0
        part = math.ceil(max(wanted, at_once) / ready)  # the others are asked as well
        asked = min(part, turn.participant.at_once)
        shown, began = replace(brief(), wanted=asked), self.backoff.clock()
        turn.participant.awaited = asked

        def think() -> None:
            made = self._propose(turn.participant.proposer, shown, check)
            self._answers.put(_Answer(turn, shown.incumbent_id, made, self.backoff.clock() - began))
            self.wake()

        threading.Thread(target=think, name="proposer", daemon=True).start()
        return asked

    def answers(self) -> list[ReceivedProposal]:
        """Return the proposals that have come since; what else came is noted in the schedule.

        Raises:
            Interrupted: a proposer was told to stop.
        """
        found = list[ReceivedProposal]()
        while True:
            try:
                answer = self._answers.get_nowait()
            except Empty:
                return found
            turn, made = answer.turn, answer.made
            turn.participant.awaited = 0
            if isinstance(made, tuple):
                self.schedule.record_answer(turn, len(made), answer.seconds)
                shown, took = answer.incumbent, answer.seconds
                found += [ReceivedProposal(each, turn, shown, took) for each in made]
            elif isinstance(made, Interrupted):
                raise made
            else:
                self._failed(turn.participant, made)

    def _failed(self, participant: Participant, why: ProposeFailure | None) -> None:
        self.schedule.record_failure(participant, why)
        if why is not None:
            again = (
                None if participant.out else max(participant.ready_at - self.backoff.clock(), 0.0)
            )
            self.backoff.on_event(NoProposal(participant.proposer.name, why.reason, again))

    def _propose(
        self, proposer: Proposer, brief: Brief, check: Check
    ) -> Proposals | ProposeFailure | Interrupted | None:
        try:
            made = proposer.propose(brief, check)
            if made is None or isinstance(made, ProposeFailure):
                return made
            found = made.proposals if isinstance(made, Several) else (made,)
            for each in found:
                if not each.fault:
                    check(each)  # what it takes is known by then, and nobody waits for it later
        except ProposerError as fault:
            return ProposeFailure(str(fault), final=True)
        except Interrupted as stopped:
            return stopped
        except Exception as fault:  # noqa: BLE001 - another one may go on, and so may this one later
            if is_passing(fault):  # nobody's key, account or program is to blame
                return ProposeFailure(safe_line(str(fault), 300))
            self.keep("".join(traceback.format_exception(fault)))
            said = safe_line(f"{type(fault).__name__}: {fault}", 300)
            return ProposeFailure(f"it failed: {said}", doubtful=True)
        return found
