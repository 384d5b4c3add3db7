"""The scenes that a FakeLlm plays: what happens to one request."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tests.fake_wire import Tokens


class Kind(StrEnum):
    """What happens in a scene."""

    ANSWER = "answer"
    RAW = "raw"
    FAILURE = "failure"
    HANG = "hang"
    CUT = "cut"
    DRIP = "drip"
    BROKEN = "broken"


@dataclass(frozen=True)
class Scene:
    """How one request is met. Made by the functions below."""

    kind: Kind
    text: str = ""
    stop: str = ""
    thought: str = ""
    tokens: Tokens | None = None
    uncounted: bool = False
    status: int = 200
    error: str = ""
    code: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    seconds: float = 0.0
    early: bool = False


def answer(
    text: str,
    *,
    stop: str = "",
    thought: str = "",
    tokens: Tokens | None = None,
    uncounted: bool = False,
    after: float = 0.0,
) -> Scene:
    """Say a text.

    Args:
        text: what the model says.
        stop: why it ends: "" is finished, or "length", "refusal", "none" (no reason is given).
        thought: what it thinks before, in the API's own place for thoughts.
        tokens: the usage to report; None counts it.
        uncounted: report no usage at all.
        after: seconds to wait before.
    """
    return Scene(
        Kind.ANSWER, text, stop, thought, tokens=tokens, uncounted=uncounted, seconds=after
    )


def failure(
    status: int,
    message: str = "so it is scripted",
    *,
    error: str = "",
    code: str = "",
    retry_after: float | str | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> Scene:
    """Refuse with a status, in the API's own error shape with this type (`error`) and code."""
    waits = () if retry_after is None else (("retry-after", str(retry_after)),)
    return Scene(
        Kind.FAILURE, message, status=status, error=error, code=code, headers=(*waits, *headers)
    )


def raw(
    body: bytes | str,
    *,
    status: int = 200,
    headers: Iterable[tuple[str, str]] = (("content-type", "application/json"),),
) -> Scene:
    """Send these bytes as the whole body, whatever they are."""
    body = body.encode() if isinstance(body, str) else body
    return Scene(Kind.RAW, status=status, headers=tuple(headers), body=body)


def body(value: object, *, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Scene:
    """Send this value as JSON, with these headers beside its own."""
    own = ("content-type", "application/json")
    return raw(json.dumps(value), status=status, headers=(own, *headers))


def stream(*events: object, headers: Iterable[tuple[str, str]] = ()) -> Scene:
    """Send these events as the whole stream, whatever they are; each named by its type."""
    frames = [f"event: {_named(event)}\ndata: {json.dumps(event)}\n\n" for event in events]
    return raw("".join(frames), headers=(("content-type", "text/event-stream"), *headers))


def _named(event: object) -> str:
    return str(event.get("type")) if isinstance(event, dict) else "message_start"


def hang(text: str | None = None, *, seconds: float = 3600) -> Scene:
    """Take the request and say nothing; or begin to say a text, and then say nothing."""
    return Scene(Kind.HANG, text or "", seconds=seconds, early=text is None)


def cut(text: str = "", *, clean: bool = False) -> Scene:
    """Begin to say a text and close the connection; `clean`: as if the body were complete."""
    return Scene(Kind.CUT, text, early=not clean)


def drip(text: str, *, every: float = 0.05, headers: bool = False) -> Scene:
    """Say a text a byte at a time; with `headers`, drip from the status line on."""
    return Scene(Kind.DRIP, text, seconds=every, early=headers)


def broken(
    text: str,
    message: str = "Overloaded",
    *,
    error: str = "overloaded_error",
    thought: str = "",
    late: bool = False,
) -> Scene:
    """Begin to say a text, then tell an error in the stream (Chat: an error with status 200).

    With a thought and no text it breaks while the model thinks; `late`: after all has been said
    and counted, right before the end of the message (Messages alone).
    """
    return Scene(Kind.BROKEN, text, error=error, code=message, thought=thought, early=not late)
