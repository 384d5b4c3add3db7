"""Every way a call can end, for every API, through the real SDKs over HTTP to a local server."""

import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from urllib.parse import urlsplit

import pytest

from autoresearch.config import Keys
from autoresearch.proposers.models import Model, Prompt, Reply, Section
from autoresearch.proposers.models.adapting import AdaptingModel, Form
from autoresearch.proposers.models.anthropic import AnthropicModel
from autoresearch.proposers.models.chat import ChatModel
from autoresearch.proposers.models.client import ModelAnswer, ModelClient
from autoresearch.proposers.models.connection import Connection, _Attempt
from autoresearch.proposers.models.responses import ResponsesModel
from autoresearch.records.money import CallEnding, Usage
from tests.fake_llm import FakeLlm, Scene, Tokens, answer, broken, cut, drip, failure, hang, raw
from tests.fake_scenes import stream
from tests.fake_wire import failed_event
from tests.processes import until

KEY = "sk-test-0123456789abcdefghij"
APIS = ("anthropic", "openai", "chat")
PROMPT = Prompt((Section("Rules."),), (Section("Task.", cache=True), Section("Now.")))
KEYS = Keys({"ANTHROPIC_API_KEY": KEY})


def model(api: str, url: str, *, timeout: float = 240.0, key: str | None = KEY) -> Model:
    if api == "chat":
        client = ModelClient(urlsplit(url).netloc, "m", key, timeout, KEYS.redact)
        return ChatModel(client, base_url=f"{url}/v1")
    client = ModelClient(api, "m", key or "", timeout, KEYS.redact)
    if api == "anthropic":
        return AnthropicModel(client, base_url=url)
    return ResponsesModel(client, base_url=f"{url}/v1")


def asked(api: str, scene: Scene, *, timeout: float = 240.0, key: str | None = KEY) -> Reply:
    with FakeLlm([scene]) as fake:
        reply = model(api, fake.url, timeout=timeout, key=key).complete(PROMPT, max_output=100)
        assert len(fake.requests) == 1
    assert KEY not in repr(reply)
    return reply


def each_asked(api: str, *scenes: Scene) -> list[Reply]:
    """Return one model's replies to these scenes, one request each."""
    with FakeLlm(scenes) as fake:
        asking = model(api, fake.url)
        replies = [asking.complete(PROMPT, max_output=100) for _ in scenes]
        assert len(fake.requests) == len(scenes)
    assert KEY not in repr(replies)
    return replies


@pytest.mark.parametrize("api", APIS)
def test_an_answer_comes_word_for_word_with_its_usage(api: str) -> None:
    text = "hypothesis: größer ⇒ besser\n\n" + "x = 1  # line\n" * 200
    reply = asked(api, answer(text, thought="let me think"))
    assert (reply.ending, reply.text, reply.detail) == (CallEnding.ANSWERED, text, "")
    assert reply.usage is not None
    assert reply.usage.output == len(text.encode()) // 4 + 1
    assert 0 < reply.latency < 20


@pytest.mark.parametrize("api", APIS)
def test_an_answer_at_its_limit_is_truncated_and_keeps_its_text(api: str) -> None:
    reply = asked(api, answer("half of it", stop="length"))
    assert (reply.ending, reply.text) == (CallEnding.TRUNCATED, "half of it")
    assert reply.usage is not None


@pytest.mark.parametrize("api", APIS)
def test_a_refusal_is_told(api: str) -> None:
    reply = asked(api, answer("I would rather not.", stop="refusal"))
    assert reply.ending is CallEnding.REFUSED
    assert reply.usage is not None
    assert "refused" in reply.detail


@pytest.mark.parametrize("api", APIS)
def test_an_answer_of_nothing_is_empty(api: str) -> None:
    reply = asked(api, answer(" \n", thought="hm"))
    assert reply.ending is CallEnding.EMPTY
    assert reply.usage is not None


@pytest.mark.parametrize("api", APIS)
def test_an_answer_without_usage_is_an_answer_all_the_same(api: str) -> None:
    reply = asked(api, answer("text", uncounted=True))
    assert (reply.ending, reply.usage) == (CallEnding.ANSWERED, None)


