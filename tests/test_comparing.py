"""Scores made under other conditions are never compared silently."""

import json
from pathlib import Path

import pytest

from autoresearch.commands.promote import warn_of_incomparable
from autoresearch.gitrepo import GitRepo
from autoresearch.records.comparing import differences, warning
from autoresearch.registry import Registry
from autoresearch.research.conditions import fixed_files
from tests.rows import a_study, an_experiment
from tests.stubs import git, make_project


def test_differences_are_told_by_name() -> None:
    first, second = {"device": "cpu", "budget": "300 s"}, {"device": "cuda", "budget": "300 s"}
    assert list(differences(json.dumps(first), json.dumps(first))) == []
    assert list(differences(json.dumps(first), json.dumps(second))) == ["device cpu and cuda"]
    assert list(differences("{}", json.dumps({"software": "torch 2.6"}))) == [
        "software unknown and torch 2.6"
    ]
    assert list(differences(json.dumps({"package": "autoresearch 0.1.0"}), "{}")) == []


def test_of_many_studies_each_difference_is_told_once() -> None:
    keys = [json.dumps({"device": each, "clock": "wall"}) for each in ("cpu", "cuda", "cuda")]
    said = "their scores are not comparable, for they differ in device cpu and cuda"
    assert warning(keys) == said
    assert warning(keys[1:]) == ""


def test_promote_warns_of_experiments_of_studies_that_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = Registry.open(tmp_path / "registry.db", create=True)
    for tag, device in (("a", "cpu"), ("b", "cuda")):
        study = registry.save(a_study(tag, comparability=json.dumps({"device": device})))
        for _ in range(2):
            registry.save(an_experiment(study))
    warn_of_incomparable(registry, (1, 2))
    assert capsys.readouterr().err == ""
    warn_of_incomparable(registry, (2, 3, 4))
    assert capsys.readouterr().err == (
        "warning: their scores are not comparable, for they differ in device cpu and cuda\n"
    )


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
