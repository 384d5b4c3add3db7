"""Refs: where they are, how they are moved, and which of the person's stand in a study's way.

A ref is a path: while `refs/x` is there, `refs/x/y` cannot be, nor the other way round.
"""

import re
import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from autoresearch.errors import BranchCheckedOutError, BranchMovedError, GitError
from autoresearch.gitrepo.command import Git
from autoresearch.records.text import safe_line

NO_REF = ""  # as the old value of a ref: it must not exist yet
_OURS = ("refs/heads/autoresearch/", "refs/autoresearch/")


def default_tag(now: datetime) -> str:
    """Return today's tag, for example nov23."""
    return now.astimezone().strftime("%b%d").lower()


class Refs:
    """The refs of a repository, its branches and its HEAD among them."""

    def __init__(self, git: Git) -> None:
        self._git = git

    def head(self) -> str:
        """Return the sha of the commit that is checked out.

        Raises:
            GitError: there is none yet.
        """
        sha = self.resolve("HEAD")
        if sha is None:
            msg = "the repository has no commit yet: make one with `git add` and `git commit`"
            raise GitError(msg)
        return sha

    def resolve(self, name: str) -> str | None:
        """Return the sha of the commit that a name means, or None."""
        answer = self._git.attempt(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
        )
        return answer.text if answer.status == 0 else None

    def merge_base(self, one: str, other: str) -> str | None:
        """Return the best common ancestor of two commits, or None."""
        answer = self._git.attempt("merge-base", one, other)
        return answer.text if answer.status == 0 else None

    def set_ref(self, name: str, new: str, old: str | None) -> None:
        """Move a ref to a commit, if it is at `old`; NO_REF: if it is nowhere; None: in any case.

        Raises:
            BranchMovedError: it is elsewhere.
            GitBusyError: git cannot write it now, but may later: a lock file, a full disk.
            GitError: git cannot write it.
        """
        expected = () if old is None else (old,)
        # A symbolic ref in our own space would lead to a branch that is not ours.
        here = ("--no-deref",) if name.startswith(_OURS) else ()
        answer = self._git.attempt("update-ref", *here, "-m", "autoresearch", name, new, *expected)
        if answer.status == 0:
            return
        now = self.resolve(name)
        if old is not None and (now or NO_REF) != old:
            where = f"at {now[:7]}" if now else "nowhere"
            wanted = "to be new" if old == NO_REF else f"at {old[:7]}"
            msg = f"{name} is {where}, expected {wanted}: someone else moved it"
            raise BranchMovedError(msg)
        raise answer.refusal(f"{name} cannot be moved")

    def current_branch(self) -> str | None:
        """Return the branch that is checked out, or None where HEAD is detached."""
        answer = self._git.attempt("symbolic-ref", "--quiet", "--short", "HEAD")
        return answer.text if answer.status == 0 else None

    def branch_exists(self, branch: str) -> bool:
        """Return whether there is a local branch of this name."""
        return self.resolve(f"refs/heads/{branch}") is not None

    def branch_tip(self, branch: str) -> str:
        """Return the sha a local branch is at.

        Raises:
            GitError: there is no such branch.
        """
        sha = self.resolve(f"refs/heads/{branch}")
        if sha is None:
            msg = f"there is no branch {branch}: make it with `git branch {branch}`"
            raise GitError(msg)
        return sha

    def ensure_branch(self, branch: str, sha: str) -> None:
        """Make a branch at a commit unless it is there already.

        Raises:
            GitError: it is there, but at another commit.
        """
        tip = self.resolve(f"refs/heads/{branch}")
        if tip is None:
            self.set_ref(f"refs/heads/{branch}", sha, NO_REF)
        elif tip != sha:
            msg = f"branch {branch} exists already, at another commit: choose another name"
            raise GitError(msg)

    def checked_out_at(self, branch: str) -> Path | None:
        """Return the checkout, among all linked ones, that has a branch checked out."""
        place: Path | None = None
        for line in self._git.text("worktree", "list", "--porcelain").splitlines():
            if line.startswith("worktree "):
                place = Path(line.removeprefix("worktree "))
            elif line == f"branch refs/heads/{branch}":
                return place
        return None

    def require_unused(self, branch: str) -> None:
        """Return if no checkout, linked ones included, has a branch checked out.

        Raises:
            BranchCheckedOutError: one has, so that moving the branch would change files under it.
        """
        place = self.checked_out_at(branch)
        if place is None:
            return
        if place.is_dir():
            mend = f"a run would move it under you; `git -C {place} switch` to a branch of your own"
        else:
            mend = "that folder is gone: `git worktree prune` forgets it"
        msg = f"{branch} is checked out in {place}: {mend}, and run again"
        raise BranchCheckedOutError(msg, branch, place)

    def require_clear(self, tag: str, last: int) -> None:
        """Return if nothing of the person's is in the way of a study's branch and refs.

        Nothing is moved; git only locks them for a moment, as it would to write them.

        Args:
            tag: the study's.
            last: the number of the newest experiment there is; later ones will need refs.

        Raises:
            GitBusyError: a lock file is in the way.
            GitError: a branch or ref is; the message ends in the command that mends it.
        """
        branch, space = f"refs/heads/autoresearch/{tag}", f"refs/autoresearch/{tag}"
        spaces = ("refs/heads/autoresearch", "refs/autoresearch")
        names = set(self._git.text("for-each-ref", "--format=%(refname)", *spaces).splitlines())
        for name, way in _in_the_way(names, branch, space, last):
            msg = f"{_called(name)} is in the way of {way}: `{_mend(self._git, name)}`"
            raise GitError(msg)
        _rehearse(self._git, (branch, f"{space}/{last + 1}"))


