"""Getting the next proposal, whatever the night is like: who is asked, who failed, who waits."""

import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import TypeVar

from autoresearch.errors import Interrupted, ProposerError, is_passing
from autoresearch.proposers import Brief, Check, Proposer, Unable
from autoresearch.records.events import Event, NoProposal, Waiting
from autoresearch.records.text import safe_line
from autoresearch.records.values import Proposal
from autoresearch.research.patience import LOOK_SECONDS, Patience
from autoresearch.research.rota import Rota, Seat

T = TypeVar("T")


class Proposing:
    """Asks the proposers in their turns until one has a proposal, or none can have one."""

    def __init__(
        self,
        rota: Rota,
        patience: Patience,
        keep: Callable[[str], None] = lambda _trace: None,
    ) -> None:
        """Build it.

        Args:
            rota: whose turn it is.
            patience: the run's clock, who is told of failures and waits, and what ends a wait.
            keep: is given the traceback of a bug, which costs a turn and never the night.
        """
        self._rota = rota
        self._patience = patience
        self._see: Callable[[Event], None] = patience.see
        self._stopped: Callable[[], bool] = patience.stop
        self._keep = keep

    def next(self, brief: Callable[[], Brief], check: Check) -> Proposal | None:
        """Return the next proposal; None where nobody can make one, or the run is to stop.

        Raises:
            Interrupted: the run is to stop, and a proposer still thinks.
        """
        while not self._stopped():
            seat = self._rota.next()
            if seat is not None:
                proposal = self._ask(seat, self._patience.through(brief), check)
                if proposal is not None:
                    return proposal
            elif (pause := self._rota.pause()) is not None:
                self._wait(pause)
            else:
                return None
        return None

    def _ask(self, seat: Seat, brief: Brief, check: Check) -> Proposal | None:
        made = attend(lambda: self._propose(seat.proposer, brief, check), self._stopped)
        if isinstance(made, Proposal):
            self._rota.served(seat)
            return made
        self._rota.failed(seat, made)
        if made is not None:
            again = None if seat.out else max(seat.ready_at - self._patience.clock(), 0.0)
            self._see(NoProposal(seat.proposer.name, made.reason, again))
        return None

    def _propose(self, proposer: Proposer, brief: Brief, check: Check) -> Proposal | Unable | None:
        try:
            return proposer.propose(brief, check)
        except ProposerError as fault:
            return Unable(str(fault), final=True)
        except Interrupted:
            raise
        except Exception as fault:  # noqa: BLE001 - another one may go on, and so may this one later
            if is_passing(fault):  # nobody's key, account or program is to blame
                return Unable(safe_line(str(fault), 300))
            self._keep("".join(traceback.format_exception(fault)))
            said = safe_line(f"{type(fault).__name__}: {fault}", 300)
            return Unable(f"it failed: {said}", doubtful=True)

    def _wait(self, seconds: float) -> None:
        self._see(Waiting(f"for a proposer, {seconds:.0f} s"))
        self._patience.linger(seconds)


def attend(work: Callable[[], T], stopped: Callable[[], bool]) -> T:
    """Return what `work` returns; it runs in a thread that nobody waits for once we are to stop.

    Raises:
        Interrupted: we are to stop, and it is still at work.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as fault:  # noqa: BLE001 - it is raised where the result is asked for
            done.set_exception(fault)

    threading.Thread(target=run, name="proposer", daemon=True).start()
    while True:
        try:
            return done.result(timeout=LOOK_SECONDS)
        except NotYet:
            if done.done():
                raise  # the work's own
            if stopped():
                msg = "stopped while a proposer was thinking"
                raise Interrupted(msg) from None
