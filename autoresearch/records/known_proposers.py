"""Who can propose: providers of language models, and the forms of a proposer's spec."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Provider:
    """A provider, as specs name it. `default` is its model that is asked when no spec is given."""

    name: str
    title: str
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
    for each in (
        Provider("anthropic", "Anthropic", "claude-opus-5-5"),
        Provider("openai", "OpenAI", "gpt-6.1-sol"),
    )
}
# The forms of a spec, as errors and `--help` name them, and what each of them asks.
SPEC_FORMS = {
    **{f"{each.name}:MODEL": f"a model of {each.title}" for each in PROVIDERS.values()},
    "openai:MODEL@BASE_URL": "a model of OpenAI, or of a server that speaks like it",
    "command:CLI": "a program that edits the files",
    "optuna": "other values for the constants",
    "random": "the same, drawn blindly",
    "patches:DIR": "a folder of patches",
}
