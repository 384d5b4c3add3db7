"""From the registry to a report."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import fsum, sqrt

from autoresearch.policy.arms import calibrations, compare, records
from autoresearch.records.arms import Trained
from autoresearch.records.tables import Call, Experiment, Study
from autoresearch.records.values import UNCOUNTED, Category, Estimate, Standing, Verdict
from autoresearch.registry import Registry
from autoresearch.report.experiments import experiment_report, later_ideas
from autoresearch.report.failures import failures
from autoresearch.report.machine import Machine
from autoresearch.report.tariff import Tariff
from autoresearch.report.values import (
    Cost,
    ExperimentReport,
    LaterIdea,
    Phases,
    Proposers,
    StudyFacts,
    StudyReport,
    TrialReport,
)

NEAR = 0.25  # the probability of being better from which a discard is a near miss
NEAREST = 12
NOTHING_KNOWN = Tariff()
NO_COST = Cost()


def study_report(registry: Registry, study: Study, tariff: Tariff = NOTHING_KNOWN) -> StudyReport:
    """Return all that a study has tried and learned.

    Raises:
        RegistryError: the registry is damaged.
    """
    summary = registry.summary(study)
    experiments = tuple(_experiments(registry, study))
    baseline = summary.baseline.id if summary.baseline else None
    best = summary.incumbent.id if summary.incumbent else None
    trained = registry.trained(study)
    trials = [trial for each in experiments for trial in each.trials]
    return StudyReport(
        study=StudyFacts.of(study),
        made=registry.now(),
        verdicts=summary.verdicts,
        confirmed=summary.confirmed,
        unfinished=summary.unfinished,
        per_hour=summary.per_hour,
        at_work=summary.at_work,
        baseline=baseline,
        best=best,
        gain=_gain(experiments, baseline, best),
        experiments=experiments,
        machine=Machine.of(registry, study),
        allowance=study.allowance,
        proposers=_compared(trained),
        categories=_compared([] if study.is_imported else _by_category(experiments)),
        spending=tuple(registry.spending(study)),
        tariff=tariff,
        phases=_phases(trials),
        duty=registry.duty(study),
        notes=tuple(registry.notes(study)),
        seconds_by_purpose={str(why): each for why, each in registry.seconds(study).items()},
        raced=registry.raced(study),
        near_misses=_near_misses(experiments),
        failures=failures(experiments),
        hardware=tuple(Counter(each.hardware for each in trials if each.hardware).most_common()),
    )


def _experiments(registry: Registry, study: Study) -> Iterator[ExperimentReport]:
    rows = registry.experiments(study, whole=True)
    readings = registry.readings(study)
    costs = _costs(registry.calls(study), rows)
    later = _later(rows)
    scale = registry.scale(study)
    for row in rows:
        number = row.id or 0
        yield experiment_report(
            row,
            registry.trials(row, whole=True),
            readings,
            scale=scale,
            cost=costs.get(number, NO_COST),
            later=later.get(number, ()),
        )


def _later(rows: Sequence[Experiment]) -> Mapping[int, tuple[LaterIdea, ...]]:
    noted: dict[str, list[Experiment]] = {}  # who noted nothing has taken or dropped nothing
    for row in rows:
        if row.notes:
            noted.setdefault(row.proposer, []).append(row)
    return {row.id or 0: later_ideas(row, those) for those in noted.values() for row in those}


def _costs(calls: Sequence[Call], rows: Iterable[Experiment]) -> Mapping[int, Cost]:
    """Return what the calls behind each experiment cost, by its number."""
    makes = {call.id: {call.experiment_id} - {None} for call in calls}
    for row in rows:
        if row.call_id in makes:
            makes[row.call_id].add(row.id)
    found: dict[int, Cost] = {}
    for call in calls:
        made = makes[call.id]
        share = 1 / len(made) if made else 0.0
        part = Cost(call.cost_usd * share, 1, call.tokens_in * share, call.tokens_out * share)
        for number in made:
            found[number or 0] = found.get(number or 0, NO_COST) + part
    return found


def _gain(
    experiments: Sequence[ExperimentReport], baseline: int | None, best: int | None
) -> Estimate | None:
    """Return what the keeps from the baseline to the best are believed to have done, added up.

    Each was measured in pairs on shared seeds, which tells it apart from the noise between seeds
    that the difference of two mean scores is full of. That difference is all there is where a
    table was imported.
    """
    by_number = {each.number: each for each in experiments}
    if best is None or best == baseline:
        return None
    chain = list(_chain(by_number, best))
    effects = [each.delta for each in chain if each.delta is not None]
    if not chain or len(effects) < len(chain):
        return _difference(by_number[best], by_number.get(baseline or 0))
    errors = [each.error for each in effects if each.error is not None]
    error = sqrt(fsum(each**2 for each in errors)) if len(errors) == len(effects) else None
    return Estimate(fsum(each.mean for each in effects), error)


def _difference(best: ExperimentReport, baseline: ExperimentReport | None) -> Estimate | None:
    if best.bpb is None or baseline is None or baseline.bpb is None:
        return None
    return Estimate(best.bpb.mean - baseline.bpb.mean)


def _chain(
    by_number: Mapping[int, ExperimentReport], best: int | None
) -> Iterator[ExperimentReport]:
    """Yield the best and what it builds on, as far as the baseline, which is left out."""
    row = by_number.get(best or 0)
    while row is not None and row.parent is not None:
        yield row
        row = by_number.get(row.parent)


def _compared(trained: Sequence[Trained]) -> Proposers:
    return Proposers(tuple(records(trained)), tuple(compare(trained)), calibrations(trained))


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


def _phases(trials: Iterable[TrialReport]) -> Phases:
    """Return where the trials' wall seconds went; what is no start-up counts as training."""
    trials = list(trials)
    return Phases(
        startup=fsum(each.startup for each in trials),
        compiling=fsum(each.compiling for each in trials),
        training=fsum(max(each.total - each.startup, 0.0) for each in trials),
        scoring=fsum(each.scoring for each in trials),
    )


def _near_misses(experiments: Iterable[ExperimentReport]) -> tuple[int, ...]:
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
