"""`export` and its forms: the same rows in each, and harmless in a spreadsheet."""

import csv
import io
import json
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from autoresearch.errors import ProjectError, UsageFault
from autoresearch.records.metric import Direction, Metric, MetricSource
from autoresearch.records.notes import Note
from autoresearch.records.results import harmless
from autoresearch.records.text import safe_line
from autoresearch.records.values import Ending, TrialState, Verdict
from autoresearch.render.export import FORMS, Table, export
from autoresearch.render.tracking import mlflow, tensorboard, tracked_runs
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


@pytest.mark.parametrize("lead", ["=", "+", "-", "@", "\t=", "\r\n=", " =", "\u3000\uff1d", '"'])
def test_what_a_spreadsheet_may_take_for_a_formula_is_marked_as_text(lead: str) -> None:
    assert harmless(f"{lead}cmd|'/c calc'!A0") == f"'{lead}cmd|'/c calc'!A0"
    assert harmless(f"a{lead}b") == f"a{lead}b"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a night, where the command is typed."""
    made = make_project(tmp_path / "project")
    made.make_state()
    Fabricated(made.state).night()
    monkeypatch.chdir(made.root)
    return made.root


def test_the_command_writes_one_whole_file(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _err = run("export", "night.jsonl", "--table", "trials")
    assert (code, "The trials of study nov23 are in night.jsonl" in out) == (0, True)
    assert len((project / "night.jsonl").read_text().splitlines()) == 1
    for name in ("tensorboard", "mlflow"):
        for module in [each for each in sys.modules if each.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setitem(sys.modules, name, None)
    for arguments, code, said in (
        (["night.jsonl"], 2, "is there already: --force"),
        (["night.xlsx"], 2, "let it end in .csv, .jsonl, .parquet"),
        (["a.csv", "--table", "people"], 2, "one of experiments, trials, calls, notes"),
        (["nowhere/a.csv"], 1, "name a folder that exists"),
        (["a.csv", "--tag", "may1"], 1, "no study 'may1': they are nov23"),
        (["runs", "--to", "wandb"], 2, "--to wandb: it is tensorboard or mlflow"),
        (["runs", "--to", "mlflow", "--table", "calls"], 2, "--table is of a file"),
        (["runs", "--to", "tensorboard"], 1, "`pip install 'autoresearch[tensorboard]'`"),
        (["http://h", "--to", "mlflow"], 1, "`pip install 'autoresearch[mlflow]'`"),
    ):
        ended, out, err = run("export", *arguments)
        assert (ended, out, err.count("\n")) == (code, "", 1), err
        assert said in err
    assert run("export", "night.jsonl", "--force")[0] == 0
    assert len((project / "night.jsonl").read_text().splitlines()) == 6


def test_a_metric_that_goes_up_is_written_as_it_goes(made: Fabricated) -> None:
    up = Metric("accuracy", direction=Direction.HIGHER, source=MetricSource.FILE)
    made.study = made.registry.save(made.study.model_copy(update={"measure": up.stored}))
    row = made.registry.experiments(made.study)[1]
    made.registry.save(row.model_copy(update={"val_bpb": -0.87, "delta": -0.02}))
    for ending in FORMS:
        found = read(made, Table.EXPERIMENTS, ending)[1]
        assert (float(found["val_bpb"]), float(found["delta"])) == (0.87, 0.02), ending


# --- programs that track experiments


@pytest.fixture
def tracked(tmp_path: Path) -> Fabricated:
    """A night with a hostile experiment, one that runs, and facts of any name."""
    night = Fabricated(tmp_path)
    night.night()
    odd = night.add(Verdict.CRASH, None, HOSTILE, reason=HOSTILE)
    facts: dict[str, object] = {f"name {at}": at for at in range(200)}
    night.trial(odd, None, ending=Ending.NAN, facts={"../../etc": HOSTILE, "": True, **facts})
    night.trial(night.add(None), None, ending=None, state=TrialState.RUNNING)
    return night


def test_runs_have_curves_facts_and_names_that_every_tracker_takes(tracked: Fabricated) -> None:
    runs = list(tracked_runs(tracked.registry, tracked.study))
    base, odd, running = runs[0], runs[6], runs[7]
    assert (base.key, base.name, base.failed) == ("nov23/1", "0001", False)
    assert base.params == {"num_params": 490_000, "MATRIX_LR": 0.02}
    (trial,) = base.trials
    assert trial.params == {"seed": 5, **base.params}
    curve = [(each.step, each.value) for each in trial.scalars if each.name == "loss"]
    assert curve == [(1, 7.5), (312, 3.25)]
    (last,) = [each for each in trial.scalars if each.name == "val_bpb"]
    assert (last.value, last.step) == (1.9123, 312)
    assert (runs[1].tags["status"], runs[4].tags["status"]) == ("keep", "invalid")
    assert (odd.failed, running.failed, running.trials[0].failed) == (True, None, None)
    assert len(odd.params) == 100
    for name, value in odd.params.items():
        assert re.fullmatch(r"[A-Za-z0-9_ -]+", name)
        assert safe_line(str(value)) == str(value)
    for text in odd.tags.values():
        assert safe_line(text, 400) == text


def test_tensorboard_reads_what_was_written_and_an_export_is_written_anew(
    tracked: Fabricated, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import (  # noqa: PLC0415 - an extra
        EventAccumulator,
    )

    def read(place: str) -> Any:
        return EventAccumulator(str(tmp_path / "runs" / place)).Reload()

    def written(*, force: bool = False) -> int:
        runs = tracked_runs(tracked.registry, tracked.study)
        return tensorboard.write(tmp_path / "runs", runs, force=force)

    assert written() == 8
    (tmp_path / "runs" / "mine.txt").write_text("mine")
    with pytest.raises(UsageFault, match="--force writes them anew"):
        written()
    assert written(force=True) == 8
    assert (tmp_path / "runs" / "mine.txt").exists()
    curve = read("0001/trial-1-seed-5").Scalars("loss")
    assert [(each.step, each.value) for each in curve] == [(1, 7.5), (312, 3.25)]
    assert curve[0].wall_time == START.timestamp() + 2.7
    assert [each.step for each in read("0002").Scalars("effect")] == [2]
    assert "_hparams_/session_start_info" in read("0007").PluginTagToContent("hparams")


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore")  # of MLflow, about the libraries that it uses
def test_mlflow_reads_what_was_written_and_an_export_is_written_anew(
    tracked: Fabricated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    pytest.importorskip("mlflow")
    from mlflow import MlflowClient  # noqa: PLC0415 - an extra

    uri = f"sqlite:///{tmp_path}/ml.db"

    def written(*, force: bool = False) -> int:
        runs = tracked_runs(tracked.registry, tracked.study)
        return mlflow.write(uri, "autoresearch/p/nov23", runs, force=force)

    assert written() == 8
    with pytest.raises(UsageFault, match="has runs already: --force"):
        written()
    assert written(force=True) == 8
    client = MlflowClient(tracking_uri=uri)
    where = client.get_experiment_by_name("autoresearch/p/nov23").experiment_id
    found = {run.data.tags[mlflow.KEY]: run for run in client.search_runs([where])}
    assert len(found) == 8 + 3
    trial = found["nov23/1/1"]
    assert trial.data.tags["mlflow.parentRunId"] == found["nov23/1"].info.run_id
    assert trial.data.params["MATRIX_LR"] == "0.02"
    curve = client.get_metric_history(trial.info.run_id, "loss")
    assert [(each.step, each.value) for each in curve] == [(1, 7.5), (312, 3.25)]
    assert {
        key: run.info.status for key, run in found.items() if key in ("nov23/7", "nov23/8")
    } == {
        "nov23/7": "FAILED",
        "nov23/8": "RUNNING",
    }
    with pytest.raises(ProjectError, match=r"^MLflow at 127.0.0.1:9: ") as fault:
        mlflow.write("http://me:my-password@127.0.0.1:9", "x", [], force=False)
    assert "my-password" not in str(fault.value)
