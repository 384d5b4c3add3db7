"""A person's branches and refs in a study's way: found before the night, named with the mend."""

import shlex
import subprocess
from pathlib import Path

import pytest

from autoresearch.errors import GitBusyError, GitError
from autoresearch.gitrepo import GitRepo
from tests.test_gitrepo import checkout, git, repo

__all__ = ["checkout", "repo"]

IN_THE_WAY = {
    "git branch autoresearch": "git branch -m autoresearch my-autoresearch",
    "git branch autoresearch/t/mine": "git branch -m autoresearch/t/mine my-autoresearch-t-mine",
    "git checkout -q -b autoresearch": "git branch -m autoresearch my-autoresearch",
    "git update-ref refs/autoresearch HEAD": (
        "git update-ref refs/my-autoresearch refs/autoresearch && "
        "git update-ref -d refs/autoresearch"
    ),
    "git update-ref refs/autoresearch/t HEAD": (
        "git update-ref refs/my-autoresearch-t refs/autoresearch/t && "
        "git update-ref -d refs/autoresearch/t"
    ),
    "git update-ref refs/autoresearch/t/2/x HEAD": (
        "git update-ref refs/my-autoresearch-t-2-x refs/autoresearch/t/2/x && "
        "git update-ref -d refs/autoresearch/t/2/x"
    ),
    "git update-ref refs/autoresearch/t/70/x/y HEAD": "-d refs/autoresearch/t/70/x/y",
}


@pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed"])
@pytest.mark.parametrize("act", IN_THE_WAY)
def test_what_is_in_the_way_is_named_and_the_mend_mends(
    checkout: Path, repo: GitRepo, act: str, packed: bool
) -> None:
    git(checkout, *shlex.split(act)[1:])
    before = git(checkout, "rev-parse", "HEAD")
    if packed:
        git(checkout, "pack-refs", "--all")
    with pytest.raises(GitError, match=r"^your (branch|ref) \S+ is in the way of ") as refused:
        repo.require_clear("t", 1)
    assert not isinstance(refused.value, GitBusyError)
    mend = str(refused.value).partition("`")[2].removesuffix("`")
    assert mend.endswith(IN_THE_WAY[act])
    subprocess.run(mend, shell=True, cwd=checkout, check=True, capture_output=True)
    repo.require_clear("t", 1)
    repo.ensure_branch("autoresearch/t", before)
    for number in (2, 70):
        repo.set_ref(f"refs/autoresearch/t/{number}", before, None)
    # What the person's ref named is still named.
    assert "my-autoresearch" in git(checkout, "for-each-ref", "--format=%(refname)")


@pytest.mark.parametrize(
    "act",
    [
        "git branch autoresearch-old",
        "git branch autoresearch/other",
        "git branch autoresearch/t2/mine",
        "git tag autoresearch",
        "git update-ref refs/autoresearch/t/mine/x HEAD",
        "git update-ref refs/autoresearch/other/2/x HEAD",
        "git update-ref refs/autoresearch/t/1/x HEAD",  # experiment 5 is the newest there is
        "git branch autoresearch/t",
    ],
)
def test_what_is_not_in_the_way_is_left_alone(checkout: Path, repo: GitRepo, act: str) -> None:
    git(checkout, *shlex.split(act)[1:])
    before = git(checkout, "for-each-ref")
    repo.require_clear("t", 5)
    assert git(checkout, "for-each-ref") == before


def test_a_taken_name_is_not_proposed_again(checkout: Path, repo: GitRepo) -> None:
    for name in ("autoresearch", "my-autoresearch", "my-autoresearch-2/x"):
        git(checkout, "branch", name)
    with pytest.raises(GitError, match="`git branch -m autoresearch my-autoresearch-3`"):
        repo.require_clear("t", 0)


def test_what_only_git_knows_is_found_by_trying(checkout: Path, repo: GitRepo) -> None:
    folder = checkout / ".git" / "refs" / "heads" / "autoresearch"
    folder.mkdir()
    (folder / "t.lock").touch()
    with pytest.raises(GitBusyError, match=r"remove \S+t\.lock$"):
        repo.require_clear("t", 0)
    (folder / "t.lock").unlink()
    (folder / "t").write_text("no ref")
    with pytest.raises(GitError, match="refs cannot be written"):
        repo.require_clear("t", 0)


def test_our_refs_never_lead_to_a_branch_of_the_persons(checkout: Path, repo: GitRepo) -> None:
    main = git(checkout, "rev-parse", "main")
    git(checkout, "symbolic-ref", "refs/autoresearch/t/2", "refs/heads/main")
    sha = git(checkout, "commit-tree", f"{main}^{{tree}}", "-p", main, "-m", "idea")
    repo.set_ref("refs/autoresearch/t/2", sha, None)
    assert git(checkout, "rev-parse", "main", "refs/autoresearch/t/2").split() == [main, sha]
