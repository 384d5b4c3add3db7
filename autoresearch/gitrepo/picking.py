"""Cherry-picking in a temporary detached worktree, so that a conflict harms nobody."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from autoresearch.gitrepo.command import Git
from autoresearch.gitrepo.trees import commit_tree, remove_tree

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


class Picker:
    """Puts commits on top of `head`, one after another; nothing but new objects comes of it."""

    def __init__(self, git: Git, head: str) -> None:
        self._git = git
        self.head = head

    def pick(self, sha: str, message: str, when: int) -> Picked | Nothing | Conflict:
        """Put one commit's change on top, under a new message and author time (unix seconds)."""
        return self._put(["cherry-pick", "--no-commit", "--allow-empty", sha], message, when)

    def undo(self, sha: str, message: str, when: int) -> Picked | Nothing | Conflict:
        """Put the reverse of one commit's change on top; else as `pick`."""
        return self._put(["revert", "--no-commit", sha], message, when)

    def _put(self, command: Sequence[str], message: str, when: int) -> Picked | Nothing | Conflict:
        answer = self._git.attempt(*command)
        if answer.status != 0:
            told = self._git.data("diff", "--name-only", "--diff-filter=U", "-z")
            files = tuple(told.decode("utf-8", "replace").split("\0")[:-1])
            return Conflict(files, answer.fault)
        tree = self._git.text("write-tree")
        if tree == self._git.text("rev-parse", f"{self.head}^{{tree}}"):
            return Nothing()
        self.head = commit_tree(self._git, tree, self.head, message, when)
        self._git.text("update-ref", "--no-deref", "HEAD", self.head)
        return Picked(self.head)


@contextmanager
def picker(git: Git, onto: str) -> Iterator[Picker]:
    """A Picker on a commit; its worktree is gone afterwards, and so are those of the killed."""
    prune(git)
    with tempfile.TemporaryDirectory(prefix=f"{_NAME}{os.getpid()}-") as made:
        place = Path(made) / Path(made).name
        try:
            git.text("worktree", "add", "--quiet", "--detach", str(place), onto)
            yield Picker(Git(place), onto)
        finally:
            git.attempt("worktree", "remove", "--force", "--force", str(place))


def prune(git: Git, alive: Callable[[int], bool] | None = None) -> tuple[Path, ...]:
    """Remove the worktrees that killed processes left behind, and only those; return them.

    Not `git worktree prune`: that would also forget the person's own on an unplugged disk.
    """
    removed = []
    for line in git.text("worktree", "list", "--porcelain").splitlines():
        place = Path(line.removeprefix("worktree "))
        owner = place.name.removeprefix(_NAME).partition("-")[0]
        ours = line.startswith("worktree ") and place.name.startswith(_NAME) and owner.isdigit()
        if ours and not (alive or _alive)(int(owner)):
            git.attempt("worktree", "remove", "--force", "--force", str(place))
            if place.parent.name == place.name:
                remove_tree(place.parent)
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
