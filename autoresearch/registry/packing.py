"""How the registry stores what is long."""

import zlib


def pack(data: bytes) -> bytes:
    """Return bytes as the registry stores long ones."""
    return zlib.compress(data, 6)


def unpack(data: bytes | None) -> bytes:
    """Return what `pack` was given; nothing for nothing."""
    return zlib.decompress(data) if data else b""
