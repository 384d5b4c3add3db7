"""Applies unified diffs to texts: all of a diff, or none of it with the reason."""

import hashlib
from collections.abc import Mapping

from autoresearch.patching.forms import other_form
from autoresearch.patching.placing import apply_hunks
from autoresearch.patching.unified import FileDiff, read_diff
from autoresearch.records.proposals import Rejection
from autoresearch.records.text import safe_line

MOST_FILES = 1000  # in one diff
_HASHES = ("sha1", "sha256")
_KINDS = {"120000": "a link", "160000": "a submodule"}


def apply_diff(files: Mapping[str, str], diff: str, prefix: str = "") -> dict[str, str] | Rejection:
    """Return all files after a diff, or why it does not apply; a removed file is missing.

    Args:
        files: the project's texts, by path.
        diff: unified, as `git diff`, `git format-patch`, `svn diff` or `diff -u` write it; text
            around it is ignored. A hunk that fits several places is refused.
        prefix: of the project in its repository, "" or ending with a slash; diffs made at the
            repository's top are understood.
    """
    after = _applied(files, diff, prefix)
    if not isinstance(after, Rejection):
        return after
    form = other_form(diff)
    return Rejection(f"this is {form}" if form else f"it does not apply: {after.reason}")


def named_files(files: Mapping[str, str], diff: str, prefix: str = "") -> list[str]:
    """Return the known files that a diff names, each once."""
    parts = read_diff(diff)
    if isinstance(parts, Rejection):
        return []
    paths = (_known(part, name, files, prefix) for part in parts for name in (part.old, part.new))
    return list(dict.fromkeys(path for path in paths if path is not None))


def _applied(files: Mapping[str, str], diff: str, prefix: str) -> dict[str, str] | Rejection:
    parts = read_diff(diff)
    if isinstance(parts, Rejection):
        return parts
    if not any(part.hunks or part.moved or part.mode or part.binary for part in parts):
        return Rejection("it has no hunk (they begin with @@): make it with `diff -u`")
    if len(parts) > MOST_FILES:
        return Rejection(f"it is about {len(parts)} files")
    after = dict(files)
    for part in parts:
        before = files if part.moved else after
        path = _path(part, before, prefix)
        if isinstance(path, Rejection):
            return path
        text = _text(part, path, before)
        if isinstance(text, Rejection):
            return Rejection(f"{safe_line(path, 80)}: {text.reason}")
        if part.moved == "rename" or part.removed:
            after.pop(path, None)
        if not part.removed:
            after[_fresh(part, prefix) if part.moved else path] = text
    return after


def _path(part: FileDiff, files: Mapping[str, str], prefix: str) -> str | Rejection:
    """Return the path of the file that a part of a diff changes or makes."""
    fresh = _fresh(part, prefix)
    if part.created:
        return (
            fresh if not files.get(fresh) else Rejection(f"{safe_line(fresh, 80)} is there already")
        )
    names = (part.old,) if part.moved else (part.old, part.new)
    known = {_known(part, name, files, prefix) for name in names} - {None}
    if len(known) > 1:
        shown = " and ".join(safe_line(str(each), 80) for each in sorted(map(str, known)))
        return Rejection(f"it names two files of the project for one change: {shown}")
    if known:
        return str(known.pop())
    if part.hunks and not any(hunk.old for hunk in part.hunks):
        return fresh  # `diff -N` names a file that is not there by a time long ago
    return Rejection(f"there is no file {safe_line(part.new or part.old, 80)}")


def _text(part: FileDiff, path: str, files: Mapping[str, str]) -> str | Rejection:
    """Return the text of a file after its part of a diff."""
    if part.binary:
        return Rejection("its change is binary: make it with `git diff --text`")
    if part.mode in _KINDS:
        return Rejection(f"it becomes {_KINDS[part.mode]}")
    before = files.get(path, "")
    after = apply_hunks(before, part.hunks, same=_is_made_from(part, before))
    if part.removed and after and not isinstance(after, Rejection):
        return Rejection("it is removed, but not all that it holds")
    return after


def _is_made_from(part: FileDiff, text: str) -> bool:
    """Return whether git wrote the hash of this very text into the diff."""
    data = text.encode("utf-8", "surrogatepass")
    blob = b"blob %d\0%b" % (len(data), data)
    hashes = (hashlib.new(name, blob, usedforsecurity=False).hexdigest() for name in _HASHES)
    return bool(part.blob) and any(each.startswith(part.blob) for each in hashes)


def _known(part: FileDiff, name: str, files: Mapping[str, str], prefix: str) -> str | None:
    """Return the file that a name in a diff means: with git's prefix, without it, or in any folder.

    Names in another folder come from somebody else's checkout; among several files that fit, it is
    the one with the longest path. A project below its repository's top is also found by its own
    folder.
    """
    short = name.partition("/")[2]
    for each in (short, name) if part.prefixed else (name, short):
        for path in (each, each.removeprefix(prefix)):
            if path in files:
                return path
    ends = [path for path in files if f"/{name}".endswith(f"/{prefix}{path}")]
    return max(ends, key=len, default=None)


def _fresh(part: FileDiff, prefix: str) -> str:
    """Return the path of a file that a diff makes."""
    name = part.new.partition("/")[2] if part.prefixed else part.new
    return name.removeprefix(prefix)
