"""A comparison with the control, and a proposer's calibration, in words."""

import pytest

from autoresearch.policy.calibration import Calibration
from autoresearch.policy.proposer_comparison import Difference, ProposerComparison
from autoresearch.render.arms import calibrated, compared

AHEAD, AHEAD_HOURLY = Difference(0.0012, 0.0003, 0.0024), Difference(0.0144, 0.0036, 0.03)
BEHIND, BEHIND_HOURLY = Difference(-0.0012, -0.003, -0.0001), Difference(-0.01, -0.02, -0.001)
OPEN = Difference(0.0001, -0.0003, 0.0006)


@pytest.mark.parametrize(
    ("one", "hour", "said"),
    [
        (
            AHEAD,
            AHEAD_HOURLY,
            (
                "a beats the control r by 0.00120 bpb an experiment (0.00030 to 0.00240), "
                "0.0144 an hour (0.0036 to 0.0300)"
            ),
        ),
        (
            BEHIND,
            BEHIND_HOURLY,
            (
                "a falls short of the control r by 0.00120 bpb an experiment (0.00010 to 0.00300), "
                "0.0100 an hour (0.0010 to 0.0200)"
            ),
        ),
        (AHEAD, None, "a beats the control r by 0.00120 bpb an experiment (0.00030 to 0.00240)"),
        (
            OPEN,
            None,
            (
                "a and the control r: no difference can be seen yet, "
                "+0.00010 bpb an experiment (-0.00030 to +0.00060)"
            ),
        ),
        (None, None, "a and the control r: no difference can be seen yet, as nothing was kept"),
    ],
)
def test_a_lead_is_told_with_its_interval(
    one: Difference | None, hour: Difference | None, said: str
) -> None:
    assert compared(ProposerComparison("a", "r", 9, 3, one, hour)).plain == said


@pytest.mark.parametrize("hour", [OPEN, BEHIND_HOURLY])
def test_a_lead_an_experiment_alone_is_no_lead(hour: Difference) -> None:
    said = compared(ProposerComparison("a", "r", 9, 3, AHEAD, hour)).plain
    assert "no difference can be seen yet, +0.00120 bpb an experiment (+0.00030 to" in said


def test_predictions_are_told_in_a_line() -> None:
    found = Calibration(23, -0.004, 0.001, 0.005, (0.609, 0.551), 0.32, 0.1)
    assert calibrated("a", found).plain == (
        "a predicted -0.0040 in the middle of 23, came out +0.0010, right sign 61% (chance 55%), "
        "rank correlation +0.32, slope +0.10"
    )
    few = Calibration(3, -0.004, 0.001, 0.005, None, None, None)
    assert calibrated("a", few).plain == "a predicted -0.0040 in the middle of 3, came out +0.0010"
