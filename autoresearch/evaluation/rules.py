"""The rules a checkpoint can break, and the exception that carries the breach to the border."""

from enum import StrEnum

from autoresearch.records.scores import Disqualification


class Rule(StrEnum):
    """What a checkpoint is disqualified for; stable names, stored in the registry."""

    LOAD = "load"
    TOKENIZER = "tokenizer"
    SHAPE = "shape"
    EXCEPTION = "exception"
    TIMEOUT = "timeout"
    DEATH = "death"
    MEMORY = "memory"
    PROTOCOL = "protocol"
    NON_FINITE = "non-finite"
    POSITIVE = "positive"
    COMMITMENT = "commitment"
    AUDIT = "audit"
    INFLATED = "inflated"


class Disqualified(Exception):  # noqa: N818 - a verdict on its way up, no fault of ours
    """Ends a scoring; never leaves this package: `Evaluator.score` returns its verdict."""

    def __init__(self, rule: Rule, reason: str) -> None:
        super().__init__(reason)
        self.verdict = Disqualification(rule.value, reason)
