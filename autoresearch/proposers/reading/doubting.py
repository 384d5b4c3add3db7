"""Why what was chosen of an answer may not be what its author finally means.

An author may think aloud, take back what stands above, offer a second choice, or be cut off. Words
count where they announce a change, choose one or take it back: between the changes and below them.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from autoresearch import patching
from autoresearch.proposers.base import Brief
from autoresearch.proposers.reading.enclosures import thoughts
from autoresearch.proposers.reading.headers import Group, field_name
from autoresearch.proposers.reading.objecting import two
from autoresearch.proposers.reading.parts import Parts, Taken, known_files
from autoresearch.records.text import safe_line
from autoresearch.records.values import Rejection

_MARK = re.compile(r"[ \t>]*[<>]{5,}")
_TAG = re.compile(r"<[^<>]*>")
_WORDS = re.compile(r"[^\W\d_]+")
_KIND = (
    r"(?:option|version|variant|attempt|draft|try|candidate|idea|proposal|plan|choice|approach|"
    r"alternative|answer)"
)
_WHICH = r"(?:first|second|third|final|last|new|next|(?:an)?other|better|best|simpler|safer|bolder)"
# A line that begins so takes back what stands above it.
_TAKES_BACK = re.compile(
    r"\W*(?:no(?:\W*$|[,.:;!\u2013\u2014]| wait)|wait\b|hmm|actually\b|oops|sorry\b|scratch\b|"
    r"never ?mind|on (?:second|reflection)|second thought|correct(?:ion|ed)\b|revis|forget\b|"
    r"ignore\b|disregard|discard|do(?:n't| not) (?:apply|train|use|run)|i (?:meant|prefer)|"
    r"let me re|rather\b|(?-i:UPDATE\b))",
    re.IGNORECASE,
)
# One that begins so, or has such a word, announces one of several changes that are not all meant.
_BESIDE = re.compile(
    rf"\W*(?:or\b(?! else)|better\b|(?:draft|final)\W*$|{_WHICH}\W+{_KIND}\b|"
    rf"{_KIND}\W*(?:\d|[a-c]\b|one\b|two\b|final))|"
    r".*\b(?:if|could|would|might|alternativ\w*|instead|otherwise|unless|fall-?back|back-?up|"
    r"optional\w*|(?<!this )experiments?|ablation\w*|separate\w*|future|undo|revert)\b",
    re.IGNORECASE,
)
_SETTLES = re.compile(r"\b(?:choose|chose|pick|take|select|final\w*|better|best|decided?)\b", re.I)
# The last line of an answer, where more was to come.
_GOES_ON = re.compile(
    r"\W*#+\s.*|.*\w\W*[:\uff1a]|.*\bcontinued\b.*|"
    r".*\b(?:next|(?:an)?other|second) (?:message|reply|response|half|part)\b.*",
    re.IGNORECASE,
)


def fault_in(
    parts: Parts, taken: Taken, brief: Brief, before: Sequence[Group] = ()
) -> Rejection | None:
    """Return why what was chosen may not be what its author means, None where it is.

    Args:
        parts: of the answer.
        taken: what was chosen.
        brief: what was asked.
        before: the headers above the chosen one.
    """
    return (
        _enclosed(parts, taken, brief)
        or _cut(parts, taken, brief)
        or _doubted(parts, taken)
        or _disputed(parts, taken, brief, before)
    )


def _doubted(parts: Parts, taken: Taken) -> Rejection | None:
    """Say that words between the changes, or below them, leave open whether all are meant."""
    begin = taken.group.start if taken.group else 0
    between = parts.prose(taken.starts[0], max(taken.starts[-1], begin))
    below = parts.prose(taken.stop, parts.end_of(begin))
    doubts = [line for line in between if _TAKES_BACK.match(line) or _BESIDE.match(line)]
    doubts += [line for line in below if _TAKES_BACK.match(line)]
    if not doubts:
        return None
    return Rejection(
        f"`{safe_line(doubts[0].strip(), 60)}` stands below a change, so whether that is still "
        "meant cannot be known: give the header, and below it only the changes that shall be made"
    )


def _disputed(
    parts: Parts, taken: Taken, brief: Brief, before: Sequence[Group]
) -> Rejection | None:
    """Say that there are two whole proposals, and words that may mean the first.

    One in thoughts that have ended is a draft.
    """
    if taken.group is None:
        return None
    drafts = thoughts(parts.lines, known_files(brief), parts.code)
    for group, after in pairwise([*before, taken.group]):
        starts = [start for start in parts.starts if group.start <= start < after.start]
        if not starts or any(each.start < group.stop <= each.stop for each in drafts):
            continue
        between = parts.prose(starts[0], taken.group.start)
        settled = any(_TAKES_BACK.match(line) or _SETTLES.search(line) for line in between)
        if any(_BESIDE.match(line) for line in between) and not settled:
            return two([group, taken.group], "words between them that choose neither", brief)
        below = _TAG.sub("", " ".join(parts.prose(taken.stop, parts.end_of(taken.stop))))
        if len(_WORDS.findall(below)) > 1:
            return two([group, taken.group], "words after the last one", brief)
    return None


def _enclosed(parts: Parts, taken: Taken, brief: Brief) -> Rejection | None:
    """Say where a header or a change stands in something that is not named like an answer."""
    places = [*taken.starts, *([taken.group.stop - 1] if taken.group else [])]
    for each in thoughts(parts.lines, known_files(brief), parts.code):
        place = next((place for place in places if each.start <= place < each.stop), None)
        if place is not None and not any(each.start + 1 == one.start for one in taken.wholes):
            return Rejection(
                f"line {place + 1} of the answer stands inside <{safe_line(each.name, 40)}>, as "
                "thoughts do, so it is no final word: after your thoughts have ended, give the "
                "header and the change once, outside of all tags"
            )
    return None


def _cut(parts: Parts, taken: Taken, brief: Brief) -> Rejection | None:
    """Say how an answer breaks off after its last change, if it does."""
    begin = taken.group.start if taken.group else 0
    end = parts.end_of(begin)
    rest = parts.prose(begin, end)
    if mark := next((line for line in rest if _MARK.match(line)), None):
        return Rejection(f"the line `{safe_line(mark.strip(), 40)}` is no whole mark of a block")
    if _is_open(parts, taken, begin):
        return Rejection("a fence at the end is not closed, so the answer was cut off")
    last = next((line for line in reversed(parts.prose(taken.stop, end)) if line.strip()), "")
    line = last.strip().strip("*_` ")
    named = patching.heading_path(line, known_files(brief)) is not None
    announced = _GOES_ON.fullmatch(line) and not field_name(line[:-1])
    if end == len(parts.lines) and (announced or named):
        return Rejection(
            f"the answer ends with `{safe_line(line, 60)}` and nothing below it, so a part is "
            "missing: give the whole answer, or leave that line out"
        )
    return None


def _is_open(parts: Parts, taken: Taken, begin: int) -> bool:
    """Return whether a fence has begun that is not closed, and holds no block to its end."""
    for fence in parts.fences:
        rest = "".join(parts.lines[fence.start + 1 :]).strip()
        if not fence.closed and fence.start >= begin and (rest or fence.info):
            return not any(each.edit.is_marked and each.start > fence.start for each in taken.edits)
    return False
