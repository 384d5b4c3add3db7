"""One accelerator as its driver describes it, and where descriptions are looked for."""

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Vendor(StrEnum):
    """The maker of a card, on which its driver and its variables depend."""

    NVIDIA = "nvidia"
    AMD = "amd"


@dataclass(frozen=True)
class Card:
    """One accelerator, or one MIG slice of one: slices are used like cards.

    Attributes:
        vendor: who made it.
        index: its number in the order of the PCI bus, as `nvidia-smi` counts; a slice has its
            card's; AMD's are in the order of the kernel's list.
        uuid: its name for CUDA_VISIBLE_DEVICES or ROCR_VISIBLE_DEVICES; "" where it has none.
        name: the product's.
        memory: in bytes; 0 where the driver does not report it.
        capability: NVIDIA's compute capability or AMD's gfx generation; None where the driver does
            not report it.
        driver: the driver's version, or "".
        power_limit: in watts; None where the driver does not report it.
        nodes: the files in /dev that are this card's or slice's alone; none where not known.
    """

    vendor: Vendor
    index: int
    uuid: str
    name: str
    memory: int = 0
    capability: tuple[int, int] | None = None
    driver: str = ""
    power_limit: float | None = None
    nodes: tuple[Path, ...] = ()

    def __str__(self) -> str:
        """Return what is known of it in one line."""
        known = (
            self.name,
            f"{self.memory / 2**30:.1f} GiB" if self.memory else "",
            f"compute {self.capability[0]}.{self.capability[1]}" if self.capability else "",
            f"driver {self.driver}" if self.driver else "",
            f"{self.power_limit:.0f} W" if self.power_limit else "",
        )
        return ", ".join(each for each in known if each)


def load_pynvml() -> Any | None:
    """Return the module `pynvml` (package nvidia-ml-py), if it is installed."""
    try:
        return importlib.import_module("pynvml")
    except ImportError:
        return None


@dataclass(frozen=True)
class DeviceTree:
    """Where cards are looked for: this machine, unless a test says otherwise.

    `root` holds dev, proc and sys; `smi` is the program nvidia-smi; `nvml` returns pynvml or None.
    """

    root: Path = Path("/")
    smi: str = "nvidia-smi"
    nvml: Callable[[], Any | None] = load_pynvml

    def dev(self, name: str) -> Path:
        """Return a device node's path."""
        return self.root / "dev" / name

    def nodes(self, *globs: str) -> tuple[Path, ...]:
        """Return the device nodes that are there, sorted."""
        return tuple(sorted(path for glob in globs for path in (self.root / "dev").glob(glob)))


def text_of(path: Path) -> str:
    """Return the text of a file of the kernel's; "" where it cannot be read."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def field_of(text: str, name: str) -> str:
    """Return the value of a line ``name: value`` or ``name value``; "" where there is none."""
    match = re.search(rf"^{re.escape(name)}[:\s]\s*(.*?)\s*$", text, re.MULTILINE)
    return match[1] if match else ""
