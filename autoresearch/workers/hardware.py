"""Reading what a training runs on, without PyTorch: what that holds of a card would stay."""

import importlib.util
import platform
import re
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path

from autoresearch.records.hardware import Hardware
from autoresearch.records.text import safe_line

Ask = Callable[[Sequence[str]], str]
_PATIENCE = 30.0  # seconds; a driver that nobody has used for a while takes some
_NOTHING = subprocess.DEVNULL
_CARD = ("name", "memory.total", "driver_version", "power.limit")
_CHIP = ("sysctl", "-n", "machdep.cpu.brand_string")
_BUILD = re.compile(r"^(cuda|hip)\b[^=\n]*= *['\"]([^'\"]+)['\"]", re.MULTILINE)
_TOOLKITS = {"cuda": "CUDA", "hip": "ROCm"}
_PROCESSORS = Path("/proc/cpuinfo")


def ask(command: Sequence[str]) -> str:
    """Return what a program says; "" where there is none, it fails or takes too long."""
    try:
        process = subprocess.Popen(
            command, stdin=_NOTHING, stdout=subprocess.PIPE, stderr=_NOTHING, start_new_session=True
        )
    except OSError:
        return ""
    with suppress(subprocess.TimeoutExpired):
        said, _ = process.communicate(timeout=_PATIENCE)
        return "" if process.returncode else said.decode("utf-8", "replace")
    # Who waits for a broken driver may be beyond killing: it must not hold up a night.
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=1.0)
    return ""


def hardware(device: str, threads: int, *, visible: str | None = None, ask: Ask = ask) -> Hardware:
    """Return what a training on a device runs on, as far as this machine tells.

    Args:
        device: as in [training]: "cpu", "cuda" (or "cuda:1"), "mps".
        threads: of the numeric libraries.
        visible: CUDA_VISIBLE_DEVICES of the training; None where it is not set.
        ask: runs a program of the system's.
    """
    kind, python = device.partition(":")[0], platform.python_version_tuple()[:2]
    found = Hardware(kind, threads=threads, python=".".join(python), torch=_torch())
    if kind == "cpu":
        return replace(found, name=_processor(ask))
    if kind == "cuda":
        return _card(replace(found, toolkit=_toolkit()), _chosen(device, visible), ask)
    return replace(found, name=_line(ask(_CHIP)), driver=_line(platform.platform()))


def _chosen(device: str, visible: str | None) -> str:
    """Return the index or the name by which the driver knows the card."""
    index = device.partition(":")[2] or "0"
    named = [each.strip() for each in (visible or "").split(",") if each.strip()]
    return named[int(index)] if index.isdigit() and int(index) < len(named) else index


def _card(found: Hardware, chosen: str, ask: Ask) -> Hardware:
    query = f"--query-gpu={','.join(_CARD)}"
    told = ask(["nvidia-smi", query, "--format=csv,noheader,nounits", f"--id={chosen}"])
    said = [each.strip() for each in told.partition("\n")[0].split(",")]
    if len(said) != len(_CARD):
        return found
    name, mebibytes, driver, watts = said
    memory = _number(mebibytes)
    return replace(
        found,
        name=_line(name),
        memory=None if memory is None else int(memory * 2**20),
        driver=_line(driver),
        power_limit=_number(watts),
    )


def _number(said: str) -> float | None:
    """Return a number; None for what a card does not tell: "[N/A]", "[Not Supported]"."""
    return float(said) if re.fullmatch(r"\d{1,12}(\.\d{1,6})?", said) else None


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
