"""A prepared corpus: its manifest.json, how it is loaded, and how it is checked."""

import json
import shlex
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from autoresearch.corpus.documents import Split
from autoresearch.corpus.files import (
    Stamp,
    disk_faults,
    first_damaged,
    read_note,
    write_json,
    write_note,
)
from autoresearch.corpus.ingest import Tally
from autoresearch.corpus.shards import Counts, read_sealed, stamps_json, token_bytes
from autoresearch.corpus.sources import Source
from autoresearch.corpus.tokenizer import Tokenizer, load_tokenizer
from autoresearch.errors import CorpusError
from autoresearch.records.scores import Document

FORMAT = 1
MANIFEST = "manifest.json"
_PREPARE = "autoresearch prepare"

# The keys of a manifest in older versions, which did not hash the manifest itself.
_UNHASHED = {
    *("format", "name", "signature", "fingerprint", "vocab_size", "bos", "token_bytes"),
    *("counts", "tally", "duplicates", "dropped", "files"),
}

LIBRARY = "stdlib"  # the name of the corpus whose text is on every machine


@dataclass(frozen=True)
class Corpus:
    """The text, split once. Two corpora with one fingerprint give comparable scores.

    `counts` has one entry for each Split; `tally` says what was read; `duplicates` and `dropped`
    count documents left out as copies and as beyond what val and test hold; `files` has the stamp
    of every file by its path below `directory`; `command` is the one that makes it (empty in
    corpora of older versions).
    """

    name: str
    signature: str
    fingerprint: str
    directory: Path
    vocab_size: int
    counts: MappingProxyType[Split, Counts]
    tally: Tally
    duplicates: int
    dropped: int
    files: MappingProxyType[str, Stamp]
    command: str = ""

    @property
    def bos(self) -> int:
        """The id that precedes every document: the last one."""
        return self.vocab_size - 1

    @property
    def token_bytes(self) -> int:
        """Bytes of one token in the shards."""
        return token_bytes(self.vocab_size)

    @property
    def lies_open(self) -> bool:
        """Whether its text is on every machine, sealed or not: it is Python's library."""
        return self.name == LIBRARY

    def train_files(self) -> tuple[Path, ...]:
        """Return the files a training process may see, in name order."""
        names = sorted(name for name in self.files if name.startswith("train/"))
        return tuple(self.directory / name for name in names)

    def val(self) -> tuple[Document, ...]:
        """Return the sealed validation documents.

        Raises:
            CorpusError: they are not what `prepare` wrote.
        """
        return self._sealed(Split.VAL)

    def test(self) -> tuple[Document, ...]:
        """Return the sealed test documents.

        Raises:
            CorpusError: they are not what `prepare` wrote.
        """
        return self._sealed(Split.TEST)

    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer trained on the train split.

        Raises:
            CorpusError: it is not what `prepare` wrote.
        """
        self.check(("tokenizer.json",))
        return load_tokenizer(self.directory / "tokenizer.json")

    def check(
        self, names: Iterable[str], report: Callable[[int], None] = lambda _done: None
    ) -> None:
        """Hash files again, by their names in `files`; `report` gets the bytes read so far.

        Raises:
            CorpusError: one is missing or is not what `prepare` wrote.
        """
        stamps = {name: self.files[name] for name in names}
        name = first_damaged(self.directory, stamps, report)
        if name is not None:
            msg = f"{self.directory / name} is missing or damaged: {again(self.command, self.name)}"
            raise CorpusError(msg)

    def _sealed(self, split: Split) -> tuple[Document, ...]:
        # A score rests on these few megabytes: they are hashed every time.
        self.check((f"sealed/{split}.docs", f"sealed/{split}.idx"))
        return tuple(Document(data) for data in read_sealed(self.directory / "sealed", split))


def command_for(source: Source) -> str:
    """Return the command that prepares a source, as a person types it."""
    named = [] if source.spec == LIBRARY else ["--corpus", source.spec]
    column = ["--text-column", source.text_column] if source.text_column else []
    return shlex.join([*_PREPARE.split(), *named, *column])


def again(command: str, name: str) -> str:
    """Return what to do about a corpus that cannot be used; `command` is empty if not known."""
    return f"run `{command or (_PREPARE if name == LIBRARY else f'{_PREPARE} --corpus …')}` again"


def write_manifest(corpus: Corpus) -> None:
    """Write manifest.json: from then on the corpus exists."""
    write_note(
        corpus.directory / MANIFEST,
        {
            "format": FORMAT,
            "name": corpus.name,
            "signature": corpus.signature,
            "fingerprint": corpus.fingerprint,
            "vocab_size": corpus.vocab_size,
            "bos": corpus.bos,
            "token_bytes": corpus.token_bytes,
            "counts": {split: asdict(counts) for split, counts in corpus.counts.items()},
            "tally": asdict(corpus.tally),
            "duplicates": corpus.duplicates,
            "dropped": corpus.dropped,
            "files": stamps_json(dict(corpus.files)),
            "command": corpus.command,
        },
    )


def read_manifest(directory: Path, mend: str) -> Corpus:
    """Return the corpus in a directory, after checking that every file has its size.

    Args:
        directory: where it is.
        mend: what to do if it cannot be used, the end of a message.

    Raises:
        CorpusError: there is none, it is damaged, or it is of a newer version.
    """
    path, what = directory / MANIFEST, f"the corpus in {directory}"
    fields = _read_object(path, what, mend)
    try:
        if fields.keys() != _UNHASHED:
            fields = read_note(path)
        corpus = _corpus(directory, fields)
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        msg = f"{what} is damaged at {MANIFEST}: {mend}"
        raise CorpusError(msg) from fault
    for name, stamp in corpus.files.items():
        path = directory / name
        if not path.is_file() or path.stat().st_size != stamp.size:
            msg = f"{what} is damaged at {name}: {mend}"
            raise CorpusError(msg)
    return corpus


def write_pointer(path: Path, corpus: Corpus) -> None:
    """Write a project's corpus.json, which names its corpus."""
    place = str(corpus.directory.resolve())
    head = {"format": FORMAT, "name": corpus.name, "fingerprint": corpus.fingerprint}
    with disk_faults(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {**head, "path": place, "command": corpus.command})


