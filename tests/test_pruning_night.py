"""Early stopping at work: trainings that say they are far behind, stopped or audited."""

from pathlib import Path

import pytest

from autoresearch.config import find_project
from autoresearch.records.events import TrialPoint
from autoresearch.records.tables import Experiment, Trial
from autoresearch.records.values import Clock, Ending, Purpose, Verdict
from autoresearch.registry import PruningCounts
from autoresearch.research import StopRules
from autoresearch.research.reference_curves import ReferenceCurves
from tests.rows import a_study
from tests.stubs import TRAIN, Night, Scripted, make_project

# A made-up course; from step 40 on it is `lag` behind.
COURSE = """\
    for step in range(100):
        session._metric({
            "step": step, "loss": 6 - step / 50 + Model.lag * (step >= 40), "tokens": step,
            "progress": step / 100, "seconds": step / 5,
        })
"""
LOOP = """\
    for step in range(3):
        session.log(step=step, loss=3.0 - step, tokens=step * 10)
"""
MODEL = """\
LR = {rate}

class Model:
    quality = {quality}
    lag = {lag}
"""


def source(quality: float, lag: float = 0.0, rate: float = 0.1) -> str:
    model = MODEL.format(quality=quality, lag=lag, rate=rate)
    text = TRAIN.replace(LOOP, COURSE).replace("QUALITY = 2.0\n", model)
    return text.replace("bpb = QUALITY", "bpb = Model.quality")


def night(
    tmp_path: Path,
    *sources: str,
    chance: float = 0.99,
    clock: Clock = Clock.CPU,
    setting: str = "",
) -> Night:
    project = make_project(tmp_path / "project", source(2.0))
    path = project.root / "autoresearch.toml"
    path.write_text(path.read_text() + setting)
    made = Night(find_project(project.root), Scripted(list(sources)), chance=lambda: chance)
    made.registry.save(
        a_study("night", base_commit=made.repo.head(), budget_seconds=20.0, clock=clock)
    )
    return made


def last(made: Night) -> tuple[Experiment, Trial]:
    row = made.registry.experiments(made.study())[-1]
    return row, made.registry.trials(row, whole=True)[0]


def test_a_hopeless_trial_is_stopped_and_its_experiment_discarded(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.9, lag=5.0))
    made.run()
    row, trial = last(made)
    assert (trial.ending, trial.val_bpb, trial.purpose) == (Ending.PRUNED, None, Purpose.SCREENING)
    assert trial.pruned_at == pytest.approx(0.45, abs=0.01)
    assert trial.curve[-1][3] < 0.9
    assert (row.verdict, row.val_bpb, row.delta) == (Verdict.DISCARD, None, None)
    assert row.reason.startswith("stopped early at 45%: 2.50 nats behind the incumbent")
    assert len(made.registry.trials(row)) == 1
    pruned = made.registry.pruning_counts(made.study())
    assert (pruned.stopped, pruned.audited, pruned.kept) == (1, 0, 0)
    assert pruned.saved_seconds == pytest.approx(20.0 - trial.training_seconds)
    assert int(row.id or 0) not in made.registry.readings(made.study())


def test_proposers_are_told(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.9, lag=5.0), source(2.1))
    made.run()
    assert isinstance(made.proposer, Scripted)
    (told,) = [past for past in made.proposer.briefs[-1].history if past.id == 2]
    assert (told.verdict, told.val_bpb, told.run) == (Verdict.DISCARD, None, None)
    assert "stopped early at 45%" in told.reason


def test_an_audited_trial_runs_on_and_may_win(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.5, lag=5.0), chance=0.01)
    made.run()
    row, trial = last(made)
    assert (trial.ending, trial.val_bpb) == (Ending.FINISHED, 1.5)
    assert trial.pruned_at == pytest.approx(0.45, abs=0.01)
    assert row.verdict is Verdict.KEEP
    pruned = made.registry.pruning_counts(made.study())
    assert pruned == PruningCounts(stopped=0, saved_seconds=0.0, audited=1, kept=1)


