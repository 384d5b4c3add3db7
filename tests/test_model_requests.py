"""What models are told, what may be cached of it, what it used, and what is text of an answer."""

import json
import os
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch.config import Keys
from autoresearch.proposers.models import Model, Prompt, Section
from autoresearch.proposers.models.anthropic import AnthropicModel
from autoresearch.proposers.models.chat import ChatModel, without_thoughts
from autoresearch.proposers.models.client import ModelClient
from autoresearch.proposers.models.connection import http_client
from autoresearch.proposers.models.responses import ResponsesModel
from autoresearch.records.money import CallEnding, Usage
from tests.fake_llm import FakeLlm, Request, Tokens, answer, failure, raw
from tests.fake_wire import Api

KEY = "sk-test-0123456789abcdefghij"
APIS = ("anthropic", "openai", "chat")
PROMPT = Prompt(
    (Section("Rules of the house. " * 20, cache=True),),
    (Section("The code. " * 400, cache=True), Section("The story. " * 50), Section("Now go.")),
    cache_key="study-7",
)
MARK = {"type": "ephemeral"}


def model(api: str, fake: FakeLlm, *, name: str = "gpt-5.5", effort: str = "") -> Model:
    client = ModelClient(api, name, KEY, 240, Keys({"OPENAI_API_KEY": KEY}).redact)
    if api == "chat":
        return ChatModel(client, base_url=fake.v1, effort=effort)
    kind = AnthropicModel if api == "anthropic" else ResponsesModel
    url = fake.url if api == "anthropic" else fake.v1
    return kind(client, base_url=url, effort=effort)


def sent(api: str, *prompts: Prompt, name: str = "gpt-5.5", effort: str = "") -> list[Request]:
    with FakeLlm([answer("yes")] * len(prompts)) as fake:
        asking = model(api, fake, name=name, effort=effort)
        for prompt in prompts:
            assert asking.complete(prompt, max_output=1234).ending is CallEnding.ANSWERED
        return fake.requests


@pytest.mark.parametrize("api", APIS)
def test_a_request_names_the_model_and_the_limit_and_no_tools(api: str) -> None:
    (request,) = sent(api, PROMPT)
    body = request.body
    assert body["model"] == "gpt-5.5"
    limit = "max_output_tokens" if api == "openai" else "max_tokens"
    assert body[limit] == 1234
    assert not {"tools", "tool_choice", "functions"} & set(body)
    assert request.text.replace("\n\n", "") == "".join(
        section.text for section in (*PROMPT.system, *PROMPT.user)
    )


def test_claude_gets_a_block_a_section_with_a_mark_where_the_cache_may_end() -> None:
    (request,) = sent("anthropic", PROMPT)
    texts = [section.text for section in PROMPT.user]
    assert request.body["system"] == [
        {"type": "text", "text": PROMPT.system[0].text, "cache_control": MARK}
    ]
    assert request.body["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": texts[0], "cache_control": MARK},
                {"type": "text", "text": texts[1]},
                {"type": "text", "text": texts[2]},
            ],
        }
    ]
    assert request.body["stream"] is True
    assert "output_config" not in request.body


def test_only_the_last_four_marks_are_sent_and_an_empty_section_hands_its_mark_on() -> None:
    sections = tuple(Section(f"part {number}", cache=True) for number in range(6))
    prompt = Prompt((Section("rules", cache=True),), (*sections, Section("x"), Section("", True)))
    (request,) = sent("anthropic", prompt)
    assert [text for text, mark in request.blocks if mark] == ["part 3", "part 4", "part 5", "x"]
    assert "" not in [text for text, _ in request.blocks]


def test_effort_is_passed_on_in_each_apis_own_words() -> None:
    bodies = [sent(api, PROMPT, effort="high")[0].body for api in APIS]
    assert bodies[0]["output_config"] == {"effort": "high"}
    assert bodies[1]["reasoning"] == {"effort": "high"}
    assert bodies[2]["reasoning_effort"] == "high"


