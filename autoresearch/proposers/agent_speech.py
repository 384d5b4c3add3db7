"""What a program says: its words, its last complaint, and whether its provider's limit is reached.

Coding agents may print plain text, one JSON object at the end, or one event a line. Speech is
recognised by form, not by maker: strings under certain names, in objects that are the agent's own.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from autoresearch.proposers.programs import ProgramResult
from autoresearch.proposers.waits import requested_wait
from autoresearch.records.text import safe_line, unescaped

_SPEECH = frozenset(
    {"text", "result", "response", "content", "message", "output", "answer", "last_agent_message"}
)
# Types or roles of what is no speech: tools, prompts, thoughts.
_NO_SPEECH = re.compile(r"tool|user|system|reason|think|thought|command|function")
_FAILED = re.compile(r"error|fail")
_BEGIN = re.compile(r"^(?:data: ?)?[ \t]*(?=\{|\[\s*[{\[\]])", re.MULTILINE)
_MOST_FAILURES = 20  # texts that only look like JSON: each costs a read to its end
_CHUNK = "\0"  # before a piece that continues the one before it on the same line
# Words of providers for a limit that is used up. They count only together with a time to wait.
_USED_UP = re.compile(
    r"limit|quota|too many requests|\b[45]29\b|exhausted|overloaded|capacity|throttl|credits?\b"
    r"|out of (?:\w+ )?(?:usage|requests|messages|tokens)",
    re.IGNORECASE,
)
_MOST_LINES = 12  # at the end of each stream: what a program prints before may be about anything


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


def without_echo(output: str, prompt: str) -> str:
    """Return a program's words without the prompt, which some programs repeat."""
    return extract_speech(output).replace(prompt.strip(), "")


def complaint(ran: ProgramResult) -> str:
    """Return the last line in which a program may have written what went wrong."""
    return last_line(*(extract_speech(text, failed=True) for text in (ran.error, ran.out)))


def last_line(*texts: str) -> str:
    """Return the last line with any text, of the first text that has one."""
    lines = (text.rstrip().rpartition("\n")[2].strip() for text in texts)
    return next((line for line in lines if line), "")


@dataclass(frozen=True)
class Limit:
    """How many seconds to wait until a limit is renewed, and the line that says so."""

    seconds: float
    line: str

    def until(self, now: datetime) -> str:
        """Return the time of day at which it ends, on this machine's clock."""
        then = now + timedelta(seconds=self.seconds)
        return f"{then:%H:%M}" if then.date() == now.date() else f"{then:%Y-%m-%d %H:%M}"


def reported_limit(texts: tuple[str, ...], now: datetime) -> Limit | None:
    """Return the limit that the ends of some texts report; None where they report none.

    Args:
        texts: what a program printed, one text for each stream.
        now: aware, in this machine's zone.
    """
    for text in texts:
        rows = [row for row in unescaped(text).splitlines() if row.strip()][-_MOST_LINES:]
        tail = "\n".join(rows)
        seconds = requested_wait(tail, now) if _USED_UP.search(tail) else None
        if seconds is not None:
            last = [row for row in rows if _USED_UP.search(row)][-1]
            return Limit(seconds, safe_line(extract_speech(last, failed=True) or last, 200))
    return None
