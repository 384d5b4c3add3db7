"""`prepare`: from a name to a corpus on disk, instant the second time and going on when stopped."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType

from filelock import FileLock, Timeout

from autoresearch.config import CorpusSettings
from autoresearch.corpus.documents import Rules, Split
from autoresearch.corpus.files import Stamp, disk_faults, read_stamp, write_json
from autoresearch.corpus.ingest import Intake, Report, Tally, merged, piece_size
from autoresearch.corpus.manifest import FORMAT, MANIFEST, Corpus, read_manifest, write_manifest
from autoresearch.corpus.shards import Counts, ShardWriter, write_sealed
from autoresearch.corpus.sources import Source, find_source
from autoresearch.corpus.tokenizer import PATTERN, Tokenizer, load_tokenizer, train_tokenizer
from autoresearch.errors import CorpusError

_BUILDING = "building"
_MAX_SHARDS = 80  # a training process receives three descriptors a shard, at most 250 at once


@dataclass
class _Survey:
    """What one pass over the merged documents finds."""

    counts: dict[Split, Counts] = field(default_factory=lambda: dict.fromkeys(Split, Counts()))
    held_out: dict[Split, list[bytes]] = field(
        default_factory=lambda: {Split.VAL: [], Split.TEST: []}
    )
    dropped: int = 0
    digest: str = ""


def prepare(
    source: str,
    settings: CorpusSettings,
    home: Path,
    *,
    report: Report,
    rules: Rules | None = None,
    run_bytes: int = 64 * 2**20,
) -> Corpus:
    """Return the corpus of a source, making it unless it is there.

    Args:
        source: ``stdlib``, ``climbmix``, ``tinystories``, ``hf:NAME[:CONFIG]`` or a path.
        settings: shares, vocabulary and cap.
        home: corpora are kept below it.
        report: told (stage, done, total or None), often.
        rules: in place of those that follow from the settings.
        run_bytes: text held in memory at once; also what an interruption may cost.

    Raises:
        CorpusError: no such source, nothing in it, no network, a full disk, damaged text.
    """
    with disk_faults(home):
        found = find_source(source)
        rules = rules or rules_of(settings)
        signature = _signature(found, rules, settings.vocab_size)
        directory = home / "corpora" / f"{_folder_name(found.name)}-{signature[:12]}"
        ready = _ready(directory)
        if ready is not None:
            return ready
        directory.parent.mkdir(parents=True, exist_ok=True)
        with _alone(directory, report):
            return _ready(directory) or _Building(
                source, found, rules, settings.vocab_size, directory, run_bytes, _Throttle(report)
            ).finish(signature)


def rules_of(settings: CorpusSettings) -> Rules:
    """Return the rules that follow from a project's settings."""
    cap = int(settings.max_mib * 2**20)
    return Rules(settings.val_share, settings.test_share, max_bytes=cap)