FAILURES = [
    (failure(401, "invalid x-api-key"), CallEnding.UNAUTHORIZED),
    (failure(403, "not for you"), CallEnding.UNAUTHORIZED),
    (failure(402, "pay first"), CallEnding.NO_CREDIT),
    (failure(400, "Your credit balance is too low to access the API"), CallEnding.NO_CREDIT),
    (failure(400, "You have reached your specified API usage limits."), CallEnding.NO_CREDIT),
    (failure(429, "quota", code="insufficient_quota", error="insufficient_quota"),
     CallEnding.NO_CREDIT),
    (failure(429, "slower"), CallEnding.RATE_LIMITED),
    (failure(429, "Request too large for m on tokens per min"), CallEnding.TOO_LONG),
    (failure(429, "Request too large for m on tokens per min (TPM): Limit 9, Requested 99. "
             "See https://example.invalid/account/rate-limits"), CallEnding.TOO_LONG),
    (failure(429, "Too many tokens, please wait before trying again."), CallEnding.RATE_LIMITED),
    (failure(429, "Too many tokens per minute"), CallEnding.RATE_LIMITED),
    (failure(429, "Too many tokens. Retry in 3 s"), CallEnding.RATE_LIMITED),
    (failure(429, "rate limit: too many tokens"), CallEnding.RATE_LIMITED),
    (failure(429, "too many tokens for the model to generate from"), CallEnding.TOO_LONG),
    (failure(400, "Too many tokens: shorten it and try again"), CallEnding.TOO_LONG),
    (failure(500, "oh"), CallEnding.OVERLOADED),
    (failure(502, "oh"), CallEnding.CUT),
    (failure(503, "Loading model"), CallEnding.OVERLOADED),
    (failure(504, "oh"), CallEnding.TIMED_OUT),
    (failure(520, "oh"), CallEnding.CUT),
    (failure(524, "oh"), CallEnding.TIMED_OUT),
    (failure(529, "Overloaded"), CallEnding.OVERLOADED),
    (failure(408, "late"), CallEnding.TIMED_OUT),
    (failure(413, "too big"), CallEnding.TOO_LONG),
    (failure(400, "prompt is too long: 210000 tokens > 200000 maximum"), CallEnding.TOO_LONG),
    (failure(400, "no", code="context_length_exceeded", error="context_length_exceeded"),
     CallEnding.TOO_LONG),
    (failure(400, "This model's maximum context length is 4096 tokens. However"),
     CallEnding.TOO_LONG),
    (failure(400, "the request exceeds the available context size, try increasing it"),
     CallEnding.TOO_LONG),
    (failure(400, "input length exceeds the context length"), CallEnding.TOO_LONG),
    (failure(400, "However, the model is loaded with context length of only 4096 tokens"),
     CallEnding.TOO_LONG),
    (failure(400, "input length and `max_tokens` exceed context limit: 190000 + 32000"),
     CallEnding.TOO_LONG),
    (failure(404, "model: m"), CallEnding.NOT_FOUND),
    (failure(400, "The model `m` does not exist", code="model_not_found"), CallEnding.NOT_FOUND),
    (failure(400, "temperature: too hot"), CallEnding.BAD_REQUEST),
    (failure(422, "not like this"), CallEnding.BAD_REQUEST),
    (failure(307, "there", headers=[("location", "https://elsewhere.invalid/v1")]),
     CallEnding.BAD_REQUEST),
]  # fmt: skip


@pytest.mark.parametrize("api", APIS)
def test_an_error_status_is_told_for_what_it_is(api: str) -> None:
    replies = each_asked(api, *(scene for scene, _ in FAILURES))
    for (scene, ending), reply in zip(FAILURES, replies, strict=True):
        assert (reply.ending, reply.text, reply.usage) == (ending, "", None), scene
        assert str(scene.status) in reply.detail, scene
        assert "\n" not in reply.detail, scene
        words = "elsewhere.invalid" if scene.status == 307 else scene.text
        assert words in reply.detail, scene


