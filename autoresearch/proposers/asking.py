"""One attempt at a model, its money reserved before and settled after.

Nothing is tried twice here and nobody sleeps: what went wrong is told, and the loop decides who
is asked next and when. So a pause is seen, can be interrupted, and leaves the turn to others.
"""

from collections.abc import Callable
from dataclasses import dataclass

from autoresearch.proposers.base import Unable
from autoresearch.proposers.models import Prompt, Reply
from autoresearch.proposers.specs import PricedModel
from autoresearch.records.money import CallEnding, CapReached, Intent, Ledger, Settlement

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
_SPOKEN = (CallEnding.ANSWERED, CallEnding.TRUNCATED, CallEnding.EMPTY, CallEnding.TOO_LONG)
# Mostly a fault of the settings, but gateways say it too when they stumble.
_DOUBTFUL = (CallEnding.BAD_REQUEST, CallEnding.NOT_FOUND)


@dataclass(frozen=True)
class Answer:
    """What a model said, and the number of the call in the ledger."""

    call: int
    reply: Reply


@dataclass(frozen=True)
class TooDear(Unable):
    """The call alone would pass the cap of a call: a smaller one may not."""


class Asker:
    """Asks one model on one proposer's account."""

    def __init__(
        self,
        name: str,
        priced: PricedModel,
        *,
        ledger: Ledger,
        hide: Callable[[str], str] = lambda text: text,
    ) -> None:
        """Build it.

        Args:
            name: the proposer's spec, on whose account the money goes.
            priced: the model and its price.
            ledger: says whether a call may be made.
            hide: takes keys out of a text.
        """
        self._name = name
        self._model = priced.model
        self._price = priced.price
        self._ledger = ledger
        self._hide = hide
        self._answered = False

    def ask(self, prompt: Prompt, *, purpose: str, max_output: int) -> Answer | Unable:
        """Make one attempt; return what was said (also cut, empty, or: too long), or why nothing.

        Args:
            prompt: what the model is told.
            purpose: "propose", "repair" or "check".
            max_output: tokens it may say, thoughts included.
        """
        worst = self._price.worst(prompt.most_tokens, max_output)
        call = self._ledger.reserve(self._intent(purpose, worst))
        if isinstance(call, CapReached):
            kind = TooDear if call.call else Unable
            return kind(call.reason, final=True, planned=True)
        reply = self._model.complete(prompt, max_output=max_output)
        self._ledger.settle(call, self._settlement(reply))
        self._answered = self._answered or reply.ending.answered
        return Answer(call, reply) if reply.ending in _SPOKEN else self._unable(reply)

    def send_back(self, answer: Answer, reason: str) -> None:
        """Write down why an answer was refused."""
        self._ledger.send_back(answer.call, self._hide(reason))

    def _intent(self, purpose: str, worst: float) -> Intent:
        model = self._model
        return Intent(self._name, model.provider, model.model, purpose, worst, self._price.source)

    def _settlement(self, reply: Reply) -> Settlement:
        cost = 0.0 if reply.ending.free else None
        if reply.usage is not None:
            cost = self._price.cost(reply.usage)
        return Settlement(
            ending=reply.ending,
            cost=cost,
            usage=reply.usage,
            latency=reply.latency,
            detail=self._hide(reply.detail),
            answer=self._hide(reply.text),
        )

    def _unable(self, reply: Reply) -> Unable:
        said = f": {self._hide(reply.detail)}" if reply.detail else ""
        reason = f"{_UNANSWERED[reply.ending]}{said}"
        doubtful = self._answered and reply.ending in _DOUBTFUL
        final = reply.ending.final and not doubtful
        return Unable(reason, reply.retry_after, final, doubtful=doubtful)
