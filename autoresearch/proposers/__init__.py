"""What suggests changes. One file a proposer; the command line's spec chooses."""

from autoresearch.proposers.base import (
    Brief,
    Check,
    Measuring,
    Past,
    Pending,
    Proposer,
    Remaining,
    Run,
    Unable,
)
from autoresearch.proposers.building import Means, build
from autoresearch.proposers.specs import KNOWN, Spec

__all__ = [
    "KNOWN",
    "Brief",
    "Check",
    "Means",
    "Measuring",
    "Past",
    "Pending",
    "Proposer",
    "Remaining",
    "Run",
    "Spec",
    "Unable",
    "build",
]
