"""What providers really say: ends, thoughts, tokens, costs, refusals and waits in any spelling.

Through the real SDKs over HTTP to a local server; whole tables in a test, since servers are cheap
and tests are not.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from autoresearch.config import LlmSettings, PriceSettings
from autoresearch.proposers import Brief, ProposeFailure, Several
from autoresearch.proposers.llm import LlmProposer
from autoresearch.proposers.metered import Answer, MeteredModel
from autoresearch.proposers.models import Model, Prompt, Reply, Section
from autoresearch.proposers.models.anthropic import AnthropicModel
from autoresearch.proposers.models.chat import ChatModel
from autoresearch.proposers.models.client import ModelClient
from autoresearch.proposers.models.responses import ResponsesModel
from autoresearch.proposers.pricing import price
from autoresearch.proposers.prompting import Prompting
from autoresearch.proposers.specs import PricedModel
from autoresearch.records.money import CallEnding, Caps, Usage
from autoresearch.records.proposals import Proposal
from autoresearch.registry import Registry
from tests.fake_llm import FakeLlm, Request, Scene, answer
from tests.fake_scenes import body, failure, raw, stream
from tests.rows import a_study
from tests.stubs import TRAIN, FreeLedger, accepted

GOOD = """\
hypothesis: no soft cap
category: efficiency
predicted_delta: -0.05
risk: logits may grow

train.py
<<<<<<< SEARCH
QUALITY = 2.0
=======
QUALITY = 1.0
>>>>>>> REPLACE
"""
APIS = ("anthropic", "openai", "chat")
PROMPT = Prompt((Section("Rules.", cache=True),), (Section("Task."),), cache_key="study-7")
LONG = Prompt((Section("Rules."),), (Section("It is so, word for word. " * 2000),))
ANSWERED, TRUNCATED, EMPTY = CallEnding.ANSWERED, CallEnding.TRUNCATED, CallEnding.EMPTY
REFUSED, CUT = CallEnding.REFUSED, CallEnding.CUT


def model(api: str, fake: FakeLlm, *, effort: str = "", name: str = "gpt-5.6-m") -> Model:
    if api == "chat":
        client = ModelClient(urlsplit(fake.v1).netloc, name, None, 240, str)
        return ChatModel(client, base_url=fake.v1, effort=effort)
    client = ModelClient(api, name, "sk-of-no-worth-0123", 240, str)
    if api == "anthropic":
        return AnthropicModel(client, base_url=fake.url, effort=effort)
    return ResponsesModel(client, base_url=fake.v1, effort=effort)


def replies(api: str, *scenes: Scene) -> list[Reply]:
    """Return one model's replies to these scenes, one request each."""
    with FakeLlm(scenes) as fake:
        asking = model(api, fake)
        return [asking.complete(PROMPT, max_output=100) for _ in scenes]


def completion(message: object, stop: object = "stop", **more: object) -> Scene:
    return body({"choices": [{"index": 0, "message": message, "finish_reason": stop}], **more})


STOPS = [
    ("stop", ANSWERED), ("STOP", ANSWERED), ("end_turn", ANSWERED), ("EOS", ANSWERED),
    ("eos_token", ANSWERED), ("stop_sequence", ANSWERED), ("completed", ANSWERED),
    ("FINISH_REASON_STOP", ANSWERED), ("end-of-sequence", ANSWERED), ("None", ANSWERED),
    ("", ANSWERED), (None, ANSWERED),
    ("length", TRUNCATED), ("max_tokens", TRUNCATED), ("MAX_TOKENS", TRUNCATED),
    ("model_length", TRUNCATED), ("incomplete", TRUNCATED), ("max-output-tokens", TRUNCATED),
    ("FINISH_REASON_MAX_TOKENS", TRUNCATED), ("model_context_window_exceeded", TRUNCATED),
    ("pause_turn", TRUNCATED), ("tool_calls", TRUNCATED), ("Zwischenstand", TRUNCATED),
    ("end_of_context", TRUNCATED), ("stop_max", TRUNCATED), ("token", TRUNCATED),
    ("content_filter", REFUSED), ("SAFETY", REFUSED), ("refusal", REFUSED), ("sensitive", REFUSED),
    ("error", CUT), ("network_error", CUT), ("cancelled", CUT), ("abort", CUT),
    ("insufficient_system_resource", CUT),
]  # fmt: skip


