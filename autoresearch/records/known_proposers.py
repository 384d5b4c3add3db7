"""Who can propose: providers of language models, and the forms of a proposer's spec."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Provider:
    """A provider, as specs name it.

    `default` is its model that is asked when no spec is given. Of the environment's variables
    `key_variable` holds its key, and `url_variable` may hold a base URL in place of the official
    one. `price_id` is what genai-prices calls it.
    """

    name: str
    title: str
    default: str
    key_variable: str
    url_variable: str
    price_id: str


# Where no spec is given, the first one whose key is set is asked.
PROVIDERS = {
    each.name: each
    for each in (
        Provider(
            name="anthropic",
            title="Anthropic",
            default="claude-opus-5-5",
            key_variable="ANTHROPIC_API_KEY",
            url_variable="ANTHROPIC_BASE_URL",
            price_id="anthropic",
        ),
        Provider(
            name="openai",
            title="OpenAI",
            default="gpt-6.1-sol",
            key_variable="OPENAI_API_KEY",
            url_variable="OPENAI_BASE_URL",
            price_id="openai",
        ),
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
