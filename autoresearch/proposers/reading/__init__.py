"""Reads proposals from what models and programs answer.

An answer is taken apart (`parts`: edits and diffs by `patching`, files by `fences` and `wholes`,
headers by `headers`); the parts of its one proposal are chosen (`choosing`), unless they may not be
meant (`doubting`, with `enclosures` for thoughts) or there is none (`objecting`); `answers` makes
the proposal of them, or of each where several were asked for.
"""

from autoresearch.proposers.reading.answers import (
    described,
    header,
    read,
    read_change,
    read_several,
    unread,
)
from autoresearch.proposers.reading.headers import HYPOTHESIS, Header
from autoresearch.proposers.reading.numbers import predicted
from autoresearch.proposers.reading.objecting import NoChange

__all__ = [
    "HYPOTHESIS", "Header", "NoChange", "described", "header", "predicted", "read", "read_change",
    "read_several", "unread",
]  # fmt: skip
