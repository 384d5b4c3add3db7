"""What a trial gets: a commit's bytes as they are, never through git's filters and conversions."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from autoresearch.errors import GitError, Interrupted
from autoresearch.gitrepo.command import Git, system_refusal
from autoresearch.gitrepo.trees import LINK, SUBMODULE, Entry, listing
from autoresearch.process import remove
from autoresearch.records.text import safe_line

_EXECUTABLE = "100755"
_PART = 2**20  # bytes that are copied at once
_GIVEN = 64 * 2**20  # bytes that git is asked for at once


def export(
    git: Git, commit: str, prefix: str, directory: Path, stop: Callable[[], bool] = lambda: False
) -> None:
    """Write the project's files at a commit into a new directory, without a repository there.

    Links and the executable bit are kept; a submodule is an empty folder. `stop` is asked often.

    Raises:
        GitError: there is no such commit, an object is missing, or it cannot be written.
        Interrupted: `stop` came true.
    """
    found = listing(git, commit, prefix)
    for entry in found:
        _require_inside(entry.path)
    try:
        remove(directory)
        directory.mkdir(parents=True)
        for entry in found:
            place = directory / entry.path
            (place if entry.mode == SUBMODULE else place.parent).mkdir(parents=True, exist_ok=True)
        blobs = [entry for entry in found if entry.mode != SUBMODULE]
        # Links last: nothing is ever written through one.
        for part in _parts(sorted(blobs, key=lambda each: each.mode == LINK)):
            if stop():
                msg = "stopped while a commit was being written out"
                raise Interrupted(msg)
            _write(git, part, directory)
    except OSError as fault:
        raise system_refusal(f"cannot write {directory}", fault) from None


def _require_inside(path: str) -> None:
    # Git's own tools make no such tree; who makes one by hand means harm.
    parts = path.split("/")
    if any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
        msg = f"the commit holds {safe_line(path, 100)!r}, which is no name of a project's file"
        raise GitError(msg)


def _parts(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Yield the entries in parts of which git gives each within a second or so."""
    part, size = list[Entry](), 0
    for entry in entries:
        part.append(entry)
        size += entry.size
        if size >= _GIVEN:
            yield part
            part, size = [], 0
    if part:
        yield part


def _write(git: Git, entries: Sequence[Entry], directory: Path) -> None:
    asked = "".join(f"{entry.blob}\n" for entry in entries).encode()
    # Through a file: a project may hold more than fits into memory.
    with tempfile.TemporaryFile(dir=directory.parent) as stream:
        git.copy("cat-file", "--batch", stdin=asked, to=stream)
        stream.seek(0)
        for entry in entries:
            _require_blob(stream.readline(), entry)
            if entry.mode == LINK:
                target = os.fsdecode(stream.read(entry.size))
                (directory / entry.path).symlink_to(target)
            else:
                _write_file(stream, entry, directory / entry.path)
            stream.read(1)


def _require_blob(header: bytes, entry: Entry) -> None:
    if header != f"{entry.blob} blob {entry.size}\n".encode():
        msg = (
            f"the repository lacks the content of {safe_line(entry.path, 100)} "
            f"({entry.blob[:12]}): see what `git fsck` says"
        )
        raise GitError(msg)


def _write_file(stream: BinaryIO, entry: Entry, place: Path) -> None:
    mode = 0o777 if entry.mode == _EXECUTABLE else 0o666  # less the umask, as git does
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(place, flags, mode), "wb") as file:  # noqa: PTH123 - only so with a mode
        left = entry.size
        while left > 0:
            part = stream.read(min(left, _PART))
            if not part:
                msg = f"git ended in the middle of {safe_line(entry.path, 100)}"
                raise GitError(msg)
            left -= file.write(part)
