"""What a study of a repository is made of: found where it can be, else asked for in one line."""

import math
import posixpath
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoresearch import patching
from autoresearch.adoption.metrics import direction_of, likeliest
from autoresearch.adoption.surroundings import (
    Machine,
    command_for,
    device_of,
    environment_of,
)
from autoresearch.adoption.values import Found, Wishes
from autoresearch.config import parse_duration
from autoresearch.errors import ProjectError, UsageFault
from autoresearch.patching.imports import imported
from autoresearch.patching.interface import caches, data_read, printed, seed_taken
from autoresearch.records.metric import Direction

_ENTRIES = ("train.py", "src/train.py", "scripts/train.py", "main.py", "src/main.py", "run.py")
_BUDGETS = ("TIME_BUDGET", "TIME_BUDGET_SECONDS", "BUDGET_SECONDS", "TRAIN_SECONDS", "MAX_SECONDS")
_UPSTREAM = ("train.py", "prepare.py", "program.md")
_UPSTREAM_METRIC = "val_bpb"
# What downloads into a cache that a trial without network reads; beside it lies a secret.
_IMPORTERS = {"kernels", "huggingface_hub", "transformers", "datasets", "timm", "diffusers"}
_HUB, _TOKENS = "~/.cache/huggingface/hub", "~/.cache/huggingface"
_STARTUP = 300.0  # seconds that a cap leaves for start-up and scoring, at least
_NAMED = 6  # names in a refusal
_LONGEST = 256  # characters of a file's name


@dataclass(frozen=True)
class Sources:
    """A project at a commit: where its checkout is, the names of its files, its Python sources."""

    root: Path
    names: frozenset[str]
    python: Mapping[str, str]

    @property
    def is_upstream(self) -> bool:
        """Whether it has the shape of karpathy/autoresearch: its files, its metric, its clock."""
        return (
            self.names.issuperset(_UPSTREAM)
            and _UPSTREAM_METRIC in printed(self.python.get("train.py", ""))
            and _budget(self) is not None
        )


def find(sources: Sources, wishes: Wishes, machine: Machine) -> Found:
    """Return what was found, with what the person said in the place of it.

    Raises:
        UsageFault: what the person said makes no sense together.
        ProjectError: something cannot be found; one line names all that has to be said.
    """
    _refuse_nonsense(sources, wishes)
    program = _program(sources, wishes)
    editable = wishes.editable or ((program,) if program else ())
    entry = _entry(sources, program, editable)
    metric, names = _metric(sources, (entry, program), wishes)
    direction = wishes.direction or str(direction_of(metric) or "")
    seconds = _seconds(wishes.budget) if wishes.budget else _budget(sources, entry)
    _refuse_unclear(
        {
            "which file may change (--editable train.py)": editable,
            "which command trains (--command 'python train.py')": program or wishes.command,
            f"which number is the metric{names} (--metric NAME)": metric,
            f"whether {metric} is better lower or higher (--direction)": direction or not metric,
            "how long a training takes (--budget 10m)": seconds,
        }
    )
    assert seconds is not None
    command = wishes.command or command_for(program, sources.root, machine)
    upstream = sources.is_upstream and entry == "train.py"
    return Found(
        command=command,
        entry=entry,
        editable=editable,
        seed=wishes.seed or seed_taken(sources.python.get(program or entry, "")),
        metric=metric,
        direction=direction,
        evaluator=wishes.evaluator,
        file=wishes.file,
        key=wishes.key,
        budget=seconds,
        total=math.ceil(max(2 * seconds, seconds + _STARTUP) / 60) * 60.0,
        device=device_of("\n".join(sources.python.values()), machine),
        readable=_readable(sources, command, machine, upstream=upstream),
        upstream=upstream,
    )


def _seconds(budget: str) -> float:
    try:
        return parse_duration(budget)
    except ProjectError as fault:
        msg = f"--budget: {fault}"
        raise UsageFault(msg) from None


def _refuse_unclear(known: Mapping[str, object]) -> None:
    if unclear := [what for what, found in known.items() if not found]:
        msg = f"cannot tell by itself {'; '.join(unclear)}"
        raise ProjectError(msg)


