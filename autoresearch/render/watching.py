"""`status --watch`: a study as it goes on, from another terminal than the run's."""

import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live

from autoresearch.registry import RunNote
from autoresearch.render.status import live, status
from autoresearch.report import StudyReport
from autoresearch.report.selection import Selection

LOOK_EVERY = 1.0  # seconds between looks at whether something was written
READ_EVERY = 10  # looks after which it is read anew all the same, since clocks go on
FEWEST = 3  # experiments, however low a terminal is


@dataclass(frozen=True)
class Frame:
    """What is shown at a time."""

    report: StudyReport
    chosen: Selection
    run: RunNote | None
    log: Path

    def drawn(self, console: Console) -> Group:
        """Return it with as many experiments, each on its line, as a terminal has room for."""
        lines = len(console.render_lines(self._with(1, console), pad=False))
        return self._with(max(1 + console.height - lines, FEWEST), console)

    def _with(self, most: int, console: Console) -> Group:
        return live(self.report, console, replace(self.chosen, most=most), self.run, self.log)


def watch(
    read: Callable[[], Frame],
    changed: Callable[[], Hashable],
    console: Console,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Show a study until Ctrl-C, anew whenever something was written.

    Where the terminal cannot be drawn over, or there is none, each time is printed below the last,
    and only what was written counts.

    Args:
        read: returns what is to be shown.
        changed: returns another value once something was written.
        console: where to.
        pause: waits for so many seconds.

    Raises:
        RegistryError: the registry is damaged.
    """
    if console.is_terminal and not console.is_dumb_terminal:
        last = _draw(read, changed, console, pause)
        console.print(last.drawn(console))  # what was drawn is gone with its screen
    else:
        _print(read, changed, console, pause)


def _draw(
    read: Callable[[], Frame],
    changed: Callable[[], Hashable],
    console: Console,
    pause: Callable[[float], None],
) -> Frame:
    """Draw until Ctrl-C; return what was drawn last."""
    seen, frame, looks = changed(), read(), 0
    with (
        suppress(KeyboardInterrupt),
        Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as screen,
    ):
        while True:
            screen.update(frame.drawn(console), refresh=True)  # of another size, it fits anew
            pause(LOOK_EVERY)
            now, looks = changed(), looks + 1
            if now != seen or looks >= READ_EVERY:
                seen, frame, looks = now, read(), 0
    return frame


def _print(
    read: Callable[[], Frame],
    changed: Callable[[], Hashable],
    console: Console,
    pause: Callable[[float], None],
) -> None:
    seen: Hashable = None
    with suppress(KeyboardInterrupt):
        while True:
            if (now := changed()) != seen:
                seen, frame = now, read()
                status(frame.report, console, chosen=frame.chosen, run=frame.run, log=frame.log)
                console.file.flush()
            pause(LOOK_EVERY)
