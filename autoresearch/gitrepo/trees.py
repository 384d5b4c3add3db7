"""Trees and commits by plumbing alone: a private index, so the person's checkout is not touched."""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from autoresearch.errors import GitError
from autoresearch.gitrepo.command import Git, system_refusal
from autoresearch.gitrepo.messages import Commit
from autoresearch.patching import matches
from autoresearch.process import remove

MAX_TEXT = 4 * 2**20  # bytes; a larger file is data, not text that anyone edits
SHA = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
REGULAR, LINK, SUBMODULE = ("100644", "100755", "100664"), "120000", "160000"


@dataclass(frozen=True)
class Entry:
    """One file of a tree, as `git ls-tree` tells it; size in bytes, path in the project."""

    mode: str
    blob: str
    size: int
    path: str


def listing(git: Git, commit: str, prefix: str) -> tuple[Entry, ...]:
    """Return all the project holds at a commit: files, links, submodules (these without a size).

    What a full sha names never changes: it is asked for once.

    Raises:
        GitError: there is no such commit, or the project is not in it.
    """
    return (_known if SHA.fullmatch(commit) else _listing)(git, commit, prefix)


def _listing(git: Git, commit: str, prefix: str) -> tuple[Entry, ...]:
    _require(git, commit)
    answer = git.attempt("ls-tree", "-r", "-l", "-z", "--full-tree", _project(commit, prefix))
    if answer.status != 0:
        msg = f"{prefix} is in no commit yet: add and commit the project first"
        raise GitError(msg)
    found = []
    for record in answer.data.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        facts, _, path = record.partition("\t")
        mode, _, blob, size = facts.split()
        found.append(Entry(mode, blob, int(size) if size.isdigit() else 0, path))
    return tuple(found)


_known = lru_cache(maxsize=64)(_listing)


def entries(git: Git, commit: str, prefix: str) -> list[Entry]:
    """Return the files of the project at a commit; links and submodules are left out.

    Raises:
        GitError: there is no such commit, or the project is not in it.
    """
    return [entry for entry in listing(git, commit, prefix) if entry.mode in REGULAR]


def read_files(git: Git, commit: str, prefix: str, globs: Sequence[str]) -> dict[str, str]:
    """Return the UTF-8 texts that the globs name at a commit, in path order."""
    wanted = [
        entry
        for entry in entries(git, commit, prefix)
        if entry.size <= MAX_TEXT and matches(entry.path, globs)
    ]
    texts = ((entry.path, _text(data)) for entry, data in read_blobs(git, wanted))
    return {path: text for path, text in texts if text is not None}


def read_blobs(git: Git, wanted: Sequence[Entry]) -> Iterator[tuple[Entry, bytes]]:
    """Yield what entries hold, in their order. All of it is in memory: for small files."""
    asked = "".join(f"{entry.blob}\n" for entry in wanted).encode()
    stream, place = git.data("cat-file", "--batch", stdin=asked), 0
    for entry in wanted:
        begin = stream.index(b"\n", place) + 1
        place = begin + entry.size + 1
        yield entry, stream[begin : place - 1]


def write_commit(
    git: Git,
    parent: str,
    prefix: str,
    files: Mapping[str, str],
    *,
    message: str,
    when: datetime,
) -> str:
    """Write a commit that sets these files of the project; see `GitRepo.write_commit`."""
    modes = {entry.path: entry.mode for entry in entries(git, parent, prefix)}
    with private_index() as index:
        git.text("read-tree", parent, environment=index)
        records = []
        for path, text in files.items():
            data = text.encode("utf-8", "surrogatepass")
            blob = git.text("hash-object", "-w", "--no-filters", "--stdin", stdin=data)
            records.append(f"{modes.get(path, '100644')} {blob}\t{prefix}{path}\0")
        told = "".join(records).encode("utf-8", "surrogateescape")
        git.text("update-index", "-z", "--index-info", stdin=told, environment=index)
        tree = git.text("write-tree", environment=index)
    return commit_tree(git, tree, parent, message, int(when.timestamp()))


def commit_tree(git: Git, tree: str, parent: str, message: str, when: int) -> str:
    """Write a commit object dated `when` (unix seconds, UTC); the same input gives the same sha."""
    date = f"@{when} +0000"
    return git.text(
        "commit-tree", tree, "-p", parent,
        stdin=message.encode("utf-8", "replace"),
        environment={"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date},
    )  # fmt: skip


def lineage(git: Git, base: str, tip: str) -> tuple[Commit, ...]:
    """Return the commits that `tip` has and `base` has not, oldest first."""
    return _commits(git, "--topo-order", "--reverse", f"{base}..{tip}", "--")


def read_commit(git: Git, sha: str) -> Commit:
    """Return one commit; GitError where there is none."""
    _require(git, sha)
    return _commits(git, "-1", sha, "--")[0]


@contextmanager
def private_index() -> Iterator[Mapping[str, str]]:
    """An index of our own: a stale or busy index.lock of the person's never concerns us."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="autoresearch-index-")
    except OSError as fault:
        raise system_refusal("git needs a temporary folder", fault) from None
    with folder as place:
        yield {"GIT_INDEX_FILE": str(Path(place) / "index")}


def remove_tree(directory: Path) -> None:
    """Remove a directory and what training left in it; what resists stays, and no word is said."""
    remove(directory)


def _require(git: Git, commit: str) -> None:
    if not git.holds("cat-file", "-e", f"{commit}^{{commit}}"):
        msg = f"there is no commit {commit[:12]} in this repository"
        raise GitError(msg)


def _commits(git: Git, *selection: str) -> tuple[Commit, ...]:
    told = git.data("log", "-z", "--format=%H%x00%T%x00%P%x00%at%x00%B", *selection)
    fields = iter(told.decode("utf-8", "replace").split("\0")[:-1])
    return tuple(
        Commit(sha, tree, tuple(parents.split()), int(when), message)
        for sha, tree, parents, when, message in zip(*[fields] * 5, strict=True)
    )


def _project(commit: str, prefix: str) -> str:
    return f"{commit}:{prefix.removesuffix('/')}"


def _text(data: bytes) -> str | None:
    try:
        return None if b"\0" in data else data.decode("utf-8")
    except UnicodeDecodeError:
        return None
