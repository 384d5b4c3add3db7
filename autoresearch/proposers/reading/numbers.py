"""The predicted effect in an author's words as a number, where they state one."""

import re
from dataclasses import dataclass
from functools import cache

from autoresearch.proposers.base import Brief
from autoresearch.records.metric import Direction, Metric

_LONGEST = 300  # characters of words about one number
_MINUS = str.maketrans("\u2212\u2013\u2014\u2010", "----")
_SPREAD = re.compile(r"(?:±|\+\s*/?\s*-)\s*[\d.,]+(?:e[+-]?\d+)?", re.IGNORECASE)
_PRODUCT = re.compile(r"\d\s*[*^\u00b7\u00d7]\s*\d")  # 4 * 10^-3: a number made of several
_SCORE = re.compile(r"\b(?:from|to)\s*[+-]?[\d.]", re.IGNORECASE)  # "falls to 0.98"
_ASIDE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_NUMBER = re.compile(
    r"(?<![\w.,])(?P<sign>[+-]?)\s*(?P<digits>\d+(?:[.,]\d+)*\.?(?:e[+-]?\d+)?|[.,]\d+(?:e[+-]?\d+)?)"
    r"\s*(?P<unit>[A-Za-z%/_\u2030\u00b5\u03bc]*)",
    re.IGNORECASE,
)
_UNITS = re.compile(r"(?:val_)?(?:bpb|bits?)?", re.IGNORECASE)
_LETTERS = re.compile(r"[a-z/_]*")
_GOOD = r"improv\w*|better|gains?|besser"
_BAD = r"worse\w*|regress\w*|hurts?|schlechter"
_DOWN = r"lower\w*|reduc\w*|decreas\w*|drop\w*|minus|negative|less|down|falls?"
_UP = r"higher|increas\w*|rais\w*|rises?|more|up"
_NOT = re.compile(r"\b(?:no|not|never|without|nicht|kein\w*)\b|n't\b", re.IGNORECASE)
_JOINTS = frozenset({"in", "or", "at", "on", "of", "for", "per", "to", "by", "and", "absolute"})


@dataclass(frozen=True)
class Wording:
    """Words for better and worse, units of a metric, and the sign of an improvement."""

    better: re.Pattern[str]
    worse: re.Pattern[str]
    units: frozenset[str]
    gain: str

    @classmethod
    @cache
    def of(cls, metric: Metric) -> "Wording":
        """Return the wording of a metric."""
        lower = metric.direction is Direction.LOWER
        better, worse = (_DOWN, _UP) if lower else (_UP, _DOWN)
        names = (metric.name, metric.unit, metric.name.removeprefix("val_"))
        units = {_LETTERS.match(each.lower())[0] for each in names}  # type: ignore[index]
        return cls(_any(_GOOD, better), _any(_BAD, worse), frozenset(units), "-" if lower else "+")

    def has(self, unit: str) -> bool:
        """Return whether a number with this word after it is in the metric's unit."""
        first = unit.strip("/").partition("/")[0]
        if _UNITS.fullmatch(first) or first.lower() in self.units or unit.lower() in _JOINTS:
            return True
        return any(way.fullmatch(unit) for way in (self.better, self.worse))


def predicted(text: str, brief: Brief) -> float | None:
    """Return the change of the score that words predict, as it is stored: below zero = better.

    The words are about the brief's metric in its own direction. None where they have no number,
    several, a score, a share (2 %) or another unit, or a number whose sign contradicts them. A
    number without a sign gets it from a word of direction: "improves by 0.004". One that is too
    large for a difference of two scores is a score itself.
    """
    wording = Wording.of(brief.scale.metric)
    plain = _SPREAD.sub(" ", text[:_LONGEST].translate(_MINUS))
    if len(text) > _LONGEST or _PRODUCT.search(plain):
        return None
    outside = _ASIDE.sub(" ", plain)
    numbers = _numbers(outside, wording)
    if not numbers:
        outside, numbers = plain, _numbers(plain, wording)
    if len(numbers) != 1 or _SCORE.search(outside):
        return None
    return _signed(numbers[0], outside, wording, brief.largest_difference)


def _numbers(text: str, wording: Wording) -> list[tuple[str, str]]:
    """Return the sign and digits of all numbers that are in the metric's unit."""
    matches = _NUMBER.finditer(text)
    return [(each["sign"], each["digits"]) for each in matches if wording.has(each["unit"])]


def _any(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


def _signed(number: tuple[str, str], words: str, wording: Wording, largest: float) -> float | None:
    sign, digits = number
    size = _size(digits)
    better, worse = bool(wording.better.search(words)), bool(wording.worse.search(words))
    directed = better or worse
    if size is None or size > largest or (directed and _NOT.search(words)) or (better and worse):
        return None
    gains = (sign or "+") == wording.gain if sign or not directed else better
    if sign and directed and gains != better:
        return None
    return -size if gains else size


def _size(digits: str) -> float | None:
    """Return a number's size; None where its comma may separate thousands."""
    whole, comma, rest = digits.partition(",")
    decimal = re.match(r"\d{3}(?!\d)", rest) is None or not whole.strip("0")
    if comma and ("." in digits or "," in rest or not decimal):
        return None
    try:
        return float(digits.replace(",", "."))
    except ValueError:
        return None
