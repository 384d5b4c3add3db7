"""Prices: whose they are, what they make of a usage, and that the worst case is one."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.config import PriceSettings
from autoresearch.errors import ProposerError
from autoresearch.proposers.pricing import Price, price
from autoresearch.records.money import Usage

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
OLLAMA = "http://localhost:11434/v1"
LISTED = f"genai-prices {genai_prices.__version__}"
MILLION = 1_000_000
TIERED = ("openai", "gpt-5.5")
SHOWN = (
    ("anthropic", "claude-opus-5"),
    ("anthropic", "claude-opus-5-5"),
    ("anthropic", "claude-sonnet-4-5"),
    TIERED,
    ("openai", "gpt-6.1-sol"),
    ("deepseek", "deepseek-v4-pro"),
    ("perplexity", "sonar-deep-research"),
)


@cache
def listed(provider: str, model: str, now: datetime = NOON) -> Price:
    known = price(provider, model, own={}, now=lambda: now)
    return replace(known, tiers=cache(known.tiers))


def theirs(provider: str, model: str, usage: Usage, now: datetime = NOON) -> float:
    told = genai_prices.Usage(
        input_tokens=usage.input,
        output_tokens=usage.output,
        cache_read_tokens=usage.cached,
        cache_write_tokens=usage.written,
    )
    return float(
        genai_prices.calc_price(
            told, model, provider_id=provider, genai_request_timestamp=now
        ).total_price
    )


@st.composite
def usages(draw: st.DrawFn, most: int = 2 * MILLION) -> Usage:
    total = draw(st.integers(0, most))
    cached = draw(st.integers(0, total))
    written = draw(st.integers(0, total - cached))
    return Usage(total, draw(st.integers(0, most)), cached, written)


RATES = st.floats(0, 1000, allow_nan=False)
OWN = st.builds(PriceSettings, RATES, RATES, st.none() | RATES, st.none() | RATES)


def test_input_counts_what_was_cached_and_a_cache_write_costs_a_quarter_more() -> None:
    opus = listed("anthropic", "claude-opus-5")
    assert opus.source == LISTED
    assert opus.cost(Usage(MILLION, 0)) == 5.0
    assert opus.cost(Usage(MILLION, 0, written=MILLION)) == 6.25
    assert opus.cost(Usage(MILLION, 0, cached=MILLION)) == 0.5
    assert opus.cost(Usage(0, MILLION)) == 25.0
    assert opus.worst(MILLION, MILLION) == 31.25


def test_a_long_request_is_dearer_as_a_whole() -> None:
    gpt = listed(*TIERED)
    assert gpt.cost(Usage(272_000, 0)) == 1.36
    assert gpt.cost(Usage(272_001, 0)) == 2.72001
    assert gpt.worst(272_000, 1000) < gpt.worst(272_001, 1000)


@pytest.mark.parametrize("name", SHOWN[:-1])
@given(usage=usages())
def test_a_listed_price_is_the_lists_own_arithmetic(name: tuple[str, str], usage: Usage) -> None:
    assert listed(*name).cost(usage) == pytest.approx(theirs(*name, usage), rel=1e-12)


def test_every_listed_chat_model_costs_what_the_list_says() -> None:
    usage = Usage(300_000, 5_000, 100_000, 50_000)
    compared = 0
    for provider in get_snapshot().providers:
        if provider.id not in ("anthropic", "openai", "google", "mistral", "groq"):
            continue
        for model in provider.models:
            try:
                known = listed(provider.id, model.id)
                expected = theirs(provider.id, model.id, usage)
            except (ProposerError, LookupError):
                continue  # an embedding model, or an id that its own pattern does not match
            assert known.cost(usage) == pytest.approx(expected, rel=1e-12), model.id
            compared += 1
    assert compared > 100


@pytest.mark.parametrize("name", SHOWN)
@given(usage=usages(), hour=st.integers(0, 23))
def test_no_usage_costs_more_than_the_worst(name: tuple[str, str], usage: Usage, hour: int) -> None:
    reserved = listed(*name).worst(usage.input, usage.output)
    settled = listed(*name, now=NOON.replace(hour=hour)).cost(usage)
    assert settled <= reserved
    assert reserved <= listed(*name).worst(usage.input + 1, usage.output + 1)


@given(own=OWN, usage=usages())
def test_nor_by_a_price_of_ones_own(own: PriceSettings, usage: Usage) -> None:
    mine = price("openai", "gpt-5.5", own={"openai:gpt-5.5": own})
    assert mine.source == "autoresearch.toml"
    assert mine.cost(usage) <= mine.worst(usage.input, usage.output)


def test_the_hour_counts_and_the_worst_knows_the_hours_to_come() -> None:
    day = listed("deepseek", "deepseek-v4-pro", NOON.replace(hour=2))
    night = listed("deepseek", "deepseek-v4-pro", NOON.replace(hour=20))
    assert day.cost(Usage(MILLION, 0)) == 2 * night.cost(Usage(MILLION, 0))
    assert night.worst(MILLION, 0) == day.cost(Usage(MILLION, 0))


def test_a_fee_for_the_request_is_in_it() -> None:
    assert listed("perplexity", "sonar").cost(Usage(0, 0)) == 0.012


def test_own_prices_come_first_and_fill_in_what_they_leave_out() -> None:
    mine = price("openai", "gpt-5.5", own={"openai:gpt-5.5": PriceSettings(1.0, 2.0, cached=0.1)})
    assert mine.cost(Usage(3 * MILLION, MILLION, MILLION, MILLION)) == 1.0 + 0.1 + 1.0 + 2.0


@pytest.mark.parametrize(
    "key",
    [
        f"openai:qwen3@{OLLAMA}",
        f"openai:qwen3@{OLLAMA}/",
        "localhost:11434:qwen3",
    ],
)
def test_a_base_urls_price_is_named_by_its_spec_or_its_host(key: str) -> None:
    own = {key: PriceSettings(1.0, 2.0), "openai:qwen3": PriceSettings(9.0, 9.0)}
    for url in (OLLAMA, OLLAMA + "/"):
        assert price("localhost:11434", "qwen3", own=own, base_url=url).worst(MILLION, 0) == 1.0


@pytest.mark.parametrize(
    "url", [OLLAMA, "http://127.0.0.1:8000", "http://127.9.9.9/v1", "http://[::1]:8080/v1"]
)
def test_loopback_costs_nothing(url: str) -> None:
    free = price("host:1", "anything", own={}, base_url=url)
    assert (free.source, free.worst(MILLION, MILLION)) == ("loopback", 0.0)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost.evil.example/v1",
        "http://localhost@evil.example/v1",
        "http://10.0.0.7:8000/v1",
        "http://0.0.0.0:8000/v1",
        "http://gpu.lan:8000/v1",
    ],
)
def test_elsewhere_costs_something_unknown(url: str) -> None:
    with pytest.raises(ProposerError) as refused:
        price("gpu.lan:8000", "qwen3", own={}, base_url=url)
    assert f'[prices."openai:qwen3@{url}"]' in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_provider_is_billed_also_through_a_loopback_proxy() -> None:
    proxied = price("anthropic", "claude-opus-5", own={}, base_url="http://127.0.0.1:9/")
    assert proxied.source == LISTED


def test_a_base_url_that_the_list_knows_is_priced_by_it() -> None:
    url = "https://api.deepseek.com/v1"
    known = price("api.deepseek.com", "deepseek-v4-pro", own={}, base_url=url)
    assert known.source == LISTED
    assert known.worst(MILLION, 0) > 0


@pytest.mark.parametrize("model", ["gpt-nobody-knows", "text-embedding-3-small", "whisper-1"])
def test_an_unknown_model_says_what_to_write_down(model: str) -> None:
    with pytest.raises(ProposerError) as refused:
        price("openai", model, own={})
    assert f'autoresearch.toml [prices."openai:{model}"]' in str(refused.value)


def test_prices_come_without_the_network() -> None:
    code = (
        "import sys\n"
        "def refuse(event, _):\n"
        "    assert event.partition('.')[0] != 'socket', event\n"
        "from autoresearch.proposers.pricing import price\n"
        "sys.addaudithook(refuse)\n"
        "print(price('openai', 'gpt-5.5', own={}).worst(1000000, 0))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("10.0", "")
