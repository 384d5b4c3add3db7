"""prepare: from text to a corpus on disk, whatever interrupts, fills or damages it."""

import json
import mmap
import os
import random
import signal
import subprocess
import sys
from array import array
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest

from autoresearch.config import CorpusSettings
from autoresearch.corpus import (
    Corpus,
    Rules,
    Split,
    doubts,
    files,
    load,
    prepare,
    verify,
    verify_changed,
    write_pointer,
)
from autoresearch.corpus.manifest import read_manifest
from autoresearch.corpus.preparing import rules_of
from autoresearch.errors import CorpusError
from autoresearch.runtime.session import TrainData

SETTINGS = CorpusSettings(vocab_size=300, val_share=0.1, test_share=0.1)
SMALL = replace(rules_of(SETTINGS), shard_tokens=10_000, max_bytes=2**21)
RUN_BYTES = 20_000
Stages = list[tuple[str, int, int | None]]

# A second process that prepares, says what is reported, and stops at a given point until killed.
CHILD = """
import resource, sys, time
from pathlib import Path
from autoresearch.errors import CorpusError
from tests.test_corpus import RUN_BYTES, SETTINGS, SMALL, prepare
source, home, stage, share, limit = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
def report(name, done, total):
    print(name, done, flush=True)
    if name == stage and done >= float(share) * (total or 0):
        print("HERE", flush=True)
        while not Path(home, "go").exists():
            time.sleep(0.01)
options = {"report": report, "rules": SMALL, "run_bytes": RUN_BYTES}
try:
    print(prepare(source, SETTINGS, Path(home), **options).fingerprint)
except CorpusError as fault:
    print("refused:", fault)
"""


def make_text(directory: Path, documents: int = 600, seed: int = 1) -> Path:
    chance = random.Random(seed)
    words = [f"{a}{b}" for a in ("ka", "mé", "tor", "sil", "漢") for b in ("na", "ru", "x", "…")]
    path = directory / "text.jsonl"
    directory.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        for number in range(documents):
            text = " ".join(chance.choices(words, k=chance.randint(20, 120)))
            record = {"text": f"{number}: {text}\n"}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return path


def make(source: Path, home: Path, rules: Rules = SMALL) -> tuple[Corpus, Stages]:
    stages: Stages = []

    def report(stage: str, done: int, total: int | None) -> None:
        stages.append((stage, done, total))

    return prepare(
        str(source), SETTINGS, home, report=report, rules=rules, run_bytes=RUN_BYTES
    ), stages


def start(
    source: Path, home: Path, stage: str = "", share: float = 0.0, limit: int = 0
) -> subprocess.Popen[str]:
    root = Path(__file__).parent.parent
    command = [sys.executable, "-c", CHILD, str(source), str(home), stage, str(share), str(limit)]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)


def train_data(corpus: Corpus) -> TrainData:
    def view(path: Path) -> mmap.mmap:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    return TrainData({path.name: view(path) for path in corpus.train_files()}, corpus.token_bytes)


def all_documents(corpus: Corpus) -> dict[Split, list[bytes]]:
    return {
        Split.TRAIN: train_data(corpus).documents(),
        Split.VAL: [document.data for document in corpus.val()],
        Split.TEST: [document.data for document in corpus.test()],
    }


def test_every_document_is_in_one_split_and_in_no_other(tmp_path: Path) -> None:
    source = make_text(tmp_path / "text")
    corpus, _ = make(source, tmp_path)
    found = all_documents(corpus)
    texts = [json.loads(line)["text"].encode() for line in source.read_text().splitlines()]
    assert sorted(chain.from_iterable(found.values())) == sorted(texts)
    assert found[Split.TRAIN] != [text for text in texts if text in set(found[Split.TRAIN])]
    for split, documents in found.items():
        assert corpus.counts[split].documents == len(documents) > 20
        assert corpus.counts[split].bytes == sum(map(len, documents))


def test_shards_hold_the_tokens_of_the_documents(tmp_path: Path) -> None:
    corpus, _ = make(make_text(tmp_path / "text"), tmp_path)
    tokenizer, data = corpus.tokenizer(), train_data(corpus)
    tokens = array("H")
    for shard in data.shards():
        assert len(shard) <= 2 * SMALL.shard_tokens
        tokens.frombytes(shard[:])
    expected = [[corpus.bos, *tokenizer.encode(text)] for text in data.documents()]
    assert tokens.tolist() == list(chain.from_iterable(expected))
    assert corpus.counts[Split.TRAIN].tokens == len(tokens)
    assert len(data.shards()) > 3
    assert corpus.bos == corpus.vocab_size - 1 == 299


