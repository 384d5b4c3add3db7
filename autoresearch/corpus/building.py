"""Makes one corpus: reads the text, splits, tokenizes and seals it, then writes the manifest."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from autoresearch.corpus.documents import LEAST, Rules, Split, draw
from autoresearch.corpus.files import Stamp, read_note, read_stamp, write_note
from autoresearch.corpus.ingest import Intake, Report, Tally, merged, piece_size
from autoresearch.corpus.manifest import (
    FORMAT,
    MANIFEST,
    Corpus,
    again,
    command_for,
    write_manifest,
)
from autoresearch.corpus.shards import Counts, ShardWriter, write_sealed
from autoresearch.corpus.sources import Source, find_source
from autoresearch.corpus.tokenizer import Tokenizer, load_tokenizer, train_tokenizer
from autoresearch.errors import CorpusError

Tell = Callable[[str], None]
_WORK = "building"
_MAX_SHARDS = 80  # a training process receives three descriptors a shard, at most 250 at once


@dataclass
class _Survey:
    """What one pass over the merged documents finds out.

    `counts` has the sizes of each split, `held_out` the documents of val and test, `dropped` how
    many were too many for them; `digest` is a hash of all documents in order.
    """

    counts: dict[Split, Counts] = field(default_factory=lambda: dict.fromkeys(Split, Counts()))
    held_out: dict[Split, list[bytes]] = field(
        default_factory=lambda: {Split.VAL: [], Split.TEST: []}
    )
    dropped: int = 0
    digest: str = ""


@dataclass(frozen=True)
class Building:
    """One corpus in the making; every step goes on after what an interrupted one left whole."""

    source: Source
    rules: Rules
    vocab_size: int
    directory: Path
    run_bytes: int
    report: Report
    tell: Tell

    @property
    def _work(self) -> Path:
        return self.directory / _WORK

    def finish(self, signature: str) -> Corpus:
        """Return the corpus, once all of it is on disk.

        Raises:
            CorpusError: the source has too little text, cannot be read, or changed meanwhile.
        """
        (self.directory / MANIFEST).unlink(missing_ok=True)
        for path, mode in ((self._work, 0o700), (self.directory / "sealed", 0o700)):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(mode)
        for path in (self.directory / "train", self._work / "shards"):
            path.mkdir(exist_ok=True)
        tally, runs = self._ingest()
        survey = self._survey(runs, tally)
        if all(counts.documents for counts in survey.counts.values()):
            return self._make(signature, tally, runs, survey)
        return replace(self, rules=self._by_rank(runs, survey, tally)).finish(signature)

    def _make(self, signature: str, tally: Tally, runs: list[Path], survey: _Survey) -> Corpus:
        tokenizer = self._tokenizer(runs)
        files, train = self._shards(runs, tokenizer, survey)
        files |= self._seal(survey)
        corpus = Corpus(
            name=self.source.name,
            signature=signature,
            fingerprint=self._fingerprint(tokenizer, survey),
            directory=self.directory,
            vocab_size=self.vocab_size,
            counts=MappingProxyType(self._count_tokens(tokenizer, survey, train)),
            tally=tally,
            duplicates=tally.documents - survey.dropped - _documents(survey),
            dropped=survey.dropped,
            files=MappingProxyType(files),
            command=command_for(self.source),
        )
        self._publish(corpus)
        return corpus

    def _ingest(self) -> tuple[Tally, list[Path]]:
        """Read the source into runs; what is in a run already is not read again."""
        self.report("checking", 0, None)
        intake = Intake(self._work, self.rules, self._piece(), self.run_bytes)
        if not intake.complete:
            guessed = intake.read(self.source, self.report)
            for column, where in guessed.items():
                self.tell(f"taken for the text: column {column} of {where}")
            now = find_source(self.source.spec, self.source.text_column)
            if now.signature != self.source.signature:
                shutil.rmtree(self._work)
                what = f"{self.source.spec} changed while it was read"
                msg = f"{what}: {again(command_for(self.source), self.source.name)}"
                raise CorpusError(msg)
        return intake.tally, [run.path for run in intake.runs]

    def _piece(self) -> int | None:
        """Return the size that documents are cut to (None: not cut), decided once for all runs."""
        path = self._work / "pieces.json"
        try:
            size = read_note(path)["size"]
        except (OSError, ValueError, KeyError, TypeError):
            size = piece_size(self.source, self.rules)
            write_note(path, {"size": size})
        return int(size) if size else None

    def _documents(self, runs: list[Path], split: Split) -> Iterator[bytes]:
        for key, data in merged(runs):
            if self.rules.split(key, len(data)) is split:
                yield data

    def _survey(self, runs: list[Path], tally: Tally) -> _Survey:
        """Count and hash every document, and keep those of val and test."""
        survey, digests, done = _Survey(), {split: hashlib.sha256() for split in Split}, 0
        for key, data in merged(runs):
            done += len(data)
            self.report("splitting", done, tally.bytes)
            split = self.rules.split(key, len(data))
            if split is not Split.TRAIN:
                if survey.counts[split].bytes >= self.rules.held_out:
                    survey.dropped += 1
                    continue
                survey.held_out[split].append(data)
            survey.counts[split] += Counts(1, len(data))
            digests[split].update(hashlib.sha256(data).digest())
        survey.digest = "".join(digests[split].hexdigest() for split in Split)
        return survey

    def _by_rank(self, runs: list[Path], survey: _Survey, tally: Tally) -> Rules:
        """Return rules with shares by which no split stays empty; by chance one was."""
        number = _documents(survey)
        if not number:
            there = ", ".join(f"{number:,} {why}" for why, number in tally.left_out.items())
            what = f"nothing that could be read as UTF-8 documents, only {there or 'empty files'}"
            msg = f"no text in {self.source.spec}: {what}"
            raise CorpusError(msg)
        oversize = self.rules.oversize
        draws = (draw(key) for key, data in merged(runs) if len(data) <= oversize)
        rules = self.rules.by_rank(draws)
        if rules is None:
            empty = [split for split in Split if not survey.counts[split].documents]
            many = "1 document leaves" if number == 1 else f"{number} documents or pieces leave"
            what = f"{many} none for {' and '.join(empty)}; give {LEAST}, or longer ones"
            msg = f"too little text in {self.source.spec}: {what}"
            raise CorpusError(msg)
        return rules

    def _tokenizer(self, runs: list[Path]) -> Tokenizer:
        """Train on the first documents of train: in key order they are a fair sample."""
        path, note = self.directory / "tokenizer.json", self._work / "tokenizer.json"
        with suppress(OSError, ValueError, TypeError):
            if read_stamp(path) == Stamp(**read_note(note)):
                return load_tokenizer(path)
        self.report("tokenizer", 0, None)
        tokenizer = train_tokenizer(self._sample(runs), self.vocab_size)
        for stale in (self._work / "shards").iterdir():
            stale.unlink()  # notes on shards in another tokenizer's ids
        write_note(note, asdict(tokenizer.save(path)))
        return tokenizer

    def _sample(self, runs: list[Path]) -> Iterator[bytes]:
        taken = 0
        for data in self._documents(runs, Split.TRAIN):
            yield data
            taken += len(data)
            if taken >= self.rules.tokenizer_sample:
                return

    def _shards(
        self, runs: list[Path], tokenizer: Tokenizer, survey: _Survey
    ) -> tuple[dict[str, Stamp], Counts]:
        total = survey.counts[Split.TRAIN].bytes
        limit = max(self.rules.shard_tokens, total // _MAX_SHARDS)
        train = self.directory / "train"
        writer = ShardWriter(train, self._work / "shards", tokenizer, limit)
        done = writer.counts.bytes
        self.report("encoding", done, total)
        for more in writer.write(self._documents(runs, Split.TRAIN)):
            done += more
            self.report("encoding", done, total)
        stamps = [pair for shard in writer.shards for pair in shard.files.items()]
        return {f"train/{name}": stamp for name, stamp in stamps}, writer.counts

    def _seal(self, survey: _Survey) -> dict[str, Stamp]:
        files = {"tokenizer.json": read_stamp(self.directory / "tokenizer.json")}
        for split, documents in survey.held_out.items():
            written = write_sealed(self.directory / "sealed", split, documents)
            files |= {f"sealed/{name}": stamp for name, stamp in written.items()}
        return files

    def _count_tokens(
        self, tokenizer: Tokenizer, survey: _Survey, train: Counts
    ) -> dict[Split, Counts]:
        counts = {Split.TRAIN: train}
        for split, documents in survey.held_out.items():
            tokens = sum(1 + len(ids) for ids in tokenizer.encode_batch(documents))
            counts[split] = survey.counts[split] + Counts(tokens=tokens)
        return counts

    def _fingerprint(self, tokenizer: Tokenizer, survey: _Survey) -> str:
        """Return a hash of all that a score depends on: documents in order, rules, tokens."""
        digest = hashlib.sha256()
        parts = [FORMAT, self.rules.describe(), tokenizer.pattern, tokenizer.bos, survey.digest]
        digest.update(json.dumps(parts, sort_keys=True).encode())
        for token in tokenizer.table:
            digest.update(len(token).to_bytes(4, "little") + token)
        return digest.hexdigest()

    def _publish(self, corpus: Corpus) -> None:
        for path in [*(self.directory / "train").iterdir(), *(self.directory / "sealed").iterdir()]:
            if path.relative_to(self.directory).as_posix() not in corpus.files:
                path.unlink()  # left behind by a run that was killed
        write_manifest(corpus)
        shutil.rmtree(self._work)


def _documents(survey: _Survey) -> int:
    return sum(counts.documents for counts in survey.counts.values())
