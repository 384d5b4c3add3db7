"""Machines of any cards, made of files: device nodes, the drivers' own, an nvidia-smi, a driver.

The driver is real C code under the real library's name. It opens nodes and heeds variables as
CUDA's does, so what a sandbox lets through decides what a trial finds.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autoresearch.devices import DeviceTree

DRIVER = r"""
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int opens(const char *name) {
    char path[4096];
    const char *root = ROOT;
    snprintf(path, sizeof path, "%s/dev/%s", root, name);
    int file = open(path, O_RDWR);
    if (file >= 0) close(file);
    return file >= 0;
}
int cuDeviceGetCount(int *count) {
    const char *asked = getenv("CUDA_VISIBLE_DEVICES");
    *count = 0;
    for (int minor = 0; minor < 8; minor++) {
        char name[32], uuid[32];
        snprintf(name, sizeof name, "nvidia%d", minor);
        snprintf(uuid, sizeof uuid, "GPU-%d", minor);
        *count += opens(name) && (!asked || strstr(asked, uuid));
    }
    return 0;
}
int cuInit(unsigned flags) {
    int count;
    if (!opens("nvidiactl")) return 100;
    if (!opens("nvidia-uvm")) return 999;
    cuDeviceGetCount(&count);
    return count ? 0 : 100;
}
int cuGetErrorName(int code, const char **name) {
    *name = code == 999 ? "CUDA_ERROR_UNKNOWN" : "CUDA_ERROR_NO_DEVICE";
    return 0;
}
"""


@dataclass(frozen=True)
class Fake:
    """A card: its minor number need not be its place in the list."""

    name: str
    mib: int
    capability: str
    minor: int
    mig: str = "[N/A]"
    driver: str = "570.86.15"

    @property
    def uuid(self) -> str:
        return f"GPU-{self.minor}"


RIG = (
    Fake("NVIDIA GeForce GT 1030", 2048, "6.1", 1),
    Fake("NVIDIA GeForce RTX 4090", 24564, "8.9", 0),
    Fake("Tesla T4", 15360, "7.5", 2),
)


def machine(root: Path, cards: Sequence[Fake] = RIG) -> DeviceTree:
    """Return a machine with these cards, in the order of its PCI bus."""
    for name in ("nvidiactl", "nvidia-uvm", *(f"nvidia{each.minor}" for each in cards)):
        node(root, name)
    for number, each in enumerate(cards):
        listed = root / f"proc/driver/nvidia/gpus/0000:{number + 1:02x}:00.0/information"
        listed.parent.mkdir(parents=True)
        listed.write_text(
            f"Model: \t\t {each.name}\nIRQ:   \t\t 30\nGPU UUID: \t {each.uuid}\n"
            f"Bus Location: \t 0000:{number + 1:02x}:00.0\nDevice Minor: \t {each.minor}\n"
        )
    return DeviceTree(root, str(smi(root, cards)), lambda: None)


def node(root: Path, name: str) -> Path:
    path = root / "dev" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def smi(root: Path, cards: Sequence[Fake], listed: str = "", *, old: bool = False) -> Path:
    """Write an nvidia-smi that answers as these cards' driver does; `old` knows fewer fields."""
    rows = [
        f"{number}, {each.uuid}, {each.name}, {each.mib}, 00000000:{number + 1:02X}:00.0, "
        f"{each.driver}, 350.00"
        for number, each in enumerate(cards)
    ]
    newer = [f"{row}, {each.mig}, {each.capability}" for row, each in zip(rows, cards, strict=True)]
    refuses = "echo 'Field \"compute_cap\" is not a valid field to query.'; exit 2"
    path = root / "nvidia-smi"
    path.write_text(
        "#!/bin/sh\ncase $1 in\n"
        f"*compute_cap*) {refuses if old else _echo(newer)} ;;\n"
        f"*mig.mode*) {_echo([line.rpartition(',')[0] for line in newer])} ;;\n"
        f"--query-gpu=*) {_echo(rows)} ;;\n"
        f"-L) {_echo(listed.splitlines())} ;;\nesac\n"
    )
    path.chmod(0o755)
    return path


def _echo(lines: Sequence[str]) -> str:
    return "; ".join(f"echo '{line}'" for line in lines) or "true"


class FakeNvmlError(Exception):
    pass


def nvml(cards: Sequence[Fake], *, lost: int = -1, slices: Sequence[str] = ()) -> Any:
    """Return what stands for the module pynvml; one card may not answer, the first be sliced."""

    def card(index: int) -> Fake:
        if index == lost:
            raise FakeNvmlError
        return cards[index]

    def unsupported(_handle: object) -> float:
        raise FakeNvmlError

    def slice_of(_card: Fake, number: int) -> SimpleNamespace:
        if number >= len(slices):
            raise FakeNvmlError
        return SimpleNamespace(uuid=slices[number], mib=4864, name="A100 MIG 1g.5gb")

    return SimpleNamespace(
        NVMLError=FakeNvmlError,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: len(cards),
        nvmlDeviceGetHandleByIndex=card,
        nvmlDeviceGetMinorNumber=lambda each: each.minor,
        nvmlDeviceGetUUID=lambda each: each.uuid.encode(),  # as older ones answer
        nvmlDeviceGetName=lambda each: each.name,
        nvmlDeviceGetMemoryInfo=lambda each: SimpleNamespace(total=each.mib * 2**20),
        nvmlDeviceGetCudaComputeCapability=lambda each: map(int, each.capability.split(".")),
        nvmlSystemGetDriverVersion=lambda: "570.86.15",
        nvmlDeviceGetEnforcedPowerLimit=unsupported,
        nvmlDeviceGetMigMode=lambda each: (int(bool(slices)), 0),
        nvmlDeviceGetMaxMigDeviceCount=lambda each: 7,
        nvmlDeviceGetMigDeviceHandleByIndex=slice_of,
        nvmlDeviceGetGpuInstanceId=lambda each: int(each.uuid[-1]) + 7,
        nvmlDeviceGetComputeInstanceId=lambda _each: 0,
    )


def amd(root: Path, uniques: Sequence[int]) -> DeviceTree:
    """Return a machine of a processor and AMD's cards with these unique numbers."""
    for number in range(len(uniques) + 1):
        folder = root / f"sys/class/kfd/kfd/topology/nodes/{number}"
        (folder / "mem_banks/0").mkdir(parents=True)
        (folder / "gpu_id").write_text(f"{number * 1000}\n")
        facts = f"gfx_target_version 90010\ndrm_render_minor {127 + number}\n"
        unique = uniques[number - 1] if number else 0
        (folder / "properties").write_text(f"{facts}unique_id {unique}\n" if number else "")
        bank = f"heap_type {int(number > 0)}\nsize_in_bytes {64 * 2**30}\n"
        (folder / "mem_banks/0/properties").write_text(bank)
    for name in ("kfd", *(f"dri/renderD{128 + each}" for each in range(len(uniques)))):
        node(root, name)
    return DeviceTree(root, "/nonexistent/nvidia-smi", lambda: None)


@cache
def _compiler() -> str | None:
    return shutil.which("cc")


def driver(root: Path) -> Path:
    """Return the folder of a libcuda.so.1 for the nodes below `root`; skips without a compiler."""
    compiler = _compiler()
    if compiler is None:
        pytest.skip("no C compiler")
    source, folder = root / "driver.c", root / "lib"
    folder.mkdir()
    source.write_text(DRIVER.replace("ROOT", f'"{root}"'))
    library = folder / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return folder


def with_driver(root: Path) -> dict[str, str]:
    """Return the environment of a person whose machine has that driver."""
    return {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(driver(root))}
