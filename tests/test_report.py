from pathlib import Path

import pytest

from autoresearch.records.values import Category, Ending, Estimate, Purpose, Standing, Verdict
from autoresearch.report import ExperimentReport, StudyReport, study_report
from autoresearch.report.failures import fingerprint
from autoresearch.report.values import Phases, interval
from tests.long_night import MODEL, long_night
from tests.rendering import Fabricated


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> StudyReport:
    registry, study = long_night(tmp_path_factory.mktemp("night"), 60)
    return study_report(registry, study)


def test_the_gain_is_the_sum_of_the_paired_effects_not_the_difference_of_scores(
    tmp_path: Path,
) -> None:
    made = Fabricated(tmp_path)
    made.add(Verdict.KEEP, 2.0, patch="")
    made.add(Verdict.KEEP, 1.7, delta=-0.1, parent=1)
    made.add(Verdict.DISCARD, 1.6, delta=-0.5, parent=2)
    made.add(Verdict.KEEP, 1.6, delta=-0.05, parent=2)
    found = study_report(made.registry, made.study)
    assert (found.baseline, found.best) == (1, 4)
    assert found.gain is not None
    assert (found.gain.mean, found.gain.error) == pytest.approx((-0.15, 0.004 * 2**0.5))
    low, high = interval(found.gain) or (0.0, 0.0)
    assert (low, high) == pytest.approx((-0.1611, -0.1389), abs=1e-4)


def test_a_gain_has_no_interval_where_one_effect_has_no_error(tmp_path: Path) -> None:
    made = Fabricated(tmp_path)
    made.add(Verdict.KEEP, 2.0, patch="")
    kept = made.add(Verdict.KEEP, 1.9, delta=-0.1, parent=1)
    made.registry.save(kept.model_copy(update={"delta_error": None}))
    found = study_report(made.registry, made.study)
    assert found.gain == Estimate(-0.1, None)


def test_what_is_not_whole_leaves_texts_and_trials_and_tells_the_same(
    tmp_path: Path, report: StudyReport
) -> None:
    registry, study = long_night(tmp_path, 60)
    found = study_report(registry, study, whole=False)
    assert (found.gain, found.best, found.verdicts) == (report.gain, report.best, report.verdicts)
    assert found.near_misses == report.near_misses
    assert found.categories.comparisons == report.categories.comparisons
    assert [each.delta for each in found.experiments] == [each.delta for each in report.experiments]
    assert not any(each.change or each.log or each.pairs for each in found.experiments)
    assert found[1].trials
    assert found[found.best or 1].trials
    with pytest.raises(AssertionError):
        assert found.phases


def test_an_empty_study_has_a_report(tmp_path: Path) -> None:
    made = Fabricated(tmp_path)
    found = study_report(made.registry, made.study)
    assert (found.experiments, found.best, found.gain, found.usd) == ((), None, None, 0.0)


def test_pairs_are_the_scores_on_one_seed(tmp_path: Path) -> None:
    made = Fabricated(tmp_path)
    base = made.add(Verdict.KEEP, 2.0, patch="")
    for seed, bpb in ((5, 2.0), (6, 2.1)):
        made.trial(base, bpb, seed=seed)
    tried = made.add(Verdict.DISCARD, 1.95, delta=-0.01, parent=1)
    for seed, bpb in ((6, 2.0), (7, 1.9)):
        made.trial(tried, bpb, seed=seed)
    (pair,) = study_report(made.registry, made.study)[2].pairs
    assert (pair.seed, pair.incumbent, pair.experiment) == (6, 2.1, 2.0)
    assert pair.difference == pytest.approx(-0.1)


def test_failures_are_grouped_by_what_they_said(tmp_path: Path) -> None:
    made = Fabricated(tmp_path)
    made.add(Verdict.KEEP, 2.0, patch="")
    for size in (3, 17):
        crashed = made.add(Verdict.CRASH, reason="exception", parent=1)
        said = f'File "train.py", line {size}\nRuntimeError: tried to allocate {size}.5 GiB'
        made.trial(crashed, None, ending=Ending.EXCEPTION, traceback=said)
    made.add(Verdict.INVALID, reason="line 4: a seed is changed", parent=1)
    crash, invalid = study_report(made.registry, made.study).failures
    assert (crash.verdict, crash.experiments) == (Verdict.CRASH, (2, 3))
    assert crash.example == "RuntimeError: tried to allocate 17.5 GiB"
    assert (invalid.verdict, invalid.fingerprint) == (
        Verdict.INVALID, "line …: a seed is changed",
    )  # fmt: skip


