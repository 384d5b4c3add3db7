"""How much of the slots' wall time was counted training, and what held back the rest.

*Duty* is counted training over wall seconds of the slots, from the beginning to the end of each
run: pauses between runs are no part of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autoresearch.records.phases import IdleReason


@dataclass(frozen=True)
class Phases:
    """Wall seconds of one trial, or summed over trials. See `SlotTime` for the first five.

    `startup` is of the training process, `training` the wall time after it, `counted` what the
    budget's clock counted of that. `lost` marks trials that were interrupted: none of it counts.
    """

    idle: float = 0.0
    paused: float = 0.0
    machine: float = 0.0
    deciding: float = 0.0
    on_slot: float = 0.0
    startup: float = 0.0
    training: float = 0.0
    counted: float = 0.0
    scoring: float = 0.0
    lost: bool = False

    @property
    def total(self) -> float:
        """All seconds of the slot that belong to them."""
        return self.idle + self.paused + self.machine + self.deciding + self.on_slot

    def held(self) -> Mapping[str, float]:
        """Return the seconds that were no counted training, by what they were spent on."""
        reasons = {
            "proposals": self.idle,
            "paused": self.paused,
            "deciding": self.deciding,
            "waiting for the machine": self.machine,
        }
        if self.lost:
            return reasons | {"interrupted": self.on_slot}
        # A CPU clock stands still while other programs have the CPU, a wall clock once the budget
        # is spent.
        reasons["waiting for the machine"] += max(self.training - self.counted, 0.0)
        around = max(self.on_slot - self.startup - self.training - self.scoring, 0.0)
        return reasons | {"start-up": self.startup + around, "scoring": self.scoring}


@dataclass(frozen=True)
class Duty:
    """What the slots' time was spent on.

    `share` of `slot_seconds` was counted training, None where nothing is known; `held` are the
    other seconds by what they were spent on, most first; `trained` experiments came of it.
    `unknown` finished trials of older versions recorded no times, and are left out.
    """

    share: float | None
    slot_seconds: float
    held: Mapping[str, float]
    trained: int
    unknown: int

    @property
    def per_hour(self) -> float | None:
        """Trained experiments in an hour of one slot, that is of one device; None: not known."""
        return self.trained * 3600 / self.slot_seconds if self.slot_seconds > 0 else None

    @property
    def shares(self) -> Mapping[str, float]:
        """The shares of the time that was no counted training, by what held it back."""
        total = sum(self.held.values())
        return {name: each / total for name, each in self.held.items()} if total > 0 else {}


_TAIL = {
    IdleReason.PROPOSALS: "proposals",
    IdleReason.PAUSED: "paused",
    IdleReason.MACHINE: "waiting for the machine",
    IdleReason.DECIDING: "deciding",
    IdleReason.END: "the end of runs",
}


def duty(
    phases: Iterable[Phases], tail: Mapping[str, float], *, trained: int, unknown: int
) -> Duty | None:
    """Return the duty of a study's slots; None before a trial has ended.

    Args:
        phases: seconds of its trials by phase, one entry a trial or already summed.
        tail: seconds by `IdleReason` after the last trial of a run on each slot.
        trained: how many experiments were trained.
        unknown: how many finished trials have no phases recorded.
    """
    rows = list(phases)
    total = sum(each.total for each in rows) + sum(tail.values())
    if not rows or total <= 0:
        return Duty(None, 0.0, {}, 0, unknown) if unknown else None
    held = dict[str, float]()
    at_the_end = {_TAIL[IdleReason(reason)]: seconds for reason, seconds in tail.items()}
    for each in (*(row.held() for row in rows), at_the_end):
        for name, seconds in each.items():
            held[name] = held.get(name, 0.0) + seconds
    ordered = sorted(((name, each) for name, each in held.items() if each > 0), key=lambda x: -x[1])
    counted = sum(each.counted for each in rows if not each.lost)
    return Duty(counted / total, total, dict(ordered), trained, unknown)
