"""Rows as the events that watchers see."""

from collections.abc import Sequence

from autoresearch.policy.lineage import believed_gain
from autoresearch.records.events import (
    ExperimentDone,
    ExperimentOpened,
    StudyOpened,
    StudyStopped,
)
from autoresearch.records.tables import Experiment
from autoresearch.records.training import Budget
from autoresearch.records.values import Estimate, Verdict
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


def study_stopped(summary: Summary, rows: Sequence[Experiment], reason: str) -> StudyStopped:
    """Return the last event of a run; `rows` are the study's experiments."""
    counts, best = summary.verdicts, summary.incumbent
    lineage = {int(row.id or 0): (row.parent_id, _effect(row)) for row in rows}
    gain = believed_gain(lineage, best.id if best else None)
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
        best_bpb=best.val_bpb if best else None,
        gain=gain.mean if gain else None,
    )


def _effect(row: Experiment) -> Estimate | None:
    return None if row.delta is None else Estimate(row.delta, row.delta_error)


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
