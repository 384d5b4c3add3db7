"""Recognises changes that are written in no unified diff: their form, and what to do instead."""

import re

_UNIFIED = "make it with `git diff` or `diff -u`"
_PLAIN = "make it with `git diff` without options"
_MOST_LINES, _MOST_WIDE = 5000, 300  # lines that are looked at, and characters of each
# Each form by a line that only such a text has. With hunks, it is a unified diff that was altered.
_WITH_HUNKS = (
    (r"@@@+ -.*|diff --(cc|combined) .*", "a merge's combined diff: use `git diff HEAD^1 HEAD`"),
    (r".*(\[-[^][]+-\]|\{\+[^}{]+\+\}).*|~", f"a word diff: {_PLAIN}"),
    (r".*=3D.*", "a diff in a mail's quoted-printable: save it decoded"),
    (r".*&(lt|gt|amp|quot|#39);.*", "a diff escaped for a web page: download the raw one"),
)
_WITHOUT_HUNKS = (
    (r"\*{15}|\*{3} \d+(,\d+)? \*{4}", f"a context diff: {_UNIFIED}"),
    (r"\d+(,\d+)?[acd]\d+(,\d+)?", f"a normal diff, which names no file: {_UNIFIED}"),
    (r"\d+([, ]\d+)?[acdis]|[acd]\d+ \d+|[acd]\d+( \d+)?", f"an ed or RCS script: {_UNIFIED}"),
    (r"GIT binary patch|(Binary )?[Ff]iles .* differ", "a binary diff: use `git diff --text`"),
    (r"<{5,9} ?SEARCH.*", f"no diff but SEARCH/REPLACE blocks: {_UNIFIED}"),
    (r"\*{3} Begin Patch", f"no diff but a patch for an apply_patch tool: {_UNIFIED}"),
    (r"(?i: *(<!doctype html|<html|<head|<body)\b.*)", "a web page: download the raw diff"),
    (r"(?i:Content-Transfer-Encoding: *base64)", "a mail in base64: save the text in it"),
    (r".+ \| +(\d+( [+-]+)?|Bin .*)| *\d+ files? changed.*", f"a diff's summary: {_PLAIN}"),
    (r"(\d+|-)\t(\d+|-)\t.+|:\d{6} .+|[ACDMRTU]\d*\t.+", f"a list of changed files: {_PLAIN}"),
    (r"#if(n?def|) .+|.{16,}[ \t][|<>](\t| ).+", f"no unified diff: {_UNIFIED}"),
)


def other_form(text: str) -> str:
    """Return what form of diff a text is, and what to do; "" where it is none that is known."""
    text = "\n".join(line[:_MOST_WIDE] for line in text.split("\n", _MOST_LINES)[:_MOST_LINES])
    bare = re.search(r"^@@ -", text, re.MULTILINE) is None
    for line, form in (*_WITH_HUNKS[:1], *_WITHOUT_HUNKS) if bare else _WITH_HUNKS:
        if re.search(rf"^(?:{line})\r?$", text, re.MULTILINE):
            return form
    return ""
