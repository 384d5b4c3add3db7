"""OpenAI's models, through its Responses API. Streamed: networks cut silent connections."""

import re
from collections.abc import Iterable
from typing import cast

import openai
from openai.types.responses import (
    ResponseInputItemParam,
    ResponseInputTextParam,
)
from openai.types.responses.response_create_params import PromptCacheOptions
from openai.types.shared_params import Reasoning

from autoresearch.proposers.models import faults
from autoresearch.proposers.models.adapting import (
    EFFORT,
    KEY,
    LIMIT,
    MARKS,
    RULES,
    STORE,
    AdaptingModel,
    Form,
    efforts,
)
from autoresearch.proposers.models.base import Prompt
from autoresearch.proposers.models.bodies import events, gathered, parsed
from autoresearch.proposers.models.client import ModelAnswer, ModelClient, marked, sendable
from autoresearch.proposers.models.connection import Connection
from autoresearch.proposers.models.faults import Fault
from autoresearch.proposers.models.fields import (
    cost_in,
    entries,
    get_path,
    joined,
    reported_cost,
    reported_usage,
    texts,
    word,
)
from autoresearch.proposers.models.openai_sdk import openai_client
from autoresearch.proposers.models.stops import ending_of
from autoresearch.records.money import CallEnding

OFFICIAL = "https://api.openai.com/v1"
_VERSION = re.compile(r"gpt-(\d+)(?:\.(\d+))?(?![\w.])")
_MARKS_SINCE = (5, 6)
_ENDS = ("response.completed", "response.incomplete", "response.failed")
# What comes before the model has done anything.
_OPENINGS = ("response.created", "response.queued", "response.in_progress", "keepalive")


class ResponsesModel(AdaptingModel):
    """A model of OpenAI's.

    From GPT-5.6 on a prompt's cached beginning ends where it is marked; before, models find the
    longest beginning by themselves and know no marks.

    Args:
        client: the client of this model, with its name, its key and its time-out.
        effort: how hard it shall reason, in the API's words; empty: its default.
        base_url: of an endpoint that is not the official one.
    """

    def __init__(
        self, client: ModelClient, *, effort: str = "", base_url: str | None = None
    ) -> None:
        choices = {
            LIMIT: ("max_output_tokens",),
            RULES: ("developer", "system", "user"),
            EFFORT: efforts(effort),
            STORE: ("store", ""),
            MARKS: ("explicit", "") if _knows_marks(client.model) else ("",),
            KEY: ("prompt_cache_key", ""),
        }
        super().__init__(client, Form(choices))
        self._elsewhere = base_url not in (None, OFFICIAL)
        self._sdk = openai_client(base_url or OFFICIAL, client)

    def _ask(
        self, connection: Connection, form: Form, prompt: Prompt, max_output: int
    ) -> ModelAnswer | Fault:
        try:
            return self._asked(connection, form, prompt, max_output)
        except openai.NotFoundError as error:
            fault = faults.of_exception(error)
            return faults.of_other_api(fault) if self._elsewhere else fault

    def _asked(
        self, connection: Connection, form: Form, prompt: Prompt, max_output: int
    ) -> ModelAnswer | Fault:
        parts = _parts(prompt, marks=bool(form.of(MARKS)))
        explicit = any("prompt_cache_breakpoint" in part for part in parts)
        marking: PromptCacheOptions = {"mode": "explicit"}  # what changes each time is not written
        reasoning = cast("Reasoning", {"effort": form.of(EFFORT)})
        with self._sdk.responses.create(
            model=self.model,
            input=_items(parts, prompt, form.of(RULES)),
            max_output_tokens=form.room(max_output),
            prompt_cache_key=(form.of(KEY) and prompt.cache_key) or openai.omit,
            prompt_cache_options=marking if explicit else openai.omit,
            reasoning=reasoning if form.of(EFFORT) else openai.omit,
            store=False if form.of(STORE) else openai.omit,
            stream=True,
        ) as stream:
            connection.opened = True
            connection.costs(cost_in(stream.response.headers))
            kind = stream.response.headers.get("content-type", "")
            if "json" not in kind:
                return _read(connection, stream, streamed="event-stream" in kind)
            body = gathered(stream.response.iter_bytes())
        whole = parsed(body)
        if get_path(whole, "error"):
            return faults.of_error(whole)
        at_once = [{"type": f"response.{word(get_path(whole, 'status'))}", "response": whole}]
        return _read(connection, events(body) if whole is None else at_once, streamed=False)