def test_copies_are_dropped_across_splits(tmp_path: Path) -> None:
    source = make_text(tmp_path / "text")
    plain, _ = make(source, tmp_path / "plain")
    copies = [json.loads(line)["text"] for line in source.read_text().splitlines()[:300]]
    with source.open("a") as file:
        for text in copies:
            file.write(json.dumps({"text": text}) + "\n")
            file.write(json.dumps({"text": text.upper().replace(" ", "  ")}) + "\n")
    corpus, _ = make(source, tmp_path / "copies")
    assert corpus.duplicates == 600
    assert corpus.counts[Split.VAL].documents == plain.counts[Split.VAL].documents
    keys = [{data.lower().split()[0] for data in found} for found in all_documents(corpus).values()]
    assert sum(map(len, keys)) == len(set.union(*keys)) == 600


def test_the_order_of_reading_does_not_matter(tmp_path: Path) -> None:
    source = make_text(tmp_path / "text")
    first, _ = make(source, tmp_path)
    lines = source.read_text().splitlines()
    source.write_text("\n".join(reversed(lines)))
    second, _ = make(source, tmp_path)
    assert first.directory != second.directory
    assert first.fingerprint == second.fingerprint


def test_the_fingerprint_tells_of_every_change_that_can_change_a_score(tmp_path: Path) -> None:
    source = make_text(tmp_path / "text")
    prints = {make(source, tmp_path)[0].fingerprint}
    for rules in (replace(SMALL, val_share=0.2), replace(SMALL, held_out=4000)):
        prints.add(make(source, tmp_path, rules)[0].fingerprint)
    prints.add(make(make_text(tmp_path / "other", seed=2), tmp_path)[0].fingerprint)
    bigger = replace(SETTINGS, vocab_size=310)
    made = prepare(str(source), bigger, tmp_path, report=lambda *_: None, rules=SMALL)
    assert len({*prints, made.fingerprint}) == 5


def test_the_second_time_is_instant(tmp_path: Path) -> None:
    source = make_text(tmp_path / "text")
    first, _ = make(source, tmp_path)
    second, stages = make(source, tmp_path)
    assert second == first
    assert {stage for stage, *_ in stages} == {"checking"}  # nothing is read or encoded again


def test_held_out_splits_are_capped_and_the_rest_is_not_trained_on(tmp_path: Path) -> None:
    source = make_text(tmp_path / "text")
    whole, _ = make(source, tmp_path)
    capped, _ = make(source, tmp_path, replace(SMALL, held_out=4000))
    assert 4000 <= capped.counts[Split.VAL].bytes < 5500
    assert capped.dropped > 0
    assert all_documents(capped)[Split.TRAIN] == all_documents(whole)[Split.TRAIN]


def test_reading_stops_at_the_cap(tmp_path: Path) -> None:
    corpus, stages = make(make_text(tmp_path / "text"), tmp_path, replace(SMALL, max_bytes=100_000))
    assert 100_000 <= corpus.tally.bytes < 102_000
    assert ("reading", 0, 100_000) in stages


def test_one_long_file_is_cut_into_enough_documents(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("".join(f"Chapter {n}.\n\nIt was day {n * n} of it.\n\n" for n in range(2000)))
    corpus, _ = make(path, tmp_path)
    assert corpus.counts[Split.VAL].documents > 10
    assert corpus.counts[Split.TEST].documents > 10
    pieces = list(chain.from_iterable(all_documents(corpus).values()))
    assert sorted("".join(sorted(piece.decode() for piece in pieces))) == sorted(path.read_text())
    assert all(piece.endswith(b"\n\n") for piece in pieces)


def test_a_shelf_of_large_books_is_cut_too(tmp_path: Path) -> None:
    store = tmp_path / "shelf"
    store.mkdir()
    for book in range(220):
        (store / f"{book}.md").write_text(f"book {book}\n\n" * 200)
    corpus, _ = make(store, tmp_path, replace(SMALL, oversize=1000, longest_piece=900))
    assert corpus.counts[Split.VAL].documents > 10


def test_what_is_no_document_is_counted(tmp_path: Path) -> None:
    source = make_text(tmp_path / "text")
    with source.open("ab") as file:
        file.write(b'{"text": " \\n\\u00a0"}\nnonsense\n{"text": "\xff"}\n')
    tally = make(source, tmp_path)[0].tally
    assert (tally.documents, tally.empty, tally.malformed, tally.not_utf8) == (600, 1, 1, 1)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.txt", b"", "no text in"),
        ("a.txt", b"\xff\xfe\x00", "no text in"),
        ("a.jsonl", b"{}\n" * 300, "no text in"),
        ("a.txt", b"Just this.", "too little text in .*: 1 document leaves none for val and test"),
    ],
)
def test_text_for_no_corpus_is_refused(
    tmp_path: Path, name: str, content: bytes, line: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=line) as fault:
        make(tmp_path / name, tmp_path)
    assert "\n" not in str(fault.value)


