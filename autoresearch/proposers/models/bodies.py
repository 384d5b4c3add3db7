"""Bodies of Chat Completions: one object, or the events of a stream put together to one."""

import json
from collections.abc import Iterator

from autoresearch.proposers.models.shapes import dig, joined, members, texts, thought

_DONE = "[DONE]"
_BROKEN = "interrupted"  # the reason of a stream that ends before it has told one


def completion(body: bytes) -> object | None:
    """Return the completion that a body holds; None where it is neither JSON nor a stream.

    Some servers stream though nobody asked them to. A stream without its end is told as broken off.
    """
    try:
        whole: object = json.loads(body)
    except (ValueError, RecursionError):
        events = list(_events(body.decode(errors="replace")))
        whole = _put_together(events) if any(map(members, events)) else None
    return whole


def _events(text: str) -> Iterator[object]:
    """Yield the data of a stream's events, as far as they can be read."""
    for line in text.split("\n"):
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


def _put_together(events: list[object]) -> dict[str, object]:
    """Return a completion with the texts of all events; of all else the last that was told."""
    whole: dict[str, object] = {}
    choice: dict[str, object] = {}
    message: dict[str, object] = {}
    said = ""
    for event in events:
        first = dig(event, "choices", 0)
        piece = dig(first, "delta") or dig(first, "message")
        said += "".join(texts(dig(piece, "content"))) or joined([dig(first, "text")])
        whole |= _told(event)
        choice |= _told(first)
        message |= _told(piece) | ({"thoughts": True} if thought(piece) else {})
    if _DONE not in events:
        choice.setdefault("finish_reason", _BROKEN)
    choice["message"] = message | {"content": said}
    return whole | {"choices": [choice]}


def _told(value: object) -> dict[str, object]:
    return {name: each for name, each in members(value).items() if each is not None}
