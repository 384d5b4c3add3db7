"""Models behind OpenAI's Chat Completions API on any base URL: Ollama, vLLM, LM Studio, llama.cpp.

The servers agree on little, so little is asked of them: plain strings, no stream, and a body that
is read by hand.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import cast
from urllib.parse import urlsplit

import openai
from openai.types.chat import ChatCompletionMessageParam
from openai.types.shared_params.reasoning_effort import ReasoningEffort

from autoresearch.proposers.models import faults
from autoresearch.proposers.models.base import Prompt, Reply, Section
from autoresearch.proposers.models.faults import Fault
from autoresearch.proposers.models.line import Line, Said, spoken
from autoresearch.proposers.models.openai_sdk import openai_client
from autoresearch.proposers.models.shapes import dig, entries, joined, usage, word
from autoresearch.records.money import CallEnding, Usage

_MOST_BYTES = 64 * 2**20
_ENDINGS = {"length": CallEnding.TRUNCATED, "content_filter": CallEnding.REFUSED}
# Thoughts at the beginning, closed or not. Later ones may be a part of the code.
_THOUGHTS = re.compile(r"\s*<(think|thinking)>(?:.*?</\1>|.*)", re.DOTALL)
# Some templates open the thoughts in the prompt, so that only their end is in the answer: on a
# line of its own, and before the answer begins. Any other such mark is a part of what was said.
_THOUGHTS_END = re.compile(r"^[ \t]*</think>[ \t\r]*$", re.MULTILINE)
_NO_HALF = re.compile(r"<think>|^[ \t>*_`#-]*hypothesis[*_`]*[ \t]*:", re.MULTILINE | re.IGNORECASE)


class ChatModel:
    """A model on a server that speaks Chat Completions.

    Args:
        model: its name as the server knows it.
        base_url: the server's address, mostly one that ends in /v1.
        key: the API key; None: the server needs none.
        timeout: of a whole attempt, in seconds.
        effort: how hard it shall reason; empty: nothing is said about it.
        hide: makes every secret in a text unreadable.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        key: str | None,
        timeout: float,
        effort: str = "",
        hide: Callable[[str], str],
    ) -> None:
        parts = urlsplit(base_url)
        server = parts.netloc.rpartition("@")[2]
        self._line = Line(server, model, key, timeout, hide)
        self._effort = effort
        self._rooted = bool(parts.path.strip("/"))
        self._client = openai_client(base_url, key, timeout)

    def __repr__(self) -> str:
        return f"ChatModel({self.model!r}, {self.provider!r})"

    @property
    def provider(self) -> str:
        """Return who answers: the base URL's host and port."""
        return self._line.provider

    @property
    def model(self) -> str:
        """Return the model's name as the server knows it."""
        return self._line.model

    def complete(self, prompt: Prompt, *, max_output: int) -> Reply:
        """Make one attempt. Whatever goes wrong is told by the reply; nothing is raised."""
        return self._line.attempt(lambda _: self._ask(prompt, max_output))

    def _ask(self, prompt: Prompt, max_output: int) -> Said | Fault:
        try:
            return _said(self._fetch(prompt, max_output))
        except openai.NotFoundError as error:
            fault = faults.of_exception(error)
            hint = "" if self._rooted else " (such base URLs mostly end in /v1)"
            return replace(fault, said=fault.said + hint)

    def _fetch(self, prompt: Prompt, max_output: int) -> bytes:
        effort = cast("ReasoningEffort", self._effort)
        body = bytearray()
        with self._client.chat.completions.with_streaming_response.create(
            model=self.model,
            messages=_messages(prompt),
            max_tokens=max_output,
            reasoning_effort=effort if self._effort else openai.omit,
        ) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES:
                    msg = f"more than {_MOST_BYTES} bytes"
                    raise ValueError(msg)
        return bytes(body)


def _messages(prompt: Prompt) -> list[ChatCompletionMessageParam]:
    messages: list[ChatCompletionMessageParam] = []
    if rules := _text(prompt.system):
        messages.append({"role": "system", "content": rules})
    messages.append({"role": "user", "content": spoken(_text(prompt.user))})
    for answer, objection in prompt.exchanges:
        messages.append({"role": "assistant", "content": spoken(answer, "(empty answer)")})
        messages.append({"role": "user", "content": spoken(objection)})
    return messages


def _text(sections: tuple[Section, ...]) -> str:
    return "\n\n".join(spoken(section.text) for section in sections if section.text.strip())


def _said(body: bytes) -> Said | Fault:
    try:
        answer: object = json.loads(body)
    except (ValueError, RecursionError):
        return Fault(CallEnding.MALFORMED, f"no JSON: {body[:200].decode(errors='replace')}")
    if dig(answer, "error"):
        return faults.of_error(answer)
    choice = dig(answer, "choices", 0)
    message = dig(choice, "message")
    if message is None:
        return Fault(CallEnding.MALFORMED, f"no choices: {body[:200].decode(errors='replace')}")
    text = without_thoughts(_content(dig(message, "content")))
    used = _usage(dig(answer, "usage"))
    if refusal := word(dig(message, "refusal")):
        return Said(CallEnding.REFUSED, text, used, refusal)
    # The body came whole, so a server that gives no reason has finished.
    ending = _ENDINGS.get(word(dig(choice, "finish_reason")), CallEnding.ANSWERED)
    return Said(ending, text, used)


def _content(content: object) -> str:
    """Return a message's text; some servers give it in parts."""
    return joined([content]) or joined(dig(part, "text") for part in entries(content))


def without_thoughts(text: str) -> str:
    """Return an answer without the thoughts that a server left at its beginning."""
    end = _THOUGHTS_END.search(text)
    if end and not _NO_HALF.search(text, 0, end.start()):
        text = text[end.end() :].lstrip()
    while thoughts := _THOUGHTS.match(text):
        text = text[thoughts.end() :].lstrip()
    return text


def _usage(counts: object) -> Usage | None:
    return usage(
        dig(counts, "prompt_tokens"),
        dig(counts, "completion_tokens"),
        cached=dig(counts, "prompt_tokens_details", "cached_tokens"),
        written=dig(counts, "prompt_tokens_details", "cache_write_tokens"),
    )
