"""Bodies that are one object where a stream was asked for, or a stream where none was."""

import json
from collections.abc import Iterable, Iterator

from autoresearch.proposers.models.fields import get_path, joined, members, texts, thought

_MOST_BYTES = 64 * 2**20
_DONE = "[DONE]"
_BROKEN = "interrupted"  # the reason of a stream that ends before it has told one


def completion(body: bytes) -> object | None:
    """Return the completion that a body holds; None where it is neither JSON nor a stream.

    Some servers stream though nobody asked them to. A stream without its end is told as broken off.
    """
    whole = parsed(body)
    if whole is None:
        told = list(events(body))
        whole = _put_together(told) if any(map(members, told)) else None
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


def parsed(body: bytes) -> object | None:
    """Return the object in a body; None where it is no JSON."""
    try:
        whole: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return whole


def events(body: bytes) -> Iterator[object]:
    """Yield the data of a stream's events, as far as they can be read."""
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


def _put_together(told: list[object]) -> dict[str, object]:
    """Return a completion with the texts of all events; of all else the last that was told."""
    whole: dict[str, object] = {}
    choice: dict[str, object] = {}
    message: dict[str, object] = {}
    said = ""
    for event in told:
        first = get_path(event, "choices", 0)
        piece = get_path(first, "delta") or get_path(first, "message")
        said += "".join(texts(get_path(piece, "content"))) or joined([get_path(first, "text")])
        whole |= _told(event)
        choice |= _told(first)
        message |= _told(piece) | ({"thoughts": True} if thought(piece) else {})
    if _DONE not in told:
        choice.setdefault("finish_reason", _BROKEN)
    choice["message"] = message | {"content": said}
    return whole | {"choices": [choice]}


def _told(value: object) -> dict[str, object]:
    return {name: each for name, each in members(value).items() if each is not None}
