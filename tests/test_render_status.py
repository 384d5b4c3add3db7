import io
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from autoresearch.records.metric import Direction, Metric, MetricSource
from autoresearch.records.values import (
    Category,
    Ending,
    ExperimentState,
    Standing,
    StudyState,
    TrialState,
    Trust,
    Verdict,
)
from autoresearch.registry import RunNote
from autoresearch.render import duty
from autoresearch.render.experiment import experiment
from autoresearch.render.experiment_table import STALE_SECONDS
from autoresearch.render.headline import ASCII, sparkline
from autoresearch.render.machine import write_experiment_json, write_study_json
from autoresearch.render.status import status
from autoresearch.render.tsv import write_tsv
from autoresearch.report import study_report
from autoresearch.report.full import experiment_in_full
from autoresearch.report.rows import StudyRows
from autoresearch.report.selection import Order, Selection
from tests.rendering import HOSTILE, START, Fabricated, plain, show_status, study_json, study_tsv

NOW = START + timedelta(hours=8)


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    return Fabricated(tmp_path)


def shown(made: Fabricated, width: int = 160, **asked: Any) -> str:
    console = plain(width)
    show_status(made.registry, made.study, console, chosen=Selection(**asked))
    return console.export_text()


def rows(text: str) -> list[list[str]]:
    """Return the words of each row of the table of experiments."""
    lines = text.splitlines()
    at = next(at for at, line in enumerate(lines) if line.split()[:2] == ["id", "verdict"])
    return [line.split() for line in lines[at + 1 :]]


def test_a_keep_that_was_taken_back_is_told_from_what_never_was_one(made: Fabricated) -> None:
    made.night()
    row = made.add(Verdict.DISCARD, 1.83, delta=-0.01)
    made.registry.save(row.model_copy(update={"standing": Standing.REFUTED}))
    text = shown(made)
    assert [str(row.id), "refuted"] in [each[:2] for each in rows(text)]
    assert "2 discarded (1 refuted)" in text


def test_every_kind_has_its_row_and_its_count(made: Fabricated) -> None:
    made.night()
    text = shown(made)
    lines = text.splitlines()
    assert lines[0] == (
        "study nov23 on autoresearch/nov23 · 20 s of CPU time a trial · cpu · "
        "corpus stdlib 0123456789ab · unsealed"
    )
    assert [line.split()[0] for line in lines[1:5]] == ["best", "gain", "so", "tried"]
    summary = " ".join(" ".join(lines[1:6]).split())
    assert summary.startswith(
        "best experiment 2, val_bpb 1.8432 ± 0.0031 (unsealed) "
        "gain 0.0691 bpb (3.61%) below the baseline's 1.9123, 95%: 0.0613 to 0.0769 so far "
    )
    assert summary.endswith(
        "tried 2 kept (0 confirmed), 1 discarded, 1 crashed, 1 refused (invalid), 1 disqualified "
        "time 32.7 experiments an hour · 11 min at work"
    )
    assert lines[6].split() == [
        "id", "verdict", "val_bpb", "Δ", "%", "better/same/worse", "seconds", "proposer",
        "hypothesis",
    ]  # fmt: skip
    kept = "2 keep 1.8432 ± 0.0031 -0.0691 ± 0.0040 - 42 optuna raise the matrix learning rate"
    assert " ".join(lines[8].split()) == kept
    assert [row[1] for row in rows(text)[:6]] == [
        "keep", "keep", "discard", "crash", "invalid", "disqualified",
    ]  # fmt: skip
    assert lines[13] == duty.UNKNOWN  # nobody wrote down what these trials took
    assert lines[-1] == "Next: autoresearch diff 2 · autoresearch run, to confirm and go on"


