"""The line about trials stopped early, and the same for programs."""

import json
from pathlib import Path

import pytest

from autoresearch.records.values import Ending, TrialState, Verdict
from autoresearch.registry import PruningCounts
from autoresearch.render import pruning
from tests.rendering import Fabricated, plain, show_status, study_json, study_tsv

AT_MOST = " (at most {}% of the hopeless win, 95% sure)"


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        (PruningCounts(), None),
        (
            PruningCounts(3, 250.0),
            "3 stopped early, 4 min 10 s of training saved; none audited yet",
        ),
        (
            PruningCounts(12, 190.0, audited=20, kept=0),
            "12 stopped early, 3 min 10 s of training saved; of 20 run on as an audit 0 were kept"
            + AT_MOST.format(14),
        ),
        (
            PruningCounts(0, 0.0, audited=1, kept=1),
            "0 stopped early; of 1 run on as an audit 1 was kept" + AT_MOST.format(100),
        ),
    ],
)
def test_the_line_says_what_was_saved_and_what_is_known(
    counts: PruningCounts, line: str | None
) -> None:
    told = pruning.line(counts)
    assert (told.plain if told else None) == line


def a_pruned_study(folder: Path) -> Fabricated:
    made = Fabricated(folder)
    made.night()
    stopped = made.add(Verdict.DISCARD, None, "deeper", reason="stopped early at 50%", parent=2)
    made.trial(stopped, None, ending=Ending.PRUNED, pruned_at=0.5)
    audited = made.add(Verdict.DISCARD, 1.95, "wider", parent=2)
    made.trial(audited, 1.95, pruned_at=0.6)
    # Neither an interrupted one nor one without a verdict is an audit yet.
    made.trial(audited, None, ending=Ending.INTERRUPTED, pruned_at=0.6)
    made.trial(made.add(None), 1.9, pruned_at=0.7)
    made.trial(made.add(None), None, ending=None, state=TrialState.RUNNING, pruned_at=0.7)
    return made


def test_status_has_the_line_where_trials_were_pruned(tmp_path: Path) -> None:
    made, console = a_pruned_study(tmp_path), plain()
    show_status(made.registry, made.study, console)
    assert "1 stopped early, 0 s of training saved; of 1 run on" in console.export_text()


def test_status_has_no_line_where_none_was(tmp_path: Path) -> None:
    made, console = Fabricated(tmp_path), plain()
    made.night()
    show_status(made.registry, made.study, console)
    assert "stopped early" not in console.export_text()


def test_in_upstreams_table_no_score_is_not_a_perfect_one(tmp_path: Path) -> None:
    made = a_pruned_study(tmp_path)
    written = study_tsv(made.registry, made.study)
    (row,) = [line for line in written.splitlines() if "deeper" in line]
    assert row.split("\t")[1:] == ["0.000000", "0.0", "crash", "deeper (discard)"]


def test_programs_get_the_account_too(tmp_path: Path) -> None:
    made = a_pruned_study(tmp_path)
    told = json.loads(study_json(made.registry, made.study))["pruning"]
    assert told.pop("lost_at_most") == pytest.approx(0.95, abs=1e-3)
    assert told == {"stopped": 1, "saved_seconds": 0.0, "audited": 1, "kept": 0}