def load(pointer: Path) -> Corpus:
    """Return the corpus that a project's corpus.json names; reads the manifest only.

    Raises:
        CorpusError: nothing is prepared yet, or what is there is missing, damaged or another.
    """
    if not pointer.is_file():
        msg = "no corpus yet: run `autoresearch prepare`"
        raise CorpusError(msg)
    fields = _read_object(pointer, str(pointer), f"run `{_PREPARE}` again")
    mend = again(str(fields.get("command", "")), str(fields.get("name", "")))
    if not isinstance(fields.get("path"), str):
        msg = f"{pointer} is damaged: {mend}"
        raise CorpusError(msg)
    directory = Path(fields["path"])
    if not (directory / MANIFEST).is_file():
        msg = f"the corpus is no longer in {directory}: {mend}"
        raise CorpusError(msg)
    corpus = read_manifest(directory, mend)
    if corpus.fingerprint != fields.get("fingerprint"):
        msg = f"the corpus in {directory} is not the one this project prepared: {mend}"
        raise CorpusError(msg)
    return corpus


def _read_object(path: Path, what: str, mend: str) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_bytes())
    except (OSError, ValueError) as fault:
        msg = f"{what} is missing or damaged: {mend}"
        raise CorpusError(msg) from fault
    if not isinstance(fields, dict) or not isinstance(fields.get("format"), int):
        msg = f"{what} is damaged: {mend}"
        raise CorpusError(msg)
    if fields["format"] > FORMAT:
        msg = f"{what} was made by a newer autoresearch: upgrade, or {mend}"
        raise CorpusError(msg)
    return fields


def _corpus(directory: Path, fields: dict[str, Any]) -> Corpus:
    counts = {split: Counts(**fields["counts"][split]) for split in Split}
    files = {name: Stamp(**stamp) for name, stamp in fields["files"].items()}
    return Corpus(
        name=str(fields["name"]),
        signature=str(fields["signature"]),
        fingerprint=str(fields["fingerprint"]),
        directory=directory,
        vocab_size=int(fields["vocab_size"]),
        counts=MappingProxyType(counts),
        tally=Tally(**fields["tally"]),
        duplicates=int(fields["duplicates"]),
        dropped=int(fields["dropped"]),
        files=MappingProxyType(files),
        command=str(fields.get("command", "")),
    )
