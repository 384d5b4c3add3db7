"""The hub: streamed through the real `datasets`, from local data and from a local stand-in hub."""

import json
import os
import subprocess
import sys
import threading
import time
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

SETTINGS = CorpusSettings(vocab_size=300, val_share=0.1, test_share=0.1, max_mib=0.2)
CHILD = """
import sys
from pathlib import Path
from autoresearch.errors import CorpusError
from tests.test_corpus_hub import SETTINGS, prepare
try:
    made = prepare(sys.argv[1], SETTINGS, Path(sys.argv[2]), report=lambda *_: None)
    print(made.tally.documents)
except CorpusError as fault:
    print("refused:", fault)
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    for number in range(3):
        lines = [json.dumps({"text": f"{number} and {n} " * 9, "n": n}) for n in range(150)]
        (folder / f"{number}.jsonl").write_text("\n".join(lines))
    return folder


def prepared(spec: str, home: Path) -> Corpus:
    return prepare(spec, SETTINGS, home, report=lambda *_: None, run_bytes=2000)


def in_child(spec: str, home: Path, **environment: str) -> tuple[str, float]:
    """Prepare with another environment: the hub's libraries read it when they are imported."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, spec, str(home)],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "HF_HOME": str(home / "hf"), **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.strip(), time.monotonic() - started


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
    path.write_text('{"words": "a"}\n')
    with pytest.raises(CorpusError, match=r"has no column text or content, only words"):
        HubSource("x", str(path.parent)).open(None)


def test_names_become_sources() -> None:
    assert find_source("hf:a/b:c") == HubSource("a/b", "a/b", "c")
    assert find_source("climbmix").name == "climbmix"
    assert find_source("tinystories").name == "tinystories"
    assert find_source("climbmix").signature != find_source("tinystories").signature


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
    said, seconds = in_child("climbmix", tmp_path, **environment)
    assert said.startswith(line)
    assert "\n" not in said
    assert seconds < 30


class _Hub(BaseHTTPRequestHandler):
    """Answers like the hub: no such dataset, an agreement to accept, or never."""

    def do_GET(self) -> None:
        if "silent" in self.path:
            time.sleep(20)
            return
        kind = "GatedRepo" if "gated" in self.path else "RepoNotFound"
        self.send_response(403 if kind == "GatedRepo" else 401)
        self.send_header("X-Error-Code", kind)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815 - the base class's name for the other verb

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        """Say nothing."""


@contextmanager
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("no/such", "refused: no dataset no/such on the hub"),
        ("some/gated", "refused: some/gated asks for an agreement on the hub"),
        ("so/silent", "refused: no network to fetch so/silent"),
        ("a b/c", "refused: no dataset a b/c on the hub"),
    ],
)
def test_what_the_hub_refuses_is_one_line(tmp_path: Path, name: str, line: str) -> None:
    with hub() as endpoint:
        said, seconds = in_child(f"hf:{name}", tmp_path, HF_ENDPOINT=endpoint)
    assert said.startswith(line)
    assert seconds < 30
