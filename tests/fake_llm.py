"""A language model that says what it is told to, on loopback, in three wire formats.

For tests:

    with FakeLlm([failure(429, retry_after=3), answer("hypothesis: ..."), hang()]) as fake:
        model = AnthropicModel(client, base_url=fake.url)
        ...
        fake.requests[0].body["model"]

Scenes are played one a request, in their order; a callable picks one by the request instead. With
`endless` they begin anew after the last; without, a request too many fails with status 418.
Usage is counted as bytes / 4, with a prompt cache that works like the providers'.

`fake.url` is the base URL for Anthropic's API; `fake.v1` the one for OpenAI's and its likes.

By hand: `python -m tests.fake_llm --answers DIR`.
"""

import argparse
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from tests import fake_wire
from tests.fake_scenes import Kind, Scene, answer, broken, cut, drip, failure, hang, raw
from tests.fake_wire import Api, Speech, Tokens

__all__ = [
    "FakeLlm", "Request", "Scene", "Tokens",
    "answer", "broken", "cut", "drip", "failure", "hang", "raw",
]  # fmt: skip


@dataclass(frozen=True)
class Request:
    """A request as it came. `headers` by lower-case name; `tokens` as they were counted."""

    path: str
    headers: Mapping[str, str]
    raw: bytes
    body: Mapping[str, Any]
    tokens: Tokens

    @property
    def api(self) -> Api:
        """Return which API was asked."""
        return Api(self.path)

    @property
    def blocks(self) -> list[tuple[str, bool]]:
        """Return the prompt's texts in order, with whether a cache may end after each."""
        return fake_wire.blocks(self.api, self.body)

    @property
    def text(self) -> str:
        """Return all of the prompt's text as one."""
        return "".join(text for text, _ in self.blocks)


