"""Decisions, pure: no git, no SQL, no clock. Scores are in bits per byte; lower is better.

`docs/statistics.md` tells a person what is done here and why.
"""

from autoresearch.policy.belief import Belief
from autoresearch.policy.claims import (
    CONFIRMED,
    Claim,
    Kept,
    claim,
    should_unkeep,
    worth_confirming,
)
from autoresearch.policy.effects import CPU_IDEAS, GPU_IDEAS, Prior
from autoresearch.policy.memory import Past, average, recall, scores
from autoresearch.policy.noise import (
    CPU,
    GPU,
    Noise,
    Usual,
    noise,
    paired,
    steadied,
)
from autoresearch.policy.racing import (
    PLENTY,
    Condemned,
    Finished,
    Ladder,
    Lags,
    Race,
    Yardstick,
    calibrate,
    ladder,
    lags,
    share_bound,
)
from autoresearch.policy.shipped import shipped_ladder
from autoresearch.policy.verdicts import FIRST_SEED, Decision, MoreTrials, judge, next_seed

__all__ = [
    "CONFIRMED", "CPU", "CPU_IDEAS", "FIRST_SEED", "GPU", "GPU_IDEAS", "PLENTY", "Belief", "Claim",
    "Condemned", "Decision", "Finished", "Kept", "Ladder", "Lags", "MoreTrials", "Noise", "Past",
    "Prior", "Race", "Usual", "Yardstick", "average", "calibrate", "claim", "judge",
    "ladder", "lags", "next_seed", "noise", "paired", "recall", "scores", "share_bound",
    "shipped_ladder", "should_unkeep", "steadied", "worth_confirming",
]  # fmt: skip
