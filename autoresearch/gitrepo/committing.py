"""Commits in the person's own way: their hooks, their sign-off, their signature.

A night's commits are the house's, and no hook sees them. What `promote` puts on the person's branch
is theirs, so it is made as `git commit` would make it, but in a linked worktree of its own: a hook
that refuses, or a kill, leaves their checkout, index and branch as they were. Hooks are taken from
their checkout as it stands, never from the change that comes home: no candidate writes one.
"""

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from autoresearch.errors import GitError
from autoresearch.gitrepo.command import Git
from autoresearch.gitrepo.neutral import temporary_folder
from autoresearch.gitrepo.trees import commit_tree
from autoresearch.records.text import safe_line

_HOOKS = ("pre-commit", "prepare-commit-msg", "commit-msg")
_AFTERWARDS = "post-commit"
_PASSED_BY = ("reference-transaction", "post-index-change", "post-checkout", "post-merge")

# Tree, parent, message and author time (unix seconds) in, the new commit's sha out.
Write = Callable[[str, str, str, int], str]


@dataclass(frozen=True)
class CommitOptions:
    """What of the person's a commit keeps: hooks, the signature of commit.gpgSign, a sign-off."""

    hooks: bool = True
    signature: bool = True
    signoff: bool = False


@dataclass(frozen=True)
class CommitConfig:
    """What the person's repository asks of a commit: paths of hooks by name, and a signature."""

    hooks: dict[str, Path]
    signed: bool

    @classmethod
    def of(cls, git: Git) -> "CommitConfig":
        """Return what the configuration and the hooks folder of a checkout say."""
        theirs = Git(git.directory, personal=True)
        told = theirs.attempt("config", "--type=bool", "--get", "commit.gpgSign").text
        folder = git.directory / theirs.text("rev-parse", "--git-path", "hooks")
        names = (*_HOOKS, _AFTERWARDS, *_PASSED_BY)
        found = {name: folder / name for name in names if _runs(folder / name)}
        return cls(found, told == "true")

    def left_out(self, options: CommitOptions) -> list[str]:
        """Return in clauses what these options do not keep of it."""
        ran = {*_HOOKS, _AFTERWARDS} if options.hooks else set()
        passed = [name for name in self.hooks if name not in ran]
        notes = [f"your hooks were not run: {', '.join(passed)}"] if passed else []
        if self.signed and not options.signature:
            notes.append("the commits are not signed, though commit.gpgSign is true")
        return notes


def _runs(hook: Path) -> bool:
    return hook.is_file() and os.access(hook, os.X_OK)


@contextmanager
def committer(git: Git, onto: str, options: CommitOptions | None, prefix: str) -> Iterator[Write]:
    """Yield what writes commits on top of `onto`; nothing but objects comes of it.

    Args:
        git: in the person's checkout.
        onto: the commit to begin on.
        options: None writes the house's commits.
        prefix: of the name of a temporary folder.

    Raises:
        GitError: there is no room for a worktree.
    """
    config = CommitConfig.of(git) if options else None
    if options is None or config is None or not _concerned(config, options):
        yield lambda tree, parent, message, when: commit_tree(git, tree, parent, message, when)
        return
    with temporary_folder(prefix) as folder:
        place = folder / folder.name
        try:
            git.text(*git.unfiltered(), "worktree", "add", "--quiet", "--detach", str(place), onto)
            yield _CommitWorktree(Git(place), config, options, folder).write
        finally:
            git.attempt("worktree", "remove", "--force", "--force", str(place))


def _concerned(config: CommitConfig, options: CommitOptions) -> bool:
    hooks = options.hooks and any(name in config.hooks for name in _HOOKS)
    return hooks or options.signoff or (config.signed and options.signature)


class _CommitWorktree:
    """Writes commits by `git commit` in a worktree that nobody else looks at."""

    def __init__(
        self, git: Git, config: CommitConfig, options: CommitOptions, folder: Path
    ) -> None:
        self._git = git
        self._refused = folder / "refused"
        self._hooks = folder / "hooks"
        self._hooks.mkdir()
        for name in _HOOKS:
            if options.hooks and name in config.hooks:
                self._wrap(name, config.hooks[name])
        self._unfiltered = git.unfiltered()
        self._options = [
            "--signoff" if options.signoff else "--no-signoff",
            "--gpg-sign" if config.signed and options.signature else "--no-gpg-sign",
        ]

    def _wrap(self, name: str, hook: Path) -> None:
        """Let git find a hook that is called by its own name, and leave word if it refuses."""
        call = f'{shlex.quote(str(hook.absolute()))} "$@"'
        word = f"echo {name} > {shlex.quote(str(self._refused))}"
        wrapper = self._hooks / name
        wrapper.write_text(f"#!/bin/sh\n{call} && exit 0\nended=$?\n{word}\nexit $ended\n")
        wrapper.chmod(0o700)

    def write(self, tree: str, parent: str, message: str, when: int) -> str:
        """Return the sha of a commit; see `Write`.

        Raises:
            GitError: a hook refuses, or it cannot be signed.
        """
        plain = self._unfiltered
        self._git.text(*plain, "checkout", "--quiet", "--detach", "--force", parent)
        self._git.text(*plain, "read-tree", "--reset", "-u", tree)
        date = f"@{when} +0000"
        answer = self._git.attempt(
            *plain, "-c", f"core.hooksPath={self._hooks}",
            "commit", "--quiet", "--cleanup=whitespace", *self._options, "-F", "-",
            stdin=message.encode("utf-8", "replace"),
            environment={"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date},
        )  # fmt: skip
        if answer.status != 0:
            raise GitError(self._complaint(answer.error, answer.fault))
        return self._git.text("rev-parse", "HEAD")

    def _complaint(self, error: str, fault: str) -> str:
        said = safe_line(" ".join(error.split()), 200)
        if self._refused.exists():
            name = self._refused.read_text().strip()
            told = f" ({said})" if said else ""
            return (
                f"your {name} hook refuses the commit{told}; nothing was changed: mend what it "
                "names (--signoff adds your Signed-off-by), or --no-verify promotes without hooks"
            )
        if "sign" in error:
            return (
                f"the commit cannot be signed, and commit.gpgSign is true ({said}); nothing was "
                "changed: mend user.signingKey, or --no-gpg-sign promotes it unsigned"
            )
        return f"git commit: {fault}; nothing was changed"


def after_commit(git: Git, old: str, new: str, *, here: bool) -> str | None:
    """Run the person's post-commit hook; see `GitRepo.after_commit`."""
    hook = CommitConfig.of(git).hooks.get(_AFTERWARDS)
    if hook is None:
        return None
    if not here:
        return "your post-commit hook was not run: the branch is not checked out"
    told = git.data("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new)
    changed = told.decode("utf-8", "surrogateescape").split("\0")[:-1]
    written = {(git.directory / path).resolve() for path in changed}
    if any(hook.parent.resolve() in path.parents for path in written):
        return "your post-commit hook was not run: what was promoted changes the hooks' folder"
    # By an alias: as git itself runs it, from the top, and with any version.
    call = f"alias.run-hook=!{shlex.quote(str(hook.absolute()))}"
    if Git(git.directory, personal=True).attempt("-c", call, "run-hook").status != 0:
        return "your post-commit hook failed, after all was done"
    return None
