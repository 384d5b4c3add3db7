"""Proposer specs: no address is taken for a model, and none is shown with a secret in it."""

from functools import partial

import pytest

from autoresearch.config import Keys, LlmSettings, PriceSettings
from autoresearch.errors import ProposerError
from autoresearch.proposers.models.base import Prompt, Section
from autoresearch.proposers.models.chat import ChatModel
from autoresearch.proposers.models.client import ModelClient
from autoresearch.proposers.specs import MODELS, Spec, control, model, parse
from autoresearch.records.known_proposers import PROVIDERS, SPEC_FORMS, Provider
from autoresearch.records.money import CallEnding
from tests.fake_llm import FakeLlm, answer

SECRET = "hunter2-hunter2"
BASE = "http://localhost:11434/v1"


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("optuna", Spec("optuna", "optuna")),
        ("random", Spec("random", "random")),
        (" 0.5:optuna ", Spec("optuna", "optuna", weight=0.5)),
        ("anthropic:claude-opus-5", Spec("anthropic:claude-opus-5", "anthropic", "claude-opus-5")),
        ("openai:gpt-5.5", Spec("openai:gpt-5.5", "openai", "gpt-5.5")),
        ("openai:ft:gpt@v2:mine", Spec("openai:ft:gpt@v2:mine", "openai", "ft:gpt@v2:mine")),
        ("command:ssh me@host:22 run", Spec("command:ssh me@host:22 run", "command",
                                            "ssh me@host:22 run")),
        ("command:x@http://u:p@h?y", Spec("command:x@http://u:p@h?y", "command",
                                          "x@http://u:p@h?y")),
    ],
)  # fmt: skip
def test_a_spec_is_read(text: str, spec: Spec) -> None:
    assert parse(text) == spec


@pytest.mark.parametrize(
    ("argument", "model", "url"),
    [
        (f"qwen3-coder:30b@{BASE}", "qwen3-coder:30b", BASE),
        ("m@HTTP://localhost:1/v1", "m", "HTTP://localhost:1/v1"),
        ("m@Https://[::1]:8000", "m", "Https://[::1]:8000"),
        (f"@cf/meta/llama@{BASE}", "@cf/meta/llama", BASE),
    ],
)
def test_a_base_url_follows_the_model(argument: str, model: str, url: str) -> None:
    spec = parse(f"2:openai:{argument}")
    assert (spec.argument, spec.base_url, spec.weight) == (model, url, 2.0)
    assert spec.text == f"openai:{argument}"


def test_every_provider_has_models_of_its_own() -> None:
    keys = Keys({each.key_variable: SECRET for each in PROVIDERS.values()})
    prices = {f"{name}:m": PriceSettings(1.0, 2.0) for name in PROVIDERS}
    made = [
        model(parse(f"{name}:m"), llm=LlmSettings(), prices=prices, keys=keys, endpoints={}).model
        for name in PROVIDERS
    ]
    assert [each.provider for each in made] == list(PROVIDERS) == list(MODELS)
    assert len({type(each) for each in made}) == len(PROVIDERS)


def test_a_base_url_in_capitals_is_asked_like_any_other() -> None:
    with FakeLlm([answer("yes")]) as fake:
        spec = parse(f"openai:m@{fake.v1.replace('http', 'HTTP')}")
        assert spec.base_url is not None
        asking = ChatModel(ModelClient(spec.provider, "m", None, 240, str), base_url=spec.base_url)
        reply = asking.complete(Prompt((), (Section("hi"),)), max_output=9)
    assert reply.ending is CallEnding.ANSWERED


