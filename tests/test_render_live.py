import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from rich.console import Console

from autoresearch.records.events import (
    Event,
    ExperimentDone,
    ExperimentOpened,
    MoneyLow,
    NoProposal,
    Notice,
    ProposersOut,
    Scoring,
    StandingChanged,
    StudyOpened,
    StudyStopped,
    TrialPoint,
    TrialScored,
    TrialStarted,
    Waiting,
)
from autoresearch.records.metric import Direction, Metric, MetricSource
from autoresearch.records.training import Budget, Point
from autoresearch.records.values import Category, Clock, Purpose, Standing, Trust, Verdict
from autoresearch.records.verdict_counts import VerdictCounts
from autoresearch.render.lines import sentence, training
from autoresearch.render.live import LiveWatcher, PlainWatcher, View, watcher_for
from autoresearch.render.scores import BPB
from tests.rendering import HOSTILE, plain

OPENED = StudyOpened(
    tag="nov23",
    branch="autoresearch/nov23",
    budget=Budget(20.0, Clock.CPU),
    device="cpu",
    trust=Trust.UNSEALED,
    proposers=("optuna", "patches:wins"),
    corpus="stdlib 0123456789ab",
)
IDEA = ExperimentOpened(2, "optuna", "raise the rate", Category.OPTIMIZER)
TRAINING = TrialStarted(2, 5, Purpose.SCREENING)
POINT = TrialPoint(Point(step=100, loss=3.25, tokens=102_400, progress=0.5, seconds=10.0))
KEPT = ExperimentDone(2, Verdict.KEEP, 1.8432, 0.0031, -0.0691, "better", 42.4, 0.004)
STOPPED = StudyStopped(
    "the time is up",
    VerdictCounts({Verdict.KEEP: 2, Verdict.DISCARD: 1, Verdict.CRASH: 1, Verdict.INVALID: 1}),
    confirmed=1,
    per_hour=31.0,
    baseline_bpb=1.9123,
    best_bpb=1.8432,
    gain=-0.0691,
)
NIGHT: list[Event] = [
    OPENED,
    IDEA,
    TRAINING,
    *([POINT] * 50),
    Scoring(),
    TrialScored(2, 5, 1.8432),
    KEPT,
    ExperimentOpened(3, "optuna", "ten times the rate", Category.OPTIMIZER),
    TrialStarted(3, 5, Purpose.SCREENING),
    TrialScored(3, 5, None, "loss is nan"),
    ExperimentDone(3, Verdict.CRASH, None, None, None, "nan: loss is nan", 3.0),
    Waiting("the provider asks for patience"),
    STOPPED,
]
PLAIN = """\
study nov23 on autoresearch/nov23 · 20 s of CPU time a trial · cpu · corpus stdlib 0123456789ab \
· proposer optuna, patches:wins · unsealed
experiment 2 (optuna, optimizer): raise the rate
  training experiment 2, seed 5, screening
  experiment 2, seed 5: val_bpb 1.8432 (unsealed)
experiment 2: keep  val_bpb 1.8432 ± 0.0031 (unsealed)  Δ -0.0691 ± 0.0040  42.4 s  better
experiment 3 (optuna, optimizer): ten times the rate
  training experiment 3, seed 5, screening
  experiment 3, seed 5: no score  loss is nan
experiment 3: crash  3 s  nan: loss is nan
waiting: the provider asks for patience
stopped: the time is up
5 experiments: 2 kept (1 confirmed), 1 discarded, 1 crashed, 1 invalid, 0 disqualified, \
31.0 an hour; \
best val_bpb 1.8432 (unsealed), 0.0691 bpb (3.61%) below the baseline's 1.9123
"""


class Hand:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def piped() -> Console:
    return Console(file=io.StringIO(), width=80)


def terminal(width: int = 100) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def frame(view: View, now: float, width: int = 140) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(view.render(now))
    return written(console)


def test_plain_lines_are_one_an_event_and_none_a_step() -> None:
    console = piped()
    with watcher_for(console) as watcher:
        assert isinstance(watcher, PlainWatcher)
        for event in NIGHT:
            watcher.on_event(event)
    assert written(console) == PLAIN


