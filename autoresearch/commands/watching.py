"""Who looks on while `run` works: the log always, the terminal where the run stays in one."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from rich.console import Console

from autoresearch.config import Project
from autoresearch.records.events import Event, StudyOpened, Watcher
from autoresearch.render.at_work import HOW
from autoresearch.render.live import PlainWatcher, Watchers, watcher_for
from autoresearch.render.logfile import LogFile


@dataclass(frozen=True)
class _Leaving:
    """Writes the log, and leaves the terminal once the run is at work."""

    log: LogFile
    lines: PlainWatcher
    leave: Callable[[], None]

    def on_event(self, event: Event) -> None:
        self.lines.on_event(event)
        if isinstance(event, StudyOpened):
            self.leave()


@contextmanager
def watching(project: Project, begun: Callable[[str], None] | None) -> Iterator[Watcher]:
    """Yield who is told what happens.

    Args:
        project: whose log it is.
        begun: is given what the person should be told once the run is at work without a terminal;
            None: it stays in the one that it has.

    Raises:
        OSError: the log cannot be written.
    """
    with closing(LogFile(project.log)) as log:
        if begun is None:
            with watcher_for(Console(stderr=True)) as screen:
                yield Watchers((screen, log.watcher()))
            return

        def leave() -> None:
            sys.stderr.flush()
            log.take_streams()
            begun(f"at work: process {os.getpid()}, log {project.log}\n{HOW}\n")

        yield _Leaving(log, log.watcher(), leave)
