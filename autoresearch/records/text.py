"""Making hostile text safe: what a log, a traceback or a proposal says reaches people through here.

The last pass is the guarantee: every control, format, private, unassigned, separator, tag and
variation character is escaped, whatever came before it (the line feeds between rows aside).
Dropping whole escape sequences first is cosmetic. Each sink (a terminal, a TSV, a commit
message) escapes once more in its own way.
"""

import re
import unicodedata

# CSI, then OSC/DCS-like strings (which end at a line end: an unterminated one must not swallow
# the traceback that follows it), then two-character escapes.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]"
)
_RUNS = re.compile(r"(\S)\1{160,}")
_UNSAFE = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})
_MARKS = frozenset({"Mn", "Me"})
_VARIATIONS = ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
TEXT_BYTES = 256 * 1024
LINE_WIDTH = 300
LINE_INPUT = 20_000


def safe_line(text: str, width: int = 200) -> str:
    """Return one printable line of at most `width` characters; line ends become spaces."""
    folded = " ".join(_printable(text[:LINE_INPUT].replace("\r", "\n")).split())
    return folded if len(folded) <= width else folded[: width - 1] + "…"


def safe_text(data: bytes | str, *, lines: int = 60, size: int = 6000) -> str:
    """Return the end of a log as printable text: at most `lines` lines and `size` characters.

    Bytes that are no UTF-8 are shown as escapes; of a line redrawn with carriage returns only
    what was last on the screen is kept.
    """
    if isinstance(data, bytes):
        data = data[-TEXT_BYTES:].decode("utf-8", "backslashreplace")
    rows = data[-TEXT_BYTES:].rstrip().split("\n")
    shown = [_safe_row(row) for row in rows[-2 * lines :]]
    while shown and not shown[-1]:
        shown.pop()
    text = "\n".join(shown[-lines:])
    return text if len(text) <= size else "…" + text[len(text) - size + 1 :]


def _safe_row(row: str) -> str:
    visible = _printable(row.rstrip("\r").rpartition("\r")[2]).rstrip()
    visible = _RUNS.sub(lambda run: f"{run[1] * 8}…({len(run[0])} times)", visible)
    return visible if len(visible) <= LINE_WIDTH else visible[: LINE_WIDTH - 1] + "…"


def _printable(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    for character in _ESCAPES.sub("", text):
        category = unicodedata.category(character)
        marks = marks + 1 if category in _MARKS else 0
        if marks > 2:
            continue
        shown.append(_escaped(character, category))
    return "".join(shown)


def _escaped(character: str, category: str) -> str:
    if character in "\t\n":
        return " " if character == "\t" else character
    code = ord(character)
    variation = any(first <= code <= last for first, last in _VARIATIONS)
    if category in _UNSAFE or variation:
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"
    return character