@pytest.mark.parametrize("api", APIS)
def test_answers_that_were_sent_back_follow_as_turns(api: str) -> None:
    prompt = PROMPT.objected("my answer", "it has no header").objected(" \n", "")
    (request,) = sent(api, prompt)
    turns = request.body["input" if api == "openai" else "messages"][-4:]
    assert [(turn["role"], turn["content"]) for turn in turns] == [
        ("assistant", "my answer"),
        ("user", "it has no header"),
        ("assistant", "(empty answer)"),
        ("user", "(empty)"),
    ]


def test_openai_gets_parts_a_cache_key_and_keeps_nothing() -> None:
    (request,) = sent("openai", PROMPT)
    body = request.body
    assert (body["prompt_cache_key"], body["store"]) == ("study-7", False)
    assert "reasoning" not in body
    assert "prompt_cache_options" not in body
    rules, user = body["input"]
    assert rules["role"] == "developer"
    assert [part["text"] for part in user["content"]] == [each.text for each in PROMPT.user]
    assert all(set(part) == {"type", "text"} for part in user["content"])


@pytest.mark.parametrize(
    ("name", "marks"),
    [("gpt-5.6-sol", 2), ("gpt-6-luna", 2), ("gpt-5.10", 2), ("gpt-5.5", 0), ("gpt-4o", 0),
     ("o3", 0), ("gpt-5", 0), ("gpt-5-mini-2025-08-07", 0)],
)  # fmt: skip
def test_models_that_know_marks_get_them(name: str, marks: int) -> None:
    (request,) = sent("openai", PROMPT, name=name)
    parts = [part for turn in request.body["input"] for part in turn["content"]]
    assert sum("prompt_cache_breakpoint" in part for part in parts) == marks
    assert request.body.get("prompt_cache_options") == ({"mode": "explicit"} if marks else None)


def test_a_model_that_refuses_marks_is_asked_without_from_then_on() -> None:
    refusal = failure(400, "prompt_cache_breakpoint is not supported on this model")
    with FakeLlm([refusal, answer("one"), answer("two")]) as fake:
        asking = model("openai", fake, name="gpt-5.6-terra")
        assert asking.complete(PROMPT, max_output=9).text == "one"
        assert asking.complete(PROMPT, max_output=9).text == "two"
        marked = ["prompt_cache_breakpoint" in request.raw.decode() for request in fake.requests]
    assert marked == [True, False, False]


def test_a_local_server_gets_two_plain_strings() -> None:
    (request,) = sent("chat", PROMPT)
    assert request.body["messages"] == [
        {"role": "system", "content": PROMPT.system[0].text},
        {"role": "user", "content": "\n\n".join(section.text for section in PROMPT.user)},
    ]
    assert set(request.body) == {"model", "messages", "max_tokens"}


@pytest.mark.parametrize("api", APIS)
def test_prompts_that_share_sections_share_their_bytes_and_pay_once(api: str) -> None:
    other = replace(PROMPT, user=(PROMPT.user[0], Section("Another story."), Section("Go on.")))
    name = "gpt-5.6-sol" if api == "openai" else "gpt-5.5"
    first, second = sent(api, PROMPT, other, name=name)
    end = first.raw.index(PROMPT.user[0].text.encode()) + len(PROMPT.user[0].text)
    assert first.raw[:end] == second.raw[:end]
    if api != "chat":  # there the whole user message is one string
        assert second.tokens.cached > 1000
    assert first.tokens.cached == 0


@pytest.mark.parametrize("api", APIS)
def test_lone_surrogates_do_not_stop_a_prompt(api: str) -> None:
    prompt = Prompt((Section("rules"),), (Section("bad \udcff byte"),), (("\udcff", "x"),))
    (request,) = sent(api, prompt)
    assert "bad ? byte" in request.text


@pytest.mark.parametrize("api", APIS)
def test_the_environment_changes_no_request(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = "sk-foreign-key-9999999999"
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY", "OPENAI_ADMIN_KEY",
                 "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_WEBHOOK_SECRET"):  # fmt: skip
        monkeypatch.setenv(name, foreign)
    headers = f"Authorization: Bearer {foreign}\nx-api-key: {foreign}\nx-{foreign}: 1"
    for provider in ("ANTHROPIC", "OPENAI"):
        monkeypatch.setenv(f"{provider}_CUSTOM_HEADERS", headers)
        monkeypatch.setenv(f"{provider}_BASE_URL", "http://elsewhere.invalid")
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    (request,) = sent(api, PROMPT)
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert foreign not in str(request.headers)