def test_killed_while_reading_and_while_encoding_it_goes_on(tmp_path: Path) -> None:
    source = make_text(tmp_path / "text")
    expected, _ = make(source, tmp_path / "straight")
    home = tmp_path / "killed"
    assert kill_hard(source, home, "reading", 0.3) == 0
    assert kill_hard(source, home, "reading", 0.7) > 0.2 * source.stat().st_size
    assert kill_hard(source, home, "encoding", 0.6) == 0
    corpus, stages = make(source, home)
    assert not [done for stage, done, _ in stages if stage == "reading"]
    encoding = [done for stage, done, _ in stages if stage == "encoding"]
    assert encoding[0] > 0.3 * corpus.counts[Split.TRAIN].bytes
    assert corpus == replace(expected, directory=corpus.directory)
    assert not (corpus.directory / "building").exists()
    verify(corpus)


def kill_hard(source: Path, home: Path, stage: str, share: float) -> int:
    """Start a prepare, let it come as far as `share` of a stage, kill -9 it.

    Returns what it first said to have done of the stage: what an earlier one left it.
    """
    with start(source, home, stage, share) as child:
        assert child.stdout
        lines = list(iter(child.stdout.readline, "HERE\n"))
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    return next(int(line.split()[1]) for line in lines if line.startswith(stage))


def test_a_run_damaged_between_two_attempts_is_read_again(tmp_path: Path) -> None:
    source = make_text(tmp_path / "text")
    expected, _ = make(source, tmp_path / "straight")
    kill_hard(source, tmp_path, "reading", 0.7)
    runs = sorted(tmp_path.glob("corpora/*/building/*.run"))
    assert len(runs) > 3
    runs[2].write_bytes(runs[2].read_bytes()[:-1] + b"?")
    corpus, stages = make(source, tmp_path)
    assert corpus.fingerprint == expected.fingerprint
    first = next(done for stage, done, _ in stages if stage == "reading")
    assert 0 < first < 3 * RUN_BYTES


def test_two_at_once_make_it_once(tmp_path: Path) -> None:
    source = make_text(tmp_path / "text")
    with start(source, tmp_path, "reading", 0.1) as first:
        assert first.stdout
        next(line for line in first.stdout if line.startswith("reading"))
        with start(source, tmp_path) as second:
            assert second.stdout
            assert next(second.stdout) == "waiting 0\n"
            (tmp_path / "go").touch()
            waited = second.stdout.read().splitlines()
        made = first.stdout.read().splitlines()
    assert waited[-1] == made[-1]
    assert all(line.startswith("checking ") for line in waited[:-1])
    assert len(made[-1]) == 64


@pytest.mark.parametrize("limit", [5_000, 30_000])
def test_a_full_disk_is_one_line_and_nothing_is_lost(tmp_path: Path, limit: int) -> None:
    source = make_text(tmp_path / "text")
    with start(source, tmp_path, limit=limit) as child:
        assert child.stdout
        last = child.stdout.read().splitlines()[-1]
    assert last.startswith(f"refused: no space left under {tmp_path}: free some and run")
    assert not list(tmp_path.rglob("*.part"))
    corpus, _ = make(source, tmp_path)
    verify(corpus)


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounts a small disk")
def test_a_really_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", disk], check=False)
    if mounted.returncode:
        pytest.skip("may not mount")
    try:
        with pytest.raises(CorpusError, match="no space left"):
            make(make_text(tmp_path / "text"), disk)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_source_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    source = make_text(tmp_path / "text")

    def disturb(stage: str, _done: int, _total: int | None) -> None:
        if stage == "reading":
            os.utime(source, ns=(1, 1))

    with pytest.raises(CorpusError, match="changed while it was read"):
        prepare(str(source), SETTINGS, tmp_path, report=disturb, rules=SMALL)
    os.utime(source, ns=(2, 2))
    make(source, tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / "x.txt").symlink_to("/proc/self/mem")
    with pytest.raises(CorpusError, match=r"cannot use .*: Input/output error"):
        make(folder, tmp_path)


