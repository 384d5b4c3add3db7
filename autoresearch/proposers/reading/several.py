"""Reads an answer with several proposals: each is whole, and read by itself.

A line ``## Proposal 2`` begins the second one. Lines above the first such line are thoughts, and of
two with one number the later counts. Without such lines an answer is one proposal.
"""

import re
from collections.abc import Sequence

from autoresearch.proposers.base import Brief
from autoresearch.proposers.reading.answers import MOST, read
from autoresearch.proposers.reading.parts import Parts, take_apart
from autoresearch.records.proposals import Proposal, Rejection

_MARK = re.compile(r"\W*proposal\W{0,5}(?P<number>[1-9])\W*", re.IGNORECASE)


def read_several(
    answer: str, proposer: str, brief: Brief, most: int
) -> Sequence[Proposal | Rejection]:
    """Return at most so many proposals of an answer; in place of one, why it cannot be read."""
    marked = _marked(take_apart(answer, brief)) if most > 1 and len(answer) <= MOST else []
    texts = marked[:most] or [answer]
    return [read(text, proposer, brief) for text in texts]


def _marked(parts: Parts) -> list[str]:
    """Return the text below each mark, in the order of their numbers."""
    marks = [
        (at, int(found["number"]))
        for at, line in enumerate(parts.lines)
        if at not in parts.code and (found := _MARK.fullmatch(line))
    ]
    ends = [*(at for at, _ in marks), len(parts.lines)][1:]
    texts = {
        number: "\n".join(parts.lines[at + 1 : end])
        for (at, number), end in zip(marks, ends, strict=True)
    }
    return [texts[number] for number in sorted(texts)]
