"""Where text comes from: a name or a path becomes a Source, which is read in a fixed order."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from autoresearch.corpus.documents import Flaw
from autoresearch.corpus.hub import HubSource
from autoresearch.corpus.library import library_source
from autoresearch.corpus.local import local_source
from autoresearch.errors import CorpusError
from autoresearch.records.known_corpora import KNOWN_CORPORA


class Reader(Protocol):
    """One pass over a source. `state` says where it is after the document last yielded."""

    def __iter__(self) -> Iterator[bytes | Flaw]: ...

    @property
    def guessed(self) -> Mapping[str, str]:
        """The columns taken for the text so far though nobody named them, and a file of each."""
        ...

    def state(self) -> str:
        """Return the place to go on from, as JSON that `Source.open` takes."""
        ...


class Source(Protocol):
    """A place with text. Two sources with one `signature` give the same documents."""

    @property
    def name(self) -> str:
        """A short name, fit for a folder."""
        ...

    @property
    def spec(self) -> str:
        """The text by which `find_source` finds it again, from any folder."""
        ...

    @property
    def text_column(self) -> str:
        """The column of the text that a person named; empty to look for it."""
        ...

    @property
    def unread(self) -> str:
        """What is there and is not read, in words; empty if there is nothing."""
        ...

    @property
    def signature(self) -> str:
        """A text that changes with what the text depends on, found without reading that."""
        ...

    @property
    def total(self) -> int | None:
        """About how many bytes of text there are; None if that is not known before reading."""
        ...

    def open(self, state: str | None) -> Reader:
        """Return a reader from the start, or from where `state` was taken."""
        ...


def find_source(spec: str, text_column: str = "") -> Source:
    """Return the source that a person named.

    Args:
        spec: one of `KNOWN_CORPORA`, ``hf:NAME[:CONFIG]`` or a path.
        text_column: the column of the text in files of records; empty to look for it.

    Raises:
        CorpusError: there is no such source, or it holds no text.
    """
    if spec == "stdlib":
        return library_source()
    if (known := KNOWN_CORPORA.get(spec)) and known.dataset:
        return HubSource(spec, known.dataset, text_column=text_column)
    if spec.startswith("hf:") and spec != "hf:":
        name, _, config = spec[3:].partition(":")
        return HubSource(name, name, config or None, text_column)
    path = Path(spec).expanduser()
    if spec.strip() and path.exists():
        return local_source(path.resolve(), text_column)
    near = difflib.get_close_matches(spec, KNOWN_CORPORA, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    msg = f"no corpus named {spec!r}: give {', '.join(KNOWN_CORPORA)}, hf:NAME or a path{hint}"
    raise CorpusError(msg)
