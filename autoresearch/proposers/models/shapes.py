"""Reading what comes over the wire: nothing in it need be there, nor be of its type."""

from collections.abc import Iterable, Mapping, Sequence

from autoresearch.records.money import Usage

_MOST_TOKENS = 10**9  # more in one call is no count


def dig(value: object, *path: str | int) -> object:
    """Return what lies at a path of keys, attributes and positions; None where nothing does."""
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
    """Return a text as it is and a whole number as digits; "" for all else."""
    if isinstance(value, bool):
        return ""
    return str(value) if isinstance(value, str | int) else ""


def entries(value: object) -> Sequence[object]:
    """Return the items of a list; none of anything else."""
    return value if isinstance(value, list | tuple) else ()


def joined(parts: Iterable[object]) -> str:
    """Return the texts among values as one."""
    return "".join(part for part in parts if isinstance(part, str))


def usage(read: object, output: object, *, cached: object = 0, written: object = 0) -> Usage | None:
    """Return the tokens that a provider counted; None where they cannot be counts.

    A cached part that is no count is taken for 0. One larger than the whole cannot be part of it:
    then all is taken as read at the full rate, which is never less than what is billed.

    Args:
        read: all input tokens, the cached ones included.
        output: the output tokens, thoughts included.
        cached: those of the input that were read from a cache.
        written: those of the input that were written to it.
    """
    whole, said = count(read), count(output)
    if whole is None or said is None:
        return None
    hits, writes = count(cached) or 0, count(written) or 0
    if hits + writes > whole:
        return Usage(whole + hits + writes, said)
    return Usage(whole, said, hits, writes)


def count(value: object) -> int | None:
    """Return a number of tokens; None for what cannot be one."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _MOST_TOKENS else None
