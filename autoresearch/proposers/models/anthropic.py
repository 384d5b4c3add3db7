"""Claude, through Anthropic's Messages API. Streamed: long answers are not to be had otherwise."""

from collections.abc import Iterable, Iterator
from typing import cast

import anthropic
from anthropic.types import MessageParam, OutputConfigParam, TextBlockParam

from autoresearch.proposers.models.adapting import AdaptingModel, Form, Part, efforts
from autoresearch.proposers.models.base import Prompt
from autoresearch.proposers.models.bodies import read_stream
from autoresearch.proposers.models.client import Json, ModelAnswer, ModelClient, blocks, said_since
from autoresearch.proposers.models.connection import Connection, bearer, http_client
from autoresearch.proposers.models.faults import Fault
from autoresearch.proposers.models.fields import (
    count,
    entries,
    get_path,
    reported_cost,
    usage,
    word,
)
from autoresearch.proposers.models.stops import ending_of
from autoresearch.records.money import Usage

OFFICIAL = "https://api.anthropic.com"
_INPUT_COUNTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_COUNTS = (*_INPUT_COUNTS, "output_tokens")


class AnthropicModel(AdaptingModel):
    """A model of Anthropic's.

    Args:
        client: the client of this model, with its name, its key and its time-out.
        effort: how hard it shall think, in the API's words; empty: its default.
        base_url: of an endpoint that is not the official one.
    """

    def __init__(
        self, client: ModelClient, *, effort: str = "", base_url: str | None = None
    ) -> None:
        choices = {
            Part.LIMIT: ("max_tokens",),
            Part.RULES: ("system", "user"),
            Part.EFFORT: efforts(effort),
            Part.MARKS: ("ephemeral", ""),
        }
        super().__init__(client, Form(choices))
        url = base_url or OFFICIAL
        self._sdk = anthropic.Anthropic(
            api_key=client.key or "",  # of None the SDK would make what the environment holds
            base_url=url,
            timeout=client.timeout,
            max_retries=0,
            open_telemetry=False,
            http_client=http_client(
                url, bearer(client.key), client.timeout, also=("anthropic-version",)
            ),
        )

    def _ask(
        self, connection: Connection, form: Form, prompt: Prompt, max_output: int
    ) -> ModelAnswer | Fault:
        mark = {"cache_control": {"type": "ephemeral"}} if form.of(Part.MARKS) else {}
        rules, task = blocks(prompt, "text", mark, apart=form.of(Part.RULES) == "system")
        messages: list[Json] = [{"role": "user", "content": task}, *said_since(prompt)]
        effort = form.of(Part.EFFORT)
        thinking = cast("OutputConfigParam", {"effort": effort}) if effort else anthropic.omit
        with self._sdk.messages.create(
            model=self.model,
            max_tokens=form.room(max_output),
            system=cast("list[TextBlockParam]", rules) or anthropic.omit,
            messages=cast("list[MessageParam]", messages),
            output_config=thinking,
            stream=True,
        ) as stream:
            read = _Reading(connection).read
            return read_stream(connection, stream, stream.response, read, _events_of, "message")


class _Reading:
    """What the events of a stream add up to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._counts: dict[str, int] = {}
        self._stop = self._note = ""

    def read(self, told: Iterable[object]) -> ModelAnswer | None:
        """Return what was said; None where the events end before the message does."""
        for event in told:
            if get_path(event, "type") == "message_stop" and self._stop:
                ending = ending_of(self._stop)
                return ModelAnswer(ending, self._connection.text, self._note, self._stop)
            self._take(event)
        return None

    def _take(self, event: object) -> None:
        kind = get_path(event, "type")
        if kind == "message_start":
            # Its output tokens are those of the beginning: alone they would be far too few.
            self._count(get_path(event, "message", "usage"), _INPUT_COUNTS)
        elif kind == "content_block_start":
            self._connection.part()
            self._say(get_path(event, "content_block"), "text")
        elif kind == "content_block_delta":
            self._say(get_path(event, "delta"), "text_delta")
        elif kind == "message_delta":
            self._count(get_path(event, "usage"), _COUNTS)
            self._stop = word(get_path(event, "delta", "stop_reason")) or self._stop
            self._note = word(get_path(event, "delta", "stop_details", "explanation"))
            self._connection.used = self._usage() if self._stop else None
            self._connection.costs(reported_cost(get_path(event, "usage")))

    def _say(self, block: object, kind: str) -> None:
        self._connection.working = True
        told = word(get_path(block, "type"))
        if told == kind:  # thoughts have other types
            self._connection.say(word(get_path(block, "text")))
        self._connection.thought = self._connection.thought or "thinking" in told

    def _count(self, counts: object, names: Iterable[str]) -> None:
        """Take cumulative counts; where gateways tell less later on, what was told before."""
        for name in names:
            if (told := count(get_path(counts, name))) is not None:
                self._counts[name] = max(told, self._counts.get(name, 0))

    def _usage(self) -> Usage | None:
        fresh, cached, written, output = (self._counts.get(name) for name in _COUNTS)
        if fresh is None:
            return None
        # Tokens read from and written to the cache are not among the input tokens here.
        whole = fresh + (cached or 0) + (written or 0)
        return usage(whole, output, cached=cached, written=written)


def _events_of(message: object) -> Iterator[object]:
    """Yield the events of a message that came as one."""
    yield {"type": "message_start", "message": message}
    for block in entries(get_path(message, "content")):
        yield {"type": "content_block_start", "content_block": block}
    yield {"type": "message_delta", "delta": message, "usage": get_path(message, "usage")}
    yield {"type": "message_stop"}
