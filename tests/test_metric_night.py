"""A night on a metric of the project's own: what is better comes home, luck and lies do not."""

import json
import random
from pathlib import Path

import pytest

from autoresearch.commands.run_context import run_context
from autoresearch.commands.stations import stations_for
from autoresearch.config import find_project
from autoresearch.patching import unified_diff
from autoresearch.records.tables import Experiment
from autoresearch.records.values import Standing, Trust, Verdict
from autoresearch.registry import Registry
from tests.conftest import Run
from tests.stubs import git

TRAIN = """\
import json
import os
import random

SKILL = 0.6
ROLL = 0

seed = int(os.environ["SEED"])
answers = []
for number in range(400):
    draw = random.Random(f"{seed} {ROLL} {number}").random()
    answers.append(number % 2 if draw < SKILL else 1 - number % 2)
print("accuracy: 0.6")
with open(os.path.join(os.environ["AUTORESEARCH_OUT"], "answers.json"), "w") as file:
    json.dump(answers, file)
"""
EVALUATE = """\
import json
import os

labels = json.load(open(f"data/{os.environ['AUTORESEARCH_SPLIT']}.json"))
answers = json.load(open(os.path.join(os.environ["AUTORESEARCH_OUT"], "answers.json")))
units = [float(answers[number] == label) for number, label in labels]
print(json.dumps({"score": sum(units) / len(units), "units": units}))
"""
SETTINGS = """\
[target]
command = "{python} train.py"
seed = "SEED"
[training]
total = "5m"
budget = "1s"
clock = "wall"
[metric]
name = "accuracy"
direction = "higher"
evaluator = "evaluate.py"
least = 0
most = 1
[data]
held_out = ["data/val.json"]
test = ["data/test.json"]
[policy]
drift_every = 0
confirm_share = 0
"""
CHANGES = {
    "1-better": {"SKILL = 0.6": "SKILL = 0.9"},
    "2-lies": {'print("accuracy: 0.6")': 'print("accuracy: 1.0")\nprint(\'{"score": 1.0}\')'},
    "3-reads-labels": {"answers = []": 'answers = []\nopen("data/val.json").read()'},
    "4-luck": {"ROLL = 0": "ROLL = 7"},
}


def make_labelled(root: Path, settings: str = SETTINGS) -> None:
    """Make a project with held-out labels, which are in no commit."""
    (root / "data").mkdir(parents=True)
    for name, text in (
        ("train.py", TRAIN), ("evaluate.py", EVALUATE), ("autoresearch.toml", settings),
        ("program.md", "# Raise the accuracy\n"), (".gitignore", ".autoresearch/\ndata/\n"),
    ):  # fmt: skip
        (root / name).write_text(text)
    numbers = list(range(400))
    random.Random(0).shuffle(numbers)
    for name, part in (("val", numbers[:200]), ("test", numbers[200:])):
        labels = [(number, number % 2) for number in part]
        (root / "data" / f"{name}.json").write_text(json.dumps(labels))
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "begin")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with held-out labels."""
    root = tmp_path / "project"
    make_labelled(root)
    monkeypatch.chdir(root)
    return root


def patches(folder: Path) -> str:
    """Write the changes as patch files; all but the first are made on top of it."""
    folder.mkdir()
    text = TRAIN
    for name, replaced in CHANGES.items():
        after = text
        for old, new in replaced.items():
            assert old in after
            after = after.replace(old, new)
        diff = unified_diff({"train.py": text}, {"train.py": after})
        (folder / f"{name}.patch").write_text(diff)
        text = after if name == "1-better" else text
    return f"patches:{folder}"


def test_what_is_better_comes_home_and_luck_and_lies_do_not(
    run: Run, root: Path, tmp_path: Path
) -> None:
    code, out, err = run("run", "--experiments", "5", "--proposer", patches(tmp_path / "patches"))
    assert code == 0, out + err
    registry = Registry.look(find_project(root).registry)
    baseline, better, lies, reads, luck = rows = registry.experiments(
        registry.studies()[-1], whole=True
    )
    assert [row.verdict for row in rows[:2]] == [Verdict.KEEP, Verdict.KEEP]
    assert shown(better) == pytest.approx(0.9, abs=0.05)
    assert shown(baseline) == pytest.approx(0.6, abs=0.08)
    assert lies.verdict is Verdict.DISCARD  # the same answers: it changes nothing
    assert reads.verdict is Verdict.CRASH
    assert "data/val.json" in reads.reason
    assert luck.verdict is not None
    scored = [each for each in registry.trials(better) if each.val_bpb is not None]
    assert {each.trust for each in scored} == {Trust.EVALUATED}
    registry.close()

    code, out, err = run("promote", "2", "--confirm")
    assert code == 0, out + err
    assert "SKILL = 0.9" in (root / "train.py").read_text()
    registry = Registry.look(find_project(root).registry)
    better, luck = (registry.experiment(number) for number in (2, 5))
    assert better.standing is Standing.CONFIRMED
    assert better.test_bpb is not None
    assert -better.test_bpb == pytest.approx(0.9, abs=0.06)
    assert better.test_gain is not None
    assert better.test_gain < -0.2
    assert luck.standing is not Standing.CONFIRMED
    registry.close()


def shown(row: Experiment) -> float:
    """Return a row's score as the project knows it."""
    assert row.val_bpb is not None
    return -row.val_bpb


def test_the_most_that_a_command_can_cost_is_what_its_cap_lets_it_take(root: Path) -> None:
    settings = root / "autoresearch.toml"
    settings.write_text(f"{settings.read_text()}[money]\ngpu_hour_usd = 12\n")
    project = find_project(root)
    with run_context(project, stations_for(project)) as shop:
        money_cap = shop.money_cap(shop.study("night"))
    assert money_cap.trial_usd == pytest.approx(
        12 * (5 + 10) / 60
    )  # total and the evaluator's timeout