@pytest.mark.parametrize("what", ["text/a.txt", "text", "home"])
def test_what_may_not_be_read_or_written_is_named(tmp_path: Path, what: str) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text/a.txt").write_text("a")
    (tmp_path / what).chmod(0o500 if what == "home" else 0)
    if os.access(tmp_path / what, os.W_OK):
        pytest.skip("root may read and write everything")
    try:
        with pytest.raises(CorpusError, match=r"cannot use .*: Permission denied"):
            make(tmp_path / "text", tmp_path / "home")
    finally:
        (tmp_path / what).chmod(0o700)


def test_sealed_text_is_private(tmp_path: Path) -> None:
    corpus, _ = make(make_text(tmp_path / "text"), tmp_path)
    sealed = corpus.directory / "sealed"
    assert sealed.stat().st_mode & 0o777 == 0o700
    assert not any(path.is_relative_to(sealed) for path in corpus.train_files())
    held_out = corpus.val()[0].data
    assert all(held_out not in path.read_bytes() for path in corpus.train_files())


def test_a_pointer_loads_what_was_prepared(tmp_path: Path) -> None:
    pointer = tmp_path / "project" / ".autoresearch" / "corpus.json"
    with pytest.raises(CorpusError, match=r"^no corpus yet: run `autoresearch prepare`$"):
        load(pointer)
    corpus, _ = make(make_text(tmp_path / "text"), tmp_path)
    write_pointer(pointer, corpus)
    assert load(pointer) == corpus
    assert json.loads(pointer.read_text())["path"] == str(corpus.directory)


def test_damage_is_found_and_mended(tmp_path: Path) -> None:
    source = make_text(tmp_path / "text")
    corpus, _ = make(source, tmp_path)
    pointer = tmp_path / "corpus.json"
    write_pointer(pointer, corpus)
    for name in ("manifest.json", "train/00000.bin", "sealed/val.docs", "tokenizer.json"):
        path = corpus.directory / name
        path.write_bytes(path.read_bytes()[:-3])
        mend = rf"run `autoresearch prepare --corpus {source}` again$"
        with pytest.raises(CorpusError, match=mend):
            load(pointer)
        assert make(source, tmp_path)[0] == corpus
        assert load(pointer) == corpus


