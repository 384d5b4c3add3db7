"""What a model answered, as a proposal. Strict, with words that help to mend what is refused.

An answer is a header of `name: value` lines, then SEARCH/REPLACE blocks, or one fenced whole file.
Code does not travel inside JSON: nothing has to be escaped, and a cut answer is seen to be cut.
"""

import re
from dataclasses import dataclass

from autoresearch.records.text import safe_line
from autoresearch.records.values import Category, Change, ChangeFormat, Proposal, Rejection

HYPOTHESIS = 500  # characters
_FIELD = re.compile(r"[\s>*_`#-]*(hypothesis|category|predicted[_ ]delta|risk)[*_`]*\s*:(.*)", re.I)
_NUMBER = re.compile(r"([+\-\u2212\u2013]?)\s*(\d+(?:[.,]\d*)?(?:[eE][+-]?\d+)?|\.\d+)")
_OPEN = re.compile(r"<{7} SEARCH\b")
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[\w+-]*[ \t]*$", re.MULTILINE)
_LARGEST = 100.0  # bits per byte: nothing real is off by more
_CATEGORIES = ", ".join(each for each in Category if each is not Category.BASELINE)
_ALIASES = {"bugfix": Category.BUG_FIX, "fix": Category.BUG_FIX, "other": Category.OTHER}


@dataclass(frozen=True)
class Header:
    """What an author says of a change; `hypothesis` is empty where nothing was said."""

    hypothesis: str = ""
    category: Category = Category.OTHER
    predicted_delta: float | None = None
    risk: str = ""


def header(text: str) -> Header:
    """Return what the header lines of a text say; what is missing or odd keeps its default."""
    said: dict[str, str] = {}
    for line in text.splitlines():
        if found := _FIELD.fullmatch(line):
            name = found[1].lower().replace(" ", "_")
            said.setdefault(name, found[2].strip().strip("*`_ "))
    return Header(
        hypothesis=safe_line(said.get("hypothesis", ""), HYPOTHESIS),
        category=_category(said.get("category", "")) or Category.OTHER,
        predicted_delta=_delta(said.get("predicted_delta", "")),
        risk=safe_line(said.get("risk", ""), HYPOTHESIS),
    )


def parse(answer: str, proposer: str) -> Proposal | Rejection:
    """Return the proposal that an answer makes, or what its author must mend.

    Whether the change applies is not looked at here: preflight does that for all proposers.
    """
    top, change = _split(answer)
    said = header(top)
    if not said.hypothesis:
        return Rejection("the line `hypothesis: ...` is missing above the change")
    if fault := _category_fault(top):
        return fault
    if isinstance(change, Rejection):
        return change
    return Proposal(
        proposer, said.hypothesis, change, said.category, said.predicted_delta, said.risk
    )


def unreadable(answer: str, proposer: str, why: str) -> Proposal:
    """Return an answer that cannot be read as a proposal that will be refused: nothing is lost."""
    said = header(answer)
    words = said.hypothesis or f"an answer that could not be read: {safe_line(why, 200)}"
    change = Change(ChangeFormat.BLOCKS, answer)
    return Proposal(proposer, words, change, said.category, said.predicted_delta, said.risk)


def _split(answer: str) -> tuple[str, Change | Rejection]:
    """Return the text above the change, and the change."""
    if block := _OPEN.search(answer):
        return answer[: block.start()], Change(ChangeFormat.BLOCKS, answer)
    fences = list(_FENCE.finditer(answer))
    if len(fences) < 2:
        missing = "the closing fence of the file is" if fences else "SEARCH/REPLACE blocks are"
        return answer, Rejection(f"{missing} missing: nothing would change")
    first, last = fences[0], fences[-1]
    above = answer[: first.start()].rstrip("\n").split("\n")
    named = above[-1] if above and not _FIELD.fullmatch(above[-1]) else ""
    body = answer[first.start() : last.end()]
    return answer[: first.start()], Change(ChangeFormat.FILE, f"{named}\n{body}".lstrip("\n"))


def _category_fault(top: str) -> Rejection | None:
    lines = [found for line in top.splitlines() if (found := _FIELD.fullmatch(line))]
    named = next((found[2] for found in lines if found[1].lower() == "category"), None)
    if named is None:
        return Rejection(f"the line `category: ...` is missing; it is one of {_CATEGORIES}")
    if _category(named) is None:
        return Rejection(f"no category {safe_line(named, 40)!r}: it is one of {_CATEGORIES}")
    return None


def _category(text: str) -> Category | None:
    word = re.sub(r"[\s_-]+", " ", text.strip(" *`_.").lower())
    if word in _ALIASES:
        return _ALIASES[word]
    known = {str(each): each for each in Category if each is not Category.BASELINE}
    return known.get(word)


def _delta(text: str) -> float | None:
    found = _NUMBER.search(text)
    if found is None:
        return None
    value = float(found[2].replace(",", "."))
    if value > _LARGEST:
        return None
    return -value if found[1] in ("-", "\u2212", "\u2013") else value
