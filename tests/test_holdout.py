"""Checkpoints kept by a night, scores on test that come of them, and that nobody else sees them."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from autoresearch.config import LlmSettings, find_project
from autoresearch.proposers.prompting import Prompting
from autoresearch.records.events import Notice
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.values import FailureKind, Standing, Trust, Verdict
from autoresearch.research import recover
from autoresearch.research.briefing import Briefing
from autoresearch.research.checkpoints import checkpoint_store_of
from autoresearch.research.holdout import HoldoutScorer, NoHoldoutScore, Sizes
from tests.stubs import Night, Scripted, make_project, variant

SECRET = 1.23456789


def a_night(tmp_path: Path, *qualities: float) -> Night:
    sources = [variant(QUALITY=quality) for quality in qualities]
    made = Night(make_project(tmp_path / "project"), Scripted(list(sources)))
    made.run()
    return made


def shelved(made: Night) -> dict[int, float]:
    """What is in the store: an experiment's number and what its checkpoint is worth."""
    store, found = checkpoint_store_of(made.project), {}
    for row in made.registry.experiments(made.study()):
        for trial in made.registry.trials(row):
            if place := store.find(int(trial.id or 0)):
                assert row.id not in found, "one trial each"
                found[int(row.id or 0)] = json.loads((place / "config.json").read_text())["bpb"]
    assert len(found) == len(store.trials())
    return found


@dataclass
class OnTest:
    """Reads the checkpoint's own config as test would score it; counts how often."""

    worse_by: float = 0.01
    verdicts: Iterator[Unscored] = field(default_factory=lambda: iter(()))
    scored: int = 0

    def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score | Unscored:
        assert (tree / "train.py").is_file()
        assert checkpoint.is_relative_to(scratch)
        if breach := next(self.verdicts, None):
            return breach
        self.scored += 1
        bpb = json.loads((checkpoint / "config.json").read_text())["bpb"] + self.worse_by
        return Score(bpb, (bpb * 8.0,) * 2, (8, 8), Trust.UNSEALED, 4, 1, 0.0, 0.1)


def holdout(made: Night, scorer: OnTest) -> HoldoutScorer:
    made.project.make_work()
    return HoldoutScorer(
        made.registry,
        made.repo,
        checkpoint_store_of(made.project),
        lambda: scorer,
        made.project.work,
        print,
    )


class TestShelved:
    def test_a_night_keeps_the_checkpoints_of_what_it_kept(self, tmp_path: Path) -> None:
        made = a_night(tmp_path, 1.9, 2.5, 1.8)
        kept = [row for row in made.registry.experiments(made.study()) if row.verdict == "keep"]
        assert [row.id for row in kept] == [1, 2, 4]
        assert shelved(made) == {1: 2.0, 2: 1.9, 4: 1.8}
        assert made.project.checkpoints.parent == made.project.state

    def test_the_newest_trial_stands_for_its_experiment(self, tmp_path: Path) -> None:
        made = a_night(tmp_path, 1.9)
        store = checkpoint_store_of(made.project)
        for number in (1, 2):
            trials = made.registry.trials(made.registry.experiment(number))
            assert len(trials) > 1
            assert store.find(int(trials[-1].id or 0))

    def test_what_is_refuted_or_left_over_goes_at_the_next_start(self, tmp_path: Path) -> None:
        made = a_night(tmp_path, 1.9)
        row = made.registry.experiment(2)
        made.registry.save(row.model_copy(update={"standing": Standing.REFUTED}))
        (made.project.checkpoints / "incoming-9").mkdir()
        (made.project.checkpoints / "trial-4711").mkdir()
        recover(made.registry, made.repo, made.project, made.study())
        assert shelved(made) == {1: 2.0}
        assert len(list(made.project.checkpoints.iterdir())) == 1

    def test_where_there_is_no_room_the_night_goes_on_and_says_so(self, tmp_path: Path) -> None:
        project = make_project(tmp_path / "project")
        toml = project.root / "autoresearch.toml"
        toml.write_text(toml.read_text().replace("[training]", "[training]\ncheckpoints_gib = 0"))
        made = Night(find_project(project.root), Scripted([]))
        made.run()
        assert made.registry.experiment(1).verdict is Verdict.KEEP
        assert shelved(made) == {}
        (told,) = [each.text for each in made.events if isinstance(each, Notice)]
        assert told == "no room to keep the checkpoint of trial 1 for `promote`"


class TestExamined:
    def test_each_is_scored_once(self, tmp_path: Path) -> None:
        made, scorer = a_night(tmp_path, 1.9), OnTest()
        assert holdout(made, scorer).score(2) is None
        row = made.registry.experiment(2)
        assert row.test_bpb == pytest.approx(1.91)
        assert row.test_trial_id == made.registry.trials(row)[-1].id
        assert holdout(made, scorer).score(2) is None
        assert scorer.scored == 1
        assert list(made.project.work.iterdir()) == []

    def test_a_later_trial_changes_nothing(self, tmp_path: Path) -> None:
        made, scorer = a_night(tmp_path, 1.9), OnTest()
        holdout(made, scorer).score(2)
        shutil.rmtree(made.project.checkpoints)
        assert holdout(made, scorer).score(2) is None
        assert scorer.scored == 1

    def test_without_a_checkpoint_there_is_no_score(self, tmp_path: Path) -> None:
        made = a_night(tmp_path, 2.5)
        found = holdout(made, OnTest()).score(2)
        assert found == NoHoldoutScore(
            "no checkpoint of it was kept; --confirm trains what is confirmed again"
        )
        assert made.registry.experiment(2).test_bpb is None

    def test_a_rule_broken_on_test_is_told_apart(self, tmp_path: Path) -> None:
        made = a_night(tmp_path, 1.9)
        breach = Unscored("causality", "it looks ahead", FailureKind.RULE)
        found = holdout(made, OnTest(verdicts=iter([breach]))).score(2)
        assert found == NoHoldoutScore("causality: it looks ahead", breach=True)
        assert made.registry.experiment(2).test_bpb is None

    def test_the_gap_is_of_the_same_two_checkpoints(self, tmp_path: Path) -> None:
        made = a_night(tmp_path, 1.9)
        look = holdout(made, OnTest())
        sizes = Sizes((8,), (8, 8))
        assert look.compare(2, 1, sizes) is None
        assert (look.score(1), look.score(2)) == (None, None)
        assert look.compare(2, 1, Sizes((8,), (8,))) is None, "documents of another corpus"
        found = look.compare(2, 1, sizes)
        assert found is not None
        row = made.registry.experiment(2)
        assert row.val_gain == found.val.mean == pytest.approx(-0.1, abs=1e-6)
        assert row.test_gain == found.test.mean == pytest.approx(-0.1, abs=1e-6)
        assert row.val_gain_error is None
        assert row.test_gain_error == pytest.approx(0, abs=1e-6)


def test_no_proposer_is_told_of_test(tmp_path: Path) -> None:
    made = a_night(tmp_path, 1.9, 2.5)
    study = made.study()
    for row in made.registry.experiments(study, whole=True):
        known = {"test_bpb": SECRET, "test_trial_id": 1, "val_gain": SECRET, "test_gain": SECRET}
        made.registry.save(row.model_copy(update=known))
    incumbent = made.registry.incumbent(study)
    assert incumbent is not None
    brief = Briefing(made.registry, made.repo, made.project).brief(study, incumbent)
    assert len(brief.history) == 3
    assert "1.2345" not in repr(brief)
    told = Prompting(LlmSettings(), folder=None).text(brief)
    assert "1.9" in told
    assert "1.2345" not in told
