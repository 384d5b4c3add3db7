import json
from pathlib import Path

import pytest

from autoresearch.errors import RegistryError
from autoresearch.records.metric import Direction, Metric, MetricSource
from autoresearch.records.values import Ending, Trust, Verdict
from autoresearch.render.diff import diff, incomparable, sides
from autoresearch.render.diff import plain as view_plain
from tests.rendering import HOSTILE, PATCH, Fabricated, plain
from tests.rows import a_study, an_experiment


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    night = Fabricated(tmp_path)
    night.night()
    return night


def shown(made: Fabricated, first: int, second: int | None, changes: str = PATCH) -> str:
    console = plain(140)
    before, after = sides(made.registry, first, second)
    diff(made.registry, before, after, changes=changes, console=console)
    return console.export_text()


def rows(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_one_experiment_is_compared_with_the_incumbent_it_changed(made: Fabricated) -> None:
    facts: dict[str, object] = {"num_params": 980_000, "MATRIX_LR": 0.04, "DEPTH": 2, "note": "x"}
    made.trial(made.registry.experiment(2), 1.8432, facts=facts, steps=624)
    found = rows(shown(made, 2, None))
    for row in (
        "-MATRIX_LR = 0.02",
        "experiment 1 (keep) experiment 2 (keep) difference",
        "val_bpb (unsealed) 1.9123 ± 0.0031 1.8432 ± 0.0031 -0.0691 ± 0.0040",
        "tokens/s 15,974 31,949 +100.0%",
        "steps 312 624 +100.0%",
        "peak memory 430 MiB 430 MiB same",
        "parameters 490,000 980,000 +100.0%",
        "start-up 2.5 s 2.5 s same",
        "training 20 s 20 s same",
        "DEPTH - 2",
        "MATRIX_LR 0.02 0.04",
    ):
        assert row in found
    assert not any(row.startswith("note") for row in found)


def test_two_that_were_never_compared_have_the_bare_difference(made: Fabricated) -> None:
    assert "val_bpb (unsealed) 1.9123 ± 0.0031 1.8611 ± 0.0031 -0.0512" in rows(shown(made, 1, 3))


def test_scores_under_other_conditions_stand_apart(made: Fabricated) -> None:
    key = json.dumps({"device": "cuda", "budget": "20 s"})
    changes = {"comparability": json.dumps({"device": "cpu", "budget": "20 s"})}
    made.registry.save(made.study.model_copy(update=changes))
    other = made.registry.save(a_study("other", comparability=key, trust=Trust.SEALED))
    row = made.registry.experiment(3)
    scored = {"val_bpb": row.val_bpb, "val_bpb_error": row.val_bpb_error}
    alien = made.registry.save(an_experiment(other, **scored))
    before, after = sides(made.registry, 1, alien.id)
    console = plain(140)
    diff(made.registry, before, after, changes=PATCH, console=console)
    found = rows(console.export_text())
    assert "their scores are not comparable, for they differ in device cpu and cuda" in found
    said = "val_bpb (unsealed and sealed) 1.9123 ± 0.0031 1.8611 ± 0.0031 not comparable"
    assert said in found


def test_what_is_not_known_is_a_dash(made: Fabricated) -> None:
    crash = made.registry.experiment(4)
    made.trial(crash, None, ending=Ending.NAN)
    found = rows(shown(made, 1, 4))
    assert "val_bpb (unsealed) 1.9123 ± 0.0031 - -" in found
    assert "steps 312 - -" in found


def test_what_neither_counts_is_left_out(made: Fabricated) -> None:
    first, second = (made.add(Verdict.KEEP, 1.9) for _ in range(2))
    for each in (first, second):
        made.trial(each, 1.9, steps=0)
    found = [row.split(" ")[0] for row in rows(shown(made, first.id or 0, second.id))]
    assert "peak" in found
    assert not {"tokens/s", "steps", "tokens"} & set(found)


def test_means_are_over_scored_trials_only(made: Fabricated) -> None:
    row = made.registry.experiment(2)
    made.trial(row, 1.84, steps=100)
    made.trial(row, 1.85, steps=300, seed=6)
    made.trial(row, None, steps=9000, seed=7, ending=Ending.NAN)
    assert any(each.startswith("steps 312 200 ") for each in rows(shown(made, 1, 2)))


def test_equal_code_is_said(made: Fabricated) -> None:
    assert "no difference in the code" in shown(made, 1, 2, changes="")


def test_hostile_facts_are_text(made: Fabricated) -> None:
    facts: dict[str, object] = {"NAME": HOSTILE, "num_params": 10**400}
    made.trial(made.registry.experiment(2), 1.8, facts=facts)
    text = shown(made, 1, 2)
    assert "\x1b" not in text
    assert "[bold red]raise" in text


def test_a_baseline_alone_has_nothing_to_be_compared_with(made: Fabricated) -> None:
    with pytest.raises(RegistryError, match="experiment 1 is a baseline: name another"):
        sides(made.registry, 1, None)
    with pytest.raises(RegistryError, match="no experiment 99"):
        sides(made.registry, 1, 99)


def test_a_metric_that_goes_up_is_compared_as_it_goes(made: Fabricated) -> None:
    accuracy = Metric("val_accuracy", "", Direction.HIGHER, MetricSource.EVALUATED, 3)
    up = {"measure": accuracy.stored, "trust": Trust.EVALUATED}
    other = made.study
    made.study = made.registry.save(made.study.model_copy(update=up))
    for number, score, delta in ((1, -0.85, None), (2, -0.87, -0.02)):
        row = made.registry.experiment(number)
        made.registry.save(row.model_copy(update={"val_bpb": score, "delta": delta}))
    found = rows(shown(made, 2, None))
    assert "val_accuracy (evaluated) 0.850 ± 0.003 0.870 ± 0.003 +0.020 ± 0.004" in found
    before, after = sides(made.registry, 2)
    told = view_plain(made.registry, before, after, files=(), patch=None)
    assert told["delta"] == 0.02
    assert told["after"]["val_bpb"] == 0.87  # type: ignore[index]
    assert told["metric"]["name"] == "val_accuracy"  # type: ignore[index]
    assert incomparable(other, made.study) == (
        "they are scored by different metrics, val_bpb and val_accuracy"
    )
