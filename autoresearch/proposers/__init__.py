"""What suggests changes. One file a proposer; the command line's spec chooses."""

from autoresearch.proposers.base import (
    Brief,
    Check,
    Machine,
    Measuring,
    Past,
    Pending,
    Proposer,
    Remaining,
    Run,
    TextSize,
    Unable,
)
from autoresearch.proposers.building import Means, build
from autoresearch.proposers.specs import KNOWN, Spec

__all__ = [
    "KNOWN",
    "Brief",
    "Check",
    "Machine",
    "Means",
    "Measuring",
    "Past",
    "Pending",
    "Proposer",
    "Remaining",
    "Run",
    "Spec",
    "TextSize",
    "Unable",
    "build",
]
