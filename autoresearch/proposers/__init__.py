"""Proposers, which suggest changes: one file each; the spec on the command line chooses."""

from autoresearch.proposers.base import (
    MOST_AT_ONCE,
    Brief,
    Check,
    HistoryEntry,
    Machine,
    Measuring,
    Pending,
    ProposeFailure,
    Proposer,
    Remaining,
    Several,
    TextSize,
    TrialSummary,
)
from autoresearch.proposers.building import ProposerContext, build
from autoresearch.proposers.known import Known, KnownIdea
from autoresearch.proposers.specs import Spec

__all__ = [
    "MOST_AT_ONCE",
    "Brief",
    "Check",
    "HistoryEntry",
    "Known",
    "KnownIdea",
    "Machine",
    "Measuring",
    "Pending",
    "ProposeFailure",
    "Proposer",
    "ProposerContext",
    "Remaining",
    "Several",
    "Spec",
    "TextSize",
    "TrialSummary",
    "build",
]
