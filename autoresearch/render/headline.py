"""A study in a few lines: what improved and how sure that is, what was tried, time and money."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autoresearch.records.values import Standing, StudyState, Verdict
from autoresearch.registry import RunNote
from autoresearch.render import at_work, money, words
from autoresearch.render.scores import ScoreFormat
from autoresearch.report import ExperimentReport, StudyReport

WIDEST = 60  # of the line of the best so far
NARROWEST = 10
LABEL = 9  # columns that the lines' names take
BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-=+*#@"  # for terminals that have no blocks


def headline(report: StudyReport, console: Console, run: RunNote | None = None) -> Table:
    """Return what a reader must know first, a line each with its name.

    Args:
        report: the study.
        console: where it will be shown.
        run: the run at work in the project, if there is one.
    """
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, told in (
        *_best(report),
        *_so_far(report, console),
        ("tried", _counts(report)),
        *_time(report, run),
        *_money(report),
    ):
        grid.add_row(name, told)
    return grid


def _best(report: StudyReport) -> Iterator[tuple[str, Text]]:
    form = ScoreFormat.of(report.study)
    if (best := report.incumbent) is None or best.bpb is None:
        yield "best", Text("no score yet")
        return
    score = form.score(best.bpb.mean, best.bpb.error)
    if report.best == report.baseline:
        yield "best", Text(f"the unchanged project, {form.name} ").append_text(score)
        return
    yield "best", Text(f"experiment {best.number}, {form.name} ").append_text(score)
    if told := _gain(report, form):
        yield "gain", told
    if told := _why(best):
        yield "why", told


def _gain(report: StudyReport, form: ScoreFormat) -> Text | None:
    base = report.baseline_score
    if report.gain is None or base is None:
        return None
    told = Text(form.improvement(report.gain.mean, base.mean), style="bold")
    if not (interval := form.gained(report.gain)):
        return told.append(", how sure that is cannot be told: nothing was repeated", "dim")
    told.append(f", 95%: {interval}", style="not bold")
    unsure = not interval[:1].isdigit()  # it has signs, since it holds zero
    return told.append(" (it may be no gain at all)", "not bold yellow") if unsure else told


def _why(best: ExperimentReport) -> Text | None:
    """Return why the best was kept, and what became of that."""
    parts: list[Text | str] = [str(best.chances)] if best.chances else []
    if best.standing is not None:
        claim = words.line(f": {best.claim}", 120) if best.claim else Text()
        parts.append(words.standing(best.standing).append_text(claim))
    elif best.reason:
        parts.append(words.line(best.reason.partition(":")[0], 120))
    return words.joined(parts) if parts else None


def _so_far(report: StudyReport, console: Console) -> Iterator[tuple[str, Text]]:
    levels = _levels(report)
    width = min(console.width - LABEL, WIDEST)
    if len(set(levels)) > 1 and width >= NARROWEST:
        shown = [report.study.metric.shown(each) for each in levels]
        blocks = ASCII if console.options.ascii_only else BLOCKS
        yield "so far", Text(sparkline(shown, width, blocks), style="green")


def sparkline(values: Sequence[float], width: int, levels: str = BLOCKS) -> str:
    """Return numbers in their order, in at most `width` characters; the highest are the fullest.

    Where there are more of them than that, a character shows the last of its share.
    """
    width = min(width, len(values))
    shown = [values[(at + 1) * len(values) // width - 1] for at in range(width)]
    low, high = min(shown, default=0.0), max(shown, default=0.0)
    scale = (len(levels) - 1) / (high - low) if high > low else 0.0
    return "".join(levels[round((each - low) * scale)] for each in shown)


def _levels(report: StudyReport) -> Sequence[float]:
    """Return what the best was believed to have gained on the baseline by each experiment."""
    level: dict[int, float] = {}
    found, best = [], 0.0
    for each in report.experiments:
        if each.kept:
            step = each.delta.mean if each.delta and each.parent is not None else 0.0
            best = level[each.number] = level.get(each.parent or 0, 0.0) + step
        found.append(best)
    return found


def _counts(report: StudyReport) -> Text:
    """Return how many experiments ended in which way; what is rare is said where there is any."""
    more = {
        Verdict.KEEP: f"kept ({words.count(report.confirmed)} confirmed)",
        Verdict.DISCARD: f"discarded{_refuted(report)}",
        Verdict.INVALID: "refused (invalid)",
    }
    told = report.verdicts.described(more, always={*more, Verdict.CRASH})
    told += [f"{words.count(report.unfinished)} unfinished"] if report.unfinished else []
    return Text(", ".join(told))


def _refuted(report: StudyReport) -> str:
    """Return how many of those that were discarded had been kept before."""
    taken = [each for each in report.experiments if each.verdict is Verdict.DISCARD]
    count = sum(each.standing is Standing.REFUTED for each in taken)
    return f" ({words.count(count)} refuted)" if count else ""


def _time(report: StudyReport, run: RunNote | None) -> Iterator[tuple[str, Text]]:
    told = [f"{report.per_hour:.1f} experiments an hour"] if report.per_hour else []
    told += [f"{words.duration(round(report.at_work))} at work"] if report.at_work else []
    if report.duty is not None and report.duty.share is not None:
        told.append(f"duty {report.duty.share:.0%}")
    said = Text(" · ".join(told))
    if run is not None and report.study.state is StudyState.RUNNING:
        said.append(" · " if told else "").append(at_work.left(run, report.made), style="cyan")
    if said:
        yield "time", said


def _money(report: StudyReport) -> Iterator[tuple[str, Text]]:
    if report.costs_money:
        yield "spent", Text(money.spent(report))
