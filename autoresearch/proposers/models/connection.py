"""The connection to a provider: what is sent on it, and for how long it may take.

An HTTP client's timeouts count between bytes, and a name server may hang without any: so the whole
attempt runs on a thread of its own, whose connection is cut when its time is up.
"""

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Collection, Mapping
from functools import cache, partial
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import httpx2

from autoresearch.proposers.models.fields import parting
from autoresearch.records.money import Usage

_T = TypeVar("_T")
# The SDKs also send whatever headers the environment names; among them may be another account's.
_SENT = ("accept", "connection", "content-", "host", "transfer-encoding", "user-agent",
         "x-stainless-raw-response")  # fmt: skip
_CONNECTED = (".connect_tcp.complete", ".start_tls.complete")
_SENDING = ".send_request_headers.started"
_CLOSING_SECONDS = 1.0  # that an attempt whose connection was cut has to end


class Connection:
    """One attempt's connection, and what has come over it so far.

    `sent`: the request is on its way. `opened`: a stream has begun, so the prompt was accepted.
    `working`: the model thinks or answers; `thought`: it has thought. `used` are the tokens, once
    all are reported, and `cost` the dollars that the provider itself reports.
    """

    def __init__(self) -> None:
        self.sent = self.opened = self.working = self.thought = False
        self.used: Usage | None = None
        self.cost: float | None = None
        self._pieces: list[str] = []
        self._parted = False
        self._lock = threading.Lock()
        self._stream: object = None
        self._cut = False

    @property
    def text(self) -> str:
        """Return the answer so far."""
        return "".join(self._pieces)

    def say(self, piece: str) -> None:
        """Add a piece to the answer."""
        self.working = True
        if piece and self._parted:
            self._pieces.append(parting(self.text, piece))
            self._parted = False
        self._pieces.append(piece)

    def costs(self, dollars: float | None) -> None:
        """Note a cost that the provider reports; None changes nothing."""
        self.cost = self.cost if dollars is None else dollars

    def part(self) -> None:
        """Begin another text of the same answer, on a line of its own."""
        self._parted = True

    def cut(self) -> None:
        """End the connection, and any that is made later, even while it is read from."""
        with self._lock:
            self._cut = True
            _shut_down(self._stream)

    def follow(self, event: str, info: Mapping[str, object]) -> None:
        """Note a step of the connection (the HTTP client's `trace` extension)."""
        if event.endswith(_SENDING):
            self.sent = True
        if event.endswith(_CONNECTED):
            with self._lock:
                self._stream = info.get("return_value")
                if self._cut:
                    _shut_down(self._stream)


class _Attempt(threading.Thread, Generic[_T]):
    """The thread of one attempt. A daemon: a hanging name server must not keep a program alive."""

    def __init__(self, connection: Connection, ask: Callable[[Connection], _T]) -> None:
        super().__init__(name="model", daemon=True)
        self.connection = connection
        self.result: _T | None = None
        self.error: BaseException | None = None
        self._ask = ask

    def run(self) -> None:
        try:
            self.result = self._ask(self.connection)
        except BaseException as error:  # noqa: BLE001 # raised again by the thread that asks
            self.error = error


def within(seconds: float, connection: Connection, ask: Callable[[Connection], _T]) -> _T | None:
    """Return what `ask` returns; None if it took too long: then its connection is cut.

    Raises:
        BaseException: what `ask` raised in time.
    """
    attempt = _Attempt(connection, ask)
    attempt.start()
    late = True
    try:
        attempt.join(seconds)
        late = attempt.is_alive()
    finally:
        if late:  # an interruption of this thread included
            connection.cut()
            attempt.join(_CLOSING_SECONDS)
    if late:
        return None
    if attempt.error is not None:
        raise attempt.error
    return attempt.result


def http_client(
    base_url: str, key_header: Mapping[str, str], timeout: float, also: Collection[str] = ()
) -> httpx2.Client:
    """Return a client that sends only our key, follows no redirect and keeps no connection.

    A connection kept between calls that are minutes apart saves nothing and is often dead.

    Args:
        base_url: where it will ask.
        key_header: `bearer`, or in what header the provider wants the key; empty: it needs none.
        timeout: seconds that may pass between two bytes.
        also: headers of the provider's SDK that are sent beside what every request has.
    """
    trust_env = not _is_loopback(urlsplit(base_url).hostname or "")  # no proxy for loopback
    return httpx2.Client(
        verify=_trusted(trust_env=trust_env),
        timeout=timeout,
        limits=httpx2.Limits(max_keepalive_connections=0),
        follow_redirects=False,
        trust_env=trust_env,
        event_hooks={"request": [partial(_prepare, key_header, tuple(also))]},
    )


def bearer(key: str | None) -> Mapping[str, str]:
    """Return the header with which most providers take a key; empty where there is none."""
    return {} if key is None else {"authorization": f"Bearer {key}"}


@cache
def _trusted(*, trust_env: bool) -> ssl.SSLContext:
    """Return the trusted certificates. All clients share them: reading them takes 80 ms."""
    return httpx2.create_ssl_context(trust_env=trust_env)


def _prepare(key_header: Mapping[str, str], also: tuple[str, ...], request: httpx2.Request) -> None:
    for name in list(request.headers):
        if not name.startswith((*_SENT, *also)):
            del request.headers[name]
    request.headers.update(key_header)
    thread = threading.current_thread()
    if isinstance(thread, _Attempt):
        request.extensions["trace"] = thread.connection.follow


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _shut_down(stream: object) -> None:
    ask = getattr(stream, "get_extra_info", None)
    connected = ask("socket") if ask is not None else None
    if isinstance(connected, socket.socket):
        with contextlib.suppress(OSError):
            # Not TLS's own shutdown, which would end the session while it is read from.
            socket.socket.shutdown(connected, socket.SHUT_RDWR)
