"""What the environment says: read here and nowhere below."""

import os
import re
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from types import MappingProxyType

import platformdirs

from autoresearch.records.known_proposers import PROVIDERS

_SECRET = re.compile("KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL|NOTIFY|NTFY|WEBHOOK", re.IGNORECASE)
_SHORTEST = 8  # characters of a secret; what is shorter stands in too many texts


def data_home() -> Path:
    """Return where corpora live: AUTORESEARCH_HOME, else the user's data folder."""
    chosen = os.environ.get("AUTORESEARCH_HOME")
    return Path(chosen) if chosen else platformdirs.user_data_path("autoresearch")


def scrub_git_environment(environment: MutableMapping[str, str] = os.environ) -> None:
    """Drop the GIT_* variables that would point git at another repository (a hook sets them)."""
    kept = ("GIT_SSH", "GIT_ASKPASS", "GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_CONFIG_", "GIT_TRACE")
    for name in [name for name in environment if name.startswith("GIT_")]:
        if not name.startswith(kept):
            del environment[name]


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what looks like a secret by its name; Ray's own stay."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith("RAY_") or not _SECRET.search(name)
    }


class Keys:
    """The secrets of the environment, by variable name. Never printed, never written down.

    `values` are keys of APIs; `passed` the variables that are handed to programs, some of which
    hold secrets, to be told by their names.
    """

    def __init__(
        self, values: Mapping[str, str], passed: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        keys, others = _filled(values), _filled(passed)
        self._values = others | keys
        secrets = {value for name, value in others.items() if _SECRET.search(name)}
        # Providers show a refused key without its ends; of a program's secrets only all is told.
        parts = {part for key in keys.values() for part in (key, key[:-4], key[4:])}
        shown = {each for each in secrets | parts if len(each) >= _SHORTEST}
        self._shown = sorted(shown, key=len, reverse=True)

    @classmethod
    def read(
        cls, key_variable: str = "", *passed: str, environment: Mapping[str, str] = os.environ
    ) -> "Keys":
        """Return the known keys, the one in `key_variable`, and what `passed` variables hold."""
        keys = (*(each.key_variable for each in PROVIDERS.values()), key_variable)
        return cls(_held(keys, environment), _held(passed, environment))

    def get(self, name: str) -> str | None:
        """Return the key in this variable, or None where it is not set."""
        return self._values.get(name)

    def redact(self, text: str) -> str:
        """Return a text with every secret in it, keys also but for their ends, made unreadable.

        What has fewer than 8 characters stays: such as "none", the key of many a local server.
        """
        for shown in self._shown:
            text = text.replace(shown, "[key]")
        return text

    def __repr__(self) -> str:
        return f"Keys({', '.join(sorted(self._values))})"


def _held(names: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in names if name and name in environment}


def _filled(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value.strip() for name, value in values.items() if value.strip()}


def endpoints(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the base URLs of providers that are not the official ones, by provider."""
    named = {name: each.url_variable for name, each in PROVIDERS.items()}
    return {name: environment[key] for name, key in named.items() if environment.get(key)}
