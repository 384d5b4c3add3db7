"""From the registry to a report."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from autoresearch.records.money import CallEnding
from autoresearch.records.tables import Call, Experiment, Study
from autoresearch.registry import Registry, Summary
from autoresearch.report.experiments import experiment_report, later_ideas
from autoresearch.report.machine import Machine
from autoresearch.report.study import StudyReport
from autoresearch.report.tariff import Tariff
from autoresearch.report.values import Cost, Proposers

NOTHING_KNOWN = Tariff()
NO_COST = Cost()


def study_report(
    registry: Registry, study: Study, tariff: Tariff = NOTHING_KNOWN, *, whole: bool = True
) -> StudyReport:
    """Return all that a study has tried and learned.

    Unless `whole`, code, logs, pairs and most trials stay in the registry; see `StudyReport`.

    Raises:
        RegistryError: the registry is damaged.
    """
    summary = registry.summary(study)
    calls = registry.calls(study)
    rows = registry.experiments(study, whole=whole)
    wanted = None if whole else _looked_at(rows, summary)
    trials = registry.trials_by_experiment(study, only=wanted, whole=whole)
    readings = registry.readings(study)
    scale = registry.scale(study)
    costs, later = _costs(calls, rows), later_ideas(rows)
    experiments = tuple(
        experiment_report(
            row,
            trials.get(row.id or 0, ()),
            readings if whole else {},
            scale=scale,
            cost=costs.get(row.id or 0, NO_COST),
            later=later.get(row.id or 0, ()),
            whole=whole,
        )
        for row in rows
    )
    return StudyReport(
        study=study,
        whole=whole,
        made=registry.now(),
        verdicts=summary.verdicts,
        confirmed=summary.confirmed,
        unfinished=summary.unfinished,
        per_hour=summary.per_hour,
        at_work=summary.at_work,
        baseline=summary.baseline.id if summary.baseline else None,
        best=summary.incumbent.id if summary.incumbent else None,
        experiments=experiments,
        machine=Machine.of(registry, study, readings, scale),
        proposers=Proposers.of(registry.trained(study)),
        spending=tuple(registry.spending(study)),
        tariff=tariff,
        seconds_by_purpose={str(why): each for why, each in registry.seconds(study).items()},
        pruning=registry.pruning_counts(study),
        duty=registry.duty(study),
        notes=tuple(registry.notes(study)),
        limited=tuple(_limited(calls)),
    )


def _looked_at(rows: Iterable[Experiment], summary: Summary) -> set[int]:
    """Return the experiments whose trials are looked at though a report is not whole."""
    ends = {row.id for row in (summary.baseline, summary.incumbent) if row is not None}
    told = {row.id for row in rows if row.verdict is None or row.test_bpb is not None}
    return {number for number in ends | told if number is not None}


def _limited(calls: Iterable[Call]) -> Iterator[str]:
    last = {call.proposer: call for call in calls}
    for call in last.values():
        if call.ending is CallEnding.RATE_LIMITED:
            yield f"{call.proposer}: {call.detail or call.ending}"


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