@pytest.mark.parametrize(
    "address",
    [
        f"http://me:{SECRET}@h/v1",
        f"http://{SECRET}@h/v1",
        f"HTTP://me:{SECRET}@h/v1",
        f"http://me:a/{SECRET}@h/v1",
        f"http://me:a#{SECRET}@h/v1",
        f"http://me:{SECRET}@httpbin.org/v1",
        f"http://me:{SECRET}@http@h/v1",
        f"http://h/v1?key={SECRET}",
        f"http://h/v1#{SECRET}",
        f"http://h:x/v1?key={SECRET}",
        f"h:80/v1?key={SECRET}",
        f"me:{SECRET}@h:80/v1",
        f"ftp://me:{SECRET}@h/v1",
    ],
)
@pytest.mark.parametrize("start", ["openai:m@", "0:openai:m@", "opnai:m@", "anthropic:m@"])
def test_a_secret_in_an_address_is_refused_and_not_shown(start: str, address: str) -> None:
    with pytest.raises(ProposerError) as raised:
        parse(start + address)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("openai:m@http://u:p@h/v1", "key_variable"),
        ("openai:m@http://h/v1?a=b", "ends with its path"),
        ("openai:m@http://h/v1#a", "ends with its path"),
        ("openai:m@localhost:11434/v1", "write openai:m@http://localhost:11434/v1"),
        ("openai:m@localhost", "write openai:m@http://localhost"),
        ("openai:qwen:30b@gpu:8000", "write openai:qwen:30b@http://gpu:8000"),
        ("openai:m@10.0.0.7/v1", "write openai:m@http://10.0.0.7/v1"),
        ("openai:m@[::1]:8000/v1", "write openai:m@http://[::1]:8000/v1"),
        ("openai:http://h/v1", "follows the model's name: write openai:MODEL@http://"),
        ("openai:m@ftp://h/v1", "write openai:MODEL@http://"),
        ("anthropic:m@http://h", "set ANTHROPIC_BASE_URL"),
        ("anthropic:m@h:80", "openai:MODEL@http://HOST:PORT/v1"),
        ("openai:@http://h/v1", "no model is named"),
        ("openai:m@http://h:99999/v1", "is no base URL"),
        ("openai:m@http://h /v1", "is no base URL"),
        ("openai:m@http://h\n/v1", "is no base URL"),
        ("openai:m@http:///v1", "is no base URL"),
        ("openai:m@httpx", "is no base URL"),
        ("0:optuna", "above zero"),
        ("9" * 400 + ":optuna", "finite"),
    ],
)
def test_what_is_wrong_is_said_with_the_mend(spec: str, words: str) -> None:
    with pytest.raises(ProposerError) as raised:
        parse(spec)
    assert words in str(raised.value)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("text", "spec", "share"),
    [
        ("optuna:0.2", "optuna", 0.2),
        (" random : .1 ", "random", 0.1),
        ("anthropic:claude-opus-5:0.25", "anthropic:claude-opus-5", 0.25),
        (f"openai:qwen3:30b@{BASE}:1e-2", f"openai:qwen3:30b@{BASE}", 0.01),
        ("command:claude -p:0.5", "command:claude -p", 0.5),
    ],
)
def test_a_control_is_a_spec_and_its_share(text: str, spec: str, share: float) -> None:
    found = control(text)
    assert (found.text, found.share, found.weight) == (spec, share, 1.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("optuna", "write SPEC:SHARE"),
        ("0.2", "write SPEC:SHARE"),
        ("", "write SPEC:SHARE"),
        ("optuna:0", "between 0 and 1"),
        ("optuna:1", "between 0 and 1"),
        ("optuna:1.5", "between 0 and 1"),
        ("optuna:-0.1", "between 0 and 1"),
        ("optuna:nan", "between 0 and 1"),
        ("optuna:inf", "between 0 and 1"),
        ("optuna:20%", "between 0 and 1"),
        ("openai:m@http://localhost:8000", "between 0 and 1"),
        ("opnai:0.2", "no proposer 'opnai'"),
        ("2:optuna:0.2", "no weight"),
        ("patches:wins:0.2", "runs dry"),
        (f"openai:m@http://me:{SECRET}@h/v1", "between 0 and 1"),
    ],
)
def test_a_control_without_a_share_is_refused(text: str, words: str) -> None:
    with pytest.raises(ProposerError) as raised:
        control(text)
    assert words in str(raised.value)
    assert SECRET not in str(raised.value)


def test_every_form_that_help_names_is_understood() -> None:
    specs = [parse(form.replace("BASE_URL", BASE)) for form in SPEC_FORMS]
    assert {each.kind for each in specs} >= set(PROVIDERS)
    assert [each.base_url for each in specs if each.base_url] == [BASE]


def test_a_third_provider_has_its_own_variables_price_and_mend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    third = Provider("gemini", "Google", "g", "A_KEY", "A_URL", price_id="google")
    monkeypatch.setitem(PROVIDERS, third.name, third)
    monkeypatch.setitem(MODELS, third.name, MODELS["openai"])
    ask = partial(model, parse("gemini:gemini-2.5-pro"), llm=LlmSettings(), prices={}, endpoints={})
    with pytest.raises(ProposerError, match="variable A_KEY is not set"):
        ask(keys=Keys({}))
    made = ask(keys=Keys({"A_KEY": SECRET}))
    assert (made.model.provider, made.price.worst(10**6, 0) > 0) == ("gemini", True)
    with pytest.raises(ProposerError, match="gemini:MODEL takes no base URL: set A_URL"):
        parse("gemini:g@http://h/v1")
