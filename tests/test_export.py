"""`export` and its forms: the same rows in each, and harmless in a spreadsheet."""

import csv
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from autoresearch.records.metric import Direction, Metric, MetricSource
from autoresearch.records.notes import Note
from autoresearch.records.values import Verdict
from autoresearch.render.export import FORMS, Table, export
from tests.conftest import Run
from tests.rendering import HOSTILE, START, Fabricated
from tests.stubs import make_project


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    night = Fabricated(tmp_path)
    night.night()
    night.add(Verdict.DISCARD, 1.9, "=HYPERLINK(1)", delta=0.1)
    night.add(Verdict.DISCARD, 1.9, HOSTILE)
    night.registry.save(Note(study_id=1, text='a, b\n"c"', created_at=START))
    return night


def read(made: Fabricated, table: Table, ending: str) -> list[dict[str, Any]]:
    data = export(made.registry, made.study, table, ending)
    if ending == ".parquet":
        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(io.BytesIO(data)).to_pylist()
        return rows
    if ending == ".jsonl":
        return [json.loads(line) for line in data.decode().splitlines()]
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


@pytest.mark.parametrize("ending", FORMS)
@pytest.mark.parametrize("table", Table)
def test_each_form_has_every_row_and_no_secret(made: Fabricated, table: Table, ending: str) -> None:
    rows = read(made, table, ending)
    assert len(rows) == {"experiments": 8, "trials": 1, "calls": 0, "notes": 1}[table]
    for row in rows:
        assert {"log", "doc_bits", "salt", "answer"}.isdisjoint(row)
        assert str(row["id"]) in "12345678"


def test_numbers_times_and_words_keep_their_types(made: Fabricated) -> None:
    row = read(made, Table.EXPERIMENTS, ".parquet")[1]
    assert (row["val_bpb"], row["verdict"], row["pairs"]) == (1.8432, "keep", 0)
    assert row["created_at"] > START
    assert json.loads(row["notes"]) == {}
    line = read(made, Table.EXPERIMENTS, ".jsonl")[1]
    assert (line["delta"], line["notes"]) == (-0.0691, {})
    assert datetime.fromisoformat(line["created_at"]) == row["created_at"]
    assert read(made, Table.TRIALS, ".csv")[0]["curve"].startswith("[[1, 7.5")


def test_a_cell_is_no_formula_and_steers_no_terminal(made: Fabricated) -> None:
    rows = read(made, Table.EXPERIMENTS, ".csv")
    assert rows[6]["hypothesis"] == "'=HYPERLINK(1)"
    assert rows[6]["delta"] == "0.1"
    assert rows[1]["patch"].startswith("'--- a/train.py\n+++ b/train.py\n")
    data = export(made.registry, made.study, Table.EXPERIMENTS, ".csv").decode()
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(data)
    assert read(made, Table.NOTES, ".csv")[0]["text"] == 'a, b\n"c"'


def test_the_command_writes_one_whole_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path / "project")
    project.make_state()
    Fabricated(project.state).night()
    monkeypatch.chdir(project.root)
    code, out, _err = run("export", "night.jsonl", "--table", "trials")
    assert (code, "The trials of study nov23 are in night.jsonl" in out) == (0, True)
    assert len((project.root / "night.jsonl").read_text().splitlines()) == 1
    for arguments, code, said in (
        (["night.jsonl"], 2, "is there already: --force"),
        (["night.xlsx"], 2, "let it end in .csv, .jsonl, .parquet"),
        (["a.csv", "--table", "people"], 2, "one of experiments, trials, calls, notes"),
        (["nowhere/a.csv"], 1, "name a folder that exists"),
        (["a.csv", "--tag", "may1"], 1, "no study 'may1': they are nov23"),
    ):
        ended, out, err = run("export", *arguments)
        assert (ended, out, err.count("\n")) == (code, "", 1), err
        assert said in err
    assert run("export", "night.jsonl", "--force")[0] == 0
    assert len((project.root / "night.jsonl").read_text().splitlines()) == 6


def test_a_metric_that_goes_up_is_written_as_it_goes(made: Fabricated) -> None:
    up = Metric("accuracy", direction=Direction.HIGHER, source=MetricSource.FILE)
    made.study = made.registry.save(made.study.model_copy(update={"measure": up.stored}))
    row = made.registry.experiments(made.study)[1]
    made.registry.save(row.model_copy(update={"val_bpb": -0.87, "delta": -0.02}))
    for ending in FORMS:
        found = read(made, Table.EXPERIMENTS, ending)[1]
        assert (float(found["val_bpb"]), float(found["delta"])) == (0.87, 0.02), ending
