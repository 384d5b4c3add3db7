"""Asks PyTorch about a device, in a process of its own; see `runtime.probe`.

In this process, PyTorch would keep memory of the card for as long as the run lasts.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = Path(__file__).parents[2]  # where `import autoresearch` finds this package
PATIENCE = 300.0  # seconds, for PyTorch to look at a card


@dataclass(frozen=True)
class Step:
    """One step of a probe: its seconds, why it failed ("" if it did not), and what it found.

    `fault` was written by a driver or a library: it may be any text. `facts` are "version",
    "build", "name", "memory" (bytes), "free", "cards" and "capability", as far as they are known.
    """

    name: str
    seconds: float = 0.0
    fault: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)

    def number(self, name: str) -> int:
        """Return a fact that is a number; 0 where it is not known."""
        value = self.facts.get(name)
        return value if isinstance(value, int) else 0

    def text(self, name: str) -> str:
        """Return a fact that is a text; "" where it is not known."""
        value = self.facts.get(name)
        return value if isinstance(value, str) else ""

    @property
    def capability(self) -> tuple[int, int] | None:
        """The card's compute capability, where it is known."""
        match self.facts.get("capability"):
            case [int(major), int(minor)]:
                return major, minor
        return None


def command(device: str, steps: Sequence[str]) -> list[str]:
    """Return the command that tries these steps: "driver", "torch", "matmul", "compile"."""
    return [sys.executable, "-P", "-m", "autoresearch.runtime.probe", device, *steps]


def read_steps(output: bytes, steps: Sequence[str], ending: str) -> list[Step]:
    """Return the steps of a probe, up to the first that failed.

    Args:
        output: its standard output.
        steps: the names of the steps that it was to try.
        ending: how it ended: the fault of the first step that it did not report.
    """
    done: list[Step] = []
    for line in output.splitlines():
        try:
            done.append(Step(**json.loads(line)))
        except (ValueError, TypeError):
            break
    if (not done or not done[-1].fault) and len(done) < len(steps):
        done.append(Step(steps[len(done)], fault=ending))
    return done


def ask(
    device: str,
    steps: Sequence[str],
    variables: Mapping[str, str],
    environment: Mapping[str, str] = os.environ,
) -> list[Step]:
    """Return the steps of a probe that runs outside of any sandbox, with these variables set."""
    env = {**environment, **variables, "PYTHONPATH": str(PACKAGES)}
    try:
        answer = subprocess.run(
            command(device, steps), env=env, capture_output=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return read_steps(b"", steps, f"no answer within {PATIENCE:.0f} s")
    except OSError as fault:
        return read_steps(b"", steps, f"Python cannot be started: {fault.strerror}")
    return read_steps(answer.stdout, steps, f"the process ended with {answer.returncode}")
