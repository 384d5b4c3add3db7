"""Which parts of an answer are its one proposal."""

import re
from collections.abc import Sequence

from autoresearch.proposers.base import Brief
from autoresearch.proposers.reading.doubting import fault_in
from autoresearch.proposers.reading.headers import Group
from autoresearch.proposers.reading.objecting import changeless, headless
from autoresearch.proposers.reading.parts import Parts, Taken
from autoresearch.records.proposals import Rejection

_WORDS = re.compile(r"[^\W\d_]+")


def choose(parts: Parts, brief: Brief) -> Taken | Rejection:
    """Return the last header with the changes that belong to it: those below it.

    What stands above is thoughts: the form asks for the header first. Where nothing is below the
    only header, what stands above it belongs to it.
    """
    real = _said_once(parts)
    if not real:
        return headless(parts, brief)
    taken = _below(parts, real[-1])
    if not taken.starts and len(real) == 1 and len(parts.headers) == 1:
        taken = Taken(real[0], parts.edits, parts.wholes)
        if _scattered(parts, taken):
            return Rejection(
                "the header stands below several edits with words between them, so which of them "
                "are meant cannot be known: give the header first, then all edits and nothing else"
            )
    if not taken.starts:
        return changeless(parts, real, brief)
    return fault_in(parts, taken, brief, real[:-1]) or taken


def _said_once(parts: Parts) -> Sequence[Group]:
    """Return the headers that are no form, without those that repeat one below its change."""
    real = [each for each in parts.headers if not each.is_form]
    end = parts.end_of(real[-1].start) if real else 0
    last = max((start for start in parts.starts if start < end), default=-1)
    while len(real) > 1 and last < real[-1].start and _says(real[-1]) == _says(real[-2]):
        real.pop()
    return real


def _says(group: Group) -> str:
    return group.said.hypothesis.casefold()


def _below(parts: Parts, group: Group) -> Taken:
    end = parts.end_of(group.start)
    edits = [each for each in parts.edits if group.start <= each.start < end]
    wholes = [each for each in parts.wholes if group.start <= each.stop <= end]
    return Taken(group, edits, wholes)


def _scattered(parts: Parts, taken: Taken) -> bool:
    """Return whether there are words between the edits, beyond the name of a file."""
    between = parts.prose(taken.starts[0], taken.stop) if taken.starts else ()
    return any(len(_WORDS.findall(line)) > 3 for line in between)
