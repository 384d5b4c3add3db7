"""Making hostile text safe: what a log, a traceback or a proposal says reaches people through here.

The last pass is the guarantee: every control, format, private, unassigned, separator, tag and
variation character is escaped, whatever came before it (the line feeds between rows aside); a
space of any kind is shown as one.
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


def safe_reason(text: str, width: int = 200) -> str:
    """Return what an exception said as one printable line of at most `width` characters.

    Where that is too short for all of it, the middle is left out: the last line often says what is
    wrong, after a first one that says only where.
    """
    whole = safe_line(text, LINE_INPUT)
    rows = text[-LINE_INPUT:].strip().splitlines()
    if len(whole) <= width or len(rows) < 2:
        return safe_line(whole, width)
    last = safe_line(rows[-1], 2 * width // 3)
    return f"{safe_line(whole, width - len(last) - 1)} {last}"


def unescaped(text: str) -> str:
    """Return a text without what colours it or moves a terminal's cursor."""
    return _ESCAPES.sub("", text)


def counted(number: float, noun: str, plural: str = "") -> str:
    """Return so many of something in words: "1 pair", "2 pairs", "1,200 entries"."""
    shown = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{shown} {noun if number == 1 else plural or f'{noun}s'}"


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


def whole_text(data: bytes) -> str:
    """Return a log as printable text: all of it that a terminal would show, to the last line."""
    rows = data.decode("utf-8", "backslashreplace").rstrip().split("\n")
    return "\n".join(map(_visible, rows))


def _visible(row: str) -> str:
    """Return what is on the screen of a line that may have been drawn over and over."""
    return _printable(row.rstrip("\r").rpartition("\r")[2]).rstrip()


def _safe_row(row: str) -> str:
    visible = _visible(row)
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
    if character == "\t" or category == "Zs":  # a space of whatever width
        return " "
    if character == "\n":
        return character
    code = ord(character)
    variation = any(first <= code <= last for first, last in _VARIATIONS)
    if category in _UNSAFE or variation:
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"
    return character
