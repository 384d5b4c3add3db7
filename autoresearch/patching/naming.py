"""Which known file of a project a line of prose names; other words may have dots, too."""

import re
from collections.abc import Collection, Sequence
from posixpath import normpath

_BETWEEN = re.compile(r"[\s`*\"'<>()\[\]{},;|=:#]+")
_MOST_WORDS = 2  # beside a file's name, in a line that only names the file
_LONGEST = 300  # characters of such a line
_NEW = re.compile(r"[\w./-]*\.\w+")


def path_in(line: str, known: Collection[str]) -> str | None:
    """Return the one known path that a line names; None where it names none or several.

    Quotes, bold, bullets, `./`, `a/`, backslashes, a folder above the project and upper or lower
    case do not matter.
    """
    if len(line) > _LONGEST:
        return None
    paths = {path for word in _words(line) if (path := _known(word, known))}
    paths |= {path for path in known if " " in path and path in line}
    return paths.pop() if len(paths) == 1 else None


def heading_path(line: str, known: Collection[str]) -> str | None:
    """Return the known path that a line names if it has hardly another word; else None."""
    path = path_in(line, known)
    others = [word for word in _words(line) if re.search(r"[^\W\d_]", word)]
    named = sum(_known(word, known) is not None for word in others)
    return path if path and len(others) - named <= _MOST_WORDS else None


def path_above(lines: Sequence[str], known: Collection[str]) -> str | None:
    """Return the known path that the nearest of these lines names, from the last one upward."""
    named = (heading_path(line, known) for line in reversed(lines))
    return next((path for path in named if path is not None), None)


def new_path(lines: Sequence[str]) -> str | None:
    """Return the path that the last line with a letter consists of, whether or not it is known."""
    for line in reversed(lines):
        bare = line.strip().strip("`*#: ")
        if re.search(r"\w", bare) and not bare.startswith(("```", "~~~")):
            return normpath(bare) if _NEW.fullmatch(bare) else None
    return None


def _words(line: str) -> list[str]:
    return [word for each in _BETWEEN.split(line) if (word := each.rstrip(".").lstrip("-+•"))]


def _known(word: str, known: Collection[str]) -> str | None:
    path = word.replace("\\", "/")
    while path.startswith("./"):
        path = path[2:]
    if path in known:
        return path
    if "." not in path:
        return None
    folded = f"/{path.casefold()}"
    fitting = [each for each in known if "." in each and folded.endswith(f"/{each.casefold()}")]
    return max(fitting, key=len, default=None)
