"""Whether new code leaves out what it should hold, and says so in a comment.

A model that is asked for all lines may write "# ... rest unchanged ..." for some. Nothing fills
that in: what it stands for would be deleted.
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
        gone, come = old_texts[low:high], new_texts[start:stop]
        said = [line for line in come if stands_for_others(line)]
        sure = [line for line in said if _leaves_out(line)]
        if said and (_code(gone) > _code(come) or (sure and _code(gone))):
            return (sure or said)[0]
    return None


def stands_for_others(line: str) -> bool:
    """Return whether a line is only there for lines that are left out."""
    if line.strip() in ("...", "…"):
        return True
    comment = _COMMENT.fullmatch(line)
    if comment is None:
        return False
    words = comment["words"]
    short = len(words.split()) <= _MOST_WORDS
    return bool(_DOTS.search(words)) or (short and bool(_STANDS_FOR.search(words)))


def _leaves_out(line: str) -> bool:
    """Return whether a line has dots, and words for what is left out or none."""
    words = re.findall(r"[^\W\d_]+", line)
    return bool(_DOTS.search(line.strip())) and (not words or bool(_STANDS_FOR.search(line)))


def _code(lines: Sequence[str]) -> int:
    """Return how many lines do something."""
    return sum(
        bool(line.strip()) and not _COMMENT.fullmatch(line) and not stands_for_others(line)
        for line in lines
    )