def test_every_event_has_a_line_or_is_for_the_live_view_alone() -> None:
    more: list[Event] = [
        StandingChanged(2, Standing.CONFIRMED, "4 pairs"),
        NoProposal("optuna", "nothing is left to try", None),
        ProposersOut("all have ended"),
        MoneyLow("the study's cap", 4.5, 5.0),
        Notice("the disk is nearly full"),
    ]
    events: list[Event] = [*NIGHT, *more]
    by_kind = {type(event): event for event in events}
    assert set(by_kind) == set(get_args(Event))
    silent = {kind for kind, event in by_kind.items() if sentence(event, BPB) is None}
    assert silent == {TrialPoint, Scoring}


def test_an_event_that_the_view_does_not_know_leaves_it_as_it_is() -> None:
    class Unheard:
        """An event that somebody will think of."""

    view = View().after(OPENED, 0.0)
    assert view.after(Unheard(), 1.0) == view  # type: ignore[arg-type]  # no event of today


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with watcher_for(terminal()) as watcher:
        assert isinstance(watcher, PlainWatcher)


def test_a_continued_study_says_from_where() -> None:
    console = piped()
    PlainWatcher(console).on_event(replace(OPENED, continued=True, best_bpb=1.9))
    assert "continues from val_bpb 1.9000 (unsealed)" in written(console)


def test_sealed_scores_carry_no_warning() -> None:
    console = piped()
    watcher = PlainWatcher(console)
    for event in (replace(OPENED, trust=Trust.SEALED), KEPT, STOPPED):
        watcher.on_event(event)
    assert "unsealed" not in written(console)


def test_the_view_follows_the_line() -> None:
    view = View()
    seen = []
    events: list[Event] = [OPENED, IDEA, TRAINING, POINT, Scoring(), KEPT]
    for now, event in enumerate(events):
        view = view.after(event, float(now))
        seen.append(frame(view, now + 3.0))
    assert "checking  3 s" in seen[1]
    assert "experiment 2 (optuna, optimizer): raise the rate" in seen[1]
    assert "training seed 5, screening  3 s" in seen[2]
    for told in ("10/20 s", "loss 3.2500", "10,240 tokens/s", "step 100", "━"):
        assert told in seen[3]
    assert "scoring  3 s" in seen[4]
    assert "loss" not in seen[4]
    assert "proposing" in seen[5]
    assert "best 1.8432 (unsealed) · keep 1 · at work for 8 s" in seen[5]
    assert "raise the rate" not in seen[5]


def test_a_discard_does_not_change_the_best() -> None:
    view = View().after(replace(OPENED, best_bpb=1.9), 0.0).after(KEPT, 1.0)
    worse = replace(KEPT, verdict=Verdict.DISCARD, val_bpb=1.5)
    assert view.after(worse, 2.0).best == 1.8432


def test_a_point_at_time_zero_divides_by_nothing() -> None:
    start = TrialPoint(Point(step=0, loss=7.5, tokens=0, progress=0.0, seconds=0.0))
    view = View().after(OPENED, 0.0).after(TRAINING, 0.0).after(start, 0.0)
    assert "0 tokens/s" in frame(view, 0.0)


@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_frame_stays_within_three_lines(width: int) -> None:
    idea = replace(IDEA, hypothesis="very " * 500)
    view = View().after(OPENED, 0.0).after(idea, 0.0).after(Waiting("slow " * 99), 0.0)
    lines = frame(view, 1.0, width).splitlines()
    assert len(lines) == 3
    assert all(len(line) <= width for line in lines)


def test_verdicts_stay_above_the_live_view() -> None:
    console = terminal(120)
    clock = Hand()
    watcher = LiveWatcher(console, now=clock)
    for event in NIGHT:
        watcher.on_event(event)
    lines = written(console).splitlines()
    assert [line.split(":")[0] for line in lines if line.startswith("experiment")] == [
        "experiment 2",
        "experiment 3",
    ]
    assert not any("seed 5" in line for line in lines)
    assert any(line.startswith("stopped: the time is up") for line in lines)