def test_it_says_what_the_audit_allows_and_what_it_would_have_found(made: Fabricated) -> None:
    assert "computed again" not in shown(made)
    kept = made.add(Verdict.KEEP, 1.9)
    made.trial(kept, 1.9, detectable=0.0011)
    for tolerance, noise in ((0.0423, 0.004), (0.5, 0.06)):
        made.study.audit_tolerance, made.study.audit_noise = tolerance, noise
        text = " ".join(shown(made).split())
        allowed = f"a prediction computed again may differ by {tolerance:.2g} nats"
        found = "in the best's score a leak worth 0.0011 bpb would have been found"
        assert f"{allowed}; {found}" in text
        assert ("honest changes may fail the audit" in text) == (tolerance == 0.5)


def test_the_gain_is_what_the_keeps_are_believed_to_have_done(made: Fabricated) -> None:
    made.add(Verdict.KEEP, 1.9)
    made.add(Verdict.KEEP, 1.95, delta=-0.01, parent=1)  # a mean score holds the seeds' noise, too
    text = " ".join(shown(made).split())
    assert "0.0100 bpb (0.53%) below the baseline's 1.9000, 95%: 0.0022 to 0.0178 " in text
    made.add(Verdict.KEEP, 1.94, delta=0.02, parent=2)
    text = " ".join(shown(made).split())
    assert "0.0100 bpb (0.53%) above the baseline's 1.9000, 95%: -0.0211 to +0.0011 (it may" in text


def test_why_the_best_was_kept_is_said(made: Fabricated) -> None:
    made.add(Verdict.KEEP, 1.9)
    kept = made.add(
        Verdict.KEEP, 1.89, delta=-0.01, parent=1, reason="as good with 2 fewer lines: x"
    )
    likely = {"p_better": 0.18, "p_neutral": 0.71}
    made.registry.save(kept.model_copy(update=likely))
    chances = "18% better, 71% no difference, 11% worse"
    assert f"why {chances} · as good with 2 fewer lines " in " ".join(shown(made).split())
    assert "18/71/11" in shown(made)
    sure = {"standing": Standing.CONFIRMED, "claim_reason": "by 3 fresh pairs"}
    made.registry.save(kept.model_copy(update=likely | sure))
    assert f"why {chances} · confirmed: by 3 fresh pairs" in " ".join(shown(made).split())


def test_a_metric_that_goes_up_is_shown_as_it_goes(made: Fabricated) -> None:
    accuracy = Metric("val_accuracy", "", Direction.HIGHER, MetricSource.EVALUATED, 3)
    up = {"measure": accuracy.stored, "trust": Trust.EVALUATED}
    made.study = made.registry.save(made.study.model_copy(update=up))
    made.add(Verdict.KEEP, -0.85)
    made.add(Verdict.KEEP, -0.87, delta=-0.02, parent=1)
    text = shown(made)
    assert "experiment 2, val_accuracy 0.870 ± 0.003 (evaluated)" in text
    assert "0.020 (2.35%) above the baseline's 0.850, 95%: 0.012 to 0.028" in text
    assert rows(text)[1][2:8] == ["0.870", "±", "0.003", "+0.020", "±", "0.004"]
    assert "bpb" not in text
    told = json.loads(study_json(made.registry, made.study))
    assert (told["experiments"][1]["val_bpb"], told["experiments"][1]["delta"]) == (0.87, 0.02)
    assert told["summary"]["gain"] == pytest.approx(0.02)
    assert told["metric"]["direction"] == "higher"
    header, _, row = study_tsv(made.registry, made.study).splitlines()
    assert header.split("\t")[1] == "val_accuracy"
    assert row.split("\t")[1] == "0.870000"


def test_the_time_that_a_run_has_left_is_said(tmp_path: Path) -> None:
    made = Fabricated(tmp_path, state=StudyState.RUNNING, now=lambda: NOW)
    made.add(Verdict.KEEP, 1.9)
    note = RunNote(1, "elsewhere", START.isoformat(), "")
    ends = ((None, 3, "the run ends after 3 experiments"), (None, None, "the run has no set end"))
    later = NOW + timedelta(hours=2, minutes=10)
    for until, count, said in (*ends, (later, 3, "2 h 10 min left"), (NOW, None, "ending")):
        console = plain(200)
        run = note.with_end(until, count)
        show_status(made.registry, made.study, console, run=run)
        text = console.export_text()
        assert said in text
        assert "Next:" not in text
        assert "a run is at work since" in text


