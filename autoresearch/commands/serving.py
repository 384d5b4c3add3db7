"""A report served while a run is at work: to this machine alone, and to who has the address.

Other websites in the same browser are strangers, too: a name of theirs that leads here (DNS
rebinding) is refused by the Host that is asked for, and nothing is found without the address.
"""

import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import NamedTuple
from urllib.parse import urlsplit

from autoresearch.errors import AutoresearchError, ProjectError
from autoresearch.records.text import safe_line
from autoresearch.render.page import page
from autoresearch.report import StudyReport

LOOPBACK = "127.0.0.1"
REST = 9.0  # times as long as it took to read what is new: trainings want the machine
_LOCAL = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Source(NamedTuple):
    """Where a live page comes from.

    `files` are those that somebody has written to where anything changed, `revision` returns a word
    for the state of what is reported, and `report` the report.
    """

    files: tuple[Path, ...]
    revision: Callable[[], str]
    report: Callable[[], StudyReport]


class LivePage:
    """The newest page, made anew only where somebody asks and there is something new to say.

    Safe in many threads.
    """

    def __init__(self, source: Source, now: Callable[[], float] = time.monotonic) -> None:
        self._source, self._now = source, now
        self._lock = threading.Lock()
        self._seen: object = None
        self._version, self._page, self._page_of = "", b"", ""
        self._rested = float("-inf")

    def version(self) -> str:
        """Return a word for what the newest page would say.

        Raises:
            AutoresearchError: the registry cannot be read just now.
        """
        with self._lock:
            return self._newest()

    def page(self) -> bytes:
        """Return the newest page.

        Raises:
            AutoresearchError: the registry cannot be read just now.
        """
        with self._lock:
            version = self._newest()
            if version != self._page_of:
                with self._resting():
                    self._page = page(self._source.report(), version=version).encode()
                self._page_of = version
            return self._page

    def _newest(self) -> str:
        # Taken before the registry is read: what is written meanwhile is seen the next time.
        touched = [_state(each) for each in self._source.files]
        if touched != self._seen and self._now() >= self._rested:
            with self._resting():
                self._version = self._source.revision()
            self._seen = touched
        return self._version

    @contextmanager
    def _resting(self) -> Iterator[None]:
        """Read nothing for a while after what is done within."""
        began = self._now()
        try:
            yield
        finally:
            ended = self._now()
            self._rested = ended + REST * (ended - began)


def _state(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


class ReportServer(ThreadingTCPServer):
    """Serves a live page on the loopback device, at an address that cannot be guessed."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, live: LivePage, port: int | None = None) -> None:
        self.live, self.token = live, secrets.token_urlsafe(16)
        try:
            super().__init__((LOOPBACK, port or 0), _Handler)
        except OSError as fault:
            msg = f"port {port or 0} cannot be had ({fault.strerror}): try another --port"
            raise ProjectError(msg) from None

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self.server_address[1]}/{self.token}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of who left before the answer was written."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as it came


class _Handler(BaseHTTPRequestHandler):
    server: ReportServer
    server_version, sys_version = "autoresearch", ""
    error_content_type, error_message_format = "text/plain", "%(message)s\n"
    timeout = 30  # seconds that somebody may take to say what is wanted

    def do_GET(self) -> None:
        """Answer with the page or its version."""
        live, at = self.server.live, f"/{self.server.token}/"
        wanted = urlsplit(self.path).path
        if not _LOCAL.fullmatch(self.headers.get("Host", "")):
            self._say(HTTPStatus.FORBIDDEN, "this machine alone is served, by the name localhost")
        elif wanted == at:
            self._give("text/html", live.page)
        elif wanted == f"{at}version":
            self._give("text/plain", lambda: live.version().encode())
        else:
            self._say(HTTPStatus.NOT_FOUND, "nothing is here: see the address that was printed")

    def _refuse(self) -> None:
        self._say(HTTPStatus.METHOD_NOT_ALLOWED, "there is nothing here but to read")

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = _refuse  # noqa: N815 - their names

    def _give(self, kind: str, made: Callable[[], bytes]) -> None:
        try:
            answer = made()
        except AutoresearchError as fault:
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, safe_line(str(fault), 1000))
        else:
            self._send(HTTPStatus.OK, kind, answer)

    def _say(self, status: HTTPStatus, why: str) -> None:
        self._send(status, "text/plain", f"{why}\n".encode())

    def _send(self, status: HTTPStatus, kind: str, answer: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(answer)))
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET")
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is inherited
        """Write no log: the terminal is the person's."""
