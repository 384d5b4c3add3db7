"""The whole line for real: the command, a real corpus, the sealed evaluator; at last the GPT."""

import json
import os
import signal
from pathlib import Path

import psutil
import pytest

from autoresearch import corpus
from autoresearch.process.cores import usable
from autoresearch.records.values import Ending, Standing, StudyState, Verdict
from autoresearch.registry import Registry
from autoresearch.sandbox import Unsealed, detect
from tests import counting
from tests.commands import Command, autoresearch
from tests.counting import TRAIN, change
from tests.processes import PATIENCE, until
from tests.stubs import git, snapshot


@pytest.fixture
def project(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The counting program, prepared: a copy to spoil."""
    place = counting.made_once(tmp_path_factory, "counting", counting.make_counting)
    return counting.copy_of(place, tmp_path, monkeypatch)


def write(folder: Path, patches: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in patches.items():
        (folder / f"{name}.patch").write_text(text)
    return folder


def registry_of(project: Path) -> Registry:
    return Registry.open(project / ".autoresearch" / "registry.db")


FIXED = "--- a/prepare.py\n+++ b/prepare.py\n@@ -1 +1 @@\n-x\n+y\n"
# With the sealed evaluator the same again: a scoring costs two processes that import torch.
BOTH = pytest.mark.parametrize(
    "sealed", [False, pytest.param(True, marks=pytest.mark.thorough)], ids=["inline", "sealed"]
)
VERDICTS = [
    Verdict.KEEP,  # the baseline
    Verdict.KEEP,
    Verdict.DISCARD,
    Verdict.INVALID,
    Verdict.INVALID,
    Verdict.INVALID,
]


@BOTH
def test_patches_of_every_kind_get_the_right_verdict(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, sealed: bool
) -> None:
    if not sealed:
        counting.score_inline(monkeypatch)
    better = TRAIN.replace("SHARPNESS = 0.5", "SHARPNESS = 0.9")
    patches = write(tmp_path / "patches", {
        "1-good": "Subject: believe the counts\n\n" + change(TRAIN, SHARPNESS="0.9"),
        "2-bad": change(better, SHARPNESS="0.2"),
        "3-lost": change(TRAIN, SHARPNESS="0.7").replace("-SHARPNESS", "-LOST"),
        "4-fixed": FIXED,
        "5-syntax": change(better, VOCAB="(("),
    })  # fmt: skip
    before = snapshot(project)
    night = ["run", "--proposer", f"patches:{patches}", "--tag", "five", "--confirm-share", "0"]
    autoresearch(*night, cwd=project)

    registry = registry_of(project)
    study = registry.study("five")
    assert study is not None
    rows = registry.experiments(study, whole=True)
    assert [row.verdict for row in rows] == VERDICTS, [row.reason for row in rows]
    assert "prepare.py is fixed" in rows[4].reason
    assert "syntax error" in rows[5].reason
    assert snapshot(project) == before

    told = json.loads(autoresearch("status", "--json", cwd=project).out)
    assert [each["verdict"] for each in told["experiments"]][:3] == ["keep", "keep", "discard"]
    assert told["experiments"][1]["val_bpb"] < told["experiments"][0]["val_bpb"]
    header = "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
    assert autoresearch("status", "--tsv", cwd=project).out.startswith(header)

    autoresearch("promote", "2", "--confirm", cwd=project)
    row, base = registry.experiment(2), registry.experiment(1)
    assert row.standing is Standing.CONFIRMED
    assert row.test_bpb is not None
    assert base.test_bpb is not None
    assert abs(row.test_bpb - base.test_bpb - (row.test_gain or 0)) < 1e-4
    message = git(project, "log", "-1", "--format=%B")
    assert "Autoresearch-Confirmed: " in message
    assert "Autoresearch-Experiment: 2" in message
    assert "SHARPNESS = 0.9" in (project / "train.py").read_text()


def test_the_sealed_evaluator_says_what_the_inline_one_says(project: Path) -> None:
    autoresearch("run", "--proposer", "optuna", "--experiments", "1", cwd=project)
    registry = registry_of(project)
    (trial,) = registry.trials(registry.experiment(1))
    assert trial.trust is detect({}).trust
    held = corpus.load(project / ".autoresearch" / "corpus.json")
    inline = counting.InlineEvaluator(None, Unsealed({}), None, "cpu", held.tokenizer(), held.val())
    checkpoint = project / ".autoresearch" / "checkpoints" / f"trial-{trial.id}"
    assert inline.score(project, checkpoint, project).bpb == pytest.approx(trial.val_bpb, abs=1e-4)


def lingering(project: Path, seconds: float) -> None:
    """Let every training take so long."""
    program = TRAIN.replace("LINGER = 0.0", f"LINGER = {seconds}")
    (project / "train.py").write_text(program)
    git(project, "commit", "--quiet", "-am", "linger")


def is_guard(process: psutil.Process) -> bool:
    """Whether a process is a guard: it lives as long as the command that it was given."""
    try:
        return any(part.endswith("guard.py") for part in process.cmdline())
    except psutil.NoSuchProcess:
        return False


def grown(pid: int) -> list[psutil.Process]:
    """Wait until a run has guarded processes below it, and return all that are there."""
    tree: list[psutil.Process] = []

    def grow() -> bool:
        tree[:] = psutil.Process(pid).children(recursive=True)
        return any(map(is_guard, tree))

    until(grow)
    return tree


@BOTH
def test_kill_in_the_middle_of_a_training_loses_nothing(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, sealed: bool
) -> None:
    if not sealed:
        counting.score_inline(monkeypatch)
    lingering(project, 0.5)
    source = (project / "train.py").read_text()
    patches = write(tmp_path / "patches", {"1": change(source, SHARPNESS="0.9")})
    arguments = ["run", "--proposer", f"patches:{patches}", "--experiments", "2"]
    first = Command(*arguments, cwd=project).until("training")
    tree = grown(first.pid)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    _gone, alive = psutil.wait_procs(tree, timeout=PATIENCE)
    assert not alive
    autoresearch(*arguments, cwd=project)
    registry = registry_of(project)
    study = registry.study()
    assert study is not None
    rows = registry.experiments(study)
    assert [(row.id, row.verdict) for row in rows] == [(1, Verdict.KEEP), (2, Verdict.KEEP)]
    assert git(project, "rev-parse", study.branch) == rows[1].commit_sha
    assert git(project, "worktree", "list").count("\n") == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_cleanly_with_everything_saved(project: Path, number: int) -> None:
    lingering(project, 300)
    running = Command("run", "--proposer", "optuna", "--budget", "10m", cwd=project)
    running.until("training").send_signal(number)
    assert running.wait() == 130
    said = running.err.splitlines()[-1]
    assert said.startswith("autoresearch: interrupted; everything is saved")
    assert "Traceback" not in running.err
    registry = registry_of(project)
    study = registry.study()
    assert study is not None
    assert registry.unfinished(study)[0].id == 1


def test_a_closed_terminal_ends_no_night(project: Path) -> None:
    lingering(project, 300)
    running = Command("run", "--proposer", "optuna", "--budget", "10m", cwd=project, terminal=True)
    running.read_until("training")
    tree = grown(running.pid)
    guards = [each for each in tree if is_guard(each)]  # among the rest are gits that come and go
    assert "in terminal /dev/" in autoresearch("status", cwd=project).out
    os.close(running.terminal)
    while "without a terminal" not in autoresearch("status", cwd=project).out:
        assert running.poll() is None
    assert guards
    assert all(each.is_running() for each in guards)
    autoresearch("stop", "--now", cwd=project)
    assert running.wait() == 130
    assert psutil.wait_procs(tree, timeout=PATIENCE)[1] == []
    registry = registry_of(project)
    study = registry.study()
    assert study is not None
    assert study.state is StudyState.STOPPED
    (trial,) = registry.trials(registry.experiment(1))
    assert trial.ending is Ending.INTERRUPTED
    assert "stopped: interrupted" in (project / ".autoresearch" / "run.log").read_text()
    assert not (project / ".autoresearch" / "faults.log").exists()


def a_tiny_gpt(root: Path) -> None:
    """Make the template's project on a poem, whose trials may take as long as they like."""
    verse = "Verse {}: the {} winds of {} è più {} 風"
    poem = root.with_name("poem.txt")
    poem.write_text("\n\n".join(verse.format(n, n % 7, n % 11, n * n) for n in range(1500)))
    autoresearch("init", str(root), "--profile", "cpu")
    toml = root / "autoresearch.toml"
    patient = toml.read_text().replace('grace = "5s"', 'grace = "10m"')
    assert patient != toml.read_text()
    toml.write_text(patient)
    git(root, "commit", "--quiet", "-am", "patience")
    assert "train" in autoresearch("prepare", "--corpus", str(poem), cwd=root).out


def test_the_template_goes_the_whole_line(tmp_path: Path) -> None:
    root = tmp_path / "gpt"
    a_tiny_gpt(root)
    night = ["run", "--proposer", "optuna", "--budget", "1s", "--experiments", "1"]
    slots = min(len(usable()), 2)  # of a machine with one core there is one
    ran = autoresearch(*night, "--devices", str(slots), cwd=root)
    assert "keep" in ran.out + ran.err
    registry = registry_of(root)
    study = registry.study()
    assert study is not None
    workers = [each.worker for each in registry.trials(registry.experiment(1))]
    assert sorted(workers) == (["local:0", "local:1"] if slots == 2 else ["local", "local"])
    assert study.allowance is not None  # measured by the real evaluator: float32 needs the least
    assert study.allowance.tolerance == pytest.approx(1e-3)
    assert "a prediction computed again may differ by 0.001 nats" in " ".join(
        autoresearch("status", cwd=root).out.split()
    )


# A fault that any budget shows; mended, the head learns. So no verdict hangs on luck or speed.
FAULT = ("\nUNEMBEDDING_LR = 0.015", "\nUNEMBEDDING_LR = 0.0")


@pytest.mark.thorough
def test_the_template_on_the_standard_library(tmp_path: Path) -> None:
    root = tmp_path / "gpt"
    autoresearch("init", str(root), "--profile", "cpu")
    source = (root / "train.py").read_text()
    planted = source.replace(*FAULT)
    assert planted != source
    (root / "train.py").write_text(planted)
    git(root, "commit", "--quiet", "-am", "a planted fault")
    autoresearch("prepare", "--corpus", "stdlib", cwd=root)
    patches = write(tmp_path / "patches", {
        "1-good": "Subject: let it learn\n\n" + change(planted, UNEMBEDDING_LR="0.015"),
        "2-bad": change(source, SOFTCAP="0.05"),
        "3-lost": change(source, DEPTH="3").replace("-DEPTH", "-LOST"),
        "4-fixed": FIXED,
        "5-syntax": change(source, MUON_STEPS="(("),
    })  # fmt: skip
    night = ["run", "--proposer", f"patches:{patches}", "--budget", "5s", "--tag", "five"]
    autoresearch(*night, "--confirm-share", "0", cwd=root)
    registry = registry_of(root)
    study = registry.study("five")
    assert study is not None
    rows = registry.experiments(study)
    assert [row.verdict for row in rows] == VERDICTS, [row.reason for row in rows]
    assert all(1.5 < (row.val_bpb or 0) < 6 for row in rows[:3])
    autoresearch("promote", "2", "--confirm", cwd=root)
    assert registry.experiment(2).standing is Standing.CONFIRMED
    assert "UNEMBEDDING_LR = 0.015" in (root / "train.py").read_text()