def test_the_live_view_cleans_up_after_itself() -> None:
    console = terminal()
    with watcher_for(console) as watcher:
        assert isinstance(watcher, LiveWatcher)
        for event in NIGHT:
            watcher.on_event(event)
    text = written(console)
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert "experiment 3: crash" in text


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (TrialStarted(2, 5, Purpose.SCREENING), "screening"),
        (TrialStarted(1, 5, Purpose.PAIR, incumbent=True), "pair, incumbent"),
        (TrialStarted(2, 5, Purpose.CONFIRMING), "confirming of experiment 2"),
        (
            TrialStarted(1, 5, Purpose.CONFIRMING, incumbent=True),
            "confirming, experiment 1 beside it",
        ),
        (TrialStarted(3, 5, Purpose.DRIFT), "drift of experiment 3"),
    ],
)
def test_it_is_said_why_a_training_is_done(event: TrialStarted, told: str) -> None:
    assert training(event) == told


@pytest.mark.parametrize("kind", [PlainWatcher, LiveWatcher])
def test_hostile_text_stays_text(kind: type[PlainWatcher | LiveWatcher]) -> None:
    console = terminal(200)
    watcher = kind(console)
    events: list[Event] = [
        replace(OPENED, tag=HOSTILE, proposers=(HOSTILE,)),
        replace(IDEA, proposer=HOSTILE, hypothesis=HOSTILE),
        TrialStarted(2, 5, Purpose.PAIR, incumbent=True),
        TrialScored(2, 5, None, HOSTILE),
        replace(KEPT, reason=HOSTILE),
        Waiting(HOSTILE),
        ProposersOut(HOSTILE),
        replace(STOPPED, reason=HOSTILE + "x" * 100_000),
    ]
    for event in events:
        watcher.on_event(event)
        if isinstance(watcher, LiveWatcher):
            console.print(watcher)
    text = written(console)
    assert "[bold red]raise[/] the lr" in text
    for forbidden in ("\x1b]", "\x1b[2J", "\t", "\u202e", "\x9b", "\x07"):
        assert forbidden not in text
    assert len(text) < 20_000


