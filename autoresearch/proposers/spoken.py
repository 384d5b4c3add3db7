"""What a program's output says: plain words as they are, and those inside its JSON.

Coding agents can print one JSON object at the end, or an event a line. What counts there is told by
form, not by maker: strings under the names that hold speech, in objects that are nobody else's.
"""

import json
import re
from collections.abc import Iterator

from autoresearch.records.text import unescaped

_SPEECH = frozenset(
    {"text", "result", "response", "content", "message", "output", "answer", "last_agent_message"}
)
# By type or role: what a tool did, what the program was told, what it thought, what failed.
_NOT_SAID = re.compile(r"tool|user|system|reason|think|thought|command|function")
_FAILED = re.compile(r"error|fail")
_BEGIN = re.compile(r"^(?:data: ?)?[ \t]*(?=\{|\[\s*[{\[\]])", re.MULTILINE)
_MOST_FAILURES = 20  # of texts that only look like JSON: each is read to its end
_CHUNK = "\0"  # before what goes on without a line end


def spoken(output: str, *, failed: bool = False) -> str:
    """Return a program's words, without colours; of what is mostly JSON, those that it holds.

    `failed`: also what it says of its failure, which is nothing about a change.
    """
    text = unescaped(output).replace("\0", "")
    pieces: list[str] = []
    at = failures = told = 0
    while failures < _MOST_FAILURES and (begin := _BEGIN.search(text, at)):
        try:
            value, end = json.JSONDecoder().raw_decode(text, begin.end())
        except (ValueError, RecursionError):
            failures += 1
            end = _line_end(text, begin.end())
            pieces.append(text[at:end])
        else:
            said = list(_said(value, failed=failed))
            told += end - begin.start() if said or _is_event(value) else 0
            pieces += [text[at : begin.start()], *said]
            pieces += [] if said or _is_event(value) else [text[begin.start() : end]]
        at = end
    # Else it is somebody's text or code, of which some lines only look like it.
    return _joined([*pieces, text[at:]]) if 2 * told > len(text.strip()) else text


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _is_event(value: object) -> bool:
    return isinstance(value, list) or (isinstance(value, dict) and "type" in value)


def _said(value: object, *, failed: bool) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _said(each, failed=failed)
    if not isinstance(value, dict):
        return
    kind = f"{value.get('type', '')} {value.get('role', '')}".lower()
    complaint = value.get("is_error") is True or _FAILED.search(kind)
    if _NOT_SAID.search(kind) or (complaint and not failed):
        return
    chunk = _CHUNK if "delta" in kind or value.get("delta") is True else ""
    for name, each in value.items():
        if isinstance(each, str) and name in _SPEECH:
            yield chunk + each
        elif not isinstance(each, str) and (failed or name != "error"):
            yield from _said(each, failed=failed)


def _joined(pieces: list[str]) -> str:
    """Return all pieces below one another, chunks put together, and none of them twice."""
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
