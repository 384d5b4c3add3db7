"""The project's repository. The person's checkout, index and branches are theirs."""

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from autoresearch.errors import GitError
from autoresearch.gitrepo import checkout, comparing, exporting, gaps, picking, refs, trees
from autoresearch.gitrepo.command import Git, identity, unusable
from autoresearch.gitrepo.committing import CommitConfig, CommitOptions, after_commit, annotate
from autoresearch.gitrepo.messages import Commit


class GitRepo:
    """Git as the house uses it, for one project, which may be a folder of a larger repository.

    `root` is the project, `checkout_root` the top of the checkout it lies in, and `prefix` the
    path between them ("" or "sub/folder/"). Paths of files are relative to the project.
    """

    def __init__(self, root: Path, checkout_root: Path, prefix: str) -> None:
        self.root = root
        self.checkout_root = checkout_root
        self.prefix = prefix
        self._here = Git(root)
        self._git = Git(checkout_root)
        git = self._git

        def read(commit: str, globs: tuple[str, ...]) -> dict[str, str]:
            return trees.read_files(git, commit, prefix, globs)

        self._read = (
            read  # without `self`: or only the collector of cycles would end git's processes
        )
        # What a commit holds never changes, and the incumbent's files are asked for at every turn.
        self._texts = lru_cache(maxsize=16)(read)
        weakref.finalize(self, self._git.objects.close)

    @classmethod
    def open(cls, root: Path) -> "GitRepo":
        """Return the repository that a project lies in.

        Raises:
            GitError: git is missing, there is no repository, it is bare, or git distrusts it.
        """
        git = Git(root)
        answer = git.attempt("rev-parse", "--show-toplevel")
        if answer.status != 0:
            raise GitError(unusable(root, git, answer))
        prefix = git.text("rev-parse", "--show-prefix")
        return cls(root, Path(answer.text), prefix)

    @classmethod
    def initialise(cls, root: Path) -> tuple["GitRepo", bool]:
        """Return the repository around a project, and whether it was made just now.

        A repository that ignores the project's folder is somebody else's: it gets its own.

        Raises:
            GitError: git is missing or refuses.
        """
        git = Git(root)
        inside = git.attempt("rev-parse", "--is-inside-work-tree").text == "true"
        own = git.attempt("rev-parse", "--show-prefix").text == ""
        if inside and (own or not git.holds("check-ignore", "--quiet", ".")):
            return cls.open(root), False
        git.text("init", "--quiet")
        return cls.open(root), True

    @staticmethod
    def require_identity(directory: Path) -> tuple[str, str]:
        """Return the name and address git signs commits with in a directory.

        Raises:
            GitError: it knows none; an address guessed from the host name does not count.
        """
        return identity(directory)

    def identity(self) -> tuple[str, str]:
        """Return the name and address that commits get here; see `require_identity`."""
        return self.require_identity(self.root)

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
        return refs.resolve(self._git, name)

    def current_branch(self) -> str | None:
        """Return the branch that is checked out, or None where HEAD is detached."""
        answer = self._git.attempt("symbolic-ref", "--quiet", "--short", "HEAD")
        return answer.text if answer.status == 0 else None

    def is_dirty(self, paths: Sequence[str] = ()) -> bool:
        """Return whether there are uncommitted changes.

        Args:
            paths: of the project, or globs; untracked files among them count. With none, the whole
                checkout is meant, and untracked files do not count.
        """
        return checkout.is_dirty(self._here, paths)

    def branch_exists(self, branch: str) -> bool:
        """Return whether there is a local branch of this name."""
        return self.resolve(f"refs/heads/{branch}") is not None

    def branch_tip(self, branch: str) -> str:
        """Return the sha a local branch is at.

        Raises:
            GitError: there is no such branch.
        """
        return refs.branch_tip(self._git, branch)

    def ensure_branch(self, branch: str, sha: str) -> None:
        """Make a branch at a commit unless it is there already.

        Raises:
            GitError: it is there, but at another commit.
        """
        refs.ensure_branch(self._git, branch, sha)

    def checked_out_at(self, branch: str) -> Path | None:
        """Return the checkout, among all linked ones, that has a branch checked out."""
        return refs.checked_out_at(self._git, branch)

    def require_unused(self, branch: str) -> None:
        """Return if no checkout, linked ones included, has a branch checked out.

        Raises:
            BranchCheckedOutError: one has, so that moving the branch would change files under it.
        """
        refs.require_unused(self._git, branch)

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
        refs.require_clear(self._git, tag, last)

    def set_ref(self, name: str, new: str, old: str | None) -> None:
        """Move a ref to a commit, if it is at `old`; NO_REF: if it is nowhere; None: in any case.

        Raises:
            BranchMovedError: it is elsewhere.
            GitBusyError: git cannot write it now, but may later: a lock file, a full disk.
            GitError: git cannot write it.
        """
        refs.set_ref(self._git, name, new, old)

    def read_files(self, commit: str, globs: Sequence[str]) -> dict[str, str]:
        """Return the project's UTF-8 files at a commit that the globs name, path to text.

        Links, binaries and files over 4 MiB are left out.

        Raises:
            GitError: there is no such commit, or the project is not in it.
        """
        named = trees.SHA.fullmatch(commit) is not None
        return dict((self._texts if named else self._read)(commit, tuple(globs)))

    def write_commit(
        self, parent: str, files: Mapping[str, str], message: str, when: datetime
    ) -> str:
        """Write a commit on `parent` that sets these files, and return its sha; no ref moves.

        The same arguments (and the same identity) give the same sha, so it may be repeated.

        Raises:
            GitError: there is no such parent, no identity, or the repository cannot be written.
        """
        return trees.write_commit(self._git, parent, self.prefix, files, message=message, when=when)

    def commit_files(self, paths: Sequence[str], message: str) -> str:
        """Commit these files of the project on the current branch; return the sha of the head.

        What else the person has staged stays staged. Ignored files are taken too. No hooks run.

        Raises:
            GitError: git refuses, for example because of a merge that is not finished.
        """
        specs = [f":(literal){path}" for path in paths]
        self._here.text("add", "--force", "--", *specs)
        if self._here.data("status", "--porcelain", "--untracked-files=no", "--", *specs):
            text = message.encode("utf-8", "replace")
            self._here.text("commit", "--quiet", "--only", "-F", "-", "--", *specs, stdin=text)
        return self.head()

    def export(
        self, commit: str, directory: Path, stop: Callable[[], bool] = lambda: False
    ) -> None:
        """Write the project's files at a commit into a new directory; errors as of `workspace`."""
        exporting.export(self._git, commit, self.prefix, directory, stop)

    @contextmanager
    def workspace(
        self, commit: str, directory: Path, stop: Callable[[], bool] = lambda: False
    ) -> Iterator[Path]:
        """The project's files at a commit in a clean directory without .git; gone afterwards.

        Raises:
            GitError: there is no such commit, or the directory cannot be written.
            Interrupted: `stop` came true meanwhile.
        """
        try:
            self.export(commit, directory, stop)
            yield directory
        finally:
            trees.remove_tree(directory)

    def gaps(self, commit: str, entry: str, shown: Sequence[str] = ()) -> tuple[gaps.Gap, ...]:
        """Return what trials of a commit lack of what the checkout has: they get what it holds.

        Args:
            commit: its sha.
            entry: the program a trial runs; what it imports and reads is looked for, too.
            shown: files and folders of the project that they are shown beside the commit.

        Raises:
            GitError: there is no such commit, or the project is not in it.
        """
        return gaps.gaps(self._git, commit, self.prefix, self.root, entry, shown)

    def lineage(self, base: str, tip: str) -> tuple[Commit, ...]:
        """Return the commits that `tip` has and `base` has not, oldest first, with their trailers.

        Raises:
            GitError: one of the two is no commit here.
        """
        return trees.lineage(self._git, base, tip)

    def merge_base(self, one: str, other: str) -> str | None:
        """Return the best common ancestor of two commits, or None."""
        answer = self._git.attempt("merge-base", one, other)
        return answer.text if answer.status == 0 else None

    def commit(self, sha: str) -> Commit:
        """Return one commit with its trailers; GitError where there is none."""
        return trees.read_commit(self._git, sha)

    def difference(self, old: str, new: str) -> comparing.Difference:
        """Return how the project differs between two commits; GitError where one is none."""
        return comparing.difference(self._git, old, new, self.prefix)

    def merged(self, sha: str, onto: str) -> picking.Merged | picking.Nothing | picking.Conflict:
        """Return a commit with another one's change in, as a tree; errors as of `picking`."""
        return picking.merged(self._git, sha, onto)

    def picking(
        self, onto: str, options: CommitOptions | None = None
    ) -> AbstractContextManager[picking.Picker]:
        """A Picker on top of a commit, in a place of its own that is gone afterwards.

        Args:
            onto: the commit.
            options: makes the commits the person's own: hooks run, and they are signed.

        Raises:
            GitError: no such commit, or no place for it.
        """
        return picking.picker(self._git, onto, options)

    def prune(self) -> tuple[Path, ...]:
        """Remove the temporary worktrees of killed processes; return where they were."""
        return picking.prune(self._git)

    def fast_forward(self, sha: str) -> None:
        """Move the checked-out branch, the index and the files forward to a descendant commit.

        Raises:
            GitError: it is no descendant, or git would overwrite something; nothing has moved.
        """
        checkout.fast_forward(self._git, sha)

    def hooks_left_out(self, options: CommitOptions) -> list[str]:
        """Return in clauses what these options do not keep of the person's hooks and signature."""
        return CommitConfig.of(self._git).left_out(options)

    def after_commit(self, old: str, new: str, *, here: bool) -> str | None:
        """Run the person's post-commit hook, a branch having gone from one commit to another.

        Returns why it was not run, or did not do well, in a clause; else None. It runs only if the
        branch is checked out `here`.
        """
        return after_commit(self._git, old, new, here=here)

    def annotate(self, sha: str, text: str) -> None:
        """Attach a text to a commit, in refs/notes/autoresearch; what was there is replaced."""
        annotate(self._git, sha, text)
