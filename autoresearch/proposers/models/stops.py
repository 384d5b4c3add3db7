"""Why a model ended its answer: the finish reasons of all providers.

An answer is only used if its finish reason is known to be a proper end: any other word, also one
that is not known, may stand for half an answer. Other reasons are recognised by parts of the word,
since each provider has its own spelling: `max_tokens`, `MAX_TOKENS`, `model_length`.
"""

import re

from autoresearch.records.money import CallEnding

_ENDS = {
    "stop", "stopped", "end", "ended", "eos", "eot", "finish", "finished", "complete", "completed",
    "done", "success", "normal", "natural",
}  # fmt: skip
# Words that may stand beside these: "end_of_turn", "stop_sequence", "eos_token".
_BESIDE = {"of", "turn", "text", "sequence", "token", "message", "word", "str", "string", "id"}
_NONE_GIVEN = ("", "none", "null")  # in a body that came whole
_REFUSED = re.compile(
    r"filter|refus|safety|prohibit|block|recitation|spii|polic|guardrail|sensitiv"
)
_BROKEN = re.compile(
    r"error|fail|abort|cancel|time_?out|overload|unavailable|interrupt|disconnect|resource"
)
_AT_LIMIT = re.compile(r"length|token|max|limit|context|window|incomplete|truncat")
_TOOL = re.compile(r"tool|function")


def ending_of(stop: str) -> CallEnding:
    """Return whether an answer is whole, declined, broken off, or cut, by its finish reason."""
    reason = _plain(stop)
    words = set(reason.split("_"))
    if reason in _NONE_GIVEN or (words & _ENDS and words <= _ENDS | _BESIDE):
        return CallEnding.ANSWERED
    if _REFUSED.search(reason):
        return CallEnding.REFUSED
    return CallEnding.CUT if _BROKEN.search(reason) else CallEnding.TRUNCATED


def at_limit(stop: str) -> bool:
    """Return whether a finish reason says that the output tokens were used up."""
    return _AT_LIMIT.search(_plain(stop)) is not None


def for_tool(stop: str) -> bool:
    """Return whether a finish reason says that the model waits for a tool's answer."""
    return _TOOL.search(_plain(stop)) is not None


def _plain(stop: str) -> str:
    words = re.sub(r"[^a-z]+", "_", stop.lower()).strip("_")
    return words.removeprefix("finish_reason_")
