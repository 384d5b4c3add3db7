"""`status`: a study as a table of experiments, with a line before it and a line after it."""

from dataclasses import dataclass
from datetime import datetime

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from autoresearch.records.tables import Experiment, Study
from autoresearch.records.values import StudyState, TrialState, Verdict
from autoresearch.registry import Registry, Summary
from autoresearch.render import duty, leaks, money, notes, racing, testset, words
from autoresearch.render.arms import arms
from autoresearch.render.evidence import Machine

STALE_SECONDS = 60.0
ROOM = 24  # columns a hypothesis should have before other columns give way to it
GAP = 2
NOTHING_KNOWN = money.Tariff()


@dataclass(frozen=True)
class Layout:
    """Which columns a terminal has room for."""

    delta_error: bool = True
    proposer: bool = True
    val_error: bool = True
    seconds: bool = True


# In the order in which columns give way as the terminal narrows.
LAYOUTS = (
    Layout(),
    Layout(delta_error=False),
    Layout(delta_error=False, proposer=False),
    Layout(delta_error=False, proposer=False, seconds=False),
    Layout(delta_error=False, proposer=False, seconds=False, val_error=False),
)


def status(
    registry: Registry,
    study: Study,
    console: Console,
    *,
    last: int | None = 30,
    tariff: money.Tariff = NOTHING_KNOWN,
) -> None:
    """Print a study: header, its last experiments (all where `last` is None), arms, money, summary.

    Raises:
        RegistryError: the registry is damaged.
    """
    summary = registry.summary(study)
    experiments = registry.experiments(study, last=last)
    signs = Signs.read(registry, summary, experiments)
    _print(console, words.study_line(study))
    earlier = summary.finished + summary.unfinished - len(experiments)
    if earlier > 0:
        _print(console, Text(f"… {words.count(earlier)} earlier (--all)", style="dim"))
    if experiments:
        console.print(_table(experiments, signs, console.width))
    for note in signs.notes():
        _print(console, note)
    arms(registry, study, console)
    for line in Machine.of(registry, study).lines(study):
        _print(console, line)
    for line in leaks.lines(registry, study, summary.incumbent):
        _print(console, line)
    for line in testset.lines(registry, study, experiments):
        _print(console, line)
    for told in filter(None, (racing.line(registry.raced(study)), duty.line(registry.duty(study)))):
        _print(console, told)
    for line in money.limits(registry, study):
        _print(console, line)
    for line in notes.lines([each for each in registry.notes(study) if each.stands]):
        _print(console, line)
    money.accounts(registry, study, console, tariff)
    _print(console, summary_line(summary))


def _print(console: Console, text: Text) -> None:
    console.print(text, highlight=False)


@dataclass(frozen=True)
class Signs:
    """When each unfinished experiment last showed a sign of life, and the time now."""

    now: datetime
    at_work: bool
    seen: dict[int, datetime]
    waiting: frozenset[int] = frozenset()

    @classmethod
    def read(cls, registry: Registry, summary: Summary, experiments: list[Experiment]) -> "Signs":
        """Look at the trials of unfinished experiments, and of the incumbent they are paired with.

        One run looks after them all: what one shows, holds for those that wait for a slot, too.
        """
        unfinished = [each for each in experiments if each.verdict is None]
        incumbent = registry.trials(summary.incumbent) if summary.incumbent and unfinished else []
        mine = {int(each.id or 0): registry.trials(each) for each in unfinished}
        trials = [trial for each in (incumbent, *mine.values()) for trial in each]
        signs = [trial.finished_at or trial.heartbeat_at for trial in trials]
        seen = {int(each.id or 0): max([each.created_at, *signs]) for each in unfinished}
        busy = any(each.state is TrialState.RUNNING for own in mine.values() for each in own)
        waiting = frozenset(number for number, own in mine.items() if busy and not own)
        return cls(registry.now(), summary.study.state is StudyState.RUNNING, seen, waiting)

    def word(self, number: int) -> Text:
        """Return what an unfinished experiment is doing: running, waiting, stale or left so."""
        if not self.at_work:
            return Text("unfinished", style="yellow")
        stale = self._silence(number) > STALE_SECONDS
        if stale:
            return Text("stale", style="yellow")
        return Text("waiting" if number in self.waiting else "running", style="cyan")

    def notes(self) -> list[Text]:
        """Return a line for each experiment that should be at work and is silent."""
        silent = {number: self._silence(number) for number in self.seen if self.at_work}
        return [
            Text(
                f"experiment {number} is stale: no sign of life for {words.duration(silence)}; "
                "if its run is gone, `autoresearch run` continues",
                style="yellow",
            )
            for number, silence in silent.items()
            if silence > STALE_SECONDS
        ]

    def _silence(self, number: int) -> float:
        return (self.now - self.seen[number]).total_seconds()


