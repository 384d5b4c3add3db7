"""`--json`: the registry for programs."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from itertools import chain
from typing import TextIO

from sqlmodel import SQLModel

from autoresearch.policy.arms import Record, calibrations, compare, records
from autoresearch.records.tables import Experiment, Study
from autoresearch.registry import Registry
from autoresearch.registry.packing import unpack
from autoresearch.render import duty, evidence, notes, racing
from autoresearch.render.money import Tariff

VERSION = 3
NOTHING_KNOWN = Tariff()
BULK = frozenset({"log", "doc_bits", "doc_bytes", "test_bits", "test_bytes", "answer", "salt"})


def write_study_json(
    registry: Registry,
    study: Study,
    out: TextIO,
    tariff: Tariff = NOTHING_KNOWN,
    run: dict[str, object] | None = None,
) -> None:
    """Write a study as one JSON object, an experiment a line.

    ``{"version", "study", "notes": [...], "experiments": [...], "trials": [...], "calls": [...],
    "spending": [...], "racing": {...}, "duty": {...}, "money": {...}, "machine": {...},
    "arms": [...], "comparisons": [...], "calibrations": {...}, "run"}``; trials and calls name
    their experiment, `spending` is an account a proposer, `racing` that of trials stopped early,
    `duty` what became of the seconds of the slots, `money` the study's cap and what an hour of the
    machine costs, `machine` how loud it is, what can be seen through that, and its checks for
    drift. `arms` are what proposers gained, `comparisons` what they did beside a control,
    `calibrations` what became of each one's predictions: see `policy.arms`. `run` is the run at
    work in the project, or null.
    Everything is in it except logs, the scores of single documents and what models answered.
    """
    machine = evidence.Machine.of(registry, study).plain()
    out.write(f'{{"version": {VERSION}, "study": {dump(plain(study))},')
    out.write(f'\n"notes": {dump(notes.plain(registry.notes(study)))},\n"experiments": [')
    experiments = registry.experiments(study, whole=True)
    _write_items(out, (plain(each) for each in experiments))
    out.write('],\n"trials": [')
    _write_items(out, chain.from_iterable(_trials(registry, each) for each in experiments))
    out.write('],\n"calls": [')
    _write_items(out, (plain(each) for each in registry.calls(study)))
    out.write('],\n"spending": [')
    _write_items(out, (asdict(each) for each in registry.spending(study)))
    out.write(f'],\n"racing": {dump(racing.plain(registry.raced(study)))},')
    out.write(f'\n"duty": {dump(duty.plain(registry.duty(study)))},')
    out.write(f'\n"money": {dump(asdict(tariff))},\n"machine": {dump(machine)},\n"arms": [')
    trained = registry.trained(study)
    _write_items(out, (_record(each) for each in records(trained)))
    out.write('],\n"comparisons": [')
    _write_items(out, (asdict(each) for each in compare(trained)))
    found = {name: asdict(each) for name, each in calibrations(trained).items()}
    out.write(f'],\n"calibrations": {dump(found)},\n"run": {dump(run)}}}\n')


def write_experiment_json(
    registry: Registry, study: Study, experiment: Experiment, out: TextIO
) -> None:
    """Write one experiment with all that belongs to it.

    ``{"version", "study", "experiment", "documents", "trials": [...], "calls": [...]}``.
    `experiment` must be whole (with its patch); `documents` is how it differs from its parent
    document by document, or null. A call has what the model answered, as text.
    """
    answer = {
        "version": VERSION,
        "study": plain(study),
        "experiment": plain(experiment),
        "documents": _documents(registry, experiment),
        "trials": list(_trials(registry, experiment)),
        "calls": [
            plain(each) | {"answer": unpack(each.answer).decode("utf-8", "replace")}
            for each in registry.calls_of(experiment, whole=True)
        ],
    }
    out.write(dump(answer, indent=2) + "\n")


def _documents(registry: Registry, experiment: Experiment) -> dict[str, object] | None:
    if experiment.parent_id is None:
        return None
    parent = registry.experiment(experiment.parent_id)
    found = evidence.by_document(registry, parent, experiment)
    return asdict(found) if found else None


def _trials(registry: Registry, experiment: Experiment) -> Iterator[dict[str, object]]:
    for trial in registry.trials(experiment, whole=True):
        yield plain(trial)


def _record(record: Record) -> dict[str, object]:
    rates = {"per_experiment": record.per_experiment, "per_hour": record.per_hour}
    return asdict(record) | rates


def _write_items(out: TextIO, items: Iterator[dict[str, object]]) -> None:
    separator = "\n"
    for item in items:
        out.write(separator + dump(item))
        separator = ",\n"


def plain(row: SQLModel) -> dict[str, object]:
    """Return a row as values that JSON has, without what is large or secret."""
    return {name: _value(getattr(row, name)) for name in type(row).model_fields if name not in BULK}


def _value(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def dump(value: object, indent: int | None = None) -> str:
    """Return a value as JSON, in ASCII alone."""
    try:
        return json.dumps(value, allow_nan=False, indent=indent)
    except ValueError:  # the registry lets nothing in that is not finite; another program did
        return json.dumps(_finite(value), allow_nan=False, indent=indent)


def _finite(value: object) -> object:
    """Return a value with null for every number that JSON has not."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