class _Throttle:
    """Passes on a thousand reports of each stage at most: there may be one for every document."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last: tuple[str, int] = ("", 0)

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        step = (total or 0) // 1000
        if stage != self._last[0] or done - self._last[1] >= step or done == total:
            self._last = (stage, done)
            self._report(stage, done, total)


@dataclass(frozen=True)
class _Building:
    """One corpus in the making; every step takes up what an interrupted one left whole."""

    spec: str
    source: Source
    rules: Rules
    vocab_size: int
    directory: Path
    run_bytes: int
    report: Report

    @property
    def work(self) -> Path:
        return self.directory / _BUILDING

    def finish(self, signature: str) -> Corpus:
        (self.directory / MANIFEST).unlink(missing_ok=True)
        for path, mode in ((self.work, 0o700), (self.directory / "sealed", 0o700)):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(mode)
        for path in (self.directory / "train", self.work / "shards"):
            path.mkdir(exist_ok=True)
        tally, runs = self.ingest()
        survey = self.survey(runs, tally.bytes)
        tokenizer = self.tokenizer(runs)
        files, train = self.shards(runs, tokenizer, survey)
        files |= self.seal(survey)
        corpus = Corpus(
            name=self.source.name,
            signature=signature,
            fingerprint=self.fingerprint(tokenizer, survey),
            directory=self.directory,
            vocab_size=self.vocab_size,
            counts=MappingProxyType(self.count_tokens(tokenizer, survey, train)),
            tally=tally,
            duplicates=tally.documents - survey.dropped - _documents(survey),
            dropped=survey.dropped,
            files=MappingProxyType(files),
        )
        self.publish(corpus)
        return corpus

    def ingest(self) -> tuple[Tally, list[Path]]:
        """Read the source into runs; nothing is read again that a run already holds."""
        self.report("checking", 0, None)
        intake = Intake(self.work, self.rules, self.piece(), self.run_bytes)
        if not intake.complete:
            intake.read(self.source, self.report)
            if find_source(self.spec).signature != self.source.signature:
                shutil.rmtree(self.work)
                msg = f"{self.spec} changed while it was read: run `autoresearch prepare` again"
                raise CorpusError(msg)
        return intake.tally, [run.path for run in intake.runs]

    def piece(self) -> int | None:
        """Return the piece size, decided once: runs cut in two ways would not fit together."""
        path = self.work / "pieces.json"
        try:
            found = json.loads(path.read_bytes())["size"]
        except (OSError, ValueError, KeyError, TypeError):
            found = piece_size(self.source, self.rules)
            write_json(path, {"size": found})
        return int(found) if found else None

    def documents(self, runs: list[Path], split: Split) -> Iterator[bytes]:
        for key, data in merged(runs):
            if self.rules.split(key, len(data)) is split:
                yield data

    def survey(self, runs: list[Path], total: int) -> _Survey:
        """Count and hash every document, and keep those of val and test."""
        found, digests, done = _Survey(), {split: hashlib.sha256() for split in Split}, 0
        for key, data in merged(runs):
            done += len(data)
            self.report("splitting", done, total)
            split = self.rules.split(key, len(data))
            if split is not Split.TRAIN:
                if found.counts[split].bytes >= self.rules.held_out:
                    found.dropped += 1
                    continue
                found.held_out[split].append(data)
            found.counts[split] += Counts(1, len(data))
            digests[split].update(hashlib.sha256(data).digest())
        found.digest = "".join(digests[split].hexdigest() for split in Split)
        self.refuse_empty(found)
        return found

    def refuse_empty(self, survey: _Survey) -> None:
        empty = [split for split in Split if not survey.counts[split].documents]
        if len(empty) == len(Split):
            msg = f"no text in {self.spec}: nothing that could be read as UTF-8 documents"
            raise CorpusError(msg)
        if empty:
            left = f"its documents ({_documents(survey)}) leave none for {' and '.join(empty)}"
            msg = f"too little text in {self.spec}: {left}; add text or raise the shares"
            raise CorpusError(msg)

    def tokenizer(self, runs: list[Path]) -> Tokenizer:
        """Train on the first documents of train: in key order they are a fair sample."""
        path, note = self.directory / "tokenizer.json", self.work / "tokenizer.json"
        with suppress(OSError, ValueError, TypeError):
            if read_stamp(path) == Stamp(**json.loads(note.read_bytes())):
                return load_tokenizer(path)
        self.report("tokenizer", 0, None)
        tokenizer = train_tokenizer(self.sample(runs), self.vocab_size)
        for stale in (self.work / "shards").iterdir():
            stale.unlink()  # notes on shards in another tokenizer's ids
        write_json(note, asdict(tokenizer.save(path)))
        return tokenizer

    def sample(self, runs: list[Path]) -> Iterator[bytes]:
        taken = 0
        for data in self.documents(runs, Split.TRAIN):
            yield data
            taken += len(data)
            if taken >= self.rules.tokenizer_sample:
                return

    def shards(
        self, runs: list[Path], tokenizer: Tokenizer, survey: _Survey
    ) -> tuple[dict[str, Stamp], Counts]:
        total = survey.counts[Split.TRAIN].bytes
        limit = max(self.rules.shard_tokens, total // _MAX_SHARDS)
        train = self.directory / "train"
        writer = ShardWriter(train, self.work / "shards", tokenizer, limit)
        done = writer.counts.bytes
        self.report("encoding", done, total)
        for more in writer.write(self.documents(runs, Split.TRAIN)):
            done += more
            self.report("encoding", done, total)
        stamps = [pair for shard in writer.shards for pair in shard.files.items()]
        return {f"train/{name}": stamp for name, stamp in stamps}, writer.counts

    def seal(self, survey: _Survey) -> dict[str, Stamp]:
        files = {"tokenizer.json": read_stamp(self.directory / "tokenizer.json")}
        for split, documents in survey.held_out.items():
            written = write_sealed(self.directory / "sealed", split, documents)
            files |= {f"sealed/{name}": stamp for name, stamp in written.items()}
        return files

    def count_tokens(
        self, tokenizer: Tokenizer, survey: _Survey, train: Counts
    ) -> dict[Split, Counts]:
        counts = {Split.TRAIN: train}
        for split, documents in survey.held_out.items():
            tokens = sum(1 + len(ids) for ids in tokenizer.encode_batch(documents))
            counts[split] = survey.counts[split] + Counts(tokens=tokens)
        return counts

    def fingerprint(self, tokenizer: Tokenizer, survey: _Survey) -> str:
        """Hash whatever a score depends on: the documents in order, the rules, the tokens."""
        digest = hashlib.sha256()
        parts = [FORMAT, self.rules.describe(), tokenizer.pattern, tokenizer.bos, survey.digest]
        digest.update(json.dumps(parts, sort_keys=True).encode())
        for token in tokenizer.table:
            digest.update(len(token).to_bytes(4, "little") + token)
        return digest.hexdigest()

    def publish(self, corpus: Corpus) -> None:
        for path in [*(self.directory / "train").iterdir(), *(self.directory / "sealed").iterdir()]:
            if path.relative_to(self.directory).as_posix() not in corpus.files:
                path.unlink()  # what a kill left behind
        write_manifest(corpus)
        shutil.rmtree(self.work)


def _documents(survey: _Survey) -> int:
    return sum(counts.documents for counts in survey.counts.values())


def _ready(directory: Path) -> Corpus | None:
    if not (directory / MANIFEST).is_file():
        return None
    try:
        return read_manifest(directory)
    except CorpusError:
        return None  # damaged: it is made again


def _signature(source: Source, rules: Rules, vocab_size: int) -> str:
    parts = [FORMAT, PATTERN, source.signature, rules.describe(), vocab_size]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _folder_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-").lower()[:40] or "corpus"


@contextmanager
def _alone(directory: Path, report: Report) -> Iterator[None]:
    """Wait until no other `prepare` makes this corpus; the system frees a dead one's lock."""
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
