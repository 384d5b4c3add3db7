"""What predictions may differ by is measured on the baseline, and on nothing after it."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from autoresearch.records.events import Notice
from autoresearch.records.scores import Allowance, Score, Unscored
from autoresearch.records.tables import Study
from autoresearch.records.values import Verdict
from autoresearch.research.baseline_score import allowance
from autoresearch.research.study import begin_anew
from tests.stubs import ConfigScorer, Night, Scripted, git, make_project, variant

SETTINGS = 0.02
MEASURED = Allowance(0.1, 0.01)


@dataclass
class Measuring(ConfigScorer):
    """Measures at every scoring, and every time more: only the baseline's may count."""

    found: Allowance = MEASURED
    asked: list[Allowance | None] = field(default_factory=list)
    night: Night | None = None

    def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score | Unscored:
        assert self.night is not None
        self.asked.append(allowance(self.night.registry, "night", SETTINGS))
        score = super().score(tree, checkpoint, scratch)
        measured, self.found = self.found, replace(self.found, tolerance=self.found.tolerance * 2)
        if isinstance(score, Unscored):
            return score
        return replace(score, measured=measured, detectable=0.001)


def a_night(place: Path, *sources: str, first: str | None = None) -> tuple[Night, Measuring]:
    scorer = Measuring()
    project = make_project(place / "project", *([first] if first else []))
    scorer.night = Night(project, Scripted(list(sources)), scorer=scorer)
    return scorer.night, scorer


def study_of(night: Night) -> Study:
    found = night.registry.study("night")
    assert found is not None
    return found


def test_the_baseline_alone_measures_and_a_second_run_has_what_the_first_wrote(
    tmp_path: Path,
) -> None:
    night, scorer = a_night(tmp_path, variant(QUALITY=1.5), variant(QUALITY=1.0))
    night.run()
    assert study_of(night).allowance == MEASURED
    assert scorer.asked[0] is None
    assert set(scorer.asked[1:]) == {MEASURED}
    rows = night.registry.experiments(night.study(), whole=True)
    assert all(each.detectable == 0.001 for row in rows for each in night.registry.trials(row))
    asked = len(scorer.asked)
    night.proposer = Scripted([variant(QUALITY=1.5), variant(QUALITY=1.0), variant(QUALITY=0.5)])
    night.run()
    assert len(scorer.asked) > asked
    assert set(scorer.asked[asked:]) == {MEASURED}


def test_what_was_measured_is_written_before_the_trial_that_measured_it(tmp_path: Path) -> None:
    # So a kill between the two leaves a baseline that is trained again, and scored by the same.
    night, scorer = a_night(tmp_path)
    registry = night.registry
    keep = registry.save
    killed = RuntimeError("killed")

    def save(row, **more):  # type: ignore[no-untyped-def] # whatever row it is
        if getattr(row, "val_bpb", None) is not None:
            raise killed
        return keep(row, **more)

    registry.save = save  # type: ignore[method-assign] # this once
    with pytest.raises(RuntimeError, match="killed"):
        night.run()
    registry.save = keep  # type: ignore[method-assign] # it is alive again
    night.run()
    assert scorer.asked == [None, MEASURED]
    assert study_of(night).allowance == MEASURED


def test_a_study_from_before_keeps_the_tolerance_of_its_settings(tmp_path: Path) -> None:
    night, scorer = a_night(tmp_path)
    night.run()
    old = study_of(night)
    night.registry.save(old.model_copy(update={"audit_tolerance": None, "audit_noise": None}))
    night.proposer = Scripted([variant(QUALITY=1.5)])
    night.run()
    assert set(scorer.asked[1:]) == {Allowance(SETTINGS)}
    assert study_of(night).allowance is None  # though every score said that it had measured


def test_another_baseline_is_measured_anew_and_one_too_noisy_is_told_of(tmp_path: Path) -> None:
    night, scorer = a_night(tmp_path, first=variant(QUALITY=1.0))
    night.run()
    study = study_of(night)
    # As it is where the first baseline was measured on one seed, and failed on the next.
    (row,) = night.registry.experiments(study, whole=True)
    night.registry.save(row.model_copy(update={"verdict": Verdict.CRASH}))
    (night.project.root / "train.py").write_text(variant(QUALITY=0.9))
    git(night.project.root, "commit", "-qam", "mended")
    begun = begin_anew(night.registry, night.repo, night.study())
    assert begun.allowance is None
    scorer.found = Allowance(0.5, 0.08)
    night.run()
    assert scorer.asked[-1] is None
    assert study_of(night).allowance == Allowance(0.5, 0.08)
    (told,) = [each.text for each in night.events if isinstance(each, Notice)]
    assert "honest changes may fail the audit" in told
    assert "float32" in told
