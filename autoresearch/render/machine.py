"""`--json`: the registry for programs."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import TextIO

from sqlalchemy import LargeBinary
from sqlmodel import SQLModel

from autoresearch.policy import ByDocument
from autoresearch.policy.proposer_comparison import ProposerRecord
from autoresearch.records.columns import Directed
from autoresearch.records.metric import BITS_PER_BYTE, Metric
from autoresearch.records.tables import Experiment
from autoresearch.records.values import Verdict
from autoresearch.registry import RunNote, Spending
from autoresearch.registry.packing import unpack
from autoresearch.render import at_work, duty, evidence, notes, pruning
from autoresearch.report import StudyReport
from autoresearch.report.full import ExperimentInFull
from autoresearch.report.rows import StudyRows
from autoresearch.report.values import interval

VERSION = 3
_COLUMNS = [each for table in Experiment.metadata.tables.values() for each in table.columns]
# Scores and effects, which are stored lower where they are better.
SCORES = frozenset(each.name for each in _COLUMNS if isinstance(each.type, Directed))
# What is large or secret.
BULK = frozenset({"salt", *(each.name for each in _COLUMNS if isinstance(each.type, LargeBinary))})


def write_study_json(
    report: StudyReport, rows: StudyRows, out: TextIO, run: RunNote | None = None
) -> None:
    """Write a study as one JSON object, an experiment a line.

    Scores and effects are as `metric` goes: of one that is better where it is higher, an effect
    above zero is better. `summary` is what a person reads first. Trials and calls name their
    experiment, `spending` is an account a proposer, `pruning` that of trials stopped early, `duty`
    what became of the seconds of the slots, `money` the study's cap and what an hour of the machine
    costs, `machine` how noisy it is, what can be seen through that, and its checks for drift.
    `arms` are what proposers gained, above zero = better, `comparisons` what they did beside a
    control, `calibrations` what became of each one's predictions: see `policy.arms`. `run` is the
    run at work in the project, or null.
    Everything is in it except logs, the scores of single documents and what models answered.
    """
    metric, proposers = report.study.metric, report.proposers
    parts: dict[str, object] = {
        "study": plain(rows.study),
        "metric": asdict(metric),
        "summary": summary(report),
        "notes": notes.plain(rows.notes),
        "experiments": (plain(each, metric) for each in rows.experiments),
        "trials": (plain(each, metric) for each in rows.trials),
        "calls": map(plain, rows.calls),
        "spending": map(_account, report.spending),
        "pruning": pruning.plain(report.pruning),
        "duty": duty.plain(report.duty),
        "money": asdict(report.tariff),
        "machine": evidence.plain(report.machine, metric),
        "arms": map(_record, proposers.records),
        "comparisons": map(asdict, proposers.comparisons),
        "calibrations": _calibrations(report),
        "run": at_work.plain(run),
    }
    separator = f'{{"version": {VERSION}, '
    for name, part in parts.items():
        out.write(f'{separator}"{name}": ')
        if isinstance(part, Iterator):
            _write_items(out, part)
        else:
            out.write(dump(part))
        separator = ",\n"
    out.write("}\n")


def summary(report: StudyReport) -> dict[str, object]:
    """Return what a person reads first: `gain` is an effect on the metric, with its interval."""
    metric, gain = report.study.metric, report.gain
    ends = interval(gain) if gain else None
    return {
        "best": report.best,
        "baseline": report.baseline,
        "gain": None if gain is None else metric.shown(gain.mean),
        "gain_interval": None if ends is None else sorted(map(metric.shown, ends)),
        "trust": report.study.trust,
        "verdicts": {str(name): count for name, count in report.verdicts.by_verdict.items()},
        "confirmed": report.confirmed,
        "unfinished": report.unfinished,
        "experiments_an_hour": report.per_hour,
        "seconds_at_work": report.at_work,
        "usd": report.usd,
    }


def write_experiment_json(found: ExperimentInFull, out: TextIO) -> None:
    """Write one experiment with all that belongs to it.

    ``{"version", "study", "metric", "experiment", "documents", "trials": [...], "calls": [...]}``.
    `documents` is how it differs from its parent document by document, or null. A call has what the
    model answered, as text.
    """
    metric = found.study.metric
    answer = {
        "version": VERSION,
        "study": plain(found.study),
        "metric": asdict(metric),
        "experiment": plain(found.row, metric),
        "documents": _documents(found.documents, metric),
        "trials": [plain(each, metric) for each in found.trials],
        "calls": [
            plain(each) | {"answer": unpack(each.answer).decode("utf-8", "replace")}
            for each in found.calls
        ],
    }
    out.write(dump(answer, indent=2) + "\n")


def _documents(found: ByDocument | None, metric: Metric) -> dict[str, object] | None:
    return None if found is None else asdict(found) | {"bpb": metric.shown(found.bpb)}


def _calibrations(report: StudyReport) -> dict[str, object]:
    shown = report.study.metric.shown
    return {
        name: asdict(each) | {"predicted": shown(each.predicted), "actual": shown(each.actual)}
        for name, each in report.proposers.calibrations.items()
    }


def _account(account: Spending) -> dict[str, object]:
    counts = account.verdicts
    return asdict(account) | {
        "verdicts": {str(name): count for name, count in counts.by_verdict.items()},
        "keeps": counts[Verdict.KEEP],
        "crashes": counts[Verdict.CRASH],
        "invalid": counts[Verdict.INVALID],
    }


def _record(record: ProposerRecord) -> dict[str, object]:
    rates = {"per_experiment": record.per_experiment, "per_hour": record.per_hour}
    return asdict(record) | rates


def _write_items(out: TextIO, items: Iterator[object]) -> None:
    out.write("[")
    separator = "\n"
    for item in items:
        out.write(separator + dump(item))
        separator = ",\n"
    out.write("]")


def plain(row: SQLModel, metric: Metric = BITS_PER_BYTE) -> dict[str, object]:
    """Return a row as values that JSON has, without what is large or secret."""
    names = (name for name in type(row).model_fields if name not in BULK)
    return {name: _value(shown(row, name, metric)) for name in names}


def shown(row: SQLModel, name: str, metric: Metric) -> object:
    """Return a field of a row; scores and effects as the metric goes."""
    value = getattr(row, name)
    return metric.shown(value) if name in SCORES and value is not None else value


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
