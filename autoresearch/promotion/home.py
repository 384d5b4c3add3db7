"""`promote`: kept experiments come home to the person's own branch, all of them or none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from autoresearch.errors import BranchMovedError, GitError, UsageFault
from autoresearch.gitrepo import NO_REF, Commit, CommitOptions, GitRepo
from autoresearch.promotion.candidates import Promotable, unearned
from autoresearch.promotion.picking import Picking, Promoted, named


class Shape(StrEnum):
    """What experiments become: a commit each, one commit, or a branch each."""

    COMMITS = "commits"
    SQUASH = "squash"
    BRANCHES = "branches"

    @classmethod
    def of(cls, *, squash: bool, branches: bool) -> "Shape":
        """Return what the options say.

        Raises:
            UsageFault: both.
        """
        if squash and branches:
            msg = "--squash makes one commit of all and --branches a branch of each: choose one"
            raise UsageFault(msg)
        return cls.SQUASH if squash else cls.BRANCHES if branches else cls.COMMITS


@dataclass(frozen=True)
class Promotion:
    """What `promote` did, or would do: `branch` goes from `old` to `new` through `commits`.

    With branches for review it stays at `old`. `already` are the experiments whose change the
    branch had before; `notes` say what of the person's hooks and signature was left out.
    """

    branch: str
    old: str
    new: str
    commits: tuple[Promoted, ...]
    already: tuple[int, ...]
    dry_run: bool
    notes: tuple[str, ...] = ()


def promote(
    repo: GitRepo,
    experiments: Sequence[Promotable],
    *,
    onto: str | None = None,
    dry_run: bool = False,
    force: bool = False,
    commits: CommitOptions | None = None,
    shape: Shape = Shape.COMMITS,
) -> Promotion:
    """Cherry-pick experiments onto a branch of the person's, oldest first.

    Args:
        repo: the project's repository.
        experiments: at least one.
        onto: the branch; None is the one that is checked out.
        dry_run: find out what would happen, conflicts included, and move nothing. The person's
            hooks are asked only with `commits`.
        force: also what was not kept or is not confirmed, or was promoted before (and reverted
            since).
        commits: how the person's hooks, signature and sign-off are kept; None is all of them.
        shape: what they become there.

    Raises:
        GitError: it cannot be done; the message says why, and nothing has changed.
    """
    repo.identity()
    chosen = sorted({each.id: each for each in experiments}.values(), key=lambda each: each.id)
    pairs = tuple((each, _commit(repo, each, force=force)) for each in chosen)
    branch = _branch(repo, onto)
    old = repo.branch_tip(branch)
    here = shape is not Shape.BRANCHES and _is_here(repo, branch)
    if commits is None and not dry_run:
        commits = CommitOptions()
    done = _picked(Picking(repo, branch, old, pairs, force), shape, commits)
    already = tuple(each.id for each in chosen if each.id not in {made.id for made in done})
    if not done:
        are = "is" if len(already) == 1 else "are"
        msg = f"{named(already)} {are} on {branch} already: there is nothing to promote"
        raise GitError(msg)
    new = old if shape is Shape.BRANCHES else done[-1].sha
    promotion = Promotion(branch, old, new, tuple(done), already, dry_run)
    if dry_run or commits is None:
        return promotion
    notes = repo.hooks_left_out(commits)
    if shape is Shape.BRANCHES:
        _make_branches(repo, done)
    else:
        _move(repo, branch, new, old, here=here)
    if commits.hooks and (note := repo.after_commit(old, done[-1].sha, here=here)):
        notes.append(note)
    return replace(promotion, notes=tuple(notes))


def _picked(picking: Picking, shape: Shape, commits: CommitOptions | None) -> list[Promoted]:
    if shape is Shape.SQUASH:
        return picking.squashed(commits)
    if shape is Shape.COMMITS:
        return picking.each(commits)
    done = picking.apart(commits)
    for each in done:
        there = picking.repo.resolve(f"refs/heads/{each.branch}")
        if there not in (None, each.sha):
            msg = (
                f"the branch {each.branch} is there already, with another commit: "
                f"`git branch -D {each.branch}` removes it"
            )
            raise GitError(msg)
    return done


def _make_branches(repo: GitRepo, done: Sequence[Promoted]) -> None:
    for each in done:
        name = f"refs/heads/{each.branch}"
        if repo.resolve(name) != each.sha:
            repo.set_ref(name, each.sha, NO_REF)


def _commit(repo: GitRepo, experiment: Promotable, *, force: bool) -> Commit:
    if experiment.row.commit_sha is None:
        msg = f"experiment {experiment.id} has no commit: it was refused before training"
        raise GitError(msg)
    commit = repo.commit(experiment.row.commit_sha)
    if (commit.study, commit.experiment) != (experiment.study.tag, experiment.id):
        msg = f"experiment {experiment.id} is the unchanged baseline: there is nothing to promote"
        raise GitError(msg)
    if not force and (reason := unearned(experiment)):
        raise GitError(f"experiment {experiment.id} {reason}")
    return commit


def _branch(repo: GitRepo, onto: str | None) -> str:
    branch = onto or repo.current_branch()
    if branch is None:
        msg = "no branch is checked out (detached HEAD): say which one with --onto BRANCH"
        raise GitError(msg)
    if branch.startswith("autoresearch/"):
        msg = f"{branch} belongs to a study: promote onto a branch of yours with --onto BRANCH"
        raise GitError(msg)
    return branch


def _is_here(repo: GitRepo, branch: str) -> bool:
    """Return whether the branch is checked out here; refuse where moving it would do harm."""
    place = repo.checked_out_at(branch)
    if place is None:
        return False
    if place.resolve() != repo.checkout_root.resolve():
        msg = f"{branch} is checked out in {place}: promote from there"
        raise GitError(msg)
    if repo.is_dirty():
        msg = "there are uncommitted changes here: commit or stash them first"
        raise GitError(msg)
    return True


def _move(repo: GitRepo, branch: str, new: str, old: str, *, here: bool) -> None:
    if not here:
        repo.set_ref(f"refs/heads/{branch}", new, old)
        return
    if repo.current_branch() != branch or repo.head() != old:
        msg = f"{branch} was moved by someone else meanwhile: try again"
        raise BranchMovedError(msg)
    repo.fast_forward(new)
