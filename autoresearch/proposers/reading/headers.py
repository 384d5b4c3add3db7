"""The header of an answer: how its author describes the change, in lines of `name: value`.

Models write it bold, numbered, as headings, as a table, as JSON or YAML, in other spellings and
other languages. Fields that are missing or odd keep their defaults; only a hypothesis must be
there.
"""

import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from functools import lru_cache

from autoresearch.patching import heading_path
from autoresearch.records.proposals import NO_NOTES, Notes
from autoresearch.records.text import safe_line
from autoresearch.records.values import Category

HYPOTHESIS, NOTE = 500, 300  # characters
MOST_NOTES = 5  # ideas for later in one answer
_NOTED = re.compile(r"(?<![\d.])\d{1,6}\.\d(?![\d.])")  # the number of such an idea
_EXACT = ("later", "takes", "drops")  # words that prose has, too: only this spelling counts
_ALIKE = {"hypothesis": 0.8, "category": 0.7, "risk": 0.78}  # how alike a name must be to count
_DECORATION = r"(?:[^\w\n]|_)*+(?:\d+[.)]\s*+)?+[\s*_`\"']*+"
# What may be before a header on the same line: tokens of a server, or words without a space.
_BEFORE = r"(?:.*(?:\|>|</[\w:.-]+>|\[/\w+\])|.*[\w.!?](?=hypothesis\s*:))?"
_FIELD = re.compile(
    _BEFORE + _DECORATION + r"(?P<name>[^\W\d_][\w \u0394\u03b4.()\-]{2,40}?)"
    r"[\s*_`\"'\])]*(?:[:\uff1a=|]+>?|\u2192|\s[-\u2013\u2014]>?\s)(?P<value>.*)"
)
_BOLD = re.compile(
    r"(?:[^\w*]|_)*\*\*(?P<name>[\w \u0394\u03b4-]{3,40})[.:]?\*\*\s*(?P<value>\w.*)"
)
_TAGGED = re.compile(r"\s*<(?P<name>[\w -]{3,40})>(?:(?P<value>.*)</[\w -]+>)?\s*")
_HEADING = re.compile(
    r"\s*(?:#+\s*[*_]*|[*_]{2,})(?P<name>[^\W\d_][\w \u0394\u03b4-]{2,40}?)\s*[*_:\uff1a#]*\s*"
)
_STOP = re.compile(r"[ \t>]*(?:`{3,}|~{3,}|[<>=]{5,}|-{3,}|\+{3,}|@@|\*\*\*|</?\w|\[/?\w+\]|\|)")
_PLACEHOLDER = "one sentence:"  # how the form's own values begin, which an answer may repeat
_CODE = re.compile(r"\s*(?:import\s|from\s+\S+\s+import\b|\"{3}|'{3}|[@A-Za-z_]\w*(?:: \w+)? = )")
_FOLDED = re.compile(r"[>|][+-]?")  # in YAML: the value is below
_NEXT = re.compile(r"\s*[;|]\s*(?=[\W_]*[^\W\d][\w ]{2,20}?[\W_]*[:=])")
_LAYOUT = re.compile(r"</?(?:b|i|u|em|br|strong|p|li)\s*/?>", re.IGNORECASE)
_UNFILLED = re.compile(r"<.*>|\W+")
_BULLET = re.compile(r"[-+•]\s+")
_MOST_WRAPPED = 12  # lines of a value
_MOST_JSON = 20
_STEM = 4  # letters that tell the categories apart
_ALIASES = {"bug": Category.BUG_FIX, "fix": Category.BUG_FIX, "lr": Category.OPTIMIZER}


@dataclass(frozen=True)
class Header:
    """How an author describes a change; `hypothesis` is empty where there is no description.

    `predicted` are the words about its effect, in the metric's own direction.
    """

    hypothesis: str = ""
    category: Category = Category.OTHER
    predicted: str = ""
    risk: str = ""
    notes: Notes = NO_NOTES


@dataclass(frozen=True)
class Field:
    """One `name: value` of a header, on the lines from `start` to before `stop`."""

    name: str
    value: str
    start: int
    stop: int


