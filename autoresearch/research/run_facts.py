"""What a study trains on, and what compiles here, as a brief tells it; looked at for each run."""

import importlib.util
import shutil

from autoresearch.execution import Task

_COMPILERS = ("c++", "g++", "clang++")


def run_facts(task: Task, device: str) -> dict[str, int | bool]:
    """Return the size of the training text, and whether `torch.compile` has what it needs."""
    return {**task.facts, "compiles": compiles(device)}


def compiles(device: str) -> bool:
    """Return whether `torch.compile` has what it needs: a compiler, on CUDA also Triton."""
    found = any(map(shutil.which, _COMPILERS))
    return found and (device == "cpu" or importlib.util.find_spec("triton") is not None)
