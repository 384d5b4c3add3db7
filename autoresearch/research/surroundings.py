"""What a study's corpus and machine are, as a brief tells it; looked at when a run begins."""

import importlib.util
import platform
import shutil
from importlib import metadata
from pathlib import Path

from autoresearch.corpus import Corpus, Split
from autoresearch.records.text import safe_line

_CPUINFO = Path("/proc/cpuinfo")
_CARDS = Path("/proc/driver/nvidia/gpus")
_COMPILERS = ("c++", "g++", "clang++")


def surroundings(corpus: Corpus, device: str) -> dict[str, int | str | bool]:
    """Return the size of the training text, the names of processor and card, and what compiles.

    What cannot be told is left out.
    """
    train = corpus.counts[Split.TRAIN]
    sizes = {"documents": train.documents, "bytes": train.bytes, "tokens": train.tokens}
    names = {"processor": _processor(), "card": _card() if device.startswith("cuda") else ""}
    told = {name: safe_line(text, 80) for name, text in names.items() if text}
    return {**sizes, **told, "compiles": compiles(device)}


def software() -> str:
    """Return what a training's speed and arithmetic rest on beside the code: Python and torch."""
    python = ".".join(platform.python_version_tuple()[:2])
    try:
        return f"Python {python}, torch {metadata.version('torch')}"
    except metadata.PackageNotFoundError:
        return f"Python {python}"


def compiles(device: str) -> bool:
    """Return whether `torch.compile` has what it needs: a compiler, on CUDA also Triton."""
    found = any(map(shutil.which, _COMPILERS))
    return found and (device == "cpu" or importlib.util.find_spec("triton") is not None)


def _processor() -> str:
    return _value(_CPUINFO, "model name") or platform.processor() or platform.machine()


def _card() -> str:
    """Return the first card's name as its driver tells it: PyTorch would take seconds to say so."""
    found = sorted(_CARDS.glob("*/information"))
    return _value(found[0], "Model") if found else ""


def _value(path: Path, name: str) -> str:
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
