"""What follows from a study's experiments: the gain, categories, phases, near misses, machines."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import fsum

from autoresearch.policy.lineage import believed_gain
from autoresearch.policy.proposer_comparison import calibrations, compare, records
from autoresearch.records.arms import Trained
from autoresearch.records.values import UNCOUNTED, Category, Estimate, Standing, Verdict
from autoresearch.report.values import ExperimentReport, Phases, Proposers, TrialReport

NEAR = 0.25  # the probability of being better from which a discard is a near miss
NEAREST = 12


def gain(
    by_number: Mapping[int, ExperimentReport],
    baseline: int | None,
    best: int | None,
    *,
    imported: bool,
) -> Estimate | None:
    """Return what the keeps from the baseline to the best are believed to have done, added up.

    The difference of their two scores is all there is where a table was imported.
    """
    if best is None or best == baseline:
        return None
    if imported:
        return _difference(by_number[best], by_number.get(baseline or 0))
    lineage = {number: (each.parent, each.delta) for number, each in by_number.items()}
    return believed_gain(lineage, best)


def _difference(best: ExperimentReport, baseline: ExperimentReport | None) -> Estimate | None:
    if best.bpb is None or baseline is None or baseline.bpb is None:
        return None
    return Estimate(best.bpb.mean - baseline.bpb.mean)


def compared(trained: Sequence[Trained]) -> Proposers:
    """Return what each side gained, beside the control."""
    return Proposers(tuple(records(trained)), tuple(compare(trained)), calibrations(trained))


def categories(experiments: Iterable[ExperimentReport]) -> Proposers:
    """Return what each category gained, beside the control."""
    return compared(_by_category(experiments))


def _by_category(experiments: Iterable[ExperimentReport]) -> list[Trained]:
    """Return trained experiments with their category in the place of the proposer.

    A control's own turns stay the control's: they are what categories are compared with.
    """
    return [
        each if each.is_control else replace(each, proposer=row.category)
        for row in experiments
        for each in _trained(row)
    ]


def _trained(row: ExperimentReport) -> Iterator[Trained]:
    judged = row.verdict is not None and row.verdict not in UNCOUNTED
    if judged and row.category != Category.BASELINE and row.reverts is None:
        yield Trained(
            proposer=row.proposer,
            control=row.control,
            seconds=row.seconds,
            kept=row.kept,
            confirmed=row.standing is Standing.CONFIRMED,
            delta=row.delta.mean if row.delta else None,
            delta_error=row.delta.error if row.delta else None,
        )


def phases(trials: Iterable[TrialReport]) -> Phases:
    """Return where the trials' wall seconds went; what is no start-up counts as training."""
    trials = list(trials)
    return Phases(
        startup=fsum(each.startup for each in trials),
        compiling=fsum(each.compiling for each in trials),
        training=fsum(max(each.total - each.startup, 0.0) for each in trials),
        scoring=fsum(each.scoring for each in trials),
    )


def near_misses(experiments: Iterable[ExperimentReport]) -> tuple[int, ...]:
    """Return the discards that are the likeliest to be better all the same, likeliest first."""
    found = [
        (-each.chances.better, each.number)
        for each in experiments
        if each.verdict is Verdict.DISCARD
        and each.standing is not Standing.REFUTED
        and each.chances is not None
        and each.chances.better >= NEAR
    ]
    return tuple(number for _, number in sorted(found)[:NEAREST])


def hardware(trials: Iterable[TrialReport]) -> tuple[tuple[str, int], ...]:
    """Return the machines with the number of trials on each, most used first."""
    return tuple(Counter(each.hardware for each in trials if each.hardware).most_common())
