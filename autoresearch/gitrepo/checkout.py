"""The person's checkout: whether it is clean, and how new commits come into it."""

from collections.abc import Sequence

from autoresearch.gitrepo.command import Git


def is_dirty(git: Git, paths: Sequence[str]) -> bool:
    """Return whether there are uncommitted changes; see `GitRepo.is_dirty`."""
    untracked = "all" if paths else "no"
    specs = [f":(glob){path}" for path in paths]
    command = ("status", "--porcelain", "-z", f"--untracked-files={untracked}", "--", *specs)
    answer = git.attempt(*command)
    if answer.status != 0:  # perhaps for want of a filter that git-lfs, say, would be
        answer = git.attempt(*unfiltered(git), *command)
    if answer.status != 0:
        raise answer.refusal("git status")
    return bool(answer.data)


def fast_forward(git: Git, sha: str) -> None:
    """Bring the checkout forward to a commit; see `GitRepo.fast_forward`."""
    command = (
        "-c", "merge.autoStash=false",
        "merge", "--ff-only", "--quiet", "--no-stat", "--no-verify-signatures", sha,
    )  # fmt: skip
    answer = git.attempt(*command)
    if answer.status != 0 and not _has_filtered(git, sha):
        # Git may look at files that do not change, through a filter that is not installed.
        answer = git.attempt(*unfiltered(git), *command)
    if answer.status != 0:
        raise answer.refusal("git merge")


def _has_filtered(git: Git, sha: str) -> bool:
    """Return whether a filter of the person's belongs to a file that a commit would change."""
    changed = git.data("diff-tree", "-r", "-z", "--name-only", "--no-renames", "HEAD", sha)
    told = git.data("check-attr", "-z", "--stdin", "filter", stdin=changed).split(b"\0")
    return any(value not in (b"unspecified", b"unset") for value in told[2::3])


def unfiltered(git: Git) -> list[str]:
    """Return options by which git runs none of the person's filters: files are read as they are."""
    told = git.attempt("config", "-z", "--name-only", "--get-regexp", r"^filter\..").text
    drivers = {name.rpartition(".")[0] for name in told.split("\0") if name.count(".") > 1}
    values = ("clean=", "smudge=", "process=", "required=false")
    settings = [
        f"{each}.{value}" for each in sorted(drivers) for value in values if "=" not in each
    ]
    return [part for setting in settings for part in ("-c", setting)]
