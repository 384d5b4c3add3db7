"""What the environment says: read here and nowhere below."""

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

import platformdirs


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


class Keys:
    """The secrets of the environment, by variable name. Never printed, never written down."""

    KNOWN = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {name: value.strip() for name, value in values.items() if value.strip()}

    @classmethod
    def read(cls, *more: str, environment: Mapping[str, str] = os.environ) -> "Keys":
        """Return the known keys and those of `more` variables, as far as they are set."""
        names = (*cls.KNOWN, *more)
        return cls({name: environment[name] for name in names if name and name in environment})

    def get(self, name: str) -> str | None:
        """Return the key in this variable, or None where it is not set."""
        return self._values.get(name)

    def hide(self, text: str) -> str:
        """Return a text with every key in it, whole or but for its ends, made unreadable."""
        for value in self._values.values():
            for shown in (value, value[:-4], value[4:]):
                if len(shown) >= 8:
                    text = text.replace(shown, "[key]")
        return text

    def __repr__(self) -> str:
        return f"Keys({', '.join(sorted(self._values))})"


def endpoints(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the base URLs of providers that are not the official ones, by provider."""
    named = {"anthropic": "ANTHROPIC_BASE_URL", "openai": "OPENAI_BASE_URL"}
    return {name: environment[key] for name, key in named.items() if environment.get(key)}
