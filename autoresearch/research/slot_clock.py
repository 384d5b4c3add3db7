"""Where the time of every slot goes while no trial is at work on it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from autoresearch.records.phases import IdleReason, SlotTime


def _nothing() -> dict[IdleReason, float]:
    return dict.fromkeys(IdleReason, 0.0)


@dataclass
class _Slot:
    """`since` when its last trial ended, or its present one began; what passed, by reason."""

    since: float
    trial: SlotTime | None = None
    passed: dict[IdleReason, float] = field(default_factory=_nothing)


class SlotClock:
    """Is told what each slot waits for, and says of each trial what it took on its slot.

    What passed between two trials while nothing was waited for, the controller decided.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Build it; `clock` is the run's, in seconds."""
        self._clock = clock
        self._slots: dict[str, _Slot] = {}
        self._gone = _nothing()

    def open(self, slots: Iterable[str]) -> None:
        """Count the time of these slots from now on."""
        self._slots = {slot: _Slot(self._clock()) for slot in slots}

    def close_others(self, slots: Iterable[str]) -> None:
        """Count no further time of any slot but these: the others are gone with their machines."""
        for slot in self._slots.keys() - {*slots}:
            for reason, seconds in _known(self._slots.pop(slot), self._clock()).items():
                self._gone[reason] += seconds

    def is_training(self, slot: str) -> bool:
        """Return whether a trial is at work on a slot."""
        return self._slot(slot).trial is not None

    def passed(self, seconds: float, reasons: Mapping[str, IdleReason]) -> None:
        """Note that so many seconds passed, and what kept these slots from work meanwhile."""
        for slot, reason in reasons.items():
            self._slot(slot).passed[reason] += seconds

    def begin(self, name: str, waiting: float) -> None:
        """Note that a trial begins on a slot, which has waited for that so many seconds."""
        slot, now = self._slot(name), self._clock()
        spent = _known(slot, now)
        slot.trial = SlotTime(
            waiting,
            idle=spent[IdleReason.PROPOSALS] + spent[IdleReason.END],
            paused=spent[IdleReason.PAUSED],
            machine=spent[IdleReason.MACHINE],
            deciding=spent[IdleReason.DECIDING],
        )
        slot.since, slot.passed = now, _nothing()

    def end(self, name: str) -> SlotTime:
        """Note that the trial on a slot has its result; return what it took."""
        slot, now = self._slot(name), self._clock()
        paused = slot.passed[IdleReason.MACHINE]
        trial = slot.trial or SlotTime()
        slot.trial, slot.passed = None, _nothing()
        slot.since, on_slot = now, now - slot.since - paused
        return replace(trial, machine=trial.machine + paused, on_slot=max(on_slot, 0.0))

    def rest(self) -> dict[str, float]:
        """Return the seconds by reason that belong to no trial: since the last one on each slot."""
        now = self._clock()
        spent = [self._gone, *(_known(slot, now) for slot in self._slots.values())]
        sums = {reason: sum(each[reason] for each in spent) for reason in IdleReason}
        return {str(reason): seconds for reason, seconds in sums.items() if seconds > 0}

    def _slot(self, name: str) -> _Slot:
        if name not in self._slots:
            self._slots[name] = _Slot(self._clock())
        return self._slots[name]


def _known(slot: _Slot, now: float) -> dict[IdleReason, float]:
    """Return what passed on a slot by reason, the rest as deciding."""
    rest = max(now - slot.since - sum(slot.passed.values()), 0.0)
    return slot.passed | {IdleReason.DECIDING: slot.passed[IdleReason.DECIDING] + rest}
