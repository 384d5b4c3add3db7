"""OpenAI's models, through its Responses API. Streamed: networks cut silent connections."""

import re
from collections.abc import Iterable
from functools import partial
from typing import cast

import openai
from openai.types.responses import ResponseInputItemParam
from openai.types.responses.response_create_params import PromptCacheOptions
from openai.types.shared_params import Reasoning

from autoresearch.proposers.models import faults
from autoresearch.proposers.models.adapting import AdaptingModel, Form, Part, efforts
from autoresearch.proposers.models.base import Prompt
from autoresearch.proposers.models.bodies import read_stream
from autoresearch.proposers.models.client import Json, ModelAnswer, ModelClient, blocks, said_since
from autoresearch.proposers.models.connection import Connection
from autoresearch.proposers.models.faults import Fault
from autoresearch.proposers.models.fields import (
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
_MARK = {"prompt_cache_breakpoint": {"mode": "explicit"}}
_MARKING: PromptCacheOptions = {"mode": "explicit"}  # what changes each time is not written
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
        version = _VERSION.match(client.model)
        marks = version and (int(version[1]), int(version[2] or 0)) >= _MARKS_SINCE
        choices = {
            Part.LIMIT: ("max_output_tokens",),
            Part.RULES: ("developer", "system", "user"),
            Part.EFFORT: efforts(effort),
            Part.STORE: ("store", ""),
            Part.MARKS: ("explicit", "") if marks else ("",),
            Part.KEY: ("prompt_cache_key", ""),
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
        role, effort, mark = form.of(Part.RULES), form.of(Part.EFFORT), form.of(Part.MARKS)
        rules, task = blocks(prompt, "input_text", _MARK if mark else {}, apart=role != "user")
        items: list[Json] = [{"role": role, "content": rules}] if rules else []
        items += [{"role": "user", "content": task}, *said_since(prompt)]
        marked = any(_MARK.keys() <= block.keys() for block in (*rules, *task))
        with self._sdk.responses.create(
            model=self.model,
            input=cast("list[ResponseInputItemParam]", items),
            max_output_tokens=form.room(max_output),
            prompt_cache_key=(form.of(Part.KEY) and prompt.cache_key) or openai.omit,
            prompt_cache_options=_MARKING if marked else openai.omit,
            reasoning=cast("Reasoning", {"effort": effort}) if effort else openai.omit,
            store=False if form.of(Part.STORE) else openai.omit,
            stream=True,
        ) as stream:
            read = partial(_read, connection)
            return read_stream(connection, stream, stream.response, read, _events_of, "response")


def _events_of(response: object) -> Iterable[object]:
    """Return the one event of a response that came at once."""
    return [{"type": f"response.{word(get_path(response, 'status'))}", "response": response}]


def _read(connection: Connection, told: Iterable[object]) -> ModelAnswer | Fault | None:
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
    return None


def _ended(kind: str, response: object, connection: Connection) -> ModelAnswer | Fault:
    if kind == "response.failed":
        return faults.of_error(get_path(response, "error"))
    items = entries(get_path(response, "output"))
    connection.thought = any(get_path(item, "type") == "reasoning" for item in items)
    messages = (item for item in items if get_path(item, "type") == "message")  # no thoughts
    parts = [part for item in messages for part in entries(get_path(item, "content"))]
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