def test_only_a_known_end_makes_an_answer_whole_however_it_is_spelled() -> None:
    usage = {"prompt_tokens": 15, "completion_tokens": 3}
    told = replies("chat", *(completion({"content": GOOD}, s, usage=usage) for s, _ in STOPS))
    for (stop, ending), reply in zip(STOPS, told, strict=True):
        assert (reply.ending, reply.text) == (ending, GOOD), stop
        assert reply.usage == Usage(15, 3), stop
        assert ending is ANSWERED or (stop or "") in reply.detail, stop
    claude = [(stop, ending) for stop, ending in STOPS if stop]
    told = replies("anthropic", *(stream(*message(["text"], stop)) for stop, _ in claude))
    assert [reply.ending for reply in told] == [ending for _, ending in claude]
    reasons = ("max_output_tokens", "stop", "", "content_filter")
    told = replies("openai", *(stream(response([GOOD], "incomplete", why)) for why in reasons))
    assert [reply.ending for reply in told] == [TRUNCATED, TRUNCATED, TRUNCATED, REFUSED]


FULL = {"prompt_tokens": 15, "completion_tokens": 100}  # all that may be said
ENDS: list[tuple[dict[str, object], CallEnding]] = [
    ({"finish_reason": "stop", "native_finish_reason": "MAX_TOKENS"}, TRUNCATED),
    ({"finish_reason": None, "native_finish_reason": "length"}, TRUNCATED),
    ({"finish_reason": "stop", "native_finish_reason": "end_turn"}, ANSWERED),
    ({"finish_reason": "stop", "stop_reason": 151645}, ANSWERED),
    ({"stop_reason": "max_tokens"}, TRUNCATED),
    ({"finish_details": {"type": "max_tokens"}}, TRUNCATED),
    ({"finish_reason": {"type": "length"}}, TRUNCATED),
    ({"finish_reason": ["so"]}, TRUNCATED),
    ({"finish_reason": "stop", "usage": FULL}, TRUNCATED),
    ({"usage": FULL}, TRUNCATED),
    ({"usage": FULL | {"completion_tokens": 99}}, ANSWERED),
]


def test_an_end_is_read_wherever_it_stands_and_doubted_where_no_room_was_left() -> None:
    said = {"message": {"content": GOOD}}
    told = replies("chat", *(body({"choices": [said | choice]}) for choice, _ in ENDS))
    for (choice, ending), reply in zip(ENDS, told, strict=True):
        assert (reply.ending, reply.text) == (ending, GOOD), choice


def chunk(delta: object, stop: str | None = None, **more: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": stop}], **more}


def frames(*events: object, before: str = "", end: str = "\n\n") -> Scene:
    lines = (each if isinstance(each, str) else json.dumps(each) for each in events)
    return raw(before + "".join(f"data: {line}{end}" for line in lines))


def test_a_stream_that_nobody_asked_for_is_read_if_it_is_whole() -> None:
    thought, first = chunk({"reasoning": GOOD}), chunk({"role": "assistant", "content": GOOD[:50]})
    spoken = (thought, first, chunk({"content": GOOD[50:]}))
    used: dict[str, object] = {"choices": [], "usage": READ}
    table = [
        (frames(*spoken, chunk({}, "stop"), used, "[DONE]"), ANSWERED, GOOD),
        (
            frames(*spoken, chunk({}, "stop"), used, before=": WAIT\n\n", end="\r\n\r\n"),
            ANSWERED,
            GOOD,
        ),
        (frames(*spoken, used, "[DONE]"), ANSWERED, GOOD),
        (frames(*spoken, chunk({}, "length"), used, "[DONE]"), TRUNCATED, GOOD),
        (frames(*spoken, used), CUT, GOOD),
        (frames(*spoken[:2], used, '{"choices": [{"del'), CUT, GOOD[:50]),
        (frames(used, first, {"error": {"code": 429, "message": "wait"}}), CUT, GOOD[:50]),
        (frames(thought, used, "[DONE]"), EMPTY, ""),
    ]
    for (_, ending, text), reply in zip(
        table, replies("chat", *(row[0] for row in table)), strict=True
    ):
        assert (reply.ending, reply.text, reply.usage) == (ending, text, Usage(15000, 300))
        assert reply.thought or ending is CUT
    early = frames({"error": {"code": 429, "message": "try again in 20 s"}})
    nothing = raw("event: ping\n\n")
    refused, none = replies("chat", early, nothing)
    assert (refused.ending, refused.retry_after) == (CallEnding.RATE_LIMITED, 20)
    assert none.ending is CallEnding.MALFORMED


def test_a_whole_body_is_read_where_a_stream_was_asked_for() -> None:
    counts = {"input_tokens": 15, "output_tokens": 3}
    parts = [{"type": "thinking", "thinking": "x"}, {"type": "text", "text": GOOD}]
    claude = {"type": "message", "content": parts, "usage": counts}
    output = [{"type": "message", "content": [{"type": "output_text", "text": GOOD}]}]
    talker = {"object": "response", "output": output, "usage": counts}
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}
    scenes = [body(claude | {"stop_reason": stop}) for stop in ("end_turn", "max_tokens", None)]
    told = replies("anthropic", *scenes, body(overloaded))
    assert [each.ending for each in told] == [ANSWERED, TRUNCATED, CallEnding.MALFORMED, CUT]
    assert [each.usage for each in told[:2]] == [Usage(15, 3)] * 2
    scenes = [body(talker | {"status": status}) for status in ("completed", "incomplete", "queued")]
    told += replies("openai", *scenes, frames({"type": "error", "message": "no"}))
    assert [each.ending for each in told[4:]] == [ANSWERED, TRUNCATED, CallEnding.MALFORMED, CUT]
    assert [told[at].text for at in (0, 1, 4, 5)] == [GOOD] * 4


