"""`note`: a word to the researcher while a run is at work."""

import json
from pathlib import Path

import pytest

from autoresearch.records.notes import LONGEST, MOST
from autoresearch.registry import Registry, RunLock
from tests.conftest import Run
from tests.rendering import HOSTILE, Fabricated
from tests.stubs import make_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = make_project(tmp_path / "project")
    made.make_state()
    night = Fabricated(made.state)
    night.night()
    night.registry.close()
    monkeypatch.chdir(made.root)
    return made.root


def standing(project: Path) -> list[str]:
    registry = Registry.look(project / ".autoresearch" / "registry.db")
    study = registry.study()
    assert study is not None
    found = [each.text for each in registry.notes(study) if each.stands]
    registry.close()
    return found


def test_a_note_is_a_row_while_a_run_holds_the_lock(run: Run, project: Path) -> None:
    with RunLock(project / ".autoresearch" / "run.lock"):
        code, out, err = run("note", "  Leave the tokenizer alone. ")
        assert (code, err) == (0, "")
        assert "Note 1 for study nov23" in out
        assert out.splitlines()[-1].endswith("autoresearch note --drop 1")
        assert run("note", HOSTILE)[0] == 0
        assert standing(project)[0] == "Leave the tokenizer alone."
        assert run("note", "--drop", "1")[0] == 0
    assert len(standing(project)) == 1
    shown = run("status")[1]
    assert "note 2 2026-11-" in shown
    assert "Leave the tokenizer" not in shown
    code, out, _err = run("note", "--list")
    first, second = out.splitlines()
    assert first.startswith("note 1 2026-11-")
    assert ", dropped 2026-11-" in first
    assert "\x1b" not in second
    told = json.loads(run("status", "--json")[1])["notes"]
    assert [(each["id"], each["dropped_at"] is None) for each in told] == [(1, False), (2, True)]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "note --list, note --drop N"),
        (["a", "--list"], 2, "one of these"),
        (["  "], 2, "the note is empty"),
        (["x" * (LONGEST + 1)], 2, "write it into program.md"),
        (["--drop", "7"], 1, "no note 7 stands in study nov23: none stands"),
        (["a", "--tag", "may1"], 1, "no study 'may1': they are nov23"),
    ],
)
def test_what_cannot_be_noted(
    run: Run, project: Path, arguments: list[str], code: int, said: str
) -> None:
    ended, out, err = run("note", *arguments)
    assert (ended, out, err.count("\n")) == (code, "", 1)
    assert said in err
    assert standing(project) == []


def test_so_many_stand_and_no_more(run: Run, project: Path) -> None:
    for number in range(MOST):
        assert run("note", f"heed {number}")[0] == 0
    code, _out, err = run("note", "one more")
    assert (code, "--drop N" in err) == (1, True)
    run("note", "--drop", "3")
    assert run("note", "one more")[0] == 0


def test_before_any_study_there_is_a_file_for_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_project(tmp_path / "new").root)
    code, _out, err = run("note", "heed")
    assert (code, "autoresearch run" in err) == (1, True)
