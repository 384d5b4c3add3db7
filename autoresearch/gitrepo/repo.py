"""The project's repository. The person's checkout, index and branches are theirs."""

import re
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from autoresearch.errors import GitError
from autoresearch.gitrepo import comparing, exporting, gaps, picking, trees
from autoresearch.gitrepo.command import Git, unusable
from autoresearch.gitrepo.committing import CommitConfig, CommitOptions, after_commit
from autoresearch.gitrepo.messages import Commit
from autoresearch.gitrepo.refs import Refs
from autoresearch.process import remove

_NO_IDENTITY = (
    'git knows no author: run `git config --global user.name "Your Name"` '
    "and `git config --global user.email you@example.org`"
)


class GitRepo(Refs):
    """Git as the house uses it, for one project, which may be a folder of a larger repository.

    `root` is the project, `checkout_root` the top of the checkout it lies in, and `prefix` the
    path between them ("" or "sub/folder/"). Paths of files are relative to the project.
    """

    def __init__(self, root: Path, checkout_root: Path, prefix: str) -> None:
        self.root = root
        self.checkout_root = checkout_root
        self.prefix = prefix
        self._here = Git(root)
        git = Git(checkout_root)
        super().__init__(git)
        # What a commit holds never changes, and the incumbent's files are asked for at every turn.
        # Without `self`: or only the collector of cycles would end git's processes.
        self._texts = lru_cache(maxsize=16)(
            lambda commit, globs: trees.read_files(git, commit, prefix, globs)
        )
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
        git = Git(directory)
        answer = git.attempt("var", "GIT_COMMITTER_IDENT")
        told = re.fullmatch(r"(.+) <(.+)> \d+ [+-]\d{4}", answer.text)
        if answer.status != 0 or told is None or not git.holds("var", "GIT_AUTHOR_IDENT"):
            raise GitError(_NO_IDENTITY)
        return told[1], told[2]

    def identity(self) -> tuple[str, str]:
        """Return the name and address that commits get here; see `require_identity`."""
        return self.require_identity(self.root)

    def is_dirty(self, paths: Sequence[str] = ()) -> bool:
        """Return whether there are uncommitted changes.

        Args:
            paths: of the project, or globs; untracked files among them count. With none, the whole
                checkout is meant, and untracked files do not count.
        """
        untracked = "all" if paths else "no"
        specs = [f":(glob){path}" for path in paths]
        command = ("status", "--porcelain", "-z", f"--untracked-files={untracked}", "--", *specs)
        answer = self._here.attempt(*command)
        if answer.status != 0:  # perhaps for want of a filter that git-lfs, say, would be
            answer = self._here.attempt(*self._here.unfiltered(), *command)
        return bool(answer.required("git status").data)

    def read_files(self, commit: str, globs: Sequence[str]) -> dict[str, str]:
        """Return the project's UTF-8 files at a commit that the globs name, path to text.

        Links, binaries and files over 4 MiB are left out.

        Raises:
            GitError: there is no such commit, or the project is not in it.
        """
        if trees.SHA.fullmatch(commit):
            return dict(self._texts(commit, tuple(globs)))
        return trees.read_files(self._git, commit, self.prefix, globs)

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
            remove(directory)

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
        command = (
            "-c", "merge.autoStash=false",
            "merge", "--ff-only", "--quiet", "--no-stat", "--no-verify-signatures", sha,
        )  # fmt: skip
        answer = self._git.attempt(*command)
        if answer.status != 0 and not _has_filtered(self._git, sha):
            # Git may look at files that do not change, through a filter that is not installed.
            answer = self._git.attempt(*self._git.unfiltered(), *command)
        answer.required("git merge")

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
        note = ("notes", "--ref=autoresearch", "add", "--force", "--no-stripspace", "--file=-", sha)
        if self._git.attempt(*note, stdin=text.encode()).status != 0:
            older = (each for each in note if each != "--no-stripspace")  # versions that know none
            self._git.text(*older, stdin=text.encode())


def _has_filtered(git: Git, sha: str) -> bool:
    """Return whether a filter of the person's belongs to a file that a commit would change."""
    changed = git.data("diff-tree", "-r", "-z", "--name-only", "--no-renames", "HEAD", sha)
    told = git.data("check-attr", "-z", "--stdin", "filter", stdin=changed).split(b"\0")
    return any(value not in (b"unspecified", b"unset") for value in told[2::3])
