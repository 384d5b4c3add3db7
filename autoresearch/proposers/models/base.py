"""A language model behind a provider's API: one attempt in, one reply out, never an exception.

No tools are given to any model: all it can do is answer.
"""

import json
from dataclasses import dataclass, replace
from typing import Protocol

from autoresearch.proposers.models.stops import at_limit
from autoresearch.records.money import CallEnding, Usage

_OVERHEAD = 4096  # tokens that a provider may add around our text


@dataclass(frozen=True)
class Section:
    """A piece of a prompt. `cache`: all up to here is worth keeping for the next prompt."""

    text: str
    cache: bool = False


@dataclass(frozen=True)
class Prompt:
    """What a model is told, in the order that caching wants: what changes least comes first.

    `system` are the rules; `user` all else; `exchanges` are answers that were sent back, each
    with why. `cache_key` is equal for prompts that are likely to share their beginning.
    """

    system: tuple[Section, ...]
    user: tuple[Section, ...]
    exchanges: tuple[tuple[str, str], ...] = ()
    cache_key: str = ""

    def objected(self, answer: str, objection: str) -> "Prompt":
        """Return the prompt that goes on after an answer was sent back."""
        return replace(self, exchanges=(*self.exchanges, (answer, objection)))

    @property
    def most_tokens(self) -> int:
        """Return a number of tokens that no tokenizer makes more of: a token has a byte at least.

        Counted as JSON, in whose escapes a byte becomes more, never less.
        """
        texts = [each.text for each in (*self.system, *self.user)]
        texts += [text for exchange in self.exchanges for text in exchange]
        return sum(
            len(json.dumps(text, ensure_ascii=False).encode(errors="replace")) for text in texts
        ) + (_OVERHEAD + 16 * len(texts))

    @property
    def characters(self) -> int:
        """Return how much text it is, all answers and objections included."""
        sections = sum(len(each.text) for each in (*self.system, *self.user))
        return sections + sum(len(text) for exchange in self.exchanges for text in exchange)


@dataclass(frozen=True)
class Reply:
    """How one attempt ended.

    `text` is what the model said, as far as it came; `usage` None where the provider did not say;
    `cost` the dollars that the reply itself tells, where it does; `detail` one safe line without
    secrets for what is no answer; `retry_after` in seconds, where the provider asked for it;
    `latency` in seconds. `stop` is the provider's word for why the answer ended; `thought`: the
    model has thought before; `limit`: tokens it could say at most, 0 where that is not known.
    """

    ending: CallEnding
    text: str = ""
    usage: Usage | None = None
    detail: str = ""
    retry_after: float | None = None
    latency: float = 0.0
    cost: float | None = None
    stop: str = ""
    thought: bool = False
    limit: int = 0

    @property
    def starved(self) -> bool:
        """Whether thoughts took all the room, so that none was left for the answer."""
        return self.ending is CallEnding.EMPTY and at_limit(self.stop)


class Model(Protocol):
    """One model of one provider."""

    @property
    def provider(self) -> str:
        """Return who bills: "anthropic", "openai", or the base URL's host and port."""
        ...

    @property
    def model(self) -> str:
        """Return the model's name as the provider knows it."""
        ...

    def complete(self, prompt: Prompt, *, max_output: int) -> Reply:
        """Make one attempt. Whatever goes wrong is told by the reply; nothing is raised."""
        ...
