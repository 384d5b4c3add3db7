"""Learns from refusals in which form a model takes requests, and remembers it for the run.

Providers differ in what they accept: `max_tokens` or `max_completion_tokens`, a role for the rules,
an effort, a maximum of output tokens. A request that is refused for something that we send is sent
again without it, in the same attempt: a refused request costs nothing.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from autoresearch.proposers.models import faults
from autoresearch.proposers.models.base import Prompt, Reply
from autoresearch.proposers.models.client import ModelAnswer, ModelClient
from autoresearch.proposers.models.connection import Connection
from autoresearch.proposers.models.faults import Fault
from autoresearch.proposers.models.fields import cost_in, get_path
from autoresearch.records.money import CallEnding

_EFFORTS = ("max", "xhigh", "high", "medium", "low", "minimal", "none")
_NUMBER = re.compile(r"(?<![\w.,-])(\d{1,3}(?:,\d{3})+|\d+)(?![\w-]|[.,]\d)")  # of no name
_BELOW = re.compile(r"exclusive|less than (?!or)|smaller than (?!or)|below", re.IGNORECASE)
# A refusal that may mean that the prompt is too long: then half of it is tried.
_MAY_BE_LONG = re.compile(
    r"(?:context(?! deadline)|prompt|input|token).{0,60}"
    r"(?:exceed|too (?:long|large|many|big)|longer|larger|less than|at most|length|limit)",
    re.IGNORECASE,
)
_MOST_CHANGES = 8  # in one attempt; more than there are names
_LEAST_ROOM = 1000  # tokens; a smaller number in a refusal is taken for no maximum of output


class Part(Enum):
    """A part of a request that may be refused, with how a refusal names it.

    The rules come last, since other parts may have their name before them
    ("system.0.cache_control").
    """

    COUNTS = r"stream_options|include_usage"
    STREAM = r"\bstream"
    LIMIT = r"max\w* ?tokens|(?:output|completion|new) tokens"
    EFFORT = r"effort|reasoning|think|output_config"
    STORE = r"\bstore\b"
    MARKS = r"prompt_cache_(?!key)|cache_control|breakpoint"
    KEY = r"prompt_cache_key"
    RULES = r"\b(?:roles?|system|developer)\b"

    def is_in(self, text: str) -> bool:
        """Return whether a refusal's parameter, or its words, name this part."""
        return re.search(self.value, text, re.IGNORECASE) is not None


@dataclass(frozen=True)
class Form:
    """How each part of a request that a provider may refuse is sent.

    `choices` holds for each part the value that is sent now and, after it, the ones that may be
    tried instead; "" is to send nothing, and a missing part is never sent. `most` is the model's
    maximum of output tokens, None until a refusal states it.
    """

    choices: Mapping[Part, tuple[str, ...]]
    most: int | None = None

    def of(self, part: Part) -> str:
        """Return the value that is sent for a part; "" for none."""
        return self.choices.get(part, ("",))[0]

    def room(self, wanted: int) -> int:
        """Return how many output tokens to ask for, where so many are wanted."""
        return wanted if self.most is None else min(wanted, self.most)


def efforts(wanted: str) -> tuple[str, ...]:
    """Return an effort and what may be sent instead: each lower one, then nothing."""
    if wanted not in _EFFORTS:
        return (wanted, "") if wanted else ("",)
    return (*_EFFORTS[_EFFORTS.index(wanted) :], "")


def adapted(form: Form, fault: Fault, room: int) -> Form | None:
    """Return the form that a refusal asks for; None where it asks for none that we have.

    `form` is that of the refused request, `room` the output tokens that were asked for.
    """
    if fault.ending is CallEnding.TOO_LONG:
        left = _left(fault.said, form.room(room))
        return None if left is None else replace(form, most=left)
    # A refusal that seems to be about a model or an address may be about something that we send.
    if fault.ending not in (CallEnding.BAD_REQUEST, CallEnding.NOT_FOUND):
        return None
    for text in (fault.param, fault.said):
        for part in Part:
            if part.is_in(text) and (changed := _changed(form, part, fault.said, room)):
                return changed
    return None


