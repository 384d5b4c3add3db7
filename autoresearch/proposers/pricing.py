"""What a call costs, in US dollars: by the person's own prices, else by those of genai-prices.

A price is looked for in this order:

1. `[prices."KEY"]` of autoresearch.toml, where KEY is the proposer's spec as it is typed
("anthropic:MODEL", "openai:MODEL", "openai:MODEL@http://gpu.lan:8000/v1") or PROVIDER:MODEL, which
for a base URL is its host and port ("gpu.lan:8000:MODEL": on whatever path); 2. a base URL on
loopback costs nothing; 3. the list of prices in the package genai-prices: nothing is fetched. For a
base URL only if that list has the URL.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from autoresearch.config import PriceSettings
from autoresearch.errors import ProposerError
from autoresearch.records.known_proposers import PROVIDERS
from autoresearch.records.money import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice

_MILLION = 10**6
_STEP, _STEPS = timedelta(minutes=15), 97  # a day: no call takes longer
_INPUT, _OUTPUT, _CACHED, _WRITTEN = (
    "input_mtok",
    "output_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
)
_THOUGHT, _REQUESTS = "output_reasoning_mtok", "requests_kcount"


@dataclass(frozen=True)
class Rates:
    """Exact dollars for a token of each kind, and for the request itself.

    They hold for all tokens of a request with more than `above` input tokens.
    """

    input: Fraction
    output: Fraction
    cached: Fraction
    written: Fraction
    request: Fraction = Fraction(0)
    above: int = -1

    def cost(self, usage: Usage) -> Fraction:
        """Return what a request cost."""
        fresh = usage.input - usage.cached - usage.written
        read = fresh * self.input + usage.cached * self.cached + usage.written * self.written
        return read + usage.output * self.output + self.request

    def worst(self, input_tokens: int, output_tokens: int) -> Fraction:
        """Return the most that a request of at most so many tokens costs at these rates."""
        dearest = max(self.input, self.cached, self.written)
        return input_tokens * dearest + output_tokens * self.output + self.request


Tiers = tuple[Rates, ...]  # by `above`, ascending; the first holds for any request


@dataclass(frozen=True)
class Price:
    """What a model costs. `source` says where the price is from, for example "genai-prices 0.2.3".

    `tiers` returns the rates in force at a time: some providers are cheaper at night.
    """

    source: str
    tiers: Callable[[datetime], Tiers]
    now: Callable[[], datetime]

    def cost(self, usage: Usage) -> float:
        """Return the cost of a call with so many tokens."""
        tiers = self.tiers(self.now())
        return float(next(each for each in reversed(tiers) if usage.input > each.above).cost(usage))

    def worst(self, input_tokens: int, output_tokens: int) -> float:
        """Return the most that a call of at most so many tokens costs, if made within a day.

        Never less than `cost` of any such call: both are rounded once, from exact sums.
        """
        now = self.now()
        soon = {self.tiers(now + step * _STEP) for step in range(_STEPS)}
        return float(
            max(
                rates.worst(input_tokens, output_tokens)
                for tiers in soon
                for rates in tiers
                if rates.above < input_tokens
            )
        )


def price(
    provider: str,
    model: str,
    *,
    own: Mapping[str, PriceSettings],
    base_url: str | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Price:
    """Return what a model costs.

    Args:
        provider: who bills: "anthropic", "openai", or the base URL's host and port.
        model: its name as the provider knows it.
        own: the person's prices.
        base_url: of openai:MODEL@URL; None where the provider's own is used.
        now: the clock, aware.

    Raises:
        ProposerError: no price is known.
    """
    # A provider bills whatever URL it is reached by.
    elsewhere = base_url if provider not in PROVIDERS else None
    spec = f"openai:{model}@{elsewhere}" if elsewhere else f"{provider}:{model}"
    for key in (spec, spec.rstrip("/"), f"{spec.rstrip('/')}/", f"{provider}:{model}"):
        if key in own:
            return _constant("autoresearch.toml", _own_rates(own[key]), now)
    if elsewhere and _is_loopback(elsewhere):
        return _constant("loopback", _own_rates(PriceSettings(0.0, 0.0)), now)
    listed = _listed(provider, model, elsewhere, now)
    if listed is None:
        msg = (
            f"no price is known for {spec}: add to autoresearch.toml "
            f'[prices."{spec}"] with input = and output = US dollars for a million tokens'
        )
        raise ProposerError(msg)
    return listed


def _constant(source: str, rates: Rates, now: Callable[[], datetime]) -> Price:
    return Price(source, lambda _: (rates,), now)


def _own_rates(settings: PriceSettings) -> Rates:
    cached = settings.input if settings.cached is None else settings.cached
    written = settings.input if settings.written is None else settings.written
    return Rates(
        input=Fraction(settings.input) / _MILLION,
        output=Fraction(settings.output) / _MILLION,
        cached=Fraction(cached) / _MILLION,
        written=Fraction(written) / _MILLION,
    )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listed(
    provider: str, model: str, base_url: str | None, now: Callable[[], datetime]
) -> Price | None:
    # Imported when asked: the list takes a fifth of a second to load.
    import genai_prices  # noqa: PLC0415

    nothing = genai_prices.Usage()
    try:
        if base_url is None:
            price = genai_prices.calc_price(nothing, model, provider_id=provider)
        else:
            price = genai_prices.calc_price(nothing, model, provider_api_url=base_url)
    except LookupError:
        return None
    # A model of which not both directions have a price is none that chats.
    if None in (getattr(price.model_price, each, None) for each in (_INPUT, _OUTPUT)):
        return None
    source, info = f"genai-prices {genai_prices.__version__}", price.model
    return Price(source, lambda time: _tiers(info.get_prices(time)), now)


def _tiers(listed: "ModelPrice") -> Tiers:
    names = (_INPUT, _OUTPUT, _CACHED, _WRITTEN, _THOUGHT, _REQUESTS)
    prices = [getattr(listed, name, None) for name in names]
    starts = {tier.start for each in prices for tier in getattr(each, "tiers", ())}
    return tuple(_rates(listed, above) for above in (-1, *sorted(starts)))


def _rates(listed: "ModelPrice", above: int) -> Rates:
    def of(name: str, default: Fraction, per: int = _MILLION) -> Fraction:
        rate = getattr(listed, name, None)
        if rate is None:
            return default
        applying = [tier.price for tier in getattr(rate, "tiers", ()) if tier.start <= above]
        return Fraction([getattr(rate, "base", rate), *applying][-1]) / per

    nothing = Fraction(0)
    fresh = of(_INPUT, nothing)
    return Rates(
        input=fresh,
        # Thoughts count as output; where they cost more, all output is taken to be thoughts.
        output=max(of(_OUTPUT, nothing), of(_THOUGHT, nothing)),
        cached=of(_CACHED, fresh),
        written=of(_WRITTEN, fresh),
        request=of(_REQUESTS, nothing, 1000),
        above=above,
    )
