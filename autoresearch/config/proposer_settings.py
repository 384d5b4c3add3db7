"""How proposers are asked, and what they may cost: four sections of autoresearch.toml."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LlmSettings:
    """[llm]: how language models are asked.

    `brief_tokens` bounds what they are told, `max_output` what they may say, thoughts included;
    an answer is sent back `repairs` times at most. A call is asked for so many `proposals`, and for
    more where slots would wait for them otherwise. `format` is blocks, or file for models too
    weak for edits; `effort` is passed on to models that reason (empty: their default); `show` are
    globs of fixed files worth showing; `profile` tells them, and commands, where a step of the
    incumbent spends its time, for a short training beside each keep; `key_variable` names the
    environment variable with the key of openai:MODEL@URL (empty: it needs none).
    """

    brief_tokens: int = 60_000
    max_output: int = 32_000
    timeout: str = "10m"
    repairs: int = 2
    proposals: int = 1
    format: str = "blocks"
    effort: str = ""
    show: tuple[str, ...] = ("prepare.py",)
    profile: bool = True
    key_variable: str = ""


@dataclass(frozen=True)
class CommandSettings:
    """[command]: how command:CLI is run.

    It is killed after `timeout`; of the environment it gets what every program needs and these
    variables by name; `usd` is what one call costs, where that is known. In the `sandbox` it sees
    the network, its home and its copy of the project, and nothing of the study's.
    """

    timeout: str = "15m"
    environment: tuple[str, ...] = ()
    usd: float | None = None
    sandbox: bool = True


@dataclass(frozen=True)
class MoneySettings:
    """[money]: caps in US dollars, of a whole study and of a single call, and the machine's price.

    A `gpu_hour_usd` given here counts against every cap; a common card's default is only shown.
    """

    study_usd: float | None = None
    call_usd: float | None = None
    gpu_hour_usd: float | None = None


@dataclass(frozen=True)
class PriceSettings:
    """[prices."PROVIDER:MODEL"]: US dollars for a million tokens.

    `cached` and `written` are of input read from and written to a cache; they default to `input`.
    """

    input: float
    output: float
    cached: float | None = None
    written: float | None = None
