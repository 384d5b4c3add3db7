"""What is in the zoo: the entries of zoo/*.toml, and the programs they make."""

import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autoresearch.patching import set_constants
from autoresearch.records.values import Clock
from autoresearch.scaffold import render, set_keys
from tests.evaluation_stubs import PAIRS

HERE = Path(__file__).parent
WORTH = "worth"  # an ending: scored, and no better than the checkpoint is
CONTEXT = 64
VOCAB = 257
SMALL: Mapping[str, float | str] = {
    "DEPTH": 2,
    "TOTAL_BATCH_SIZE": 512,
    "DEVICE_BATCH_SIZE": 8,
    "LOSS_CHUNK": 512,
}
# What trains until its budget is spent gets as far on a busy machine: it pays by the CPU's clock.
# The grace counts in the limit by the wall.
TRAINING: Mapping[str, float | Clock] = {"training": 3.0, "clock": Clock.CPU, "grace": 120.0}
LAST_LINES = '\n\nif __name__ == "__main__":\n    main()\n'


@dataclass(frozen=True)
class Entry:
    """One animal.

    `ends` are the ways it may end: rules of the evaluator, endings of a trial, or WORTH; `says`
    stands in the reason. `harm` is what it does to the house where no sandbox stops it; `needs`
    names what the system must allow for that. `budget` changes that of the trial, `timeout`
    (seconds) that of the scoring. `always` has `make test` run it, too.
    """

    name: str
    patch: str
    ends: tuple[str, ...]
    says: str = ""
    base: str = "stub"
    harm: str = ""
    needs: str = ""
    timeout: str = ""
    always: bool = False
    budget: Mapping[str, float | Clock] = field(default_factory=dict)

    def files(self, names: Mapping[str, object] | None = None) -> dict[str, str]:
        """Return the tree's files; `names` are put in for $NAME in the patch."""
        known = {"PAIRS": PAIRS, **(names or {})}
        return _files(self.base, string.Template(self.patch).safe_substitute(known))


def honest(base: str = "stub") -> dict[str, str]:
    """Return the files of a tree that nobody touched."""
    return _files(base, "")


def entries(file: str) -> list[Entry]:
    """Return the entries of zoo/FILE.toml."""
    found = tomllib.loads((HERE / "zoo" / f"{file}.toml").read_text("utf-8"))
    return [_entry(name, dict(values)) for name, values in found.items()]


def _entry(name: str, values: dict[str, Any]) -> Entry:
    ends = values.pop("ends", WORTH)
    budget = dict(TRAINING) if values.get("base") == "template" else {}
    budget |= values.pop("budget", {})
    if "clock" in budget:
        budget["clock"] = Clock(str(budget["clock"]))
    ends = (ends,) if isinstance(ends, str) else tuple(ends)
    return Entry(name, ends=ends, budget=budget, **values)


def _files(base: str, patch: str) -> dict[str, str]:
    texts = {"train.py": (HERE / "stub.py").read_text("utf-8")} if base == "stub" else _template()
    program, middle, rest = texts["train.py"].partition(LAST_LINES)
    assert middle
    assert not rest
    return {**texts, "train.py": f"{program}\n\n{patch}{LAST_LINES}"}


def _template() -> dict[str, str]:
    texts = render("gpt", "cpu")
    settings = texts["autoresearch.toml"]
    for section, key, value in (
        ("training", "budget", "3s"),
        ("evaluation", "context", CONTEXT),
        ("corpus", "vocab_size", VOCAB),
    ):
        settings = set_keys(settings, section, {key: value})
    return {
        "train.py": set_constants(texts["train.py"], SMALL),
        "prepare.py": texts["prepare.py"],
        "autoresearch.toml": settings,
    }
