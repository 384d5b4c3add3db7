"""Rows with sensible values, for tests that care about one or two of them."""

from datetime import UTC, datetime
from typing import Any

from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import (
    Category,
    Clock,
    ExperimentState,
    StudyState,
    Trust,
    Verdict,
)


def a_study(tag: str, **changes: Any) -> Study:
    """A study that is not stored yet."""
    values: dict[str, Any] = {
        "tag": tag,
        "branch": f"autoresearch/{tag}",
        "base_commit": "0" * 40,
        "profile": "cpu",
        "device": "cpu",
        "corpus": "stdlib 0123456789ab",
        "comparability": "{}",
        "budget_seconds": 20.0,
        "clock": Clock.CPU,
        "trust": Trust.UNSEALED,
        "state": StudyState.STOPPED,
        "created_at": datetime(2026, 11, 23, 12, tzinfo=UTC),
    }
    return Study(**(values | changes))


def an_experiment(study: Study, **changes: Any) -> Experiment:
    """A finished experiment of a stored study that is not stored yet."""
    values: dict[str, Any] = {
        "study_id": study.id,
        "state": ExperimentState.DONE,
        "verdict": Verdict.DISCARD,
        "proposer": "optuna",
        "hypothesis": "DEPTH 2 → 3",
        "category": Category.OTHER,
        "created_at": study.created_at,
    }
    return Experiment(**(values | changes))
