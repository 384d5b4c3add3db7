"""NVIDIA's cards: by NVML if pynvml is installed, else by nvidia-smi, else by the driver's files.

NVML leaves out a card that does not answer (it "fell off the bus"); nvidia-smi then often answers
for none, and only the files are left that the driver wrote when it was loaded.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoresearch.devices.card import Card, DeviceTree, Vendor, field_of, text_of
from autoresearch.devices.programs import output_of
from autoresearch.records.text import safe_line

CONTROL = ("nvidiactl", "nvidia-uvm")  # what every use of CUDA opens beside the card's own node
WINDOWS = "dxg"  # all cards' one node in WSL
_LISTED = "proc/driver/nvidia/gpus"
_FIELDS = ("index", "uuid", "name", "memory.total", "pci.bus_id", "driver_version", "power.limit")
_MIG = "mig.mode.current"
_NEWER = (_MIG, "compute_cap")  # the first is known to drivers since 2020, the second since 2021
_CARD = re.compile(r"GPU (\d+): ")
_SLICE = re.compile(r"\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (MIG-[^)]+)\)")
_SLICE_GB = re.compile(r"(\d+)gb")


def names(tree: DeviceTree) -> tuple[str, ...]:
    """Return the names of NVIDIA's cards by the driver's files, without asking any card."""
    return tuple(card.name for card in _by_files(tree))


def nvidia_cards(tree: DeviceTree) -> list[Card]:
    """Return NVIDIA's cards in the order of the PCI bus, each MIG slice in its card's place."""
    return _by_nvml(tree) or _by_smi(tree) or _by_files(tree)


def _by_files(tree: DeviceTree) -> list[Card]:
    texts = [text_of(each) for each in sorted((tree.root / _LISTED).glob("*/information"))]
    named = [text for text in texts if field_of(text, "Model")]
    return [_listed(tree, index, text) for index, text in enumerate(named)]


def _listed(tree: DeviceTree, index: int, text: str) -> Card:
    uuid = field_of(text, "GPU UUID")
    return Card(
        Vendor.NVIDIA,
        index,
        "" if "?" in uuid else uuid,  # nobody has opened the card since the driver was loaded
        safe_line(field_of(text, "Model"), 60),
        nodes=_own(tree, field_of(text, "Device Minor")),
    )


def _own(tree: DeviceTree, minor: object) -> tuple[Path, ...]:
    """Return the node of a card by its minor number, which need not be its index."""
    return (tree.dev(f"nvidia{minor}"),) if str(minor).isdecimal() else ()


def _by_nvml(tree: DeviceTree) -> list[Card]:
    nvml = tree.nvml()
    if nvml is None:
        return []
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return []
    try:
        numbers = range(_answer(nvml, int, nvml.nvmlDeviceGetCount) or 0)
        answers = [_answer(nvml, list, _with_slices, nvml, tree, number) for number in numbers]
    finally:
        nvml.nvmlShutdown()
    return [card for several in answers for card in several or ()]


def _answer(nvml: Any, convert: Callable[[Any], Any], call: Callable[..., Any], *args: Any) -> Any:
    """Return the result of a call of NVML, converted; None where the card does not support it."""
    try:
        return convert(call(*args))
    except nvml.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return safe_line(value.decode("utf-8", "replace") if isinstance(value, bytes) else value, 80)


def _with_slices(nvml: Any, tree: DeviceTree, index: int) -> list[Card]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    minor = _answer(nvml, int, nvml.nvmlDeviceGetMinorNumber, handle)
    power = _answer(nvml, float, nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    whole = Card(
        Vendor.NVIDIA,
        index,
        _text(nvml.nvmlDeviceGetUUID(handle)),
        _text(nvml.nvmlDeviceGetName(handle)),
        memory=_nvml_memory(nvml, handle),
        capability=_answer(nvml, tuple, nvml.nvmlDeviceGetCudaComputeCapability, handle),
        driver=_answer(nvml, _text, nvml.nvmlSystemGetDriverVersion) or "",
        power_limit=power / 1000 if power else None,
        nodes=_own(tree, minor),
    )
    sliced = (_answer(nvml, tuple, nvml.nvmlDeviceGetMigMode, handle) or (0,))[0] == 1
    return (list(_slices(nvml, tree, handle, whole, minor)) if sliced else []) or [whole]


def _nvml_memory(nvml: Any, handle: Any) -> int:
    return _answer(nvml, lambda info: int(info.total), nvml.nvmlDeviceGetMemoryInfo, handle) or 0


def _slices(
    nvml: Any, tree: DeviceTree, card: Any, whole: Card, minor: int | None
) -> Iterator[Card]:
    for number in range(nvml.nvmlDeviceGetMaxMigDeviceCount(card)):
        handle = _answer(
            nvml, lambda handle: handle, nvml.nvmlDeviceGetMigDeviceHandleByIndex, card, number
        )
        if handle is not None:
            instance = nvml.nvmlDeviceGetGpuInstanceId(handle)
            compute = nvml.nvmlDeviceGetComputeInstanceId(handle)
            yield replace(
                whole,
                uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
                name=_answer(nvml, _text, nvml.nvmlDeviceGetName, handle) or f"{whole.name} MIG",
                memory=_nvml_memory(nvml, handle),
                nodes=(*whole.nodes, *_rights(tree, minor, instance, compute)),
            )


def _rights(tree: DeviceTree, minor: int | None, instance: int, compute: int) -> Iterator[Path]:
    """Yield the nodes that let a process use one slice: its part of the card, and its cores."""
    folder = tree.root / f"proc/driver/nvidia/capabilities/gpu{minor}/mig/gi{instance}"
    for file in (folder / "access", folder / f"ci{compute}" / "access"):
        if number := field_of(text_of(file), "DeviceFileMinor"):
            yield tree.dev(f"nvidia-caps/nvidia-cap{number}")


def _by_smi(tree: DeviceTree) -> list[Card]:
    # An older nvidia-smi refuses the whole query for a field that it does not know.
    answers = (_query(tree, (*_FIELDS, *_NEWER[:known])) for known in (2, 1, 0))
    rows = next(filter(None, answers), [])
    minors = {
        _bus(field_of(text, "Bus Location")): field_of(text, "Device Minor")
        for text in map(text_of, sorted((tree.root / _LISTED).glob("*/information")))
    }
    cards: list[Card] = []
    for row in rows:
        whole = _from_row(tree, row, minors)
        cards += (_listed_slices(tree, whole) if row.get(_MIG) == "Enabled" else []) or [whole]
    return cards


def _query(tree: DeviceTree, fields: Sequence[str]) -> list[dict[str, str]]:
    output = _smi(tree, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits")
    rows = csv.reader(output.splitlines(), skipinitialspace=True)
    return [dict(zip(fields, row, strict=True)) for row in rows if len(row) == len(fields)]


def _smi(tree: DeviceTree, *words: str) -> str:
    return output_of([tree.smi, *words])


def _from_row(tree: DeviceTree, row: dict[str, str], minors: dict[str, str]) -> Card:
    capability = re.fullmatch(r"(\d+)\.(\d+)", row.get("compute_cap", ""))
    return Card(
        Vendor.NVIDIA,
        int(_number(row["index"])),
        row["uuid"],
        safe_line(row["name"], 60),
        memory=int(_number(row["memory.total"]) * 2**20),
        capability=(int(capability[1]), int(capability[2])) if capability else None,
        driver=safe_line(row["driver_version"], 40),
        power_limit=_number(row["power.limit"]) or None,
        nodes=_own(tree, minors.get(_bus(row["pci.bus_id"]))),
    )


def _number(text: str) -> float:
    """Return a number; 0 for "[N/A]", "[Not Supported]" and the like."""
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else 0.0


def _bus(place: str) -> str:
    """Return a place on the PCI bus in one spelling; some write its domain with more digits."""
    return place.strip().lower()[-len("0000:00:00.0") :]


def _listed_slices(tree: DeviceTree, whole: Card) -> list[Card]:
    """Return a card's slices. Which rights belong to which is not known: all are let through."""
    slices: list[Card] = []
    here = False
    rights = tree.nodes("nvidia-caps/nvidia-cap*")
    for line in _smi(tree, "-L").splitlines():
        if card := _CARD.match(line):
            here = int(card[1]) == whole.index
        elif here and (each := _SLICE.match(line)):
            size = _SLICE_GB.search(each[1])
            memory = int(size[1]) * 10**9 if size else 0
            name, nodes = f"{whole.name} MIG {each[1]}", (*whole.nodes, *rights)
            slices.append(replace(whole, uuid=each[2], name=name, memory=memory, nodes=nodes))
    return slices