def test_a_winner_found_by_the_audit_loosens_the_thresholds(tmp_path: Path) -> None:
    lots = iter([0.01, 0.99, 0.99, 0.99])
    made = night(tmp_path, source(1.5, lag=3.0), source(1.4, lag=5.0), source(1.3, lag=9.0))
    made.chance = lambda: next(lots)
    made.run()
    rows = made.registry.experiments(made.study())
    ends = [made.registry.trials(row)[0].ending for row in rows]
    # 5 is 2 behind an incumbent with 3, 9 is 4 behind one with 5: 3 was made up for before.
    assert ends == [Ending.FINISHED, Ending.FINISHED, Ending.FINISHED, Ending.PRUNED]


@pytest.mark.parametrize(
    ("clock", "setting", "rate"),
    [
        (Clock.WALL, "", 0.1),
        (Clock.CPU, "[pruning]\nenabled = false\n", 0.1),
        (Clock.CPU, "", 0.2),
    ],
    ids=["no thresholds for this clock", "switched off", "another learning rate"],
)
def test_what_cannot_be_judged_runs_to_its_end(
    tmp_path: Path, clock: Clock, setting: str, rate: float
) -> None:
    made = night(tmp_path, source(2.2, lag=5.0, rate=rate), clock=clock, setting=setting)
    made.run()
    row, trial = last(made)
    assert (trial.ending, trial.pruned_at) == (Ending.FINISHED, None)
    assert row.verdict is Verdict.DISCARD


def test_only_screening_trials_are_pruned(tmp_path: Path) -> None:
    # The second one is so close that more pairs are trained: none of those is pruned.
    made = night(tmp_path, source(1.9), source(1.899, lag=0.001), source(2.5, lag=5.0))
    made.run()
    trials = [
        trial
        for row in made.registry.experiments(made.study())
        for trial in made.registry.trials(row)
    ]
    pruned = [trial for trial in trials if trial.ending is Ending.PRUNED]
    assert {trial.purpose for trial in pruned} == {Purpose.SCREENING}
    assert len(pruned) == 1
    assert [each for each in made.events if isinstance(each, TrialPoint)]


def finish(made: Night, difference: float, lag: float) -> None:
    """Store an experiment that ran to its end beside the baseline."""
    baseline = made.registry.experiments(made.study())[0]
    (beside,) = made.registry.trials(baseline, whole=True)
    values = baseline.model_dump(exclude={"id", "effect_hash"})
    values |= {"parent_id": baseline.id, "parent_sha": baseline.commit_sha, "proposer": "someone"}
    row = made.registry.save(Experiment(**values | {"verdict": Verdict.DISCARD}))
    curve = [[step, loss + lag, *rest] for step, loss, *rest in beside.curve]
    trained = beside.model_dump(exclude={"id"}) | {"experiment_id": row.id, "curve": curve}
    trained |= {"purpose": Purpose.SCREENING, "val_bpb": float(beside.val_bpb or 0.0) + difference}
    made.registry.save(Trial(**trained))


def test_a_study_makes_its_own_thresholds_where_none_is_shipped(tmp_path: Path) -> None:
    made = night(tmp_path, source(3.0, lag=5.0), clock=Clock.WALL)
    made.rules = StopRules(experiments=1)
    made.run()
    for at in range(1, 21):
        finish(made, difference=at / 50, lag=at / 50)
    for at in range(1, 5):
        finish(made, difference=-at / 50, lag=at / 100)
    reference_curves = ReferenceCurves(made.project.settings, made.registry, made.repo)
    made.rules = StopRules()
    baseline = made.registry.experiments(made.study())[0]
    idea = baseline.model_copy(update={"parent_id": 1, "parent_sha": baseline.commit_sha})
    assert reference_curves.reference(idea, seed=1) is None
    finish(made, difference=-0.1, lag=0.05)
    assert reference_curves.reference(idea, seed=1) is not None
    assert reference_curves.reference(idea, seed=2) is None
    made.run()
    row, trial = last(made)
    assert trial.ending is Ending.PRUNED
    assert row.verdict is Verdict.DISCARD
    assert made.registry.pruning_counts(made.study()).stopped == 1
