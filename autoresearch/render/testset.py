"""Scores on the sealed test set, and what they say of the choices that were made on val."""

from collections.abc import Iterator
from dataclasses import replace

from rich.text import Text

from autoresearch import policy
from autoresearch.render.scores import ScoreFormat
from autoresearch.report import ExperimentReport, StudyReport
from autoresearch.report.full import TestScore


def lines(report: StudyReport, form: ScoreFormat) -> Iterator[Text]:
    """Yield a line for the newest experiment that has a score on test, and for the fitted."""
    scored = [
        row for row in report.experiments if row.test_bpb is not None and row.parent is not None
    ]
    for row in scored:
        if row is scored[-1] or (row.gap is not None and row.gap.fitted):
            said = Text(f"experiment {row.number} on test: ")
            yield said.append_text(described(_found(row, report), form))


def described(found: TestScore, form: ScoreFormat) -> Text:
    """Return an experiment's score on test and its gap to val, as far as they are known."""
    said, form = form.score(found.score), replace(form, finer=0)
    if found.distance is not None:
        theirs = found.baseline_distance
        beside = "" if theirs is None else f" (the baseline's: {form.delta(theirs)})"
        said.append(f", {form.delta(found.distance)} to val{beside}")
    return said if found.gap is None else said.append("; ").append_text(_judged(found.gap, form))


def _found(row: ExperimentReport, report: StudyReport) -> TestScore:
    base = report[report.baseline] if report.baseline is not None else None
    theirs = base.test_distance if base and base.number != row.number else None
    return TestScore(row.test_bpb, row.test_distance, theirs, row.gap)


def _judged(found: policy.GeneralizationGap, form: ScoreFormat) -> Text:
    val, test = (form.delta(each.mean, each.error) for each in (found.val, found.test))
    said = Text(f"against the baseline {val} on val and {test} on test: ")
    return said.append(found.description, style="yellow" if found.fitted else "")