def test_a_fingerprint_leaves_out_what_differs_from_case_to_case() -> None:
    one = "KeyError: 'wte' at 0x7f3a, got (3, 4) of 1,024"
    other = 'KeyError: "wpe" at 0x11, got (31, 2) of 8'
    assert fingerprint(one) == fingerprint(other) != fingerprint("ValueError: 'wte'")


def test_seconds_are_told_by_phase(tmp_path: Path) -> None:
    made = Fabricated(tmp_path)
    made.trial(made.add(Verdict.KEEP, 2.0, patch=""), 2.0, purpose=Purpose.BASELINE)
    found = study_report(made.registry, made.study)
    assert found.phases == Phases(startup=2.5, compiling=1.5, training=24.5, scoring=4.0)
    assert found.seconds_by_purpose == {"baseline": 31.0}
    assert found.hardware == (("Ada Core 9, 2 CPU threads, Python 3.11, torch 2.8.0", 1),)


def test_a_calls_cost_is_shared_by_what_it_made(tmp_path: Path) -> None:
    registry, study = long_night(tmp_path, 4)
    (call, *_) = registry.calls(study)
    other = registry.experiment(4)
    registry.save(other.model_copy(update={"call_id": call.id}))
    found = study_report(registry, study)
    assert call.experiment_id == 2
    assert found[2].cost.usd == pytest.approx(0.03)
    assert found[4].cost.usd == pytest.approx(0.06 + 0.03)
    assert found[4].cost.calls == 2
    assert sum(each.cost.usd for each in found.experiments) == pytest.approx(found.usd)


def test_proposers_and_categories_stand_beside_the_control(report: StudyReport) -> None:
    assert [each.proposer for each in report.proposers.comparisons] == [MODEL]
    named = {each.proposer for each in report.categories.comparisons}
    assert named >= {"architecture", "optimizer"}
    assert {each.control for each in report.categories.comparisons} == {"optuna"}
    one, two = (
        sum(each.trained for each in side.records) for side in (report.proposers, report.categories)
    )
    assert one == two
    assert Category.BASELINE not in named
    assert report.proposers.calibrations[MODEL].pairs > 10


def test_near_misses_are_the_likeliest_discards(report: StudyReport) -> None:
    near = [report[number] for number in report.near_misses]
    assert near
    chances = [each.chances.better for each in near if each.chances]
    assert chances == sorted(chances, reverse=True)
    assert all(each.verdict is Verdict.DISCARD for each in near)
    assert not any(each.standing is Standing.REFUTED for each in near)


def test_a_curve_is_thinned_and_keeps_its_end(report: StudyReport) -> None:
    curve = report[1].trials[0].curve
    assert len(curve) == 60
    assert (curve[0][0], curve[-1][0]) == (0.0, 1.0)


def test_ideas_for_later_are_told_with_what_became_of_them(tmp_path: Path) -> None:
    made = Fabricated(tmp_path)
    made.add(Verdict.KEEP, 2.0, patch="")
    first = made.add(Verdict.DISCARD, 2.1, parent=1)
    later = {"later": ["longer", "wider", "deeper"]}
    made.registry.save(first.model_copy(update={"notes": later}))
    second = made.add(Verdict.DISCARD, 2.1, parent=1)
    noted = {"takes": ["2.1"], "drops": ["2.3"]}
    made.registry.save(second.model_copy(update={"notes": noted}))
    found: ExperimentReport = study_report(made.registry, made.study)[2]
    assert [(each.number, each.fate) for each in found.later] == [
        ("2.1", "taken up by experiment 3"), ("2.2", ""), ("2.3", "dropped"),
    ]  # fmt: skip