def _knows_marks(model: str) -> bool:
    version = _VERSION.match(model)
    return version is not None and (int(version[1]), int(version[2] or 0)) >= _MARKS_SINCE


def _parts(prompt: Prompt, *, marks: bool) -> list[ResponseInputTextParam]:
    parts: list[ResponseInputTextParam] = []
    for text, cache in marked((*prompt.system, *prompt.user)):
        part: ResponseInputTextParam = {"type": "input_text", "text": text}
        if cache and marks:
            part["prompt_cache_breakpoint"] = {"mode": "explicit"}
        parts.append(part)
    return parts


def _items(
    parts: list[ResponseInputTextParam], prompt: Prompt, role: str
) -> list[ResponseInputItemParam]:
    rules = 0 if role == "user" else len(marked(prompt.system))
    items: list[ResponseInputItemParam] = []
    if rules and role == "developer":
        items.append({"role": "developer", "content": [*parts[:rules]]})
    elif rules:
        items.append({"role": "system", "content": [*parts[:rules]]})
    items.append({"role": "user", "content": [*parts[rules:]]})
    for answer, objection in prompt.exchanges:
        items.append({"role": "assistant", "content": sendable(answer, "(empty answer)")})
        items.append({"role": "user", "content": sendable(objection)})
    return items


def _read(connection: Connection, told: Iterable[object], *, streamed: bool) -> ModelAnswer | Fault:
    for event in told:
        kind = get_path(event, "type")
        if kind == "response.output_text.delta":
            connection.say(word(get_path(event, "delta")))
        elif kind == "response.content_part.added":
            connection.part()
        elif kind == "error":
            return faults.of_error(event)
        elif kind in _ENDS:
            connection.used = reported_usage(get_path(event, "response", "usage"))
            connection.costs(reported_cost(get_path(event, "response", "usage")))
            return _ended(word(kind), get_path(event, "response"), connection)
        elif kind not in _OPENINGS:
            connection.working = True
    if not streamed:
        return Fault(CallEnding.MALFORMED, "it is no stream of events")
    return Fault(CallEnding.CUT, "the stream ended before the response did")


def _ended(kind: str, response: object, connection: Connection) -> ModelAnswer | Fault:
    if kind == "response.failed":
        return faults.of_error(get_path(response, "error"))
    items = entries(get_path(response, "output"))
    connection.thought = any(get_path(item, "type") == "reasoning" for item in items)
    parts = [part for item in items for part in _contents(item)]
    text = joined(texts(parts)) or connection.text
    refusal = joined(get_path(part, "refusal") for part in parts)
    if refusal:
        return ModelAnswer(CallEnding.REFUSED, text, refusal)
    if kind == "response.completed":
        stop = word(get_path(response, "status"))
        return ModelAnswer(ending_of(stop), text, stop=stop)
    stop = word(get_path(response, "incomplete_details", "reason")) or "incomplete"
    ending = ending_of(stop)  # and never that of a whole answer
    ending = CallEnding.TRUNCATED if ending is CallEnding.ANSWERED else ending
    return ModelAnswer(ending, text, stop=stop)


def _contents(item: object) -> Iterable[object]:
    """Return the parts of a message; a reasoning item's are thoughts, no text."""
    return entries(get_path(item, "content")) if get_path(item, "type") == "message" else ()