def test_a_provider_may_want_its_key_in_a_header_of_its_own() -> None:
    client = http_client("https://third.invalid", {"x-goog-api-key": KEY}, 1.0, also=("x-version",))
    foreign = {
        "Authorization": "Bearer f",
        "x-goog-api-key": "f",
        "x-api-key": "f",
        "x-version": "2",
    }
    request = client.build_request("POST", "https://third.invalid", headers=foreign)
    for prepare in client.event_hooks["request"]:
        prepare(request)
    own = {name: value for name, value in request.headers.items() if name.startswith(("x-", "au"))}
    assert own == {"x-goog-api-key": KEY, "x-version": "2"}


def test_a_server_that_needs_no_key_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-foreign-key-9999999999")
    with FakeLlm([answer("yes")]) as fake:
        asking = ChatModel(ModelClient("here", "m", None, 240, str), base_url=fake.v1)
        assert asking.complete(PROMPT, max_output=9).text == "yes"
        assert "authorization" not in fake.requests[0].headers


def test_without_a_base_url_the_official_endpoints_are_asked() -> None:
    claude = AnthropicModel(ModelClient("anthropic", "m", KEY, 1, str))
    gpt = ResponsesModel(ModelClient("openai", "m", KEY, 1, str))
    assert str(claude._sdk.base_url).startswith("https://api.anthropic.com")
    assert str(gpt._sdk.base_url) == "https://api.openai.com/v1/"
    assert (claude.provider, gpt.provider) == ("anthropic", "openai")


@pytest.mark.parametrize("api", APIS)
def test_usage_counts_what_the_cache_gave_and_took_as_input(api: str) -> None:
    tokens = Tokens(input=1000, output=50, cached=700, written=0 if api == "chat" else 200)
    with FakeLlm([answer("yes", tokens=tokens)]) as fake:
        reply = model(api, fake).complete(PROMPT, max_output=9)
    assert reply.usage == Usage(1000, 50, tokens.cached, tokens.written)


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"prompt_tokens": -1, "completion_tokens": 5}, None),
        ({"prompt_tokens": 10}, None),
        ({"prompt_tokens": "10", "completion_tokens": 5.0}, Usage(10, 5)),
        ({"prompt_tokens": "ten", "completion_tokens": "nan"}, None),
        ({"prompt_tokens": True, "completion_tokens": 5}, None),
        ({"prompt_tokens": 10**30, "completion_tokens": 5}, None),
        ({"prompt_tokens": 1.5, "completion_tokens": 5}, None),
        ({"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": 3}, Usage(9, 5)),
        ({"prompt_tokens": 9, "completion_tokens": 5,
          "prompt_tokens_details": {"cached_tokens": -4}}, Usage(9, 5)),
        # More cached than read: the cached ones come on top, at the full rate.
        ({"prompt_tokens": 9, "completion_tokens": 5,
          "prompt_tokens_details": {"cached_tokens": 40}}, Usage(49, 5)),
    ],
)  # fmt: skip
def test_counts_that_make_no_sense_raise_nothing(told: object, usage: Usage | None) -> None:
    body = {"choices": [{"message": {"content": "yes"}}], "usage": told}
    with FakeLlm([raw(json.dumps(body))]) as fake:
        reply = model("chat", fake).complete(PROMPT, max_output=9)
    assert (reply.ending, reply.usage) == (CallEnding.ANSWERED, usage)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("<think>hm\nhm</think>\n\nhypothesis: x", "hypothesis: x"),
        ("\n<think></think>a<think>b</think>", "a<think>b</think>"),
        ("<think>one</think><thinking>two</thinking>three", "three"),
        ("<think>never closed", ""),
        ("the template opened it\n</think>\nanswer", "answer"),
        ("\r\nthe template\r\n</think>\r\n\r\nanswer", "answer"),
        ("</think>\nanswer", "answer"),
        ("my hypothesis: is\n</think>\nhypothesis: x", "hypothesis: x"),
        ("hypothesis: strip </think> tokens\nx", "hypothesis: strip </think> tokens\nx"),
        ("it strips </think> tokens\nx", "it strips </think> tokens\nx"),
        ("**hypothesis**: x\nEND\n</think>\n", "**hypothesis**: x\nEND\n</think>\n"),
        ("a '<think>' b\n</think>\nc", "a '<think>' b\n</think>\nc"),
        ("no thoughts", "no thoughts"),
        ("text = '<think>'", "text = '<think>'"),
    ],
)
def test_thoughts_that_a_server_leaves_in_are_no_text(said: str, text: str) -> None:
    assert without_thoughts(said) == text
    with FakeLlm([answer(said)]) as fake:
        assert model("chat", fake).complete(PROMPT, max_output=9).text == text


