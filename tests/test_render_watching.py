"""`status --watch`: what is drawn, when it is read anew, and how it ends."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from autoresearch.records.values import Verdict
from autoresearch.registry import RunNote, changed_at
from autoresearch.render.watching import READ_EVERY, Frame, watch
from autoresearch.report import study_report
from autoresearch.report.selection import Selection
from tests.rendering import START, Fabricated

RUN = RunNote(1, "elsewhere", START.isoformat(), "")


class Watched:
    """A study that is watched; at each pause the next act is done, then Ctrl-C comes."""

    def __init__(self, folder: Path, *acts: Callable[[], object]) -> None:
        self.made = Fabricated(folder)
        self.path = folder / "registry.db"
        self.acts = list(acts)
        self.reads = 0
        self.out = io.StringIO()

    def read(self) -> Frame:
        self.reads += 1
        report = study_report(self.made.registry, self.made.study, whole=False)
        return Frame(report, Selection(), RUN, Path("run.log"))

    def pause(self, _seconds: float) -> None:
        if not self.acts:
            raise KeyboardInterrupt
        self.acts.pop(0)()

    def watch(self, console: Console) -> str:
        watch(self.read, lambda: changed_at(self.path), console, pause=self.pause)
        return self.out.getvalue()


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def terminal(watched: Watched, **more: object) -> Console:
    options = {"width": 100, "height": 40, "force_terminal": True, "_environ": {"TERM": "xterm"}}
    return Console(file=watched.out, **(options | more))  # type: ignore[arg-type]


def test_it_is_drawn_anew_once_something_was_written_and_ends_with_ctrl_c(watched: Watched) -> None:
    watched.acts = [
        lambda: watched.made.add(Verdict.KEEP, 1.9, "the first idea"),
        lambda: watched.made.add(Verdict.DISCARD, 1.95, "the second idea"),
        lambda: None,
    ]
    text = watched.watch(terminal(watched))
    assert watched.reads == 3
    before, _, after = text.rpartition("\x1b[?1049l")  # the other screen is left, and
    assert before.startswith("\x1b[?1049h")
    assert "the second idea" in after  # what was drawn last stays
    assert "a run is at work since" in after


def test_clocks_go_on_where_nothing_is_written(watched: Watched) -> None:
    watched.acts = [lambda: None] * (READ_EVERY + 2)
    watched.watch(terminal(watched))
    assert watched.reads == 2


@pytest.mark.parametrize(("width", "height"), [(60, 24), (100, 20), (200, 60), (80, 5)])
def test_as_many_experiments_are_drawn_as_the_terminal_has_lines_for(
    watched: Watched, width: int, height: int
) -> None:
    for number in range(30):
        watched.made.add(Verdict.DISCARD, 1.9, f"idea {number} ")
    screen = watched.watch(terminal(watched, width=width, height=height))
    after = screen.rpartition("\x1b[?1049l")[2]
    drawn = [number for number in range(30) if f"idea {number} " in after]
    assert drawn == list(range(30 - len(drawn), 30))
    lines = after.splitlines()
    assert len(lines) == height or len(drawn) in (3, 30)
    assert all(cell_len(Text.from_ansi(line).plain) <= width for line in lines)


@pytest.mark.parametrize("console", ["piped", "dumb"])
def test_where_nothing_can_be_drawn_over_it_is_printed_as_often_as_it_changes(
    watched: Watched, console: str
) -> None:
    watched.made.add(Verdict.KEEP, 1.9, "the first idea")
    watched.acts = [lambda: None, lambda: watched.made.add(Verdict.DISCARD, 2.0, "the second idea")]
    dumb = console == "dumb"
    more = {"force_terminal": dumb, "_environ": {"TERM": "dumb"}}
    text = watched.watch(terminal(watched, **more))
    assert (text.count("the first idea"), text.count("the second idea")) == (2, 1)
    assert "\x1b" not in text
