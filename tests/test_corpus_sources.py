"""Sources: which files are read, in what order, and what is said of those that cannot be."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autoresearch.corpus.documents import Flaw
from autoresearch.corpus.local import FileSource
from autoresearch.corpus.sources import find_source
from autoresearch.errors import CorpusError


def local(path: Path) -> FileSource:
    source = find_source(str(path))
    assert isinstance(source, FileSource)
    return source


def read(path: Path) -> list[bytes | Flaw]:
    return list(local(path).open(None))


def test_the_library_has_no_tests_packages_or_tables() -> None:
    source = find_source("stdlib")
    assert isinstance(source, FileSource)
    paths = [entry.path for entry in source.entries]
    assert paths == sorted(paths)
    assert {"json/decoder.py", "argparse.py", "encodings/utf_8.py"} <= set(paths)
    assert all(path.endswith(".py") for path in paths)
    parts = {part for path in paths for part in Path(path).parts}
    assert not parts & {"test", "tests", "idle_test", "site-packages", "__pycache__", "cp1252.py"}
    assert source.total > 5_000_000


def test_a_directory_is_walked_in_order_without_what_is_no_text(tmp_path: Path) -> None:
    for name in ("b.md", "a/z.TXT", "a/c.py", "picture.png", ".hidden.txt"):
        path = tmp_path / "text" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    for folder in (".git", ".venv", "node_modules/x", "a/site-packages", "env"):
        path = tmp_path / "text" / folder
        path.mkdir(parents=True)
        (path / "no.py").write_text("no")
    (tmp_path / "text/env/pyvenv.cfg").touch()
    assert read(tmp_path / "text") == [b"a/c.py", b"a/z.TXT", b"b.md"]


def test_jsonl_gives_text_or_content_and_counts_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    good = [json.dumps({"text": "one", "content": "no"}), json.dumps({"content": "two\ud800"})]
    bad = ["{", "[]", '{"text": 3}', "3"]
    path.write_bytes("\n".join([*good, "", *bad]).encode() + b'\n{"text": "\xff"}')
    expected = [b"one", "two\ufffd".encode(), *[Flaw.MALFORMED] * 4, Flaw.NOT_UTF8]
    assert read(path) == expected


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
)
def test_parquet_gives_its_column(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "x.parquet"
    column = pa.array(["one", None, "zwei 二"]).cast(kind)
    pq.write_table(pa.table({"id": [1, 2, 3], "content": column}), path)
    assert read(path) == [b"one", Flaw.MALFORMED, "zwei 二".encode()]


def test_parquet_with_a_bad_row_loses_that_row_only(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    raw = pa.array([b"one", b"\xff", b"two"], pa.binary())
    column = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    pq.write_table(pa.table({"text": column}), path)
    assert read(path) == [b"one", Flaw.NOT_UTF8, b"two"]


def test_parquet_that_is_none_or_has_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(CorpusError, match=r"cannot read .*x\.parquet"):
        read(tmp_path / "x.parquet")
    pq.write_table(pa.table({"id": [1]}), tmp_path / "y.parquet")
    with pytest.raises(CorpusError, match="has no column text or content, only id"):
        read(tmp_path / "y.parquet")
    pq.write_table(pa.table({"text": [1]}), tmp_path / "z.parquet")
    with pytest.raises(CorpusError, match=r"column text of .* is no text"):
        read(tmp_path / "z.parquet")


def test_a_large_text_file_comes_in_blocks_of_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    text = b"".join(b"line %d of the text\n" % n for n in range(700_000))
    path.write_bytes(text)
    blocks = read(path)
    assert len(blocks) == 2
    assert all(isinstance(block, bytes) and block.endswith(b"\n") for block in blocks)
    assert b"".join(block for block in blocks if isinstance(block, bytes)) == text


def test_reading_goes_on_where_it_stood(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        lines = [json.dumps({"text": f"{name}{n}"}) for n in range(4)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    source = local(tmp_path)
    every = list(source.open(None))
    assert len(every) == 12
    for taken in range(13):
        reader = source.open(None)
        first = [found for found, _ in zip(reader, range(taken), strict=False)] if taken else []
        state = _state_after(source, taken)
        assert first + list(source.open(state)) == every


def _state_after(source: FileSource, taken: int) -> str:
    reader = source.open(None)
    documents = iter(reader)
    for _ in range(taken):
        next(documents)
    return reader.state()


def test_the_signature_tells_of_every_change(tmp_path: Path) -> None:
    path = tmp_path / "text" / "a.txt"
    path.parent.mkdir()
    path.write_text("one")
    seen = {local(path.parent).signature}
    steps: list[Callable[[], object]] = [
        lambda: path.write_text("three"),
        lambda: os.utime(path, ns=(1, 1)),
        lambda: path.rename(path.with_name("b.txt")),
        (path.parent / "c.md").touch,
    ]
    for step in steps:
        step()
        seen.add(local(path.parent).signature)
    assert len(seen) == 5
    assert local(path.parent).signature in seen


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("stdlb", "no corpus named 'stdlb': give stdlib, .* path; did you mean stdlib\\?"),
        ("tinystory", "did you mean tinystories"),
        ("", "no corpus named ''"),
        ("hf:", "no corpus named 'hf:'"),
        ("/dev/null", "cannot read /dev/null: give a directory or a file of .txt"),
    ],
)
def test_names_of_nothing_are_refused(spec: str, line: str) -> None:
    with pytest.raises(CorpusError, match=line):
        find_source(spec)


def test_a_directory_without_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tmp" / "x.png").touch()
    with pytest.raises(CorpusError, match=r"no text in .*: it holds no file of .txt"):
        find_source(str(tmp_path / "tmp"))