def _refuse_nonsense(sources: Sources, wishes: Wishes) -> None:
    if wishes.direction and wishes.direction not in tuple(Direction):
        msg = f"--direction {wishes.direction}: must be lower or higher"
        raise UsageFault(msg)
    if wishes.evaluator and wishes.file:
        msg = "--evaluator and --file exclude each other: a score comes from one of them"
        raise UsageFault(msg)
    if bool(wishes.file) != bool(wishes.key):
        msg = "--file and --key go together: what a trial leaves, and the number's name in it"
        raise UsageFault(msg)
    for glob in wishes.editable:
        if fault := patching.glob_fault(glob):
            msg = f"--editable {glob}: {fault}"
            raise UsageFault(msg)
        if not any(patching.matches(name, (glob,)) for name in sources.names):
            msg = f"--editable {glob}: no committed file is called so"
            raise ProjectError(msg)
    if wishes.evaluator and wishes.evaluator not in sources.names:
        msg = f"--evaluator {wishes.evaluator}: it is in no commit; commit it first"
        raise ProjectError(msg)


def _program(sources: Sources, wishes: Wishes) -> str:
    """Return the Python file that the command runs, or that would be run without one."""
    words = _words(wishes.command) if wishes.command else ()
    python = sources.python
    named = [each for each in (*words, *_ENTRIES, *wishes.editable) if each in python]
    trains = [each for each in sorted(python) if posixpath.basename(each).startswith("train")]
    return named[0] if named else trains[0] if len(trains) == 1 else ""


def _words(command: str) -> Iterator[str]:
    """Yield the words of a command as paths; `-m package.module` has several it may mean."""
    try:
        words = shlex.split(command)
    except ValueError as fault:
        msg = f"--command {command}: {fault}"
        raise UsageFault(msg) from None
    for before, word in zip(["", *words], words, strict=False):
        if before == "-m":
            module = word.replace(".", "/")
            ends = (f"{module}.py", f"{module}/__main__.py")
            yield from (f"{top}{end}" for top in ("", "src/") for end in ends)
        else:
            yield posixpath.normpath(word)


def _entry(sources: Sources, program: str, editable: Sequence[str]) -> str:
    """Return the file whose constants can be tuned: the program if it may change, else another."""
    mine = sorted(each for each in sources.names if patching.matches(each, editable))
    first = [each for each in mine if each in sources.python] or mine
    return program if program in mine or not first else first[0]


def _metric(sources: Sources, first: Sequence[str], wishes: Wishes) -> tuple[str, str]:
    """Return the metric's name; where it is not clear, the names it may have, for a refusal."""
    if name := wishes.metric or wishes.key:
        return name, ""
    if wishes.evaluator:
        return "", ""
    rest = [path for path in sorted(sources.python) if path not in first]
    for paths in (*([path] for path in first), rest):
        lines = [name for path in paths for name in printed(sources.python.get(path, ""))]
        if found := likeliest(lines):
            several = f", of {', '.join(found[:_NAMED])}"
            return (found[0], "") if len(found) == 1 else ("", several)
    return "", ""


def _budget(sources: Sources, entry: str = "") -> float | None:
    """Return the seconds that the project trains for by its own clock."""
    for path in sorted(sources.python, key=lambda path: (path != entry, path)):
        known = patching.numbers(sources.python[path])
        for name in _BUDGETS:
            value = known.get(name, False)
            if not isinstance(value, bool) and value > 0:
                return float(value)
    return None


def _readable(
    sources: Sources, command: str, machine: Machine, *, upstream: bool
) -> tuple[str, ...]:
    """Return what a trial must be able to read beside its committed files."""
    texts = sources.python.values()
    named = [each for text in texts for each in caches(text)]
    if any(_IMPORTERS & imported(path, text) for path, text in sources.python.items()):
        named.append(_HUB)
    kept = [each for each in named if each != _TOKENS and (upstream or machine.has(each))]
    data = [each for text in texts for each in data_read(text) if _is_untracked(sources, each)]
    found = [*kept, *map(posixpath.normpath, data)]
    return tuple(dict.fromkeys([*found, *environment_of(command, sources.root, machine)]))


def _is_untracked(sources: Sources, name: str) -> bool:
    """Return whether a name is that of a file of the project's folder which is in no commit."""
    plain = posixpath.normpath(name) if name.isprintable() and len(name) < _LONGEST else ""
    inside = bool(plain) and not plain.startswith(("/", "../", ".git/", ".autoresearch/"))
    return inside and plain not in sources.names and (sources.root / plain).is_file()
