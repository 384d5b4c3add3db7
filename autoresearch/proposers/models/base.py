"""The interface of all models: one attempt in, one reply out, never an exception.

No tools are offered to any model: all it can do is answer.
"""

import json
from dataclasses import dataclass, replace
from typing import Protocol

from autoresearch.proposers.models.stops import at_limit
from autoresearch.records.money import CallEnding, Usage

_OVERHEAD = 4096  # tokens that a provider may add around our text


@dataclass(frozen=True)
class Section:
    """A piece of a prompt. `cache`: all up to its end should be cached for the next prompt."""

    text: str
    cache: bool = False


@dataclass(frozen=True)
class Prompt:
    """A prompt in the order that caching wants: what changes least comes first.

    `system` are the rules; `user` is all else; `exchanges` are answers that were sent back, each
    with the reason. `cache_key` is equal for prompts that probably share their beginning.
    """

    system: tuple[Section, ...]
    user: tuple[Section, ...]
    exchanges: tuple[tuple[str, str], ...] = ()
    cache_key: str = ""

    def objected(self, answer: str, objection: str) -> "Prompt":
        """Return the prompt that continues after an answer was sent back."""
        return replace(self, exchanges=(*self.exchanges, (answer, objection)))

    @property
    def texts(self) -> list[str]:
        """All that it says, answers and objections included."""
        sections = [each.text for each in (*self.system, *self.user)]
        return [*sections, *(text for exchange in self.exchanges for text in exchange)]

    @property
    def most_tokens(self) -> int:
        """An upper bound of its tokens: a token has at least one byte.

        Counted as JSON, whose escapes only make it longer.
        """
        written = (json.dumps(text, ensure_ascii=False) for text in self.texts)
        sizes = [len(each.encode(errors="replace")) for each in written]
        return sum(sizes) + _OVERHEAD + 16 * len(sizes)

    @property
    def characters(self) -> int:
        """Its length, all answers and objections included."""
        return sum(map(len, self.texts))


@dataclass(frozen=True)
class Reply:
    """How one attempt ended.

    `text` is the answer, as far as it came; `usage` None where the provider did not report it;
    `cost` the dollars that the reply itself reports, if it does; `detail` one safe line without
    secrets about what is no answer; `retry_after` in seconds, if the provider asked to wait;
    `latency` in seconds. `stop` is the provider's word for why the answer ended; `thought`: the
    model has thought before; `limit`: the most output tokens it could have, 0 where that is not
    known.
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
        """Whether thoughts took all output tokens, so that none was left for the answer."""
        return self.ending is CallEnding.EMPTY and at_limit(self.stop)


class Model(Protocol):
    """One model of one provider."""

    @property
    def provider(self) -> str:
        """Return who bills: "anthropic", "openai", or the base URL's host and port."""

    @property
    def model(self) -> str:
        """Return the model's name as the provider knows it."""

    def complete(self, prompt: Prompt, *, max_output: int) -> Reply:
        """Make one attempt. Whatever goes wrong is in the reply; nothing is raised."""
