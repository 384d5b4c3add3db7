"""Reading what a training runs on, without PyTorch: what that holds of a card would stay."""

import importlib.util
import platform
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path

from autoresearch.devices import HERE, Card, DeviceTree, card_of
from autoresearch.devices.programs import Ask, output_of
from autoresearch.records.hardware import Hardware
from autoresearch.records.text import safe_line

_CHIP = ("sysctl", "-n", "machdep.cpu.brand_string")
_BUILD = re.compile(r"^(cuda|hip)\b[^=\n]*= *['\"]([^'\"]+)['\"]", re.MULTILINE)
_TOOLKITS = {"cuda": "CUDA", "hip": "ROCm"}
_PROCESSORS = Path("/proc/cpuinfo")


def hardware(
    device: str,
    threads: int,
    variables: Mapping[str, str],
    *,
    tree: DeviceTree = HERE,
    ask: Ask = output_of,
) -> Hardware:
    """Return what a training on a device runs on, as far as this machine tells.

    Args:
        device: as in [training]: "cpu", "cuda", "mps".
        threads: of the numeric libraries.
        variables: of the training's environment, among them those that name its card.
        tree: where cards are looked for.
        ask: runs a program of the system's.
    """
    if device == "cuda":
        return hardware_on(card_of(device, variables, tree), device, threads)
    found = _known(device, threads)
    if device == "cpu":
        return replace(found, name=_processor(ask))
    return replace(found, name=_line(ask(_CHIP)), driver=_line(platform.platform()))


def hardware_on(card: Card | None, device: str, threads: int) -> Hardware:
    """Return what a training on a card runs on; None: on one of which nothing is known."""
    found = replace(_known(device, threads), toolkit=_toolkit())
    if card is None:
        return found
    power = None if card.power_limit is None else float(card.power_limit)
    return replace(
        found,
        name=card.name,
        memory=card.memory or None,
        driver=card.driver,
        power_limit=power,
    )


def _known(device: str, threads: int) -> Hardware:
    python = ".".join(platform.python_version_tuple()[:2])
    return Hardware(device, threads=threads, python=python, torch=_torch())


def _processor(ask: Ask) -> str:
    with suppress(OSError, UnicodeDecodeError):
        found = re.search(r"^model name\s*:(.+)$", _PROCESSORS.read_text("utf-8"), re.MULTILINE)
        if found:
            return _line(found[1])
    return _line(ask(_CHIP) or platform.processor() or platform.machine())


@cache
def _torch() -> str:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version("torch")
    return ""


@cache
def _toolkit() -> str:
    spec = importlib.util.find_spec("torch")
    with suppress(OSError, UnicodeDecodeError):
        if spec is not None and spec.origin is not None:
            return _built_for(Path(spec.origin).with_name("version.py").read_text("utf-8"))
    return ""


def _built_for(said: str) -> str:
    """Return what a PyTorch was built for, by its own version.py."""
    return ", ".join(f"{_TOOLKITS[name]} {version}" for name, version in _BUILD.findall(said))


def _line(said: str) -> str:
    return safe_line(said.strip(), 100)
