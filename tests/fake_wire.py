"""The three wire formats that FakeLlm speaks: Messages, Responses, Chat Completions."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Json = dict[str, Any]
Event = tuple[str, Json]  # the name of a server-sent event and its data


class Api(StrEnum):
    """An API by its path."""

    MESSAGES = "/v1/messages"
    RESPONSES = "/v1/responses"
    CHAT = "/v1/chat/completions"


@dataclass(frozen=True)
class Tokens:
    """What a call is said to have used. `input` counts all, as in the project's own Usage."""

    input: int
    output: int
    cached: int = 0
    written: int = 0


@dataclass(frozen=True)
class Speech:
    """What the fake model says. `stop` is "", "length", "refusal", or "none" for no reason."""

    model: str
    text: str
    stop: str = ""
    thought: str = ""
    tokens: Tokens | None = None


_STOPS = {
    Api.MESSAGES: {"": "end_turn", "length": "max_tokens", "refusal": "refusal", "none": None},
    Api.CHAT: {"": "stop", "length": "length", "refusal": "content_filter", "none": None},
}
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def error(api: Api, status: int, message: str, *, kind: str = "", code: str = "") -> Json:
    """Return the body of an error response."""
    if api is Api.MESSAGES:
        inner = {"type": kind or _KINDS.get(status, "api_error"), "message": message}
        return {"type": "error", "error": inner, "request_id": "req_fake"}
    kind = kind or ("server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": code or None}}


def blocks(api: Api, body: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """Return the prompt's texts in the model's order, with whether a cache may end after each."""
    if api is Api.MESSAGES:
        turns = [body.get("system", ""), *(each["content"] for each in body["messages"])]
        return [(part["text"], "cache_control" in part) for turn in turns for part in _parts(turn)]
    turns = [each["content"] for each in body["messages" if api is Api.CHAT else "input"]]
    explicit = body.get("prompt_cache_options", {}).get("mode") == "explicit"
    return [
        (part["text"], not explicit or "prompt_cache_breakpoint" in part)
        for turn in turns
        for part in _parts(turn)
    ]


def _parts(content: Any) -> list[Json]:
    return [{"text": content}] if isinstance(content, str) else content


def whole(api: Api, speech: Speech) -> Json:
    """Return an answer as one JSON body."""
    if api is Api.MESSAGES:
        return _message(speech)
    return _response(speech) if api is Api.RESPONSES else _completion(speech)


def events(api: Api, speech: Speech) -> Iterator[Event]:
    """Yield an answer as events; only Messages and Responses are streamed here."""
    if api is Api.MESSAGES:
        yield from _message_events(speech)
    else:
        yield from _response_events(speech)


def frame(event: Event) -> bytes:
    """Return a server-sent event's bytes."""
    name, data = event
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def error_event(api: Api, kind: str, message: str) -> Event:
    """Return the event of an error in the middle of a stream."""
    if api is Api.MESSAGES:
        return "error", {"type": "error", "error": {"type": kind, "message": message}}
    return "error", {
        "type": "error",
        "code": kind,
        "message": message,
        "param": None,
        "sequence_number": 99,
    }


def _pieces(text: str, size: int = 20) -> Iterator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


def _anthropic_usage(tokens: Tokens) -> Json:
    return {
        "input_tokens": tokens.input - tokens.cached - tokens.written,
        "cache_read_input_tokens": tokens.cached,
        "cache_creation_input_tokens": tokens.written,
        "output_tokens": tokens.output,
        "service_tier": "standard",
    }


def _message(speech: Speech) -> Json:
    content = [{"type": "thinking", "thinking": speech.thought, "signature": "x"}]
    content = content if speech.thought else []
    message: Json = {
        "id": "msg_fake",
        "type": "message",
        "role": "assistant",
        "model": speech.model,
        "content": [*content, {"type": "text", "text": speech.text}],
        "stop_reason": _STOPS[Api.MESSAGES][speech.stop],
        "stop_sequence": None,
    }
    if speech.tokens is not None:
        message["usage"] = _anthropic_usage(speech.tokens)
    return message


def _message_events(speech: Speech) -> Iterator[Event]:
    start = {**_message(speech), "content": [], "stop_reason": None}
    if "usage" in start:
        start["usage"] = {**start["usage"], "output_tokens": 1}
    yield "message_start", {"type": "message_start", "message": start}
    yield "ping", {"type": "ping"}
    index = 0
    if speech.thought:
        block: Json = {"type": "thinking", "thinking": "", "signature": ""}
        delta = {"type": "thinking_delta", "thinking": speech.thought}
        yield from _block(index, block, [delta])
        index += 1
    deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(speech.text)]
    yield from _block(index, {"type": "text", "text": ""}, deltas)
    end = {"stop_reason": _STOPS[Api.MESSAGES][speech.stop], "stop_sequence": None}
    last: Json = {"type": "message_delta", "delta": end}
    if speech.tokens is not None:
        last["usage"] = {"output_tokens": speech.tokens.output}
    yield "message_delta", last
    yield "message_stop", {"type": "message_stop"}


