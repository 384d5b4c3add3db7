"""Sources: which files are read, in what order, and what is said of those that cannot be."""

import bz2
import codecs
import csv
import gzip
import json
import lzma
import os
from collections.abc import Callable
from dataclasses import replace
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


def read(path: Path, text_column: str = "") -> list[bytes | Flaw]:
    return list(replace(local(path), text_column=text_column).open(None))


def test_the_library_has_no_tests_packages_or_tables() -> None:
    source = find_source("stdlib")
    assert isinstance(source, FileSource)
    paths = [entry.path for entry in source.entries]
    assert paths == sorted(paths)
    assert {"json/decoder.py", "argparse.py", "encodings/utf_8.py"} <= set(paths)
    assert all(path.endswith(".py") for path in paths)
    parts = {part for path in paths for part in Path(path).parts}
    assert not parts & {"test", "tests", "idle_test", "site-packages", "__pycache__", "cp1252.py"}
    assert source.total is not None
    assert source.total > 5_000_000
    assert source.unread == ""


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
    (tmp_path / "text/Makefile").touch()
    (tmp_path / "text/gone.txt").symlink_to("nowhere")
    (tmp_path / "text/x.tar.gz").touch()
    assert read(tmp_path / "text") == [b"a/c.py", b"a/z.TXT", b"b.md"]
    assert local(tmp_path / "text").unread == (
        "5 files (.png 1, .tar.gz 1, broken links 1, hidden 1, without an ending 1), "
        "5 folders (.git 1, .venv 1, env 1, node_modules 1, site-packages 1)"
    )


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
    with pytest.raises(CorpusError, match=r"has no column of text, only id \(int64\): "):
        read(tmp_path / "y.parquet")
    pq.write_table(pa.table({"text": [1]}), tmp_path / "z.parquet")
    with pytest.raises(CorpusError, match=r"has no column of text, only text \(int64\): "):
        read(tmp_path / "z.parquet")
    pq.write_table(pa.table({}), tmp_path / "empty.parquet")
    with pytest.raises(CorpusError, match="it has no column"):
        read(tmp_path / "empty.parquet")


