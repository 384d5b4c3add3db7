"""Numbers beside the score: which of them are out of their bounds, and how that is said."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.policy import Guard, broken, lacking

MEMORY, FAIR = Guard("peak_memory_gib", most=22.0), Guard("f1", least=0.8, most=1.0)


@pytest.mark.parametrize(
    ("memory", "fair", "reason"),
    [
        (25.1, 0.9, "peak_memory_gib 25.1 is above 22"),
        (22.0, 0.8, ""),
        (22.0000001, 0.9, "peak_memory_gib 22.0000001 is above 22"),
        (21.0, 0.79, "f1 0.79 is below 0.8"),
        (21.0, 1.5, "f1 1.5 is above 1"),
        (21.0, math.nan, "f1 nan is above 1"),
        (23.0, 0.1, "peak_memory_gib 23 is above 22"),
    ],
)
def test_the_first_guard_that_is_broken_is_named(memory: float, fair: float, reason: str) -> None:
    numbers = {"peak_memory_gib": memory, "f1": fair, "other": 1e9}
    assert broken((MEMORY, FAIR), numbers) == reason


def test_what_is_missing_breaks_nothing_and_is_named() -> None:
    assert broken((MEMORY, FAIR), {"f1": 0.9}) == ""
    assert lacking((MEMORY, FAIR), {"f1": 0.9}) == "peak_memory_gib"
    assert lacking((MEMORY, FAIR), {"f1": 0.9, "peak_memory_gib": 99.0}) == ""
    assert lacking((), {}) == ""


def test_bounds_are_told_in_words() -> None:
    assert [each.description for each in (MEMORY, FAIR)] == [
        "at most 22",
        "at least 0.8 and at most 1",
    ]


@given(st.floats(), st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_a_guard_is_broken_outside_its_bounds_alone(number: float, one: float, two: float) -> None:
    guard = Guard("x", least=min(one, two), most=max(one, two))
    assert (guard.broken_by(number) == "") is (min(one, two) <= number <= max(one, two))
