"""Which project paths a list of globs names. Paths are relative to the project, with slashes."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

_WILD = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^]/]+\]")
_MEANING = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def matches(path: str, globs: Iterable[str]) -> bool:
    """Return whether a path is named by one of the globs; `**` crosses folders, `*` does not.

    A path that leaves the project (absolute, or through ".."), reaches into a repository's own
    folder or holds control characters is named by none.
    """
    pure = PurePosixPath(path)
    forbidden = ".." in pure.parts or any(part.lower() == ".git" for part in pure.parts)
    if pure.is_absolute() or forbidden or not pure.parts or not path.isprintable():
        return False
    return any(re.fullmatch(_pattern(glob), path, re.DOTALL) for glob in globs)


def matching(files: Mapping[str, str], globs: Sequence[str]) -> dict[str, str]:
    """Return those of the files that the globs name, in path order."""
    return {path: files[path] for path in sorted(files) if matches(path, globs)}


def glob_fault(glob: str) -> str | None:
    """Return what is wrong with a glob, or None."""
    try:
        re.compile(_pattern(glob))
    except re.error as fault:
        return f"{glob!r} is no glob: {fault}"
    return None


def _pattern(glob: str) -> str:
    parts, last = [], 0
    for wild in _WILD.finditer(glob):
        parts += [re.escape(glob[last : wild.start()]), _translate(wild.group())]
        last = wild.end()
    return "".join([*parts, re.escape(glob[last:])])


def _translate(wild: str) -> str:
    if not wild.startswith("["):
        return _MEANING[wild]
    negated = wild.startswith("[!")
    inside = wild[2:-1] if negated else wild[1:-1]
    escaped = re.sub(r"([\\^\[\]&~|])", r"\\\1", inside)
    return f"(?!/)[{'^' if negated else ''}{escaped}]"
