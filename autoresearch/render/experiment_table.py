"""Experiments as a table that fits its terminal, and which of them are at work."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from autoresearch.records.values import StudyState
from autoresearch.render import words
from autoresearch.render.scores import ScoreFormat
from autoresearch.report import ExperimentReport, StudyReport

STALE_SECONDS = 60.0
ROOM = 24  # columns a hypothesis should have before other columns give way to it
GAP = 2
PROPOSER = 20


@dataclass(frozen=True)
class Signs:
    """When each unfinished experiment last showed a sign of life, and the time now."""

    now: datetime
    at_work: bool
    seen: Mapping[int, datetime]
    waiting: frozenset[int] = frozenset()

    @classmethod
    def of(cls, report: StudyReport) -> "Signs":
        """Look at the trials of unfinished experiments, and of the incumbent they are paired with.

        One run looks after them all: what one shows, holds for those that wait for a slot, too.
        """
        unfinished = [each for each in report.experiments if each.verdict is None]
        best = report[report.best].trials if report.best and unfinished else ()
        trials = [*best, *(trial for each in unfinished for trial in each.trials)]
        signs = [trial.last_sign for trial in trials]
        seen = {each.number: max([each.opened, *signs]) for each in unfinished}
        busy = any(trial.at_work for each in unfinished for trial in each.trials)
        waiting = frozenset(each.number for each in unfinished if busy and not each.trials)
        return cls(report.made, report.study.state is StudyState.RUNNING, seen, waiting)

    def word(self, number: int) -> Text:
        """Return what an unfinished experiment is doing: running, waiting, stale or left so."""
        if not self.at_work:
            return Text("unfinished", style="yellow")
        if self._silence(number) > STALE_SECONDS:
            return Text("stale", style="yellow")
        return Text("waiting" if number in self.waiting else "running", style="cyan")

    def notes(self) -> Iterator[Text]:
        """Yield a line for each experiment that should be at work and is silent."""
        for number in self.seen if self.at_work else ():
            silence = self._silence(number)
            if silence > STALE_SECONDS:
                said = f"experiment {number} is stale: no sign of life for "
                said += f"{words.duration(silence)}; if its run is gone, `autoresearch run` "
                yield Text(f"{said}continues", style="yellow")

    def _silence(self, number: int) -> float:
        return (self.now - self.seen[number]).total_seconds()


Cell = Callable[[ExperimentReport], Text]


@dataclass(frozen=True)
class Column:
    """A column: its name, its cells, and whether they stand at the right."""

    name: str
    cell: Cell
    right: bool = False


def experiment_table(
    rows: Sequence[ExperimentReport], signs: Signs, form: ScoreFormat, width: int
) -> Table:
    """Return experiments as a table of at most `width` columns."""
    columns, taken = _fit(rows, signs, form, width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for column in columns:
        justify = "right" if column.right else "left"
        table.add_column(Text(column.name), no_wrap=True, justify=justify)  # type: ignore[arg-type]  # one of Rich's words
    table.add_column("hypothesis", no_wrap=True, overflow="ellipsis")
    room = max(width - taken, 1)
    for row in rows:
        hypothesis = words.line(row.hypothesis, room)
        # Cells, not characters: a wide one left too long would make Rich narrow other columns.
        hypothesis.truncate(room, overflow="ellipsis")
        table.add_row(*(column.cell(row) for column in columns), hypothesis)
    return table


def _fit(
    rows: Sequence[ExperimentReport], signs: Signs, form: ScoreFormat, width: int
) -> tuple[list[Column], int]:
    """Return the most columns that leave the hypothesis room, and what they take."""
    for columns in _layouts(signs, form):
        widest = [
            max(cell_len(column.name), *(cell_len(column.cell(row).plain) for row in rows))
            for column in columns
        ]
        taken = sum(widest) + GAP * len(widest)
        if width - taken >= ROOM:
            break
    return columns, taken


def _layouts(signs: Signs, form: ScoreFormat) -> Iterator[list[Column]]:
    """Yield columns in the order in which they give way as the terminal narrows."""
    number = Column("id", lambda row: Text(str(row.number)), right=True)
    verdict = Column(
        "verdict", lambda row: words.fate(row) if row.verdict else signs.word(row.number)
    )
    score, bare_score = (_score(form, errors=errors) for errors in (True, False))
    delta, bare_delta = (_delta(form, errors=errors) for errors in (True, False))
    chances = Column(
        "% better/same/worse",
        lambda row: Text(row.chances.short if row.chances else "-"),
        right=True,
    )
    seconds = Column(
        "seconds", lambda row: Text(f"{row.seconds:,.0f}" if row.verdict else "-"), right=True
    )
    proposer = Column("proposer", lambda row: words.line(row.proposer, PROPOSER))
    yield [number, verdict, score, delta, chances, seconds, proposer]
    yield [number, verdict, score, delta, seconds, proposer]
    yield [number, verdict, score, bare_delta, seconds, proposer]
    yield [number, verdict, score, bare_delta, seconds]
    yield [number, verdict, score, bare_delta]
    yield [number, verdict, bare_score, bare_delta]


def _score(form: ScoreFormat, *, errors: bool) -> Column:
    def cell(row: ExperimentReport) -> Text:
        found = row.bpb
        return Text(form.number(found.mean, found.error if errors else None) if found else "-")

    return Column(form.name, cell)


def _delta(form: ScoreFormat, *, errors: bool) -> Column:
    def cell(row: ExperimentReport) -> Text:
        found = row.delta
        return Text(form.delta(found.mean, found.error if errors else None) if found else "-")

    return Column("Δ", cell)
