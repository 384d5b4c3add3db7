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


def resolve(git: Git, name: str) -> str | None:
    """Return the sha of the commit that a name means, or None."""
    answer = git.attempt(
        "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
    )
    return answer.text if answer.status == 0 else None


def set_ref(git: Git, name: str, new: str, old: str | None) -> None:
    """Move a ref to a commit; see `GitRepo.set_ref`."""
    expected = () if old is None else (old,)
    # A symbolic ref in our own space would lead to a branch that is not ours.
    here = ("--no-deref",) if name.startswith(_OURS) else ()
    answer = git.attempt("update-ref", *here, "-m", "autoresearch", name, new, *expected)
    if answer.status == 0:
        return
    now = resolve(git, name)
    if old is not None and (now or NO_REF) != old:
        where = f"at {now[:7]}" if now else "nowhere"
        wanted = "to be new" if old == NO_REF else f"at {old[:7]}"
        msg = f"{name} is {where}, expected {wanted}: someone else moved it"
        raise BranchMovedError(msg)
    raise answer.refusal(f"{name} cannot be moved")


def branch_tip(git: Git, branch: str) -> str:
    """Return the sha a local branch is at; GitError where there is no such branch."""
    sha = resolve(git, f"refs/heads/{branch}")
    if sha is None:
        msg = f"there is no branch {branch}: make it with `git branch {branch}`"
        raise GitError(msg)
    return sha


def ensure_branch(git: Git, branch: str, sha: str) -> None:
    """Make a branch at a commit unless it is there already; see `GitRepo.ensure_branch`."""
    tip = resolve(git, f"refs/heads/{branch}")
    if tip is None:
        set_ref(git, f"refs/heads/{branch}", sha, NO_REF)
    elif tip != sha:
        msg = f"branch {branch} exists already, at another commit: choose another name"
        raise GitError(msg)


def checked_out_at(git: Git, branch: str) -> Path | None:
    """Return the checkout, among all linked ones, that has a branch checked out."""
    place: Path | None = None
    for line in git.text("worktree", "list", "--porcelain").splitlines():
        if line.startswith("worktree "):
            place = Path(line.removeprefix("worktree "))
        elif line == f"branch refs/heads/{branch}":
            return place
    return None


def require_unused(git: Git, branch: str) -> None:
    """Return if no checkout has a branch checked out; see `GitRepo.require_unused`."""
    place = checked_out_at(git, branch)
    if place is None:
        return
    if place.is_dir():
        mend = f"a run would move it under you; `git -C {place} switch` to a branch of your own"
    else:
        mend = "that folder is gone: `git worktree prune` forgets it"
    msg = f"{branch} is checked out in {place}: {mend}, and run again"
    raise BranchCheckedOutError(msg, branch, place)


def require_clear(git: Git, tag: str, last: int) -> None:
    """Return if a study's refs can be written; see `GitRepo.require_clear`."""
    branch, space = f"refs/heads/autoresearch/{tag}", f"refs/autoresearch/{tag}"
    spaces = ("refs/heads/autoresearch", "refs/autoresearch")
    names = set(git.text("for-each-ref", "--format=%(refname)", *spaces).splitlines())
    for name, way in _in_the_way(names, branch, space, last):
        msg = f"{_called(name)} is in the way of {way}: `{_mend(git, name)}`"
        raise GitError(msg)
    _rehearse(git, (branch, f"{space}/{last + 1}"))


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
