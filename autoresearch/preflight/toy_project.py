"""A small copy of a project in a folder of its own: files with toy values, and made-up text."""

import json
import os
import random
import re
import tomllib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch import patching
from autoresearch.config import Settings, parse_duration

SETTINGS_FILE = "autoresearch.toml"
SHARDS = 2
_WINDOWS = 12  # that a shard has at least
_LEAST_TOKENS = 16_000  # that a shard has at least
_WORDS = ("the", "of", "and", "a", "to", "in", "is", "you", "that", "it", "I", "x = 1\n", "été")
# Constants that set how much is done at a time, not what: they stay small at full size, too.
_AMOUNT = re.compile(r"BATCH|CHUNK|ROWS|TOKENS|ACCUM", re.IGNORECASE)


@dataclass(frozen=True)
class ToySize:
    """How small a project is made, and how long it is smoke-tested.

    Windows hold `context` tokens, constants have their `toy` values; there are `steps` of training,
    and all of it may take `timeout` wall seconds on `threads` threads and `memory` bytes. In an
    `abstract` one tensors have shapes but no numbers, so that its size costs nothing.
    """

    context: int
    toy: Mapping[str, int | float]
    steps: int
    timeout: float
    threads: int
    memory: int
    abstract: bool = False

    @classmethod
    def toy_of(cls, settings: Settings) -> "ToySize":
        """Return the small size that the settings ask for."""
        preflight = settings.preflight
        # So small a training gains nothing by threads, which wait for each other on a busy machine.
        return cls(
            preflight.context, preflight.toy, preflight.steps, parse_duration(preflight.timeout),
            threads=1, memory=settings.limits().memory,
        )  # fmt: skip

    @classmethod
    def full_of(cls, settings: Settings) -> "ToySize":
        """Return the project's own sizes, but small batches: one step, in less time."""
        toy = cls.toy_of(settings)
        kept = {name: value for name, value in toy.toy.items() if _AMOUNT.search(name)}
        threads = min(settings.training.threads, os.cpu_count() or 1)
        return cls(
            settings.evaluation.context, kept, 1, toy.timeout / 4,
            threads=threads, memory=toy.memory,
        )  # fmt: skip

    @classmethod
    def own_of(cls, settings: Settings) -> "ToySize":
        """Return the project's own sizes with its batches: one step, in less time and memory."""
        full = cls.full_of(settings)
        return replace(full, toy={}, memory=full.memory // 4)

    @classmethod
    def abstract_of(cls, settings: Settings) -> "ToySize":
        """Return the project's own sizes without numbers."""
        own = cls.own_of(settings)
        return replace(own, threads=1, timeout=own.timeout / 2, abstract=True)

    def __str__(self) -> str:
        """Return the constants and the context in words."""
        values = [f"{name} = {value}" for name, value in self.toy.items()] or ["its own constants"]
        return ", ".join([*values, f"windows of {self.context} tokens"])


def scaled(files: Mapping[str, str], scale: ToySize, settings: Settings) -> dict[str, str]:
    """Return the text files of a project, made small and set to the CPU; line numbers stay."""
    small = dict(files)
    for path, text in patching.matching(files, settings.target.editable).items():
        known = {each.name for each in patching.constants(text)} if path.endswith(".py") else ()
        toy = {name: value for name, value in scale.toy.items() if name in known}
        small[path] = patching.set_constants(text, toy)
    if SETTINGS_FILE in files:
        small[SETTINGS_FILE] = _small_settings(files[SETTINGS_FILE], scale)
    return small


def _small_settings(text: str, scale: ToySize) -> str:
    """Return the settings with the toy's context and device; unchanged where they are no TOML."""
    small: dict[str, dict[str, object]] = {
        "evaluation": {"context": scale.context},
        "training": {"device": "meta" if scale.abstract else "cpu", "threads": scale.threads},
    }
    try:
        document = tomllib.loads(text)
        for section, values in small.items():
            document[section] = {**document.get(section, {}), **values}
        return "".join(f"{json.dumps(key)} = {_toml(value)}\n" for key, value in document.items())
    except (ValueError, TypeError, RecursionError):  # no TOML, or an integer of any length
        return text


def _toml(value: object) -> str:
    if isinstance(value, dict):
        pairs = (f"{json.dumps(str(key))} = {_toml(each)}" for key, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)  # TOML writes numbers, texts and truths as JSON


def write_files(files: Mapping[str, str], tree: Path) -> None:
    """Write text files into a folder; names that leave it are left out."""
    for path, text in files.items():
        if patching.matches(path, ("**",)):
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text, "utf-8", "surrogatepass", newline="")


def write_data(folder: Path, *, vocab: int, context: int) -> int:
    """Write a train split of random text into a new folder; return the bytes of one token.

    The files are those of a corpus: documents begin with the last id, tokens are little-endian.
    """
    folder.mkdir()
    random_source = random.Random(0)  # noqa: S311 - no secret
    size = max(_LEAST_TOKENS, _WINDOWS * (context + 1))
    for shard in range(SHARDS):
        tokens = array("H" if vocab <= 2**16 else "I")
        ends, text = array("Q", [0]), bytearray()
        while len(tokens) < size:
            length = random_source.randint(20, 400)
            tokens.append(vocab - 1)
            tokens.extend(random_source.choices(range(vocab - 1), k=length))
            text += " ".join(random_source.choices(_WORDS, k=length)).encode()
            ends.append(len(text))
        for part, data in (
            ("bin", tokens.tobytes()),
            ("txt", bytes(text)),
            ("idx", ends.tobytes()),
        ):
            (folder / f"{shard:05}.{part}").write_bytes(data)
    return tokens.itemsize
