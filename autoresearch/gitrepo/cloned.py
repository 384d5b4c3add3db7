"""A person's own clone: what is committed in it, and what it alone ignores."""

import re
from collections.abc import Sequence
from pathlib import Path

from autoresearch.errors import GitError
from autoresearch.gitrepo.command import Git
from autoresearch.gitrepo.trees import listing

_SPECIAL = re.compile(r"([*?\[\\])")


def committed(root: Path, commit: str) -> frozenset[str]:
    """Return the paths of all files of a project at a commit; GitError where it is none."""
    git = Git(root)
    prefix = git.text("rev-parse", "--show-prefix")
    return frozenset(each.path for each in listing(git, commit, prefix))


def unignored(root: Path, paths: Sequence[str]) -> tuple[str, ...]:
    """Return those of a project's paths that git does not ignore; folders end in a slash."""
    git = Git(root)
    return tuple(each for each in paths if not git.holds("check-ignore", "--quiet", "--", each))


def exclude(root: Path, paths: Sequence[str]) -> None:
    """Let git ignore these paths of a project, in this clone alone.

    It is written into .git/info/exclude, where no file of the project's changes.

    Raises:
        GitError: that file cannot be written.
    """
    git = Git(root)
    place = root / git.text("rev-parse", "--git-path", "info/exclude")
    prefix = git.text("rev-parse", "--show-prefix")
    try:
        _append(place, "".join(f"/{_SPECIAL.sub(_escaped, prefix + path)}\n" for path in paths))
    except OSError as fault:
        msg = f"cannot write {place}: {fault.strerror}"
        raise GitError(msg) from None


def _append(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    before = place.read_bytes() if place.exists() else b""
    gap = b"" if not before or before.endswith(b"\n") else b"\n"
    with place.open("ab") as file:
        file.write(gap + text.encode("utf-8", "surrogateescape"))


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[1]}"
