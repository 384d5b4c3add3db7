"""`status`: a study in its headline, as a table of experiments, and what stands behind them."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.text import Text

from autoresearch.records.values import Standing, Verdict
from autoresearch.registry import RunNote
from autoresearch.render import (
    arms,
    at_work,
    duty,
    evidence,
    money,
    notes,
    pruning,
    testset,
    words,
)
from autoresearch.render.experiment_table import Signs, experiment_table
from autoresearch.render.headline import headline
from autoresearch.render.scores import ScoreFormat
from autoresearch.report import StudyReport
from autoresearch.report.selection import Selection

ALL = Selection()


def status(
    report: StudyReport,
    console: Console,
    *,
    chosen: Selection = ALL,
    run: RunNote | None = None,
    log: Path | None = None,
) -> None:
    """Print a study: headline, the experiments asked for, proposers, noise, money, what next.

    Args:
        report: the study.
        console: where to.
        chosen: which of its experiments.
        run: the run at work in the project, if there is one.
        log: where what it tells is written.
    """
    for part in (*top(report, console, chosen, run), *_behind(report, console)):
        console.print(part, highlight=False)
    if run is None or log is None:
        console.print(Text(f"Next: {next_step(report)}", style="dim"), highlight=False)
        return
    for line in at_work.lines(run, report.made, log):
        console.print(line, highlight=False, soft_wrap=True)  # its path can be copied


def top(
    report: StudyReport, console: Console, chosen: Selection, run: RunNote | None
) -> Iterator[RenderableType]:
    """Yield a study's headline and its experiments."""
    yield words.study_line(report.study)
    yield headline(report, console, run)
    rows, signs = chosen.of(report.experiments), Signs.of(report)
    left_out = len(report.experiments) - len(rows)
    if left_out > 0:
        yield Text(_left_out(report, chosen, left_out), style="dim")
    if rows:
        yield experiment_table(rows, signs, ScoreFormat.of(report.study), console.width)
    yield from signs.notes()


def live(
    report: StudyReport, console: Console, chosen: Selection, run: RunNote | None, log: Path
) -> Group:
    """Return what `status --watch` shows: what comes first, and the run at work."""
    at_its_end = at_work.lines(run, report.made, log) if run else [Text("no run is at work")]
    return Group(*top(report, console, chosen, run), *at_its_end)


def _left_out(report: StudyReport, chosen: Selection, number: int) -> str:
    fitting = len(chosen.fitting(report.experiments))
    if fitting < len(report.experiments):
        return f"{words.count(fitting)} of {words.count(len(report.experiments))} are asked for"
    return f"… {words.count(number)} {'earlier' if chosen.newest else 'more'} (--all)"


def _behind(report: StudyReport, console: Console) -> Iterator[RenderableType]:
    """Yield what stands behind the scores, and what they cost."""
    form = ScoreFormat.of(report.study)
    yield from arms.arms(report.proposers, form, console.width)
    yield from evidence.machine(report)
    yield from evidence.audit(report, form)
    yield from testset.lines(report, form)
    yield from filter(None, (pruning.line(report.pruning), duty.line(report.duty)))
    yield from (words.line(each, 300, "yellow") for each in report.limited)
    yield from notes.lines([each for each in report.notes if each.stands])
    yield from money.accounts(report, console.width)


def next_step(report: StudyReport) -> str:
    """Return what a person does now that no run is at work."""
    if report.study.is_imported:
        return "autoresearch run, to find more than that"
    kept = report.keeps
    confirmed = [each for each in kept if each.standing is Standing.CONFIRMED]
    if confirmed:
        return f"autoresearch diff {confirmed[-1].number} · autoresearch promote --all-confirmed"
    if kept:
        return f"autoresearch diff {kept[-1].number} · autoresearch run, to confirm and go on"
    if report.verdicts[Verdict.CRASH] > report.finished / 2:
        return "autoresearch doctor · autoresearch status ID, for why an experiment crashed"
    return "autoresearch run, to go on"
