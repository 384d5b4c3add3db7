"""A throw-away repository around a folder, in which texts are bytes: no attribute counts.

Git changes what it writes and reads by the attributes of a path: filters of the person's (Git LFS
is one), encodings, line ends, `$Id$`, merge and diff drivers. Those are for the person's checkout.
A candidate's files are what its commit holds, so git gets a repository of its own here whose
`info/attributes`, the strongest there are, unset all of them.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from autoresearch.gitrepo.command import Git, system_refusal

ATTRIBUTES = "* -text !eol !filter !ident !working-tree-encoding !merge !diff !whitespace\n"
_SHA256 = "[core]\nrepositoryformatversion = 1\n[extensions]\nobjectformat = sha256\n"


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Yield a new folder, which is gone afterwards; its name begins with `prefix`.

    Raises:
        GitError: there is no room for it.
    """
    with _room():
        folder = tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
    with folder as made:
        yield Path(made).resolve()


@contextmanager
def neutral(prefix: str, of: Git) -> Iterator[Git]:
    """Yield git in an empty folder with a repository of its own; both are gone afterwards.

    Args:
        prefix: of the temporary folder's name.
        of: a repository whose objects it shares; what is written there stays.

    Raises:
        GitError: there is no room for it, or git refuses.
    """
    with temporary_folder(prefix) as place:
        tree, store = place / "tree", place / "git"
        environment = {"GIT_DIR": str(store), "GIT_WORK_TREE": str(tree)}
        objects, kind = _store(of)
        with _room():
            tree.mkdir()
            git = Git(tree, {**environment, "GIT_OBJECT_DIRECTORY": objects})
            git.text("init", "--quiet", "--template=", *kind)
            (store / "info").mkdir(exist_ok=True)
            (store / "info" / "attributes").write_text(ATTRIBUTES)
        _tell_promisors(git, of)
        yield git


@contextmanager
def bare(prefix: str, of: Git) -> Iterator[Git]:
    """Yield git in a repository as of `neutral` in which nothing can be checked out: made at once.

    Raises:
        GitError: there is no room for it.
    """
    with temporary_folder(prefix) as place:
        objects, kind = _store(of)
        with _room():
            for each in ("refs", "info"):
                (place / each).mkdir()
            (place / "HEAD").write_text("ref: refs/heads/none\n")
            (place / "config").write_text(_SHA256 if kind else "")
            (place / "info" / "attributes").write_text(ATTRIBUTES)
        yield Git(place, {"GIT_DIR": str(place), "GIT_OBJECT_DIRECTORY": objects})


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise system_refusal("git needs a temporary folder", fault) from None


@lru_cache(maxsize=8)
def _store(of: Git) -> tuple[str, list[str]]:
    """Return where a repository's objects are, and what `init` is told of their kind."""
    objects = of.directory / of.text("rev-parse", "--git-path", "objects")
    # Older versions of git know neither the question nor any other answer.
    sha256 = of.attempt("rev-parse", "--show-object-format").text == "sha256"
    return str(objects.resolve()), ["--object-format=sha256"] if sha256 else []


@lru_cache(maxsize=8)
def has_promisors(git: Git) -> bool:
    """Return whether a repository is a partial clone, some of whose objects are elsewhere."""
    return git.holds("config", "--get-regexp", r"^remote\..*\.promisor$")


def _tell_promisors(git: Git, of: Git) -> None:
    """Let a partial clone's missing objects be fetched here as well: from where it is told to."""
    if not has_promisors(of):
        return
    told = of.text(
        "config", "-z", "--get-regexp", r"^remote\..*\.(promisor|url|partialclonefilter)$"
    )
    for setting in told.split("\0")[:-1]:
        name, _, value = setting.partition("\n")
        git.text("config", "--add", name, value)
