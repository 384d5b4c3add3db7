"""What is begun next, on which slot: pure, from what is wanted, what is at work and what is left.

Trials come in groups: what an experiment needs until its verdict, the incumbent's repetition, a
confirming pair. A group's trials are wanted in order; its later ones may begin beside the first.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch.research.requests import Request

Wanted = tuple[Request, ...]


@dataclass(frozen=True)
class State:
    """What the plan is made from.

    `free` of `slots` slots have nothing at work. `comparing` has a group for each experiment whose
    trials have begun, oldest first; `drift`, `confirming` and `profile` are such groups; `waiting`
    are those of checked proposals, oldest first, of which `room` more may begin (None: any number).
    A trial takes `seconds` at least, and `left` of them are left (None: no end).
    """

    free: Sequence[str]
    slots: int = 1
    comparing: Sequence[Wanted] = ()
    drift: Wanted = ()
    confirming: Wanted = ()
    profile: Wanted = ()
    waiting: Sequence[Wanted] = ()
    room: int | None = None
    seconds: float = 0.0
    left: float | None = None


def plan(state: State) -> list[tuple[str, Request]]:
    """Return which trial begins on which slot, at most one on each.

    What has begun is brought to its verdict first, so that few are at work at once and proposals
    know what came of them; then what falls due now and then, which a full queue must not starve;
    then new ideas. A group that cannot end in time is not begun.
    """
    begun = [each for each in state.comparing if _fits(each, state)]
    falls_due = (state.drift, state.confirming, state.profile)
    due = [each for each in falls_due if _fits(each, state)]
    new = [each for each in state.waiting if _fits(each, state)][: state.room]
    wanted = [request for group in (*begun, *due, *new) for request in group]
    return list(zip(state.free, wanted, strict=False))


def _fits(group: Wanted, state: State) -> bool:
    rounds = math.ceil(len(group) / max(state.slots, 1))
    return bool(group) and (state.left is None or state.left >= rounds * state.seconds)


@dataclass(frozen=True)
class Pace:
    """How long things take here, in seconds: one more proposal, and a trial with all it needs."""

    proposal: float
    trial: float


_MARGIN = 1.25  # of a proposal's usual time, that it is asked for ahead


def proposals_wanted(
    ends: Sequence[float],
    waiting: int,
    thinking: int,
    pace: Pace,
    *,
    ahead: int,
    room: int | None,
) -> int:
    """Return how many proposals should be asked for now, so that no slot will wait for one.

    One that comes sooner than it is needed knows less of what came of those before it. So as many
    are asked for as slots will come free while a proposal is thought of.

    Args:
        ends: for each slot, in how many seconds it will be free; 0 where it is.
        waiting: proposals that are ready and have not begun.
        thinking: proposals that are being thought of.
        pace: how long both take.
        ahead: how many there may be for slots that are not free yet.
        room: how many experiments may still begin; None: any number.
    """
    free = sum(end <= 0 for end in ends)
    soon = sum(_turns(end, pace) for end in ends)
    needed = free + min(soon, ahead)
    needed = needed if room is None else min(needed, room)
    return max(needed - waiting - thinking, 0)


def proposals_at_once(
    wanted: int, ends: Sequence[float], made: int, pace: Pace, *, ahead: int, room: int | None
) -> int:
    """Return how many proposals a call that is made now should bring, if it can bring several.

    Who is asked can be asked again only when the call is back. So it is asked for the slots as well
    that come free before another call could be back: those of trials that began together, say.

    Args:
        wanted: how many are wanted now.
        ends: as for `proposals_wanted`.
        made: proposals that are ready, or being thought of.
        pace: how long both take.
        ahead: how many there may be for slots that are not free yet.
        room: how many experiments may still begin; None: any number.
    """
    soon = sum(0 < end <= 2 * pace.proposal * _MARGIN for end in ends)
    free = sum(end <= 0 for end in ends)
    most = free + min(soon, ahead)
    most = most if room is None else min(most, room)
    return max(wanted, most - made)


def until_wanted(ends: Sequence[float], pace: Pace) -> float:
    """Return in how many seconds one more proposal may be wanted, though nothing happens till then.

    Args:
        ends: as for `proposals_wanted`.
        pace: how long both take.
    """
    ahead = pace.proposal * _MARGIN
    return min((end - ahead for end in ends if end > ahead > 0), default=math.inf)


def _turns(end: float, pace: Pace) -> int:
    """Return how often a slot will come free while a proposal is thought of."""
    beyond = pace.proposal * _MARGIN - max(end, 0.0)
    if beyond <= 0:
        return 0
    return (end > 0) + (int(beyond // pace.trial) if pace.trial > 0 else 0)
