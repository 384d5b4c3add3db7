"""What cards can do at most, so that a training's speed can be told as a share of it."""

import re

# Dense bf16 FLOP/s by the makers' datasheets (fp16 where a card has no bf16); the first name found
# in the card's own wins.
_FLOPS = {
    "GB300": 2.5e15, "GB200": 2.5e15, "B300": 2.25e15, "B200": 2.25e15,
    "H200": 989e12, "H100 PCIE": 756e12, "H100 NVL": 835e12, "H100": 989e12, "H800": 989e12,
    "H20": 148e12, "GH200": 989e12, "A100": 312e12, "A40": 150e12, "A30": 165e12, "A10G": 70e12,
    "A10": 125e12, "L40S": 362e12, "L40": 181e12, "L4": 121e12, "T4": 65e12, "V100": 125e12,
    "RTX PRO 6000": 504e12, "RTX 6000 ADA": 364e12, "RTX A6000": 155e12, "RTX A5000": 111e12,
    "5090": 210e12, "5080": 113e12, "4090": 165e12, "4080": 98e12, "3090": 71e12, "3060": 26e12,
    "2080 TI": 54e12, "MI300X": 1307e12, "MI250X": 192e12,
}  # fmt: skip


def peak_flops(device: object) -> float | None:
    """Return a device's dense FLOP/s in 16 bits; None if it is no card, or an unknown one."""
    import torch  # noqa: PLC0415 - who asks has it

    if torch.device(str(device)).type != "cuda":
        return None
    return peak_of(torch.cuda.get_device_name(str(device)))


def peak_of(card: str) -> float | None:
    """Return a card's dense FLOP/s in 16 bits by its name."""
    name = card.upper()
    found = (peak for each, peak in _FLOPS.items() if re.search(rf"\b{each}\b", name))
    return next(found, None)