def _in_the_way(names: set[str], branch: str, space: str, last: int) -> Iterator[tuple[str, str]]:
    """Yield the refs in the way, each with what cannot be made beside it."""
    study = branch.removeprefix("refs/heads/")
    experiments = f"{space}/N, where experiments go"
    below = re.compile(rf"{re.escape(space)}/([0-9]+)/.+")
    for name in sorted(names):
        number = below.fullmatch(name)
        if name == "refs/heads/autoresearch" or name.startswith(f"{branch}/"):
            yield name, f"the study's branch {study}"
        elif name in ("refs/autoresearch", space) or (number and int(number[1]) >= last):
            yield name, experiments


def _called(name: str) -> str:
    branch = name.removeprefix("refs/heads/")
    return f"your ref {name}" if branch == name else f"your branch {branch}"


def _mend(git: Git, name: str) -> str:
    """Return the command that puts a ref out of the way; what it names stays."""
    free = _free(git, name)
    if name.startswith("refs/heads/"):
        old, new = (shlex.quote(each.removeprefix("refs/heads/")) for each in (name, free))
        return f"git branch -m {old} {new}"
    old, new = shlex.quote(name), shlex.quote(free)
    return f"git update-ref {new} {old} && git update-ref -d {old}"


def _free(git: Git, name: str) -> str:
    """Return a name for a ref that is taken by none and in nobody's way."""
    space = "refs/heads/" if name.startswith("refs/heads/") else "refs/"
    words = f"my-{name.removeprefix(space).replace('/', '-')}"
    there = set(git.text("for-each-ref", "--format=%(refname)").splitlines())
    endings = ("", *(f"-{count}" for count in range(2, len(there) + 3)))
    tries = (f"{space}{words}{ending}" for ending in endings)
    return next(
        each for each in tries if not any(f"{ref}/".startswith(f"{each}/") for ref in there)
    )


def _rehearse(git: Git, names: tuple[str, ...]) -> None:
    """Lock refs as if to write them, and let them go: what git would refuse, it refuses now."""
    head = git.text("rev-parse", "--verify", "HEAD^{commit}")
    acts = "".join(f"option no-deref\nupdate {name} {head}\n" for name in names)
    told = f"start\n{acts}prepare\nabort\n".encode()
    answer = git.attempt("update-ref", "--stdin", stdin=told)
    if answer.status != 0 and "unknown command" not in answer.error:  # of a git before 2.27
        raise answer.refusal(safe_line(f"the study's refs cannot be written ({names[0]})", 200))
