"""Extracts words from a program's output: plain text as it is, and the speech in its JSON.

Coding agents may print one JSON object at the end, or one event a line. Speech is recognised by
form, not by maker: strings under certain names, in objects that are the agent's own.
"""

import json
import re
from collections.abc import Iterator

from autoresearch.records.text import unescaped

_SPEECH = frozenset(
    {"text", "result", "response", "content", "message", "output", "answer", "last_agent_message"}
)
# Types or roles of what is no speech: tools, prompts, thoughts.
_NO_SPEECH = re.compile(r"tool|user|system|reason|think|thought|command|function")
_FAILED = re.compile(r"error|fail")
_BEGIN = re.compile(r"^(?:data: ?)?[ \t]*(?=\{|\[\s*[{\[\]])", re.MULTILINE)
_MOST_FAILURES = 20  # texts that only look like JSON: each costs a read to its end
_CHUNK = "\0"  # before a piece that continues the one before it on the same line


def extract_speech(output: str, *, failed: bool = False) -> str:
    """Return a program's words, without colours; if it is mostly JSON, the speech in that.

    `failed`: messages about a failure count, too, which are nothing about a change.
    """
    text = unescaped(output).replace("\0", "")
    pieces: list[str] = []
    at = failures = understood = 0
    while failures < _MOST_FAILURES and (begin := _BEGIN.search(text, at)):
        try:
            value, end = json.JSONDecoder().raw_decode(text, begin.end())
        except (ValueError, RecursionError):
            failures += 1
            line_end = text.find("\n", begin.end())
            end = len(text) if line_end < 0 else line_end
            pieces.append(text[at:end])
        else:
            speech = list(_speech(value, failed=failed))
            is_output = bool(speech) or _is_event(value)
            understood += end - begin.start() if is_output else 0
            pieces += [text[at : begin.start()], *speech]
            pieces += [] if is_output else [text[begin.start() : end]]
        at = end
    # Less is text or code in which some lines only look like JSON.
    return _joined([*pieces, text[at:]]) if 2 * understood > len(text.strip()) else text


def _is_event(value: object) -> bool:
    return isinstance(value, list) or (isinstance(value, dict) and "type" in value)


def _speech(value: object, *, failed: bool) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _speech(each, failed=failed)
    if not isinstance(value, dict):
        return
    kind = f"{value.get('type', '')} {value.get('role', '')}".lower()
    complaint = value.get("is_error") is True or _FAILED.search(kind)
    if _NO_SPEECH.search(kind) or (complaint and not failed):
        return
    chunk = _CHUNK if "delta" in kind or value.get("delta") is True else ""
    for name, each in value.items():
        if isinstance(each, str) and name in _SPEECH:
            yield chunk + each
        elif not isinstance(each, str) and (failed or name != "error"):
            yield from _speech(each, failed=failed)


def _joined(pieces: list[str]) -> str:
    """Return all pieces on lines of their own, chunks put together, each text once."""
    whole: list[str] = []
    chunked = False
    for piece in pieces:
        chunk = piece.startswith(_CHUNK)
        if chunk and chunked:
            whole[-1] += piece.removeprefix(_CHUNK)
        elif bare := piece.removeprefix(_CHUNK).strip("\n"):
            whole.append(bare)
            chunked = chunk
    return "\n".join(dict.fromkeys(whole))
