"""Reads the fields of responses: any of them may be missing, or of another type."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from autoresearch.records.money import Usage

_MOST_TOKENS = 10**9  # more in one call is no count
_MOST_USD = 1000.0  # more for one call is no amount of dollars
_DEPTH = 3  # nested objects in which counts and costs are looked for
_COST = {"cost", "total", "response", "estimated", "usd", "in", "upstream", "inference"}
_COST_LIES_IN = {"usage", "cost", "metadata", "gateway"}
# Anthropic's names for tokens that its `input_tokens` do not include.
_BESIDE_INPUT = ("cache_read_input_tokens", "cache_creation_input_tokens")
_COST_HEADER = re.compile(r"(?:response|request|total)-cost(?:-usd)?$", re.IGNORECASE)
_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "thoughts", "reasoning_details")


def get_path(value: object, *path: str | int) -> object:
    """Return the value at a path of keys, attributes and positions; None where there is none."""
    for step in path:
        if isinstance(step, int):
            items = entries(value)
            value = items[step] if step < len(items) else None
        elif isinstance(value, Mapping):
            value = value.get(step)
        else:
            value = getattr(value, step, None)
    return value


def word(value: object) -> str:
    """Return a text as it is and a whole number as digits; "" for anything else."""
    if isinstance(value, bool):
        return ""
    return str(value) if isinstance(value, str | int) else ""


def entries(value: object) -> Sequence[object]:
    """Return the items of a list; none of anything else."""
    return value if isinstance(value, list | tuple) else ()


def members(value: object) -> Mapping[str, object]:
    """Return the named values of a JSON object, as it came or as an SDK has parsed it."""
    if isinstance(value, Mapping):
        return value
    dump = getattr(value, "model_dump", None)
    return dump(warnings=False) if callable(dump) else {}


def joined(parts: Iterable[object]) -> str:
    """Return the texts among values as one, each on a line of its own."""
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += parting(text, part) + part
    return text


def parting(before: str, after: str) -> str:
    """Return what must stand between two texts of one answer, so that no two lines are joined."""
    apart = not (before and after) or before.endswith("\n") or after.startswith("\n")
    return "" if apart else "\n"


def texts(content: object) -> Iterator[str]:
    """Yield the texts of an answer, which may be in parts, without thoughts."""
    for part in entries(content) or (content,):
        kind = word(get_path(part, "type"))
        if kind in ("", "text", "output_text") and not get_path(part, "thought"):
            yield part if isinstance(part, str) else word(get_path(part, "text"))


def thought(message: object) -> bool:
    """Return whether a message has thoughts in a field or part of their own."""
    parts = entries(get_path(message, "content"))
    apart = any("think" in word(get_path(part, "type")) for part in parts)
    return apart or any(bool(get_path(message, name)) for name in _THOUGHTS)


def usage(read: object, output: object, *, cached: object = 0, written: object = 0) -> Usage | None:
    """Return the tokens that a provider counted; None where they cannot be counts.

    A cached part that is no count is taken for 0. One that is larger than the whole cannot be part
    of it: then all is taken as read at the full rate, which is never less than what is billed. A
    prompt of no tokens means that the server does not count.

    Args:
        read: all input tokens, the cached ones included.
        output: the output tokens, thoughts included.
        cached: input tokens that were read from a cache.
        written: input tokens that were written to it.
    """
    whole, answer = count(read), count(output)
    if whole is None or answer is None:
        return None
    hits, writes = count(cached) or 0, count(written) or 0
    if hits + writes > whole:
        return Usage(whole + hits + writes, answer)
    return Usage(whole, answer, hits, writes) if whole else None


def reported_usage(counts: object) -> Usage | None:
    """Return the tokens of a `usage` object, in any of the spellings of Chat and Responses.

    Nearly every server has its own name for tokens read from a cache, at the top or in the details.
    Where the total or Anthropic's names show that the input does not include them, they are added
    to it; what the total has more than that are thoughts.
    """
    prompt = _tokens(counts, "prompt")
    read = _tokens(counts, "input") if prompt is None else prompt
    output = _tokens(counts, "completion", "output")
    if read is None or output is None:
        return None
    named = list(_of_caches(counts, _DEPTH))
    read_words = {"read", "hit", "hits", "cached"}
    hits = max(
        (many for words, many in named if words & read_words and not _is_write(words)), default=0
    )
    writes = max((many for words, many in named if _is_write(words)), default=0)
    total = _tokens(counts, "total") or 0
    beside = not total and prompt is None and any(get_path(counts, each) for each in _BESIDE_INPUT)
    if beside or total == read + output + hits + writes:
        read += hits + writes
    return usage(read, max(output, total - read), cached=hits, written=writes)


def _tokens(counts: object, *names: str) -> int | None:
    """Return the first count of tokens under one of these names."""
    counted = (
        count(value)
        for name in names
        for each, value in members(counts).items()
        if _words(each) == {name, "tokens"}
    )
    return next((many for many in counted if many is not None), None)


def _of_caches(counts: object, depth: int) -> Iterator[tuple[set[str], int]]:
    """Yield every count of a cache with the words of its name."""
    for name, value in members(counts).items() if depth else ():
        words = _words(name)
        if words & {"cache", "cached"} and (many := count(value)) is not None:
            yield words, many
        yield from _of_caches(value, depth - 1)


def _is_write(words: set[str]) -> bool:
    return bool(words & {"write", "writes", "written", "creation", "created"})


def reported_cost(*places: object) -> float | None:
    """Return the dollars that a reply itself reports as its cost; None for no sane amount.

    Of several names the largest counts. A gateway that is used with one's own key of a provider
    bills only its fee, and reports beside it what the provider bills: then it is the sum.
    """
    costs = [each for place in places for each in _costs(place, _DEPTH)]
    billed = max((cost for words, cost in costs if "upstream" not in words), default=None)
    upstream = max((cost for words, cost in costs if "upstream" in words), default=None)
    if upstream is None or (billed is not None and billed >= upstream):
        return billed
    return upstream + (billed or 0.0)


def _costs(place: object, depth: int) -> Iterator[tuple[set[str], float]]:
    """Yield every cost with the words of its name."""
    for name, value in members(place).items() if depth else ():
        words = _words(name)
        if "cost" in words and words <= _COST and (cost := amount(value)) is not None:
            yield words, cost
        if words & _COST_LIES_IN:
            yield from _costs(value, depth - 1)


def cost_in(headers: object) -> float | None:
    """Return the dollars in a gateway's header such as `x-litellm-response-cost`; else None."""
    values = (value for name, value in members(headers).items() if _COST_HEADER.search(name))
    return next((cost for value in values if (cost := amount(value)) is not None), None)


def amount(value: object) -> float | None:
    """Return an amount of dollars that a call may cost; None for anything else."""
    dollars = number(value)
    return dollars if dollars is not None and 0 <= dollars <= _MOST_USD else None


def _words(name: object) -> set[str]:
    """Return the words of a field's name, however they are joined."""
    apart = re.sub(r"([a-z])([A-Z])", r"\1_\2", word(name))
    return set(re.split(r"[^a-z]+", apart.lower()))


def count(value: object) -> int | None:
    """Return a number of tokens, also one written as 15.0 or "15"; None for anything else."""
    many = number(value)
    if many is None or not many.is_integer():
        return None
    return int(many) if 0 <= many <= _MOST_TOKENS else None


def number(value: object) -> float | None:
    """Return a finite number, also one written as a text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        amount = float(value)
    except (ValueError, OverflowError):
        return None
    return amount if math.isfinite(amount) else None
