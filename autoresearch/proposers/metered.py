"""One call of a model: its cost is reserved in the ledger before, and settled afterwards.

Nothing is tried twice here and nothing waits: what went wrong is returned, and the controller
decides who is asked next and when. So a pause is visible, can be interrupted, and leaves the turn
to others.
"""

from collections.abc import Callable
from dataclasses import dataclass

from autoresearch.proposers.base import ProposeFailure
from autoresearch.proposers.models import Prompt, Reply
from autoresearch.proposers.models.stops import at_limit, for_tool
from autoresearch.proposers.specs import PricedModel
from autoresearch.records.money import CallEnding, CapReached, Intent, Ledger, Settlement, Usage

_UNANSWERED = {
    CallEnding.REFUSED: "the model declined to answer",
    CallEnding.MALFORMED: "the answer cannot be read",
    CallEnding.UNAUTHORIZED: "the key was refused",
    CallEnding.NO_CREDIT: "the account has no credit left",
    CallEnding.RATE_LIMITED: "too many requests",
    CallEnding.OVERLOADED: "the provider is overloaded",
    CallEnding.UNREACHABLE: "the provider cannot be reached",
    CallEnding.TIMED_OUT: "no answer in time",
    CallEnding.CUT: "the answer was cut off",
    CallEnding.TOO_LONG: "the brief is too long for the model",
    CallEnding.NOT_FOUND: "no such model",
    CallEnding.BAD_REQUEST: "the request was refused",
}
_WITH_ANSWER = (CallEnding.ANSWERED, CallEnding.TRUNCATED, CallEnding.EMPTY, CallEnding.TOO_LONG)
# More characters a token than any tokenizer reaches: code, English and other scripts have 1 to 6,
# code that is mostly blanks has 8. So a prompt that the server cut by half is noticed: a brief of
# 56,000 characters, cut to Ollama's 4,096 tokens, seems to have 14.
_CHARACTERS_A_TOKEN = 10
_LEAST_CHARACTERS = 4000  # of a prompt that is checked so: a short one may be a single long word
# Mostly a fault of the settings, but gateways also answer so in trouble that passes.
_DOUBTFUL = (CallEnding.BAD_REQUEST, CallEnding.NOT_FOUND)


@dataclass(frozen=True)
class Answer:
    """A model's reply, and the number of the call in the ledger."""

    call: int
    reply: Reply


@dataclass(frozen=True)
class OverCallCap(ProposeFailure):
    """The call alone would pass the cap of one call: a smaller call may not."""


def seems_cut(prompt: Prompt, usage: Usage | None) -> bool:
    """Return whether a provider counted so few tokens that it cannot have read the whole prompt."""
    if usage is None or not usage.input or prompt.characters < _LEAST_CHARACTERS:
        return False
    return usage.input * _CHARACTERS_A_TOKEN < prompt.characters


def shortcoming(reply: Reply, most: int) -> str:
    """Return what is wrong with an answer that is empty or not whole, in words for the model.

    Args:
        reply: that answer.
        most: output tokens that it could have, if the reply does not tell.
    """
    most = reply.limit or most
    if for_tool(reply.stop):
        return "the answer called a tool: there are none, so write all of the answer as text"
    if reply.starved:
        return f"all of its {most} tokens went into thoughts, and none was left: think much less"
    if reply.ending is CallEnding.EMPTY and reply.thought:
        return "the answer was empty: thoughts are not read, so write the answer after them as text"
    if reply.ending is CallEnding.EMPTY:
        return "the answer was empty"
    if reply.stop and not at_limit(reply.stop):
        return (
            f"the answer ended with {reply.stop!r}, so it may not be whole: write all of it again"
        )
    return f"the answer was cut at {most} tokens: say less, change less"


class MeteredModel:
    """Calls one model, on the account of one proposer.

    Args:
        name: the proposer's spec.
        priced: the model and its price.
        ledger: says whether a call may be made.
        redact: takes keys out of a text.
        tell: called with lines for the person.
    """

    def __init__(
        self,
        name: str,
        priced: PricedModel,
        *,
        ledger: Ledger,
        redact: Callable[[str], str] = lambda text: text,
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._name = name
        self._model = priced.model
        self._price = priced.price
        self._ledger = ledger
        self._redact = redact
        self._tell = tell
        self._answered = self._warned = False
        self._dearest = 0.0  # cost of a call, as a reply reported it

    def ask(self, prompt: Prompt, *, purpose: str, max_output: int) -> Answer | ProposeFailure:
        """Make one call; return its answer (also a cut or empty one, or "too long"), or a failure.

        Args:
            prompt: what is sent to the model.
            purpose: "propose", "repair" or "check".
            max_output: output tokens that it may have, thoughts included.
        """
        # That a price is too low, as for a gateway on loopback, is known after the first reply.
        worst = max(self._price.worst(prompt.most_tokens, max_output), self._dearest)
        model, source = self._model, self._price.source
        intent = Intent(self._name, model.provider, model.model, purpose, worst, source)
        call = self._ledger.reserve(intent)
        if isinstance(call, CapReached):
            kind = OverCallCap if call.call else ProposeFailure
            return kind(call.reason, final=True, planned=True)
        reply = self._model.complete(prompt, max_output=max_output)
        self._ledger.settle(call, self._settlement(reply))
        self._answered = self._answered or reply.ending.answered
        self._dearest = max(self._dearest, reply.cost or 0.0)
        self._warn(prompt, reply.usage)
        return Answer(call, reply) if reply.ending in _WITH_ANSWER else self._failure(reply)

    def send_back(self, answer: Answer, reason: str) -> None:
        """Record why an answer was refused."""
        self._ledger.send_back(answer.call, self._redact(reason))

    def tell(self, line: str) -> None:
        """Give the person a line, with this proposer's name before it."""
        self._tell(f"{self._name}: {self._redact(line)}")

    def _warn(self, prompt: Prompt, usage: Usage | None) -> None:
        if usage is None or self._warned or not seems_cut(prompt, usage):
            return
        self._warned = True
        self._tell(
            f"{self._name}: {usage.input:,} tokens were counted in a prompt of "
            f"{prompt.characters:,} characters, so it seems to be cut silently: give the server a "
            "larger context (Ollama: OLLAMA_CONTEXT_LENGTH) or lower [llm] brief_tokens"
        )

    def _settlement(self, reply: Reply) -> Settlement:
        return Settlement(
            ending=reply.ending,
            cost=self._cost(reply),
            usage=reply.usage,
            latency=reply.latency,
            detail=self._redact(reply.detail),
            answer=self._redact(reply.text),
        )

    def _cost(self, reply: Reply) -> float | None:
        """Return a call's cost: as the reply reports, else by its tokens; None if not known."""
        if reply.cost:  # gateways report 0 for models whose price they do not know
            return reply.cost
        if reply.usage is not None:
            return self._price.cost(reply.usage)
        return 0.0 if reply.ending.free else None

    def _failure(self, reply: Reply) -> ProposeFailure:
        detail = f": {self._redact(reply.detail)}" if reply.detail else ""
        reason = f"{_UNANSWERED[reply.ending]}{detail}"
        doubtful = self._answered and reply.ending in _DOUBTFUL
        final = reply.ending.final and not doubtful
        return ProposeFailure(reason, reply.retry_after, final, doubtful=doubtful)
