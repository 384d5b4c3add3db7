"""`prepare`: the corpus that a name stands for is made, resumed, or checked if it is there."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from autoresearch.config import CorpusSettings
from autoresearch.corpus.building import Building, Tell
from autoresearch.corpus.checking import verify
from autoresearch.corpus.documents import Rules
from autoresearch.corpus.files import disk_faults
from autoresearch.corpus.ingest import Report
from autoresearch.corpus.manifest import (
    FORMAT,
    MANIFEST,
    Corpus,
    command_for,
    read_manifest,
    write_manifest,
)
from autoresearch.corpus.sources import Source, find_source
from autoresearch.corpus.tokenizer import PATTERN
from autoresearch.errors import CorpusError


def prepare(
    source: str,
    settings: CorpusSettings,
    home: Path,
    *,
    report: Report,
    tell: Tell = lambda _line: None,
    text_column: str = "",
    rules: Rules | None = None,
    run_bytes: int = 64 * 2**20,
) -> Corpus:
    """Return the corpus of a source; make it unless it is there, every byte as it was written.

    Args:
        source: as `find_source` takes it: a known name, ``hf:NAME[:CONFIG]`` or a path.
        settings: shares, vocabulary and cap.
        home: corpora are kept below it.
        report: called often with (stage, done, total or None).
        tell: called with lines for the person: what is not read, guessed, or made again.
        text_column: the column of the text in files of records; empty to look for it.
        rules: in place of those that follow from the settings.
        run_bytes: text held in memory at once; an interruption costs no more than this.

    Raises:
        CorpusError: no such source, nothing in it, no network, a full disk, damaged text.
    """
    with disk_faults(home):
        text_source, report = find_source(source, text_column), _Throttle(report)
        if text_source.unread:
            tell(f"not read: {text_source.unread}")
        rules = rules or rules_of(settings)
        signature = _signature(text_source, rules, settings.vocab_size)
        directory = home / "corpora" / f"{_folder_name(text_source.name)}-{signature[:12]}"
        ready = _ready(directory, text_source, report, tell)
        if ready is not None:
            return ready
        directory.parent.mkdir(parents=True, exist_ok=True)
        with _alone(directory, report):
            return _ready(directory, text_source, report, lambda _line: None) or Building(
                text_source, rules, settings.vocab_size, directory, run_bytes, report, tell
            ).finish(signature)


def rules_of(settings: CorpusSettings) -> Rules:
    """Return the rules that follow from a project's settings."""
    cap = int(settings.max_mib * 2**20)
    return Rules(settings.val_share, settings.test_share, max_bytes=cap)


class _Throttle:
    """Passes on at most a thousand reports of each stage: there may be one for every document."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last: tuple[str, int] = ("", 0)

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        step = (total or 0) // 1000
        if stage != self._last[0] or done - self._last[1] >= step or done == total:
            self._last = (stage, done)
            self._report(stage, done, total)


def _ready(directory: Path, source: Source, report: Report, tell: Tell) -> Corpus | None:
    """Return the corpus if it is there and whole; None if it is to be made (again)."""
    if not (directory / MANIFEST).is_file():
        return None
    try:
        ready = read_manifest(directory, "")
        verify(ready, report)
    except CorpusError as fault:
        tell(f"{str(fault).rpartition(': ')[0]}; it is made again")
        return None
    if not ready.command:  # of an older version, whose manifests were not hashed
        ready = replace(ready, command=command_for(source))
        with suppress(OSError):
            write_manifest(ready)
    return ready


def _signature(source: Source, rules: Rules, vocab_size: int) -> str:
    parts = [FORMAT, PATTERN, source.signature, rules.describe(), vocab_size]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _folder_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-").lower()[:40] or "corpus"


@contextmanager
def _alone(directory: Path, report: Report) -> Iterator[None]:
    """Hold the corpus's lock, so that no other `prepare` makes it meanwhile; wait for it if needed.

    The system frees the lock of a process that died.
    """
    lock = FileLock(f"{directory}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report("waiting", 0, None)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
