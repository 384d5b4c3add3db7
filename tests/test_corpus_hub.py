"""The hub: streamed through the real `datasets`, from local data and from a local stand-in hub."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from autoresearch.config import CorpusSettings
from autoresearch.corpus import Corpus, prepare
from autoresearch.corpus.documents import Flaw
from autoresearch.corpus.hub import HubSource
from autoresearch.corpus.sources import find_source
from autoresearch.errors import CorpusError
from autoresearch.records.known_corpora import KNOWN_CORPORA

SETTINGS = CorpusSettings(vocab_size=300, val_share=0.1, test_share=0.1, max_mib=0.2)
CHILD = f"""
import sys
from pathlib import Path
from autoresearch.config import CorpusSettings
from autoresearch.corpus import hub, prepare
from autoresearch.errors import CorpusError
from autoresearch.records.known_corpora import KNOWN_CORPORA
home, *specs = sys.argv[1:]
for number, spec in enumerate(specs):
    hub._PATIENCE = 1.0 if "silent" in spec else 200.0
    if number:
        sys.stdin.readline()  # until it may go on
    done = []
    options = {{"report": lambda *report: done.append(report), "run_bytes": 2000}}
    try:
        made = prepare(spec, {SETTINGS!r}, Path(home), **options)
        first = next(report for report in done if report[0] == "reading")
        print(made.tally.documents, made.tally.bytes, first[1], flush=True)
    except CorpusError as fault:
        print("refused:", fault, flush=True)
"""


@pytest.fixture(scope="module", autouse=True)
def without_torch() -> Iterator[None]:
    """Let `datasets` be imported in half the time: nothing here needs PyTorch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("USE_TORCH", "0")
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    for number in range(3):
        lines = [json.dumps({"text": f"{number} and {n} " * 9, "n": n}) for n in range(150)]
        (folder / f"{number}.jsonl").write_text("\n".join(lines))
    return folder


def prepared(spec: str, home: Path) -> Corpus:
    return prepare(spec, SETTINGS, home, report=lambda *_: None, run_bytes=2000)


def child(*specs: str, home: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """Prepare with another environment: the hub's libraries read it when they are imported.

    Only a hub that is silent by its name is not waited for.
    """
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(home), *specs],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "HF_HOME": str(home / "hf"), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def in_child(*specs: str, home: Path, environment: dict[str, str]) -> list[str]:
    """Return a child's line for each spec."""
    with child(*specs, home=home, environment=environment) as process:
        said, _ = process.communicate("\n" * len(specs))
    assert process.returncode == 0
    return said.splitlines()


def test_a_local_dataset_is_streamed_as_its_files_are_read(dataset: Path, tmp_path: Path) -> None:
    streamed = prepared(f"hf:{dataset}", tmp_path)
    read = prepared(str(dataset), tmp_path)
    assert streamed.tally == read.tally
    assert streamed.fingerprint == read.fingerprint


def test_a_stream_goes_on_where_it_stood(dataset: Path) -> None:
    source = HubSource("x", str(dataset))
    every = list(source.open(None))
    assert len(every) == 450
    reader = source.open(None)
    documents = iter(reader)
    first = [next(documents) for _ in range(200)]
    assert first + list(source.open(reader.state())) == every


def test_a_record_without_text_is_counted_and_a_set_without_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data" / "x.jsonl"
    path.parent.mkdir()
    path.write_text('{"content": "a"}\n{"content": null}\n')
    assert list(HubSource("x", str(path.parent)).open(None)) == [b"a", Flaw.MALFORMED]
    path.write_text('{"words": 1}\n')
    with pytest.raises(CorpusError, match=r"has no column of text, only words: "):
        HubSource("x", str(path.parent)).open(None)


def test_a_column_of_another_name_is_found_named_and_kept_when_reading_goes_on(
    tmp_path: Path,
) -> None:
    path = tmp_path / "data" / "x.jsonl"
    path.parent.mkdir()
    lines = [{"id": f"a{n}", "title": f"A {n}", "story": f"It was {n}."} for n in range(4)]
    path.write_text("\n".join(map(json.dumps, lines)))
    source = HubSource("x", str(path.parent))
    reader = source.open(None)
    assert next(iter(reader)) == b"It was 0."
    assert list(source.open(reader.state())) == [b"It was 1.", b"It was 2.", b"It was 3."]
    named = HubSource("x", str(path.parent), text_column="title")
    assert next(iter(named.open(None))) == b"A 0"
    assert named.signature != source.signature
    with pytest.raises(CorpusError, match="has no text in a column tale, only id, title, story: "):
        HubSource("x", str(path.parent), text_column="tale").open(None)


