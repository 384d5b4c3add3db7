"""Why a model ended its answer, in the words of any provider.

An answer is applied only where its end is known to be one: every other word, also one that nobody
has heard of, may stand for half an answer. The kinds of the others are told by parts of the word,
since each provider has its own spelling: `max_tokens`, `MAX_TOKENS`, `model_length`.
"""

import re

from autoresearch.records.money import CallEnding

_ENDS = {
    "stop", "stopped", "end", "ended", "eos", "eot", "finish", "finished", "complete", "completed",
    "done", "success", "normal", "natural",
}  # fmt: skip
# What may stand beside such a word: "end_of_turn", "stop_sequence", "eos_token".
_BESIDE = {"of", "turn", "text", "sequence", "token", "message", "word", "str", "string", "id"}
_UNTOLD = ("", "none", "null")  # a whole body, and no reason given
_REFUSED = re.compile(
    r"filter|refus|safety|prohibit|block|recitation|spii|polic|guardrail|sensitiv"
)
_BROKEN = re.compile(
    r"error|fail|abort|cancel|time_?out|overload|unavailable|interrupt|disconnect|resource"
)
_AT_LIMIT = re.compile(r"length|token|max|limit|context|window|incomplete|truncat")
_TOOL = re.compile(r"tool|function")


def ending_of(stop: str) -> CallEnding:
    """Return what a finish reason says of an answer: whole, declined, broken off, or not whole."""
    said = _plain(stop)
    words = set(said.split("_"))
    if said in _UNTOLD or (words & _ENDS and words <= _ENDS | _BESIDE):
        return CallEnding.ANSWERED
    if _REFUSED.search(said):
        return CallEnding.REFUSED
    return CallEnding.CUT if _BROKEN.search(said) else CallEnding.TRUNCATED


def at_limit(stop: str) -> bool:
    """Whether a finish reason says that there was no more room."""
    return _AT_LIMIT.search(_plain(stop)) is not None


def for_tool(stop: str) -> bool:
    """Whether a finish reason says that the model wants a tool's answer first."""
    return _TOOL.search(_plain(stop)) is not None


def _plain(stop: str) -> str:
    words = re.sub(r"[^a-z]+", "_", stop.lower()).strip("_")
    return words.removeprefix("finish_reason_")
