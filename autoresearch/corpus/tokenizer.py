"""Byte-pair encoding: trained by `rustbpe` on the train split, applied by `tiktoken`."""

import base64
import json
import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from autoresearch.corpus.files import Stamp, write_json
from autoresearch.errors import CorpusError

if TYPE_CHECKING:
    import tiktoken

# Like GPT-4's: contractions, a word with one sign before it, digits in pairs, signs with the line
# ends after them, line ends with the blanks before them, blanks but for the last one. White space
# is bounded because the look-ahead backtracks: a megabyte of it overflows the stack.
PATTERN: Final = "|".join(
    (
        r"'(?i:[dmst]|ll|re|ve)",
        r"[^\r\n\p{L}\p{M}\p{N}]?[\p{L}\p{M}]+",
        r"\p{N}{1,2}",
        r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*",
        r"\s{0,64}[\r\n]+",
        r"\s{1,64}(?!\S)",
        r"\s+",
    )
)
_MAX_THREADS = 8


class Tokenizer:
    """A lossless tokenizer: the bytes of a document's tokens concatenate to the document.

    Attributes:
        table: the bytes of every id; empty for BOS and for ids that the text was too small to fill.
        bos: the last id, which precedes every document and occurs nowhere else.
    """

    def __init__(self, pattern: str, tokens: Sequence[bytes], bos: int) -> None:
        self.pattern = pattern
        self.bos = bos
        self.table: tuple[bytes, ...] = (*tokens, *[b""] * (bos + 1 - len(tokens)))

    def encode(self, data: bytes) -> list[int]:
        """Return the ids of a document (valid UTF-8), without BOS."""
        return self._encoding.encode_ordinary(data.decode())

    def encode_batch(self, documents: Sequence[bytes]) -> list[list[int]]:
        """Return the ids of several documents, encoded in parallel, without BOS."""
        threads = min(_MAX_THREADS, os.cpu_count() or 1)
        texts = [data.decode() for data in documents]
        return self._encoding.encode_ordinary_batch(texts, num_threads=threads)

    def save(self, path: Path) -> Stamp:
        """Write tokenizer.json: the pattern, BOS, and every token's bytes in base64, by id."""
        ranks = [base64.b64encode(token).decode() for token in self.table if token]
        return write_json(path, {"pattern": self.pattern, "bos": self.bos, "ranks": ranks})

    @cached_property
    def _encoding(self) -> "tiktoken.Encoding":
        import tiktoken  # noqa: PLC0415 - loading a corpus must be instant; encoding need not be

        ranks = {token: rank for rank, token in enumerate(self.table) if token}
        return tiktoken.Encoding(
            "corpus",
            pat_str=self.pattern,
            mergeable_ranks=ranks,
            special_tokens={"<|bos|>": self.bos},
        )


def train_tokenizer(texts: Iterable[bytes], vocab_size: int) -> Tokenizer:
    """Return a tokenizer of `vocab_size` ids, the last of them BOS, trained on these documents."""
    import rustbpe  # noqa: PLC0415 - only `prepare` trains

    trainer = rustbpe.Tokenizer()
    trainer.train_from_iterator(
        (data.decode() for data in texts), vocab_size=vocab_size - 1, pattern=PATTERN
    )
    ranks = sorted(trainer.get_mergeable_ranks(), key=lambda pair: pair[1])
    return Tokenizer(PATTERN, [bytes(token) for token, _rank in ranks], vocab_size - 1)


def load_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer in a tokenizer.json.

    Raises:
        CorpusError: the file is missing or damaged.
    """
    try:
        fields = json.loads(path.read_bytes())
        tokens = [base64.b64decode(each, validate=True) for each in fields["ranks"]]
        return Tokenizer(str(fields["pattern"]), tokens, int(fields["bos"]))
    except (OSError, ValueError, KeyError, TypeError) as fault:
        msg = f"{path} is missing or damaged: run `autoresearch prepare` again"
        raise CorpusError(msg) from fault
