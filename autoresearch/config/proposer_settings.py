"""How proposers are asked, and what they may cost: four sections of autoresearch.toml."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from autoresearch.config.checked import STRICTLY, Amount, Duration


@dataclass(frozen=True, config=STRICTLY)
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

    brief_tokens: Annotated[int, Field(ge=4000)] = 60_000
    max_output: Annotated[int, Field(ge=256)] = 32_000
    timeout: Duration = "10m"
    repairs: Annotated[int, Field(ge=0, le=5)] = 2
    proposals: Annotated[int, Field(ge=1, le=5)] = 1
    format: Literal["blocks", "file"] = "blocks"
    effort: str = ""
    show: tuple[str, ...] = ("prepare.py",)
    profile: bool = True
    key_variable: str = ""


@dataclass(frozen=True, config=STRICTLY)
class CommandSettings:
    """[command]: how command:CLI is run.

    It is killed after `timeout`; of the environment it gets what every program needs and these
    variables by name; `usd` is what one call costs, where that is known. In the `sandbox` it sees
    the network, its home and its copy of the project, and nothing of the study's.
    """

    timeout: Duration = "15m"
    environment: tuple[str, ...] = ()
    usd: Amount | None = None
    sandbox: bool = True


@dataclass(frozen=True, config=STRICTLY)
class MoneySettings:
    """[money]: caps in US dollars, of a whole study and of a single call, and the machine's price.

    A `gpu_hour_usd` given here counts against every cap; a common card's default is only shown.
    """

    study_usd: Amount | None = None
    call_usd: Amount | None = None
    gpu_hour_usd: Amount | None = None


@dataclass(frozen=True, config=STRICTLY)
class PriceSettings:
    """[prices."PROVIDER:MODEL"]: US dollars for a million tokens.

    `cached` and `written` are of input read from and written to a cache; they default to `input`.
    """

    input: Amount
    output: Amount
    cached: Amount | None = None
    written: Amount | None = None
