"""What a training ran on: it decides what a budget is worth, so scores share it to be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from autoresearch.records.text import counted

# The names in a comparability key that tell of the machine, and not of the project.
MACHINE = ("software", "processor", "card", "driver", "power limit", "toolkit")


@dataclass(frozen=True)
class Hardware:
    """A device with what stands below a training on it. What is not known is empty or None.

    `device` is as asked for ("cpu", "cuda", "mps"); `name` is the card's, on the CPU the
    processor's; `memory` is the card's in bytes, `power_limit` what it may take in watts, `threads`
    what the numeric libraries may; `toolkit` is the CUDA or ROCm that PyTorch was built for.
    """

    device: str
    name: str = ""
    memory: int | None = None
    driver: str = ""
    power_limit: float | None = None
    threads: int = 0
    python: str = ""
    torch: str = ""
    toolkit: str = ""

    @property
    def key(self) -> dict[str, str]:
        """What of it two scores must share, as parts of a comparability key; known parts only."""
        return {name: said for name, said in (("software", self._software), *self._parts) if said}

    def unlike(self, other: "Hardware") -> list[str]:
        """Return in words what of another key contradicts this one's; none where both may be one.

        What is not known of either contradicts nothing.
        """
        mine = self.key
        theirs = other.key.items()
        return [
            f"{name} {mine[name]} and {said}"
            for name, said in theirs
            if mine.get(name, said) != said
        ]

    @property
    def stored(self) -> dict[str, Any]:
        """This for a JSON column."""
        return asdict(self)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Hardware | None":
        """Return it from what `stored` gave; None where nothing was stored."""
        return cls(**stored) if stored else None

    def __str__(self) -> str:
        parts = ((name, said) for name, said in self._parts if said)
        told = [f"driver {said}" if name == "driver" else said for name, said in parts]
        threads = counted(self.threads, "CPU thread") if self.threads else ""
        return ", ".join(each for each in (*told, threads, self._software) if each)

    @property
    def _parts(self) -> Sequence[tuple[str, str]]:
        if self.device == "cpu":
            return [("processor", self.name)]
        size = f", {self.memory / 2**30:.0f} GiB" if self.memory else ""
        power = "" if self.power_limit is None else f"{self.power_limit:.0f} W"
        return [
            ("card", self.name and f"{self.name}{size}"),
            ("driver", self.driver),
            ("power limit", power),
            ("toolkit", self.toolkit),
        ]

    @property
    def _software(self) -> str:
        parts = {"Python": self.python, "torch": self.torch}
        return ", ".join(f"{name} {said}" for name, said in parts.items() if said)


@dataclass(frozen=True)
class RanOn:
    """What a trial, by its number, ran on, and whose slot that was."""

    trial: int
    worker: str
    hardware: Hardware
