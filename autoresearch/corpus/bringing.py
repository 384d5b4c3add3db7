"""A corpus on another machine: found there by its fingerprint, or copied without its test split.

Sealed text goes only into folders that nobody but their owner may read. The test documents stay on
the machine where `promote` is typed.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from autoresearch.corpus.documents import Split
from autoresearch.corpus.manifest import MANIFEST, Corpus, read_manifest, write_manifest
from autoresearch.errors import CorpusError

PART = 32 * 2**20  # bytes that are sent at once
_BROUGHT = "brought"
_STALE_SECONDS = 24 * 3600.0  # after so long an unfinished copy is taken for abandoned


def find(home: Path, fingerprint: str) -> Corpus | None:
    """Return the corpus with this fingerprint below a data folder; None if it is not there."""
    for manifest in (_place(home, fingerprint) / MANIFEST, *home.glob(f"corpora/*/{MANIFEST}")):
        with suppress(CorpusError):
            corpus = read_manifest(manifest.parent, "")
            if corpus.fingerprint == fingerprint:
                return corpus
    return None


def portion(corpus: Corpus) -> Corpus:
    """Return a corpus without its test documents: what trials and their scores need of it."""
    tests = f"sealed/{Split.TEST}."
    kept = {name: stamp for name, stamp in corpus.files.items() if not name.startswith(tests)}
    return replace(corpus, files=MappingProxyType(kept))


def parts(corpus: Corpus) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a corpus in parts: the name, and the bytes that come next.

    Raises:
        OSError: one cannot be read.
    """
    for name in corpus.files:
        with (corpus.directory / name).open("rb") as file:
            yield name, file.read(PART)
            while data := file.read(PART):
                yield name, data


class Arrival:
    """A corpus that is being copied to this machine: it appears whole, or not at all."""

    def __init__(self, home: Path, corpus: Corpus) -> None:
        """Begin to receive it.

        Raises:
            OSError: the folder cannot be made.
        """
        place = _place(home, corpus.fingerprint)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.parent.chmod(0o700)
        _forget_stale(place)
        self._place = place
        self._incoming = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        self._corpus = replace(corpus, directory=self._incoming)

    def add(self, name: str, data: bytes) -> None:
        """Append to a file, by its name in the corpus.

        Raises:
            OSError: it cannot be written.
        """
        path = self._incoming / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("ab") as file:
            path.chmod(0o600)
            file.write(data)

    def finish(self) -> None:
        """Check what has come, and move it to its place.

        Raises:
            CorpusError: what came is not what was sent.
            OSError: it cannot be written.
        """
        try:
            self._corpus.check(self._corpus.files)
            write_manifest(self._corpus)
            if not self._place.exists():  # another process may have finished first
                self._incoming.rename(self._place)
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Remove what has come so far, unless it is in its place."""
        shutil.rmtree(self._incoming, ignore_errors=True)


def _place(home: Path, fingerprint: str) -> Path:
    return home / _BROUGHT / fingerprint[:24]


def _forget_stale(place: Path) -> None:
    for old in place.parent.glob(f".{place.name}-*"):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
