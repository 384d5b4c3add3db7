"""How the registry stores what is long."""

import struct
import zlib
from collections.abc import Sequence


def pack(data: bytes) -> bytes:
    """Return bytes as the registry stores long ones."""
    return zlib.compress(data, 6)


def unpack(data: bytes | None) -> bytes:
    """Return what `pack` was given; nothing for nothing."""
    return zlib.decompress(data) if data else b""


def pack_reals(values: Sequence[float]) -> bytes:
    """Return numbers as little-endian float32, packed."""
    return pack(struct.pack(f"<{len(values)}f", *values))


def unpack_reals(data: bytes | None) -> tuple[float, ...]:
    """Return what `pack_reals` was given, as near as float32 is."""
    return _numbers("f", unpack(data))


def pack_counts(values: Sequence[int]) -> bytes:
    """Return whole numbers as little-endian uint32, packed."""
    return pack(struct.pack(f"<{len(values)}I", *values))


def unpack_counts(data: bytes | None) -> tuple[int, ...]:
    """Return what `pack_counts` was given; nothing for nothing."""
    return tuple(map(int, _numbers("I", unpack(data))))


def _numbers(kind: str, data: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(data) // 4}{kind}", data)