WAITS = [
    ("retry-after", "3", 3),
    ("retry-after-ms", "1500", 1.5),
    ("retry-after", "-3", 0),
    ("retry-after", "soon", None),
    ("retry-after", "nan", None),
    ("retry-after", "inf", None),
    ("retry-after", "86400", 86400),
    ("retry-after", "86401", 86400),
    ("retry-after", "1795000000000000", None),
    ("retry-after", "1445412480", None),  # seconds since 1970, long ago
    ("retry-after-ms", "1e300", None),
    ("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT", None),
    ("retry-after", "Mon, 01 Jan 99999 00:00:00 GMT", None),
    ("retry-after", "Mon, 01 Jan 999999999999999999999 00:00:00 GMT", None),
    ("retry-after", "Mon, 01 Jan 2026 00:00:00 -9999999999999999999999", None),
    ("retry-after", "Fri, 01 Jan 2999 00:00:00 GMT", None),
]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("status", [429, 529])
def test_how_long_to_wait_is_read_from_the_headers(api: str, status: int) -> None:
    scenes = [failure(status, headers=[(header, value)]) for header, value, _ in WAITS]
    for row, reply in zip(WAITS, each_asked(api, *scenes), strict=True):
        assert reply.retry_after == row[2], row


def test_how_long_to_wait_may_be_a_date() -> None:
    due = time.time() + 90
    reply = asked("openai", failure(429, retry_after=formatdate(due, usegmt=True)))
    assert reply.retry_after is not None
    assert due - time.time() - 2 < reply.retry_after <= 90


def test_how_long_to_wait_may_be_given_since_1970() -> None:
    due = int(time.time()) + 90
    reply = asked("openai", failure(429, retry_after=due))
    assert reply.retry_after is not None
    assert due - time.time() - 2 < reply.retry_after <= 90


@pytest.mark.parametrize("api", APIS)
def test_a_gateway_that_lost_a_request_may_have_had_it_billed(api: str) -> None:
    for status in (502, 504, 520, 524):
        reply = asked(api, failure(status))
        assert not reply.ending.free
        assert reply.usage is None


@pytest.mark.parametrize("api", APIS)
def test_a_refused_key_is_told_so_that_a_person_can_mend_it(api: str) -> None:
    reply = asked(api, failure(401, "invalid x-api-key"))
    assert "does not accept the key (401): invalid x-api-key" in reply.detail


def test_a_server_that_wants_a_key_where_none_is_set_is_told_with_the_mend() -> None:
    reply = asked("chat", failure(401, "Unauthorized"), key=None)
    assert "[llm] key_variable" in reply.detail


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("echo", [KEY, KEY[:-4], KEY[:8] + "\x1b[0m" + KEY[8:], f"x={KEY!r}\n" * 9])
def test_a_key_that_the_server_echoes_is_not_told(api: str, echo: str) -> None:
    reply = asked(api, failure(401, f"Incorrect API key provided: {echo}"))
    assert KEY[:-4] not in reply.detail
    assert KEY[4:] not in reply.detail
    assert KEY not in asked(api, answer(f"The key is {KEY}.")).text


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("key", ["none", "EMPTY", "x", "7chars."])
def test_a_key_that_is_a_common_word_is_left_in_the_code(api: str, key: str) -> None:
    code = f"{key} = {key}\n"
    with FakeLlm([answer(code)]) as fake:
        assert model(api, fake.url, key=key).complete(PROMPT, max_output=9).text == code


@pytest.mark.parametrize("api", APIS)
def test_a_key_that_only_the_line_knows_is_hidden_all_the_same(api: str) -> None:
    key = "12345678"
    with FakeLlm([answer(f"it is {key}")]) as fake:
        reply = model(api, fake.url, key=key).complete(PROMPT, max_output=9)
    assert reply.text == "it is [key]"


def test_of_what_is_handed_to_programs_only_secrets_are_hidden_and_only_whole() -> None:
    environment = {
        "OPENAI_API_KEY": "sk-openai-12345678",
        "MINE": "mine-0123456789",
        "GITHUB_TOKEN": "ghp_embedding_layer",
        "db_password": "correct horse",
        "SHORT_SECRET": "train",
        "EDITOR": "embedding",
    }
    passed = ("GITHUB_TOKEN", "db_password", "SHORT_SECRET", "EDITOR", "OPENAI_API_KEY", "NOT_SET")
    keys = Keys.read("MINE", *passed, environment=environment)
    assert keys.redact("-".join(environment.values())) == "[key]-[key]-[key]-[key]-train-embedding"
    assert keys.redact("the embedding_layer, not ghp_embedding") == (
        "the embedding_layer, not ghp_embedding"
    )
    # Of keys the halves are hidden too.
    assert keys.redact("penai-12345678 sk-openai-1234 sk-openai") == "[key] [key] sk-openai"
    assert keys.redact("mine-012345 and -0123456789") == "[key] and [key]"
    assert (keys.get("MINE"), keys.get("EDITOR")) == ("mine-0123456789", "embedding")
    assert not any(value in repr(keys) for value in environment.values())