@dataclass(frozen=True)
class Group:
    """One header, the lines it is on, and how many fields it has (`size`).

    `stop` is the line after its hypothesis, `end` the one after all fields that follow directly.
    """

    header: Header
    start: int
    stop: int
    end: int = 0
    size: int = 1

    @property
    def is_form(self) -> bool:
        """Whether it only repeats the form of a header."""
        hypothesis = self.header.hypothesis.lower()
        return hypothesis.startswith(_PLACEHOLDER) or bool(_UNFILLED.fullmatch(hypothesis))


def groups(
    lines: Sequence[str], taken: Collection[int] = (), known: Collection[str] = ()
) -> list[Group]:
    """Return the headers in these lines, in order; each has a hypothesis.

    Args:
        lines: of an answer, without their ends.
        taken: the numbers of lines that are code.
        known: the project's paths; a line that names one is no part of a wrapped value.
    """
    fields = list(_fields(lines, taken, known))
    begins = [at for at, field in enumerate(fields) if field.name == "hypothesis"]
    begins = [_first(fields, at) for at in begins]
    ends = [*begins[1:], len(fields)][: len(begins)]
    return [_group(lines, fields[start:stop]) for start, stop in zip(begins, ends, strict=True)]


def _first(fields: Sequence[Field], at: int) -> int:
    """Return the place of a header's first field: fields right above a hypothesis belong to it.

    If one of them is there twice, they are another header's.
    """
    first, seen = at, {"hypothesis"}
    while first and fields[first - 1].stop >= fields[first].start - 1:
        first -= 1
        if fields[first].name in seen:
            return at
        seen.add(fields[first].name)
    return first


def _group(lines: Sequence[str], fields: Sequence[Field]) -> Group:
    first = dict[str, Field]()
    for field in fields:
        first.setdefault(field.name, field)
    values = {name: field.value for name, field in first.items()}
    if values.get("risk", "").lower().startswith(_PLACEHOLDER):
        del values["risk"]
    header = Header(
        hypothesis=safe_line(values.get("hypothesis", ""), HYPOTHESIS),
        category=category(values.get("category", "")),
        predicted=values.get("predicted_delta", ""),
        risk=safe_line(values.get("risk", ""), HYPOTHESIS),
        notes=_notes(fields),
    )
    end = fields[0].stop
    for field in fields:
        end = field.stop if not any(map(str.strip, lines[end : field.start])) else end
    return Group(header, fields[0].start, first["hypothesis"].stop, end, len(first))


def _notes(fields: Sequence[Field]) -> Notes:
    """Return the notes on other ideas; values that only repeat the form are left out."""
    texts = [field.value for field in fields if field.name == "later"]
    later = [safe_line(text, NOTE) for text in texts if not text.lower().startswith(_PLACEHOLDER)]
    takes, drops = (
        tuple(_NOTED.findall(" ".join(field.value for field in fields if field.name == name)))
        for name in ("takes", "drops")
    )
    return Notes(tuple(filter(None, later))[:MOST_NOTES], takes, drops)


def _fields(
    lines: Sequence[str], taken: Collection[int], known: Collection[str]
) -> Iterator[Field]:
    tries, at = _MOST_JSON, 0
    while at < len(lines):
        if at in taken:
            at += 1
            continue
        if tries and lines[at].lstrip().startswith("{"):
            tries -= 1
            if fields := _json(lines, at):
                yield from fields
                at = fields[-1].stop
                continue
        field = _field(lines, at, taken, known)
        if field is not None and field.value:
            yield from _several(field)
        at = field.stop if field is not None else at + 1


