"""Decisions as pure functions: no git, no SQL, no clock.

Scores are in the metric's unit; lower is better. `docs/statistics.md` explains the methods.
"""

from autoresearch.policy.belief import Belief
from autoresearch.policy.calibration import Calibration, calibrate
from autoresearch.policy.confirmation import (
    CONFIRMED,
    Kept,
    claim,
    doubtful,
    should_unkeep,
    worth_confirming,
)
from autoresearch.policy.default_thresholds import default_thresholds
from autoresearch.policy.documents import ByDocument, by_document
from autoresearch.policy.drift import Drift, drift
from autoresearch.policy.duty import Duty, Phases, duty
from autoresearch.policy.effects import CPU_IDEAS, Prior
from autoresearch.policy.generalization import GeneralizationGap, Sides, generalization_gap
from autoresearch.policy.guards import Guard, broken, lacking
from autoresearch.policy.lineage import line_to, tip_of
from autoresearch.policy.noise import (
    CPU,
    GPU,
    Noise,
    NoisePrior,
    adjust_for_throughput,
    by_seed,
    noise,
    paired,
)
from autoresearch.policy.power import Power, advice, power
from autoresearch.policy.pruning import (
    PLENTY,
    FinishedTraining,
    PruneDecision,
    PruningRun,
    PruningThresholds,
    ReferenceCurve,
    calibrated_thresholds,
    lags,
    share_bound,
    thresholds_for,
)
from autoresearch.policy.replay import DecidedExperiment, average, belief_after, replay
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
from autoresearch.policy.verdicts import (
    FIRST_SEED,
    Decision,
    MoreTrials,
    judge,
    kept_as_simpler,
    next_seed,
)

__all__ = [
    "CONFIRMED", "CPU", "CPU_IDEAS", "CPU_SCALE", "FIRST_SEED", "GPU", "GPU_SCALE",
    "MEASURED", "MOST", "PLENTY", "QUIETER", "Belief", "ByDocument", "Calibration",
    "DecidedExperiment", "Decision", "Drift", "Duty", "FinishedTraining", "GeneralizationGap",
    "Guard", "Kept", "MoreTrials", "Noise", "NoisePrior", "Phases", "Power", "Prior",
    "PruneDecision", "PruningRun", "PruningThresholds", "ReferenceCurve", "Scale", "Sides",
    "adjust_for_throughput", "advice", "allow", "at_ceiling", "average", "belief_after", "broken",
    "by_document", "by_seed", "calibrate", "calibrated_thresholds", "claim", "default_thresholds",
    "doubtful", "drift", "duty", "generalization_gap", "judge", "kept_as_simpler", "lacking",
    "lags", "line_to", "most_lean", "most_noise", "next_seed", "noise", "paired", "power",
    "probes_needed", "replay", "scale_of", "share_bound", "should_unkeep", "smallest_leak",
    "thresholds_for", "tip_of", "too_noisy", "worth_confirming",
]  # fmt: skip
