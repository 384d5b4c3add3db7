"""Whether a corpus is still, to the bit, what `prepare` wrote."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from autoresearch.corpus.documents import Split
from autoresearch.corpus.files import read_note, write_note
from autoresearch.corpus.ingest import Report
from autoresearch.corpus.manifest import Corpus
from autoresearch.records.text import counted

_CHECKED = "checked.json"
_MUCH = 2**30  # bytes that are not hashed without a word
# A file written within the clock's tick of its check could change again and keep its times.
_SETTLED = 2 * 10**9
_FEW = 10  # documents of a split: below, one of them decides


def verify(corpus: Corpus, report: Report = lambda *_: None) -> None:
    """Hash every file of the corpus again.

    Raises:
        CorpusError: one is missing or is not what `prepare` wrote.
    """
    total = sum(stamp.size for stamp in corpus.files.values())
    corpus.check(corpus.files, lambda done: report("checking", done, total))


def verify_changed(
    corpus: Corpus, tell: Callable[[str], None], now: Callable[[], int] = time.time_ns
) -> None:
    """Hash again what the system has touched since it was last hashed: before a night, in a moment.

    A file's size, times and inode stand for its bytes. No program can write to it and keep its
    change time; what decays on the disk itself is found by `verify`.

    Args:
        corpus: it.
        tell: told in a line if that will take a while.
        now: nanoseconds since the epoch.

    Raises:
        CorpusError: a file is missing or is not what `prepare` wrote.
    """
    path, known = corpus.directory / _CHECKED, dict[str, object]()
    with suppress(OSError, ValueError):
        known = read_note(path)
    began = now()
    found = {
        name: _identity(corpus.directory / name, stamp.sha256)
        for name, stamp in corpus.files.items()
    }
    left = [name for name, identity in found.items() if known.get(name) != identity]
    if not left:
        return
    size = sum(corpus.files[name].size for name in left)
    if size > _MUCH:
        tell(f"checking {size / 2**30:.1f} GiB of the corpus, once after every change")
    corpus.check(left)
    settled = {
        name: identity
        for name, identity in found.items()
        if identity["ctime_ns"] < began - _SETTLED
    }
    with suppress(OSError):  # it is hashed again next time
        write_note(path, settled)


class _Identity(TypedDict):
    """What stands for a file's bytes; `sha256` is what they should come to."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    sha256: str


def _identity(path: Path, sha256: str) -> _Identity:
    """Return a file's identity now; a missing one has nobody's."""
    try:
        found = path.stat()
    except OSError:
        return _Identity(size=0, mtime_ns=0, ctime_ns=0, inode=0, sha256=sha256)
    return _Identity(
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        ctime_ns=found.st_ctime_ns,
        inode=found.st_ino,
        sha256=sha256,
    )


@dataclass(frozen=True)
class Doubt:
    """Why scores on a corpus say little, and what would help."""

    said: str
    mend: str


def doubts(corpus: Corpus) -> tuple[Doubt, ...]:
    """Return what a person should know before they believe scores on a corpus."""
    found, tally = [], corpus.tally
    pieces = tally.documents + tally.empty
    if 0 < tally.read < pieces:
        many = "1 document is" if tally.read == 1 else f"{tally.read:,} documents are"
        said = f"{many} few, and cut into {pieces:,} pieces: val and test are other parts of them"
        mend = "give more documents, or take scores as of these texts only, not of new ones"
        found.append(Doubt(said, mend))
    for split in (Split.VAL, Split.TEST):
        held = corpus.counts[split].documents
        if held < _FEW:
            many = counted(held, "document")
            said = f"{split} holds {many}, too few to tell small gains from chance"
            mend = f"give more text, or raise {split}_share under [corpus] in autoresearch.toml"
            found.append(Doubt(said, mend))
    return tuple(found)
