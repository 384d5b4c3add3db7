"""AMD's cards as the kernel lists them for ROCm, in the order in which ROCm counts them."""

from pathlib import Path

from autoresearch.devices.card import Card, DeviceTree, Vendor, field_of, text_of
from autoresearch.records.text import safe_line

CONTROL = "kfd"
_LISTED = "sys/class/kfd/kfd/topology/nodes"
_OWN_MEMORY = ("1", "2")  # kinds of memory bank that lie on the card


def amd_cards(tree: DeviceTree) -> list[Card]:
    """Return AMD's cards; an integrated one is among them, with little memory."""
    folders = sorted(
        (each for each in (tree.root / _LISTED).glob("*") if each.name.isdecimal()),
        key=lambda each: int(each.name),
    )
    cards = [each for each in folders if text_of(each / "gpu_id").strip() not in ("", "0")]
    return [_card(tree, index, folder) for index, folder in enumerate(cards)]


def _card(tree: DeviceTree, index: int, folder: Path) -> Card:
    facts = text_of(folder / "properties")
    target, minor = _number(facts, "gfx_target_version"), _number(facts, "drm_render_minor")
    generation = (target // 10000, target // 100 % 100)
    product = text_of(tree.root / f"sys/class/drm/renderD{minor}/device/product_name").strip()
    unique = _number(facts, "unique_id")
    return Card(
        Vendor.AMD,
        index,
        f"GPU-{unique:016x}" if unique else "",
        safe_line(product, 60) or f"AMD gfx{generation[0]}{generation[1]}{target % 100:x}",
        memory=_memory(folder),
        capability=generation if target else None,
        driver=safe_line(text_of(tree.root / "sys/module/amdgpu/version").strip(), 40),
        nodes=(tree.dev(f"dri/renderD{minor}"),) if minor else (),
    )


def _memory(folder: Path) -> int:
    banks = [text_of(each) for each in folder.glob("mem_banks/*/properties")]
    own = [each for each in banks if field_of(each, "heap_type") in _OWN_MEMORY]
    return sum(_number(each, "size_in_bytes") for each in own)


def _number(facts: str, name: str) -> int:
    value = field_of(facts, name)
    return int(value) if value.isdecimal() else 0
