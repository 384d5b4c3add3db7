"""Where the wall seconds of a slot go: what stands between one training and the next."""

from dataclasses import dataclass, replace
from enum import StrEnum


class IdleReason(StrEnum):
    """Why no trial was at work on a slot.

    PROPOSALS: one was being thought of. PAUSED: nobody could be asked for one. MACHINE: it could
    not train or score, and a pause or a canary passed. DECIDING: the controller was at work. END:
    the run was to end, and nothing new to begin.
    """

    PROPOSALS = "proposals"
    PAUSED = "paused"
    MACHINE = "machine"
    DECIDING = "deciding"
    END = "end"


@dataclass(frozen=True)
class SlotTime:
    """Seconds of one trial on its slot, and of that slot since the trial before it.

    `waiting` from the moment it was wanted until it began; `on_slot` from there to its result, the
    pauses aside; the others as in `IdleReason`, PROPOSALS as `idle`.
    """

    waiting: float = 0.0
    idle: float = 0.0
    paused: float = 0.0
    machine: float = 0.0
    deciding: float = 0.0
    on_slot: float = 0.0

    @property
    def spoiled(self) -> "SlotTime":
        """This for a trial that came to nothing because its slot went."""
        return replace(self, machine=self.machine + self.on_slot, on_slot=0.0)
