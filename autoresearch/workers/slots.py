"""The slots of this machine that a run trains on: a device each, for one trial at a time.

All are of one kind, since scores are comparable on one kind of hardware only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoresearch.devices import (
    HERE,
    Access,
    Card,
    DeviceTree,
    access,
    access_to,
    is_named,
    offered,
)
from autoresearch.errors import UsageFault
from autoresearch.process.cores import spread, usable
from autoresearch.records.hardware import Hardware
from autoresearch.records.text import counted
from autoresearch.workers.hardware import hardware, hardware_on

ALL = "all"
_TELLING = ("card", "power limit", "driver")  # by what cards are told apart for a person


@dataclass(frozen=True)
class Slot:
    """One device: `name` is what a person calls it, `cores` are its own (none: it has any)."""

    name: str
    access: Access
    hardware: Hardware
    cores: frozenset[int] = frozenset()


@dataclass(frozen=True)
class SlotChooser:
    """Says which slots a study's trials have.

    Attributes:
        device: as in [training]: "cpu", "cuda", "mps".
        threads: of a trial's numeric libraries.
        environment: the person's, whose choice of cards is kept.
        tree: where cards are looked for.
        cores: those that may be shared out.
    """

    device: str
    threads: int
    environment: Mapping[str, str]
    tree: DeviceTree = HERE
    cores: Sequence[int] = ()

    @classmethod
    def here(cls, device: str, threads: int, environment: Mapping[str, str]) -> "SlotChooser":
        """Return the one of this machine."""
        return cls(device, threads, environment, cores=usable())

    def slots(self, asked: str | None) -> tuple[Slot, ...]:
        """Return the slots that --devices asks for; None: the one device that is used without it.

        Raises:
            UsageFault: there are no such devices, or they are of different kinds.
        """
        if asked is None:
            return (self._one(),)
        if self.device.startswith("cuda"):
            return self._on_cards(asked)
        return self._on_cores(asked) if self.device == "cpu" else self._alone(asked)

    def kinds(self) -> list[list[Slot]]:
        """Return all devices there are, those together whose scores can be compared."""
        if self.device.startswith("cuda"):
            cards = offered(self.environment, self.tree)
            return _kinds([self._slot(card, cards) for card in cards])
        return [list(self.slots(ALL))]

    @property
    def most_on_cores(self) -> int:
        """How many slots the cores are enough for."""
        return max(len(self.cores) // max(self.threads, 1), 1)

    def _one(self) -> Slot:
        found = access(self.device, self.environment, self.tree)
        ran_on = hardware(self.device, self.threads, self.environment, tree=self.tree)
        return Slot("0", found, ran_on)

    def _alone(self, asked: str) -> tuple[Slot, ...]:
        if asked not in (ALL, "0"):
            msg = f"--devices {asked}: there is one {self.device} device, called 0"
            raise UsageFault(msg)
        return (self._one(),)

    def _on_cores(self, asked: str) -> tuple[Slot, ...]:
        if asked != ALL and not (asked.isdecimal() and int(asked)):
            msg = f"--devices {asked}: on the CPU it is a number of slots, or all"
            raise UsageFault(msg)
        number, one = self.most_on_cores if asked == ALL else int(asked), self._one()
        if number == 1:
            return (one,)
        if number > self.most_on_cores:
            raise UsageFault(f"--devices {asked}: {self._room()}")
        return tuple(
            Slot(str(at), one.access, one.hardware, cores)
            for at, cores in enumerate(spread(self.cores, number))
        )

    def _room(self) -> str:
        if not self.cores:
            return "this system gives no trial cores of its own, so there is one slot"
        threads = f"{counted(self.threads, 'thread')} each ([training] threads)"
        slots = counted(self.most_on_cores, "slot")
        return f"{counted(len(self.cores), 'core')} are enough for {slots} of {threads}"

    def _on_cards(self, asked: str) -> tuple[Slot, ...]:
        cards = offered(self.environment, self.tree)
        words = [word.strip() for word in asked.split(",")]
        wanted = cards if asked == ALL else [_card(word, cards, asked) for word in words]
        if not wanted:
            msg = f"--devices {asked}: no card is found; `autoresearch doctor` tells why"
            raise UsageFault(msg)
        if len({each.uuid or each.index for each in wanted}) < len(wanted):
            msg = f"--devices {asked}: one card is named twice"
            raise UsageFault(msg)
        slots = tuple(self._slot(card, cards) for card in wanted)
        if len(alike := _kinds(slots)) > 1:
            why = "scores are comparable on one kind of card only"
            msg = f"--devices {asked}: {why}: choose {described(alike)}"
            raise UsageFault(msg)
        return slots

    def _slot(self, card: Card, among: Sequence[Card]) -> Slot:
        ran_on = hardware_on(card, self.device, self.threads)
        return Slot(_name(card, among), access_to(card, self.tree), ran_on)


def described(kinds: Sequence[Sequence[Slot]]) -> str:
    """Return kinds of cards in words, each as --devices takes it."""
    return ", or ".join(
        f"{','.join(slot.name for slot in each)} ({_kind(each[0])})" for each in kinds
    )


def _kinds(slots: Sequence[Slot]) -> list[list[Slot]]:
    """Return slots grouped by what their scores must share to be compared, the largest first."""
    found: dict[tuple[tuple[str, str], ...], list[Slot]] = {}
    for slot in slots:
        found.setdefault(tuple(slot.hardware.key.items()), []).append(slot)
    return sorted(found.values(), key=len, reverse=True)


def _kind(slot: Slot) -> str:
    key = slot.hardware.key
    return ", ".join(key[name] for name in _TELLING if name in key)


def _card(word: str, cards: Sequence[Card], asked: str) -> Card:
    found = next((each for each in cards if is_named(each.index, each, word)), None)
    if found is None:
        known = ", ".join(_name(each, cards) for each in cards) or "none"
        msg = f"--devices {asked}: no card {word!r}; there are {known} (`nvidia-smi -L` lists them)"
        raise UsageFault(msg)
    return found


def _name(card: Card, among: Sequence[Card]) -> str:
    """Return a card's number; of a slice its UUID, since its number is shared."""
    alone = sum(each.index == card.index for each in among) == 1
    return str(card.index) if alone and not card.uuid.startswith("MIG-") else card.uuid
