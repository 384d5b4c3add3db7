"""Cherry-picking in a throw-away repository: neither a conflict nor a kill harms anybody."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from autoresearch.gitrepo.command import Git
from autoresearch.gitrepo.committing import CommitOptions, Write, committer
from autoresearch.gitrepo.neutral import bare, has_promisors, neutral
from autoresearch.gitrepo.objects import UnreadableError
from autoresearch.gitrepo.trees import SHA
from autoresearch.process import remove

_NAME = "autoresearch-pick-"


@dataclass(frozen=True)
class Picked:
    """A commit that now sits on the other line, under its new sha."""

    sha: str


@dataclass(frozen=True)
class Nothing:
    """The line has these changes already."""


@dataclass(frozen=True)
class Conflict:
    """The change does not fit; `files` are paths in the repository, `reason` is git's line."""

    files: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Merged:
    """A tree with both changes in, under its sha or that of a commit of it."""

    tree: str


class Picker:
    """Puts commits on top of `head`, one after another; nothing but new objects comes of it."""

    def __init__(self, bench: Git, head: str, write: Write) -> None:
        """Build it.

        Args:
            bench: where changes are merged: a repository that shares the objects of another.
            head: the commit to begin on.
            write: makes a commit of a merged tree.
        """
        self._bench = bench
        self._write = write
        self.head = head

    def pick(self, sha: str, message: str, when: int) -> Picked | Nothing | Conflict:
        """Put one commit's change on top, under a new message and author time (unix seconds)."""
        return self._put(["cherry-pick", "--no-commit", "--allow-empty", sha], message, when)

    def undo(self, sha: str, message: str, when: int) -> Picked | Nothing | Conflict:
        """Put the reverse of one commit's change on top; else as `pick`."""
        return self._put(["revert", "--no-commit", sha], message, when)

    def take(self, sha: str, message: str, when: int) -> Picked | Nothing:
        """Put one commit on top that has all files as another commit has them; else as `pick`."""
        return self._commit(self._bench.text("rev-parse", f"{sha}^{{tree}}"), message, when)

    def _put(self, command: Sequence[str], message: str, when: int) -> Picked | Nothing | Conflict:
        answer = self._bench.attempt(*command)
        if answer.status != 0:
            told = self._bench.data("diff", "--name-only", "--diff-filter=U", "-z")
            files = tuple(told.decode("utf-8", "replace").split("\0")[:-1])
            return Conflict(files, answer.fault)
        return self._commit(self._bench.text("write-tree"), message, when)

    def _commit(self, tree: str, message: str, when: int) -> Picked | Nothing:
        if tree == self._bench.text("rev-parse", f"{self.head}^{{tree}}"):
            return Nothing()
        self.head = self._write(tree, self.head, message, when)
        self._bench.text("reset", "--quiet", "--hard", self.head)  # a hook may have changed files
        return Picked(self.head)


def merged(git: Git, sha: str, onto: str) -> Merged | Nothing | Conflict:
    """Return a commit's files with another one's change in; see `GitRepo.merged`."""
    found = _merged_at_once(git, sha, onto)
    if found is None:
        with picker(git, onto) as bench:
            picked = bench.pick(sha, "merged", 0)
        return Merged(picked.sha) if isinstance(picked, Picked) else picked
    return found


def _merged_at_once(git: Git, sha: str, onto: str) -> Merged | Nothing | Conflict | None:
    """Return the same by one process; None where git is older than 2.38, or that would not do.

    `git merge-tree` takes what both come from as the base: that must be the commit's parent.
    """
    try:
        parents = git.objects.parents(sha)
    except UnreadableError:
        return None
    if len(parents) != 1 or has_promisors(git) or not _is_ancestor(git, parents[0], onto):
        return None
    with bare(f"{_NAME}{os.getpid()}-", git) as bench:
        options = ("--write-tree", "-z", "--name-only", "--no-messages")
        answer = bench.attempt("merge-tree", *options, onto, sha)
        told = answer.data.decode("utf-8", "replace").split("\0")
        if answer.status == 1 and SHA.fullmatch(told[0]):
            return Conflict(tuple(filter(None, told[1:])), "the change conflicts")
        if answer.status != 0:
            return None
        return Nothing() if told[0] == _tree(git, onto) else Merged(told[0])


@lru_cache(maxsize=8)
def _tree(git: Git, commit: str) -> str:
    return git.text("rev-parse", f"{commit}^{{tree}}")


@lru_cache(maxsize=256)
def _is_ancestor(git: Git, old: str, new: str) -> bool:
    return git.holds("merge-base", "--is-ancestor", old, new)


@contextmanager
def picker(git: Git, onto: str, options: CommitOptions | None = None) -> Iterator[Picker]:
    """A Picker on a commit; its folders are gone afterwards, and so are those of the killed.

    Its commits are the house's; with options, the person's: see `committer`.
    """
    prune(git)
    name = f"{_NAME}{os.getpid()}-"
    with neutral(name, git) as bench, committer(git, onto, options, name) as write:
        bench.text("checkout", "--quiet", "--detach", onto)
        yield Picker(bench, onto, write)


def prune(git: Git) -> tuple[Path, ...]:
    """Remove the folders that killed processes left behind, and only those; return them.

    Older versions of this package picked in linked worktrees; what is left of these goes, too. Not
    by `git worktree prune`: that would also forget the person's own on an unplugged disk.
    """

    def is_left(place: Path) -> bool:
        owner = place.name.removeprefix(_NAME).partition("-")[0]
        ours = place.name.startswith(_NAME) and owner.isdigit()
        return ours and not _alive(int(owner))

    removed = []
    for line in git.text("worktree", "list", "--porcelain").splitlines():
        place = Path(line.removeprefix("worktree "))
        if line.startswith("worktree ") and is_left(place):
            git.attempt("worktree", "remove", "--force", "--force", str(place))
            if place.parent.name == place.name:
                remove(place.parent)
            removed.append(place)
    for place in filter(is_left, Path(tempfile.gettempdir()).glob(f"{_NAME}*")):
        remove(place)
        removed.append(place)
    return tuple(removed)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
