"""The run at work, for who looks at a study from another terminal."""

import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from rich.text import Text

from autoresearch.records.text import counted
from autoresearch.registry import RunNote
from autoresearch.render import words

HOW = (
    "autoresearch status shows it · autoresearch pause, and resume · "
    "autoresearch stop, after the trials at work (--now: at once)"
)


def lines(note: RunNote, now: datetime, log: Path) -> list[Text]:
    """Return since when and where a run is at work, and how to watch and stop it."""
    since = datetime.fromisoformat(note.since)
    when = since.astimezone().strftime("%Y-%m-%d %H:%M")
    for_ = words.duration(max(round((now - since).total_seconds()), 0))
    said = f"a run is at work since {when} ({for_}): {note.who}, {_where(note)}"
    told = words.line(said, 300, "cyan")
    if note.paused:
        told.append(" · paused: nothing new begins until `autoresearch resume`", "yellow")
    return [told, words.line(f"watch: tail -F {_shown(log)} · {HOW}", 600, "dim")]


def left(note: RunNote, now: datetime) -> str:
    """Return how much longer a run begins something new."""
    if note.until:
        rest = (datetime.fromisoformat(note.until) - now).total_seconds()
        return f"{words.duration(round(rest))} left" if rest > 0 else "ending"
    if note.experiments:
        return f"the run ends after {counted(note.experiments, 'experiment')}"
    return "the run has no set end"


def plain(note: RunNote | None) -> dict[str, object] | None:
    """Return the same for programs; None where no run is at work."""
    return None if note is None else asdict(note)


def _where(note: RunNote) -> str:
    if not note.is_here:
        return "as its note says; whether it still is, that host alone can tell"
    return f"in terminal {note.terminal}" if note.terminal else "without a terminal"


def _shown(path: Path) -> str:
    """Return a path as it is shortest from here."""
    relative = os.path.relpath(path)
    return min(relative, str(path), key=len)
