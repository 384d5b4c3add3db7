"""Chooses the parts of an answer that are its one proposal."""

import re
from collections.abc import Sequence

from autoresearch.proposers.reading.doubting import fault_in
from autoresearch.proposers.reading.headers import Group
from autoresearch.proposers.reading.objecting import changeless, headless
from autoresearch.proposers.reading.parts import ChosenParts, Parts
from autoresearch.records.proposals import Rejection

_WORDS = re.compile(r"[^\W\d_]+")
_NAME = 3  # words that the name of a file may have


def choose(parts: Parts) -> ChosenParts | Rejection:
    """Return the last header with the changes that belong to it: those below it.

    What is above it are thoughts, since the form asks for the header first. Only where nothing is
    below the only header, the changes above it belong to it.
    """
    real = _distinct_headers(parts)
    if not real:
        return headless(parts)
    chosen = _below(parts, real[-1])
    if not chosen.starts and len(real) == 1 and len(parts.headers) == 1:
        chosen = ChosenParts(parts.edits, parts.wholes, real[0])
        between = parts.prose(chosen.starts[0], chosen.stop) if chosen.starts else ()
        if any(len(_WORDS.findall(line)) > _NAME for line in between):
            return Rejection(
                "the header stands below several edits with words between them, so which of them "
                "are meant cannot be known: give the header first, then all edits and nothing else"
            )
    if not chosen.starts:
        return changeless(parts, real)
    return fault_in(parts, chosen, real[:-1]) or chosen


def _distinct_headers(parts: Parts) -> Sequence[Group]:
    """Return the headers but for repeated forms, and repetitions of a header below its change."""
    real = [each for each in parts.headers if not each.is_form]
    end = parts.end_of(real[-1].start) if real else 0
    last = max((start for start in parts.starts if start < end), default=-1)
    while (
        len(real) > 1 and last < real[-1].start and _hypothesis(real[-1]) == _hypothesis(real[-2])
    ):
        real.pop()
    return real


def _hypothesis(group: Group) -> str:
    return group.header.hypothesis.casefold()


def _below(parts: Parts, group: Group) -> ChosenParts:
    end = parts.end_of(group.start)
    edits = [each for each in parts.edits if group.start <= each.start < end]
    wholes = [each for each in parts.wholes if group.start <= each.stop <= end]
    return ChosenParts(edits, wholes, group)
