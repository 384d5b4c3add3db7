"""A plain webhook: a JSON object by POST."""

import base64
from dataclasses import dataclass, field

import httpx2

from autoresearch import __version__
from autoresearch.notify.notification import Notification

SECONDS = 4.0  # between two signs of life of the server


@dataclass(frozen=True)
class Webhook:
    """Posts notifications to a URL; any answer from 200 to 299 will do.

    ``{"version", "event", "title", "text", "content", "allowed_mentions", "picture"}``: `text` is
    what Slack and Mattermost show, `content` what Discord does (where no name in it may ping
    anybody); `picture` is a PNG in base64, or null.
    """

    name: str
    url: str = field(repr=False)

    def send(self, notification: Notification) -> str:
        """Post it; return "", or why that failed."""
        try:
            # The answer's text is nothing to us, so it is not waited for.
            with (
                httpx2.Client(timeout=SECONDS, follow_redirects=False) as client,
                client.stream("POST", self.url, json=_body(notification), headers=_HEADERS) as told,
            ):
                return "" if told.is_success else f"it answered {told.status_code}"
        except httpx2.TimeoutException:
            return f"it did not answer in {SECONDS:g} s"
        except (httpx2.HTTPError, httpx2.InvalidURL) as fault:  # what it says names the URL
            return f"it cannot be reached ({type(fault).__name__})"


_HEADERS = {"user-agent": f"autoresearch/{__version__}"}


def _body(notification: Notification) -> dict[str, object]:
    whole = f"{notification.title}\n{notification.text}"
    picture = notification.picture
    return {
        "version": 1,
        "event": str(notification.kind),
        "title": notification.title,
        "text": whole,
        "content": whole,
        "allowed_mentions": {"parse": []},
        "picture": base64.b64encode(picture).decode() if picture else None,
    }