def message(texts: list[str], stop: str, kind: str = "text") -> list[dict[str, Any]]:
    """Return the events of a message of Anthropic's, a block for each text."""
    field = "thinking" if kind == "thinking" else "text"
    usage = {"input_tokens": 15, "output_tokens": 1}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {"usage": usage}}]
    for text in texts:
        block = {"type": kind, field: ""}
        events.append({"type": "content_block_start", "content_block": block})
        delta = {"type": f"{kind}_delta", field: text}
        events.append({"type": "content_block_delta", "delta": delta})
    ended = {"delta": {"stop_reason": stop}, "usage": {"output_tokens": 3}}
    return [*events, {"type": "message_delta", **ended}, {"type": "message_stop"}]


def response(
    texts: list[str],
    status: str = "completed",
    reason: str = "",
    usage: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """Return the last event of a response of OpenAI's, a message for each text."""
    parts = [[{"type": "output_text", "text": text}] for text in texts]
    thoughts = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "a draft"}]}
    output = [thoughts, *({"type": "message", "content": part} for part in parts)]
    details = {"incomplete_details": {"reason": reason}, "usage": usage}
    told = {"status": status, "output": output, **details}
    return {"type": f"response.{status}", "response": told}


def test_texts_of_one_answer_stand_on_lines_of_their_own_and_thoughts_are_none() -> None:
    draft = {"type": "thinking", "thinking": "x", "text": "hypothesis: the draft"}
    parts: list[object] = [draft, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    parts += [{"type": "reasoning", "text": "no"}, {"text": "no", "thought": True}, {"text": "c"}]
    assert replies("chat", completion({"content": parts}))[0].text == "a\nb\nc"
    lined = [{"type": "text", "text": "a\n"}, {"type": "text", "text": "b"}, {"text": "\nc"}]
    assert replies("chat", completion({"content": lined}))[0].text == "a\nb\nc"
    for content in ({"type": "text", "text": "a"}, ["a"], "a"):
        assert replies("chat", completion({"content": content}))[0].text == "a"
    # As a completion without a chat would have it.
    plain = body({"choices": [{"text": "all of it", "finish_reason": "stop"}]})
    assert replies("chat", plain)[0].text == "all of it"
    told = replies("anthropic", stream(*message(["a", "b\n", "c"], "end_turn")))
    assert told[0].text == "a\nb\nc"
    assert replies("openai", stream(response(["a", "b\n", "c"])))[0].text == "a\nb\nc"
    added = [{"type": "response.content_part.added"}]
    spoken = [[*added, {"type": "response.output_text.delta", "delta": text}] for text in "ab"]
    end = {"type": "response.completed", "response": {"output": []}}
    assert replies("openai", stream(*spoken[0], *spoken[1], end))[0].text == "a\nb"


def test_an_answer_of_thoughts_alone_is_empty_counted_and_known_for_it() -> None:
    used = {"prompt_tokens": 15, "completion_tokens": 3}
    thoughts = [{"reasoning_content": GOOD}, {"reasoning": GOOD}, {"thinking": GOOD}]
    scenes = [completion({"content": text, **each}, "length", usage=used)
              for text in ("", None, "\n\n") for each in thoughts]  # fmt: skip
    told = replies("chat", *scenes)
    told += replies("anthropic", stream(*message([GOOD], "max_tokens", "thinking")))
    counts = {"input_tokens": 15, "output_tokens": 3}
    told += replies("openai", stream(response([], "incomplete", "max_output_tokens", counts)))
    for reply in told:
        assert (reply.ending, reply.text.strip(), reply.usage) == (EMPTY, "", Usage(15, 3))
        assert reply.thought
        assert reply.starved
    hidden = used | {"completion_tokens_details": {"reasoning_tokens": 3}}
    assert replies("chat", completion({"content": ""}, usage=hidden))[0].thought
    odd = [body({"choices": [], "usage": used}), completion({"content": None}, usage=used)]
    for reply in replies("chat", *odd):
        assert (reply.ending, reply.usage, reply.starved) == (EMPTY, Usage(15, 3), False)


READ = {"prompt_tokens": 15000, "completion_tokens": 300}
USAGES: list[tuple[Mapping[str, object], Usage]] = [
    ({"prompt_tokens": 15000.0, "completion_tokens": "300"}, Usage(15000, 300)),
    ({"input_tokens": 15000, "output_tokens": 300}, Usage(15000, 300)),
    (READ | {"cached_tokens": 12000.0}, Usage(15000, 300, 12000)),
    (READ | {"cache_read_input_tokens": 12000, "total_tokens": 15300}, Usage(15000, 300, 12000)),
    (READ | {"prompt_cache_hit_tokens": 12000, "prompt_cache_miss_tokens": 3000},
     Usage(15000, 300, 12000)),
    (READ | {"prompt_tokens_details": {"cached_tokens": "12000"}, "cached_tokens": 12000},
     Usage(15000, 300, 12000)),
    (READ | {"cacheReadInputTokens": 9000, "cache_creation_input_tokens": 500},
     Usage(15000, 300, 9000, 500)),
    (READ | {"input_tokens_details": {"cached_tokens": 12000}}, Usage(15000, 300, 12000)),
    ({"inputTokens": 15000, "outputTokens": 300, "totalTokens": 15300}, Usage(15000, 300)),
    ({"input_tokens": 5000, "cache_read_input_tokens": 3000, "output_tokens": 300},
     Usage(8000, 300, 3000)),
    # The total says that the cached ones are no part of the input, or that thoughts are no part
    # of the output.
    (READ | {"cache_read_input_tokens": 12000, "total_tokens": 27300}, Usage(27000, 300, 12000)),
    (READ | {"total_tokens": 18300}, Usage(15000, 3300)),
]  # fmt: skip


def test_tokens_are_counted_in_every_spelling_and_cached_ones_priced_as_cached() -> None:
    rates = PriceSettings(2.0, 8.0, cached=0.2, written=2.5)
    for told, usage in USAGES:
        (settled,), _ = asked(completion({"content": "x"}, usage=told), rates=rates)
        fresh = usage.input - usage.cached - usage.written
        dear = 2.0 * fresh + 0.2 * usage.cached + 2.5 * usage.written + 8.0 * usage.output
        assert settled == pytest.approx(dear / 1e6, abs=1e-9), told
        (streamed,) = replies("openai", stream(response(["x"], usage=told)))
        assert streamed.usage == usage, told


def test_what_was_said_and_told_as_nothing_is_not_counted() -> None:
    zeros: list[dict[str, int]] = [
        {"prompt_tokens": 0, "completion_tokens": 0},
        {"prompt_tokens": 0, "completion_tokens": 3},
        {"prompt_tokens": 15, "completion_tokens": 0},
    ]
    rates = PriceSettings(2.0, 8.0)
    scenes = [completion({"content": "x"}, usage=told) for told in zeros]
    broken = {"code": 429, "message": "no"}
    half = {"message": {"content": "x"}, "finish_reason": "error", "error": broken}
    settled, ledger = asked(*scenes, body({"choices": [half]}), rates=rates)
    assert settled == [None] * 4
    assert [each.ending for each in ledger.settled.values()] == [ANSWERED] * 3 + [CUT]
    # What a refusal or a failure tells counts as well.
    paid = failure(500, "no", headers=[("x-litellm-response-cost", "0.5")])
    assert asked(paid, rates=rates)[0] == [0.5]
    flagged = {"error": {"code": 403, "message": "no", "type": "content_filter"}, "usage": READ}
    assert asked(body(flagged), rates=rates)[0] == [pytest.approx(0.0324, abs=1e-9)]
    assert asked(body({"x": {"usage": READ}, "choices": []}), rates=rates)[0] == [
        pytest.approx(0.0324, abs=1e-9)
    ]
    events = message(["x"], "end_turn")
    events[-2]["usage"] = {"input_tokens": 0, "output_tokens": 3}
    assert replies("anthropic", stream(*events))[0].usage == Usage(15, 3)


def asked(
    *scenes: Scene, rates: PriceSettings | None = None, ledger: FreeLedger | None = None
) -> tuple[list[float | None], FreeLedger]:
    """Return what calls of a model on loopback cost; without rates it is free."""
    ledger = ledger or FreeLedger()
    with FakeLlm(scenes) as fake:
        asking = model("chat", fake)
        own = {} if rates is None else {f"openai:{asking.model}@{fake.v1}": rates}
        cost = price(asking.provider, asking.model, own=own, base_url=fake.v1)
        metered = MeteredModel("spec", PricedModel(asking, cost), ledger=ledger)
        for _ in scenes:
            metered.ask(PROMPT, purpose="propose", max_output=100)
    return [settled.cost for settled in ledger.settled.values()], ledger


COSTS: list[tuple[Mapping[str, object], tuple[tuple[str, str], ...], float]] = [
    ({"usage": READ | {"cost": 0.031}}, (), 0.031),
    ({"usage": READ | {"cost": "0.031"}}, (), 0.031),
    ({"usage": READ | {"total_cost": 0.031}}, (), 0.031),
    ({"usage": READ | {"estimated_cost": 0.031}}, (), 0.031),
    ({"usage": READ | {"cost": {"input_tokens_cost": 0.03, "total_cost": 0.031}}}, (), 0.031),
    ({"usage": READ, "cost": 0.031}, (), 0.031),
    ({"cost_usd": 0.031}, (), 0.031),
    ({"usage": READ}, (("x-litellm-response-cost", "0.031"),), 0.031),
    # One's own key: the gateway's fee, and the provider's share beside it.
    ({"usage": READ | {"cost": 0.001, "cost_details": {"upstream_inference_cost": 0.031}}}, (),
     0.032),
    ({"usage": READ | {"cost": 0.031, "cost_details": {"upstream_inference_cost": 0.031}}}, (),
     0.031),
    ({"choices": [{"message": {"content": "x", "provider_metadata": {"gateway": {"cost": "0.5"}}},
                   "finish_reason": "stop"}]}, (), 0.5),
    # What is no amount of dollars is not believed; nothing is what is said of unknown models.
    ({"usage": READ | {"cost": -1}}, (), 0.0324),
    ({"usage": READ | {"cost": 0}}, (), 0.0324),
    ({"usage": READ | {"cost": "free"}}, (), 0.0324),
    ({"usage": READ | {"cost": True}}, (), 0.0324),
    ({"usage": READ | {"cost": 1e12}}, (), 0.0324),
    ({"usage": READ | {"cost_in_usd_ticks": 31}}, (), 0.0324),
    ({"usage": READ}, (("x-litellm-response-cost", "None"),), 0.0324),
]  # fmt: skip


def test_a_cost_that_the_reply_tells_counts_where_it_can_be_one() -> None:
    choices = {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}
    scenes = [body(choices | dict(told), headers=headers) for told, headers, _ in COSTS]
    settled, _ = asked(*scenes, rates=PriceSettings(2.0, 8.0))
    for row, cost in zip(COSTS, settled, strict=True):
        assert cost == pytest.approx(row[2], abs=1e-9), row
    counts = {"input_tokens": 15, "output_tokens": 3, "cost": 0.031}
    (reply,) = replies("openai", stream(response(["x"], usage=counts)))
    assert reply.cost == 0.031
    events = message(["x"], "end_turn")
    (reply,) = replies("anthropic", stream(*events, headers=[("x-litellm-response-cost", "0.5")]))
    assert reply.cost == 0.5


def test_a_told_cost_counts_on_loopback_too_and_no_cap_is_blind(tmp_path: Path) -> None:
    scene = completion({"content": "x"}, usage=READ | {"cost": 0.031})
    settled, free = asked(scene, scene)
    assert settled == [0.031, 0.031]
    assert [intent.worst for intent in free.intents] == [0.0, 0.031]  # it has learned
    registry = Registry.open(tmp_path / "registry.db", create=True)
    ledger = registry.ledger(registry.save(a_study("night")), Caps(run=0.1))
    with FakeLlm([scene], endless=True) as fake:
        asking = model("chat", fake)
        cost = price(asking.provider, asking.model, own={}, base_url=fake.v1)
        metered = MeteredModel("spec", PricedModel(asking, cost), ledger=ledger)
        ends = [metered.ask(PROMPT, purpose="propose", max_output=9) for _ in range(5)]
        assert len(fake.requests) == 3
    assert [isinstance(end, Answer) for end in ends] == [True, True, True, False, False]
    assert isinstance(ends[-1], ProposeFailure)
    assert ends[-1].planned
    assert ledger.remaining() == pytest.approx(0.007, abs=1e-9)
    registry.close()


def wants(request: Request, forbidden: Mapping[str, str]) -> Scene:
    """Refuse a request for what it must not say, else answer."""
    said = request.raw.decode()
    for what, refusal in forbidden.items():
        if what in said:
            return failure(400, refusal)
    return answer("yes")


# Of each API: what may not be in the request, with the refusal; what must be in it then.
REFUSALS: list[tuple[str, dict[str, str], tuple[str, ...]]] = [
    ("chat", {'"max_tokens"': "Unsupported parameter: 'max_tokens' is not supported with this "
              "model. Use 'max_completion_tokens' instead."}, ('"max_completion_tokens":32000',)),
    ("chat", {'"max_tokens":32000': "max_tokens is too large: 32000. o4-mini-2025-04-16 supports "
              "at most 16,384 completion tokens, whereas you provided 32000."},
     ('"max_tokens":16384',)),
    ("chat", {"32000": "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"},
     ('"max_tokens":8192',)),
    ("chat", {"32000": "Unable to submit request because it has a maxOutputTokens value of 32000 "
              "but the supported range is from 1 (inclusive) to 8193 (exclusive)"},
     ('"max_tokens":8192',)),
    ("chat", {"effort": "m does not support thinking"}, ()),
    ("chat", {"effort": "Unrecognized request argument supplied: reasoning_effort"}, ()),
    ("chat", {'"xhigh"': "Unsupported value: 'reasoning_effort' does not support 'xhigh' with this "
              "model. Supported values are: 'low', 'medium', and 'high'."},
     ('"reasoning_effort":"high"',)),
    ("chat", {'"system"': "System role not supported"}, ('"user","content":"Rules.\\n\\nTask."',)),
    ("chat", {'"system"': "Unsupported value: 'messages[0].role' does not support 'system', but "
              "'developer' and 'user'"}, ('"developer","content":"Rules."',)),
    ("chat", {'"system"': "role system?", '"max_tokens"': "max_tokens: extra inputs", "effort":
              "reasoning_effort: extra inputs"}, ('"max_completion_tokens":32000',)),
    ("chat", {":32000": "'max_tokens' is too large: 32000. This model's maximum context length is "
              "32768 tokens and your request has 15000 input tokens (32000 > 32768 - 15000)."},
     ('"max_tokens":17768',)),
    ("chat", {":32000": "This model's maximum context length is 32768 tokens. However, you "
              "requested 47000 tokens (15000 in the messages, 32000 in the completion)."},
     ('"max_tokens":17768',)),
    ("chat", {":32000": "`inputs` tokens + `max_new_tokens` must be <= 32769. Given: 15000 "
              "`inputs` tokens and 32000 `max_new_tokens`"}, ('"max_tokens":17769',)),
    ("chat", {'"max_tokens"': "max_tokens is not supported by this model in v1/chat/completions"},
     ('"max_completion_tokens":32000',)),
    ("chat", {":32000": "The maximum tokens you requested exceeds the model limit of 8192."},
     ('"max_tokens":8192',)),
    ("chat", {":32000": "too many tokens: max tokens must be at most 4096, not 32000"},
     ('"max_tokens":4096',)),
    ("openai", {'"store"': "Unknown parameter: 'store'."}, ("prompt_cache_key",)),
    ("openai", {"prompt_cache_key": "prompt_cache_key: Extra inputs are not permitted"},
     ('"store":false', "prompt_cache_breakpoint")),
    ("openai", {'"developer"': "Invalid value: 'developer'. Roles are: 'system', 'user'."},
     ('"role":"system"',)),
    ("openai", {"effort": "Unsupported parameter: 'reasoning.effort'"}, ()),
    ("openai", {"32000": "max_output_tokens: at most 16384"}, ('"max_output_tokens":16384',)),
    ("anthropic", {"32000": "max_tokens: 32000 > 8192, which is the maximum allowed number of "
                   "output tokens for claude-3-5-haiku-20241022"}, ('"max_tokens":8192',)),
    ("anthropic", {"32000": "input length and `max_tokens` exceed context limit: 190000 + 32000 > "
                   "200000"}, ('"max_tokens":10000',)),
    ("anthropic", {"effort": "This model does not support the effort parameter."}, ()),
    ("anthropic", {"cache_control": "system.0.cache_control: Extra inputs are not permitted"}, ()),
    ("anthropic", {'"system"': "system: Extra inputs are not permitted"}, ('"Rules."',)),
]  # fmt: skip


def test_a_refusal_that_names_what_we_send_is_adapted_to_and_remembered() -> None:
    for api, forbidden, wanted in REFUSALS:
        with FakeLlm(partial(wants, forbidden=forbidden)) as fake:
            asking = model(api, fake, effort="xhigh")
            told = [asking.complete(PROMPT, max_output=32000) for _ in range(2)]
            sent = [request.raw.decode() for request in fake.requests]
        assert [reply.text for reply in told] == ["yes", "yes"], forbidden
        assert len(sent) == 2 + len(forbidden), forbidden
        assert all(part in said for part in wanted for said in sent[-2:]), (sent[-1], wanted)
        assert all("Rules." in said for said in sent), forbidden


def test_a_refusal_with_status_200_is_adapted_to_as_well() -> None:
    refusal = body({"error": {"code": 400, "message": "max_tokens: at most 4096", "param": None}})
    with FakeLlm([refusal, answer("yes")]) as fake:
        assert model("chat", fake).complete(PROMPT, max_output=32000).text == "yes"
        assert fake.requests[1].body["max_tokens"] == 4096


def test_a_refusal_behind_a_gateway_or_by_a_template_is_adapted_to_as_well() -> None:
    behind = {"raw": '{"error":{"message":"reasoning_effort is not supported"}}'}
    gateway = {"error": {"message": "Provider returned error", "code": 400, "metadata": behind}}
    template = {"error": {"code": 500, "message": "Jinja Exception: System role not supported"}}
    for refusal, status, gone in ((gateway, 400, "effort"), (template, 500, '"system"')):
        with FakeLlm([body(refusal, status=status), answer("yes")]) as fake:
            assert model("chat", fake, effort="low").complete(PROMPT, max_output=9).text == "yes"
            assert gone in fake.requests[0].raw.decode()
            assert gone not in fake.requests[1].raw.decode()
    with FakeLlm([failure(500, "the system failed")], endless=True) as fake:
        assert model("chat", fake).complete(PROMPT, max_output=9).ending is CallEnding.OVERLOADED
        assert len(fake.requests) == 1


def test_a_server_that_only_streams_is_asked_for_a_stream() -> None:
    def only_streams(request: Request) -> Scene:
        if not request.body.get("stream"):
            return failure(400, "enable_thinking must be false for non-streaming calls")
        if "stream_options" in request.body:
            return failure(400, "stream_options: extra inputs")
        return frames(chunk({"content": "yes"}, "stop"))

    with FakeLlm(only_streams) as fake:
        asking = model("chat", fake, effort="low")
        assert [asking.complete(PROMPT, max_output=9).text for _ in "ab"] == ["yes", "yes"]
        assert len(fake.requests) == 4
        assert all(each.body["reasoning_effort"] == "low" for each in fake.requests)


def test_what_may_mean_a_long_prompt_is_taken_for_one() -> None:
    said = [
        "Your request exceeded model token limit: 8192",
        "Prompt exceeds max length",
        "invalid params, context window exceeds limit (2013)",
        "This model's maximum prompt length is 131072 but the request contains 150000 tokens.",
        "Range of input length should be [1, 30720]",
        "prompt token count of 150000 exceeds the limit of 128000",
        "length of prompt_tokens (15000) must be less than max_seq_len (8192)",
        "maximum context length is 40960. You requested 100 and sent at least 40861, in all 40961",
    ]
    told = replies("chat", *(failure(400, each) for each in said))
    assert [each.ending for each in told] == [CallEnding.TOO_LONG] * len(said)
    others = [
        "messages: field required",
        "context deadline exceeded",
        "The model has crashed. (Exit code: 1)",
    ]
    for reply in replies("chat", *(failure(400, each) for each in others)):
        assert reply.ending is CallEnding.BAD_REQUEST


def test_a_refusal_of_nothing_that_we_can_leave_is_one() -> None:
    said = ["temperature: too hot", "max_tokens: no", "Invalid 'messages[0].role'", "store: no",
            "no model", "max_output_tokens: at least 16"]  # fmt: skip
    tight = "max_tokens 32000 exceed the context limit: 199000 + 32000 > 200000"
    assert replies("chat", failure(400, tight))[0].ending is CallEnding.TOO_LONG
    for api in APIS:
        with FakeLlm([failure(400, " ".join(said))], endless=True) as fake:
            reply = model(api, fake).complete(PROMPT, max_output=32000)
            assert len(fake.requests) < 6, api
        assert reply.ending is CallEnding.BAD_REQUEST
        assert reply.limit == 32000


def test_a_model_behind_another_api_is_named_as_that() -> None:
    said = [
        (404, "This model is only supported in v1/responses and not in v1/chat/completions."),
        (404, "This is not a chat model and thus not supported in this endpoint."),
        (400, "The chatCompletion operation does not work with the specified model"),
    ]
    for reply in replies("chat", *(failure(*each) for each in said)):
        assert reply.ending is CallEnding.NOT_FOUND
        assert "another API: openai:MODEL speaks Responses" in reply.detail
    (reply,) = replies("openai", body({"detail": "Not Found"}, status=404))
    assert "openai:MODEL@BASE_URL Chat Completions" in reply.detail


def test_how_long_to_wait_is_read_from_bodies_and_limits() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=600)
    since_1970 = int(soon.timestamp())
    limits = {"headers": {"X-RateLimit-Reset": f"{since_1970}000"}}
    google = [{"@type": "RetryInfo", "retryDelay": "37s"}]
    table: list[tuple[object, tuple[tuple[str, str], ...], float]] = [
        ({"error": {"message": "Rate limit reached. Please try again in 7m12s."}}, (), 432),
        ([{"error": {"code": 429, "message": "quota", "details": google}}], (), 37),
        ({"error": {"message": "free-models-per-day", "metadata": limits}}, (), 600),
        ({"error": {"message": "no", "retry_after": 20}}, (), 20),
        ({"error": {"message": "no"}}, (("x-ratelimit-reset", f"{since_1970}"),), 600),
        ({"error": {"message": "no"}}, (("x-ratelimit-remaining-requests", "0"),
         ("x-ratelimit-reset-requests", "6m0s"), ("x-ratelimit-remaining-tokens", "99"),
         ("x-ratelimit-reset-tokens", "2h")), 360),
        ({"error": {"message": "try again in 9 hours"}}, (("retry-after", "30"),), 30),
    ]  # fmt: skip
    for api in APIS:
        scenes = [body(told, status=429, headers=headers) for told, headers, _ in table]
        found = replies(api, *scenes)
        passed = (datetime.now(UTC) - soon).total_seconds() + 600
        for row, reply in zip(table, found, strict=True):
            assert reply.ending is CallEnding.RATE_LIMITED, row
            assert reply.retry_after is not None
            assert row[2] - passed - 2 < reply.retry_after <= row[2], row


