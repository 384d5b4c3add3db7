"""Where notifications go: a channel for each URL of `[notify] urls`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from autoresearch.errors import ProjectError
from autoresearch.notify.notification import Notification

WEB = ("http", "https")


class Channel(Protocol):
    """Brings notifications to one place.

    `name` says which without its URL: there is hardly a part of one that may not be the secret.
    """

    @property
    def name(self) -> str:
        """Return what it is called in every line about it."""

    def send(self, notification: Notification) -> str:
        """Bring it there; return "", or why that failed in a few words without any secret."""


@dataclass(frozen=True)
class Address:
    """One entry of `[notify] urls`.

    `name` is what it is called in messages: its variable (`$NAME`), or its place ("URL 2").
    `literal` says that the URL itself, which may be a secret, is written in the settings.
    """

    name: str
    url: str
    literal: bool

    @property
    def scheme(self) -> str:
        """What stands before `://`, in lower case."""
        return self.url.partition("://")[0].lower()


def addresses(urls: Sequence[str], environment: Mapping[str, str]) -> list[Address]:
    """Return the address of each entry of `[notify] urls`; `$NAME` is an environment variable.

    Raises:
        ProjectError: a variable is not set, or what should be a URL is none.
    """
    found = list[Address]()
    for place, text in enumerate(dict.fromkeys(urls), 1):
        literal = not text.startswith("$")
        name = f"URL {place}" if literal else text
        url = text if literal else environment.get(text[1:].strip("{}"), "").strip()
        if fault := _fault(url):
            msg = f"autoresearch.toml [notify] urls: {name} {fault}"
            raise ProjectError(msg)
        found.append(Address(name, url, literal))
    return found


def _fault(url: str) -> str:
    """Return what is wrong with what should be a URL; "" where nothing is."""
    if not url:
        return "is not set: set it, or leave it out"
    scheme, mark, _ = url.partition("://")
    try:
        named = scheme.lower() not in WEB or urlsplit(url).hostname
    except ValueError:
        named = None
    return "" if mark and named else "is no URL: write https://… or SERVICE://…"


def channel(address: Address) -> Channel:
    """Return who sends to an address: a webhook for http and https, apprise for all others.

    Raises:
        ProjectError: apprise is needed and not installed, or knows no such service.
    """
    # Each costs its library's import, and nearly every run has none of them.
    if address.scheme in WEB:
        from autoresearch.notify.webhook import Webhook  # noqa: PLC0415

        return Webhook(address.name, address.url)
    from autoresearch.notify.services import Service  # noqa: PLC0415

    return Service.of(address.name, address.url)
