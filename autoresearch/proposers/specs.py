"""Proposer specs as a person types them, and the models with prices that some of them name."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from autoresearch.config import Keys, LlmSettings, PriceSettings, parse_duration
from autoresearch.errors import ProposerError
from autoresearch.proposers.base import MOST_AT_ONCE
from autoresearch.proposers.models import Model
from autoresearch.records.known_proposers import PROVIDERS, SPEC_FORMS

if TYPE_CHECKING:
    from autoresearch.proposers.models.client import ModelClient
    from autoresearch.proposers.pricing import Price

_WEIGHTED = re.compile(r"(\d+(?:\.\d+)?):(.+)", re.DOTALL)
_URL = re.compile(r"@(?=http)", re.IGNORECASE)
# What looks like a base URL without its http://, in what should be a model's name.
_ADDRESS = re.compile(
    r"://|@(localhost\b|\[|[^@/\s]+:\d+([/?#]|$)|[\w-]+(\.[\w-]+)+/)", re.IGNORECASE
)
_OTHERS = ("command", "patches")  # they take an argument, as providers do
_ALONE = ("optuna", "random")  # they take no argument


@dataclass(frozen=True)
class Spec:
    """A proposer as named on the command line: `[WEIGHT:]KIND[:ARGUMENT[@BASE_URL]]`.

    `text` is the spec without its weight: the name kept with every experiment. `weight` is its
    share of the turns relative to the others'. The control has a `share` of all turns instead,
    between 0 and 1.
    """

    text: str
    kind: str
    argument: str = ""
    base_url: str | None = None
    weight: float = 1.0
    share: float = 0.0

    @property
    def provider(self) -> str:
        """Who bills, where a language model is asked: a base URL's host and port, or its kind."""
        return self.kind if self.base_url is None else urlsplit(self.base_url).netloc

    @property
    def thinks(self) -> bool:
        """Whether a language model behind an API is asked."""
        return self.kind in PROVIDERS

    @property
    def at_once(self) -> int:
        """How many proposals it can make of one call."""
        return MOST_AT_ONCE if self.thinks else 1

    @property
    def is_series(self) -> bool:
        """Whether a proposal may build on the one before it: patches do, in their names' order."""
        return self.kind == "patches"

    @property
    def reads_briefs(self) -> bool:
        """Whether it gets the state of the study in words."""
        return self.thinks or self.kind == "command"


@dataclass(frozen=True)
class PricedModel:
    """A model with what it costs."""

    model: Model
    price: "Price"


def parse(spec: str) -> Spec:
    """Return the parts of a spec.

    Raises:
        ProposerError: it names no proposer, or its weight or base URL is wrong.
    """
    weight, text = 1.0, spec.strip()
    if weighted := _WEIGHTED.fullmatch(text):
        weight, text = float(weighted[1]), weighted[2].strip()
    if not (weight > 0 and math.isfinite(weight)):
        msg = f"{_shown(spec)}: its weight must be a finite number above zero"
        raise ProposerError(msg)
    if text in _ALONE:
        return Spec(text, text, weight=weight)
    kind, _, argument = text.partition(":")
    if kind not in {*PROVIDERS, *_OTHERS} or not argument.strip():
        msg = f"no proposer {_shown(spec)!r}: known are {', '.join(SPEC_FORMS)}"
        raise ProposerError(msg)
    if kind not in PROVIDERS:
        return Spec(text, kind, argument, weight=weight)
    name, url = _split(argument) if kind == "openai" else (argument, None)
    if url is not None:
        _refuse_bad_url(name, url)
    elif _ADDRESS.search(name):
        raise ProposerError(_misplaced(kind, name))
    return Spec(text, kind, name, url, weight)


def control(text: str) -> Spec:
    """Return the spec that `SPEC:SHARE` names: the control arm, with its share of the turns.

    Raises:
        ProposerError: it names no proposer that can go on all night, or no share between 0 and 1.
    """
    name, _, share = text.strip().rpartition(":")
    if not name or not 0 < (part := _number(share)) < 1:
        shown = _shown(text)
        msg = f"{shown!r}: write SPEC:SHARE, a share of the turns between 0 and 1: optuna:0.2"
        raise ProposerError(msg)
    spec = parse(name)
    if _WEIGHTED.fullmatch(name.strip()):
        msg = f"{_shown(text)!r}: the control has a share of the turns, no weight"
        raise ProposerError(msg)
    if spec.kind == "patches":
        msg = f"{_shown(text)!r}: a folder runs dry; take a control that goes on, such as random"
        raise ProposerError(msg)
    return replace(spec, share=part)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def default(keys: Keys) -> str | None:
    """Return the spec of the provider whose key is set; None where none is."""
    ready = (each for each in PROVIDERS.values() if keys.get(each.key_variable))
    return next((f"{each.name}:{each.default}" for each in ready), None)


