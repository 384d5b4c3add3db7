"""What suggests changes. One file a proposer; the command line's spec chooses."""

from autoresearch.proposers.base import (
    MOST_AT_ONCE,
    Brief,
    Check,
    Machine,
    Measuring,
    Past,
    Pending,
    Proposer,
    Remaining,
    Run,
    Several,
    TextSize,
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
    "Known",
    "KnownIdea",
    "Machine",
    "Means",
    "Measuring",
    "Past",
    "Pending",
    "Proposer",
    "Remaining",
    "Run",
    "Several",
    "Spec",
    "TextSize",
    "Unable",
    "build",
]
