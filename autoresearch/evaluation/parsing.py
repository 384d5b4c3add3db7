"""Parses JSON objects and numbers that others wrote; one line says what is wrong with them."""

import json
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeGuard

from autoresearch.config import MetricSettings
from autoresearch.evaluation.rules import Cause, NoScore
from autoresearch.records.text import safe_line

MAX_UNITS = 100_000
_MAX_NUMBERS = 200
_MAX_WEIGHT = 2**32  # the registry's
_ABSURD = 1e15
_CLOSE = 1e-4  # how far the mean of units may be from the score, relative to their size
_SPACE = " \t\r\n"


@dataclass(frozen=True)
class Units:
    """A score's units: `totals` are each one's score times its weight."""

    totals: tuple[float, ...] = ()
    weights: tuple[int, ...] = ()


def parse_object(text: str, what: str) -> Mapping[str, object]:
    """Return the one JSON object in a text; `what` names the text in messages.

    Raises:
        NoScore: the text is not exactly one object, or an object in it has a name twice.
    """
    if not text.strip(_SPACE):
        raise NoScore(Cause.METRIC, f"{what} is empty: it should be one JSON object")
    try:
        start = len(text) - len(text.lstrip(_SPACE))
        value, end = _DECODER.raw_decode(text, start)
    except _TwiceError as twice:
        raise NoScore(Cause.METRIC, f"{what} has {safe_line(str(twice), 60)} twice") from None
    except (ValueError, RecursionError):
        value, end = None, len(text)
    if not isinstance(value, dict):
        raise NoScore(Cause.METRIC, f"{what} is no JSON object: {safe_line(text, 60)}")
    rest = text[end:].strip(_SPACE)
    if rest:
        more = "another" if rest.startswith("{") else "text"
        raise NoScore(
            Cause.METRIC, f"{what} has {more} after its JSON object: {safe_line(rest, 60)}"
        )
    return value


def find(values: Mapping[str, object], key: str) -> object:
    """Return the value at a key, where dots lead into nested objects; None where there is none."""
    if key in values:
        return values[key]
    head, dot, rest = key.partition(".")
    inner = values.get(head)
    return find(inner, rest) if dot and isinstance(inner, dict) else None


def checked_score(value: object, name: str, settings: MetricSettings) -> float:
    """Return a value as the score that it should be, in the project's own direction.

    Raises:
        NoScore: it is missing, text, not finite, or outside the metric's range.
    """
    if value is None:
        raise NoScore(Cause.METRIC, f"{name} is missing")
    score = _number(value, name)
    least, most = settings.least, settings.most
    if (least is not None and score < least) or (most is not None and score > most):
        bounds = [
            f"{word} {each:g}"
            for word, each in (("least", least), ("most", most))
            if each is not None
        ]
        reason = f"{name} is {score:g}, out of its range ({', '.join(bounds)})"
        raise NoScore(Cause.METRIC, reason)
    return score


def parse_units(values: object, score: float) -> Units:
    """Return the units of a score: numbers, or objects with a score and a weight.

    Their mean, by weight, must be the score: else they would be about another number.

    Raises:
        NoScore: they are no such list, or their mean is another number.
    """
    if values is None:
        return Units()
    if not isinstance(values, list) or len(values) > MAX_UNITS:
        reason = f"units is no list of at most {MAX_UNITS:,} numbers"
        raise NoScore(Cause.METRIC, reason)
    pairs = [_unit(each, f"units[{at}]") for at, each in enumerate(values)]
    if not pairs:
        return Units()
    totals = tuple(value * weight for value, weight in pairs)
    weights = tuple(weight for _, weight in pairs)
    mean = math.fsum(totals) / sum(weights)
    size = max(abs(score), math.fsum(map(abs, totals)) / sum(weights))
    if abs(mean - score) > _CLOSE * size:
        reason = f"the mean of the units is {mean:.6g}, and the score {score:.6g}: they must agree"
        raise NoScore(Cause.METRIC, reason)
    return Units(totals, weights)


def numbers(values: Mapping[str, object]) -> dict[str, float]:
    """Return the finite numbers in an object by name, dots for nested ones; at most 200."""
    return dict(islice(_numbers(values), _MAX_NUMBERS))


def number(text: str) -> float | None:
    """Return a text as a number, NaN and infinity included; None where it is no number."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


class _TwiceError(ValueError):
    """A JSON object has the same name twice."""


def _once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, value in pairs:
        if name in values:
            raise _TwiceError(name)
        values[name] = value
    return values


_DECODER = json.JSONDecoder(object_pairs_hook=_once)


def _number(value: object, name: str) -> float:
    if not _is_number(value):
        raise NoScore(Cause.METRIC, f"{name} is no number: {safe_line(repr(value)[:200], 60)}")
    if not abs(value) < _ABSURD:  # a NaN neither
        finite = isinstance(value, int) or math.isfinite(value)
        kind = "too large to be one" if finite else "not finite"
        raise NoScore(Cause.METRIC if finite else Cause.NON_FINITE, f"{name} is {kind}")
    return float(value)


def _unit(value: object, name: str) -> tuple[float, int]:
    if not isinstance(value, dict):
        return _number(value, name), 1
    weight = value.get("weight", 1)
    if type(weight) is not int or not 1 <= weight < _MAX_WEIGHT:
        reason = f"the weight of {name} is no whole number above 0"
        raise NoScore(Cause.METRIC, reason)
    return _number(value.get("score"), name), weight


def _numbers(values: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    queue = deque(values.items())
    while queue:
        name, value = queue.popleft()
        if isinstance(value, dict):
            queue.extend((f"{name}.{key}", each) for key, each in value.items())
        elif _is_number(value) and abs(value) < _ABSURD:
            yield safe_line(name, 80), float(value)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
