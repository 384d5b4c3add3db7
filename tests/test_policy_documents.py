"""Document by document: the difference, what the choice of documents leaves open, what improved."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.policy import by_document

SIZES = (100, 300, 100)
BEFORE = (200.0, 600.0, 200.0)
bits = st.floats(1.0, 1e6, width=32)


def test_the_difference_is_of_all_bits_over_all_bytes() -> None:
    found = by_document({1: (190.0, 590.0, 210.0)}, {1: BEFORE}, SIZES)
    assert found is not None
    assert found.bpb == pytest.approx(-10 / 500)
    assert found.better == pytest.approx(400 / 500)
    assert (found.documents, found.pairs) == (3, 1)


def test_the_error_is_the_ratio_estimators() -> None:
    found = by_document({1: (190.0, 590.0, 210.0)}, {1: BEFORE}, SIZES)
    residuals = [-10 + 0.02 * 100, -10 + 0.02 * 300, 10 + 0.02 * 100]
    expected = math.sqrt(3 / 2 * sum(each**2 for each in residuals)) / 500
    assert found is not None
    assert found.error == pytest.approx(expected)


def test_what_is_better_everywhere_alike_hangs_on_no_document() -> None:
    after = tuple(bits - 0.1 * size for bits, size in zip(BEFORE, SIZES, strict=True))
    found = by_document({1: after}, {1: BEFORE}, SIZES)
    assert found is not None
    assert found.bpb == pytest.approx(-0.1)
    assert found.error == pytest.approx(0.0, abs=1e-12)
    assert found.better == 1


def test_pairs_are_averaged_before_documents_are_compared() -> None:
    after = {1: (190.0, 600.0, 200.0), 2: (210.0, 600.0, 200.0), 3: (0.0, 0.0, 0.0)}
    found = by_document(after, {1: BEFORE, 2: BEFORE, 9: BEFORE}, SIZES)
    assert found is not None
    assert (found.bpb, found.error, found.better, found.pairs) == (0.0, 0.0, 0.0, 2)


def test_a_single_document_tells_no_error() -> None:
    found = by_document({1: (5.0,)}, {1: (8.0,)}, (8,))
    assert found is not None
    assert (found.bpb, found.error) == (-3 / 8, None)


def test_what_shares_no_seed_or_no_documents_is_not_compared() -> None:
    assert by_document({1: BEFORE}, {2: BEFORE}, SIZES) is None
    assert by_document({1: BEFORE[:2]}, {1: BEFORE}, SIZES) is None
    assert by_document({}, {}, ()) is None
    assert by_document({1: (0.0,)}, {1: (0.0,)}, (0,)) is None


@given(st.lists(st.tuples(bits, bits, st.integers(1, 10**6)), min_size=2, max_size=30))
def test_the_two_sides_mirror_each_other(documents: list[tuple[float, float, int]]) -> None:
    one, two, sizes = zip(*documents, strict=True)
    there, back = by_document({1: one}, {1: two}, sizes), by_document({1: two}, {1: one}, sizes)
    assert there is not None
    assert back is not None
    assert there.bpb == pytest.approx(-back.bpb)
    assert there.error == pytest.approx(back.error)
    assert 0 <= there.better + back.better <= 1 + 1e-9


def test_the_error_covers_other_choices_of_documents() -> None:
    # Two hundred val sets of the same kind of text: the true difference lies within two errors in
    # about 95% of them.
    draw = np.random.default_rng(7)
    inside = 0
    for _ in range(200):
        sizes = draw.integers(500, 20_000, 100)
        rate = draw.normal(-0.01, 0.05, 100)  # bpb that a document gains, the larger the less so
        found = by_document({1: tuple(rate * sizes)}, {1: (0.0,) * 100}, tuple(sizes.tolist()))
        assert found is not None
        assert found.error is not None
        inside += abs(found.bpb + 0.01) < 2 * found.error
    assert 175 <= inside <= 200
