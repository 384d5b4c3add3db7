"""Git LFS: what stands in a commit in place of a large file."""

MOST_BYTES = 1024  # a pointer is smaller
_POINTER = b"version https://git-lfs.github.com/spec/"


def is_pointer(data: bytes) -> bool:
    """Return whether a file that holds this only points to its content."""
    return len(data) < MOST_BYTES and data.startswith(_POINTER)