def flip(path: Path, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(bit // 8)
        (byte,) = file.read(1)
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def test_one_flipped_bit_of_any_file_is_found_whatever_its_times_say(tmp_path: Path) -> None:
    source = make_text(tmp_path / "text")
    corpus, _ = make(source, tmp_path)
    pointer, told, chance = tmp_path / "corpus.json", list[str](), random.Random(1)
    write_pointer(pointer, corpus)
    later = 10**19  # long after every file was written
    verify_changed(corpus, told.append, lambda: later)
    names = [str(path.relative_to(corpus.directory)) for path in corpus.directory.rglob("*.*")]
    assert {*corpus.files} | {"manifest.json", "checked.json"} == {*names}
    for name in [*corpus.files, "manifest.json"]:
        path = corpus.directory / name
        subject = name if name in corpus.files else "the corpus in"
        facts, bit = path.stat(), chance.randrange(8 * path.stat().st_size)
        flip(path, bit)
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        with pytest.raises(CorpusError, match=rf"{subject}.*: run `autoresearch prepare --corpus "):
            verify_changed(load(pointer), told.append, lambda: later)
        with pytest.raises(CorpusError, match=subject):
            verify(load(pointer))
        flip(path, bit)
    verify_changed(load(pointer), told.append)
    assert not told
    flip(corpus.directory / "train/00001.bin", 1001)
    mended = prepare(
        str(source), SETTINGS, tmp_path, report=lambda *_: None, tell=told.append, rules=SMALL
    )
    verify(mended)
    assert mended == corpus
    assert told == [f"{corpus.directory}/train/00001.bin is missing or damaged; it is made again"]


def test_every_bit_of_a_manifest_counts(tmp_path: Path) -> None:
    corpus, _ = make(make_text(tmp_path / "text"), tmp_path)
    path = corpus.directory / "manifest.json"
    for bit in range(0, 8 * path.stat().st_size, 37):
        flip(path, bit)
        with pytest.raises(CorpusError):
            read_manifest(corpus.directory, "")
        flip(path, bit)
    assert read_manifest(corpus.directory, "") == corpus


def test_only_what_was_touched_is_hashed_again_before_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, _ = make(make_text(tmp_path / "text"), tmp_path)
    hashed: list[str] = []
    real = files.read_stamp

    def seen(path: Path) -> files.Stamp:
        hashed.append(path.name)
        return real(path)

    monkeypatch.setattr(files, "read_stamp", seen)
    written = max((corpus.directory / name).stat().st_mtime_ns for name in corpus.files)
    verify_changed(corpus, hashed.append, lambda: written)
    assert len(hashed) == len(corpus.files)
    # Too fresh: what is written now may keep its times.
    verify_changed(corpus, hashed.append, lambda: written)
    assert len(hashed) == 2 * len(corpus.files)
    verify_changed(corpus, hashed.append, lambda: 10**19)
    hashed.clear()
    (corpus.directory / "train/00000.bin").touch()
    verify_changed(corpus, hashed.append, lambda: 10**19)
    assert hashed == ["00000.bin"]
    verify_changed(corpus, hashed.append)
    assert hashed == ["00000.bin"]


def test_a_corpus_of_before_manifests_were_hashed_is_taken_over(tmp_path: Path) -> None:
    source = make_text(tmp_path / "text")
    corpus, _ = make(source, tmp_path)
    path = corpus.directory / "manifest.json"
    old = json.loads(path.read_bytes())
    del old["command"], old["digest"]
    path.write_text(json.dumps(old, indent=1) + "\n")
    assert read_manifest(corpus.directory, "") == replace(corpus, command="")
    assert make(source, tmp_path)[0] == corpus
    assert read_manifest(corpus.directory, "") == corpus


def test_few_documents_are_split_with_a_warning_or_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(f"It was day {n * n} of it.\n\n" for n in range(900)))
    (doubt,) = doubts(make(tmp_path / "a.txt", tmp_path)[0])
    assert doubt.said.startswith("1 document is few, and cut into ")
    three = tmp_path / "three.jsonl"
    three.write_text(
        "".join(json.dumps(" ".join(map(str, range(n, n + 700)))) + "\n" for n in (1, 2000, 4000))
    )
    corpus, _ = make(three, tmp_path)
    split, *sizes = doubts(corpus)
    assert split.said.startswith("3 documents are few, and cut into ")
    assert [each.mend.split()[5] for each in sizes] == ["val_share", "test_share"]
    held = [{*documents} for documents in all_documents(corpus).values()]
    assert len(set.union(*held)) == sum(map(len, held))
    (tmp_path / "two.jsonl").write_text('"one"\n"two"\n')
    with pytest.raises(
        CorpusError, match=r"too little text in .*: 2 documents or pieces leave none"
    ):
        make(tmp_path / "two.jsonl", tmp_path)
    assert not doubts(make(make_text(tmp_path / "many"), tmp_path)[0])


def test_no_split_is_left_empty_by_chance(tmp_path: Path) -> None:
    for seed in range(8):
        source = make_text(tmp_path / f"{seed}", documents=12, seed=seed)
        rules = replace(SMALL, val_share=0.05, test_share=0.05, few=0)
        corpus, _ = make(source, tmp_path, rules)
        assert min(counts.documents for counts in corpus.counts.values()) >= 1
        assert sum(counts.documents for counts in corpus.counts.values()) == 12
        verify(corpus)
        (tmp_path / f"{seed}" / "text.jsonl").touch()
        again, _ = make(source, tmp_path, rules)
        assert again.fingerprint == corpus.fingerprint


def test_a_wrong_pointer_is_refused(tmp_path: Path) -> None:
    corpus, _ = make(make_text(tmp_path / "text"), tmp_path)
    pointer = tmp_path / "corpus.json"
    write_pointer(pointer, corpus)
    right = json.loads(pointer.read_text())
    changes: list[tuple[dict[str, object], str]] = [
        ({"fingerprint": "0" * 64}, "is not the one this project prepared"),
        ({"path": "/nowhere"}, "is no longer in /nowhere"),
        ({"path": 3}, "is damaged"),
        ({"format": 2}, "made by a newer autoresearch"),
        ({"format": None}, "is damaged"),
    ]
    for change, line in changes:
        pointer.write_text(json.dumps(right | change))
        with pytest.raises(CorpusError, match=line):
            load(pointer)
    pointer.write_bytes(b"\xff{")
    with pytest.raises(CorpusError, match="missing or damaged"):
        load(pointer)


def test_the_standard_library(tmp_path: Path) -> None:
    corpus = prepare("stdlib", CorpusSettings(), tmp_path, report=lambda *_: None)
    stages: list[str] = []
    again = prepare(
        "stdlib", CorpusSettings(), tmp_path, report=lambda stage, *_: stages.append(stage)
    )
    assert again == corpus
    assert {*stages} == {"checking"}  # nothing is read or encoded again
    assert corpus.counts[Split.TRAIN].bytes > 5_000_000
    assert corpus.counts[Split.VAL].documents > 10
    assert corpus.counts[Split.TEST].documents > 10
    train = corpus.counts[Split.TRAIN]
    assert 2.9 < train.bytes / train.tokens < 3.5
    assert corpus.directory.parent == tmp_path / "corpora"