def model(
    spec: Spec,
    *,
    llm: LlmSettings,
    prices: Mapping[str, PriceSettings],
    keys: Keys,
    endpoints: Mapping[str, str],
) -> PricedModel:
    """Return the model that a spec names.

    Args:
        spec: one that thinks.
        llm: how models are asked.
        prices: own prices, by spec.
        keys: the secrets of the environment.
        endpoints: base URLs by provider, where they are not the official ones.

    Raises:
        ProposerError: its key is not set, or its price is not known.
    """
    # Imported when chosen: the table of prices and an SDK take half a second to load.
    from autoresearch.proposers.pricing import price  # noqa: PLC0415

    cost = price(spec.provider, spec.argument, own=prices, base_url=spec.base_url)
    return PricedModel(_model(spec, llm, keys, endpoints), cost)


def _model(spec: Spec, llm: LlmSettings, keys: Keys, endpoints: Mapping[str, str]) -> Model:
    from autoresearch.proposers.models.client import ModelClient  # noqa: PLC0415

    variable = PROVIDERS[spec.kind].key_variable if spec.base_url is None else llm.key_variable
    key = _key(spec, keys, variable) if variable else None
    timeout = parse_duration(llm.timeout)
    client = ModelClient(spec.provider, spec.argument, key, timeout, keys.redact)
    if spec.base_url is not None:
        from autoresearch.proposers.models.chat import ChatModel  # noqa: PLC0415

        return ChatModel(client, base_url=spec.base_url, effort=llm.effort)
    return MODELS[spec.kind](client, llm.effort, endpoints.get(spec.kind))


def _anthropic(client: "ModelClient", effort: str, base_url: str | None) -> Model:
    from autoresearch.proposers.models.anthropic import AnthropicModel  # noqa: PLC0415

    return AnthropicModel(client, effort=effort, base_url=base_url)


def _openai(client: "ModelClient", effort: str, base_url: str | None) -> Model:
    from autoresearch.proposers.models.responses import ResponsesModel  # noqa: PLC0415

    return ResponsesModel(client, effort=effort, base_url=base_url)


MODELS = {"anthropic": _anthropic, "openai": _openai}  # what each provider's models are made by


def _key(spec: Spec, keys: Keys, variable: str) -> str:
    key = keys.get(variable)
    if key is None:
        msg = f"{spec.text}: the environment variable {variable} is not set"
        raise ProposerError(msg)
    return key


def _split(argument: str) -> tuple[str, str | None]:
    """Return the model's name and the base URL, which begins at the first @http."""
    match = _URL.search(argument)
    return (argument[: match.start()], argument[match.end() :]) if match else (argument, None)


def _refuse_bad_url(name: str, url: str) -> None:
    if "@" in url:
        msg = "a base URL with a password in it would be stored: put it into [llm] key_variable"
        raise ProposerError(msg)
    if "?" in url or "#" in url:
        msg = f"{_shown(url)}: a base URL ends with its path; what follows a ? or # would be stored"
        raise ProposerError(msg)
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not url.isprintable() or " " in url:
        msg = f"{url!r} is no base URL such as http://localhost:11434/v1"
        raise ProposerError(msg)
    if not name.strip():
        msg = f"no model is named before @{url}: write openai:MODEL@{url}"
        raise ProposerError(msg)


def _misplaced(kind: str, argument: str) -> str:
    """Return what is wrong with an address in the place of a model's name."""
    if kind != "openai":
        return (
            f"{kind}:MODEL takes no base URL: set {PROVIDERS[kind].url_variable} for a gateway, or "
            "write openai:MODEL@http://HOST:PORT/v1 for a server that speaks Chat Completions"
        )
    name, _, address = _shown(argument).partition("@")
    if "://" in argument or not address:
        return "a base URL follows the model's name: write openai:MODEL@http://HOST:PORT/v1"
    return (
        f"the base URL of {name} must begin with http:// or https://: "
        f"write openai:{name}@http://{address}"
    )


def _shown(text: str, most: int = 200) -> str:
    """Return a spec or URL without what may be secret: userinfo, query and fragment."""
    if "://" in text or "@" in text:
        text = re.sub(r"(://|@).*@", r"\1", text, flags=re.DOTALL)
        text = re.split(r"[?#]", text, maxsplit=1)[0]
    return text if len(text) <= most else text[: most - 1] + "…"
