"""The bytes of a text file as UTF-8: decompressed, and without its byte-order mark."""

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from autoresearch.errors import CorpusError

COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
_BUFFER = 256 * 2**10
_CHARACTERS = 64 * 2**10
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def kind(name: str) -> str:
    """Return the ending that says how to read a file, in lower case: ``.jsonl`` of a.JSONL.gz."""
    path = Path(name.lower())
    if path.suffix in COMPRESSED:
        inner = path.with_suffix("").suffix
        return "" if inner == ".parquet" else inner  # nobody compresses those twice
    return path.suffix


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Yield the text of a file as a stream of UTF-8, which is not checked.

    Raises:
        CorpusError: it is compressed and damaged, or cut short.
        UnicodeDecodeError: its mark says UTF-16 or UTF-32, and it is not; from reading.
    """
    with _faults(path):
        with _raw(path) as raw:
            head = raw.read(4)
        mark, encoding = next((each for each in _MARKS if head.startswith(each[0])), (b"", "utf-8"))
        with _raw(path) as raw:
            raw.read(len(mark))
            # Line ends as they are: the wrapper's idea of a line must not change the text.
            text = None if encoding == "utf-8" else io.TextIOWrapper(raw, encoding, newline="")
            yield raw if text is None else io.BufferedReader(_Recoded(text), _BUFFER)


class _Recoded(io.RawIOBase):
    """A stream of text in another encoding, as UTF-8."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left = self._left or self._text.read(_CHARACTERS).encode()
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


@contextmanager
def _raw(path: Path) -> Iterator[BinaryIO]:
    # Both are closed here: a decompressor does not close the file that it reads.
    with (
        path.open("rb") as plain,
        io.BufferedReader(_decompressed(plain, path.suffix.lower()), _BUFFER) as file,
    ):
        yield file


def _decompressed(plain: BinaryIO, suffix: str) -> Any:
    if suffix == ".gz":
        return gzip.GzipFile(fileobj=plain)
    if suffix == ".bz2":
        return bz2.BZ2File(plain)
    if suffix == ".xz":
        return lzma.LZMAFile(plain)
    if suffix == ".zst":
        import pyarrow as pa  # noqa: PLC0415 - a quarter of a second: only who has such files pays

        return pa.CompressedInputStream(pa.PythonFile(plain, "r"), "zstd")
    return plain


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    """Turn faults of decompression into a CorpusError that names the file; let others pass."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as fault:
        if isinstance(fault, OSError) and fault.errno is not None:
            raise
        msg = f"cannot read {path}: it is damaged or cut short ({fault}); fetch or pack it again"
        raise CorpusError(msg) from fault
