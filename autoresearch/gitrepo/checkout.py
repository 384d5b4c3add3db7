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


def unfiltered(git: Git) -> list[str]:
    """Return options by which git runs none of the person's filters: files are read as they are."""
    told = git.attempt("config", "-z", "--name-only", "--get-regexp", r"^filter\..").text
    drivers = {name.rpartition(".")[0] for name in told.split("\0") if name.count(".") > 1}
    values = ("clean=", "smudge=", "process=", "required=false")
    settings = [
        f"{each}.{value}" for each in sorted(drivers) for value in values if "=" not in each
    ]
    return [part for setting in settings for part in ("-c", setting)]
