"""Which card is used, and how a process reaches that one and no other."""

import importlib.metadata
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from autoresearch.devices import amd, nvidia
from autoresearch.devices.card import Card, DeviceTree, Vendor

# Variables that hide every card from PyTorch, whichever vendor it was built for.
HIDDEN: Mapping[str, str] = MappingProxyType(
    {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": "-1"}
)
# Variables by which a person chooses cards. PyTorch built for ROCm heeds all three.
CHOICES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
_ORDER = "CUDA_DEVICE_ORDER"
_EVERY = ("nvidia*", "nvidia-caps/*", "kfd", "dri/*", "dxg")
HERE = DeviceTree()
_BF16_SINCE = (8, 0)


@dataclass(frozen=True)
class Access:
    """How a process reaches its accelerator.

    Attributes:
        card: the one that it reaches; None where that is not known, and all can be reached.
        nodes: the device nodes to let through, whether or not they are there.
        insisted: nodes of other cards that AMD's driver must be able to open if it can see them.
        variables: of its environment.
    """

    card: Card | None = None
    nodes: tuple[Path, ...] = ()
    insisted: tuple[Path, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[Path, ...]:
        """The nodes that are not there now."""
        return tuple(each for each in self.nodes if not each.exists())


def access(device: str, environment: Mapping[str, str], tree: DeviceTree = HERE) -> Access:
    """Return how a process reaches the device that trainings use, and no other.

    Args:
        device: "cpu", for which all cards are hidden; "cuda", which is PyTorch's word for AMD's
            cards, too; or "mps".
        environment: the person's, whose choice of cards is kept.
        tree: where to look.
    """
    if device == "cpu":
        return Access(variables=dict(HIDDEN))
    if not device.startswith("cuda"):
        return Access()
    card = card_of(device, environment, tree)
    return access_to(card, tree) if card else unpinned(environment, tree)


def unpinned(environment: Mapping[str, str], tree: DeviceTree = HERE) -> Access:
    """Return how a process reaches every card, as far as the person's variables allow it."""
    variables = {name: environment[name] for name in (*CHOICES, _ORDER) if name in environment}
    return Access(nodes=tree.nodes(*_EVERY), variables=variables)


def access_to(card: Card, tree: DeviceTree = HERE) -> Access:
    """Return how a process reaches this card alone."""
    return (_nvidia if card.vendor is Vendor.NVIDIA else _amd)(card, tree)


def card_of(device: str, environment: Mapping[str, str], tree: DeviceTree = HERE) -> Card | None:
    """Return the card that trainings on a device use; None for the CPU, or where it is not known.

    It is the first that the person's variables name, else the most able: one that can compute in
    bfloat16 before one that cannot, then by memory. Numbers are those of `nvidia-smi`.
    """
    if not device.startswith("cuda"):
        return None
    numbered, asked = _choice(environment, tree)
    if asked is not None:
        return next(iter(_named(numbered, asked)), None)
    return max((card for _, card in numbered), key=_ability, default=None)


def offered(environment: Mapping[str, str], tree: DeviceTree = HERE) -> list[Card]:
    """Return the cards that the person's variables leave to choose from, in their order."""
    numbered, asked = _choice(environment, tree)
    return [card for _, card in numbered] if asked is None else _named(numbered, asked)


def _choice(
    environment: Mapping[str, str], tree: DeviceTree
) -> tuple[list[tuple[int, Card]], str | None]:
    """Return the cards with the numbers by which a variable chooses, and that variable's text.

    The text is None where the variable is not set.
    """
    available = cards(tree)
    if available and available[0].vendor is Vendor.NVIDIA:
        return [(card.index, card) for card in available], environment.get("CUDA_VISIBLE_DEVICES")
    asked = environment.get("ROCR_VISIBLE_DEVICES")
    if asked is not None:
        available = _named(list(enumerate(available)), asked)
    then = environment.get("HIP_VISIBLE_DEVICES", environment.get("CUDA_VISIBLE_DEVICES"))
    return list(enumerate(available)), then


def cards(tree: DeviceTree = HERE) -> list[Card]:
    """Return the cards that this PyTorch could use: those of the vendor it is built for."""
    readers = [nvidia.nvidia_cards, amd.amd_cards]
    if "rocm" in _torch_version():
        readers.reverse()
    return readers[0](tree) or readers[1](tree)


def _torch_version() -> str:
    try:  # not by importing it, which takes a second
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return ""


def _ability(card: Card) -> tuple[bool, int, tuple[int, int], int]:
    capability = card.capability or (0, 0)
    return capability >= _BF16_SINCE, card.memory, capability, -card.index


def _named(numbered: Sequence[tuple[int, Card]], asked: str) -> list[Card]:
    """Return the cards that a list names, by number or by the beginning of a UUID.

    As in CUDA, the list ends at the first word that names none.
    """
    named: list[Card] = []
    for word in re.split(r"\s*,\s*", asked.strip()):
        match = next((card for number, card in numbered if is_named(number, card, word)), None)
        if match is None:
            break
        named.append(match)
    return named


def is_named(number: int, card: Card, word: str) -> bool:
    """Return whether a word names a card that has this number."""
    if word.isdecimal():
        return int(word) == number
    return word.startswith(("GPU-", "MIG-")) and card.uuid.startswith(word)


def _nvidia(card: Card, tree: DeviceTree) -> Access:
    control = tuple(map(tree.dev, nvidia.CONTROL))
    own = (*control, *card.nodes)
    name = card.uuid or str(card.index)
    if not control[0].exists() and tree.dev(nvidia.WINDOWS).exists():
        # WSL has one node for all cards: only the variable chooses, where numbers are safest.
        own, name = (tree.dev(nvidia.WINDOWS),), str(card.index)
    elif not (card.nodes and card.uuid):
        own = (*control, *tree.nodes("nvidia[0-9]*", "nvidia-caps/nvidia-cap*"))
    variables = {_ORDER: "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": name}
    return Access(card, own, variables=variables)


def _amd(card: Card, tree: DeviceTree) -> Access:
    every = tree.nodes("dri/renderD*")
    alone = bool(card.nodes and card.uuid)  # a number would mean another card where one is seen
    return Access(
        card,
        (tree.dev(amd.CONTROL), *(card.nodes if alone else every)),
        insisted=every,
        variables={
            "ROCR_VISIBLE_DEVICES": card.uuid if alone else str(card.index),
            "HIP_VISIBLE_DEVICES": "0",
        },
    )
