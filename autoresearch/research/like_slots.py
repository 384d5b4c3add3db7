"""Which slots train on one kind of hardware: scores of two kinds are not compared."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from autoresearch.records.events import Event, Notice
from autoresearch.records.hardware import Hardware


@dataclass
class LikeSlots:
    """Sorts out the slots whose card is no longer like that of most.

    Before anything begins all are alike. Then somebody sets the power limit of one card, say. A
    slot is known by what its last trial in this run ran on, so one that rests does so until the run
    ends, unless most others become like it.
    """

    on_event: Callable[[Event], None]
    _last: dict[str, Hardware] = field(default_factory=dict, init=False)
    _usual: Hardware | None = field(default=None, init=False)
    _odd: set[str] = field(default_factory=set, init=False)

    def of(self, slots: Collection[str]) -> list[str]:
        """Return those of some slots that may train."""
        return [slot for slot in slots if slot not in self._odd] if self._odd else list(slots)

    def ran(self, slot: str, hardware: Hardware | None, slots: Collection[str]) -> bool:
        """Note what a slot's trial ran on; return whether that is another kind than most have.

        Args:
            slot: whose trial has ended.
            hardware: what it ran on, None where that is not known.
            slots: all that there are.
        """
        if hardware is not None:
            self._last[slot] = hardware
            self._sort_out(slots)
        return slot in self._odd

    def _sort_out(self, slots: Collection[str]) -> None:
        known = {slot: self._last[slot] for slot in slots if slot in self._last}
        kinds = [*([self._usual] if self._usual else []), *known.values()]
        # The first of equals: two cards that differ go on with the one that has not changed.
        usual = max(kinds, key=lambda kind: sum(not kind.unlike(each) for each in known.values()))
        odd = {slot: usual.unlike(each) for slot, each in known.items() if usual.unlike(each)}
        for slot in odd.keys() - self._odd:
            told = f"slot {slot} is not like the others any more ({'; '.join(odd[slot])}) and rests"
            self.on_event(Notice(f"{told}: make it like them and begin a new run to have it back"))
        self._usual, self._odd = usual, {*odd}