@dataclass
class FakeLlm:
    """The server. `requests` are those that came so far. See the module for how to use it."""

    scenes: Iterable[Scene] | Callable[[Request], Scene]
    endless: bool = False
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._cached: set[str] = set()
        self._script = None if callable(self.scenes) else self._scripted(list(self.scenes))
        handler = cast("type[_Handler]", type("_Bound", (_Handler,), {"fake": self}))
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self._server.daemon_threads = False  # so that closing waits for every answer
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Return the base URL for Anthropic's API."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def v1(self) -> str:
        """Return the base URL for OpenAI's API and for Chat Completions."""
        return f"{self.url}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop, whatever hangs."""
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, path: str, headers: Mapping[str, str], raw: bytes) -> tuple[Request, Scene]:
        """Keep a request and return it with the scene that meets it."""
        body = json.loads(raw)
        with self._lock:
            tokens = self._counted(fake_wire.blocks(Api(path), body))
            request = Request(path, headers, raw, body, tokens)
            self.requests.append(request)
            if self._script is not None:
                return request, next(self._script, failure(418, "no scene is left"))
        assert callable(self.scenes)
        return request, self.scenes(request)

    def _scripted(self, scenes: list[Scene]) -> Iterator[Scene]:
        yield from scenes
        while self.endless:
            yield from scenes

    def _counted(self, blocks: list[tuple[str, bool]]) -> Tokens:
        """Return the prompt's tokens; the cache holds every beginning that a mark has ended."""
        text, ends = "", []
        for block, mark in blocks:
            text += block
            ends += [len(text)] if mark else []
        hit = max((end for end in ends if text[:end] in self._cached), default=0)
        last = max(ends, default=0)
        self._cached |= {text[:end] for end in ends}
        cached = len(text[:hit].encode()) // 4
        written = len(text[:last].encode()) // 4 - cached
        return Tokens(len(text.encode()) // 4 + 1, 0, cached, written)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeLlm

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # its own name
        """Say nothing."""

    def do_GET(self) -> None:
        models = {"object": "list", "data": [{"id": "fake", "object": "model"}]}
        self._send(json.dumps(models).encode() if self.path == "/v1/models" else b"{}")

    def do_POST(self) -> None:
        self.close_connection = True  # one request a connection, whatever becomes of it
        raw_body = self.rfile.read(int(self.headers["content-length"]))
        if self.path not in list(Api):
            self._send(b'{"error": {"message": "no such path"}}', 404)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request, scene = self.fake.take(self.path, headers, raw_body)
        try:
            self._play(request, scene)
        except (ConnectionError, TimeoutError):
            return  # the other side has hung up

    def _play(self, request: Request, scene: Scene) -> None:
        match scene.kind:
            case Kind.RAW:
                self._send(scene.body, scene.status, scene.headers)
            case Kind.FAILURE:
                body = fake_wire.error(
                    request.api, scene.status, scene.text, kind=scene.error, code=scene.code
                )
                kind = ("content-type", "application/json")
                self._send(json.dumps(body).encode(), scene.status, (kind, *scene.headers))
            case _:
                self._speak(request, scene)

    def _speak(self, request: Request, scene: Scene) -> None:
        if scene.kind is Kind.ANSWER or (scene.kind is Kind.HANG and scene.early):
            self._wait(scene.seconds)
        if scene.kind is Kind.HANG and scene.early:
            return
        streamed = bool(request.body.get("stream"))
        body = _body(request, scene)
        head = _head(streamed, len(body) + (64 if scene.kind is Kind.HANG else 0))
        if scene.kind is Kind.DRIP:
            self.wfile.write(b"" if scene.early else head)
            for byte in head * scene.early + body:
                self._wait(scene.seconds)
                self.wfile.write(bytes([byte]))
            return
        self.wfile.write(head)
        rest = scene.kind is Kind.CUT and scene.early
        self.wfile.write(body[: len(body) - 1] if rest else body)
        if scene.kind is Kind.HANG:
            self._wait(scene.seconds)
        if rest:
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(
        self, body: bytes, status: int = 200, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _wait(self, seconds: float) -> None:
        if seconds and self.fake.closing.wait(seconds):
            msg = "the fake is closing"
            raise ConnectionError(msg)


def _body(request: Request, scene: Scene) -> bytes:
    """Return the bytes of a body; of one that will be cut or hang only what comes of it."""
    tokens = scene.tokens or replace(request.tokens, output=len(scene.text.encode()) // 4 + 1)
    spoken = None if scene.uncounted else tokens
    model = str(request.body.get("model", ""))
    speech = Speech(model, scene.text, scene.stop, scene.thought, spoken)
    if not request.body.get("stream"):
        if scene.kind is Kind.BROKEN:
            return json.dumps(fake_wire.error(request.api, 500, scene.code)).encode()
        body = json.dumps(fake_wire.whole(request.api, speech)).encode()
        return body[: len(body) // 2] if scene.kind in (Kind.CUT, Kind.HANG) else body
    events = list(fake_wire.events(request.api, speech))
    if scene.kind in (Kind.CUT, Kind.HANG, Kind.BROKEN):
        late = scene.kind is Kind.BROKEN and not scene.early
        events = events[: -1 if late or request.api is not Api.MESSAGES else -3]
    if scene.kind is Kind.BROKEN:
        events.append(fake_wire.error_event(request.api, scene.error, scene.code))
    frames = [fake_wire.frame(event) for event in events]
    ending = [] if scene.kind is Kind.HANG else [b"0\r\n\r\n"]
    return b"".join([*(b"%x\r\n%s\r\n" % (len(each), each) for each in frames), *ending])


def _head(streamed: bool, size: int) -> bytes:
    kind = "text/event-stream; charset=utf-8" if streamed else "application/json"
    length = "transfer-encoding: chunked" if streamed else f"content-length: {size}"
    return (
        f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{length}\r\nconnection: close\r\n\r\n".encode()
    )


def main() -> None:
    """Serve the answers of a folder, in the order of their names, over and over."""
    parser = argparse.ArgumentParser(prog="python -m tests.fake_llm", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--answers", type=Path, required=True, help="a folder of text files")
    options = parser.parse_args()
    files = sorted(path for path in options.answers.iterdir() if path.is_file())
    scenes = [answer(path.read_text()) for path in files]
    with FakeLlm(scenes, endless=bool(scenes), port=options.port) as fake:
        sys.stdout.write(
            f"{len(scenes)} answers at {fake.url}\n\n"
            f"ANTHROPIC_BASE_URL={fake.url} ANTHROPIC_API_KEY=fake-key-of-no-worth\n"
            f"OPENAI_BASE_URL={fake.v1} OPENAI_API_KEY=fake-key-of-no-worth\n"
            f"--proposer openai:fake@{fake.v1}\n"
        )
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            sys.stdout.write(f"\n{len(fake.requests)} requests\n")


if __name__ == "__main__":
    main()
