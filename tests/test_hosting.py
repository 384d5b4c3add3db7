"""What a machine of a cluster gets and becomes, without a cluster."""

import os
import pickle
import stat
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue

import pytest

from autoresearch import corpus as corpora
from autoresearch.config import CorpusSettings
from autoresearch.corpus import Corpus
from autoresearch.errors import CorpusError
from autoresearch.execution import HostFacts, pack, unpack
from autoresearch.execution.hosting import misfit, private_work
from autoresearch.execution.serving import POINT_SECONDS, Said, lost, spaced
from autoresearch.records.events import Scoring, TrialPoint
from autoresearch.records.hardware import Hardware
from autoresearch.records.training import Point
from autoresearch.records.values import FailureKind, Trust

SETTINGS = CorpusSettings(vocab_size=300, val_share=0.2, test_share=0.2)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Forty documents, prepared."""
    source = tmp_path / "source"
    source.mkdir()
    for number in range(40):
        (source / f"{number}.txt").write_text(f"document {number} says {number * 7919} twice\n" * 9)
    home = tmp_path / "prepared"
    return corpora.prepare(str(source), SETTINGS, home, report=lambda *_: None)


CARD = Hardware("cuda", "Big", 80 * 2**30, "570.1", 700.0, 8, "3.11", "2.13", "CUDA 12.9")
FACTS = HostFacts(CARD, Trust.SEALED)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (FACTS, ""),
        (replace(FACTS, has_corpus=False), ""),
        (replace(FACTS, hardware=replace(CARD, name="Old")), "its card is Old, 80 GiB"),
        (replace(FACTS, hardware=replace(CARD, driver="")), "its driver is unknown"),
        (replace(FACTS, hardware=replace(CARD, torch="2.9")), "its software is Python 3.11, torch"),
        (replace(FACTS, trust=Trust.UNSEALED), "its trust is unsealed, the study's sealed"),
        (replace(FACTS, protocol=1), "its evaluator is protocol 1"),
        (replace(FACTS, version="0.0.9"), "it has autoresearch 0.0.9"),
    ],
)
def test_machines_unlike_the_studys_are_told_from_it(other: HostFacts, said: str) -> None:
    found = misfit(other, {**FACTS.key, "budget": "300 s"})
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_a_folder_crosses_with_links_modes_and_bytes(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "empty").mkdir(parents=True)
    (tree / "data.bin").write_bytes(bytes(range(256)) * 99)
    (tree / "run.sh").write_text("#!/bin/sh\n")
    (tree / "run.sh").chmod(0o755)
    (tree / "up").symlink_to("../elsewhere")
    (tree / "near").symlink_to("data.bin")
    odd = os.fsencode(tree) + b"/odd-\xff"
    Path(os.fsdecode(odd)).write_text("odd")
    data = pack(tree)
    unpack(data, tmp_path / "there")
    there = tmp_path / "there"
    assert pack(there) == data
    assert (there / "data.bin").read_bytes() == (tree / "data.bin").read_bytes()
    assert (there / "up").readlink() == Path("../elsewhere")
    assert (there / "empty").is_dir()
    assert stat.S_IMODE((there / "run.sh").stat().st_mode) & 0o111
    with pytest.raises(Exception, match="outside the destination"):
        unpack(data, tmp_path / "strict", links=False)


def test_points_are_spaced_and_nothing_else_waits() -> None:
    now, inbox = [0.0], SimpleQueue[Said]()
    points = [TrialPoint(Point(at, 1.0, 1, 0.1, 1.0)) for at in range(6)]
    end = lost("gone")
    first: tuple[Said, ...] = (*points[:3], Scoring(), *points[3:5])
    for said in first:
        inbox.put(said)
    heard = spaced(inbox, lambda: now[0])
    assert [next(heard) for _ in range(3)] == [points[0], points[2], Scoring()]
    now[0] += 2 * POINT_SECONDS
    assert next(heard) == points[3]
    inbox.put(end)
    assert list(heard) == [points[4], end]
    assert end.failure is FailureKind.MACHINE


def test_a_corpus_is_brought_without_its_test_set(corpus: Corpus, tmp_path: Path) -> None:
    home = tmp_path / "data"
    assert corpora.find(home, corpus.fingerprint) is None
    sent = corpora.portion(corpus)
    arrival = corpora.Arrival(home, sent)
    for name, data in corpora.parts(sent):
        arrival.add(name, data)
    assert corpora.find(home, corpus.fingerprint) is None, "it is whole or not there"
    arrival.finish()
    found = corpora.find(home, corpus.fingerprint)
    assert found is not None
    assert found.val() == corpus.val()
    assert [each.read_bytes() for each in found.train_files()] == [
        each.read_bytes() for each in corpus.train_files()
    ]
    assert not list(home.rglob("test.*"))
    for path in [home / "brought", *(home / "brought").rglob("*")]:
        if path.is_dir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for path in found.directory.glob("sealed/*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_corpus_that_came_damaged_is_not_there(corpus: Corpus, tmp_path: Path) -> None:
    sent = corpora.portion(corpus)
    arrival = corpora.Arrival(tmp_path, sent)
    for name, data in corpora.parts(sent):
        arrival.add(name, data[:-1] + b"\0" if name.startswith("sealed") else data)
    with pytest.raises(CorpusError):
        arrival.finish()
    assert corpora.find(tmp_path, corpus.fingerprint) is None
    assert not list((tmp_path / "brought").iterdir())


def test_folders_of_dead_hosts_are_removed() -> None:
    own = private_work()
    dead = own.parent / "host-4194305-1.00"
    (dead / "trial-1").mkdir(parents=True)
    assert private_work() == own
    assert not dead.exists()
    assert stat.S_IMODE(own.stat().st_mode) == 0o700
    assert pickle.loads(pickle.dumps(FACTS)) == FACTS