def test_only_what_is_asked_for_is_shown(made: Fabricated) -> None:
    made.night()
    optuna = made.registry.experiment(3)
    made.registry.save(optuna.model_copy(update={"proposer": "random", "category": "schedule"}))
    for asked, numbers in (
        ({"kept": True}, ["1", "2"]),
        ({"last": 2}, ["5", "6"]),
        ({"proposer": "rand"}, ["3"]),
        ({"category": Category.SCHEDULE}, ["3"]),
        ({"since": START + timedelta(minutes=8)}, ["5", "6"]),
        ({"order": Order.SCORE}, ["2", "3", "1", "4", "5", "6"]),
        ({"order": Order.EFFECT, "most": 2}, ["2", "3"]),
        ({"order": Order.EFFECT, "last": 4}, ["3", "4", "5", "6"]),
    ):
        found = [row[0] for row in rows(shown(made, **asked)) if row[0].isdigit()]
        assert found == numbers, asked
    assert "2 of 6 are asked for" in shown(made, kept=True)
    nobody = shown(made, proposer="nobody")
    assert "0 of 6 are asked for" in nobody
    assert "hypothesis" not in nobody


def test_what_is_shown_of_a_report_asks_the_registry_nothing(made: Fabricated) -> None:
    made.night()
    report = study_report(made.registry, made.study, whole=False)
    rows_of_it, one = StudyRows.of(made.registry, made.study), experiment_in_full(made.registry, 2)
    made.registry.close()
    Path(str(made.registry._engine.url.database)).unlink()
    console, out = plain(), io.StringIO()
    status(report, console)
    experiment(one, console)
    write_study_json(report, rows_of_it, out)
    write_experiment_json(one, out)
    write_tsv(report.experiments, report.study.metric, out)
    assert "look ahead" in console.export_text()
    assert "look ahead" in out.getvalue()


def test_the_best_so_far_is_a_line_that_goes_as_the_metric_goes() -> None:
    falling = [1.0, 1.0, 0.7, 0.7, 0.0]
    assert sparkline(falling, 60) == "██▆▆▁"
    assert sparkline([-each for each in falling], 3) == "▁▃█"
    assert sparkline(range(1000), 8, ASCII) == ASCII
    assert (sparkline([2.0, 2.0], 10), sparkline([], 10)) == ("▁▁", "")


def test_sealed_scores_carry_no_warning(tmp_path: Path) -> None:
    sealed = Fabricated(tmp_path, trust=Trust.SEALED)
    sealed.night()
    text = shown(sealed)
    assert "· sealed" in text
    assert "unsealed" not in text


def test_only_the_last_are_shown_and_the_earlier_counted(made: Fabricated) -> None:
    for number in range(40):
        made.add(Verdict.DISCARD, 1.9 + number / 1000, f"idea {number}")
    text = shown(made)
    assert "… 10 earlier (--all)" in text
    assert "idea 9 " not in text
    assert "idea 10 " in text
    everything = shown(made, most=None)
    assert "earlier" not in everything
    assert "idea 0 " in everything
    assert "40 discarded" in everything


def test_an_empty_study_has_a_header_and_a_summary(made: Fabricated) -> None:
    text = shown(made)
    assert "study nov23" in text
    assert "0 kept" in text
    assert "no score yet" in text


@pytest.mark.parametrize(
    ("state", "silence", "word"),
    [
        (StudyState.RUNNING, STALE_SECONDS - 1, "running"),
        (StudyState.RUNNING, STALE_SECONDS + 1, "stale"),
        (StudyState.STOPPED, STALE_SECONDS - 1, "unfinished"),
        (StudyState.STOPPED, STALE_SECONDS + 1, "unfinished"),
    ],
)
def test_an_unfinished_experiment_is_shown_as_such(
    tmp_path: Path, state: StudyState, silence: float, word: str
) -> None:
    made = Fabricated(tmp_path, state=state, now=lambda: NOW)
    running = made.add(None)
    made.trial(
        running,
        None,
        ending=None,
        state=TrialState.RUNNING,
        heartbeat=NOW - timedelta(seconds=silence),
    )
    text = shown(made)
    assert rows(text)[0][:2] == ["1", word]
    assert ("no sign of life for 61 s" in text) == (word == "stale")
    assert "1 unfinished" in text


