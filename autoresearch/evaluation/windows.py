"""Documents cut into rows, in which every token is predicted once, from what precedes it there.

A document is BOS and its tokens, cut into windows of `context` predictions that do not overlap; a
window begins with the last token of the one before. Rows are padded with random tokens, which are
not charged, to one of a few widths: so each is padded little, and many fit one batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoresearch.evaluation.text import EncodedText, Tokens

NARROWEST = 16
Integers = NDArray[np.int64]
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Block:
    """Rows that go to the server together: `rows` int64 [B], `tokens` int32 [B, width]."""

    rows: Integers
    tokens: Tokens


@dataclass(frozen=True)
class WindowPlan:
    """The rows of a text. A position is the number of a charged token, 0 to `positions` - 1.

    Row r holds the `length[r]` + 1 tokens of `stream` from `start[r]` on, belongs to document
    `document[r]`, and its predictions are the positions from `first[r]` on. `ends[p]` is how many
    bytes the text has up to the token at position p, that token included.
    """

    context: int
    stream: Tokens
    start: Integers
    length: Integers
    document: Integers
    first: Integers
    fillers: Tokens
    ends: Integers

    @property
    def positions(self) -> int:
        """Return how many tokens are charged."""
        return int(self.length.sum())

    def targets(self, positions: Integers) -> Integers:
        """Return the token to be predicted at each position."""
        rows, columns = self.places(positions)
        return np.asarray(self.stream[self.start[rows] + columns + 1], np.int64)

    def places(self, positions: Integers) -> tuple[Integers, Integers]:
        """Return the row of each position and the column in it."""
        rows = np.searchsorted(self.first, positions, side="right") - 1
        return rows, positions - self.first[rows]

    def width(self, lengths: Integers) -> Integers:
        """Return the padded widths of rows: multiples of an eighth of the context, at most it."""
        step = max(NARROWEST, self.context // 8)
        return np.minimum(-(-lengths // step) * step, self.context)

    def fill(self, rows: Integers, keep: Integers, width: int, rng: np.random.Generator) -> Tokens:
        """Return int32 [B, width]: the first `keep` tokens of each row, then random tokens."""
        columns = np.arange(width)
        inside = columns < keep[:, None]
        offsets = np.where(inside, self.start[rows, None] + columns, 0)
        noise = self.fillers[rng.integers(len(self.fillers), size=inside.shape)]
        return np.where(inside, self.stream[offsets], noise)

    def blocks(self, batch: int, rng: np.random.Generator) -> Iterator[Block]:
        """Yield every row once, in random order and random batches; width = predictions + 1."""
        for rows, width in grouped(self.width(self.length), batch, rng):
            yield Block(rows, self.fill(rows, self.length[rows] + 1, width + 1, rng))

    def charged(self, block: Block) -> tuple[NDArray[np.bool_], Integers]:
        """Return which of a block's [B, width - 1] predictions count, and their positions."""
        columns = np.arange(block.tokens.shape[1] - 1)
        mask = columns < self.length[block.rows, None]
        return mask, (self.first[block.rows, None] + columns)[mask]

    def by_document(self, bits: Reals, documents: int) -> Reals:
        """Return the sums over each document of a value per position."""
        owner = np.repeat(self.document, self.length)
        return np.asarray(np.bincount(owner, bits, documents), np.float64)


def grouped(widths: Integers, batch: int, rng: np.random.Generator) -> list[tuple[Integers, int]]:
    """Return all indices in batches of equal width, indices and batches in random order."""
    batches: list[tuple[Integers, int]] = []
    for width in np.unique(widths):
        members = rng.permutation(np.flatnonzero(widths == width))
        batches += [(members[at : at + batch], int(width)) for at in range(0, len(members), batch)]
    return [batches[each] for each in rng.permutation(len(batches))]


def cut(text: EncodedText, context: int) -> WindowPlan:
    """Cut a text with at least one token into rows."""
    sizes = np.array([each.size for each in text.documents], np.int64)
    bos = np.array([text.bos], np.int32)
    stream = np.concatenate([part for each in text.documents for part in (bos, each)])
    begins = np.cumsum(sizes + 1) - sizes - 1
    counts = -(-sizes // context)
    document = np.repeat(np.arange(len(sizes)), counts)
    window = np.arange(len(document)) - np.repeat(np.cumsum(counts) - counts, counts)
    length = np.minimum(context, sizes[document] - window * context)
    return WindowPlan(
        context=context,
        stream=stream,
        start=begins[document] + window * context,
        length=length,
        document=document,
        first=np.cumsum(length) - length,
        # Padding takes only tokens that the text has: a model need not know the others.
        fillers=np.unique(np.concatenate(text.documents)),
        ends=np.cumsum(text.sizes[np.concatenate(text.documents)]),
    )
