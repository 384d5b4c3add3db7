"""Documents: identity, splits, cutting, and a tokenizer that loses nothing."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoresearch.corpus.documents import (
    Flaw,
    Rules,
    Split,
    checked,
    cut,
    document_key,
    to_utf8,
)
from autoresearch.corpus.tokenizer import Tokenizer, load_tokenizer, train_tokenizer
from autoresearch.errors import CorpusError

RULES = Rules(val_share=0.05, test_share=0.1, max_bytes=2**30)
HARD = [
    "naïve café — 漢字仮名交じり文\n",
    "\U0001d518\U0001d52b e\u0301\u0327 🏳️‍🌈",
    "it's <|bos|> I'LL",
    "\r\n\t \x00\x07 ",
    "١٢٣ 42",
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer([text.encode() * 20 for text in HARD], 400)


def test_copies_that_differ_in_case_and_white_space_are_one_document() -> None:
    assert document_key(b"Hello  World\n") == document_key(b"\thello world")
    assert document_key(b"hello world") != document_key(b"helloworld")


def test_shares_are_kept_and_large_documents_train() -> None:
    keys = [hashlib.sha256(str(n).encode()).digest() for n in range(20_000)]
    splits = [RULES.split(key, 100) for key in keys]
    assert splits.count(Split.VAL) == pytest.approx(1000, rel=0.15)
    assert splits.count(Split.TEST) == pytest.approx(2000, rel=0.15)
    assert {RULES.split(key, RULES.oversize + 1) for key in keys} == {Split.TRAIN}


def test_cuts_at_blank_lines_then_lines_then_characters() -> None:
    assert cut(b"aaa\nbbb\n\nccc\nddd\n", 12) == [b"aaa\nbbb\n\n", b"ccc\nddd\n"]
    assert cut(b"aaaa\nbbbb\ncccc", 7) == [b"aaaa\n", b"bbbb\n", b"cccc"]
    assert b"".join(cut(b"x\r\n\r\ny" * 9, 10)) == b"x\r\n\r\ny" * 9


@given(st.text(), st.integers(min_value=5, max_value=40))
def test_pieces_are_whole_characters_and_lose_nothing(text: str, size: int) -> None:
    pieces = cut(text.encode(), size)
    assert b"".join(pieces) == text.encode()
    assert all(piece.decode() is not None and len(piece) <= size for piece in pieces)


def test_bad_text_is_repaired_or_flawed() -> None:
    assert to_utf8("a\ud800b").decode() == "a\ufffdb"
    assert checked(b"ok") == b"ok"
    assert checked(b"\xff") is Flaw.NOT_UTF8


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_tokens_concatenate_to_the_document(tokenizer: Tokenizer, text: str) -> None:
    data = text.encode()
    ids = tokenizer.encode(data)
    assert b"".join(tokenizer.table[each] for each in ids) == data
    assert tokenizer.bos not in ids


@pytest.mark.parametrize(
    "text", [*HARD, " " * 300_000, "\n" * 300_000, "a" * 300_000, "漢" * 100_000]
)
def test_hard_and_endless_text_is_encoded(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text.encode())
    assert b"".join(tokenizer.table[each] for each in ids).decode() == text
    assert tokenizer.encode_batch([text.encode()]) == [ids]


def test_every_byte_has_a_token_and_bos_is_last(tokenizer: Tokenizer) -> None:
    assert {bytes([n]) for n in range(256)} <= set(tokenizer.table)
    assert len(tokenizer.table) == 400
    assert tokenizer.bos == 399
    assert tokenizer.table[399] == b""
    assert len(tokenizer.encode(b"<|bos|>")) > 1


def test_training_is_repeatable_and_small_text_leaves_ids_unused() -> None:
    texts = [b"the cat sat on the mat"] * 3
    first, second = (train_tokenizer(texts, 600) for _ in range(2))
    assert first.table == second.table
    assert len(first.table) == 600
    assert first.table[598] == b""


def test_a_saved_tokenizer_is_the_same_and_a_damaged_one_is_refused(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    loaded = load_tokenizer(path)
    assert (loaded.table, loaded.bos, loaded.pattern) == (
        tokenizer.table,
        tokenizer.bos,
        tokenizer.pattern,
    )
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(CorpusError, match="damaged: run `autoresearch prepare` again"):
        load_tokenizer(path)
