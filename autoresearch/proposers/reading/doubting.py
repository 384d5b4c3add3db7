"""Whether the chosen parts of an answer may not be what its author finally means, and why.

An author may think aloud, take back an earlier change, offer a second choice, or be cut off. Words
count where they announce a change, choose one or take it back: between the changes and below them.
"""

import re
from collections.abc import Collection, Sequence
from itertools import pairwise
from keyword import kwlist

from autoresearch import patching
from autoresearch.proposers.reading.enclosures import THINKS, Enclosure, thoughts
from autoresearch.proposers.reading.fences import SIDES
from autoresearch.proposers.reading.headers import Group, field_name
from autoresearch.proposers.reading.objecting import two
from autoresearch.proposers.reading.parts import ChosenParts, Parts
from autoresearch.records.proposals import Rejection
from autoresearch.records.text import safe_line

_MARK = re.compile(r"[ \t>]*[<>]{5,}")
_TAG = re.compile(r"<[^<>]*>")
_COMMENT = re.compile(r"<!--.*?-->")
_WORDS = re.compile(r"[^\W\d_]+")
_KIND = (
    r"(?:option|version|variant|attempt|draft|try|candidate|idea|proposal|plan|choice|approach|"
    r"alternative|answer)"
)
_WHICH = r"(?:first|second|third|final|last|new|(?:an)?other|better|best|simpler|safer|bolder)"
# A line that begins so takes back what is above it.
_TAKES_BACK = re.compile(
    r"\W*(?:no(?:\W*$|[,.:;!\u2013\u2014]| wait)|wait\b|hmm|actually\b|oops|sorry\b|scratch\b|"
    r"never ?mind|on (?:second|reflection)|second thought|correct(?:ion|ed)\b|revis|"
    r"forget\b|do(?:n't| not) (?:apply|train|use|run)|i (?:meant|prefer)|let me re|rather\b|"
    r"(?-i:(?:UPDATE|EDIT)\b))|"
    r".*\b(?:disregard|withdraw|no proposal|"
    r"(?:ignore|discard|reject(?:ed)?) (?:it|this|that|the))\b",
    re.IGNORECASE,
)
# A line that begins so, or has such a word, announces a change that may not be meant with the rest.
_BESIDE = re.compile(
    rf"\W*(?:or\b|better\b|(?:draft|final)\W*$|{_WHICH}\W+{_KIND}\b|"
    rf"{_KIND}\W*(?:\d|[a-c]\b|one\b|two\b|final))|"
    r".*\b(?:if|could|would|might|alternativ\w*|instead|otherwise|unless|fall-?back|back-?up|"
    r"optional\w*|(?<!this )experiments?|ablation\w*|separate\w*|future|later|undo|revert|either|"
    r"already|previous\w*|tried|not (?:propose|include|part|meant|for))|"
    r"\W*not\b|.*[\u2705\u274c]",
    re.IGNORECASE,
)
# A line that begins so (with a number or a joining word) announces one more change of a proposal.
_JOINS = re.compile(
    r"[^\w`]*(?:\w{1,2}[.)]|(?:\w+ )?(?:edit|change|step|part|block|hunk|place)s?\b|and\b|"
    r"also\b|then\b|next\b|now\W+\w|finally\b|plus\b|additional|further|moreover|inside\b|"
    r"in (?:the|all)\b|within\b|second(?:ly)?\b|third(?:ly)?\b|likewise\b|similarly\b|"
    r"(?:the )?same\b|so\b|as a diff\b)",
    re.IGNORECASE,
)
_DELIMITER = re.compile(r"\s*(?:`{3}|~{3}|</?\w+|index [0-9a-f]+\.\.)")
_NAMED = re.compile(r"`[^`]+`|[A-Za-z]{4,}")
_SETTLES = re.compile(
    r"(?:choose|chose|pick|take|select|final|better|best|decide|respon|answer|done|stand by)", re.I
)
# A last line after which more was to come.
_GOES_ON = re.compile(
    r"\W*#+\s.*|.*\w\W*[:\uff1a]|.*\bcontinued\b.*|"
    r".*\b(?:next (?:message|reply|response)|"
    r"(?:other|second) (?:half|part) (?:will|follow|after))\b.*",
    re.IGNORECASE,
)
_ITEM = re.compile(r"\W*(\d{1,3})[.)](?!\d)")  # of a list


def fault_in(parts: Parts, chosen: ChosenParts, before: Sequence[Group] = ()) -> Rejection | None:
    """Return why the chosen parts may not be what the author means; None if there is no doubt.

    `before` are the headers above the chosen one.
    """
    return (
        _enclosed(parts, chosen)
        or _cut(parts, chosen)
        or _doubted(parts, chosen)
        or _disputed(parts, chosen, before)
    )


def _doubted(parts: Parts, chosen: ChosenParts) -> Rejection | None:
    """Return a refusal if words between or below the changes leave open whether all are meant."""
    between = parts.prose(chosen.starts[0], max(chosen.starts[-1], chosen.begin))
    below = parts.prose(chosen.stop, parts.end_of(chosen.begin))
    doubts = [line for line in between if _TAKES_BACK.match(line) or _BESIDE.match(line)]
    doubts += [line for line in below if _TAKES_BACK.match(line)]
    doubts += _unjoined(parts, chosen)
    if not doubts:
        return None
    return Rejection(
        f"`{safe_line(doubts[0].strip(), 60)}` stands below a change, so whether that is still "
        "meant cannot be known: give the header, and below it only the changes that shall be made"
    )