def _field(
    lines: Sequence[str], at: int, taken: Collection[int], known: Collection[str]
) -> Field | None:
    named = _named(lines[at])
    if named is None:
        return None
    name, value = named[0], _clean(named[1])
    value = "" if _FOLDED.fullmatch(value) else value
    if field_name(value.partition("|")[0].strip(" *_`:\"'")):
        return None  # the head of a table, or JSON that does not end
    stop = at + 1
    if not value:
        stop = next((n for n in range(stop, len(lines)) if lines[n].strip(" \t>")), len(lines))
        if stop == len(lines) or not _goes_on(lines, stop, taken, known):
            return Field(name, "", at, at + 1)
        value, stop = _clean(lines[stop]), stop + 1
        value = value if name == "predicted_delta" else _BULLET.sub("", value)
    wraps = name in ("hypothesis", "risk", "later")
    most = min(len(lines), at + _MOST_WRAPPED)
    while wraps and stop < most and _goes_on(lines, stop, taken, known):
        value, stop = f"{value} {_clean(lines[stop])}", stop + 1
    return Field(name, value, at, stop)


def _several(field: Field) -> list[Field]:
    """Return the fields on one line, of which the first was read as one with all the rest."""
    first, *others = _NEXT.split(field.value)
    named = [each for each in map(_named, others) if each]
    if len(named) < len(others):
        return [field]
    pairs = [(field.name, first), *named]
    return [Field(name, _clean(value), field.start, field.stop) for name, value in pairs]


def _goes_on(lines: Sequence[str], at: int, taken: Collection[int], known: Collection[str]) -> bool:
    """Return whether a line may continue the value above it."""
    line = lines[at]
    other = not line.strip(" \t>") or line.rstrip().endswith((":", "\uff1a"))
    return not (
        at in taken
        or other
        or _STOP.match(line)
        or _CODE.match(line)
        or heading_path(line, known)
        or _named(line)
    )


def _named(line: str) -> tuple[str, str] | None:
    """Return the field that a line begins, and what it says of it; None where it begins none."""
    plain = _LAYOUT.sub("", line.strip())
    for way in (_FIELD, _HEADING, _BOLD, _TAGGED):
        match = way.fullmatch(plain)
        if match and (name := field_name(match["name"])):
            return name, match.groupdict().get("value") or ""
    return None


def _json(lines: Sequence[str], at: int) -> list[Field]:
    """Return the fields of a JSON object that begins at a line; none where there is none."""
    text = "\n".join(lines[at:])
    try:
        value, size = json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return []
    if not isinstance(value, dict):
        return []
    stop = at + 1 + text.lstrip()[:size].count("\n")
    named = [(field_name(str(name)), each) for name, each in value.items()]
    return [
        Field(name, str(each), at, stop)
        for name, each in named
        if name and isinstance(each, str | int | float)
    ]


@lru_cache(maxsize=1024)
def field_name(name: str) -> str | None:
    """Return the field of a header that a name stands for, or None."""
    plain = re.sub(r"[\s_.()-]+", " ", _folded(name)).strip()
    words = plain.split()
    if not words or len(words) > 5 or len(plain) > 40:
        return None
    if plain in _EXACT:
        return plain
    if "delta" in words or "δ" in words or words[0] in ("predicted", "expected"):
        return "predicted_delta"
    alike = ((SequenceMatcher(None, plain, each).ratio(), each) for each in _ALIKE)
    ratio, best = max(alike)
    return best if ratio >= _ALIKE[best] else None


def category(text: str) -> Category:
    """Return the category that a word stands for: the most similar one, or `other`."""
    known = {str(each): each for each in Category if each is not Category.BASELINE}
    plain = re.sub(r"[\s_-]+", " ", _folded(text)).strip(" *`_.\"'")
    words = [plain, *re.findall(r"[^\W\d_]+", plain)]
    for names in (known, _ALIASES):
        if word := next((each for each in words if each in names), None):
            return names[word]
    alike = (name for word in words for name in known if name[:_STEM] == word[:_STEM])
    typed = (get_close_matches(word, known, n=1, cutoff=0.75) for word in words if len(word) < 60)
    likely = next(alike, None) or next((each[0] for each in typed if each), None)
    return known[likely] if likely else Category.OTHER


def _folded(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text[:200].casefold())
    return "".join(each for each in letters if not unicodedata.combining(each))


def _clean(value: str) -> str:
    bare = value.strip().removesuffix("-->").rstrip("| ").strip().strip("*`_ ").rstrip(",")
    quoted = len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'"
    return bare[1:-1] if quoted else bare