TEXTS = ["Ein Märchen:\u2028 漢字 🦊\r\nEnde.\r", "Zwei\n"]
FORMS = {
    "a.txt": TEXTS[0],
    "a.md": TEXTS[0],
    "a.jsonl": "\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in TEXTS),
    "lines.json": "\r\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in TEXTS),
    "a.json": json.dumps([{"text": text} for text in TEXTS], ensure_ascii=False, indent=2),
    "strings.json": json.dumps(TEXTS),
    "within.json": json.dumps({"version": 1, "data": [{"text": text} for text in TEXTS]}),
    "one.json": json.dumps({"text": TEXTS[0], "notes": [{"text": "no"}]}, indent=2),
    "a.csv": "text,id\n" + "".join(f'"{text}",1\n' for text in TEXTS),
    "semicolon.csv": "id;text\n" + "".join(f'1;"{text}"\n' for text in TEXTS),
    "a.tsv": "id\ttext\n" + "".join(f'1\t"{text}"\n' for text in TEXTS),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_byte_order_mark_is_in_no_document_and_costs_none(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    expected = TEXTS[:1] if name in {"a.txt", "a.md", "one.json"} else TEXTS
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-32-be"):
        mark = "\ufeff" if encoding.endswith("-be") else ""
        path.write_bytes((mark + FORMS[name]).encode(encoding))
        assert read(path) == [text.encode() for text in expected], encoding


def zstd(data: bytes) -> bytes:
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as file:
        file.write(data)
    found: bytes = packed.getvalue().to_pybytes()
    return found


PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd,
}


@pytest.mark.parametrize("ending", PACKED)
def test_compressed_files_are_read_and_damaged_ones_refused(tmp_path: Path, ending: str) -> None:
    pack, folder = PACKED[ending], tmp_path / "in"
    folder.mkdir()
    for name, text in FORMS.items():
        path = folder / f"{name.upper()}{ending}"
        path.write_bytes(pack(b"\xef\xbb\xbf" + text.encode()))
        expected = TEXTS[:1] if name in {"a.txt", "a.md", "one.json"} else TEXTS
        assert read(path) == [each.encode() for each in expected], name
    assert local(folder).total is None
    path = folder / f"two.txt{ending}"
    path.write_bytes(pack(b"one, ") + pack(b"two" * 50_000))
    assert read(path) == [b"one, " + b"two" * 50_000]
    whole = path.read_bytes()
    for data in (whole[:-9], whole[:7], b"This is no such file."):
        path.write_bytes(data)
        with pytest.raises(CorpusError, match=r"cannot read .*two\.txt.* damaged or cut short"):
            read(path)


@pytest.mark.parametrize(
    ("record", "column"),
    [
        ({"story": "It was."}, "story"),
        ({"words": "It was."}, "words"),
        ({"Text": "It was.", "Title": "A tale of it"}, "Text"),
        ({"id": "a7", "title": "Of it", "body": "It was."}, "body"),
        ({"id": "a7", "lang": "en", "lyrics": "It was."}, "lyrics"),
        ({"title": "Of it", "lyrics": "It was. " * 99}, "lyrics"),
        ({"n": 3, "tags": ["x"], "tale": "Es war."}, "tale"),
    ],
)
def test_the_one_column_that_can_be_the_text_is_found(
    tmp_path: Path, record: dict[str, object], column: str
) -> None:
    for path in write_records(tmp_path / "in", [record, {**record, column: "Then."}]):
        expected = [str(record[column]).encode(), b"Then."]
        assert read(path) == expected, path.name


def write_records(folder: Path, records: list[dict[str, object]]) -> list[Path]:
    folder.mkdir()
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, records)))
    (folder / "a.json").write_text(json.dumps(records))
    pq.write_table(pa.Table.from_pylist(records), folder / "a.parquet")
    with (folder / "a.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, records[0].keys())
        table.writeheader()
        table.writerows(records)
    return sorted(folder.iterdir())


def test_where_several_columns_can_be_it_they_are_named_with_the_mend(tmp_path: Path) -> None:
    record = {"question": "What is it?", "answer": "It is this.", "n": 3}
    for path in write_records(tmp_path / "in", [record]):
        several = r"several columns of .* may be the text, question, answer(, n)?: say `--text-col"
        with pytest.raises(CorpusError, match=several):
            read(path)
        assert read(path, "answer") == [b"It is this."]
        none = r"has no text in a column reply, only .*question, answer.*: name another by `--text"
        with pytest.raises(CorpusError, match=none):
            read(path, "reply")


def test_beside_text_a_list_or_settings_are_counted_not_guessed_from(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write_records(folder, [{"title": "Of it", "year": "1"}])
    for name in ("a.parquet", "a.jsonl"):
        (folder / name).unlink()
    (folder / "package.json").write_text('{"name": "x", "description": "Of it."}')
    (folder / "tale.txt").write_text("It was.")
    (folder / "z.json").write_text('[{"story": "It went."}, {"story": 3}]')
    found = [Flaw.NO_COLUMN, Flaw.NO_COLUMN, Flaw.NO_COLUMN, b"It was.", b"It went."]
    assert read(folder) == [*found, Flaw.MALFORMED]


def test_broken_records_and_binary_files_are_flaws_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_bytes(b'text\n"one"\n\xff\n"two, a\n' + b"long" * 50_000 + b'"\n')
    (folder / "b.txt").write_bytes(bytes(range(256)))
    (folder / "c.txt").write_bytes("K\xf6nig".encode("latin-1"))
    (folder / "d.txt").write_bytes(codecs.BOM_UTF16_LE + b"odd")
    (folder / "e.json").write_text('[{"text": "cut')
    (folder / "f.json").write_text("")
    found: list[bytes | Flaw] = [b"one", Flaw.NOT_UTF8, b"two, a\n" + b"long" * 50_000]
    found += [Flaw.BINARY, Flaw.NOT_UTF8, Flaw.NOT_UTF8, Flaw.MALFORMED]
    assert read(folder) == found


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
