"""What suggests changes. One file a proposer; the command line's spec chooses."""

from autoresearch.proposers.base import (
    MOST_AT_ONCE,
    Brief,
    Check,
    HistoryEntry,
    Machine,
    Measuring,
    Pending,
    Proposer,
    Remaining,
    Several,
    TextSize,
    TrialSummary,
    Unable,
)
from autoresearch.proposers.building import Means, build
from autoresearch.proposers.known import Known, KnownIdea
from autoresearch.proposers.specs import KNOWN, Spec

__all__ = [
    "KNOWN",
    "MOST_AT_ONCE",
    "Brief",
    "Check",
    "HistoryEntry",
    "Known",
    "KnownIdea",
    "Machine",
    "Means",
    "Measuring",
    "Pending",
    "Proposer",
    "Remaining",
    "Several",
    "Spec",
    "TextSize",
    "TrialSummary",
    "Unable",
    "build",
]
