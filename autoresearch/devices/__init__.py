"""Which accelerators the machine has, which one is used, and how a process reaches that one alone.

`card_of` says which card trainings get, `access` what a sandbox lets through for it. Cards are read
from NVML, `nvidia-smi` or the drivers' own files; `DeviceTree` says where these are, so that a test
can make a machine of eight cards from a few files.
"""

from autoresearch.devices.card import Card, DeviceTree, Vendor
from autoresearch.devices.choosing import (
    HERE,
    HIDDEN,
    Access,
    access,
    access_to,
    card_of,
    cards,
    is_named,
    offered,
    unpinned,
)
from autoresearch.devices.nvidia import names
from autoresearch.devices.probing import Step, ask, command, read_steps

__all__ = [
    "HERE", "HIDDEN", "Access", "Card", "DeviceTree", "Step", "Vendor", "access", "access_to",
    "ask", "card_of", "cards", "command", "is_named", "names", "offered", "read_steps", "unpinned",
]  # fmt: skip
