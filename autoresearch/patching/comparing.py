"""Which lines two texts share, in bounded time.

`difflib` finds what a person would, but its work grows with the product of the lengths where lines
repeat, and with their cube at worst. So that work is bounded before it begins: the stretches
between lines that occur once in either text are compared by themselves, and where even that would
be too much, one stretch is taken to replace the other. The difference stays true, it only is no
longer the smallest.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import Match, SequenceMatcher, get_close_matches

MOST_STEPS = 20_000_000  # of all comparisons of two texts together: a few seconds at worst
MOST_LINES = 1000  # that one line is compared with
MOST_CHARACTERS = 120  # of each of them
MOST_PLACES = 100  # that are found of one text in another
Run = tuple[int, int, int]  # where a run of equal lines begins in either text, and its length


class LineMatcher(SequenceMatcher[str]):
    """A `SequenceMatcher` of two lists of lines, whose matching runs are found in bounded time."""

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        super().__init__(None, "", "")  # with the lines it would index and search them all
        runs = [*_joined(_matches(old, new)), (len(old), len(new), 0)]
        self._runs = [Match(*each) for each in runs]

    def get_matching_blocks(self) -> list[Match]:
        """Return the runs of lines that both have; the last one is empty, at both ends."""
        return self._runs


def nearest(line: str, lines: Sequence[str]) -> str | None:
    """Return which of these lines is most like another; None where none is like it.

    Of very many lines, those of about its length are compared, and of each the beginning.
    """
    short, known = line[:MOST_CHARACTERS], dict[str, str]()
    for each in lines:
        known.setdefault(each[:MOST_CHARACTERS], each)
    some = sorted(known, key=lambda each: abs(len(each) - len(short)))[:MOST_LINES]
    similar = get_close_matches(short, some, n=1, cutoff=0.5)
    return known[similar[0]] if similar else None


def places(some: Sequence[str], lines: Sequence[str]) -> list[int]:
    """Return at which lines a run of lines begins, at most `MOST_PLACES` of them."""
    # Searched as one text, which takes a time linear in it; no text file holds a NUL.
    text, part = ("\0".join(["", *each, ""]) for each in (lines, some))
    starts, at, number = list[int](), text.find(part), 0
    last = 0
    while at >= 0 and len(starts) < MOST_PLACES:
        number += text.count("\0", last, at)
        starts.append(number)
        last, at = at, text.find(part, at + 1)
    return starts


def _matches(old: Sequence[str], new: Sequence[str]) -> Iterator[Run]:
    head = _shared(old, new)
    tail = _shared(old[head:][::-1], new[head:][::-1])
    a, b = old[head : len(old) - tail], new[head : len(new) - tail]
    yield 0, 0, head
    left = MOST_STEPS
    gaps = [(0, len(a), 0, len(b))] if _steps(a, b) <= left else _gaps(a, b)
    for low_a, high_a, low_b, high_b in gaps:
        some_a, some_b = a[low_a:high_a], b[low_b:high_b]
        steps = _steps(some_a, some_b)
        if steps <= left:
            left -= steps
            matcher = SequenceMatcher(None, some_a, some_b, autojunk=False)
            for at_a, at_b, size in matcher.get_matching_blocks():
                yield head + low_a + at_a, head + low_b + at_b, size
        if high_a < len(a) and high_b < len(b):
            yield head + high_a, head + high_b, 1  # the line that ends this gap
    yield len(old) - tail, len(new) - tail, tail


def _shared(old: Sequence[str], new: Sequence[str]) -> int:
    """Return how many lines at the beginning of two lists are equal."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(old), len(new)))


def _steps(a: Sequence[str], b: Sequence[str]) -> int:
    """Return the most steps that `difflib` may take: each run it finds costs a look at them all."""
    counts_a, counts_b = Counter(a), Counter(b)
    pairs = sum(count * counts_b[line] for line, count in counts_a.items())
    return (len(a) + len(b) + pairs) * min(len(a), len(b), pairs)


def _gaps(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Return the ranges between the lines that both have once and in the same order."""
    gaps, low_a, low_b = [], 0, 0
    for at_a, at_b in (*_anchors(a, b), (len(a), len(b))):
        gaps.append((low_a, at_a, low_b, at_b))
        low_a, low_b = at_a + 1, at_b + 1
    return gaps


def _anchors(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """Return the longest rising series of lines that are in either list once (patience diff)."""
    counts_a, counts_b = Counter(a), Counter(b)
    places = {line: at for at, line in enumerate(b) if counts_b[line] == 1}
    common = [
        (at, places[line]) for at, line in enumerate(a) if counts_a[line] == 1 and line in places
    ]
    ends: list[int] = []  # the smallest end of a rising series of each length
    last: list[int] = []  # which of `common` has it
    before: list[int] = []  # which one comes before each
    for number, (_, place) in enumerate(common):
        size = bisect_left(ends, place)
        before.append(last[size - 1] if size else -1)
        ends[size : size + 1], last[size : size + 1] = [place], [number]
    series, number = [], last[-1] if last else -1
    while number >= 0:
        series.append(common[number])
        number = before[number]
    return series[::-1]


def _joined(runs: Iterator[Run]) -> Iterator[Run]:
    """Yield the runs without the empty ones; runs that touch become one."""
    at_a = at_b = size = 0
    for a, b, more in runs:
        if (a, b) == (at_a + size, at_b + size):
            size += more
            continue
        if size:
            yield at_a, at_b, size
        at_a, at_b, size = a, b, more
    if size:
        yield at_a, at_b, size
