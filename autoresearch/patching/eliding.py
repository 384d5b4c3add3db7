"""Whether new code leaves lines out that it should have, with a comment in their place.

A model that is asked for all lines may write "# ... rest unchanged ..." for some. Nothing is filled
in for that: the lines would be deleted.
"""

import re
from collections.abc import Sequence

from autoresearch.patching.comparing import LineMatcher

_COMMENT = re.compile(r"\s*(?:#+|//+|/\*+|<!--|--|;)\s*(?P<words>.*?)\s*(?:\*/|-->)?\s*")
_DOTS = re.compile(r"^\W*(?:\.{3}|…)|(?:\.{3}|…)\W*$")
_STANDS_FOR = re.compile(
    r"\b(?:unchanged|unmodified|existing|rest|remaining|remainder|same|omitted|elided|previous|"
    r"original|no change|as before|as above)\b",
    re.IGNORECASE,
)
_MOST_WORDS = 8  # a longer comment says something of its own


def elision(old: Sequence[str], new: Sequence[str]) -> str | None:
    """Return the first new line that stands for code which would be deleted, or None."""
    old_texts, new_texts = ([line.rstrip() for line in side] for side in (old, new))
    for kind, low, high, start, stop in LineMatcher(old_texts, new_texts).get_opcodes():
        if kind != "replace":
            continue
        removed, added = old_texts[low:high], new_texts[start:stop]
        likely = [line for line in added if stands_for_others(line)]
        sure = [line for line in likely if _leaves_out(line)]
        if likely and (_code(removed) > _code(added) or (sure and _code(removed))):
            return (sure or likely)[0]
    return None


def stands_for_others(line: str) -> bool:
    """Return whether a line seems to stand for lines that are left out."""
    if line.strip() in ("...", "…"):
        return True
    comment = _COMMENT.fullmatch(line)
    if comment is None:
        return False
    words = comment["words"]
    short = len(words.split()) <= _MOST_WORDS
    return bool(_DOTS.search(words)) or (short and bool(_STANDS_FOR.search(words)))


def _leaves_out(line: str) -> bool:
    """Return whether a line certainly does: it has dots, and words for what is left out or none."""
    words = re.findall(r"[^\W\d_]+", line)
    return bool(_DOTS.search(line.strip())) and (not words or bool(_STANDS_FOR.search(line)))


def _code(lines: Sequence[str]) -> int:
    """Return how many of these lines are code."""
    return sum(
        bool(line.strip()) and not _COMMENT.fullmatch(line) and not stands_for_others(line)
        for line in lines
    )