def _block(index: int, block: Json, deltas: list[Json]) -> Iterator[Event]:
    name = "content_block_start"
    yield name, {"type": name, "index": index, "content_block": block}
    name = "content_block_delta"
    for delta in deltas:
        yield name, {"type": name, "index": index, "delta": delta}
    name = "content_block_stop"
    yield name, {"type": name, "index": index}


def _response(speech: Speech, *, status: str = "") -> Json:
    incomplete = {"length": "max_output_tokens"}.get(speech.stop)
    part: Json = {"type": "output_text", "text": speech.text, "annotations": []}
    if speech.stop == "refusal":
        part = {"type": "refusal", "refusal": speech.text}
    reasoning: Json = {"type": "reasoning", "id": "rs_fake", "summary": []}
    reasoning["content"] = [{"type": "reasoning_text", "text": speech.thought}]
    message = {
        "type": "message",
        "id": "msg_fake",
        "role": "assistant",
        "status": "incomplete" if incomplete else "completed",
        "content": [part],
    }
    tokens = speech.tokens
    return {
        "id": "resp_fake",
        "object": "response",
        "created_at": 1_700_000_000,
        "model": speech.model,
        "status": status or ("incomplete" if incomplete else "completed"),
        "error": None,
        "incomplete_details": {"reason": incomplete} if incomplete else None,
        "output": [reasoning, message] if speech.thought else [message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None if tokens is None else _response_usage(tokens),
    }


def _response_usage(tokens: Tokens) -> Json:
    details = {"cached_tokens": tokens.cached, "cache_write_tokens": tokens.written}
    return {
        "input_tokens": tokens.input,
        "input_tokens_details": details,
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": tokens.input + tokens.output,
    }


def _response_events(speech: Speech) -> Iterator[Event]:
    final = _response(speech)
    begun = {**final, "status": "in_progress", "output": [], "usage": None}
    yield "response.created", {"type": "response.created", "response": begun}
    kind = "refusal" if speech.stop == "refusal" else "output_text"
    name = f"response.{kind}.delta"
    where = {"item_id": "msg_fake", "output_index": 0, "content_index": 0}
    for number, piece in enumerate(_pieces(speech.text)):
        yield name, {"type": name, **where, "delta": piece, "sequence_number": number}
    if speech.stop != "none":
        name = f"response.{final['status']}"
        yield name, {"type": name, "response": final, "sequence_number": 99}


def failed_event(code: str, message: str, tokens: Tokens | None = None) -> Event:
    """Return the event of a response that failed after it had begun."""
    response = _response(Speech("fake", "", tokens=tokens), status="failed")
    response["error"] = {"code": code, "message": message}
    return "response.failed", {"type": "response.failed", "response": response}


def _completion(speech: Speech) -> Json:
    message: Json = {"role": "assistant", "content": speech.text}
    if speech.thought:
        message["reasoning_content"] = speech.thought
    choice = {"index": 0, "message": message, "finish_reason": _STOPS[Api.CHAT][speech.stop]}
    answer: Json = {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": speech.model,
        "choices": [choice],
    }
    if speech.tokens is not None:
        answer["usage"] = {
            "prompt_tokens": speech.tokens.input,
            "completion_tokens": speech.tokens.output,
            "total_tokens": speech.tokens.input + speech.tokens.output,
            "prompt_tokens_details": {"cached_tokens": speech.tokens.cached},
        }
    return answer
