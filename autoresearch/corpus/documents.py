"""What a document is: its repair, its identity, the split it belongs to, and how to cut one up."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from math import ceil

_SURROGATE = re.compile("[\ud800-\udfff]")
LEAST = 10  # documents: fewer are not split, for train would have too few
_CUTS = (b"\n\n", b"\n\r\n", b"\n")


class Split(StrEnum):
    """The part of the corpus that a document belongs to, for ever."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class Flaw(StrEnum):
    """Why something that was read is no document; such things are counted, and left out."""

    NOT_UTF8 = "not_utf8"
    MALFORMED = "malformed"
    BINARY = "binary"
    NO_COLUMN = "no_column"


@dataclass(frozen=True)
class Rules:
    """Everything that decides which bytes end up where. Sizes in bytes; shares of documents.

    A document over `oversize` would alone decide a val score, so it goes to train. Val and test
    stop at `held_out` bytes each: a larger val set costs seconds in every experiment and tells
    nothing more; further documents that would belong to them are dropped, not given to train. A
    corpus with fewer than `few` documents that could be held out is cut into pieces.
    """

    val_share: float
    test_share: float
    max_bytes: int
    oversize: int = 256 * 2**10
    held_out: int = 8 * 2**20
    few: int = 200
    look: int = 64 * 2**20
    pieces: int = 400
    shortest_piece: int = 200
    longest_piece: int = 32 * 2**10
    tokenizer_sample: int = 100 * 2**20
    shard_tokens: int = 100_000_000

    def describe(self) -> dict[str, object]:
        """Return every rule by name, for the signature and the fingerprint."""
        return asdict(self)

    def split(self, key: bytes, size: int) -> Split:
        """Return the split of a document: a function of its key and size alone."""
        share = draw(key)
        if size > self.oversize or share >= self.val_share + self.test_share:
            return Split.TRAIN
        return Split.VAL if share < self.val_share else Split.TEST

    def by_rank(self, draws: Iterable[float]) -> "Rules | None":
        """Return the rules with shares changed so that val and test get their number of documents.

        Among few documents chance may leave a split empty. None where there are too few for three
        splits.

        Args:
            draws: of every document that is not oversize; see `draw`.
        """
        ranked = sorted(draws)
        val, test = (ceil(each * len(ranked)) for each in (self.val_share, self.test_share))
        if len(ranked) < LEAST:
            return None
        # Shares half-way between two draws, with as many draws below them as documents are wanted.
        first, second = ((ranked[number - 1] + ranked[number]) / 2 for number in (val, val + test))
        return replace(self, val_share=first, test_share=second - first)

    def piece_size(self, total: int) -> int:
        """Return the size of the pieces that a corpus of few documents is cut into."""
        return max(self.shortest_piece, min(total // self.pieces, self.longest_piece))


def draw(key: bytes) -> float:
    """Return the number in [0, 1) that decides a document's split."""
    # The order of documents comes from the key's first bytes, the split from its last ones: else
    # train would be the documents with the last keys.
    return int.from_bytes(key[-8:], "big") / 2**64


def document_key(data: bytes) -> bytes:
    """Return the SHA-256 of a document with its case and white space folded away.

    Copies that differ in nothing else share a key: one of them is kept, the others are dropped.
    """
    return hashlib.sha256(" ".join(data.decode().lower().split()).encode()).digest()


def to_utf8(text: str) -> bytes:
    """Return text as valid UTF-8; lone surrogates (JSON can hold them) become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text).encode()


def checked(data: bytes) -> bytes | Flaw:
    """Return the document, or a flaw if it is not UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return Flaw.NOT_UTF8
    return data


def checked_file(data: bytes) -> bytes | Flaw:
    """Return the content of a text file, or a flaw if it is binary or not UTF-8."""
    return Flaw.BINARY if b"\0" in data else checked(data)


def cut_point(data: bytes, start: int, end: int) -> int:
    """Return where to cut in (start, end]: after a blank line, else a line, else a character.

    Only the second half is searched, so that a piece is never much shorter than asked for.
    """
    middle = start + (end - start) // 2
    for mark in _CUTS:
        at = data.rfind(mark, middle, end)
        if at >= 0:
            return at + len(mark)
    while end > start + 1 and end < len(data) and data[end] & 0xC0 == 0x80:
        end -= 1  # inside a multi-byte character
    return end


def cut(data: bytes, size: int) -> list[bytes]:
    """Return consecutive pieces of about `size` bytes whose concatenation is `data`."""
    pieces, start = [], 0
    while len(data) - start > size:
        end = cut_point(data, start, start + size)
        pieces.append(data[start:end])
        start = end
    return [*pieces, data[start:]]