def test_a_completion_in_parts_and_without_a_reason_is_an_answer() -> None:
    message = {"content": [{"type": "text", "text": "one\n"}, {"type": "text", "text": "two"}]}
    body = json.dumps({"choices": [{"message": message, "finish_reason": None}]})
    with FakeLlm([raw(body, headers=[("content-type", "text/plain")])]) as fake:
        reply = model("chat", fake).complete(PROMPT, max_output=9)
    assert (reply.ending, reply.text) == (CallEnding.ANSWERED, "one\ntwo")


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        ({"message": "slow down", "code": 429}, CallEnding.RATE_LIMITED),
        ({"message": "pay", "code": "402"}, CallEnding.NO_CREDIT),
        ("model not loaded in time", CallEnding.OVERLOADED),
        ({"message": "bad", "type": "invalid_request_error"}, CallEnding.BAD_REQUEST),
    ],
)
def test_an_error_with_status_200_is_an_error(error: object, ending: CallEnding) -> None:
    with FakeLlm([raw(json.dumps({"error": error}))]) as fake:
        assert model("chat", fake).complete(PROMPT, max_output=9).ending is ending


def test_an_address_without_v1_is_told_so() -> None:
    with FakeLlm([]) as fake:
        asking = ChatModel(ModelClient("here", "m", None, 240, str), base_url=fake.url)
        reply = asking.complete(PROMPT, max_output=9)
    assert reply.ending is CallEnding.NOT_FOUND
    assert "/v1" in reply.detail


def test_a_response_that_fails_is_told_by_its_code() -> None:
    for code, ending in (
        ("server_error", CallEnding.CUT),
        ("rate_limit_exceeded", CallEnding.CUT),
        ("invalid_prompt", CallEnding.REFUSED),
        ("context_length_exceeded", CallEnding.TOO_LONG),
    ):
        response = {"status": "failed", "error": {"code": code, "message": "so"}}
        event = {"type": "response.failed", "response": response}
        frames = f"event: response.failed\ndata: {json.dumps(event)}\n\n"
        with FakeLlm([raw(frames, headers=[("content-type", "text/event-stream")])]) as fake:
            assert model("openai", fake).complete(PROMPT, max_output=9).ending is ending


def test_a_prompt_turned_away_by_policy_costs_nothing() -> None:
    with FakeLlm([failure(400, "flagged", code="invalid_prompt")]) as fake:
        reply = model("openai", fake).complete(PROMPT, max_output=9)
    assert (reply.ending, reply.usage) == (CallEnding.REFUSED, Usage(0, 0))


def test_the_fake_plays_a_folder_by_hand(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text("first")
    (tmp_path / "2.txt").write_text("second")
    command = [sys.executable, "-m", "tests.fake_llm", "--answers", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        try:
            texts = [_posted(url) for _ in range(3)]
        finally:
            process.terminate()
    assert texts == ["first", "second", "first"]


def _posted(url: str) -> str:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()
    with urllib.request.urlopen(f"{url}{Api.CHAT}", data=body, timeout=240) as response:
        return str(json.load(response)["choices"][0]["message"]["content"])


def test_the_fake_picks_by_the_request_where_it_is_told_how() -> None:
    with FakeLlm(lambda request: answer(f"{request.api}: {len(request.blocks)}")) as fake:
        texts = [model(api, fake).complete(PROMPT, max_output=9).text for api in APIS]
    assert texts == ["/v1/messages: 4", "/v1/responses: 4", "/v1/chat/completions: 2"]
