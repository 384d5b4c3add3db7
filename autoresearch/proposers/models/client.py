"""One attempt at a provider, from the first byte to the reply: what all models share."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from autoresearch.proposers.models.base import Prompt, Reply
from autoresearch.proposers.models.connection import Connection, within
from autoresearch.proposers.models.faults import Fault
from autoresearch.records.money import CallEnding, Usage
from autoresearch.records.text import LINE_INPUT, safe_line

Json = dict[str, object]  # of a request
_DETAIL_WIDTH = 300
_STOP_WIDTH = 40
_MOST_MARKS = 4  # of a cache's ends in one prompt
_SHORTEST_KEY = 8  # characters; a shorter key, such as "none" for a local server, is no secret
# Endings of a request that was turned away, perhaps in a stream: the model has not worked on it.
_TURNED_AWAY = (
    CallEnding.TOO_LONG,
    CallEnding.BAD_REQUEST,
    CallEnding.NOT_FOUND,
    CallEnding.UNAUTHORIZED,
    CallEnding.NO_CREDIT,
)
_WORDS = {
    CallEnding.TRUNCATED: "{model} did not say that its answer is whole",
    CallEnding.REFUSED: "{model} refused",
    CallEnding.EMPTY: "{model} answered with nothing",
    CallEnding.MALFORMED: "what {provider} sent is no answer",
    CallEnding.UNAUTHORIZED: "{provider} does not accept the key",
    CallEnding.NO_CREDIT: "{provider} gives no more credit",
    CallEnding.RATE_LIMITED: "{provider} wants fewer calls",
    CallEnding.OVERLOADED: "{provider} is overloaded or broken",
    CallEnding.UNREACHABLE: "{provider} cannot be reached",
    CallEnding.TIMED_OUT: "{provider} had not answered after {timeout:g} s",
    CallEnding.CUT: "{provider} broke off in the middle",
    CallEnding.TOO_LONG: "the prompt is too long for {model}",
    CallEnding.NOT_FOUND: "{provider} has no {model} at this address",
    CallEnding.BAD_REQUEST: "{provider} refused the request",
}


@dataclass(frozen=True)
class ModelAnswer:
    """What a model answered, and how the answer ended.

    `stop` is the provider's word for why it ended, `note` its remark.
    """

    ending: CallEnding
    text: str = ""
    note: str = ""
    stop: str = ""


@dataclass(frozen=True, repr=False)
class ModelClient:
    """What asks one model of one provider. Its key is never shown; None: the server needs none.

    `provider` is who bills, `model` the name as the provider knows it. `timeout` bounds an attempt
    from beginning to end, in seconds; `redact` makes every secret in a text unreadable.
    """

    provider: str
    model: str
    key: str | None
    timeout: float
    redact: Callable[[str], str]

    def __repr__(self) -> str:
        return f"ModelClient({self.provider!r}, {self.model!r})"

    def attempt(self, ask: Callable[[Connection], ModelAnswer | Fault]) -> Reply:
        """Return how an attempt went. `ask` makes it on the connection it is given."""
        began = time.monotonic()
        connection = Connection()
        try:
            reply = self._attempted(connection, ask)
        except Exception as error:  # noqa: BLE001 # whatever a provider answers, the run goes on
            reply = self._failed(Fault(CallEnding.MALFORMED, type(error).__name__), connection)
        return replace(reply, latency=time.monotonic() - began)

    def _attempted(
        self, connection: Connection, ask: Callable[[Connection], ModelAnswer | Fault]
    ) -> Reply:
        if self.key is not None and not (self.key.isascii() and self.key.isprintable()):
            fault = Fault(CallEnding.UNAUTHORIZED, "it has characters no key has")
            return self._failed(fault, connection)
        result = within(self.timeout, connection, ask)
        if result is None:
            result = Fault(CallEnding.TIMED_OUT if connection.sent else CallEnding.UNREACHABLE)
        return (
            self._answered(result, connection)
            if isinstance(result, ModelAnswer)
            else self._failed(result, connection)
        )

    def _answered(self, answer: ModelAnswer, connection: Connection) -> Reply:
        ending = answer.ending
        if ending in (CallEnding.ANSWERED, CallEnding.TRUNCATED) and not answer.text.strip():
            ending = CallEnding.EMPTY
        ended = f"it ended with {answer.stop!r}" if answer.stop else ""
        detail = "" if ending is CallEnding.ANSWERED else self._detail(ending, answer.note or ended)
        return Reply(
            ending,
            self._hidden(answer.text),
            _counted(connection.used, answer.text),
            detail,
            cost=connection.cost,
            stop=safe_line(self._hidden(answer.stop), _STOP_WIDTH),
            thought=connection.thought,
        )

    def _failed(self, fault: Fault, connection: Connection) -> Reply:
        ending = fault.ending
        begun = connection.working or (connection.opened and ending not in _TURNED_AWAY)
        if begun and ending.free:  # a call that the model began is billed, thoughts too
            ending = CallEnding.CUT
        status = "" if fault.status is None else f" ({fault.status})"
        detail = self._detail(ending, fault.said, status)
        # A prompt refused with an error status was never given to the model, so nothing is billed.
        refused = (
            ending is CallEnding.REFUSED and fault.status is not None and not connection.opened
        )
        used = _counted(connection.used, connection.text) or (Usage(0, 0) if refused else None)
        text = self._hidden(connection.text)
        return Reply(ending, text, used, detail, fault.retry_after, cost=connection.cost)

    def _detail(self, ending: CallEnding, message: str, status: str = "") -> str:
        words = _WORDS[ending]
        if ending is CallEnding.UNAUTHORIZED and self.key is None:
            words = "{provider} wants a key and none is set ([llm] key_variable names it)"
        if ending is CallEnding.TIMED_OUT and status:
            words = "{provider} gave up waiting for {model}"
        words = words.format(provider=self.provider, model=self.model, timeout=self.timeout)
        line = f"{words}{status}: {message}" if message.strip() else words + status
        # Made safe first: that may drop characters within a key, which is then whole and readable.
        return safe_line(self._hidden(safe_line(line, LINE_INPUT)), _DETAIL_WIDTH)

    def _hidden(self, text: str) -> str:
        text = self.redact(text)
        if self.key is None or len(self.key) < _SHORTEST_KEY:
            return text
        return text.replace(self.key, "[key]")


def _counted(used: Usage | None, text: str) -> Usage | None:
    """Return the tokens used; None where a provider reports none for an answer that has words."""
    return None if used is not None and text.strip() and not used.output else used


def sendable(text: str, otherwise: str = "(empty)") -> str:
    """Return a text that JSON can hold and that APIs do not refuse for being empty."""
    sound = text.encode(errors="replace").decode()
    return sound if sound.strip() else otherwise


def blocks(
    prompt: Prompt, kind: str, mark: Mapping[str, object], *, apart: bool
) -> tuple[list[Json], list[Json]]:
    """Return the rules of a prompt and all else, as blocks; marked where a cache may end.

    An empty section cannot have a mark: it is left out, and its mark moves to the section before.
    Only the last `_MOST_MARKS` are kept, as providers take no more.

    Args:
        prompt: what to send, but for its exchanges.
        kind: of block, as the API calls it.
        mark: the fields that mark a block.
        apart: whether the rules have a place of their own; else they begin the rest.
    """
    texts: list[tuple[str, bool]] = []
    for section in (*prompt.system, *prompt.user):
        if section.text.strip():
            texts.append((sendable(section.text), section.cache))
        elif section.cache and texts:
            texts[-1] = (texts[-1][0], True)
    marked = [at for at, (_, cache) in enumerate(texts) if cache][-_MOST_MARKS:]
    every: list[Json] = [
        {"type": kind, "text": text, **(mark if at in marked else {})}
        for at, (text, _) in enumerate(texts)
    ]
    rules = sum(bool(each.text.strip()) for each in prompt.system) if apart else 0
    return every[:rules], every[rules:]


def said_since(prompt: Prompt) -> list[Json]:
    """Return the answers that were sent back, each with the reason, as messages."""
    messages = list[Json]()
    for answer, objection in prompt.exchanges:
        messages.append({"role": "assistant", "content": sendable(answer, "(empty answer)")})
        messages.append({"role": "user", "content": sendable(objection)})
    return messages
