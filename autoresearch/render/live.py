"""What is seen while `run` works: a live view on a terminal, plain lines when piped."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from autoresearch.records.events import (
    Event,
    ExperimentDone,
    ExperimentOpened,
    NoProposal,
    Scoring,
    StandingChanged,
    StudyOpened,
    StudyStopped,
    TrialPoint,
    TrialScored,
    TrialStarted,
    Waiting,
    Watcher,
)
from autoresearch.records.training import Point
from autoresearch.records.values import Trust, Verdict
from autoresearch.records.verdict_counts import VerdictCounts
from autoresearch.render import words
from autoresearch.render.lanes import Lanes
from autoresearch.render.lines import experiment_opened, sentence, training
from autoresearch.render.scores import ScoreFormat

BAR_WIDTH = 24
UNKNOWN = ScoreFormat(trust=Trust.UNSEALED)  # until the study has been opened


class PlainWatcher:
    """One plain line for each event of interest; nothing for single steps."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._form = UNKNOWN
        self._lanes = Lanes()

    def on_event(self, event: Event) -> None:
        """Print the event's line, if it has one."""
        if isinstance(event, StudyOpened):
            self._form = ScoreFormat(event.metric, event.trust)
        self._lanes = self._lanes.after(event, 0.0)
        said = sentence(event, self._form, several=self._lanes.several)
        if said is not None:
            _say(self._console, said, soft_wrap=True)


@dataclass(frozen=True)
class View:
    """What the live part shows; `since` is when its phase began, on the watcher's clock."""

    phase: str = "starting"
    since: float = 0.0
    began: float = 0.0
    experiment: ExperimentOpened | None = None
    point: Point | None = None
    budget: float = 0.0
    form: ScoreFormat = UNKNOWN
    best: float | None = None
    verdicts: VerdictCounts = field(default_factory=VerdictCounts)
    lanes: Lanes = field(default_factory=Lanes)

    def after(self, event: Event, now: float) -> "View":
        """Return the view once `event` has been seen at `now`."""
        return replace(self._after(event, now), lanes=self.lanes.after(event, now))

    def _after(self, event: Event, now: float) -> "View":  # noqa: PLR0911 - a return a kind of event
        match event:
            case StudyOpened():
                form = ScoreFormat(event.metric, event.trust)
                seen = replace(self, form=form, best=event.best_bpb, began=now)
                return replace(seen, budget=event.budget.training, since=now)
            case ExperimentOpened():
                return self._turn("checking", now, experiment=event)
            case TrialStarted():
                return self._turn(f"training seed {event.seed}, {training(event)}", now)
            case TrialPoint():
                return replace(self, point=event.point)
            case Scoring() | TrialScored():
                phase = "scoring" if isinstance(event, Scoring) else "deciding"
                return self._turn(phase, now)
            case ExperimentDone():
                return self._decided(event, now)
            case StandingChanged():
                return replace(self, best=event.best_bpb or self.best)
            case Waiting() | NoProposal():
                return self._turn(f"waiting: {event.reason}", now)
            case StudyStopped():
                return self._turn("stopped", now, experiment=None)
        return self

    def _turn(self, phase: str, now: float, **more: ExperimentOpened | None) -> "View":
        return replace(self, phase=phase, since=now, point=None, **more)  # type: ignore[arg-type]  # only `experiment` is given

    def _decided(self, event: ExperimentDone, now: float) -> "View":
        verdicts = self.verdicts.with_one_more(event.verdict)
        kept = event.verdict is Verdict.KEEP and event.val_bpb is not None
        best = event.val_bpb if kept else self.best
        return replace(self._turn("proposing", now, experiment=None), verdicts=verdicts, best=best)

    def render(self, now: float) -> Group:
        """Return three lines: the idea, what is being done about it, how the run stands.

        Where there are several slots, a line for each stands in place of the first two.
        """
        if self.lanes.several:
            slots = map(_cut, self.lanes.lines(self.budget, now))
            return Group(*slots, _cut(self._standing(now)))
        idea = experiment_opened(self.experiment) if self.experiment else Text("")
        return Group(_cut(idea), self._work(now), _cut(self._standing(now)))

    def _work(self, now: float) -> Table:
        row = Table.grid(padding=(0, 2), expand=False)
        phase = _cut(words.line(self.phase, 40, "cyan"))
        if self.point is None or not self.budget:
            row.add_row(phase, Text(words.duration(round(now - self.since))))
            return row
        point = self.point
        spent = min(max(point.seconds, 0.0), self.budget)
        bar = ProgressBar(total=self.budget, completed=spent, width=BAR_WIDTH)
        row.add_row(
            phase,
            bar,
            Text(f"{spent:.0f}/{self.budget:.0f} s", style="dim"),
            Text(f"loss {point.loss:.4f}"),
            Text(words.speed(point)),
            Text(f"step {words.count(point.step)}", style="dim"),
        )
        return row

    def _standing(self, now: float) -> Text:
        parts: list[Text | str] = []
        if self.best is not None:
            parts.append(Text("best ").append_text(self.form.score(self.best)))
        counts = self.verdicts.by_verdict.items()
        parts += [words.verdict(verdict).append(f" {count}") for verdict, count in counts]
        return words.joined([*parts, f"at work for {words.duration(round(now - self.began))}"])


class LiveWatcher:
    """A live view below permanent lines: verdicts scroll up, the work at hand stays in place."""

    def __init__(self, console: Console, now: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._now = now
        self._view = View(since=now(), began=now())

    def on_event(self, event: Event) -> None:
        """Take the event into the view; print what should stay above it."""
        self._view = self._view.after(event, self._now())
        if not isinstance(event, ExperimentOpened | TrialStarted | TrialScored):
            said = sentence(event, self._view.form)
            if said is not None:
                _say(self._console, said)

    def __rich__(self) -> Group:
        """Return the view as it is now; the terminal asks four times a second."""
        return self._view.render(self._now())


@dataclass(frozen=True)
class Watchers:
    """Tells several watchers the same."""

    each: tuple[Watcher, ...]

    def on_event(self, event: Event) -> None:
        """Let all of them see an event."""
        for watcher in self.each:
            watcher.on_event(event)


@contextmanager
def watcher_for(console: Console) -> Iterator[Watcher]:
    """Yield a live watcher on a terminal, a plain one on anything else; clean up after it."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield PlainWatcher(console)
        return
    watcher = LiveWatcher(console)
    live = Live(watcher, console=console, transient=True, refresh_per_second=4)
    live.start()
    try:
        yield watcher
    finally:
        with suppress(OSError, SystemExit):  # of a terminal that is gone, as in `_say`
            live.stop()


def _say(console: Console, said: Text, *, soft_wrap: bool = False) -> None:
    # Whoever watched may have gone (a closed pipe, a lost terminal): that must not end a night's
    # run. Rich turns a broken pipe into SystemExit.
    with suppress(OSError, SystemExit):
        console.print(said, soft_wrap=soft_wrap, highlight=False)


def _cut(text: Text) -> Text:
    """Return the text as one that stays on its line."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
