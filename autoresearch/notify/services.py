"""Every service that apprise knows: ntfy, Telegram, Signal, mail and a hundred more."""

import logging
from dataclasses import dataclass, field
from typing import Any, Self

from autoresearch.errors import ProjectError
from autoresearch.notify.notification import Notification


@dataclass(frozen=True)
class Service:
    """Sends notifications by apprise."""

    name: str
    apprise: Any = field(repr=False)

    @classmethod
    def of(cls, name: str, url: str) -> Self:
        """Return what sends to an apprise URL.

        Raises:
            ProjectError: apprise is not installed, or knows no such service.
        """
        where = f"autoresearch.toml [notify] urls: {name}"
        try:
            import apprise  # noqa: PLC0415 - an extra
        except ImportError:
            msg = f"{where} needs apprise: `pip install 'autoresearch[notify]'`, or name a webhook"
            raise ProjectError(f"{msg} (https://…)") from None
        _be_quiet()
        known = apprise.Apprise()
        if not known.add(url):
            msg = f"{where} is none that apprise knows: see https://appriseit.com for its form"
            raise ProjectError(msg)
        return cls(name, known)

    def send(self, notification: Notification) -> str:
        """Send it; return "", or why that failed."""
        from apprise import AppriseAttachment, NotifyFormat  # noqa: PLC0415 - an extra
        from apprise.attachment.memory import AttachMemory  # noqa: PLC0415

        attached = AppriseAttachment()
        if notification.picture:
            attached.add(
                AttachMemory(notification.picture, name="progress.png", mimetype="image/png")
            )
        done = self.apprise.notify(
            title=notification.title,
            body=notification.text,
            body_format=NotifyFormat.TEXT,  # nothing in it is markup, whatever the service shows
            attach=attached if notification.picture else None,
        )
        return "" if done else "apprise could not deliver it"


def _be_quiet() -> None:
    """Let apprise's own log, which quotes URLs and answers, reach nobody."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
