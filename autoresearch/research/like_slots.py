"""Which slots train on one kind of hardware: scores of two kinds are not compared."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import Enum, auto

from autoresearch.records.events import Event, Notice
from autoresearch.records.hardware import Hardware


class Fit(Enum):
    """What a trial ran on: the usual kind of hardware, what is usual from then on, or neither."""

    USUAL = auto()
    NEW = auto()
    ODD = auto()


@dataclass
class LikeSlots:
    """Sorts out the slots whose card is no longer like that of most.

    Before anything begins all are alike. Then somebody sets the power limit of one card, say. A
    slot is known by what its last trial in this run ran on. One that is odd rests until the run
    ends, until most are like it, or until there is no other.
    """

    on_event: Callable[[Event], None]
    _last: dict[str, Hardware] = field(default_factory=dict, init=False)
    _usual: Hardware | None = field(default=None, init=False)
    _odd: set[str] = field(default_factory=set, init=False)

    def of(self, slots: Collection[str]) -> list[str]:
        """Return those of all slots that may train."""
        fit = [slot for slot in slots if slot not in self._odd] if self._odd else list(slots)
        return fit or list(slots)

    def ran(self, slot: str, hardware: Hardware | None, slots: Collection[str]) -> Fit:
        """Note what a slot's trial ran on; return how that fits what the others do.

        Args:
            slot: whose trial has ended; it may be gone by now.
            hardware: what it ran on, None where that is not known.
            slots: all that there are.
        """
        if hardware is None:
            return Fit.USUAL
        self._last[slot] = hardware
        before, self._usual = self._usual, self._usual_of({*slots, slot})
        is_new = before is not None and bool(before.unlike(self._usual))
        if is_new:  # perhaps the others have changed as well: what they are is known by a trial
            self._last = {slot: hardware}
        self._sort_out(self._usual)
        if slot in self._odd:
            return Fit.ODD
        return Fit.NEW if is_new else Fit.USUAL

    def _usual_of(self, slots: Collection[str]) -> Hardware:
        """Return the kind that most slots are of; of equals the one that was the usual before."""
        known = Counter(self._last[slot] for slot in sorted(slots) if slot in self._last)
        kinds = [*([self._usual] if self._usual else []), *known]
        return max(
            kinds,
            key=lambda kind: sum(many for each, many in known.items() if not kind.unlike(each)),
        )

    def _sort_out(self, usual: Hardware) -> None:
        told = {each: usual.unlike(each) for each in {*self._last.values()}}
        odd = {slot: told[each] for slot, each in self._last.items() if told[each]}
        for slot in odd.keys() - self._odd:
            why = f"slot {slot} is not like the others any more ({'; '.join(odd[slot])}) and rests"
            self.on_event(Notice(f"{why}: make it like them and begin a new run to have it back"))
        self._odd = {*odd}