def _unjoined(parts: Parts, chosen: ChosenParts) -> list[str]:
    """Return the words before changes by which these need not belong to the same proposal.

    They belong to it if the words count, join, or name something in the change's code.
    """
    unjoined, known = list[str](), parts.brief.all_files
    for above, change in pairwise(chosen.edits):
        lines = [] if change.fault else parts.prose(above.stop, change.start)
        words = [line for line in lines if _WORDS.search(line) and not _is_delimiter(line, known)]
        # The code of the change, without comments and marks.
        changed = parts.lines[change.start : change.stop]
        code = " ".join(line.partition("#")[0] for line in changed if not _MARK.match(line))
        about = set(_NAMED.findall(code.casefold()))
        joined = any(_JOINS.match(line) or _names(line, about) for line in words)
        unjoined += [] if joined else words[:1]
    return unjoined


def _is_delimiter(line: str, known: Collection[str]) -> bool:
    """Return whether a line only names a file or a side, or begins or ends some code."""
    words = " ".join(_WORDS.findall(line)).upper()
    delimits = _DELIMITER.match(line) or SIDES.fullmatch(words)
    return bool(delimits) or patching.heading_path(line, known) is not None


def _names(line: str, about: Collection[str]) -> bool:
    """Return whether a line has code in it, or a word of the change's code."""
    words = (word for word in _NAMED.findall(line.casefold()) if word not in kwlist)
    return any(word[0] == "`" or word in about or word.rstrip("s") in about for word in words)


def _disputed(parts: Parts, chosen: ChosenParts, before: Sequence[Group]) -> Rejection | None:
    """Return a refusal if there are two whole proposals, and words that may mean the first.

    A proposal in thoughts that have ended is a draft, and does not count.
    """
    if chosen.group is None:
        return None
    drafts = _thoughts(parts)
    for group, after in pairwise([*before, chosen.group]):
        starts = [start for start in parts.starts if group.start <= start < after.start]
        if not starts or any(each.start < group.stop <= each.stop for each in drafts):
            continue
        between = parts.prose(starts[0], chosen.group.start)
        settled = any(_TAKES_BACK.match(line) or _SETTLES.search(line) for line in between)
        labelled = any(re.search(r"\w", line) for line in between)
        if labelled and not settled:
            return two([group, chosen.group], "no word between them drops the first", parts.brief)
        below = _TAG.sub("", " ".join(parts.prose(chosen.stop, parts.end_of(chosen.stop))))
        if len(_WORDS.findall(below)) > 1:
            return two([group, chosen.group], "words after the last one", parts.brief)
    return None


def _enclosed(parts: Parts, chosen: ChosenParts) -> Rejection | None:
    """Return a refusal if the header or a change is in a tag that is not named like an answer."""
    places = [*chosen.starts, *([chosen.group.stop - 1] if chosen.group else [])]
    for each in _thoughts(parts):
        place = next((place for place in places if each.start <= place < each.stop), None)
        if place is not None and not _is_file(each, chosen):
            return Rejection(
                f"line {place + 1} of the answer stands inside <{safe_line(each.name, 40)}>, as "
                "thoughts do, so it is no final word: after your thoughts have ended, give the "
                "header and the change once, outside of all tags"
            )
    return None


def _is_file(each: Enclosure, chosen: ChosenParts) -> bool:
    """Return whether an element has nothing in it but a whole file."""
    is_whole = any(each.start + 1 == whole.start for whole in chosen.wholes)
    return is_whole and not THINKS.search(each.name)


def _thoughts(parts: Parts) -> list[Enclosure]:
    """Return what is enclosed like thoughts: by tags, or by a fence with such a name."""
    fenced = (each for each in parts.fences if THINKS.match(each.info))
    found = [Enclosure(each.info, each.start, each.stop) for each in fenced]
    return [*thoughts(parts.lines, parts.brief.all_files, parts.code), *found]


def _cut(parts: Parts, chosen: ChosenParts) -> Rejection | None:
    """Return a refusal if an answer breaks off after its last change."""
    end = parts.end_of(chosen.begin)
    rest = parts.prose(chosen.begin, end)
    if mark := next((line for line in rest if _MARK.match(line)), None):
        return Rejection(f"the line `{safe_line(mark.strip(), 40)}` is no whole mark of a block")
    if _is_open(parts, chosen):
        return Rejection("a fence at the end is not closed, so the answer was cut off")
    lines = (_COMMENT.sub("", line) for line in parts.prose(chosen.stop, end))
    below = [line for line in lines if line.strip()]
    line = "".join(below[-1:]).strip().strip("*_` ")
    named = patching.heading_path(line, parts.brief.all_files) is not None
    announced = (_GOES_ON.fullmatch(line) and not field_name(line[:-1])) or _is_next(below)
    if end == len(parts.lines) and (announced or named):
        return Rejection(
            f"the answer ends with `{safe_line(line, 60)}` and nothing below it, so a part is "
            "missing: give the whole answer, or leave that line out"
        )
    return None


def _is_next(below: Sequence[str]) -> bool:
    """Return whether the last line is an item of a list that began above the change."""
    numbers = [found[1] if (found := _ITEM.match(line)) else "" for line in below]
    last = "".join(numbers[-1:])
    return bool(last) and last != "1" and str(int(last) - 1) not in numbers


def _is_open(parts: Parts, chosen: ChosenParts) -> bool:
    """Return whether a fence was begun and not closed, unless it holds a marked edit."""
    for fence in parts.fences:
        rest = "".join(parts.lines[fence.start + 1 :]).strip()
        if not fence.closed and fence.start >= chosen.begin and (rest or fence.info):
            return not any(each.is_marked and each.start > fence.start for each in chosen.edits)
    return False
