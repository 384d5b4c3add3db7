"""Scores made under other conditions are never compared silently."""

import json
from pathlib import Path

from autoresearch.gitrepo import GitRepo
from autoresearch.records.comparing import differences
from autoresearch.research.study import fixed_files
from tests.stubs import git, make_project


def test_differences_are_told_by_name() -> None:
    first, second = {"device": "cpu", "budget": "300 s"}, {"device": "cuda", "budget": "300 s"}
    assert list(differences(json.dumps(first), json.dumps(first))) == []
    assert list(differences(json.dumps(first), json.dumps(second))) == ["device cpu and cuda"]
    assert list(differences("{}", json.dumps({"package": "autoresearch 1"}))) == [
        "package unknown and autoresearch 1"
    ]


def test_what_is_fixed_decides_and_what_may_change_does_not(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project").root
    repo = GitRepo.open(root)

    def digest_after(name: str, text: str) -> str:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
        git(root, "add", name)
        git(root, "commit", "--quiet", "-m", "change")
        return fixed_files(repo, repo.head(), ("train.py",))

    first = digest_after("prepare.py", "A = 1")
    assert digest_after("train.py", "B = 2") == first
    assert digest_after("notes.md", "words") == first
    second = digest_after("prepare.py", "A = 2")
    assert second != first
    assert digest_after("tools/data.py", "A = 2") not in (first, second)
    assert digest_after("prepare.py", "A = 1") != first
