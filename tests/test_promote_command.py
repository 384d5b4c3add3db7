"""`promote` by hand, on trainings and scorings that take no time: what it earns first."""

import json
import shlex
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoresearch.records.tables import Experiment
from autoresearch.records.training import Outcome
from autoresearch.records.values import Purpose, Reading, Standing, Verdict
from autoresearch.registry import Registry, RunLock
from autoresearch.workers import Assignment, LocalWorker
from autoresearch.workers.checkpoint_store import CheckpointStore
from tests import counting
from tests.commands import Command, autoresearch
from tests.counting import TRAIN, change
from tests.processes import until
from tests.stubs import git

Run = Callable[..., tuple[int, str, str]]


def make_night(place: Path) -> None:
    """Make a project after its night: a baseline (1), a keep (2) and a discard (3)."""
    counting.make_counting(place)
    patches = place / "patches"
    patches.mkdir()
    better = TRAIN.replace("SHARPNESS = 0.5", "SHARPNESS = 0.9")
    for number, source in enumerate((TRAIN, better)):
        patch = change(source, SHARPNESS=("0.9", "0.2")[number])
        (patches / f"{number}.patch").write_text(f"Subject: believe it\n\n{patch}")
    night = ["run", "--proposer", f"patches:{patches}", "--tag", "night", "--confirm-share", "0"]
    with pytest.MonkeyPatch.context() as monkeypatch:
        counting.score_inline(monkeypatch)
        autoresearch(*night, cwd=place / "project", env=counting.environment(place))


