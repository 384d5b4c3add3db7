"""A corpus on another machine: found there by its fingerprint, or brought, without its test set.

Sealed text goes only into folders that nobody but their owner may read. The test documents stay
where `promote` is typed.
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

PART = 32 * 2**20  # bytes that cross at once
_BROUGHT = "brought"
_STALE_SECONDS = 24 * 3600.0  # after so long nobody is still bringing it


def find(home: Path, fingerprint: str) -> Corpus | None:
    """Return the corpus with this fingerprint among those below a data folder, if it is there."""
    for manifest in (_place(home, fingerprint) / MANIFEST, *home.glob(f"corpora/*/{MANIFEST}")):
        with suppress(CorpusError):
            found = read_manifest(manifest.parent, "")
            if found.fingerprint == fingerprint:
                return found
    return None


def portion(corpus: Corpus) -> Corpus:
    """Return what trials and their scores need of a corpus: everything but the test documents."""
    kept = {name: stamp for name, stamp in corpus.files.items() if not _is_test(name)}
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
    """A corpus that is being brought: whole under its name, or not there at all."""

    def __init__(self, home: Path, corpus: Corpus) -> None:
        """Begin it.

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
        """Put it in its place.

        Raises:
            CorpusError: what came is not what was sent.
            OSError: it cannot be written.
        """
        try:
            self._corpus.check(self._corpus.files)
            write_manifest(self._corpus)
            if not self._place.exists():  # another may have been quicker
                self._incoming.rename(self._place)
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Remove what has come so far, unless it is in its place."""
        shutil.rmtree(self._incoming, ignore_errors=True)


def _place(home: Path, fingerprint: str) -> Path:
    return home / _BROUGHT / fingerprint[:24]


def _is_test(name: str) -> bool:
    return name.startswith(f"sealed/{Split.TEST}.")


def _forget_stale(place: Path) -> None:
    for old in place.parent.glob(f".{place.name}-*"):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
