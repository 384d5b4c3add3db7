"""Noise, drift and documents as they are shown."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoresearch.records.values import Purpose, Verdict
from autoresearch.registry.packing import pack_counts
from autoresearch.render.diff import diff
from autoresearch.report.full import by_document
from tests.rendering import (
    Fabricated,
    experiment_json,
    plain,
    show_experiment,
    show_status,
    study_json,
)
from tests.rows import a_study

BY_DOCUMENT = "-0.1000 ± 0.1500 bpb, better on 75% of the text (2 documents)"


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    return Fabricated(tmp_path)


def shown(made: Fabricated, number: int | None = None) -> str:
    console = plain(200)
    if number is None:
        show_status(made.registry, made.study, console)
    else:
        show_experiment(made.registry, number, console)
    return " ".join(console.export_text().split())


def compared(made: Fabricated) -> str:
    console = plain(140)
    before, after = made.registry.experiment(1), made.registry.experiment(2)
    diff(made.registry, before, after, changes="", console=console)
    return console.export_text()


def as_json(made: Fabricated, number: int | None = None) -> Any:
    if number is None:
        return json.loads(study_json(made.registry, made.study))
    return json.loads(experiment_json(made.registry, number))


def test_two_experiments_are_compared_document_by_document(made: Fabricated) -> None:
    made.paired()
    assert f"document by document: {BY_DOCUMENT}\n" in compared(made)
    told = "by document -0.100000 ± 0.150000 bpb, better on 75% of the text (2 documents)"
    assert told in shown(made, 2)
    assert "by document" not in shown(made, 1)
    assert as_json(made, 2)["documents"] == {
        "bpb": pytest.approx(-0.1),
        "error": pytest.approx(0.15),
        "better": 0.75,
        "documents": 2,
        "pairs": 1,
    }
    assert as_json(made, 1)["documents"] is None


def test_documents_of_older_studies_and_of_other_corpora_are_not_compared(
    made: Fabricated,
) -> None:
    made.night()
    assert "document by document" not in compared(made)
    other = made.registry.save(
        a_study("other", comparability='{"corpus": "b"}', doc_bytes=pack_counts((100, 300)))
    )
    made.study = made.registry.save(
        made.study.model_copy(
            update={"comparability": '{"corpus": "a"}', "doc_bytes": pack_counts((100, 300))}
        )
    )
    mine = made.add(Verdict.KEEP, 2.0)
    made.trial(mine, 2.0, bits=(200.0, 600.0))
    theirs = made.registry.save(
        made.add(Verdict.KEEP, 2.0).model_copy(update={"study_id": other.id})
    )
    made.trial(theirs, 2.0, bits=(200.0, 600.0))
    assert by_document(made.registry, mine, theirs) is None
    assert by_document(made.registry, mine, mine) is not None


def test_a_verdict_shows_what_was_measured_and_how_sure_it_is(made: Fabricated) -> None:
    made.paired()
    row = made.registry.experiment(2)
    row.measured, row.measured_error, row.pairs = -0.11, 0.004, 2
    row.p_better, row.p_neutral = 0.973, 0.025
    made.registry.save(row)
    told = "measured -0.110000 ± 0.004000 bpb on 2 pairs; 97% better, 3% no difference, 0% worse"
    assert told in shown(made, 2)
    assert "measured" not in shown(made, 1)
    assert as_json(made, 2)["experiment"]["p_better"] == 0.973
    assert as_json(made)["experiments"][1]["pairs"] == 2


def test_a_trial_says_why_it_was_trained(made: Fabricated) -> None:
    made.paired()
    made.trial(made.registry.experiment(1), 2.01, seed=6, purpose=Purpose.REPLICATE)
    assert "seed 6 · replicate · finished" in shown(made, 1)


def test_status_says_what_the_noise_lets_through(made: Fabricated) -> None:
    made.paired()
    assert "noise" not in shown(made)
    made.trial(made.registry.experiment(1), 2.01, seed=6)
    assert "pairs confirm gains from 0.00" in shown(made)
    assert "is larger than" not in shown(made)
    machine = as_json(made)["machine"]
    assert machine["noise"]["seed_repeats"] == 1
    assert machine["power"]["advice"] is None
    assert machine["drift"] == []


def test_status_says_where_the_noise_hides_everything(made: Fabricated) -> None:
    made.paired()
    made.trial(made.registry.experiment(1), 2.5, seed=6)
    assert (
        "the noise of this study is larger than what it looks for: a pair's difference has"
        in shown(made)
    )
    assert as_json(made)["machine"]["power"]["advice"].startswith("the noise of this study")


def test_a_check_for_drift_is_shown_and_is_no_reading(made: Fabricated) -> None:
    made.paired()
    base = made.registry.experiment(1)
    made.trial(base, 2.003, purpose=Purpose.DRIFT, steps=306, bits=(0.0, 0.0))
    told = "looked for drift once: an incumbent trained again reads +0.0030 bpb (noise 0.0050) at"
    assert f"{told} 0.98 times the steps" in shown(made)
    [check] = as_json(made)["machine"]["drift"]
    assert (check["trial"], check["steps"]) == (3, pytest.approx(306 / 312))
    assert check["difference"] == pytest.approx(0.003)
    assert BY_DOCUMENT in compared(made)
    assert "steps 312 312 same" in " ".join(compared(made).split())


def test_a_changed_machine_is_shown(made: Fabricated) -> None:
    made.paired()
    made.trial(made.registry.experiment(1), 2.1, purpose=Purpose.DRIFT)
    made.study = made.registry.save(made.study.model_copy(update={"machine_changes": [2]}))
    assert "the machine changed after trial 2: no later experiment is compared" in shown(made)
    assert as_json(made)["study"]["machine_changes"] == [2]
    assert "doc_bytes" not in as_json(made)["study"]


def test_readings_know_their_epoch(made: Fabricated) -> None:
    made.paired()
    made.trial(made.registry.experiment(1), 2.1, seed=6)
    before = made.registry.readings(made.study)
    assert [each.epoch for each in before[1]] == [0, 0]
    made.study = made.registry.save(made.study.model_copy(update={"machine_changes": [2]}))
    after = made.registry.readings(made.study)
    assert after == {1: [before[1][0], replace(before[1][1], epoch=1)], 2: before[2]}
