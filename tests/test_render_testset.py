"""What is shown of test: one score, its distance to val, and whether val was fitted."""

from pathlib import Path

import pytest
from rich.text import Text

from autoresearch.records.tables import Experiment
from autoresearch.records.values import Trust, Verdict
from autoresearch.render import testset
from autoresearch.render.scores import ScoreFormat
from autoresearch.report.full import test_score as score_of
from tests.rendering import Fabricated, plain, show_status


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    found = Fabricated(tmp_path, trust=Trust.SEALED)
    scored(found, found.add(Verdict.KEEP, 1.9), 1.9, 1.91)
    return found


def scored(made: Fabricated, row: Experiment, val: float, test: float, gain: bool = False) -> None:
    trial = made.trial(row, val)
    row = made.registry.experiment(int(row.id or 0))
    row.test_bpb, row.test_trial_id = test, trial.id
    if gain:
        row.val_gain, row.val_gain_error = val - 1.9, 0.001
        row.test_gain, row.test_gain_error = test - 1.91, 0.002
    made.registry.save(row)


def line(made: Fabricated, number: int) -> Text:
    found = score_of(made.registry, made.study, made.registry.experiment(number))
    return testset.described(found, ScoreFormat.of(made.study))


def told(made: Fabricated, number: int) -> str:
    return line(made, number).plain


def test_a_gain_that_holds(made: Fabricated) -> None:
    scored(made, made.add(Verdict.KEEP, 1.8, parent=1), 1.8, 1.812, gain=True)
    assert told(made, 2) == (
        "1.8120, +0.0120 to val (the baseline's: +0.0100); against the "
        "baseline -0.1000 ± 0.0010 on val and -0.0980 ± 0.0020 on test: the gain holds on test"
    )


def test_what_is_fitted_to_val_is_made_to_be_seen(made: Fabricated) -> None:
    scored(made, made.add(Verdict.KEEP, 1.8, parent=1), 1.8, 1.9, gain=True)
    found = line(made, 2)
    assert found.plain.endswith(
        ": it is fitted to val in part: the gap to test widens by +0.0900 ± 0.0022 bpb"
    )
    assert "yellow" in {str(span.style) for span in found.spans}


def test_without_a_baseline_to_compare_with_only_the_score_is_told(made: Fabricated) -> None:
    blank = {"test_bpb": None, "test_trial_id": None}
    made.registry.save(made.registry.experiment(1).model_copy(update=blank))
    scored(made, made.add(Verdict.KEEP, 1.8, parent=1), 1.8, 1.812)
    assert told(made, 2) == "1.8120, +0.0120 to val"


def test_a_study_shows_the_newest_score_and_every_warning(made: Fabricated) -> None:
    for number, test in enumerate((1.9, 1.81, 1.82), start=2):
        scored(made, made.add(Verdict.KEEP, 1.8, parent=number - 1), 1.8, test, gain=True)
    console = plain(200)
    show_status(made.registry, made.study, console)
    lines = [line for line in console.export_text().splitlines() if "on test: " in line]
    assert [line.split()[1] for line in lines if line.startswith("experiment")] == ["2", "4"]


def test_a_study_that_promoted_nothing_shows_nothing(tmp_path: Path) -> None:
    fresh = Fabricated(tmp_path)
    fresh.night()
    console = plain(200)
    show_status(fresh.registry, fresh.study, console)
    assert "test" not in console.export_text()
