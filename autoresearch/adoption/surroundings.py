"""What a command needs of the machine: how Python is started, what it reads, what it trains on."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch import devices

_VENV = ".venv"
_CUDA = re.compile(r"\bcuda\b")
_CHOOSES = re.compile(r"cuda\.is_available")
_APPLE = re.compile(r"\bmlx\b|['\"]mps['\"]|backends\.mps")


def _card() -> str:
    card = devices.access("cuda", os.environ).card
    return card.name if card else ""


@dataclass(frozen=True)
class Machine:
    """What is asked of the machine; `card` returns the name of the card here, "" for none."""

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    home: Path = field(default_factory=Path.home)
    system: str = sys.platform
    card: Callable[[], str] = _card

    def has(self, folder: str) -> bool:
        """Return whether a folder below ~ is there."""
        return (self.home / folder.removeprefix("~/")).is_dir()

    def which(self, program: str) -> Path | None:
        """Return where a program is, or None."""
        found = shutil.which(program, path=self.environment.get("PATH"))
        return Path(found) if found else None


def command_for(entry: str, root: Path, machine: Machine) -> str:
    """Return the command that runs a program of the project.

    With uv where the project is uv's: it has a uv.lock, or a pyproject.toml and uv is there.
    """
    path, uv = shlex.quote(entry), machine.which("uv")
    if (root / "uv.lock").is_file() or ((root / "pyproject.toml").is_file() and uv):
        return f"uv run {path}"
    return f"{'python' if machine.which('python') else 'python3'} {path}"


def environment_of(command: str, root: Path, machine: Machine) -> tuple[str, ...]:
    """Return the folder of Python itself that a command needs, as [sandbox] readable.

    The project's .venv; without one the environment of the `python` that the command names, unless
    it is the system's or ours, which every trial can read.
    """
    if (root / _VENV / "pyvenv.cfg").is_file():
        return (_VENV,)
    word = command.split(maxsplit=1)[0] if command.split() else ""
    program = machine.which(word) if re.fullmatch(r"python[\d.]*", word) else None
    place = program.parent.parent if program else Path("/usr")
    shown = (Path("/usr"), Path(sys.prefix), Path(sys.base_prefix))
    if place == Path("/") or any(place.resolve().is_relative_to(each) for each in shown):
        return ()
    told = f"~/{place.relative_to(machine.home)}" if place.is_relative_to(machine.home) else place
    return (str(told),)


def device_of(source: str, machine: Machine) -> str:
    """Return what a program trains on: cuda, mps or cpu.

    A card counts where the program names CUDA; one that chooses by itself has what is here.
    """
    if machine.system == "darwin":
        return "mps" if _APPLE.search(source) else "cpu"
    if not _CUDA.search(source):
        return "cpu"
    return "cpu" if _CHOOSES.search(source) and not machine.card() else "cuda"