def test_values_that_hold_one_another_are_hidden_as_a_whole() -> None:
    keys = Keys({"A": "0123456789ab", "B": "x0123456789abx"})
    assert keys.redact("x0123456789abx 0123456789ab") == "[key] [key]"


@pytest.mark.parametrize("api", APIS)
def test_a_key_is_in_no_repr_and_no_log(api: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with FakeLlm([answer("a"), failure(500), cut("x")]) as fake:
        asking = model(api, fake.url)
        for _ in range(3):
            asking.complete(PROMPT, max_output=9)
        assert all(KEY in request.headers["authorization"] for request in fake.requests)
    assert KEY not in repr(asking) + str(vars(asking)) + caplog.text


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("key", [f"{KEY}\nx", f"{KEY}ü"])
def test_a_key_that_is_none_is_refused_before_it_is_sent(api: str, key: str) -> None:
    with FakeLlm([]) as fake:
        reply = model(api, fake.url, key=key).complete(PROMPT, max_output=9)
        assert fake.requests == []
    assert reply.ending is CallEnding.UNAUTHORIZED
    assert KEY not in repr(reply)


@pytest.mark.parametrize("api", APIS)
def test_a_connection_cut_in_the_middle_is_no_answer(api: str) -> None:
    reply = asked(api, cut("the beginning of an answer"))
    assert (reply.ending, reply.usage) == (CallEnding.CUT, None)
    assert reply.text == ("" if api == "chat" else "the beginning of an answer")


@pytest.mark.parametrize("api", APIS)
def test_a_body_that_ends_early_but_cleanly_is_no_answer(api: str) -> None:
    reply = asked(api, cut("the beginning of an answer", clean=True))
    # A whole body of half a JSON text was not cut on the way: it was made so.
    assert reply.ending is (CallEnding.MALFORMED if api == "chat" else CallEnding.CUT)


def test_a_message_that_stops_without_a_reason_was_cut() -> None:
    assert asked("anthropic", answer("text", stop="none")).ending is CallEnding.CUT
    assert asked("openai", answer("text", stop="none")).ending is CallEnding.CUT


@pytest.mark.parametrize("api", APIS)
def test_an_overload_after_the_beginning_may_be_billed(api: str) -> None:
    reply = asked(api, broken("half", "Overloaded", error="overloaded_error"))
    # Chat is not streamed: there the error is all that came.
    assert reply.ending is (CallEnding.OVERLOADED if api == "chat" else CallEnding.CUT)
    assert reply.ending.free == (api == "chat")
    assert "Overloaded" in reply.detail


@pytest.mark.parametrize("api", ["anthropic", "openai"])
@pytest.mark.parametrize("thought", ["", "let me think"])
def test_an_overload_before_the_first_word_may_be_billed_too(api: str, thought: str) -> None:
    reply = asked(api, broken("", "Overloaded", thought=thought))
    assert (reply.ending, reply.usage, reply.text) == (CallEnding.CUT, None, "")
    assert "Overloaded" in reply.detail


def test_a_stream_that_breaks_after_the_count_keeps_the_count() -> None:
    reply = asked("anthropic", broken("all of it", thought="hm", late=True))
    assert (reply.ending, reply.text) == (CallEnding.CUT, "all of it")
    assert reply.usage is not None
    assert reply.usage.output == len("all of it") // 4 + 1


def test_a_count_of_the_beginning_alone_is_no_count() -> None:
    start = {"usage": {"input_tokens": 900, "output_tokens": 1}}
    reply = asked(
        "anthropic",
        stream(
            {"type": "message_start", "message": start},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "long"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
            {"type": "message_stop"},
        ),
    )
    assert (reply.ending, reply.text, reply.usage) == (CallEnding.ANSWERED, "long", None)


def _failed(code: str, *, count: bool, before: str = "response.created") -> Scene:
    tokens = Tokens(150_000, 30_000) if count else None
    name, data = failed_event(code, "so it is", tokens)
    return stream({"type": before, "response": {}}, {**data, "type": name})


@pytest.mark.parametrize("count", [True, False])
def test_a_response_that_fails_is_not_free_and_keeps_its_count(count: bool) -> None:
    for code in ("server_error", "rate_limit_exceeded"):
        reply = asked("openai", _failed(code, count=count))
        assert (reply.ending, reply.text) == (CallEnding.CUT, "")
        assert reply.usage == (Usage(150_000, 30_000) if count else None)
        assert "so it is" in reply.detail


def test_a_prompt_turned_away_in_a_stream_is_told_for_what_it_is_unless_the_model_worked() -> None:
    code = "context_length_exceeded"
    for before in ("response.created", "response.queued", "response.in_progress"):
        reply = asked("openai", _failed(code, count=False, before=before))
        assert reply.ending is CallEnding.TOO_LONG
    reply = asked("openai", _failed(code, count=False, before="response.output_item.added"))
    assert (reply.ending, reply.usage) == (CallEnding.CUT, None)


def test_a_refusal_in_a_stream_is_not_free_whatever_status_it_names() -> None:
    event = {"type": "error", "code": "400", "message": "no"}
    failed = {"type": "response.failed", "response": {"error": {**event, "type": "bio_policy"}}}
    reply = asked("openai", stream({"type": "response.created"}, failed))
    assert (reply.ending, reply.usage) == (CallEnding.REFUSED, None)


class OddError(Exception):
    """What cannot even be put into words."""

    def __str__(self) -> str:
        raise KeyError(KEY)


@pytest.mark.parametrize(
    "error", [KeyError("x"), AttributeError("x"), OddError(), AssertionError()]
)
def test_whatever_is_raised_by_reading_an_answer_is_told_and_not_raised(error: Exception) -> None:
    class Raising(AdaptingModel):
        def _ask(
            self, connection: Connection, form: Form, prompt: Prompt, max_output: int
        ) -> ModelAnswer:
            del form, prompt, max_output
            connection.say("half")
            raise error

    client = ModelClient("here", "m", KEY, 5, KEYS.redact)
    reply = Raising(client, Form({})).complete(PROMPT, max_output=9)
    assert (reply.ending, reply.text) == (CallEnding.MALFORMED, "half")
    assert ("KeyError" if isinstance(error, OddError) else type(error).__name__) in reply.detail
    assert KEY not in repr(reply)


def late(*scenes: Scene, timeout: float) -> list[Reply]:
    """Return what becomes of these scenes with every API: all at once, so that they wait once.

    Their time counts once the request is sent, however slow the machine is.
    """
    rows = [(api, scene) for api in APIS for scene in scenes]

    def join(attempt: _Attempt[ModelAnswer], seconds: float) -> None:
        until(lambda: attempt.connection.sent or not attempt.is_alive())
        threading.Thread.join(attempt, seconds)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(len(rows)) as pool:
        patch.setattr(_Attempt, "join", join)
        return list(pool.map(lambda row: asked(*row, timeout=timeout), rows))


def test_a_server_that_hangs_or_drips_ends_with_the_timeout() -> None:
    endless = "never " * 999
    drips = (drip(endless, every=0.3), drip(endless, every=0.3, headers=True))
    for reply in late(hang(), hang("begun"), *drips, timeout=1):
        assert reply.ending is CallEnding.TIMED_OUT
        assert "1 s" in reply.detail
        assert 0.9 < reply.latency < 200  # what drips would take half an hour


def test_an_attempt_that_timed_out_leaves_no_thread_behind() -> None:
    late(drip("never " * 999, every=0.2), timeout=1)
    for thread in threading.enumerate():
        if thread.name == "model":
            thread.join(200)  # what drips would take longer
            assert not thread.is_alive()


@pytest.mark.parametrize("api", APIS)
def test_a_server_that_is_not_there_is_unreachable(api: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    reply = model(api, f"http://127.0.0.1:{port}").complete(PROMPT, max_output=9)
    assert reply.ending is CallEnding.UNREACHABLE
    assert "refused" in reply.detail.lower()


@pytest.mark.parametrize("api", APIS)
def test_a_name_that_does_not_exist_is_unreachable(
    api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for: list[object] = []

    def look_up(host: object, *_: object, **__: object) -> None:
        asked_for.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    reply = model(api, "http://no-such-host.invalid").complete(PROMPT, max_output=9)
    assert reply.ending is CallEnding.UNREACHABLE
    assert len(asked_for) == 1, "it is asked once"


@pytest.mark.parametrize("api", APIS)
def test_a_server_that_speaks_no_tls_is_unreachable(api: str) -> None:
    with FakeLlm([]) as fake:
        url = fake.url.replace("http:", "https:")
        assert model(api, url).complete(PROMPT, max_output=9).ending is CallEnding.UNREACHABLE


NONSENSE = ["", "{", "[]", "null", "3", '"text"', "<html>Gateway</html>", "[" * 100_000, "\xff\xfe"]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", ["application/json", "text/html; charset=nonsense"])
def test_a_body_that_is_no_answer_is_malformed(api: str, kind: str) -> None:
    headers = [("content-type", kind)]
    scenes = [raw(body.encode("latin-1"), headers=headers) for body in NONSENSE]
    for body, reply in zip(NONSENSE, each_asked(api, *scenes), strict=True):
        assert reply.ending is CallEnding.MALFORMED, body[:99]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("status", "ending"), [(400, "bad request"), (503, "overloaded")])
def test_an_error_whose_body_says_nothing_is_told_by_its_status(
    api: str, status: int, ending: str
) -> None:
    scenes = [raw(body.encode("latin-1"), status=status) for body in NONSENSE]
    for body, reply in zip(NONSENSE, each_asked(api, *scenes), strict=True):
        assert reply.ending == ending, body[:99]


ODD = [None, 3, "text", [], [[1]], {}, {"type": None}, {"text": 4, "type": "text_delta"}]
EVENTS = (
    ("anthropic", "message_start", "message"),
    ("anthropic", "content_block_start", "content_block"),
    ("anthropic", "content_block_delta", "delta"),
    ("anthropic", "message_delta", "delta"),
    ("anthropic", "message_delta", "usage"),
    ("anthropic", "error", "error"),
    ("openai", "response.output_text.delta", "delta"),
    ("openai", "response.completed", "response"),
    ("openai", "response.incomplete", "response"),
    ("openai", "response.failed", "response"),
    ("openai", "error", "message"),
)


@pytest.mark.parametrize(("api", "kind", "name"), EVENTS)
def test_events_of_a_wrong_shape_raise_nothing(api: str, kind: str, name: str) -> None:
    scenes = [stream({"type": kind, name: odd}, odd, {"type": "unheard of"}) for odd in ODD]
    for odd, reply in zip(ODD, each_asked(api, *scenes), strict=True):
        assert isinstance(reply.ending, CallEnding), odd


@pytest.mark.parametrize(
    "wrap",
    [
        lambda odd: {"choices": odd},
        lambda odd: {"choices": [odd]},
        lambda odd: {"choices": [{"message": odd}]},
        lambda odd: {"choices": [{"message": {"content": odd}, "finish_reason": odd}]},
        lambda odd: {"choices": [{"message": {"content": "x"}}], "usage": odd},
        lambda odd: {"error": odd},
    ],
)
def test_completions_of_a_wrong_shape_raise_nothing(wrap: Callable[[object], object]) -> None:
    scenes = [raw(json.dumps(wrap(odd))) for odd in ODD]
    for odd, reply in zip(ODD, each_asked("chat", *scenes), strict=True):
        assert isinstance(reply.ending, CallEnding), odd


def test_a_server_that_speaks_no_http_is_malformed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_greet, args=(listener,))
        thread.start()
        reply = model("chat", f"http://127.0.0.1:{listener.getsockname()[1]}").complete(
            PROMPT, max_output=9
        )
        thread.join()
    assert reply.ending is CallEnding.MALFORMED


def _greet(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


def test_the_package_of_models_loads_no_sdk() -> None:
    import subprocess  # noqa: PLC0415

    code = (
        "import sys, autoresearch.proposers.models as m; "
        "sys.exit(any(name in sys.modules for name in ('openai', 'anthropic', 'httpx2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
