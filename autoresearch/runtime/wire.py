"""Frames between the evaluator and a model server: a JSON header, then raw little-endian bytes.

A frame is the header's length as four bytes, the header, and as many payload bytes as the
header's ``bytes`` says. Every request carries a nonce that its reply must repeat. Both sides
share this module; the evaluator, which trusts no server, adds its own bounds (`evaluation.server`).
"""

import json
import struct
from collections.abc import Callable, Mapping

HEADER_LIMIT = 4096
BEFORE_TEXT = ("load", "tokenizer")  # what is asked before any sealed text is sent
_LENGTH = struct.Struct("<I")


class FrameError(ValueError):
    """What came is no frame."""


def head(fields: Mapping[str, object], size: int) -> bytes:
    """Return the beginning of a frame whose payload has `size` bytes."""
    header = json.dumps({**fields, "bytes": size}, separators=(",", ":")).encode()
    return _LENGTH.pack(len(header)) + header


def read_head(read: Callable[[int], bytes | bytearray]) -> dict[str, object]:
    """Return a frame's header; `read(n)` gives exactly n bytes.

    Raises:
        FrameError: too long, no JSON object, or no sound ``bytes`` in it.
    """
    (length,) = _LENGTH.unpack(read(_LENGTH.size))
    if length > HEADER_LIMIT:
        msg = f"a header of {length} bytes"
        raise FrameError(msg)
    try:
        header = json.loads(read(length))
    except (ValueError, RecursionError):
        msg = "a header that is no JSON"
        raise FrameError(msg) from None
    if not isinstance(header, dict) or integer(header, "bytes") < 0:
        msg = "a header that says no size"
        raise FrameError(msg)
    return header


def integer(header: Mapping[str, object], name: str) -> int:
    """Return a field that is an integer (no boolean).

    Raises:
        FrameError: it is none, or absent.
    """
    value = header.get(name)
    if type(value) is not int:
        msg = f"no integer {name!r}"
        raise FrameError(msg)
    return value
