"""Models behind OpenAI's Chat Completions API on any base URL: Ollama, vLLM, LM Studio, llama.cpp.

The servers agree on little, so little is asked of them: plain strings, a stream only where they
insist, and a body that is read by hand.
"""

import re
from dataclasses import replace
from typing import cast
from urllib.parse import urlsplit

import openai
from openai.types.chat import ChatCompletionMessageParam
from openai.types.shared_params.reasoning_effort import ReasoningEffort

from autoresearch.proposers.models import faults
from autoresearch.proposers.models.adapting import AdaptingModel, Form, Part, efforts
from autoresearch.proposers.models.base import Prompt, Section
from autoresearch.proposers.models.bodies import completion, gathered
from autoresearch.proposers.models.client import (
    Json,
    ModelAnswer,
    ModelClient,
    said_since,
    sendable,
)
from autoresearch.proposers.models.connection import Connection
from autoresearch.proposers.models.faults import Fault
from autoresearch.proposers.models.fields import (
    cost_in,
    count,
    get_path,
    joined,
    members,
    reported_cost,
    reported_usage,
    texts,
    thought,
    word,
)
from autoresearch.proposers.models.openai_sdk import openai_client
from autoresearch.proposers.models.stops import at_limit, ending_of
from autoresearch.records.money import CallEnding

_REASONS = ("finish_reason", "stop_reason", "finish_details")
# Thoughts at the beginning, closed or not. Later ones may be a part of the code.
_THOUGHTS = re.compile(r"\s*<(think|thinking)>(?:.*?</\1>|.*)", re.DOTALL)
# Some templates open the thoughts in the prompt, so that only their end is in the answer: on a
# line of its own, and before the answer begins. Any other such mark is a part of what was said.
_THOUGHTS_END = re.compile(r"^[ \t]*</think>[ \t\r]*$", re.MULTILINE)
_NO_HALF = re.compile(r"<think>|^[ \t>*_`#-]*hypothesis[*_`]*[ \t]*:", re.MULTILINE | re.IGNORECASE)


class ChatModel(AdaptingModel):
    """A model on a server that speaks Chat Completions.

    Args:
        client: the client of this model, with its name, its key and its time-out.
        base_url: the server's address, mostly one that ends in /v1.
        effort: how hard it shall reason; empty: nothing is said about it.
    """

    def __init__(self, client: ModelClient, *, base_url: str, effort: str = "") -> None:
        choices = {
            Part.LIMIT: ("max_tokens", "max_completion_tokens"),
            Part.RULES: ("system", "developer", "user"),
            Part.EFFORT: efforts(effort),
            Part.STREAM: ("", "stream"),
            Part.COUNTS: ("include_usage", ""),
        }
        super().__init__(client, Form(choices))
        self._rooted = bool(urlsplit(base_url).path.strip("/"))
        self._sdk = openai_client(base_url, client)

    def _ask(
        self, connection: Connection, form: Form, prompt: Prompt, max_output: int
    ) -> ModelAnswer | Fault:
        try:
            return _said(connection, self._fetch(connection, form, prompt, form.room(max_output)))
        except openai.NotFoundError as error:
            fault = faults.of_exception(error)
            hint = "" if self._rooted else " (such base URLs mostly end in /v1)"
            return replace(fault, said=fault.said + hint)

    def _fetch(self, connection: Connection, form: Form, prompt: Prompt, room: int) -> bytes:
        effort = cast("ReasoningEffort", form.of(Part.EFFORT))
        newer = form.of(Part.LIMIT) == "max_completion_tokens"
        streaming: dict[str, object] = {"stream": True} if form.of(Part.STREAM) else {}
        if streaming and form.of(Part.COUNTS):
            streaming["stream_options"] = {"include_usage": True}
        with self._sdk.chat.completions.with_streaming_response.create(
            model=self.model,
            messages=_messages(prompt, form.of(Part.RULES)),
            max_tokens=openai.omit if newer else room,
            max_completion_tokens=room if newer else openai.omit,
            reasoning_effort=effort or openai.omit,
            extra_body=streaming,
        ) as response:
            connection.costs(cost_in(response.headers))
            return gathered(response.iter_bytes())


def _messages(prompt: Prompt, role: str) -> list[ChatCompletionMessageParam]:
    rules, task = _text(prompt.system), _text(prompt.user)
    if role == "user":  # the server has no other: all is one message, for they must alternate
        rules, task = "", _text((*prompt.system, *prompt.user))
    messages: list[Json] = [{"role": role, "content": rules}] if rules else []
    messages += [{"role": "user", "content": sendable(task)}, *said_since(prompt)]
    return cast("list[ChatCompletionMessageParam]", messages)


def _text(sections: tuple[Section, ...]) -> str:
    return "\n\n".join(sendable(section.text) for section in sections if section.text.strip())


def _said(connection: Connection, body: bytes) -> ModelAnswer | Fault:
    answer = completion(body)
    if answer is None:
        return Fault(CallEnding.MALFORMED, f"no JSON: {body[:200].decode(errors='replace')}")
    choice = get_path(answer, "choices", 0)
    message = get_path(choice, "message") or get_path(choice, "delta")
    usages = (get_path(each, "usage") for each in (answer, choice, *members(answer).values()))
    connection.used = next(filter(None, map(reported_usage, usages)), None)
    connection.costs(reported_cost(answer, choice, message))
    text = joined(
        texts(get_path(choice, "text") if message is None else get_path(message, "content"))
    )
    if text and (get_path(answer, "error") or get_path(choice, "error")):
        connection.say(text)  # so it has begun, and that is billed
    if get_path(answer, "error"):
        return faults.of_error(answer)
    if get_path(choice, "error"):
        return faults.of_error(choice)
    if choice is None and not isinstance(get_path(answer, "choices"), list):
        return Fault(CallEnding.MALFORMED, f"no choices: {body[:200].decode(errors='replace')}")
    thoughts = count(get_path(answer, "usage", "completion_tokens_details", "reasoning_tokens"))
    connection.thought = bool(thoughts) or thought(message)
    if refusal := word(get_path(message, "refusal")):
        return ModelAnswer(CallEnding.REFUSED, without_thoughts(text), refusal)
    # The body came whole, so a server that gives no reason has finished.
    stop = _stop(choice)
    return ModelAnswer(ending_of(stop), without_thoughts(text), stop=stop)


def _stop(choice: object) -> str:
    """Return why an answer ended; a gateway may call it an end where the model had no more room."""
    told = (get_path(choice, name) for name in _REASONS)
    reason = next((each for each in told if each is not None), "")
    stop = word(reason) or word(get_path(reason, "type")) or str(reason or "")
    native = word(get_path(choice, "native_finish_reason"))
    limited = at_limit(native) and ending_of(native) is not CallEnding.ANSWERED
    return native if limited and ending_of(stop) is CallEnding.ANSWERED else stop


def without_thoughts(text: str) -> str:
    """Return an answer without the thoughts that a server left at its beginning."""
    end = _THOUGHTS_END.search(text)
    if end and not _NO_HALF.search(text, 0, end.start()):
        text = text[end.end() :].lstrip()
    while thoughts := _THOUGHTS.match(text):
        text = text[thoughts.end() :].lstrip()
    return text
