"""Reads a patch file: its bytes as clean text, and what its author wrote above the diff.

The same bytes always give the same text: it is kept with the experiment, and tells after a restart
that the file was proposed already.
"""

import bz2
import codecs
import gzip
import lzma
import re
import zlib
from collections.abc import Callable
from contextlib import suppress
from email.errors import MessageError
from email.header import decode_header, make_header
from io import BufferedIOBase, BytesIO

from autoresearch.proposers.reading import Header, header
from autoresearch.records.text import safe_line, unescaped

MOST_BYTES = 8 * 2**20  # that are read of a file, and unpacked of it
_MOST_ABOVE, _MOST_SUBJECT = 20_000, 1000  # characters that are read for a hypothesis
_PACKERS: dict[bytes, Callable[[BytesIO], BufferedIOBase]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}
_BOMS = (  # the longer ones first: UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_COLOURED = re.compile(
    r"^(?=.*\x1b\[)(?:\x1b\[[0-9;]*[mK])*(?:diff |--- |\+\+\+ |@@ )", re.MULTILINE
)
_MARGIN = re.compile(r"^([>| \t]*[>| \t])@@ -\d", re.MULTILINE)
_HUNK = re.compile(r"^@@", re.MULTILINE)
_BEGIN = re.compile(r"^(?:diff |Index: |--- .*\n\+\+\+ )", re.MULTILINE)
_SUBJECT = re.compile(r"^Subject: *((?:.*\n)(?:[ \t].+\n)*)", re.MULTILINE)
# The title in what `git show` and `git log` print.
_SHOWN = re.compile(r"^commit [0-9a-f]{7,64}\b.*\n(?:\S.*\n)+\n {4}(.+)", re.MULTILINE)
# A heading, a line that Mercurial writes of a commit, or a fence: skipped, as sentences may follow.
_SKIPPED = re.compile(r"#.*|\s*(?:`{3,}|~{3,}).*")
_SHA = re.compile(r"[0-9a-f]{7,64} ")
_TAGS = re.compile(r"^(?:\s*(?:\[[^]]*\]|re:|fwd?:))+\s*", re.IGNORECASE)
# Lines that mail, git and diff write: where one of them is, the text is no author's sentence.
_FORMAT = re.compile(
    r"From [0-9a-f]{40,64} .*|[A-Z][A-Za-z-]*: .*|commit [0-9a-f]{7,}.*|[-=*_]{3,}|=== .*"
    r"|.*[$%>] (?:git|hg|svn|diff)\b.*"
    r"|.+ \| +(\d+ [+-]*|Bin .*)| *\d+ files? changed.*|(create|delete) mode .*|[^A-Za-z]*"
)


def text_of(data: bytes) -> str:
    """Return a patch file's text: unpacked, decoded, without colours, margins and NULs.

    Bytes that are no text become replacement characters, for which the patch is refused later.
    """
    text = _decoded(_unpacked(data)).replace("\0", "\ufffd")
    if "\n" not in text:
        text = text.replace("\r", "\n")
    if _COLOURED.search(text):
        text = unescaped(text)
    return _without_margin(text)


def patch_header(text: str, name: str) -> Header:
    """Return the header of a patch: what is written above its diff, or else its file's name.

    Read are header lines as a model writes them, a mail's subject, the first line of a commit's
    message, or sentences; never a line that only belongs to a format.
    """
    begin = _BEGIN.search(text)
    above = text[: min(begin.start(), _MOST_ABOVE)] if begin else ""
    written = header(above)
    if written.hypothesis:
        return written
    title = _SHOWN.search(above)
    words = _subject(above) or (title[1] if title else "") or _prose(above)
    return Header(safe_line(words, 300) or safe_line(name, 120))


def _unpacked(data: bytes) -> bytes:
    for mark, opened in _PACKERS.items():
        if data.startswith(mark):
            try:
                return opened(BytesIO(data)).read(MOST_BYTES)
            except (OSError, EOFError, zlib.error, lzma.LZMAError):
                return data
    return data


def _decoded(data: bytes) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.removeprefix(mark).decode(encoding, "replace")
    if wide := _wide(data):
        return data.decode(wide, "replace")
    return b"\n".join(map(_line, data.split(b"\n"))).decode("utf-8", "replace")


def _wide(data: bytes) -> str:
    """Return the encoding of text in two bytes a character: every second byte is mostly 0."""
    most = len(data) // 4
    even, odd = data[::2].count(0), data[1::2].count(0)
    if min(even, odd) * 10 > max(even, odd):
        return ""
    return "utf-16-le" if odd > most else "utf-16-be" if even > most else ""


def _line(line: bytes) -> bytes:
    """Return a line as UTF-8; one that is none is read as Latin-1, unless the patch adds it."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return line if line.startswith(b"+") else line.decode("latin-1").encode("utf-8")
    return line


def _without_margin(text: str) -> str:
    """Return a text without the indentation or quotation marks before all lines of its diff."""
    match = _MARGIN.search(text)
    if match is None or _HUNK.search(text) or f"\n{match[1]}+++ " not in text:
        return text
    bare = match[1].rstrip()
    lines = (line.removeprefix(match[1]) for line in text.split("\n"))
    return "\n".join("" if line.rstrip() == bare else line for line in lines)


def _subject(above: str) -> str:
    match = _SUBJECT.search(above)
    if match is None:
        return ""
    words = " ".join(match[1].split())[:_MOST_SUBJECT]
    with suppress(LookupError, ValueError, MessageError):
        words = str(make_header(decode_header(words)))
    return _TAGS.sub("", words)


def _prose(above: str) -> str:
    lines = [line.strip() for line in unescaped(above).splitlines()]
    words = [line for line in lines if line and not _SKIPPED.fullmatch(line)]
    return "" if any(map(_FORMAT.fullmatch, words)) else _SHA.sub("", " ".join(words), count=1)