def test_names_become_sources() -> None:
    assert find_source("hf:a/b:c") == HubSource("a/b", "a/b", "c")
    known = {name: find_source(name) for name in KNOWN_CORPORA}
    assert [each.name for each in known.values()] == [*known]
    assert len({each.signature for each in known.values()}) == len(known)
    assert known["climbmix"] == HubSource("climbmix", "karpathy/climbmix-400b-shuffle")


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "refused: cannot fetch karpathy/climbmix-400b-shuffle: HF_HUB"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "refused: no network to fetch karpathy/climbmix"),
    ],
)
def test_no_network_is_one_quick_line(
    tmp_path: Path, environment: dict[str, str], line: str
) -> None:
    (said,) = in_child("climbmix", home=tmp_path, environment=environment)
    assert said.startswith(line)


class _Hub(BaseHTTPRequestHandler):
    """As much of the hub as `datasets` asks for: one dataset, and some names it refuses."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        file = self.server.files.get(path.rpartition("/")[2])
        if path.startswith("/api/datasets/some/set/tree/"):
            self._json(_listing(self.server.files) if path.endswith("/" + "a" * 40) else [])
        elif path.startswith("/api/datasets/some/set"):
            names = [{"rfilename": name} for name in self.server.files]
            self._json({"_id": "1", "id": "some/set", "sha": "a" * 40, "siblings": names})
        elif file is not None:
            self._data(file)
        elif "silent" in path:
            self.server.closing.wait(600)
        else:
            self._refuse(_kind(path))

    do_HEAD = do_GET  # noqa: N815 - the base class's name for the other verb

    def _json(self, document: object) -> None:
        self._send(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def _data(self, path: Path) -> None:
        if path.name in self.server.withheld:
            self._refuse("GatedRepo")
            return
        data = path.read_bytes()
        first, last = re.findall(r"\d+", self.headers["Range"] or f"0-{len(data)}")
        part = data[int(first) : int(last) + 1]
        span = f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"
        self._send(206, part, {"Content-Range": span, "ETag": '"b"', "X-Repo-Commit": "a" * 40})

    def _refuse(self, kind: str) -> None:
        code = {"GatedRepo": 403, "RepoNotFound": 401, "EntryNotFound": 404}[kind]
        self._send(code, b"", {"X-Error-Code": kind})

    def _send(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, files: dict[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), _Hub)
        self.files = files
        self.withheld: set[str] = set()
        self.closing = threading.Event()

    @property
    def environment(self) -> dict[str, str]:
        return {"HF_ENDPOINT": f"http://127.0.0.1:{self.server_address[1]}"}


def _listing(files: dict[str, Path]) -> list[dict[str, object]]:
    return [
        {"type": "file", "path": name, "size": path.stat().st_size, "oid": "b" * 40}
        for name, path in files.items()
    ]


def _kind(path: str) -> str:
    if "some/set" in path:
        return "EntryNotFound"
    return "GatedRepo" if "gated" in path else "RepoNotFound"


@contextmanager
def hub(folder: Path) -> Iterator[_Server]:
    server = _Server({path.name: path for path in sorted(folder.iterdir())})
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_download_that_breaks_off_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(2):
        lines = [json.dumps({"text": f"{number} and {n} " * 9}) for n in range(300)]
        (folder / f"{number}.jsonl").write_text("\n".join(lines))
    twice = ("hf:some/set", "hf:some/set")
    with hub(folder) as server:
        server.withheld.add("1.jsonl")
        with child(*twice, home=tmp_path, environment=server.environment) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("refused: ")
            server.withheld.clear()
            said, _ = process.communicate("\n")
    documents, total, first = map(int, said.split())
    assert documents == 600
    assert first > 0.4 * total
    read = prepared(str(folder), tmp_path / "other")
    (manifest,) = tmp_path.glob("corpora/*/manifest.json")
    assert json.loads(manifest.read_text())["fingerprint"] == read.fingerprint


def test_what_the_hub_refuses_is_one_line(tmp_path: Path) -> None:
    refused = {
        "no/such": "refused: no dataset no/such on the hub",
        "some/gated": "refused: some/gated asks for an agreement on the hub",
        "so/silent": "refused: no network to fetch so/silent",
        "a b/c": "refused: no dataset a b/c on the hub",
    }
    specs = [f"hf:{name}" for name in refused]
    with hub(tmp_path / "tmp") as server:
        lines = in_child(*specs, home=tmp_path, environment=server.environment)
    for line, start in zip(lines, refused.values(), strict=True):
        assert line.startswith(start)
