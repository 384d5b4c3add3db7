"""`promote`: kept experiments come home to the person's own branch, all of them or none."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch.errors import BranchMovedError, GitError
from autoresearch.gitrepo import (
    CONFIRMED,
    SCORE,
    TEST,
    Commit,
    CommitOptions,
    Conflict,
    GitRepo,
    Picked,
    Picker,
    commit_message,
)
from autoresearch.policy import CONFIRMED as CLAIMED
from autoresearch.records.text import counted, safe_line
from autoresearch.records.values import Standing, Verdict


@dataclass(frozen=True)
class Promotable:
    """One experiment as `promote` needs it; `sha` is the commit that was trained, if any.

    `claim` is the probability of a true improvement by `claim_pairs` fresh pairs, `claim_reason` a
    sentence about it. `simpler`: it was kept as shorter code that is as good, not as a better one.
    `test_bpb` is its score on the sealed test set, once there is one.
    """

    id: int
    sha: str | None
    study: str
    verdict: Verdict | None
    hypothesis: str
    val_bpb: float | None = None
    delta: float | None = None
    standing: Standing | None = None
    claim: float | None = None
    claim_pairs: int = 0
    claim_reason: str = ""
    simpler: bool = False
    test_bpb: float | None = None

    @property
    def sure(self) -> str:
        """How sure it is by how many fresh pairs, as in "97% sure on 3 fresh pairs"."""
        if self.claim is None or not self.claim_pairs:
            return "no fresh pair yet"
        told = f"{_percent(self.claim)} sure on {counted(self.claim_pairs, 'fresh pair')}"
        if self.claim < CLAIMED or self.standing is not None:
            return told
        alone = self.claim_pairs == 1
        return f"{told}, but {'one pair makes no claim' if alone else 'the noise is not known yet'}"


@dataclass(frozen=True)
class Promoted:
    """One experiment and its new commit on the person's branch."""

    id: int
    sha: str
    subject: str


@dataclass(frozen=True)
class Promotion:
    """What `promote` did, or would do: `branch` goes from `old` to `new` through `commits`.

    `already` are the experiments whose change the branch had before; `notes` say what of the
    person's hooks and signature was left out.
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

    Raises:
        GitError: it cannot be done; the message says why, and nothing has changed.
    """
    repo.identity()
    chosen = sorted({each.id: each for each in experiments}.values(), key=lambda each: each.id)
    found = {each.id: _commit(repo, each, force=force) for each in chosen}
    branch = _branch(repo, onto)
    old = repo.branch_tip(branch)
    here = _is_here(repo, branch)
    if commits is None and not dry_run:
        commits = CommitOptions()
    with repo.picking(old, commits) as picker:
        pairs = [(each, found[each.id]) for each in chosen]
        done, already = _pick_all(repo, picker, branch, pairs, force=force)
        new = picker.head
    if not done:
        msg = f"{_named(already)} {_are(already)} on {branch} already: there is nothing to promote"
        raise GitError(msg)
    if dry_run or commits is None:
        return Promotion(branch, old, new, tuple(done), tuple(already), dry_run)
    notes = repo.hooks_left_out(commits)
    _move(repo, branch, new, old, here=here)
    if commits.hooks and (note := repo.after_commit(old, new, here=here)):
        notes.append(note)
    return Promotion(branch, old, new, tuple(done), tuple(already), dry_run, tuple(notes))


def _commit(repo: GitRepo, experiment: Promotable, *, force: bool) -> Commit:
    if experiment.sha is None:
        msg = f"experiment {experiment.id} has no commit: it was refused before training"
        raise GitError(msg)
    commit = repo.commit(experiment.sha)
    if (commit.study, commit.experiment) != (experiment.study, experiment.id):
        msg = f"experiment {experiment.id} is the unchanged baseline: there is nothing to promote"
        raise GitError(msg)
    if not force and (reason := _unearned(experiment)):
        raise GitError(f"experiment {experiment.id} {reason}")
    return commit


