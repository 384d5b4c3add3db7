"""The causes for which a checkpoint can have no score, and whose fault each of them is."""

from enum import StrEnum

from autoresearch.records.scores import Unscored
from autoresearch.records.values import FailureKind


class Cause(StrEnum):
    """Why there is no score; stable names, stored in the registry."""

    LOAD = "load"
    TOKENIZER = "tokenizer"
    SHAPE = "shape"
    EXCEPTION = "exception"
    TIMEOUT = "time-out"
    EXIT = "exit"
    MEMORY = "out of memory"
    LIMIT = "over limit"
    NON_FINITE = "non-finite"
    METRIC = "metric"
    START = "start"
    DEATH = "death"
    DEVICE = "device"
    PROTOCOL = "protocol"
    POSITIVE = "positive"
    COMMITMENT = "commitment"
    AUDIT = "audit"
    INFLATED = "inflated"

    @property
    def kind(self) -> FailureKind:
        """Whose fault it is."""
        if self in _MACHINE:
            return FailureKind.MACHINE
        return FailureKind.RULE if self in _RULES else FailureKind.IDEA


# START: no server can run here. DEATH: a signal that we did not send. DEVICE: the accelerator's
# fault. METRIC (no number where the project's metric should be) is the idea's fault.
_MACHINE = frozenset({Cause.START, Cause.DEATH, Cause.DEVICE})
_RULES = frozenset(
    {
        Cause.TOKENIZER,
        Cause.PROTOCOL,
        Cause.POSITIVE,
        Cause.COMMITMENT,
        Cause.AUDIT,
        Cause.INFLATED,
    }
)


class NoScore(Exception):  # noqa: N818 - an answer on its way up, no fault of ours
    """Ends a scoring; it never leaves this package: `Evaluator.score` returns its `unscored`."""

    def __init__(self, cause: Cause, reason: str) -> None:
        super().__init__(reason)
        self.cause = cause
        self.unscored = Unscored(cause.value, reason, cause.kind)