def _changed(form: Form, part: Part, message: str, room: int) -> Form | None:
    if part is Part.LIMIT and (most := _stated(message, form.room(room))):
        return replace(form, most=most)
    rest = form.choices.get(part, ())[1:]
    if not rest:
        return None
    # A value that the refusal names would be accepted; else the last choice is the safest.
    named = (each for each in rest if each and re.search(rf"\b{each}\b", message, re.IGNORECASE))
    chosen = rest.index(next(named, rest[-1]))
    return replace(form, choices={**form.choices, part: rest[chosen:]})


def _stated(message: str, room: int) -> int | None:
    """Return the maximum that a refusal states: the largest number below what was asked for."""
    below = _BELOW.search(message) is not None  # the number itself is too large, too
    numbers = (each - below for each in _numbers(message) if each < room)
    return max((each for each in numbers if each >= _LEAST_ROOM), default=None)


def _left(message: str, room: int) -> int | None:
    """Return how many tokens a context leaves for the answer, if a refusal states it.

    None where too little is left to write in: then the brief must become shorter.
    """
    numbers = _numbers(message)
    others = numbers - {room}
    others -= {each + room for each in others}  # the sum of prompt and answer
    if room not in numbers or len(others) != 2:
        only = max(others, default=0) if room in numbers and len(others) == 1 else 0
        return only if _LEAST_ROOM <= only < room else None
    left = max(others) - min(others)
    # If it is just too little for the room, the prompt was not counted to its end.
    return left if room <= 4 * left and left < room - 1 else None


def _numbers(message: str) -> set[int]:
    return {int(each.replace(",", "")) for each in _NUMBER.findall(message[:2000])}


def _doubted(fault: Fault) -> Fault:
    """Return a fault as that of a long prompt where it may be one: a shorter one costs nothing."""
    doubted = fault.ending is CallEnding.BAD_REQUEST and _MAY_BE_LONG.search(fault.said)
    return replace(fault, ending=CallEnding.TOO_LONG) if doubted else fault


class AdaptingModel(ABC):
    """A model behind an API: asked in the form that it takes, as far as that is known.

    See `Model`. A subclass makes single requests, in `_ask`.
    """

    def __init__(self, client: ModelClient, form: Form) -> None:
        self._client = client
        self._form = form
        self.provider, self.model = client.provider, client.model

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r}, {self.provider!r})"

    def complete(self, prompt: Prompt, *, max_output: int) -> Reply:
        """See `Model`."""
        reply = self._client.attempt(lambda connection: self._adapt(connection, prompt, max_output))
        return replace(reply, limit=self._form.room(max_output))

    @abstractmethod
    def _ask(
        self, connection: Connection, form: Form, prompt: Prompt, max_output: int
    ) -> ModelAnswer | Fault:
        """Make one request in a form; what it raises is read by `faults`."""

    def _adapt(self, connection: Connection, prompt: Prompt, room: int) -> ModelAnswer | Fault:
        for _ in range(_MOST_CHANGES):
            try:
                told = self._ask(connection, self._form, prompt, room)
            except Exception as error:  # noqa: BLE001 # an SDK's, the wire's, or one of our reading
                told = faults.of_exception(error)
                # A gateway may have paid for what came to nothing.
                connection.costs(cost_in(get_path(error, "response", "headers")))
            if not (isinstance(told, Fault) and self._learns(told, connection, room)):
                break
        return _doubted(told) if isinstance(told, Fault) else self._checked(told, connection, room)

    def _checked(self, answer: ModelAnswer, connection: Connection, room: int) -> ModelAnswer:
        """Return an answer, as not whole if it has every output token that it could have."""
        full = connection.used is not None and connection.used.output == self._form.room(room)
        if full and answer.ending is CallEnding.ANSWERED:
            return replace(answer, ending=CallEnding.TRUNCATED, stop="limit")
        return answer

    def _learns(self, fault: Fault, connection: Connection, room: int) -> bool:
        """Keep the form that a refusal asks for; return whether it asks for one."""
        if fault.status not in (400, 422, 500) or connection.opened:
            return False
        changed = adapted(self._form, fault, room)
        self._form = changed or self._form
        return changed is not None
