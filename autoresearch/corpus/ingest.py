"""Reads a source into sorted run files: the half of `prepare` that can take hours.

Documents are gathered in memory, sorted by key and written to disk as a run, with a note of where
the source was. Merging the runs gives all documents in the order of their keys, which shuffles them
and brings duplicates together, with the memory of one run.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from autoresearch.corpus.documents import Flaw, Rules, cut, document_key
from autoresearch.corpus.files import Stamp, read_note, read_stamp, write_note, write_safely
from autoresearch.corpus.sources import Reader, Source

Report = Callable[[str, int, int | None], None]
_MAX_RUNS = 128  # merged at once, each an open file
_BUFFER = 256 * 2**10
_KEY = 32  # bytes of SHA-256
_LENGTH = 8


@dataclass(frozen=True)
class Tally:
    """What was read: documents and bytes taken, and what was left out and why.

    `documents` counts pieces where documents were cut, `read` the documents before that; 0 in
    corpora of older versions.
    """

    documents: int = 0
    bytes: int = 0
    read: int = 0
    empty: int = 0
    not_utf8: int = 0
    malformed: int = 0
    binary: int = 0
    no_column: int = 0

    @property
    def left_out(self) -> dict[str, int]:
        """How much was left out, by the reason."""
        every = {
            "not UTF-8": self.not_utf8,
            "binary": self.binary,
            "malformed": self.malformed,
            "records without a text column": self.no_column,
            "empty": self.empty,
        }
        return {why: number for why, number in every.items() if number}


@dataclass(frozen=True)
class Run:
    """One sorted run file; `state` and `tally` are the source's after its last document."""

    path: Path
    stamp: Stamp
    state: str
    tally: Tally
    complete: bool


class Intake:
    """Turns documents into sorted runs, going on after the runs that are there already."""

    def __init__(self, directory: Path, rules: Rules, piece: int | None, run_bytes: int) -> None:
        self._directory = directory
        self._rules = rules
        self._piece = piece
        self._run_bytes = max(run_bytes, rules.max_bytes // _MAX_RUNS)
        self._held: list[tuple[bytes, bytes]] = []
        self._held_bytes = 0
        self.runs = _finished_runs(directory)
        self._sums = Counter(asdict(self.tally))

    @property
    def tally(self) -> Tally:
        """What was read into the runs on disk."""
        return self.runs[-1].tally if self.runs else Tally()

    @property
    def complete(self) -> bool:
        """Whether the source was read to its end (or to the cap)."""
        return bool(self.runs) and self.runs[-1].complete

    def read(self, source: Source, report: Report) -> Mapping[str, str]:
        """Read what is left of the source, reporting bytes read of the bytes there are.

        Returns the columns taken for the text though nobody named them, and a file of each.
        """
        cap = self._rules.max_bytes
        total = min(cap, source.total or cap)
        reader = source.open(self.runs[-1].state if self.runs else None)
        report("reading", self._sums["bytes"], total)
        for document in reader:
            self._take(document)
            if self._sums["bytes"] >= cap:
                break
            if self._held_bytes >= self._run_bytes:
                self._flush(reader, complete=False)
            report("reading", self._sums["bytes"], total)
        self._flush(reader, complete=True)
        return reader.guessed

    def _take(self, document: bytes | Flaw) -> None:
        if isinstance(document, Flaw):
            self._sums[document.value] += 1
            return
        self._sums["read"] += 1
        for piece in cut(document, self._piece) if self._piece else [document]:
            if not piece.decode().strip():
                self._sums["empty"] += 1
                continue
            self._held.append((document_key(piece), piece))
            self._held_bytes += len(piece)
            self._sums["documents"] += 1
            self._sums["bytes"] += len(piece)

    def _flush(self, reader: Reader, *, complete: bool) -> None:
        path = self._directory / f"{len(self.runs):05}.run"
        held = sorted(self._held)
        records = (key + len(data).to_bytes(_LENGTH, "little") + data for key, data in held)
        run = Run(path, write_safely(path, records), reader.state(), Tally(**self._sums), complete)
        note = asdict(run)
        del note["path"]
        write_note(path.with_suffix(".json"), note)
        self.runs.append(run)
        self._held, self._held_bytes = [], 0


def piece_size(source: Source, rules: Rules) -> int | None:
    """Return the size of the pieces to cut documents into; None if there are enough documents.

    Looks at the source's beginning only: at most `rules.look` bytes.
    """
    seen = fit = 0
    for document in source.open(None):
        if isinstance(document, Flaw):
            continue
        seen += len(document)
        fit += len(document) <= rules.oversize
        if fit >= rules.few:
            return None
        if seen >= min(rules.look, rules.max_bytes):
            seen = max(seen, min(source.total or rules.max_bytes, rules.max_bytes))
            break
    return rules.piece_size(seen)


def merged(paths: list[Path]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, document) in the order of keys; of duplicates only the first."""
    last = b""
    for key, data in heapq.merge(*map(_read_run, paths)):
        if key != last:
            last = key
            yield key, data


def _read_run(path: Path) -> Iterator[tuple[bytes, bytes]]:
    with path.open("rb", buffering=_BUFFER) as file:
        while key := file.read(_KEY):
            yield key, file.read(int.from_bytes(file.read(_LENGTH), "little"))


def _finished_runs(directory: Path) -> list[Run]:
    """Return the runs an interrupted `prepare` left whole, up to the first that is not."""
    runs: list[Run] = []
    while (run := _read_note(directory / f"{len(runs):05}.run")) is not None:
        runs.append(run)
    return runs


def _read_note(path: Path) -> Run | None:
    try:
        note = read_note(path.with_suffix(".json"))
        stamp, tally = Stamp(**note["stamp"]), Tally(**note["tally"])
        run = Run(path, stamp, note["state"], tally, note["complete"])
        return run if read_stamp(path) == stamp else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