def test_the_incumbents_comparison_trial_is_a_sign_of_life(tmp_path: Path) -> None:
    made = Fabricated(tmp_path, state=StudyState.RUNNING, now=lambda: NOW)
    incumbent = made.add(Verdict.KEEP, 1.9)
    made.add(None, parent=1)
    assert "stale" in shown(made)
    made.trial(incumbent, None, ending=None, state=TrialState.RUNNING, heartbeat=NOW)
    assert "stale" not in shown(made)


def test_what_waits_for_a_slot_is_neither_running_nor_stale(tmp_path: Path) -> None:
    made = Fabricated(tmp_path, state=StudyState.RUNNING, now=lambda: NOW)
    for _ in range(2):
        at_work = made.add(None)
        made.trial(at_work, None, ending=None, state=TrialState.RUNNING, heartbeat=NOW)
    made.add(None)
    text = shown(made)
    assert [row[1] for row in rows(text)[:3]] == ["running", "running", "waiting"]
    assert "stale" not in text


def test_a_keep_whose_branch_has_not_followed_is_a_keep(made: Fabricated) -> None:
    made.add(Verdict.KEEP, 1.9, state=ExperimentState.COMMITTING)
    assert rows(shown(made))[0][1] == "keep"


@pytest.mark.parametrize("width", [60, 72, 80, 100, 120, 160, 200])
def test_it_fits_every_width(made: Fabricated, width: int) -> None:
    made.night()
    made.add(Verdict.DISCARD, 1.9, "long " * 100, delta=0.1)
    made.add(Verdict.DISCARD, 1.9, "語" * 300, delta=0.1)
    made.add(Verdict.DISCARD, 1.9, HOSTILE, delta=0.1)
    lines = shown(made, width).splitlines()
    assert max(cell_len(line) for line in lines) <= width
    assert sum("long long" in line and "…" in line for line in lines) == 1
    assert sum("disqualified" in line and "look ahead" in line for line in lines) == 1


def test_hostile_text_neither_commands_the_terminal_nor_the_table(made: Fabricated) -> None:
    made.add(Verdict.DISCARD, 1.9, HOSTILE, delta=0.1)
    made.add(Verdict.DISCARD, 1.9, "x" * 1_000_000, delta=0.1)
    out = io.StringIO()
    show_status(made.registry, made.study, Console(file=out, width=200, force_terminal=True))
    text = out.getvalue()
    assert "[bold red]raise[/] the lr" in text
    assert "[link=http://evil]" in text
    assert ":skull:" in text
    for forbidden in ("\x1b]", "\x1b[2J", "\t", "\u202e", "\x9b", "\x07"):
        assert forbidden not in text
    assert len(text) < 3500


def test_piped_output_has_no_escape_and_a_terminals_has_colour(made: Fabricated) -> None:
    made.night()
    piped, terminal = io.StringIO(), io.StringIO()
    show_status(made.registry, made.study, Console(file=piped, width=100))
    show_status(made.registry, made.study, Console(file=terminal, width=100, force_terminal=True))
    assert "\x1b" not in piped.getvalue()
    assert "\x1b[1;32mkeep" in terminal.getvalue()


def test_no_color_is_obeyed(made: Fabricated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "NO_COLOR", "1")
    made.night()
    out = io.StringIO()
    show_status(made.registry, made.study, Console(file=out, width=100, force_terminal=True))
    assert "\x1b[3" not in out.getvalue().replace("\x1b[3m", "")
    assert ";3" not in out.getvalue()


def test_a_crashed_trial_does_not_hide_its_experiment(made: Fabricated) -> None:
    crash = made.add(Verdict.CRASH, None, "a bad idea")
    made.trial(crash, None, ending=Ending.NAN, detail="loss is nan")
    assert "a bad idea" in shown(made)
