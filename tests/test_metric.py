"""A metric's direction: stored lower where it is better, shown as the project knows it."""

import pytest

from autoresearch.records.metric import BITS_PER_BYTE, Direction, Metric, MetricSource
from autoresearch.records.values import Trust

ACCURACY = Metric("accuracy", "accuracy", Direction.HIGHER, MetricSource.EVALUATED, 2)


@pytest.mark.parametrize("metric", [BITS_PER_BYTE, ACCURACY])
def test_a_metric_is_stored_and_read_back(metric: Metric) -> None:
    assert Metric.of(metric.stored) == metric
    assert Metric.of(metric.stored | {"of a later version": 1}) == metric


def test_bits_per_byte_are_what_nothing_stored_means() -> None:
    assert BITS_PER_BYTE.stored == {}


@pytest.mark.parametrize(
    ("metric", "stored", "text", "delta"),
    [
        (BITS_PER_BYTE, 0.9979, "0.9979", "+0.9979"),
        (ACCURACY, -0.931, "0.93", "+0.93"),
        (ACCURACY, 0.02, "-0.02", "-0.02"),
        (ACCURACY, 0.0, "0.00", "+0.00"),
    ],
)
def test_a_score_is_shown_in_its_own_direction(
    metric: Metric, stored: float, text: str, delta: str
) -> None:
    assert (metric.text(stored), metric.delta(stored)) == (text, delta)
    assert metric.shown(metric.shown(stored)) == stored


def test_test_scores_have_a_name_beside_that_of_val() -> None:
    assert (BITS_PER_BYTE.test_name, ACCURACY.test_name) == ("test_bpb", "test_accuracy")


def test_what_a_trial_says_itself_is_trusted_least() -> None:
    trust = {source: source.trust for source in MetricSource}
    assert trust.pop(MetricSource.SEALED) is Trust.SEALED
    assert trust.pop(MetricSource.EVALUATED) is Trust.EVALUATED
    assert set(trust.values()) == {Trust.SELF_REPORTED}
