"""Scores in words: names, units, digits, and which way is better."""

from dataclasses import replace

import pytest

from autoresearch.policy.proposer_comparison import Difference, ProposerComparison
from autoresearch.records.metric import Direction, Metric, MetricSource
from autoresearch.records.values import Estimate, Trust
from autoresearch.render.arms import compared
from autoresearch.render.scores import BPB, ScoreFormat

ACCURACY = Metric("val_accuracy", "%", Direction.HIGHER, MetricSource.EVALUATED, 1)
UP = ScoreFormat(ACCURACY, Trust.EVALUATED)
BARE = ScoreFormat(Metric("loss", "", decimals=3), Trust.SELF_REPORTED)


@pytest.mark.parametrize(
    ("form", "stored", "number", "delta", "size"),
    [
        (BPB, 0.99791, "0.9979", "+0.9979", "0.9979 bpb"),
        (BPB, -0.00001, "0.0000", "+0.0000", "0.0000 bpb"),
        (UP, -87.26, "87.3", "+87.3", "87.3 %"),
        (UP, 0.04, "0.0", "+0.0", "0.0 %"),
        (BARE, 2.5, "2.500", "+2.500", "2.500"),
    ],
)
def test_numbers_are_shown_as_the_metric_goes(
    form: ScoreFormat, stored: float, number: str, delta: str, size: str
) -> None:
    assert (form.number(stored), form.delta(stored), form.size(stored)) == (number, delta, size)


def test_errors_digits_and_what_is_not_known() -> None:
    assert replace(BPB, finer=2).number(0.99791, 0.0005) == "0.997910 ± 0.000500"
    assert replace(UP, finer=1).delta(-1.25, 0.3) == "+1.25 ± 0.30"
    assert (BPB.number(None), UP.delta(None)) == ("-", "-")
    assert BPB.leak(0.00211) == "0.0021 bpb"


def test_trust_is_said_wherever_the_score_is() -> None:
    assert BPB.score(1.0).plain == "1.0000"
    assert UP.score(-87.3, 0.2).plain == "87.3 ± 0.2 (evaluated)"
    assert BARE.score(2.5).plain == "2.500 (self-reported)"
    assert BARE.score(None).plain == "-"


def test_a_distance_from_the_baseline_says_its_side() -> None:
    assert BPB.improvement(-0.02, 1.0) == "0.0200 bpb (2.00%) below the baseline's 1.0000"
    assert UP.improvement(-2.0, -80.0) == "2.0 % (2.50%) above the baseline's 80.0"
    assert UP.improvement(2.0, -80.0) == "2.0 % (2.50%) below the baseline's 80.0"
    assert UP.interval(Estimate(-2.0, 0.5)) == "+1.0 to +3.0"
    assert BPB.interval(Estimate(-0.02, 0.005)) == "-0.0298 to -0.0102"
    assert BPB.interval(Estimate(-0.02)) == ""


def test_hostile_names_stay_in_their_line() -> None:
    form = ScoreFormat(Metric("a\x1b[2Jb\n" + "x" * 90, "u\u202e"))
    assert form.name.startswith("ab x")
    assert len(form.name) == 40
    assert form.unit.isprintable()


def test_a_lead_over_the_control_has_the_metrics_unit_and_digits() -> None:
    ahead = ProposerComparison("a", "r", 9, 3, Difference(1.2, 0.3, 2.4), None)
    assert compared(ahead, UP).plain == (
        "a beats the control r by 1.20 % an experiment (0.30 to 2.40)"
    )
