"""What is begun next, on which slot: pure, from what is wanted, what is at work and what is left.

Trials come in groups: what an experiment needs until its verdict, the incumbent's repetition, a
confirming pair. A group's trials are wanted in order; its later ones may begin beside the first.
"""

import heapq
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch.research.requests import Request, Wanted


@dataclass(frozen=True)
class State:
    """What the plan is made from.

    The slots `free` have nothing at work; each other one will be free in the seconds that `busy`
    says. `paired_trials` has a group for each experiment whose trials have begun, oldest first;
    `drift`, `confirmation` and `profile` are such groups; `waiting` are those of checked proposals,
    oldest first, of which `room` more may begin (None: any number).
    A trial takes `seconds` at least, and `left` of them are left (None: no end). So many trials are
    `paid` for (None: any number).
    """

    free: Sequence[str]
    busy: Sequence[float] = ()
    paired_trials: Sequence[Wanted] = ()
    drift: Wanted = ()
    confirmation: Wanted = ()
    profile: Wanted = ()
    waiting: Sequence[Wanted] = ()
    room: int | None = None
    seconds: float = 0.0
    left: float | None = None
    paid: int | None = None


def plan(state: State) -> list[tuple[str, Request]]:
    """Return which trial begins on which slot, at most one on each.

    What has begun is brought to its verdict first, so that few are at work at once and proposals
    know what came of them; then what falls due now and then, which a full queue must not starve;
    then new ideas. A group that cannot end in time or be paid for, behind those before it, is not
    begun.
    """
    frees, wanted, room = [*(0.0 for _ in state.free), *state.busy], list[Request](), state.room
    due = [*state.paired_trials, state.drift, state.confirmation, state.profile]
    for place, group in enumerate([*due, *state.waiting]):
        is_new = place >= len(due)
        broke = state.paid is not None and len(wanted) + len(group) > state.paid
        after = None if (is_new and room == 0) or broke else _after(group, frees, state)
        if after is not None:
            frees, wanted = after, [*wanted, *group]
            room = room - 1 if is_new and room is not None else room
    return list(zip(state.free, wanted, strict=False))


def _after(group: Wanted, frees: Sequence[float], state: State) -> list[float] | None:
    """Return when slots are free with a group's trials on them; None where it ends too late.

    Each trial in turn takes the slot that is free first.
    """
    if not group or not frees:
        return None
    heap = list(frees)
    heapq.heapify(heap)
    for _ in group:
        end = heap[0] + state.seconds
        if state.left is not None and end > state.left:
            return None
        heapq.heapreplace(heap, end)
    return heap


@dataclass(frozen=True)
class Pace:
    """How long things take here, in seconds: one more proposal, and a trial with all it needs."""

    proposal: float
    trial: float


_MARGIN = 1.25  # of a proposal's usual time, that it is asked for ahead


def proposals_wanted(
    ends: Sequence[float],
    made: int,
    pace: Pace,
    *,
    ahead: int,
    room: int | None,
    left: float | None = None,
) -> int:
    """Return how many proposals should be asked for now, so that no slot will wait for one.

    One that comes sooner than it is needed knows less of what came of those before it. So as many
    are asked for as slots will come free while a proposal is thought of, in time for a training.

    Args:
        ends: for each slot, in how many seconds it will be free; 0 where it is.
        made: proposals that are ready and have not begun, or are being thought of.
        pace: how long both take.
        ahead: how many there may be for slots that are not free yet.
        room: how many experiments may still begin; None: any number.
        left: seconds until the run ends; None: it has no end.
    """
    turns = [min(_turns(end, pace), _fit(end, pace, left)) for end in ends]
    free = sum(end <= 0 < count for end, count in zip(ends, turns, strict=True))
    soon = sum(turns) - free
    needed = free + min(soon, ahead)
    needed = needed if room is None else min(needed, room)
    return max(needed - made, 0)


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
    """Return how often a slot is free for a trial until a proposal has been thought of."""
    beyond = pace.proposal * _MARGIN - max(end, 0.0)
    if beyond <= 0:
        return int(end <= 0)
    return 1 + (int(beyond // pace.trial) if pace.trial > 0 else 0)


def _fit(end: float, pace: Pace, left: float | None) -> int:
    """Return how many trials fit on a slot before the run ends."""
    if left is None or pace.trial <= 0:
        return sys.maxsize
    return max(int((left - max(end, 0.0)) // pace.trial), 0)