@pytest.fixture
def project(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy to spoil."""
    place = counting.made_once(tmp_path_factory, "night", make_night)
    copy = counting.copy_of(place, tmp_path, monkeypatch)
    counting.score_inline(monkeypatch)
    monkeypatch.chdir(copy)
    return copy


def row(project: Path, number: int) -> Experiment:
    registry = Registry.open(project / ".autoresearch" / "registry.db")
    found = registry.experiment(number)
    registry.close()
    return found


def purposes(project: Path, number: int) -> list[Purpose]:
    registry = Registry.open(project / ".autoresearch" / "registry.db")
    found = [trial.purpose for trial in registry.trials(registry.experiment(number))]
    registry.close()
    return found


def trial_ids(project: Path, number: int) -> list[int | None]:
    registry = Registry.open(project / ".autoresearch" / "registry.db")
    found = [trial.id for trial in registry.trials(registry.experiment(number))]
    registry.close()
    return found


def message(project: Path) -> str:
    return git(project, "log", "-1", "--format=%B")


def last_line(err: str, *parts: str) -> None:
    last = err.splitlines()[-1]
    assert last.startswith("autoresearch: "), err
    for part in parts:
        assert part in last


def test_the_night_is_as_the_tests_want_it(project: Path) -> None:
    found = [(each.verdict, each.standing) for each in (row(project, n) for n in (1, 2, 3))]
    assert found == [(Verdict.KEEP, None), (Verdict.KEEP, None), (Verdict.DISCARD, None)]
    store = CheckpointStore(project / ".autoresearch" / "checkpoints", 2**30)
    assert len(store.trials()) == 2


def test_what_is_not_confirmed_is_refused_and_never_sees_test(run: Run, project: Path) -> None:
    head = git(project, "rev-parse", "HEAD")
    code, out, err = run("promote", "2")
    assert (code, out) == (1, "")
    last_line(err, "experiment 2 is kept but not confirmed (", "`promote 2 --confirm`", "--force")
    assert git(project, "rev-parse", "HEAD") == head
    assert row(project, 1).test_bpb is row(project, 2).test_bpb is None


def test_a_dry_run_looks_at_nothing(run: Run, project: Path) -> None:
    code, out, _err = run("promote", "2", "--force", "--dry-run")
    assert code == 0
    assert "experiment 2 would become a commit on main" in out
    assert row(project, 2).test_bpb is None


def test_by_force_it_is_scored_on_test_once(run: Run, project: Path) -> None:
    code, out, err = run("promote", "2", "--force")
    assert code == 0, err
    assert "SHARPNESS = 0.9" in (project / "train.py").read_text()
    base, kept = row(project, 1), row(project, 2)
    assert base.test_bpb is not None
    assert kept.test_bpb is not None
    assert kept.test_bpb < base.test_bpb
    assert base.commit_sha is not None
    assert kept.delta is not None
    assert kept.delta_error is not None
    assert kept.test_gain == pytest.approx(kept.test_bpb - base.test_bpb, abs=1e-4)
    assert kept.val_gain == pytest.approx(kept.test_gain, rel=0.2)
    assert kept.test_gain_error is not None
    assert f"Autoresearch-Test-Bpb: {kept.test_bpb:.4f}" in message(project)
    assert "Autoresearch-Confirmed" not in message(project)
    lines = out.splitlines()
    acts = next(at for at, line in enumerate(lines) if line.startswith("experiment 2 is now"))
    shown = {line.split()[0]: line for line in lines[1:acts]}
    low, high = kept.delta - 1.96 * kept.delta_error, kept.delta + 1.96 * kept.delta_error
    assert f"(95%: {low:+.4f} to {high:+.4f}); 100% better" in shown["effect"]
    assert shown["pairs"].endswith("* on seed 2; * fresh")
    assert "fresh pair" in shown["claim"]
    assert shown["test"].endswith("on test: the gain holds on test")
    told = json.loads(
        next((project / ".autoresearch/promoted").glob("*/manifest.json")).read_text()
    )
    assert git(project, "notes", "--ref=autoresearch", "show", "HEAD").startswith('{\n "format": 1')
    (each,) = told["evidence"]
    assert [pair["seed"] for pair in each["pairs"]] == [1, 2]
    assert [one["seed"] for one in each["parent_readings"]] == [1, 2]
    assert (each["commit"], each["study"]["corpus"][:5]) == (kept.commit_sha, "texts")
    assert told["replay"][0].endswith(f"../replay-2 {base.commit_sha[:12]}")
    assert told["promoted"][0]["sha"] == git(project, "rev-parse", "HEAD")
    assert lines[-1].startswith("Next: git show ")
    said = f"experiment 2 on test: {shown['test'].split(None, 1)[1]}"

    code, out, _err = run("status", "2")
    assert "the gain holds on test" in out
    code, out, _err = run("status")
    assert " ".join(said.split()) in " ".join(out.split())
    code, out, _err = run("status", "--json")
    told = json.loads(out)["experiments"][1]
    assert told["test_bpb"] == kept.test_bpb
    assert told["test_gain"] == kept.test_gain
    assert "test_bits" not in told

    git(project, "reset", "--quiet", "--hard", "HEAD~1")
    code, _out, err = run("promote", "2", "--force")
    assert (code, "scoring test" in err) == (0, False)
    assert row(project, 2).test_trial_id == kept.test_trial_id


def test_with_too_few_pairs_it_is_refused_and_the_pairs_stay(run: Run, project: Path) -> None:
    head, before = git(project, "rev-parse", "HEAD"), len(purposes(project, 2))
    code, out, err = run("promote", "2", "--confirm", "--pairs", "1")
    assert (code, out) == (1, "")
    assert "experiment 2: 1 pair more, and no claim yet" in err
    last_line(err, "experiment 2 is kept but not confirmed (", "2 fresh pairs")
    assert len(purposes(project, 2)) == before + 1
    assert git(project, "rev-parse", "HEAD") == head
    assert row(project, 2).test_bpb is None


def test_what_git_would_refuse_trains_nothing(run: Run, project: Path) -> None:
    (project / "train.py").write_text("uncommitted\n")
    before = len(purposes(project, 2))
    code, _out, err = run("promote", "2", "--confirm")
    assert code == 1
    last_line(err, "uncommitted changes")
    git(project, "checkout", "--quiet", "train.py")
    code, _out, err = run("promote", "3", "--confirm")
    assert code == 1
    last_line(err, "experiment 3 was not kept (discard)")
    assert len(purposes(project, 2)) == before


def test_beside_a_run_nothing_is_trained_or_scored(run: Run, project: Path) -> None:
    with RunLock(project / ".autoresearch" / "run.lock"):
        code, _out, err = run("promote", "2", "--confirm")
        assert code == 1
        last_line(err, "another run is at work")
        code, out, err = run("promote", "2", "--force")
    assert code == 0
    assert "no score on test: another run is at work" in err
    assert "experiment 2 is now" in out
    assert row(project, 2).test_bpb is None


def test_what_could_not_be_compared_is_not_trained(run: Run, project: Path) -> None:
    toml = project / "autoresearch.toml"
    toml.write_text(toml.read_text().replace("[corpus]", "threads = 2\n[corpus]"))
    git(project, "commit", "--quiet", "-am", "more threads")
    code, _out, err = run("promote", "2", "--confirm")
    assert code == 1
    last_line(err, "run with threads 1, now it is 2")
    code, _out, err = run("promote", "2", "--force")
    assert code == 0
    assert "no score on test: study night was run with threads 1" in err


def test_a_checkpoint_that_is_gone_is_said(run: Run, project: Path) -> None:
    shutil.rmtree(project / ".autoresearch" / "checkpoints")
    code, out, err = run("promote", "2", "--force")
    assert code == 0
    for name in ("experiment 1, the baseline", "experiment 2"):
        assert f"no score on test for {name}: no checkpoint of it was kept" in err
    assert "on test" not in out


def test_money_is_asked_first(run: Run, project: Path) -> None:
    toml = project / "autoresearch.toml"
    toml.write_text(toml.read_text() + "[money]\nstudy_usd = 0.01\ngpu_hour_usd = 2.0\n")
    git(project, "commit", "--quiet", "-am", "poor")
    before = len(purposes(project, 2))
    code, _out, err = run("promote", "2", "--confirm")
    assert code == 1
    last_line(err, "a trial may cost", "study_usd")
    assert len(purposes(project, 2)) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pairs", "3"], "--pairs belongs to --confirm"),
        (["--pairs", "0", "--confirm"], "must be at least 1"),
        (["--confirm", "--dry-run"], "--dry-run trains nothing"),
        (["--all-confirmed"], "and not both"),
        (["--tag", "night"], "--tag belongs to --all-confirmed"),
        (["--squash", "--branches"], "choose one"),
    ],
)
def test_options_that_make_no_sense(
    run: Run, project: Path, arguments: list[str], said: str
) -> None:
    code, _out, err = run("promote", "2", *arguments)
    assert code == 2
    last_line(err, said)


def test_all_that_is_confirmed_is_found_by_itself(run: Run, project: Path) -> None:
    code, _out, err = run("promote", "--all-confirmed")
    assert code == 1
    last_line(err, "no experiment of study night is confirmed yet", "--confirm")
    code, _out, err = run("promote")
    assert code == 2
    last_line(err, "name experiments", "--all-confirmed")
    confirm_by_hand(project, 2)
    code, out, err = run("promote", "--all-confirmed", "--branches")
    assert code == 0, err
    assert "on autoresearch-promoted/2, on top of main: believe it" in out
    assert out.splitlines()[-1] == "Next: git push origin autoresearch-promoted/2"
    assert "SHARPNESS = 0.5" in (project / "train.py").read_text()


def confirm_by_hand(project: Path, number: int) -> None:
    registry = Registry.open(project / ".autoresearch" / "registry.db")
    claimed = {"standing": Standing.CONFIRMED, "claim": 0.99, "claim_pairs": 2}
    registry.save(registry.experiment(number).model_copy(update=claimed))
    registry.close()


@pytest.mark.thorough  # a night of its own; by force above, the manifest's readings and commands
def test_the_evidence_can_be_trained_again(run: Run, project: Path) -> None:
    assert run("promote", "2", "--force")[0] == 0
    place = next((project / ".autoresearch" / "promoted").glob("*/manifest.json"))
    told = json.loads(place.read_text())
    tree, _cd, _prepare, again = told["replay"]
    git(project, *shlex.split(tree)[1:])
    replay = project.parent / "replay-2"
    (replay / ".autoresearch").mkdir()
    shutil.copy(project / ".autoresearch" / "corpus.json", replay / ".autoresearch")
    autoresearch(*shlex.split(again)[1:], cwd=replay)
    found = [(each.seed, each.bpb) for each in readings(replay)[2]]
    assert found == [(each["seed"], each["val_bpb"]) for each in told["evidence"][0]["readings"]]


def readings(project: Path) -> dict[int, list[Reading]]:
    registry = Registry.open(project / ".autoresearch" / "registry.db")
    study = registry.study()
    assert study is not None
    return registry.readings(study)


def test_confirm_earns_it_on_the_spot(run: Run, project: Path) -> None:
    interrupted(project)
    before = len(purposes(project, 2))
    code, out, err = run("promote", "2", "--confirm")
    assert code == 0, err
    kept, trained = row(project, 2), purposes(project, 2)[before:]
    assert kept.standing is Standing.CONFIRMED
    assert trained
    assert set(trained) == {Purpose.CONFIRMING}
    assert ", confirming" in err
    assert "experiment 2: confirmed" in err
    assert "experiment 2 is now" in out
    assert "the gain holds on test" in out
    told = dict(line.split(": ", 1) for line in message(project).splitlines() if ": " in line)
    assert told["Autoresearch-Confirmed"].endswith(f"% ({kept.claim_pairs} fresh pairs)")
    assert told["Autoresearch-Test-Bpb"] == f"{kept.test_bpb:.4f}"
    # The score on test is of a training that had no part in choosing it.
    assert kept.test_trial_id == trial_ids(project, 2)[-1]
    without_a_checkpoint_one_is_trained(run, project)


def interrupted(project: Path) -> None:
    """Start `promote --confirm` in a process of its own and press Ctrl-C in its first training."""
    train = LocalWorker.train

    def train_once_stopped(worker: LocalWorker, assignment: Assignment, **how: Any) -> Outcome:
        until(how["stop"])
        return train(worker, assignment, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalWorker, "train", train_once_stopped)
        running = Command("promote", "2", "--confirm", cwd=project)
    running.until("training experiment").send_signal(signal.SIGINT)
    assert running.wait() == 130, running.err
    err = running.err
    last_line(err, "interrupted; everything is saved, and the same command goes on")
    assert "Traceback" not in err
    assert row(project, 2).standing is None


def without_a_checkpoint_one_is_trained(run: Run, project: Path) -> None:
    registry = Registry.open(project / ".autoresearch" / "registry.db")
    for number in (1, 2):
        blank = {"test_bpb": None, "test_trial_id": None, "test_bits": None, "test_gain": None}
        registry.save(registry.experiment(number).model_copy(update=blank))
    registry.close()
    shutil.rmtree(project / ".autoresearch" / "checkpoints")
    git(project, "reset", "--quiet", "--hard", "HEAD~1")
    code, out, err = run("promote", "2", "--confirm")
    assert code == 0, err
    assert [purposes(project, number)[-1] for number in (1, 2)] == [Purpose.REPLICATE] * 2
    assert "the gain holds on test" in out
