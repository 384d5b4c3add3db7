"""Makes text that may be hostile harmless in a prompt: printable, capped, and between marks.

Whatever comes from experiments (logs, tracebacks, hypotheses, names, code) is data. It stands
between two marks that share a 128-bit nonce. The nonce is a keyed hash of the text itself, so it is
the same each time the text is shown (a prompt's beginning stays cacheable), nobody without the
study's salt can predict it, and no text can contain its own, even if a model were persuaded to
write down every nonce that it saw.
"""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Sequence

from autoresearch.records.text import counted, safe_line, safe_text

_UNSAFE = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})
_MARKS = frozenset({"Mn", "Me"})
_VARIATIONS = ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
_MOST_MARKS = 2
_ODD = re.compile(r"[^\n\t -~]+")
# What servers of open models take for the beginning or end of a turn, wherever it is.
_TURNS = re.compile(
    r"<\|[^\s|<>]{1,60}\|>|<\uff5c[^\uff5c<>\n]{1,60}\uff5c>|<</?SYS>>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"
    r"|</?(?:s|bos|eos|think|tool_call|tool_response|(?:start|end)_of_turn)>"
)


class UntrustedBlocks:
    """Puts text between marks that it cannot predict."""

    def __init__(self, salt: str) -> None:
        self._salt = salt.encode("utf-8", "surrogatepass")

    def data(self, kind: str, text: str, name: str = "") -> str:
        """Return text that was made printable before as a block, on lines of its own.

        Args:
            kind: what it is, one of our own words.
            text: from `line`, `tail` or `code`.
            name: of a file or the like; it may be hostile.
        """
        nonce = self._nonce(kind, name, text)
        body = text.removesuffix("\n")
        return f"<<data {nonce} {kind}{_label(name)}>>\n{body}\n<<end {nonce}>>"

    def inline(self, kind: str, text: str) -> str:
        """Return text from `line` as a block on one line."""
        nonce = self._nonce(kind, "", text)
        return f"<<data {nonce} {kind}>> {text} <<end {nonce}>>"

    def instructions(self, text: str) -> str:
        """Return what the person wants done as a block: the only one that is to be obeyed."""
        nonce = self._nonce("program", "", text)
        body = text.removesuffix("\n")
        return f"<<program {nonce}>>\n{body}\n<<end {nonce}>>"

    def added(self, notes: Sequence[str]) -> str:
        """Return what the person has added as such a block, oldest first; "" for nothing."""
        lines = "\n".join(f"- {code(each)}" for each in notes)
        return self.instructions(lines) if lines else ""

    def key(self, text: str) -> str:
        """Return a short name for something, from which nothing can be learned about it."""
        return self._hash("key", text)[:24]

    def _nonce(self, *parts: str) -> str:
        for turn in range(100):
            nonce = self._hash(*parts, str(turn))[:32]
            if not any(nonce in part for part in parts):
                return nonce
        msg = "a text that holds every nonce made for it"
        raise AssertionError(msg)

    def _hash(self, *parts: str) -> str:
        digest = hmac.new(self._salt, digestmod=hashlib.sha256)
        for part in parts:
            data = part.encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(data) + data)
        return digest.hexdigest()


def line(text: str, width: int) -> str:
    """Return one printable line of at most about `width` characters."""
    return _harmless(safe_line(text, width))


def tail(text: str, *, lines: int, size: int) -> str:
    """Return the end of a log or traceback as printable lines."""
    return _harmless(safe_text(text, lines=lines, size=size))


def code(text: str) -> str:
    r"""Return source text as it is, but for odd characters, which are shown as \u{...}.

    Line ends become line feeds and a byte order mark is left out: an edit needs to name neither,
    and keeps both.
    """
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n")
    return _harmless(_ODD.sub(lambda odd: _spelt(odd[0]), plain))


def excerpt(text: str, *, lines: int, size: int) -> str:
    """Return the beginning of source text, and how many lines are left out."""
    rows = [row if len(row) <= 300 else f"{row[:299]}…" for row in code(text).split("\n")]
    while rows and not rows[-1]:
        rows.pop()
    kept, used = 0, 0
    while kept < min(len(rows), lines) and used + len(rows[kept]) < size:
        used += len(rows[kept]) + 1
        kept += 1
    left = len(rows) - kept
    return "\n".join([*rows[:kept], *([f"[{counted(left, 'more line')}]"] if left else [])])


def _spelt(run: str) -> str:
    shown: list[str] = []
    marks = 0
    for character in run:
        category = unicodedata.category(character)
        marks = marks + 1 if category in _MARKS else 0
        variation = any(first <= ord(character) <= last for first, last in _VARIATIONS)
        odd = category in _UNSAFE or variation or marks > _MOST_MARKS
        shown.append(_escape(character) if odd else character)
    return "".join(shown)


def _harmless(text: str) -> str:
    return _TURNS.sub(lambda turn: _escape(turn[0][0]) + turn[0][1:], text)


def _escape(character: str) -> str:
    return f"\\u{{{ord(character):x}}}"


def _label(name: str) -> str:
    if not name:
        return ""
    shown = re.sub(r'[<>"\\]', lambda odd: _escape(odd[0]), safe_line(name, 120))
    return f' "{_harmless(shown)}"'
