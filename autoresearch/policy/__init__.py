"""Decisions, pure: no git, no SQL, no clock. Scores are in the metric's unit; lower is better.

`docs/statistics.md` tells a person what is done here and why.
"""

from autoresearch.policy.belief import Belief
from autoresearch.policy.calibration import Calibration, calibrate
from autoresearch.policy.claims import (
    CONFIRMED,
    Claim,
    Kept,
    claim,
    doubtful,
    should_unkeep,
    worth_confirming,
)
from autoresearch.policy.documents import ByDocument, by_document
from autoresearch.policy.drift import Drift, drift
from autoresearch.policy.duty import Duty, Phases, duty
from autoresearch.policy.effects import CPU_IDEAS, GPU_IDEAS, Prior
from autoresearch.policy.gap import Gap, Sides, gap
from autoresearch.policy.guards import Guard, broken, lacking
from autoresearch.policy.memory import Past, average, recall, replay
from autoresearch.policy.noise import (
    CPU,
    GPU,
    Noise,
    Usual,
    by_seed,
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
    calibrated,
    ladder,
    lags,
    share_bound,
)
from autoresearch.policy.rounding import (
    MEASURED,
    MOST,
    QUIETER,
    allow,
    at_ceiling,
    most_lean,
    most_noise,
    probes_needed,
    smallest_leak,
    too_noisy,
)
from autoresearch.policy.scale import CPU_SCALE, GPU_SCALE, Scale, scale_of
from autoresearch.policy.shipped import shipped_ladder
from autoresearch.policy.sight import Sight, advice, sight
from autoresearch.policy.verdicts import (
    FIRST_SEED,
    Decision,
    MoreTrials,
    judge,
    kept_as_simpler,
    next_seed,
)

__all__ = [
    "CONFIRMED", "CPU", "CPU_IDEAS", "CPU_SCALE", "FIRST_SEED", "GPU", "GPU_IDEAS", "GPU_SCALE",
    "MEASURED", "MOST", "PLENTY", "QUIETER", "Belief", "ByDocument", "Calibration", "Claim",
    "Condemned", "Decision", "Drift", "Duty", "Finished", "Gap", "Guard", "Kept", "Ladder", "Lags",
    "MoreTrials", "Noise", "Past", "Phases", "Prior", "Race", "Scale", "Sides", "Sight", "Usual",
    "Yardstick", "advice", "allow", "at_ceiling", "average", "broken", "by_document", "by_seed",
    "calibrate", "calibrated", "claim", "doubtful", "drift", "duty", "gap", "judge",
    "kept_as_simpler", "lacking", "ladder", "lags", "most_lean", "most_noise", "next_seed", "noise",
    "paired", "probes_needed", "recall", "replay", "scale_of", "share_bound", "shipped_ladder",
    "should_unkeep", "sight", "smallest_leak", "steadied", "too_noisy", "worth_confirming",
]  # fmt: skip
