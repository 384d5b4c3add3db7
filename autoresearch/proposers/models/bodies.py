"""Response bodies that are one object although a stream was asked for, or the other way round."""

import json
from collections.abc import Callable, Iterable, Iterator

import httpx2

from autoresearch.proposers.models import faults
from autoresearch.proposers.models.client import ModelAnswer
from autoresearch.proposers.models.connection import Connection
from autoresearch.proposers.models.faults import Fault
from autoresearch.proposers.models.fields import (
    cost_in,
    get_path,
    joined,
    members,
    texts,
    thought,
)
from autoresearch.records.money import CallEnding

_MOST_BYTES = 64 * 2**20
_DONE = "[DONE]"
_BROKEN = "interrupted"  # the finish reason of a stream that ends without one


def read_stream(
    connection: Connection,
    stream: Iterable[object],
    response: httpx2.Response,
    read: Callable[[Iterable[object]], ModelAnswer | Fault | None],
    as_events: Callable[[object], Iterable[object]],
    what: str,
) -> ModelAnswer | Fault:
    """Return what comes of the events of a stream, also where they came as one body.

    Args:
        connection: that it came over.
        stream: of events, as an SDK parses it.
        response: that it comes in.
        read: makes an answer of events; None where they end before it does.
        as_events: makes events of an answer that came as one object.
        what: the provider calls an answer.
    """
    connection.opened = True
    connection.costs(cost_in(response.headers))
    kind = response.headers.get("content-type", "")
    told, streamed = stream, "json" not in kind and "event-stream" in kind
    if "json" in kind:
        body = gathered(response.iter_bytes())
        whole = _parsed(body)
        if get_path(whole, "error"):
            return faults.of_error(whole)
        told = _events(body) if whole is None else as_events(whole)
    if answer := read(told):
        return answer
    if streamed:
        return Fault(CallEnding.CUT, f"the stream ended before the {what} did")
    return Fault(CallEnding.MALFORMED, "it is no stream of events")


def completion(body: bytes) -> object | None:
    """Return the completion in a body; None where it is neither JSON nor a stream.

    Some servers stream though nobody asked them to. A stream without its end gets a finish reason
    that says that it was interrupted.
    """
    whole = _parsed(body)
    if whole is None:
        streamed = list(_events(body))
        whole = _put_together(streamed) if any(map(members, streamed)) else None
    return whole


def gathered(chunks: Iterable[bytes]) -> bytes:
    """Return a body that comes in chunks.

    Raises:
        ValueError: it is too long to be an answer.
    """
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > _MOST_BYTES:
            msg = f"more than {_MOST_BYTES} bytes"
            raise ValueError(msg)
    return bytes(body)


def _parsed(body: bytes) -> object | None:
    try:
        whole: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return whole


def _events(body: bytes) -> Iterator[object]:
    """Yield the data of a stream's events, up to the first that cannot be parsed."""
    for line in body.decode(errors="replace").split("\n"):
        name, _, data = line.partition(":")
        if name != "data":  # comments, which keep a connection alive, have no name
            continue
        if data.strip() == _DONE:
            yield _DONE
            continue
        try:
            yield json.loads(data)
        except (ValueError, RecursionError):
            return


def _put_together(streamed: list[object]) -> dict[str, object]:
    """Return a completion with the texts of all events joined; of other fields the last value."""
    whole: dict[str, object] = {}
    choice: dict[str, object] = {}
    message: dict[str, object] = {}
    content = ""
    for event in streamed:
        first = get_path(event, "choices", 0)
        piece = get_path(first, "delta") or get_path(first, "message")
        content += "".join(texts(get_path(piece, "content"))) or joined([get_path(first, "text")])
        whole |= _given(event)
        choice |= _given(first)
        message |= _given(piece) | ({"thoughts": True} if thought(piece) else {})
    if _DONE not in streamed:
        choice.setdefault("finish_reason", _BROKEN)
    choice["message"] = message | {"content": content}
    return whole | {"choices": [choice]}


def _given(value: object) -> dict[str, object]:
    """Return the fields of an object that are not null."""
    return {name: each for name, each in members(value).items() if each is not None}