def test_a_closed_pipe_does_not_end_the_night() -> None:
    night = """
import sys
from rich.console import Console
from autoresearch.records.events import Waiting
from autoresearch.render.live import watcher_for
with watcher_for(Console(stderr=True)) as watcher:
    sys.stdin.read()
    for number in range(3):
        watcher.on_event(Waiting("a reason"))
sys.exit(7)
"""
    argv = [sys.executable, "-c", night]
    root = Path(__file__).parent.parent
    with subprocess.Popen(
        argv, cwd=root, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        assert process.stdin
        assert process.stderr
        process.stderr.close()
        process.stdin.close()
        assert process.wait() == 7


def test_a_notice_is_a_line_and_changes_nothing() -> None:
    said = sentence(Notice("changes are not smoke-tested: \x1b[2Jwhy"), BPB)
    assert said is not None
    assert said.plain == "changes are not smoke-tested: why"
    view = View()
    assert view.after(Notice("x"), 1.0) == view


def test_a_lost_claim_is_a_line_of_its_own() -> None:
    said = sentence(StandingChanged(4, None, "the noise is larger"), BPB)
    assert said is not None
    assert said.plain == "experiment 4: no longer confirmed  the noise is larger"


BESIDE = TrialStarted(1, 7, Purpose.PAIR, incumbent=True, slot="1")
SEVERAL: list[Event] = [
    replace(OPENED, slots=("0", "1"), best_bpb=1.9),
    IDEA,
    replace(TRAINING, slot="0"),
    BESIDE,
    replace(POINT, slot="1"),
    Scoring("0"),
]


def test_with_several_slots_each_has_its_line() -> None:
    view, now = View(), 0.0
    for now, event in enumerate(SEVERAL):
        view = view.after(event, float(now))
    first, second, standing = frame(view, now + 3.0).splitlines()
    assert first.split() == [
        *("0", "3", "s", "scoring", "experiment", "2,", "seed", "5,", "screening"),
        *("raise", "the", "rate"),
    ]
    assert " ".join(second.split()) == (
        "1 10/20 s training experiment 1, seed 7, pair, incumbent loss 3.2500 10,240 tokens/s"
    )
    assert standing.startswith("best 1.9000 (unsealed)")
    view = view.after(TrialScored(2, 5, 1.8, slot="0"), 9.0).after(KEPT, 9.0)
    assert frame(view, 19.0).splitlines()[0].split() == ["0", "10", "s", "free"]


@pytest.mark.parametrize("width", [30, 80, 200])
def test_a_long_night_on_many_slots_stays_on_the_screen(width: int) -> None:
    names = [f"node{at}/0" for at in range(40)]
    view = View().after(replace(OPENED, slots=tuple(names)), 0.0)
    for at, name in enumerate(names):
        view = view.after(replace(IDEA, experiment_id=at, hypothesis="very " * 500), 1.0)
        view = view.after(TrialStarted(at, 5, Purpose.SCREENING, slot=name), 2.0)
        view = view.after(replace(POINT, slot=name), 3.0)
    view = view.after(TrialScored(39, 5, None, slot="node39/0"), 4.0)
    lines = frame(view, 1e6, width).splitlines()
    assert len(lines) == 18
    assert all(len(line) <= width for line in lines)
    assert lines[0].startswith("node0/0     10/20 s  training experiment 0, seed 5"[: width - 1])
    assert lines[16].startswith("and 24 slots more, 1 of them"[: width - 1])


def test_with_several_slots_plain_lines_say_which() -> None:
    console = piped()
    watcher = PlainWatcher(console)
    for event in (*SEVERAL, TrialScored(1, 7, 1.9, slot="1"), TrialScored(2, 5, None, "nan", "0")):
        watcher.on_event(event)
    first, _, *trainings = written(console).splitlines()
    assert " · slots 0, 1 · " in first
    assert trainings == [
        "  slot 0: training experiment 2, seed 5, screening",
        "  slot 1: training experiment 1, seed 7, pair, incumbent",
        "  slot 1: experiment 1, seed 7: val_bpb 1.9000 (unsealed)",
        "  slot 0: experiment 2, seed 5: no score  nan",
    ]


def test_slots_that_come_later_are_told_apart_from_then_on() -> None:
    view = View().after(replace(OPENED, slots=("0",)), 0.0)
    assert not view.after(replace(TRAINING, slot="0"), 1.0).lanes.several
    assert view.after(BESIDE, 1.0).lanes.several


def test_a_metric_that_goes_up_is_told_as_it_goes() -> None:
    accuracy = Metric("val_accuracy", "", Direction.HIGHER, MetricSource.EVALUATED, 3)
    opened = replace(OPENED, metric=accuracy, trust=Trust.EVALUATED, best_bpb=-0.85)
    console = plain(200)
    watcher = PlainWatcher(console)
    kept = ExperimentDone(2, Verdict.KEEP, -0.87, 0.003, -0.02, "better", 9.0, 0.004)
    stopped = replace(STOPPED, baseline_bpb=-0.85, best_bpb=-0.87, gain=-0.018)
    for event in (opened, TrialScored(2, 5, -0.87), kept, stopped):
        watcher.on_event(event)
    text = " ".join(console.export_text().split())
    assert "continues from val_accuracy 0.850 (evaluated)" in text
    assert "seed 5: val_accuracy 0.870 (evaluated)" in text
    assert "keep val_accuracy 0.870 ± 0.003 (evaluated) Δ +0.020 ± 0.004" in text
    assert text.endswith(
        "best val_accuracy 0.870 (evaluated), 0.018 (2.12%) above the baseline's 0.850"
    )
    view = View().after(opened, 0.0)
    assert "best 0.850 (evaluated)" in view._standing(1.0).plain