def test_a_prompt_that_was_cut_in_silence_is_told_once() -> None:
    told: list[str] = []
    counts = [0, 40_000, 6000, 2050, 2050]
    scenes = [completion({"content": "x"}, usage=READ | {"prompt_tokens": c}) for c in counts]
    with FakeLlm(scenes) as fake:
        asking = model("chat", fake)
        cost = price(asking.provider, asking.model, own={}, base_url=fake.v1)
        metered = MeteredModel(
            "spec", PricedModel(asking, cost), ledger=FreeLedger(), tell=told.append
        )
        for _ in counts[:3]:
            metered.ask(LONG, purpose="propose", max_output=9)
        assert told == []
        for _ in counts[3:]:
            metered.ask(LONG, purpose="propose", max_output=9)
    (line,) = told
    assert "2,050 tokens were counted in a prompt of 50,006 characters" in line
    assert "OLLAMA_CONTEXT_LENGTH" in line


def brief() -> Brief:
    return Brief(
        study="night", number=2, incumbent_id=1, program="Lower it.", entry="train.py",
        files={"train.py": TRAIN}, base_files={"train.py": TRAIN}, salt="salt",
    )  # fmt: skip


def proposed(*scenes: Scene) -> tuple[Proposal | ProposeFailure, FreeLedger, list[int]]:
    """Return what a chat model proposes, the ledger, and how much room each request had."""
    ledger, settings = FreeLedger(), LlmSettings()
    with FakeLlm(scenes) as fake:
        asking = model("chat", fake)
        cost = price("x", "y", own={"x:y": PriceSettings(1000.0, 1000.0)}, base_url=None)
        metered = MeteredModel("spec", PricedModel(asking, cost), ledger=ledger)
        proposer = LlmProposer("spec", metered, Prompting(settings, folder=None), settings)
        made = proposer.propose(brief(), accepted)
        assert not isinstance(made, Several)
        return made, ledger, [request.body["max_tokens"] for request in fake.requests]


