"""Experiments as a table that fits its terminal, and which of them are at work."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.table import Table
from rich.text import Text

from autoresearch.records.values import Estimate, StudyState
from autoresearch.render import words
from autoresearch.render.fitted_table import Column, bare_table, fit
from autoresearch.render.scores import ScoreFormat
from autoresearch.report import ExperimentReport, StudyReport

STALE_SECONDS = 60.0
ROOM = 24  # columns a hypothesis should have before other columns give way to it
PROPOSER = 20
Row = Column[ExperimentReport]


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


def experiment_table(
    rows: Sequence[ExperimentReport], signs: Signs, form: ScoreFormat, width: int
) -> Table:
    """Return experiments as a table of at most `width` columns."""
    columns, room = fit(_layouts(signs, form), rows, width, ROOM)
    table = bare_table(columns)
    table.add_column("hypothesis", no_wrap=True, overflow="ellipsis")
    for row in rows:
        hypothesis = words.line(row.hypothesis, room)
        # Cells, not characters: a wide one left too long would make Rich narrow other columns.
        hypothesis.truncate(room, overflow="ellipsis")
        table.add_row(*(column.shown(row) for column in columns), hypothesis)
    return table


def _layouts(signs: Signs, form: ScoreFormat) -> Iterator[list[Row]]:
    """Yield columns in the order in which they give way as the terminal narrows."""
    number = Row("id", lambda row: str(row.number), right=True)
    verdict = Row("verdict", lambda row: words.fate(row) if row.verdict else signs.word(row.number))
    score, bare_score = (
        _estimate(form.name, lambda row: row.bpb, form.number, errors=errors)
        for errors in (True, False)
    )
    delta, bare_delta = (
        _estimate("Δ", lambda row: row.delta, form.delta, errors=errors) for errors in (True, False)
    )
    chances = Row(
        "% better/same/worse", lambda row: row.chances.short if row.chances else "-", right=True
    )
    seconds = Row(
        "seconds", lambda row: words.count(row.seconds) if row.verdict else "-", right=True
    )
    proposer = Row("proposer", lambda row: words.line(row.proposer, PROPOSER))
    yield [number, verdict, score, delta, chances, seconds, proposer]
    yield [number, verdict, score, delta, seconds, proposer]
    yield [number, verdict, score, bare_delta, seconds, proposer]
    yield [number, verdict, score, bare_delta, seconds]
    yield [number, verdict, score, bare_delta]
    yield [number, verdict, bare_score, bare_delta]


def _estimate(
    name: str,
    of: Callable[[ExperimentReport], Estimate | None],
    shown: Callable[[float, float | None], str],
    *,
    errors: bool,
) -> Row:
    def cell(row: ExperimentReport) -> str:
        found = of(row)
        return shown(found.mean, found.error if errors else None) if found else "-"

    return Row(name, cell)
