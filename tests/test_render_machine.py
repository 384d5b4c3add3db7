import csv
import io
import json
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from autoresearch.records.values import Verdict
from autoresearch.render.machine import BULK, SCORES
from tests import rendering
from tests.rendering import HOSTILE, Fabricated


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    return Fabricated(tmp_path)


def tsv(made: Fabricated) -> str:
    return rendering.study_tsv(made.registry, made.study)


def refuse(constant: str) -> None:
    pytest.fail(f"{constant} is no JSON")


def study_json(made: Fabricated) -> Any:
    return json.loads(rendering.study_json(made.registry, made.study), parse_constant=refuse)


def experiment_json(made: Fabricated, number: int) -> Any:
    return json.loads(rendering.experiment_json(made.registry, number), parse_constant=refuse)


GOLDEN = """\
commit\tval_bpb\tmemory_gb\tstatus\tdescription
a11ba5e\t0.997900\t44.0\tkeep\tbaseline
bea057b\t0.986041\t43.9\tkeep\thalve batch 524K to 262K (more steps in 5 min)
187e419\t0.982603\t60.2\tdiscard\tadd 5% warmup
e05a87d\t0.000000\t0.0\tcrash\tbatch 131K (assert fail: not divisible by device batch)
\t0.000000\t0.0\tcrash\tedit the fixed file (invalid)
d70987b\t0.000000\t0.0\tcrash\tread the future (disqualified)
0dd0dd0\t0.980000\t44.0\tdiscard\tovertaken (stale)
"""


def test_what_goes_as_the_metric_and_what_is_left_out_follows_from_the_columns() -> None:
    effects = {"delta", "predicted_delta", "measured", "val_gain", "test_gain"}
    assert {"val_bpb", "test_bpb", *effects} == SCORES
    assert {"log", "doc_bits", "doc_bytes", "test_bits", "test_bytes", "answer", "salt"} == BULK


def test_tsv_is_upstreams_to_the_byte(made: Fabricated) -> None:
    def gib(number: float) -> int:
        return round(number * 2**30)

    made.add(Verdict.KEEP, 0.9979, "baseline", memory=gib(44.0), commit="a11ba5e" + "0" * 33)
    halved = "halve batch 524K to 262K (more steps in 5 min)"
    made.add(Verdict.KEEP, 0.986041, halved, memory=gib(43.94), commit="bea057bcafe")
    made.add(Verdict.DISCARD, 0.9826034, "add 5% warmup", memory=gib(60.2), commit="187e4191")
    crash = "batch 131K (assert fail: not divisible by device batch)"
    made.add(Verdict.CRASH, None, crash, memory=gib(70), commit="e05a87d1")
    refused = made.add(Verdict.INVALID, None, "edit the fixed file")
    made.registry.save(refused.model_copy(update={"commit_sha": None}))
    made.add(Verdict.DISQUALIFIED, 0.5, "read the future", commit="d70987b0")
    made.add(None, None, "still running")
    made.add(Verdict.STALE, None, "never trained")
    made.add(Verdict.STALE, 0.98, "overtaken", memory=gib(44.0), commit="0dd0dd0d")
    assert tsv(made) == GOLDEN


@pytest.mark.parametrize(
    ("hypothesis", "description"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-0.1 to the rate", "'-0.1 to the rate"),
        ("@sum", "'@sum"),
        (" \t=1+1", "'=1+1"),
        ("\uff1d1", "'\uff1d1"),
        ('"open quote', "'\"open quote"),
        ("two\tcells\nand\r\nrows", "two cells and rows"),
        ("a = b", "a = b"),
    ],
)
def test_a_description_is_one_harmless_cell(
    made: Fabricated, hypothesis: str, description: str
) -> None:
    made.add(Verdict.DISCARD, 1.9, hypothesis)
    made.add(Verdict.DISCARD, 1.8, "the next row")
    rows = list(csv.reader(io.StringIO(tsv(made)), delimiter="\t"))
    assert [len(row) for row in rows] == [5, 5, 5]
    assert rows[1][4].replace("\\x0d", "") == description


def test_hostile_text_leaves_five_columns(made: Fabricated) -> None:
    made.add(Verdict.DISCARD, 1.9, HOSTILE)
    row = tsv(made).split("\n")[1]
    assert row.count("\t") == 4
    assert row.replace("\t", "").isprintable()


def test_study_json_is_versioned_and_complete(made: Fabricated) -> None:
    made.night()
    read = study_json(made)
    assert read["version"] == 3
    assert read["study"]["tag"] == "nov23"
    assert read["study"]["trust"] == "unsealed"
    assert [each["verdict"] for each in read["experiments"]] == [
        "keep", "keep", "discard", "crash", "invalid", "disqualified",
    ]  # fmt: skip
    assert read["experiments"][1]["delta"] == -0.0691
    assert "MATRIX_LR = 0.04" in read["experiments"][1]["patch"]
    assert [each["experiment_id"] for each in read["trials"]] == [1]
    assert read["trials"][0]["curve"][0] == [1, 7.5, 1024, 0.01, 0.2]
    assert {"log", "doc_bits"}.isdisjoint(read["trials"][0])
    (account,) = read["spending"]
    assert (account["keeps"], account["crashes"], account["invalid"]) == (2, 1, 1)
    assert account["verdicts"] == {
        "keep": 2, "discard": 1, "crash": 1, "invalid": 1, "disqualified": 1,
    }  # fmt: skip
    assert read["trials"][0]["hardware"]["name"] == "Ada Core 9"
    assert read["trials"][0]["compile_seconds"] == 1.5
    assert datetime.fromisoformat(read["experiments"][0]["created_at"]).utcoffset() is not None


def test_an_empty_study_is_json_too(made: Fabricated) -> None:
    read = study_json(made)
    assert (read["experiments"], read["trials"]) == ([], [])


def test_one_experiments_json_has_patch_trials_and_curve(made: Fabricated) -> None:
    made.night()
    made.trial(made.registry.experiment(2), 1.8432, seed=6)
    read = experiment_json(made, 2)
    assert (read["version"], read["experiment"]["id"]) == (3, 2)
    assert read["experiment"]["patch"].startswith("--- a/train.py")
    assert [trial["seed"] for trial in read["trials"]] == [6]
    assert len(read["trials"][0]["curve"]) == 2
    assert read["study"]["id"] == made.study.id


def test_json_carries_no_raw_control_characters(made: Fabricated) -> None:
    made.add(Verdict.DISCARD, 1.9, HOSTILE)
    assert "\x1b" not in rendering.study_json(made.registry, made.study)
    assert study_json(made)["experiments"][0]["hypothesis"] == HOSTILE


def test_what_another_program_stored_is_strict_json_all_the_same(made: Fabricated) -> None:
    made.trial(made.add(Verdict.KEEP, 1.9), 1.9, facts={"x": 1.5, "deep": [0.5, {"y": 2.5}]})
    odd = '{"x": NaN, "deep": [Infinity, {"y": -Infinity}]}'
    with closing(sqlite3.connect(str(made.registry._engine.url.database))) as file, file:
        file.execute("UPDATE trial SET facts = ?", (odd,))
    nulls = {"x": None, "deep": [None, {"y": None}]}
    assert study_json(made)["trials"][0]["facts"] == nulls
    assert experiment_json(made, 1)["trials"][0]["facts"] == nulls