def _unearned(experiment: Promotable) -> str | None:
    """Return why an experiment is no discovery, and what would make it one; None where it is."""
    if experiment.standing is Standing.REFUTED:
        why = experiment.claim_reason or experiment.sure
        return f"was kept and then refuted ({why}): --force promotes it all the same"
    if experiment.verdict is not Verdict.KEEP:
        fate = experiment.verdict or "unfinished"
        return f"was not kept ({fate}): --force promotes it all the same"
    if experiment.standing is Standing.CONFIRMED:
        return None
    if experiment.simpler:
        return (
            "was kept for being simpler, not better, so it can hardly be confirmed as an "
            "improvement: --force promotes it as it is"
        )
    return (
        f"is kept but not confirmed ({experiment.sure}): `promote {experiment.id} --confirm` "
        "trains further pairs, --force promotes it as it is"
    )


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


def _pick_all(
    repo: GitRepo,
    picker: Picker,
    branch: str,
    chosen: Sequence[tuple[Promotable, Commit]],
    *,
    force: bool,
) -> tuple[list[Promoted], list[int]]:
    done: list[Promoted] = []
    already: list[int] = []
    onto = picker.head
    for experiment, commit in chosen:
        # By force also what was there and was reverted; what changes nothing is still found.
        if not force and _is_on(repo, commit, onto):
            already.append(experiment.id)
            continue
        message = _message(experiment)
        result = picker.pick(commit.sha, message, commit.when)
        if isinstance(result, Conflict):
            picked = {(each.study, each.id) for each, _ in chosen}
            missing = _missing(repo, commit, onto, picked)
            raise GitError(_conflict_told(commit, branch, result, missing))
        if isinstance(result, Picked):
            done.append(Promoted(experiment.id, result.sha, message.partition("\n")[0]))
        else:
            already.append(experiment.id)
    return done, already


def _is_on(repo: GitRepo, commit: Commit, onto: str) -> bool:
    base = repo.merge_base(commit.sha, onto)
    if base is None or base == commit.sha:
        return base is not None
    there = repo.lineage(base, onto)
    return any((each.study, each.experiment) == (commit.study, commit.experiment) for each in there)


def _missing(repo: GitRepo, commit: Commit, onto: str, picked: set[tuple[str, int]]) -> list[int]:
    """Return the experiments a commit builds on that are neither on the branch nor chosen."""
    base = repo.merge_base(commit.sha, onto)
    below = repo.lineage(base, commit.sha)[:-1] if base else ()
    return [
        each.experiment
        for each in below
        if each.experiment is not None
        and each.study is not None
        and (each.study, each.experiment) not in picked
        and not _is_on(repo, each, onto)
    ]


def _conflict_told(commit: Commit, branch: str, conflict: Conflict, missing: Sequence[int]) -> str:
    where = ", ".join(safe_line(path, 80) for path in conflict.files) or conflict.reason
    told = f"experiment {commit.experiment} conflicts with {branch} in {where}; nothing was changed"
    if missing:
        told += f": it builds on {_named(missing)}, promote {_it(missing)} as well"
    return told


def _message(experiment: Promotable) -> str:
    score, delta, extra = experiment.val_bpb, experiment.delta, {}
    if score is not None and math.isfinite(score):
        effect = f" ({delta:+.4f})" if delta is not None and math.isfinite(delta) else ""
        extra[SCORE] = f"{score:.4f}{effect}"
    if experiment.standing is Standing.CONFIRMED and experiment.claim is not None:
        extra[CONFIRMED] = (
            f"{_percent(experiment.claim)} ({counted(experiment.claim_pairs, 'fresh pair')})"
        )
    if experiment.test_bpb is not None:
        extra[TEST] = f"{experiment.test_bpb:.4f}"
    return commit_message(
        experiment.hypothesis, experiment=experiment.id, study=experiment.study, extra=extra
    )


def _move(repo: GitRepo, branch: str, new: str, old: str, *, here: bool) -> None:
    if not here:
        repo.set_ref(f"refs/heads/{branch}", new, old)
        return
    if repo.current_branch() != branch or repo.head() != old:
        msg = f"{branch} was moved by someone else meanwhile: try again"
        raise BranchMovedError(msg)
    repo.fast_forward(new)


def _named(ids: Sequence[int]) -> str:
    word = "experiment" if len(ids) == 1 else "experiments"
    return f"{word} {', '.join(map(str, ids))}"


def _are(ids: Sequence[int]) -> str:
    return "is" if len(ids) == 1 else "are"


def _it(ids: Sequence[int]) -> str:
    return "it" if len(ids) == 1 else "them"


def _percent(probability: float) -> str:
    # Rounded down: 99.97% is not 100%.
    return f"{math.floor(100 * probability + 1e-9)}%"
