"""What a call to a provider costs, and who may spend it. All amounts are US dollars.

The worst that an attempt can cost is reserved durably before it is made, and settled from what
the provider reports. What was never reported stays spent: a cap that holds on a bad night must
hold in the worst case.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

ROUNDING = 1e-9  # dollars that sums of floats may be off


class CallState(StrEnum):
    """Whether a call's cost is still a reservation. What a killed run reserved stays so."""

    RESERVED = "reserved"
    SETTLED = "settled"


class CallEnding(StrEnum):
    """How an attempt at a provider ended."""

    ANSWERED = "answered"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    EMPTY = "empty"
    MALFORMED = "malformed"
    UNAUTHORIZED = "unauthorized"
    NO_CREDIT = "no credit"
    RATE_LIMITED = "rate limited"
    OVERLOADED = "overloaded"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed out"
    CUT = "cut"
    TOO_LONG = "too long"
    NOT_FOUND = "not found"
    BAD_REQUEST = "bad request"

    @property
    def answered(self) -> bool:
        """Whether the provider let the model speak: only then is there something to pay."""
        return self in (
            CallEnding.ANSWERED,
            CallEnding.TRUNCATED,
            CallEnding.REFUSED,
            CallEnding.EMPTY,
        )

    @property
    def free(self) -> bool:
        """Whether nothing was billed for certain: turned away, or never reached.

        A call that timed out or was cut may have been billed in full; so may an answer that
        cannot be read.
        """
        return not self.answered and self not in (
            CallEnding.TIMED_OUT,
            CallEnding.CUT,
            CallEnding.MALFORMED,
        )

    @property
    def final(self) -> bool:
        """Whether asking again in the same run is useless."""
        return self in (
            CallEnding.UNAUTHORIZED,
            CallEnding.NO_CREDIT,
            CallEnding.NOT_FOUND,
            CallEnding.BAD_REQUEST,
        )


@dataclass(frozen=True)
class Usage:
    """Tokens of one call. `input` counts all of them, those read from and written to a cache too.

    `output` includes what a reasoning model thought.
    """

    input: int
    output: int
    cached: int = 0
    written: int = 0

    def __post_init__(self) -> None:
        if min(self.input, self.output, self.cached, self.written) < 0:
            msg = f"negative token counts: {self}"
            raise ValueError(msg)
        if self.cached + self.written > self.input:
            msg = f"more cached than read: {self}"
            raise ValueError(msg)


@dataclass(frozen=True)
class Intent:
    """A call about to be made. `worst` is the most it can cost; `price` says where rates are from.

    `proposer` is the spec, `purpose` "propose", "repair" or "check".
    """

    proposer: str
    provider: str
    model: str
    purpose: str
    worst: float
    price: str = ""


@dataclass(frozen=True)
class Settlement:
    """How a call ended. `cost` None: not known, so the reservation stays spent.

    `latency` in seconds; `detail` one safe line without secrets; `answer` what the model said,
    word for word.
    """

    ending: CallEnding
    cost: float | None
    usage: Usage | None = None
    latency: float = 0.0
    detail: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Caps:
    """The most that may be spent: in one run, in the study, in one call. None is no cap."""

    run: float | None = None
    study: float | None = None
    call: float | None = None


@dataclass(frozen=True)
class GpuPrice:
    """What training costs. `hour_usd` None: nothing.

    A finished trial costs the seconds that it took, scoring included; one that still runs, or
    whose run was killed, costs `trial_worst_seconds`, the most that a trial can take.
    """

    hour_usd: float | None = None
    trial_worst_seconds: float = 0.0

    def cost(self, seconds: float) -> float:
        """Return what this many seconds of training cost."""
        return seconds * (self.hour_usd or 0.0) / 3600

    @property
    def trial_worst(self) -> float:
        """The most that one trial can cost."""
        return self.cost(self.trial_worst_seconds)


@dataclass(frozen=True)
class CapUse:
    """How much of a cap on a sum is spent or reserved."""

    name: str
    cap: float
    spent: float

    @property
    def left(self) -> float:
        """What may still be spent."""
        return max(self.cap - self.spent, 0.0)


@dataclass(frozen=True)
class CapReached:
    """Why a call may not be made. `call`: it alone is too dear, a smaller one may be made."""

    reason: str
    call: bool = False


class Ledger(Protocol):
    """Who says whether a call may be made, and remembers what it cost. Safe in many threads."""

    def reserve(self, intent: Intent) -> int | CapReached:
        """Return the new call's number, its worst case reserved durably; or why it may not be."""
        ...

    def settle(self, call: int, settlement: Settlement) -> None:
        """Write down how a call ended; a second settlement of the same call is ignored."""
        ...

    def send_back(self, call: int, reason: str) -> None:
        """Write down why a call's answer was refused and sent back to its author."""
        ...

    def remaining(self) -> float | None:
        """Return what the tightest cap of run and study leaves; None where there is none."""
        ...


class Account(Ledger, Protocol):
    """A ledger that also says how far each of its caps is used up."""

    def uses(self) -> Sequence[CapUse]:
        """Return the caps of run and study, those that there are."""
        ...


def dollars(amount: float) -> str:
    """Return an amount as a person reads it: in cents, below a dollar in hundredths of them."""
    return f"${amount:,.2f}" if abs(amount) >= 1 or amount == 0 else f"${amount:.4f}"
