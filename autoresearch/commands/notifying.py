"""Who tells a person what cannot wait while `run` works: see docs/notifications.md."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from autoresearch.config import Keys, Project
from autoresearch.errors import AutoresearchError
from autoresearch.notify import Channel, Kind, Notification, Notifier, addresses, channel
from autoresearch.records.events import Event, Notice, StudyStopped, Watcher
from autoresearch.render.live import Watchers
from autoresearch.render.notifications import Situation, ended, ended_unread, notification

CLOSING_SECONDS = 10.0  # that the end of a run waits for its last notification
AGAIN_SECONDS = 3600.0  # until the same kind of trouble is worth a further word
_TROUBLE = (Kind.MACHINE, Kind.PROPOSERS)


@dataclass(frozen=True)
class Outlets:
    """Where a project's notifications go; `redact` takes its secrets out of a text."""

    channels: tuple[Channel, ...]
    redact: Callable[[str], str]

    @classmethod
    def of(
        cls, project: Project, keys: Keys, environment: Mapping[str, str] = os.environ
    ) -> "Outlets":
        """Return those that `[notify] urls` names; `keys` are the project's other secrets.

        Raises:
            ProjectError: one cannot be used.
        """
        found = addresses(project.settings.notify.urls, environment)
        urls = Keys({each.name: each.url for each in found})
        return cls(tuple(map(channel, found)), lambda text: urls.redact(keys.redact(text)))


class NotifyingWatcher:
    """Sends what a person should know of a run, and its end with a summary and a picture."""

    def __init__(
        self,
        project: Project,
        notifier: Notifier,
        redact: Callable[[str], str] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Build it.

        Args:
            project: whose run it is.
            notifier: sends.
            redact: takes secrets out of a text.
            clock: seconds.
        """
        self._project = project
        self._notifier = notifier
        self._clock = clock
        self._now = Situation(project.root.name, redact)
        self._last: dict[Kind, float] = {}

    def on_event(self, event: Event) -> None:
        """Send what is to be told of an event."""
        self._now = self._now.after(event)
        if isinstance(event, StudyStopped):
            self._notifier.send(partial(_ended, event, self._now, self._project))
            return
        made = notification(event, self._now)
        if made is not None and self._is_due(made.kind):
            self._notifier.send(lambda: made)

    def _is_due(self, kind: Kind) -> bool:
        """Whether a kind of trouble was not told lately: it may come and go all night."""
        now, last = self._clock(), self._last.get(kind)
        if kind in _TROUBLE and last is not None and now - last < AGAIN_SECONDS:
            return False
        self._last[kind] = now
        return True


def _ended(event: StudyStopped, now: Situation, project: Project) -> Notification:
    from autoresearch.commands.report import study_report_of  # noqa: PLC0415 - draws: half a second
    from autoresearch.render.picture import picture  # noqa: PLC0415

    try:
        report = study_report_of(project, now.tag or None)
        return ended(event, report, now, picture(report))
    except (AutoresearchError, OSError):
        return ended_unread(event, now)


@contextmanager
def notifying(project: Project, onlookers: Watcher, outlets: Outlets) -> Iterator[Watcher]:
    """Yield who is told what happens: those who look on, and whoever `[notify]` names.

    Args:
        project: whose run it is.
        onlookers: who is told of notifications that fail, too.
        outlets: where notifications go.
    """
    if not outlets.channels:
        yield onlookers
        return
    notifier = Notifier(outlets.channels, lambda line: onlookers.on_event(Notice(line)))
    try:
        yield Watchers((onlookers, NotifyingWatcher(project, notifier, outlets.redact)))
    finally:
        notifier.close(CLOSING_SECONDS)
