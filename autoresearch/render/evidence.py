"""What stands behind verdicts: noise, drift, documents; for a person and as values."""

from collections.abc import Iterator
from dataclasses import asdict

from rich.text import Text

from autoresearch import policy
from autoresearch.records.metric import Metric
from autoresearch.records.tables import Experiment
from autoresearch.records.text import counted
from autoresearch.render.scores import ScoreFormat
from autoresearch.report import StudyReport
from autoresearch.report.machine import Machine


def machine(report: StudyReport) -> Iterator[Text]:
    """Yield what `status` says of a study's noise; nothing before anything was trained twice."""
    found = report.machine
    if found.noise.measured:
        told = found.advice or found.power.description
        yield Text(told, style="yellow" if found.advice else "dim")
    if since := report.study.steady_since:
        yield Text(
            f"the machine changed after trial {since}: no later experiment is "
            "compared with what was read until then",
            style="yellow",
        )
    elif found.checks:
        times = "once" if len(found.checks) == 1 else f"{len(found.checks)} times"
        last = found.checks[-1][1].description
        yield Text(f"looked for drift {times}: an incumbent trained again {last}", style="dim")


def plain(found: Machine, metric: Metric) -> dict[str, object]:
    """Return a study's noise and its checks for a program."""
    checks = [
        {
            "trial": trial,
            "difference": metric.shown(each.bpb),
            "expected": each.expected,
            "steps": each.steps,
        }
        for trial, each in found.checks
    ]
    power = asdict(found.power) | {"advice": found.advice}
    return {"noise": asdict(found.noise), "power": power, "drift": checks}


def documents(found: policy.ByDocument, form: ScoreFormat) -> str:
    """Return in words how two experiments differ document by document."""
    difference = form.delta(found.bpb, found.error)
    what = ("document", "text") if form.metric.is_bits_per_byte else ("unit", "weight")
    count = counted(found.documents, what[0])
    return f"{difference}{form.unit}, better on {found.better:.0%} of the {what[1]} ({count})"


def measured(row: Experiment, form: ScoreFormat) -> str:
    """Return in words what an experiment's pairs say, before and after any expectation."""
    pairs = counted(row.pairs, "pair")
    chances = f"; {row.chances}" if row.chances else ""
    difference = form.delta(row.measured, row.measured_error)
    return f"{difference}{form.unit} on {pairs}{chances}"


def audit(report: StudyReport, form: ScoreFormat) -> Iterator[Text]:
    """Yield what scoring allows for rounding, and how small a leak it would have found.

    Nothing of studies of older versions.
    """
    if (found := report.study.allowance) is None:
        return
    told = f"a prediction computed again may differ by {found.tolerance:.2g} nats"
    scored = report.incumbent.trials if report.incumbent else ()
    known = [each.detectable for each in scored if each.detectable is not None]
    if known:
        told += f"; in the best's score a leak worth {form.leak(max(known))} would have been found"
    yield Text(told, style="dim")
    if policy.at_ceiling(found):
        yield Text(policy.too_noisy(found), style="yellow")
