"""``python -m autoresearch.runtime.probe DEVICE STEP...``: try a device, step by step.

Steps are ``driver`` (it answers), ``torch`` (PyTorch sees the device), ``matmul`` (it computes) and
``compile`` (PyTorch's compiler makes a kernel for it). Each is told in a JSON line on the standard
output: name, seconds, fault, facts. The first that fails is the last.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping

from autoresearch.runtime import accelerator

_FAULT_CHARACTERS = 4000
_SIZE = 64
Facts = dict[str, object]


def main() -> None:
    """Try the steps named on the command line."""
    _, device, *steps = sys.argv
    told = os.dup(1)
    os.dup2(2, 1)  # libraries may print
    for step in steps:
        line = _try(step, device)
        os.write(told, json.dumps(line).encode() + b"\n")
        if line["fault"]:
            sys.exit(1)


def _try(step: str, device: str) -> Facts:
    began, facts, fault = time.monotonic(), Facts(), ""
    try:
        facts = STEPS[step](device)
    except Exception as broken:  # noqa: BLE001 - whatever it is, it is the finding
        name = "" if isinstance(broken, accelerator.AcceleratorError) else type(broken).__name__
        fault = f"{name}: {broken}".removeprefix(": ")[:_FAULT_CHARACTERS]
    seconds = round(time.monotonic() - began, 3)
    return {"name": step, "seconds": seconds, "fault": fault, "facts": facts}


def _driver(device: str) -> Facts:
    if why := accelerator.fault(device):
        raise accelerator.AcceleratorError(why)
    return {}


def _torch(device: str) -> Facts:
    import torch  # noqa: PLC0415 - what is tried

    version = f"PyTorch {torch.__version__}"
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU alone"
    build = f"ROCm {torch.version.hip}" if torch.version.hip else build
    facts: Facts = {"version": version, "build": build}
    if device == "cpu":
        return facts
    if device == "mps":
        if not torch.backends.mps.is_available():
            raise accelerator.AcceleratorError("PyTorch does not find it")
        return facts
    if not (torch.version.cuda or torch.version.hip):
        raise accelerator.AcceleratorError(f"{version} is built without CUDA")
    if not torch.cuda.is_available():
        torch.zeros(1, device=device)  # says more than that there is none
        raise accelerator.AcceleratorError(f"{version} ({build}) sees no card")
    return facts | _card()


def _card() -> Facts:
    import torch  # noqa: PLC0415 - imported by now

    free, total = torch.cuda.mem_get_info()
    return {
        "name": torch.cuda.get_device_name(),
        "memory": total,
        "free": free,
        "cards": torch.cuda.device_count(),
        "capability": list(torch.cuda.get_device_capability()),
    }


def _matmul(device: str) -> Facts:
    import torch  # noqa: PLC0415 - imported by now

    ones = torch.ones(_SIZE, _SIZE, device=device)
    if float((ones @ ones).sum()) != _SIZE**3:
        raise accelerator.AcceleratorError("a product of ones is not what it must be")
    return {}


def _compile(device: str) -> Facts:
    import torch  # noqa: PLC0415 - imported by now

    def fused(x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x * 2 + 1).sum()

    with contextlib.redirect_stdout(sys.stderr):
        found = float(torch.compile(fused)(torch.ones(_SIZE, device=device)))
    if found != 3 * _SIZE:
        raise accelerator.AcceleratorError("a compiled sum is not what it must be")
    return {}


STEPS: Mapping[str, Callable[[str], Facts]] = {
    "driver": _driver,
    "torch": _torch,
    "matmul": _matmul,
    "compile": _compile,
}


if __name__ == "__main__":
    main()
