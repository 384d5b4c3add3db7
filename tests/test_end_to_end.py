"""The whole line for real: the template GPT, a real corpus, the sealed evaluator."""

import difflib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from autoresearch.records.values import Standing, Verdict
from autoresearch.registry import Registry
from tests.stubs import git, snapshot

COMMAND = [sys.executable, "-m", "autoresearch"]


def act(root: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def change(source: str, name: str, value: str) -> str:
    """A unified diff that gives one constant of train.py another value."""
    lines = source.splitlines(keepends=True)
    changed = [f"{name} = {value}\n" if line.startswith(f"{name} = ") else line for line in lines]
    assert changed != lines
    return "".join(difflib.unified_diff(lines, changed, "a/train.py", "b/train.py"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project on the standard library's source, prepared once for all tests here."""
    place = tmp_path_factory.mktemp("line")
    environment = {"AUTORESEARCH_HOME": str(place / "home"), "GIT_AUTHOR_NAME": "Ada"}
    environment |= {"GIT_AUTHOR_EMAIL": "a@x.org", "GIT_COMMITTER_NAME": "Ada"}
    environment |= {"GIT_COMMITTER_EMAIL": "a@x.org"}
    project = place / "project"
    for here, arguments in (
        (place, ["init", str(project), "--profile", "cpu"]),
        (project, ["prepare", "--corpus", "stdlib"]),
    ):
        subprocess.run(
            [*COMMAND, *arguments], cwd=here, check=True, env={**os.environ, **environment}
        )
    return project


@pytest.fixture
def project(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to spoil."""
    monkeypatch.setenv("AUTORESEARCH_HOME", str(prepared.parent / "home"))
    copy = tmp_path / "project"
    subprocess.run(["cp", "-r", str(prepared), str(copy)], check=True)
    return copy


@pytest.mark.timeout(600)  # eight true trainings, on a machine that may be busy
def test_patches_of_every_kind_get_the_right_verdict(project: Path) -> None:
    source = (project / "train.py").read_text()
    patches = project.parent / "patches"
    patches.mkdir()
    (patches / "1-good.patch").write_text(
        "Subject: no soft cap: it costs a third of a step\n\n" + change(source, "SOFTCAP", "0.0")
    )
    (patches / "2-bad.patch").write_text(change(source, "MATRIX_LR", "0.0"))
    (patches / "3-lost.patch").write_text(change(source, "DEPTH", "3").replace("-DEPTH", "-LOST"))
    (patches / "4-fixed.patch").write_text(
        "--- a/prepare.py\n+++ b/prepare.py\n@@ -1 +1 @@\n-x\n+y\n"
    )
    (patches / "5-syntax.patch").write_text(change(source, "MUON_STEPS", "(("))
    before = snapshot(project)
    night = ["run", "--proposer", f"patches:{patches}", "--budget", "5s", "--tag", "five"]
    act(project, *night, "--confirm-share", "0")

    registry = Registry.open(project / ".autoresearch" / "registry.db")
    study = registry.study("five")
    assert study is not None
    rows = registry.experiments(study, whole=True)
    assert [row.verdict for row in rows] == [
        Verdict.KEEP,
        Verdict.KEEP,
        Verdict.DISCARD,
        Verdict.INVALID,
        Verdict.INVALID,
        Verdict.INVALID,
    ], [row.reason for row in rows]
    assert "prepare.py is fixed" in rows[4].reason
    assert "syntax error" in rows[5].reason
    assert snapshot(project) == before

    told = json.loads(act(project, "status", "--json"))
    assert [each["verdict"] for each in told["experiments"]][:3] == ["keep", "keep", "discard"]
    assert 1.5 < told["experiments"][0]["val_bpb"] < 3.5
    assert act(project, "status", "--tsv").startswith(
        "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
    )
    promote_if_it_is_confirmed(project, registry)
    assert "SOFTCAP = 0.0" in (project / "train.py").read_text()
    assert "Autoresearch-Experiment: 2" in git(project, "log", "-1", "--format=%B")


def promote_if_it_is_confirmed(project: Path, registry: Registry) -> None:
    """Train experiment 2 a fresh pair; where that makes no claim yet, promote it by force."""
    before = len(registry.trials(registry.experiment(2)))
    done = subprocess.run(
        [*COMMAND, "promote", "2", "--confirm", "--pairs", "1"],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    row = registry.experiment(2)
    assert len(registry.trials(row)) > before
    if row.standing is Standing.CONFIRMED:
        assert done.returncode == 0, done.stderr
        assert "Autoresearch-Confirmed: " in git(project, "log", "-1", "--format=%B")
    else:
        assert done.returncode == 1
        assert "experiment 2 " in done.stderr.splitlines()[-1]
        assert row.test_bpb is None
        act(project, "promote", "2", "--force")
    row, base = registry.experiment(2), registry.experiment(1)
    if row.standing is not Standing.REFUTED:
        assert row.test_bpb is not None
        assert base.test_bpb is not None
        assert abs(row.test_bpb - base.test_bpb - (row.test_gain or 0)) < 1e-4


def test_kill_in_the_middle_of_a_training_loses_nothing(project: Path) -> None:
    arguments = ["run", "--proposer", "optuna", "--budget", "3s", "--experiments", "2"]
    first = subprocess.Popen([*COMMAND, *arguments], cwd=project, stderr=subprocess.PIPE, text=True)
    assert first.stderr is not None
    for line in first.stderr:
        if "training" in line:
            break
    time.sleep(3)
    tree = psutil.Process(first.pid).children(recursive=True)
    assert tree
    first.send_signal(signal.SIGKILL)
    first.communicate()
    gone, alive = psutil.wait_procs(tree, timeout=5)
    assert gone
    assert not alive
    act(project, *arguments)
    registry = Registry.open(project / ".autoresearch" / "registry.db")
    study = registry.study()
    assert study is not None
    rows = registry.experiments(study)
    assert [row.id for row in rows] == [1, 2]
    assert all(row.verdict is not None for row in rows)
    incumbent = registry.incumbent(study)
    assert incumbent is not None
    assert git(project, "rev-parse", study.branch) == incumbent.commit_sha
    assert git(project, "worktree", "list").count("\n") == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_cleanly_with_everything_saved(project: Path, number: int) -> None:
    arguments = ["run", "--proposer", "optuna", "--budget", "30s"]
    running = subprocess.Popen(
        [*COMMAND, *arguments], cwd=project, stderr=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    for line in running.stderr:
        if "training" in line:
            break
    time.sleep(2.5)
    running.send_signal(number)
    _out, err = running.communicate(timeout=20)
    assert running.returncode == 130
    assert err.splitlines()[-1].startswith("autoresearch: interrupted; everything is saved")
    assert "Traceback" not in err
    registry = Registry.open(project / ".autoresearch" / "registry.db")
    study = registry.study()
    assert study is not None
    assert registry.unfinished(study)[0].id == 1


def test_the_same_commands_on_a_text_file(project: Path, tmp_path: Path) -> None:
    poem = tmp_path / "poem.txt"
    lines = [f"Verse {n}: the {n % 7} winds of {n % 11} è più {n * n} 風" for n in range(20000)]
    poem.write_text("\n\n".join(lines))
    out = act(project, "prepare", "--corpus", str(poem))
    assert "train" in out
    out = act(project, "run", "--proposer", "optuna", "--budget", "1s", "--experiments", "1")
    assert "keep" in out
