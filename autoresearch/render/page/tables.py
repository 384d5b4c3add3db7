"""The page's tables: everything that needs no chart, in words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autoresearch.records.money import dollars
from autoresearch.records.notes import LONGEST
from autoresearch.records.text import counted, safe_line
from autoresearch.registry import Spending
from autoresearch.render import arms, duty, evidence, pruning, words
from autoresearch.render.scores import ScoreFormat
from autoresearch.report import ExperimentReport, StudyReport
from autoresearch.report.tariff import Tariff
from autoresearch.report.values import Proposers

NAME = 60
SHOWN = 160
NUMBERS = 12  # experiments of a group that are named


@dataclass(frozen=True)
class Table:
    """A table with notes below it; `numeric` are the columns that stand to the right.

    `key` places it on the page. A first column of experiments' numbers is clickable there.
    """

    key: str
    columns: tuple[str, ...] = ()
    numeric: frozenset[int] = frozenset()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


def tables(report: StudyReport) -> dict[str, Table]:
    """Return every table of the page by its key."""
    made: Sequence[Callable[[StudyReport], Table]] = (
        _money, _time, _noise, _near_misses, _failures, _test, _later, _notes, _machines,
    )  # fmt: skip
    found = (
        _records("proposers", report, report.proposers),
        _records("categories", report, report.categories),
        *(make(report) for make in made),
    )
    return {table.key: table for table in found}


def _records(key: str, report: StudyReport, found: Proposers) -> Table:
    if not report.trained_here:
        return Table(key, notes=("Nothing was trained here: what anybody gained is not known.",))
    form = ScoreFormat.of(report.study)
    cells = arms.cells(form)
    names = (f"{each},{form.unit}" if each == "gained" and form.unit else each for each in cells)
    rows = tuple(
        (arms.arm(each).plain, *(cell(each) for cell in cells.values())) for each in found.records
    )
    notes = tuple(each.plain for each in arms.notes(found, form))
    return Table(key, ("", *names), frozenset(range(1, 7)), rows, notes)


def _money(report: StudyReport) -> Table:
    columns = ("", "calls", "failed", "tokens in", "cached", "tokens out", "calls, $", "machine, $",
               "$ a keep", "$ a confirmed")  # fmt: skip
    played = report.spending if report.costs_money else ()
    rows = tuple(_account(each, report.tariff) for each in played)
    return Table("money", columns, frozenset(range(1, 10)), rows)


def _account(each: Spending, tariff: Tariff) -> tuple[str, ...]:
    total = tariff.total(each)
    return (
        safe_line(each.proposer, NAME),
        words.count(each.calls),
        words.count(each.failed),
        words.count(each.tokens_in),
        "-" if each.cached_share is None else f"{each.cached_share:.0%}",
        words.count(each.tokens_out),
        dollars(each.usd),
        dollars(tariff.gpu.cost(each.gpu_seconds)) if tariff.gpu else "-",
        dollars(total / each.keeps) if each.keeps else "-",
        dollars(total / each.confirmed) if each.confirmed else "-",
    )


def _time(report: StudyReport) -> Table:
    purposes = sorted(report.seconds_by_purpose.items(), key=lambda each: -each[1])
    whole = sum(seconds for _, seconds in purposes)
    rows = [_part(f"for {why}", seconds, whole) for why, seconds in purposes]
    if report.phases.compiling:
        rows.append(_part("compiling, in their start-up", report.phases.compiling, whole))
    lines = (duty.line(report.duty), pruning.line(report.pruning))
    notes = tuple(sentence(each.plain) for each in lines if each is not None)
    return Table("time", ("trials", "took", "share"), frozenset((1, 2)), tuple(rows), notes)


def _part(name: str, seconds: float, whole: float) -> tuple[str, ...]:
    return name, words.duration(round(seconds)), f"{seconds / whole:.0%}" if whole else "-"


def _noise(report: StudyReport) -> Table:
    if not report.trained_here:
        return Table("noise", notes=("Nothing was trained here: the noise is not known.",))
    noise, power = report.machine.noise, report.machine.power
    form = ScoreFormat.of(report.study)
    rows = (
        _deviation("a trial between seeds of the same code", noise.seed, noise.seed_repeats, form),
        _deviation("a pair's difference between seeds", noise.pair, noise.pair_repeats, form),
    )
    notes = [sentence(report.machine.advice or power.description)]
    if not noise.measured:
        notes = [f"Nothing was repeated yet: this is what is usual. {notes[0]}"]
    notes.append(
        f"What is smaller than {form.size(power.gain)} is mostly not seen: of what was discarded, "
        "some may be a small gain."
    )
    notes += [
        f"Trial {trial} looked for drift: it {each.description}."
        for trial, each in report.machine.checks[-5:]
    ]
    columns = (
        "noise, as a standard deviation",
        form.unit.strip() or form.name,
        "repeats behind it",
    )
    return Table("noise", columns, frozenset((1, 2)), rows, tuple(notes))


def sentence(said: str) -> str:
    """Return what was said with a capital letter and a full stop."""
    return f"{said[:1].upper()}{said[1:].rstrip('.')}."


def _deviation(name: str, deviation: float, repeats: float, form: ScoreFormat) -> tuple[str, ...]:
    return name, f"{deviation:.{form.metric.decimals}f}", f"{repeats:.1f}"


def _near_misses(report: StudyReport) -> Table:
    form = ScoreFormat.of(report.study)
    rows = tuple(
        (
            str(each.number),
            form.delta(each.delta.mean, each.delta.error) if each.delta else "-",
            str(len(each.pairs)),
            str(each.chances or "-"),
            safe_line(each.hypothesis, SHOWN),
        )
        for each in (report[number] for number in report.near_misses)
    )
    columns = ("experiment", "effect", "pairs", "believed", "hypothesis")
    return Table("near", columns, frozenset((0, 1, 2)), rows)


def _failures(report: StudyReport) -> Table:
    rows = tuple(
        (
            ", ".join(map(str, each.experiments[-NUMBERS:])),
            str(each.verdict),
            words.count(len(each.experiments)),
            safe_line(each.example, SHOWN),
        )
        for each in report.failures
    )
    spoiled = sum(trial.faulty for each in report.experiments for trial in each.trials)
    notes = (f"{counted(spoiled, 'trial')} spoiled by the machine, no verdict's fault",)
    columns = ("experiments", "verdict", "times", "what the last one said")
    return Table("failures", columns, frozenset((2,)), rows, notes if spoiled else ())


def _test(report: StudyReport) -> Table:
    form = ScoreFormat.of(report.study)
    scored = [each for each in report.experiments if each.test_bpb is not None]
    name = f"{form.test_name} ({form.trust})"
    columns = ("experiment", name, "effect on val", "effect on test", "what it comes to")
    rows = tuple(_tested(each, form) for each in scored)
    return Table("test", columns, frozenset((0, 1, 2, 3)), rows)


def _tested(each: ExperimentReport, form: ScoreFormat) -> tuple[str, ...]:
    val, test = (each.gap.val, each.gap.test) if each.gap else (None, None)
    return (
        str(each.number),
        form.number(each.test_bpb),
        form.delta(val.mean, val.error) if val else "-",
        form.delta(test.mean, test.error) if test else "-",
        each.gap.description if each.gap else "the baseline" if each.parent is None else "-",
    )


def _later(report: StudyReport) -> Table:
    ideas = [idea for each in report.experiments for idea in each.later]
    rows = tuple(
        (each.number, each.fate or "open", safe_line(each.text, SHOWN)) for each in ideas[::-1]
    )
    return Table("later", ("idea", "what became of it", ""), frozenset(), rows[:50])


def _notes(report: StudyReport) -> Table:
    rows = tuple(
        (
            str(each.id),
            words.moment(each.created_at),
            words.moment(each.dropped_at) if each.dropped_at else "it stands",
            safe_line(each.text, LONGEST),
        )
        for each in report.notes
    )
    return Table("told", ("note", "told", "dropped", "what"), frozenset((0,)), rows)


def _machines(report: StudyReport) -> Table:
    rows = tuple((safe_line(name, 300), words.count(count)) for name, count in report.hardware)
    return Table("machines", ("hardware", "trials"), frozenset((1,)), rows, tuple(_audit(report)))


def _audit(report: StudyReport) -> list[str]:
    said = [each.plain for each in evidence.audit(report, ScoreFormat.of(report.study))]
    return [*map(sentence, said[:1]), *said[1:]]
