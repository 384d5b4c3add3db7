"""A local HTTP server that takes what is posted to it: at once, never, or with an error."""

import json
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass
class Listener:
    """The server. `/up` takes, `/slow` answers once it is closed, `/503` (any number) with that.

    `bodies` are what came, as JSON where it is, in order; `came` is set with each.
    """

    bodies: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._closing = closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.take(self.path, self.rfile.read(int(self.headers["content-length"])))
                if self.path.startswith("/slow"):
                    closing.wait(30)
                code = self.path.strip("/").partition("/")[0]
                self.send_response(int(code) if code.isdigit() else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def take(self, path: str, body: bytes) -> None:
        self.paths.append(path)
        self.bodies.append(json.loads(body) if body.startswith(b"{") else body)
        self.came.set()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{path}"

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _fault: BaseException | None,
        _at: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()


def dead_url() -> str:
    """Return a URL where nobody listens."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{nobody.getsockname()[1]}/token-of-nobody"
