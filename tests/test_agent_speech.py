"""What programs print, and what of it they say: plain, coloured and in JSON of any kind."""

import json
from datetime import UTC, datetime

from autoresearch.proposers.agent_speech import extract_speech, reported_limit

WORDS = "I made it deeper.\n\nhypothesis: deeper\ncategory: architecture"
NOISE = {"type": "system", "subtype": "init", "tools": ["Read"], "message": "not mine"}
USED = {"type": "turn.completed", "usage": {"input_tokens": 9, "output_tokens": 3}}


def lines(*events: object) -> str:
    return "\n".join(json.dumps(event) for event in events) + "\n"


def by(role: str, *content: object) -> dict[str, object]:
    return {"type": role, "message": {"role": role, "content": list(content)}}


def chunk(text: str) -> dict[str, object]:
    return {"type": "message", "role": "assistant", "content": text, "delta": True}


def event(text: str) -> dict[str, object]:
    delta = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}
    return {"type": "stream_event", "event": delta}


def item(kind: str, **fields: str) -> dict[str, object]:
    return {"type": "item.completed", "item": {"id": "i1", "type": kind, **fields}}


FORMATS = {
    "plain": WORDS,
    "coloured": "\x1b[1mI made it deeper.\x1b[0m\n\n\x1b]8;;x\x07hypothesis: deeper\n"
    "category: \x1b[31marchitecture\x1b[m",
    "one object": json.dumps({"type": "result", "is_error": False, "result": WORDS}),
    "one object in many lines": json.dumps({"response": WORDS, "stats": {"models": {}}}, indent=2),
    "below a log": f"Loading...\n{json.dumps({'response': WORDS}, indent=2)}",
    "an array": json.dumps([NOISE, by("assistant", {"type": "text", "text": WORDS})]),
    "events that end with the whole": lines(
        NOISE,
        by("user", {"type": "text", "text": "hypothesis: echoed"}),
        by("assistant", {"type": "thinking", "thinking": "hypothesis: a draft"}),
        by("assistant", {"type": "tool_use", "input": {"content": "hypothesis: code"}}),
        by("user", {"type": "tool_result", "content": "hypothesis: a file"}),
        by("assistant", {"type": "text", "text": WORDS}),
        {"type": "result", "subtype": "success", "is_error": False, "result": WORDS},
    ),
    "items": lines(
        {"type": "thread.started", "thread_id": "t"},
        item("reasoning", text="hypothesis: a draft"),
        item("command_execution", command="cat", aggregated_output="hypothesis: a file"),
        item("agent_message", text=WORDS),
        USED,
    ),
    "messages in a wrapper": lines({"id": "0", "msg": {"type": "agent_message", "message": WORDS}}),
    "chunks": lines(NOISE, *map(chunk, ("I made ", "it deeper.\n\nhypo", WORDS[23:])), USED),
    "events of chunks": lines(*map(event, (WORDS[:30], WORDS[30:]))),
    "a part": lines({"type": "text", "part": {"type": "text", "text": WORDS}}),
    "server-sent": f"data: {json.dumps(by('assistant', {'type': 'text', 'text': WORDS}))}\n\n",
}  # fmt: skip
AS_IT_IS = (
    '{"hypothesis": "deeper", "category": "architecture"}',
    "{not json\n{'nor': this}\n[1, 2, 3]",
    "x = {\n    1: 2,\n}",
    "{" * 2000,
    'train.py\n<<<<<<< SEARCH\n{"type": "a"}\n\n\n=======\n{"text": "b"}\n\n>>>>>>> REPLACE\n',
)


def test_words_are_found_in_every_format() -> None:
    for name, text in FORMATS.items():
        said = extract_speech(text).removeprefix("Loading...\n")
        assert said == WORDS, name


def test_what_is_no_format_stays_as_it_is() -> None:
    for text in AS_IT_IS:
        assert extract_speech(text) == text
    assert extract_speech(lines(USED)) == ""


def test_what_a_failure_says_is_asked_for_apart() -> None:
    for broken in (
        {"type": "error", "message": "not logged in"},
        {"type": "turn.failed", "error": {"message": "not logged in"}},
        {"type": "result", "is_error": True, "result": "not logged in"},
        {"response": None, "error": {"type": "Error", "message": "not logged in", "code": 1}},
    ):
        assert extract_speech(lines(broken), failed=True).strip() == "not logged in"


NOW = datetime(2026, 11, 29, 1, 0, tzinfo=UTC)
LIMITS = {
    "You've hit your usage limit · resets 3:20am (Europe/Brussels)": 80 * 60.0,
    "You're out of extra usage · resets 3:20am (Europe/Brussels)": 80 * 60.0,
    "You've hit your usage limit. Upgrade or try again in 7m12s.": 432.0,
    f"Claude AI usage limit reached|{int(NOW.timestamp()) + 600}": 600.0,
    '{"type":"error","message":"Rate limit reached. Please try again in 20s"}': 20.0,
    '{"type":"turn.failed","error":{"message":"429 Too Many Requests","retryDelay":"34s"}}': 34.0,
    "\x1b[31mquota exhausted\x1b[0m\nretry after 90 seconds\n": 90.0,
}
NO_LIMITS = (
    "",
    "not logged in",
    "the request timed out; trying again in 5 s",
    "usage limit",
    "Rate limit reached, try again in 20s" + "\nit went on" * 20,
)


def test_a_limit_is_believed_with_its_time_at_the_end() -> None:
    for text, seconds in LIMITS.items():
        limit = reported_limit(("", text), NOW)
        assert limit is not None, text
        assert limit.seconds == seconds, text
        assert limit.line.isprintable()
    for text in NO_LIMITS:
        assert reported_limit((text,), NOW) is None, text


def test_when_it_ends_is_told_by_the_clock_and_the_day() -> None:
    limit = reported_limit(("usage limit: try again in 2 hours",), NOW)
    assert limit is not None
    assert limit.until(NOW) == "03:00"
    assert limit.until(NOW.replace(hour=23)) == "2026-11-30 01:00"
