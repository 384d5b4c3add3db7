"""Reads proposals from what models and programs answer.

An answer is taken apart (`parts`: edits and diffs by `patching`, files by `fences` and `wholes`,
headers by `headers`); the parts of its one proposal are chosen (`choosing`), unless they may not be
meant (`doubting`, with `enclosures` for thoughts) or there is none (`objecting`); `answers` makes
the proposal of them. `several` does so for each, where several were asked for.
"""

from autoresearch.proposers.reading.answers import header, read, read_change, unread
from autoresearch.proposers.reading.headers import HYPOTHESIS, Header
from autoresearch.proposers.reading.numbers import predicted
from autoresearch.proposers.reading.objecting import NoChange
from autoresearch.proposers.reading.several import read_several

__all__ = [
    "HYPOTHESIS", "Header", "NoChange", "header", "predicted", "read", "read_change",
    "read_several", "unread",
]  # fmt: skip
