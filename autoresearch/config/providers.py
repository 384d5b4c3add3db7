"""The providers of language models that are known by name."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Provider:
    """A provider, as specs name it. `default` is its model that is asked when no spec is given."""

    name: str
    default: str

    @property
    def key_variable(self) -> str:
        """The environment variable that holds its key."""
        return f"{self.name.upper()}_API_KEY"

    @property
    def url_variable(self) -> str:
        """The environment variable that may hold a base URL in place of the official one."""
        return f"{self.name.upper()}_BASE_URL"


# Where no spec is given, the first one whose key is set is asked.
PROVIDERS = {
    each.name: each
    for each in (Provider("anthropic", "claude-opus-5-5"), Provider("openai", "gpt-6.1-sol"))
}
