"""The compile cache that every trial begins with, and what is read before a clock starts."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch import sandbox
from autoresearch.records.training import Outcome
from autoresearch.records.values import Ending
from autoresearch.workers import LocalWorker, compiled
from autoresearch.workers.compiled import CompileCache
from autoresearch.workers.warming import Warmer, torch_libraries
from tests.trials import FINISH, PRELUDE, Bench

# A program that "compiles" into each of the caches, and tells what it found there.
COMPILING = """
caches = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "CUDA_CACHE_PATH")
places = [Path(os.environ[name]) for name in caches]
places.append(Path(os.environ["TMPDIR"]) / "torchinductor_trial" / "precompiled_headers")
found = [sorted(each.read_text() for each in place.rglob("k*")) for place in places]
for place in places:
    kernel = place / "aa" / "kernel.so"
    kernel.parent.mkdir(parents=True, exist_ok=True)
    kernel.write_text(WHOSE)
    kernel.chmod(0o755)
    (kernel.parent / f"k-{WHOSE}").write_text(WHOSE)
    (kernel.parent / "link").symlink_to("/etc/passwd")
session.facts({"found": json.dumps(found)})
"""


@pytest.fixture
def cache(tmp_path: Path) -> CompileCache:
    return CompileCache(tmp_path / "state" / "compiled" / "night")


@pytest.fixture
def bench(tmp_path: Path, cache: CompileCache) -> Bench:
    worker = LocalWorker(sandbox.detect(os.environ), patience=0.2, compiled=cache)
    return Bench(tmp_path / "bench", worker=worker)


def train(bench: Bench, whose: str, end: str = "session.finish()", *, trusted: bool) -> Outcome:
    source = f"{PRELUDE}WHOSE = {whose!r}\n{COMPILING}{FINISH}{end}\n"
    assignment = replace(bench.assignment(source), trusted=trusted)
    return bench.worker.train(assignment, on_point=print, stop=lambda: False)


def found(outcome: Outcome) -> object:
    assert outcome.ending is Ending.FINISHED, outcome.detail
    return outcome.facts["found"]


def test_every_trial_begins_with_what_the_persons_own_code_compiled_and_with_no_more(
    bench: Bench, cache: CompileCache
) -> None:
    nothing, own = "[[], [], [], []]", str([["own", "own"]] * 4).replace("'", '"')
    assert found(train(bench, "early", trusted=False)) == nothing
    assert train(bench, "own", "1 / 0", trusted=True).ending is Ending.EXCEPTION
    assert not cache.folder.exists(), "an early candidate and a failure leave nothing"
    assert found(train(bench, "own", trusted=True)) == nothing
    for _ in range(2):  # the first overwrites its copy and plants a file beside it
        assert found(train(bench, "candidate", trusted=False)) == own
    assert found(train(bench, "later", trusted=True)) == own
    kept = [each for each in cache.folder.rglob("*") if not each.is_dir()]
    assert {each.name for each in kept} == {"kernel.so", "k-own"}
    assert {each.read_text() for each in kept} == {"own"}
    assert {each.stat().st_mode & 0o222 for each in kept} == {0}
    assert {each.stat().st_mode & 0o100 for each in kept if each.suffix} == {0o100}


def a_cache(scratch: Path) -> Path:
    (scratch / "cache" / "triton").mkdir(parents=True)
    (scratch / "cache" / "triton" / "kernel").write_bytes(b"1234")
    return scratch


def test_what_is_too_much_or_fails_is_not_kept_and_costs_nothing(
    tmp_path: Path, cache: CompileCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = a_cache(tmp_path / "scratch")
    with monkeypatch.context() as patch:
        patch.setattr(compiled, "_MOST_BYTES", 1)
        cache.keep(scratch)
    with monkeypatch.context() as patch:
        patch.setattr(compiled, "_SPARE", 2**62)
        cache.keep(scratch)
    cache.keep(tmp_path / "empty")
    assert not cache.folder.exists()
    cache.keep(scratch)
    (cache.folder / "cache" / "triton" / "kernel").chmod(0)
    if os.geteuid():  # root reads everything
        cache.seed(tmp_path / "next")
        assert not (tmp_path / "next" / "cache" / "triton").exists()


def test_the_caches_of_the_last_studies_stay(tmp_path: Path) -> None:
    scratch = a_cache(tmp_path / "scratch")
    for number in range(6):
        one = CompileCache(tmp_path / "compiled" / f"study-{number}")
        one.keep(scratch)
        os.utime(one.folder, (number, number))
    kept = sorted(each.name for each in (tmp_path / "compiled").iterdir())
    assert kept == ["study-2", "study-3", "study-4", "study-5"]


class TestWarmer:
    def test_each_file_is_read_once_tokens_first_and_libraries_with_the_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read: list[str] = []
        monkeypatch.setattr(
            "autoresearch.workers.warming._read", lambda path, _stop: read.append(path.name)
        )
        asked: list[None] = []

        def libraries() -> Iterator[Path]:
            asked.append(None)
            return iter(())

        files = [tmp_path / name for name in ("0.idx", "0.txt", "0.bin", "gone.bin")]
        for each in files[:3]:
            each.write_bytes(b"text")
        warmer = Warmer(libraries)
        for _ in range(2):
            warmer.touch(files, lambda: False)
        assert read == ["0.bin", "gone.bin", "0.idx", "0.txt"]
        assert len(asked) == 1

    def test_a_stop_is_heard_between_two_chunks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("autoresearch.workers.warming._CHUNK", 4)
        (tmp_path / "0.bin").write_bytes(b"x" * 40)
        asked: list[None] = []

        def stop() -> bool:
            asked.append(None)
            return len(asked) > 3

        Warmer(lambda: ()).touch([tmp_path / "0.bin"], stop)
        assert len(asked) == 4

    def test_pytorchs_libraries_are_known(self) -> None:
        assert any("torch" in each.name for each in torch_libraries())
