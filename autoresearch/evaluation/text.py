"""Documents as tokens: by the corpus tokenizer, or by the trial's own, which is checked.

A trial's tokenizer hands over its table (the bytes of every token) before it sees a document: else
one token could be a whole document. After that any way to cut the text is fair, for every token is
charged and the tokens must spell exactly the document.
"""

import ast
import itertools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from autoresearch.errors import CorpusError
from autoresearch.evaluation.rules import Cause, NoScore
from autoresearch.evaluation.server import Reply, ServerHandle
from autoresearch.records.scores import Document

MAX_VOCABULARY = 2**20
MAX_TABLE_BYTES = 2**26
CHUNK_BYTES = 2**20  # raw text in one request
Tokens = NDArray[np.int32]


class Tokenizer(Protocol):
    """The corpus's own tokenizer; `table[i]` is the bytes of token i, `bos` begins a document."""

    @property
    def table(self) -> Sequence[bytes]:
        """Return the bytes of every token."""
        ...

    @property
    def bos(self) -> int:
        """Return the token that begins every document; it is never charged."""
        ...

    def encode(self, data: bytes) -> list[int]:
        """Return tokens whose bytes concatenate to `data`."""
        ...


@dataclass(frozen=True)
class EncodedText:
    """Documents as tokens, without BOS, checked to spell exactly the documents' bytes.

    `sizes[i]` is how many bytes token i has.
    """

    bos: int
    documents: tuple[Tokens, ...]
    sizes: NDArray[np.int64]


def encode(tokenizer: Tokenizer, documents: Sequence[Document]) -> EncodedText:
    """Return the documents as tokens of the corpus tokenizer.

    Raises:
        CorpusError: they do not spell the text: the corpus is damaged.
    """
    tokens = tuple(np.array(tokenizer.encode(each.data), np.int32) for each in documents)
    fault = flaw(tokens, tokenizer.table, documents)
    if fault:
        msg = f"the corpus tokenizer is no use: {fault}; run `autoresearch prepare` again"
        raise CorpusError(msg)
    return EncodedText(tokenizer.bos, tokens, _sizes(tokenizer.table))


def brings_tokenizer(program: Path) -> bool:
    """Return whether a program binds `load_tokenizer` at its top level, without running it.

    Raises:
        NoScore: it cannot be read or is no Python.
    """
    try:
        module = ast.parse(program.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        raise NoScore(Cause.LOAD, f"{type(fault).__name__} in {program.name}") from None
    return any("load_tokenizer" in _bound(statement) for statement in module.body)


def encode_untrusted(
    server: ServerHandle, checkpoint: Path, documents: Sequence[Document]
) -> EncodedText:
    """Return the documents as tokens of the trial's tokenizer, run in its own process.

    Raises:
        NoScore: it loses text, uses tokens of no bytes, or breaks the protocol.
    """
    bos, table = _table(server, checkpoint)
    tokens: list[Tokens] = []
    for chunk in _chunks(documents):
        tokens += _encode_chunk(server, chunk, len(table))
    fault = flaw(tokens, table, documents)
    if fault:
        raise NoScore(Cause.TOKENIZER, fault)
    return EncodedText(bos, tuple(tokens), _sizes(table))


def flaw(
    tokens: Sequence[Tokens], table: Sequence[bytes], documents: Sequence[Document]
) -> str | None:
    """Return what is wrong with an encoding in one line, or None if it is exact."""
    sizes = _sizes(table)
    for ids, document in zip(tokens, documents, strict=True):
        if ids.size and not sizes[ids].all():
            return "a token of zero bytes stands in a document"
        if b"".join(map(table.__getitem__, ids.tolist())) != document.data:
            return "the tokens' bytes do not concatenate to the document"
    return None


def _sizes(table: Sequence[bytes]) -> NDArray[np.int64]:
    return np.fromiter(map(len, table), np.int64, len(table))


def _bound(statement: ast.stmt) -> set[str]:
    """Return the names that a statement binds in the scope it stands in."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in statement.names}
    if isinstance(statement, ast.If | ast.Try | ast.With):
        inner = (each for each in ast.iter_child_nodes(statement) if isinstance(each, ast.stmt))
        return set().union(*map(_bound, inner))
    names = (each for each in ast.walk(statement) if isinstance(each, ast.Name))
    return {each.id for each in names if isinstance(each.ctx, ast.Store)}


def _table(server: ServerHandle, checkpoint: Path) -> tuple[int, list[bytes]]:
    def size(reply: Reply) -> int:
        least = 4 * reply.integer("size", 1, MAX_VOCABULARY)
        return reply.integer("bytes", least, least + MAX_TABLE_BYTES)

    reply = server.ask("tokenizer", size=size, checkpoint=str(checkpoint))
    entries = reply.integer("size", 1, MAX_VOCABULARY)
    ends = np.cumsum(np.frombuffer(reply.payload, "<u4", entries), dtype=np.int64)
    data = bytes(reply.payload[4 * entries :])
    if ends[-1] != len(data):
        raise NoScore(Cause.PROTOCOL, "the tokenizer's table does not add up")
    bounds = [0, *ends.tolist()]
    table = [data[a:b] for a, b in itertools.pairwise(bounds)]
    return reply.integer("bos", 0, entries - 1), table


def _chunks(documents: Sequence[Document]) -> Iterator[list[Document]]:
    chunk: list[Document] = []
    size = 0
    for document in documents:
        if chunk and size + len(document.data) > CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(document)
        size += len(document.data)
    if chunk:
        yield chunk


def _encode_chunk(server: ServerHandle, chunk: list[Document], vocabulary: int) -> list[Tokens]:
    count = len(chunk)
    texts = [document.data for document in chunk]
    lengths = struct.pack(f"<{count}I", *map(len, texts))
    most = 4 * (count + sum(map(len, texts)))  # a token has at least one byte

    def size(reply: Reply) -> int:
        return reply.integer("bytes", 4 * count, most)

    reply = server.ask("encode", lengths + b"".join(texts), size, documents=count)
    if len(reply.payload) % 4:
        raise NoScore(Cause.PROTOCOL, "the tokenizer's reply is cut")
    numbers = np.frombuffer(reply.payload, "<u4")
    counts, ids = numbers[:count].astype(np.int64), numbers[count:]
    if counts.sum() != ids.size:
        raise NoScore(Cause.PROTOCOL, "the tokenizer's counts do not add up")
    if ids.size and int(ids.max()) >= vocabulary:
        raise NoScore(Cause.TOKENIZER, "a token stands in a document but not in the table")
    return np.split(ids.astype(np.int32), np.cumsum(counts)[:-1])
