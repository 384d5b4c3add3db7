"""Picks experiments on top of a branch of the person's: each, as one commit, or on their own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autoresearch.errors import GitError
from autoresearch.gitrepo import Commit, CommitOptions, Conflict, GitRepo, Picked, Picker
from autoresearch.promotion.candidates import Promotable, message, message_of_all
from autoresearch.records.text import safe_line

# Beside the studies' own `autoresearch/TAG`: no tag is in its way.
REVIEW = "autoresearch-promoted/"


@dataclass(frozen=True)
class Promoted:
    """One experiment and its new commit; `branch` is where it is, on top of `base`."""

    id: int
    sha: str
    subject: str
    branch: str
    base: str


class ConflictError(GitError):
    """A change does not fit on top of a commit."""


@dataclass(frozen=True)
class Picking:
    """What is to be picked onto which branch; `force`: also what was there and was reverted."""

    repo: GitRepo
    branch: str
    old: str
    chosen: tuple[tuple[Promotable, Commit], ...]
    force: bool

    def each(self, options: CommitOptions | None) -> list[Promoted]:
        """Return a commit an experiment, one on top of the other.

        Args:
            options: how the person's hooks, signature and sign-off are kept; None: not at all.

        Raises:
            GitError: one does not fit, or a hook refuses; nothing has changed.
        """
        with self.repo.picking(self.old, options) as picker:
            found = [self._pick(picker, *each) for each in self.chosen]
        return [each for each in found if each is not None]

    def squashed(self, options: CommitOptions | None) -> list[Promoted]:
        """Return the same commit for all experiments; else as `each`."""
        alone = self.each(None)
        if not alone:
            return []
        mine = {each.id for each in alone}
        told = message_of_all([each for each, _ in self.chosen if each.id in mine])
        when = max(commit.when for each, commit in self.chosen if each.id in mine)
        with self.repo.picking(self.old, options) as picker:
            made = picker.take(alone[-1].sha, told, when)
        if not isinstance(made, Picked):
            return []
        subject = told.partition("\n")[0]
        return [Promoted(each.id, made.sha, subject, self.branch, self.branch) for each in alone]

    def apart(self, options: CommitOptions | None) -> list[Promoted]:
        """Return a commit an experiment, each on a branch of its own; no branch is made yet.

        One that does not fit on the branch alone is put on top of the one before it, where it fits
        there: what it builds on may be among the chosen.

        Raises:
            GitError: as `each`.
        """
        done = list[Promoted]()
        for experiment, commit in self.chosen:
            try:
                made = self._alone(experiment, commit, self.old, self.branch, options)
            except ConflictError:
                if not done:
                    raise
                made = self._alone(experiment, commit, done[-1].sha, done[-1].branch, options)
            done += [made] if made else []
        return done

    def _alone(
        self,
        experiment: Promotable,
        commit: Commit,
        base: str,
        name: str,
        options: CommitOptions | None,
    ) -> Promoted | None:
        """Return an experiment's commit on a branch of its own, on top of `base`, called `name`."""
        with self.repo.picking(base, options) as picker:
            made = self._pick(picker, experiment, commit)
        return made and replace(made, branch=f"{REVIEW}{made.id}", base=name)

    def _pick(self, picker: Picker, experiment: Promotable, commit: Commit) -> Promoted | None:
        """Return an experiment's commit on top of what was picked; None: its change is there."""
        # By force also what was there and was reverted; what changes nothing is still found.
        if not self.force and self._is_on(commit):
            return None
        told = message(experiment)
        result = picker.pick(commit.sha, told, commit.when)
        if isinstance(result, Conflict):
            raise ConflictError(self._told(commit, result))
        if not isinstance(result, Picked):
            return None
        subject = told.partition("\n")[0]
        return Promoted(experiment.id, result.sha, subject, self.branch, self.branch)

    def _is_on(self, commit: Commit) -> bool:
        base = self.repo.merge_base(commit.sha, self.old)
        if base is None or base == commit.sha:
            return base is not None
        mine = (commit.study, commit.experiment)
        return any(mine in each.experiments for each in self.repo.lineage(base, self.old))

    def _missing(self, commit: Commit) -> list[int]:
        """Return the experiments a commit builds on that are neither on the branch nor chosen."""
        picked = {(each.study.tag, each.id) for each, _ in self.chosen}
        base = self.repo.merge_base(commit.sha, self.old)
        below = self.repo.lineage(base, commit.sha)[:-1] if base else ()
        return [
            each.experiment
            for each in below
            if each.experiment is not None
            and each.study is not None
            and (each.study, each.experiment) not in picked
            and not self._is_on(each)
        ]

    def _told(self, commit: Commit, conflict: Conflict) -> str:
        where = ", ".join(safe_line(path, 80) for path in conflict.files) or conflict.reason
        name = f"experiment {commit.experiment}"
        told = f"{name} conflicts with {self.branch} in {where}; nothing was changed"
        if missing := self._missing(commit):
            it = "it" if len(missing) == 1 else "them"
            told += f": it builds on {named(missing)}, promote {it} as well"
        return told


def named(ids: Sequence[int]) -> str:
    """Return experiments by their numbers."""
    word = "experiment" if len(ids) == 1 else "experiments"
    return f"{word} {', '.join(map(str, ids))}"