def _table(experiments: list[Experiment], signs: Signs, width: int) -> Table:
    layout, taken = _fit(experiments, signs, width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for name, right in _columns(layout):
        table.add_column(name, no_wrap=True, justify="right" if right else "left")
    table.add_column("hypothesis", no_wrap=True, overflow="ellipsis")
    room = max(width - taken, 1)
    for experiment in experiments:
        hypothesis = words.line(experiment.hypothesis, room)
        # Cells, not characters: a wide one left too long would make Rich narrow other columns.
        hypothesis.truncate(room, overflow="ellipsis")
        table.add_row(*_cells(experiment, signs, layout), hypothesis)
    return table


def _fit(experiments: list[Experiment], signs: Signs, width: int) -> tuple[Layout, int]:
    """Return the widest layout that leaves the hypothesis room, and the columns it takes."""
    for layout in LAYOUTS:
        rows = [[Text(name) for name, _ in _columns(layout)]]
        rows += [_cells(experiment, signs, layout) for experiment in experiments]
        widest = [
            max(cell_len(cell.plain) for cell in column) for column in zip(*rows, strict=True)
        ]
        taken = sum(widest) + GAP * len(widest)
        if width - taken >= ROOM:
            break
    return layout, taken


def _columns(layout: Layout) -> list[tuple[str, bool]]:
    columns = [("id", True), ("verdict", False), ("val_bpb", False), ("Δ", False)]
    columns += [("seconds", True)] if layout.seconds else []
    return columns + ([("proposer", False)] if layout.proposer else [])


def _cells(experiment: Experiment, signs: Signs, layout: Layout) -> list[Text]:
    number = int(experiment.id or 0)
    error = experiment.val_bpb_error if layout.val_error else None
    delta_error = experiment.delta_error if layout.delta_error else None
    done = experiment.verdict is not None
    cells = [
        Text(str(number)),
        words.fate(experiment) if done else signs.word(number),
        Text(words.bpb(experiment.val_bpb, error)),
        Text(words.delta(experiment.delta, delta_error)),
    ]
    cells += [Text(f"{experiment.seconds:,.0f}" if done else "-")] if layout.seconds else []
    return cells + ([words.line(experiment.proposer, 20)] if layout.proposer else [])


def summary_line(summary: Summary) -> Text:
    """Return a study's numbers in one sentence or two."""
    found = summary.verdicts
    kinds = {
        "kept": found.get(Verdict.KEEP, 0),
        "discarded": found.get(Verdict.DISCARD, 0),
        "crashed": found.get(Verdict.CRASH, 0),
        "invalid": found.get(Verdict.INVALID, 0),
        "disqualified": found.get(Verdict.DISQUALIFIED, 0),
    }
    told = [f"{words.count(number)} {kind}" for kind, number in kinds.items()]
    told += [f"{words.count(stale)} stale"] if (stale := found.get(Verdict.STALE, 0)) else []
    told[0] += f" ({words.count(summary.confirmed)} confirmed)"
    told += [f"{summary.unfinished} unfinished"] if summary.unfinished else []
    told += [f"{summary.per_hour:.1f} experiments an hour"] if summary.per_hour else []
    line = Text(", ".join(told))
    best, baseline = summary.incumbent, summary.baseline
    if best is None or best.val_bpb is None:
        return line.append("; no score yet")
    line.append("; best val_bpb ")
    line.append_text(words.score(best.val_bpb, best.val_bpb_error, summary.study.trust))
    if baseline is not None and baseline.val_bpb is not None and baseline.id != best.id:
        line.append(f", {words.improvement(best.val_bpb, baseline.val_bpb)}")
    return line
