"""How commits differ, byte for byte: what is written applies again, whatever is in the files."""

import subprocess
from pathlib import Path

import pytest

from autoresearch.gitrepo import FileChange, GitRepo
from tests.stubs import git

OLD = {
    "train.py": b"A = 1\nB = 2\n",
    "lines.txt": b"one\r\ntwo\r\n",
    "end.txt": b"no end",
    "latin.txt": b"caf\xe9\n",
    "blob.bin": bytes(range(256)),
    "gone.txt": b"gone\n",
    "tool.sh": b"#!/bin/sh\n",
}
NEW = {
    "train.py": b"A = 1\nB = 3\n",
    "lines.txt": b"one\r\ntwo\nthree\r\n",
    "end.txt": b"no end either",
    "latin.txt": b"caf\xe8\n",
    "blob.bin": bytes(range(255, -1, -1)),
    "tool.sh": b"#!/bin/sh\n",
    "odd \x1b name.txt": b"\x1b[2J\n",
}


@pytest.fixture(params=["", "sub/"])
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> GitRepo:
    """Two commits of a project, at the top of its repository and below it."""
    top = tmp_path / "repo"
    place = top / request.param
    place.mkdir(parents=True)
    git(top, "init", "-q")
    (top / ".gitattributes").write_text("*.py -diff\n*.txt text eol=lf\n")
    for files in (OLD, NEW):
        for path in place.iterdir():
            if path.is_file() and path.name != ".gitattributes":
                path.unlink()
        for name, data in files.items():
            (place / name).write_bytes(data)
        if files is NEW:
            (place / "tool.sh").chmod(0o755)
        (top / "other.txt").write_bytes(b"%d\n" % len(files))
        stage(top)
        git(top, "commit", "-q", "-m", "all", "--allow-empty")
    return GitRepo.open(place)


def stage(top: Path) -> None:
    """Stage bytes as they are: a filter would make line feeds of them."""
    (top / ".git" / "info" / "attributes").write_text("* -text\n")
    git(top, "add", "-A")
    (top / ".git" / "info" / "attributes").unlink()


def test_the_patch_makes_the_one_tree_of_the_other(repo: GitRepo, tmp_path: Path) -> None:
    old, new = (git(repo.root, "rev-parse", each) for each in ("HEAD~1", "HEAD"))
    found = repo.difference(old, new)
    clean = tmp_path / "clean"
    git(tmp_path, "clone", "-q", "--no-checkout", str(repo.checkout_root), str(clean))
    git(clean, "checkout", "-q", old, "--", ".")
    git(clean, "reset", "-q", old)
    subprocess.run(["git", "apply", "--cached", "-"], cwd=clean, input=found.patch, check=True)
    place = repo.prefix or "."
    assert git(clean, "diff", "--cached", "--name-only", new, "--", place) == ""


def test_it_says_what_happened_to_each_file(repo: GitRepo) -> None:
    old, new = (git(repo.root, "rev-parse", each) for each in ("HEAD~1", "HEAD"))
    found = repo.difference(old, new)
    told = {
        each.path.removeprefix(repo.prefix): (each.added, each.removed, each.said)
        for each in found.files
    }
    assert told == {
        "train.py": (1, 1, ""),  # whatever the attributes say
        "lines.txt": (2, 1, ""),
        "end.txt": (1, 1, ""),
        "latin.txt": (1, 1, ""),
        "blob.bin": (None, None, "binary"),
        "gone.txt": (0, 1, "deleted"),
        "tool.sh": (0, 0, "mode 100644 to 100755"),
        "odd \x1b name.txt": (1, 0, "new"),
    }
    assert b"\\ No newline at end of file" in found.text
    assert b"Binary files" in found.text
    assert b"GIT binary patch" in found.patch


def test_the_same_commit_differs_in_nothing(repo: GitRepo) -> None:
    head = git(repo.root, "rev-parse", "HEAD")
    assert repo.difference(head, head).files == ()
    assert FileChange("x", "100644", "100644", 1, 1).said == ""
