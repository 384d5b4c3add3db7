"""autoresearch.toml for a repository as it was found."""

import json
import os
from collections.abc import Iterator

from autoresearch.adoption.values import Found

_MOST_THREADS = 8
_MOST_GIB = 64
_SHARE = 0.8  # of the memory that is here

Value = str | float | int | tuple[str, ...]


def settings_text(found: Found) -> str:
    """Return the text of an autoresearch.toml: all that was found, and how it can be changed.

    Threads and memory are what is sensible on this machine.
    """
    head = (
        "# What a study of this project runs, reads and may change. An unknown key is an error.\n"
    )
    sections = (
        ("target", _target(found)),
        ("metric", _metric(found)),
        ("training", _training(found)),
        ("sandbox", _sandbox(found)),
    )
    return head + "".join(f"\n[{name}]\n" + "".join(lines) for name, lines in sections)


def duration(seconds: float) -> str:
    """Return seconds as settings have them: 5m, 90s."""
    return f"{seconds / 60:g}m" if seconds >= 60 and seconds % 60 == 0 else f"{seconds:g}s"


def _target(found: Found) -> Iterator[str]:
    yield _line("command", found.command, "what a trial runs, as it is")
    yield _line("entry", found.entry, "the file whose constants can be tuned")
    yield _line("editable", found.editable, "what a proposer may change; globs from this folder")
    told = "how it takes a seed: a variable's name, or arguments such as --seed {seed}"
    yield _line("seed", found.seed or "SEED", told, out=not found.seed)


def _metric(found: Found) -> Iterator[str]:
    yield _line("name", found.metric, "what is made better")
    yield _line("direction", found.direction, "which way is better")
    if found.evaluator:
        yield _line("evaluator", found.evaluator, "run after a trial; prints one JSON object")
        yield "\n[data]\n"
        yield _line("held_out", ("data/val/**",), "what no trial may read", out=True)
        return
    if found.file:
        yield _line("file", found.file, "what a trial leaves: JSON")
        yield _line("key", found.key, "the number's name in it")
    else:
        yield _line("summary", found.metric, "from the last line `name: value` that it prints")
    yield _line(
        "evaluator", "evaluate.py", "in its place: a program of yours that scores", out=True
    )


def _training(found: Found) -> Iterator[str]:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    memory = max(float(int(min(_SHARE * total, _MOST_GIB))), 1.0)
    yield _line("profile", found.device, "what status calls these values")
    yield _line("device", found.device, "cuda, mps or cpu")
    yield _line("clock", "wall", "a command keeps its own time")
    yield _line("budget", duration(found.budget), "how long it trains by its own clock")
    yield _line("total", duration(found.total), "it is killed then, start-up and all")
    yield _line("threads", min(os.cpu_count() or 1, _MOST_THREADS), "of the numeric libraries")
    yield _line("memory_gib", memory, "RAM of a trial, all its processes together")


def _sandbox(found: Found) -> Iterator[str]:
    told = "what a trial needs beside its committed files"
    yield _line("readable", found.readable, told)
    yield _line("network", "true", "for one that needs the network", out=True, plain=True)


def _line(name: str, value: Value, comment: str, *, out: bool = False, plain: bool = False) -> str:
    """Return one setting; `out` comments it out, `plain` text is no string."""
    text = str(value) if plain else _toml(value)
    return f"{'# ' if out else ''}{name} = {text} # {comment}\n"


def _toml(value: Value) -> str:
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for one character that TOML wants escaped, too.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"[{', '.join(map(_toml, value))}]" if isinstance(value, tuple) else repr(value)
