"""Checks that a corpus is still what `prepare` wrote, and lists why its scores may mean little."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoresearch.corpus.documents import Split
from autoresearch.corpus.files import read_note, write_note
from autoresearch.corpus.ingest import Report
from autoresearch.corpus.manifest import Corpus
from autoresearch.records.text import counted

_CHECKED = "checked.json"
_MUCH = 2**30  # bytes: of more the person is told before they are hashed
# A file that was written just before its check could change again and keep its times: nanoseconds.
_SETTLED = 2 * 10**9
_FEW = 10  # documents of a split: below, one of them decides
_FACTS = {
    "size": "st_size", "mtime_ns": "st_mtime_ns", "ctime_ns": "st_ctime_ns", "inode": "st_ino",
}  # fmt: skip


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
    """Hash again those files that have changed since they were last hashed: mostly none.

    A file counts as unchanged while its size, times and inode are the same. No program can write to
    it and keep its change time; what decays on the disk itself is found by `verify`.

    Args:
        corpus: what is checked.
        tell: called with a line for the person if it will take a while.
        now: nanoseconds since the epoch.

    Raises:
        CorpusError: a file is missing or is not what `prepare` wrote.
    """
    path, known = corpus.directory / _CHECKED, dict[str, object]()
    with suppress(OSError, ValueError):
        known = read_note(path)
    began = now()
    identities = {
        name: _identity(corpus.directory / name, stamp.sha256)
        for name, stamp in corpus.files.items()
    }
    changed = [name for name, identity in identities.items() if known.get(name) != identity]
    if not changed:
        return
    size = sum(corpus.files[name].size for name in changed)
    if size > _MUCH:
        tell(f"checking {size / 2**30:.1f} GiB of the corpus, once after every change")
    corpus.check(changed)
    settled = {
        name: identity
        for name, identity in identities.items()
        if identity["ctime_ns"] < began - _SETTLED
    }
    with suppress(OSError):  # it is hashed again next time
        write_note(path, settled)


def _identity(path: Path, sha256: str) -> dict[str, Any]:
    """Return by what a file is taken for unchanged, and the hash that its bytes should have."""
    facts = None  # of a missing one all numbers are 0
    with suppress(OSError):
        facts = path.stat()
    return {name: getattr(facts, fact, 0) for name, fact in _FACTS.items()} | {"sha256": sha256}


@dataclass(frozen=True)
class Doubt:
    """Why scores on a corpus say little (`said`), and what would help (`mend`)."""

    said: str
    mend: str


def doubts(corpus: Corpus) -> tuple[Doubt, ...]:
    """Return why scores on a corpus say little, as far as there are reasons."""
    reasons, tally = [], corpus.tally
    pieces = tally.documents + tally.empty
    if 0 < tally.read < pieces:
        many = "1 document is" if tally.read == 1 else f"{tally.read:,} documents are"
        said = f"{many} few, and cut into {pieces:,} pieces: val and test are other parts of them"
        mend = "give more documents, or take scores as of these texts only, not of new ones"
        reasons.append(Doubt(said, mend))
    for split in (Split.VAL, Split.TEST):
        held = corpus.counts[split].documents
        if held < _FEW:
            many = counted(held, "document")
            said = f"{split} holds {many}, too few to tell small gains from chance"
            mend = f"give more text, or raise {split}_share under [corpus] in autoresearch.toml"
            reasons.append(Doubt(said, mend))
    return tuple(reasons)