def test_what_is_sent_back_says_what_was_wrong_and_starved_answers_get_more_room() -> None:
    good = answer(GOOD)
    starved = completion({"content": "", "reasoning_content": "hm"}, "length")
    table = [
        (completion({"content": "", "reasoning": "hm"}), "thoughts are not read"),
        (completion({"content": None, "tool_calls": [{}]}, "tool_calls"), "there are none"),
        (completion({"content": GOOD}, "checkpoint"), "ended with 'checkpoint'"),
        (completion({"content": GOOD}, "max_tokens"), "was cut at 32000 tokens"),
        (completion({"content": ""}), "was empty"),
    ]
    for scene, words in table:
        made, ledger, rooms = proposed(scene, good)
        assert isinstance(made, Proposal), words
        assert words in ledger.sent_back[1]
        assert rooms == [32000, 32000]
    made, ledger, rooms = proposed(starved, good)
    assert "all of its 32000 tokens went into thoughts" in ledger.sent_back[1]
    assert rooms == [32000, 64000]
    assert ledger.intents[1].worst - ledger.intents[0].worst >= 32
    # Where so much may not be had, it is asked with what may.
    for refusal in (failure(400, "the context length is exceeded: 64000"), failure(400, "no")):
        made, ledger, rooms = proposed(starved, refusal, good)
        assert isinstance(made, Proposal)
        assert rooms == [32000, 64000, 32000]
        assert made.hypothesis.startswith("no soft cap")


def test_an_answer_that_broke_off_is_no_proposal_and_is_paid() -> None:
    made, ledger, _ = proposed(completion({"content": GOOD}, "error", usage=READ))
    assert isinstance(made, ProposeFailure)
    assert not made.final
    assert ledger.settled[1].cost == pytest.approx(15.3, abs=1e-9)
