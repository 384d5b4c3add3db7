"""The predicted effect in an author's words, as a number where it is one."""

import re

_LARGEST = 1.0  # bits per byte: what is more is a score, not a difference of two
_LONGEST = 300  # characters of words about one number
_MINUS = str.maketrans("\u2212\u2013\u2014\u2010", "----")
_SPREAD = re.compile(r"(?:±|\+\s*/?\s*-)\s*[\d.,]+(?:e[+-]?\d+)?", re.IGNORECASE)
_PRODUCT = re.compile(r"\d\s*[*^\u00b7\u00d7]\s*\d")  # 4 * 10^-3: more than one number says it
_SCORE = re.compile(r"\b(?:from|to)\s*[+-]?[\d.]", re.IGNORECASE)  # "falls to 0.98"
_ASIDE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_NUMBER = re.compile(
    r"(?<![\w.,])(?P<sign>[+-]?)\s*(?P<digits>\d+(?:[.,]\d+)*\.?(?:e[+-]?\d+)?|[.,]\d+(?:e[+-]?\d+)?)"
    r"\s*(?P<unit>[A-Za-z%/_\u2030\u00b5\u03bc]*)",
    re.IGNORECASE,
)
_UNITS = re.compile(r"(?:val_)?(?:bpb|bits?)?", re.IGNORECASE)
_BETTER = re.compile(
    r"\b(?:improv\w*|better|lower\w*|reduc\w*|decreas\w*|drop\w*|gains?|minus|negative|less|down|falls?|besser)\b",
    re.IGNORECASE,
)
_WORSE = re.compile(
    r"\b(?:worse\w*|higher|increas\w*|regress\w*|rais\w*|rises?|more|up|hurts?|schlechter)\b",
    re.IGNORECASE,
)
_NOT = re.compile(r"\b(?:no|not|never|without|nicht|kein\w*)\b|n't\b", re.IGNORECASE)


def delta(text: str) -> float | None:
    """Return the change of val_bpb that words predict, below zero = better.

    None where they hold no number, several, a score, a share (2 %) or another unit, or a number
    whose sign its words contradict. Without a sign, a word of direction gives it one: "improves by
    0.004".
    """
    plain = _SPREAD.sub(" ", text[:_LONGEST].translate(_MINUS))
    if len(text) > _LONGEST or _PRODUCT.search(plain):
        return None
    outside = _ASIDE.sub(" ", plain)
    found = _numbers(outside)
    if not found:
        outside, found = plain, _numbers(plain)
    if len(found) != 1 or _SCORE.search(outside):
        return None
    return _signed(found[0], outside)


def _numbers(text: str) -> list[tuple[str, str]]:
    """Return the sign and digits of all numbers that are bits per byte."""
    found = _NUMBER.finditer(text)
    return [(each["sign"], each["digits"]) for each in found if _is_bits(each["unit"])]


def _is_bits(unit: str) -> bool:
    words = _UNITS.fullmatch(unit.strip("/").partition("/")[0]) is not None
    return words or any(way.fullmatch(unit) for way in (_BETTER, _WORSE)) or unit.lower() in _JOINTS


_JOINTS = frozenset({"in", "or", "at", "on", "of", "for", "per", "to", "by", "and", "absolute"})


def _signed(number: tuple[str, str], words: str) -> float | None:
    sign, digits = number
    size = _size(digits)
    better, worse = bool(_BETTER.search(words)), bool(_WORSE.search(words))
    told = better or worse
    if size is None or size > _LARGEST or (told and _NOT.search(words)) or (better and worse):
        return None
    if sign and told and (sign == "-") != better:
        return None
    return -size if sign == "-" or (better and not sign) else size


def _size(digits: str) -> float | None:
    """Return a number's size, None where its comma may be one of thousands."""
    whole, comma, rest = digits.partition(",")
    decimal = re.match(r"\d{3}(?!\d)", rest) is None or not whole.strip("0")
    if comma and ("." in digits or "," in rest or not decimal):
        return None
    try:
        return float(digits.replace(",", "."))
    except ValueError:
        return None
