"""Rows as the events that watchers see."""

from collections.abc import Sequence

from autoresearch.records.events import (
    ExperimentDone,
    ExperimentOpened,
    StudyOpened,
    StudyStopped,
)
from autoresearch.records.tables import Experiment
from autoresearch.records.training import Budget
from autoresearch.records.values import Verdict
from autoresearch.registry import Summary


def study_opened(
    summary: Summary, budget: Budget, proposers: Sequence[str], slots: Sequence[str] = ()
) -> StudyOpened:
    """Return the first event of a run."""
    study = summary.study
    return StudyOpened(
        tag=study.tag,
        branch=study.branch,
        budget=budget,
        device=study.device,
        trust=study.trust,
        proposers=tuple(proposers),
        corpus=study.corpus,
        continued=summary.finished > 0,
        baseline_bpb=summary.baseline.val_bpb if summary.baseline else None,
        best_bpb=summary.incumbent.val_bpb if summary.incumbent else None,
        slots=tuple(slots),
        metric=study.metric,
    )


def study_stopped(summary: Summary, reason: str) -> StudyStopped:
    """Return the last event of a run."""
    counts = summary.verdicts
    return StudyStopped(
        reason=reason,
        finished=summary.finished,
        kept=counts.get(Verdict.KEEP, 0),
        confirmed=summary.confirmed,
        discarded=counts.get(Verdict.DISCARD, 0),
        crashed=counts.get(Verdict.CRASH, 0),
        invalid=counts.get(Verdict.INVALID, 0),
        disqualified=counts.get(Verdict.DISQUALIFIED, 0),
        per_hour=summary.per_hour,
        baseline_bpb=summary.baseline.val_bpb if summary.baseline else None,
        best_bpb=summary.incumbent.val_bpb if summary.incumbent else None,
    )


def experiment_opened(row: Experiment) -> ExperimentOpened:
    """Return the event of a new row, or of one that a stopped run left open."""
    return ExperimentOpened(int(row.id or 0), row.proposer, row.hypothesis, row.category)


def experiment_done(row: Experiment) -> ExperimentDone:
    """Return the event of a verdict."""
    return ExperimentDone(
        experiment_id=int(row.id or 0),
        verdict=row.verdict or Verdict.CRASH,
        val_bpb=row.val_bpb,
        error=row.val_bpb_error,
        delta=row.delta,
        reason=row.reason,
        seconds=row.seconds,
        delta_error=row.delta_error,
    )
