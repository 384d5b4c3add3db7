"""Val against test: what is fitted to val is told from what is not, by documents alone."""

import math
from random import Random

import pytest

from autoresearch.policy import GeneralizationGap, Sides
from autoresearch.policy import generalization_gap as find
from autoresearch.records.values import Estimate


def gap(val: Sides, test: Sides) -> GeneralizationGap:
    found = find(val, test)
    assert found is not None
    return found


def split(rng: Random, count: int, gain: float, spread: float) -> Sides:
    """Documents on which one code is `gain` bpb from another, more on some than on others."""
    sizes = [rng.randrange(200, 4000) for _ in range(count)]
    theirs = [size * rng.gauss(2.0, 0.3) for size in sizes]
    mine = [bits + size * rng.gauss(gain, spread) for bits, size in zip(theirs, sizes, strict=True)]
    return Sides(mine, theirs, sizes)


def test_a_gain_is_the_difference_of_two_scores() -> None:
    rng = Random(1)
    val, test = split(rng, 50, -0.05, 0.02), split(rng, 70, -0.05, 0.02)
    found = gap(val, test)
    for sides, gain in ((val, found.val), (test, found.test)):
        total = sum(sides.sizes)
        expected = sum(sides.experiment) / total - sum(sides.baseline) / total
        assert gain.mean == pytest.approx(expected)
    wider = found.widening
    assert wider.mean == pytest.approx(found.test.mean - found.val.mean)
    assert wider.error == pytest.approx(math.hypot(found.val.error or 0, found.test.error or 0))


def test_its_error_is_what_other_documents_would_make_of_it() -> None:
    rng = Random(2)
    gaps = [gap(split(rng, 60, -0.05, 0.05), split(rng, 60, -0.05, 0.05)) for _ in range(400)]
    means = [each.test.mean for each in gaps]
    middle = sum(means) / len(means)
    true = math.sqrt(sum((each - middle) ** 2 for each in means) / (len(means) - 1))
    told = sum(each.test.error or 0 for each in gaps) / len(gaps)
    assert told == pytest.approx(true, rel=0.15)


def test_where_nothing_is_fitted_a_warning_is_rare() -> None:
    rng = Random(3)
    gaps = [gap(split(rng, 60, -0.03, 0.03), split(rng, 60, -0.03, 0.03)) for _ in range(400)]
    assert sum(each.fitted for each in gaps) < 400 * 0.05
    assert sum(each.holds for each in gaps) > 400 * 0.95
    assert any(each.description == "the gain holds on test" for each in gaps)


def test_what_gains_on_val_alone_is_told() -> None:
    rng = Random(4)
    found = gap(split(rng, 200, -0.05, 0.03), split(rng, 200, 0.002, 0.03))
    assert found.fitted
    assert not found.holds
    assert found.description.startswith("it is fitted to val")


@pytest.mark.parametrize(
    ("val", "test", "words"),
    [
        (Estimate(-0.02, 0.001), Estimate(-0.019, 0.001), "the gain holds on test"),
        (
            Estimate(-0.02, 0.001),
            Estimate(-0.008, 0.001),
            "it is fitted to val in part: the gap to test widens by +0.0120 ± 0.0014 bpb",
        ),
        (
            Estimate(-0.02, 0.001),
            Estimate(0.001, 0.001),
            "it is fitted to val: on test it gains nothing, and the gap widens by +0.021",
        ),
        (Estimate(-0.02, 0.02), Estimate(-0.01, 0.02), "the test documents are too few to tell"),
        # Sure, and no matter: a twentieth of the gain, and less than a tie.
        (Estimate(-0.02, 0.0001), Estimate(-0.019, 0.0001), "the gain holds on test"),
        (Estimate(-0.001, 0.0001), Estimate(-0.0006, 0.0001), "the gain holds on test"),
        # A single document says nothing of others.
        (Estimate(-0.02), Estimate(-0.02), "the test documents are too few to tell"),
    ],
)
def test_it_is_said_in_words(val: Estimate, test: Estimate, words: str) -> None:
    assert GeneralizationGap(val, test).description.startswith(words)


def test_one_document_has_no_error() -> None:
    found = gap(Sides([10.0], [12.0], [4]), Sides([10.0, 10.0], [12.0, 12.0], [4, 4]))
    assert found.val == Estimate(-0.5, None)
    assert found.test == Estimate(-0.5, 0.0)


def test_bits_of_other_documents_say_nothing() -> None:
    right, wrong = Sides([10.0], [12.0], [4]), Sides([10.0], [12.0], [4, 4])
    assert find(right, wrong) is find(wrong, right) is None
