import io
from pathlib import Path

import pytest
from rich.console import Console

from autoresearch.records.money import CallEnding, Caps, Intent, Settlement
from autoresearch.records.values import Ending, TrialState, Verdict
from autoresearch.render.experiment import log
from autoresearch.render.patch import code
from autoresearch.report.full import experiment_in_full
from tests.rendering import HOSTILE, START, Fabricated, plain, show_experiment


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    return Fabricated(tmp_path)


def shown(made: Fabricated, number: int, width: int = 160) -> str:
    console = plain(width)
    show_experiment(made.registry, number, console)
    return console.export_text()


def logged(made: Fabricated, number: int) -> str:
    out = io.StringIO()
    found = experiment_in_full(made.registry, number)
    log(found, Console(file=out, width=60, force_terminal=True))
    return out.getvalue()


def test_every_field_is_told(made: Fabricated) -> None:
    made.night()
    row = made.registry.experiment(2)
    made.trial(row, 1.8432)
    made.trial(row, 1.8433, seed=6)
    words = " ".join(shown(made, 2).split())
    for told in (
        "experiment 2 · keep",
        "hypothesis raise the matrix learning rate",
        "proposer optuna",
        "category optimizer",
        "val_bpb 1.843200 ± 0.003100 (unsealed)",
        "Δ to experiment 1 -0.069100 ± 0.004000",
        "predicted Δ -0.010000",
        "test_bpb -",
        "took 42.4 s",
        "peak memory 430 MiB",
        "lines +1 -1",
        "commit 0000002" + "b" * 33 + " on " + "a" * 40,
        "effect hash " + "c" * 64,
        "seed 5 · screening · finished · val_bpb 1.843200 (unsealed) · worker local",
        "seed 6 · screening · finished · val_bpb 1.843300 (unsealed)",
        "start-up 2.5 s (1.5 s of it compiling) · training 20 s · scoring 4 s · total 27 s",
        "312 steps · 319,488 tokens · peak memory 430 MiB · mismatch 0 nats · exit code 0",
        "on Ada Core 9, 2 CPU threads, Python 3.11, torch 2.8.0",
        "facts: MATRIX_LR=0.02, num_params=490000",
        "-MATRIX_LR = 0.02 +MATRIX_LR = 0.04",
    ):
        assert told in words


def test_what_a_command_does_not_count_is_not_told_as_nothing(made: Fabricated) -> None:
    made.trial(made.add(Verdict.KEEP, 1.9), 1.9, steps=0)
    found = shown(made, 1)
    assert "peak memory 430 MiB" in found
    assert not [word for word in ("0 steps", "0 tokens", "mismatch") if word in found]


def test_ideas_for_later_are_told_with_what_became_of_them(made: Fabricated) -> None:
    made.night()
    notes = (
        {"later": ["tie \x1b[31mthem", "wider", "deeper"]},
        {"takes": ["2.1"], "drops": ["2.3"]},
    )
    for number, note in zip((2, 3), notes, strict=True):
        row = made.registry.experiment(number)
        made.registry.save(row.model_copy(update={"notes": note, "proposer": "optuna"}))
    told = " ".join(shown(made, 2).split())
    assert "later 2.1 tie them (taken up by experiment 3)" in told
    assert "later 2.2 wider later 2.3 deeper (dropped)" in told
    assert "later" not in shown(made, 3)


def test_where_the_time_of_a_step_goes_is_told(made: Fabricated) -> None:
    row = made.add(Verdict.KEEP, 1.9)
    trial = made.trial(row, None, ending=None, state=TrialState.RUNNING)
    rows = [[0, 0.914, "train.py", 3, "loss = model(x)"], [1, 0.4, "n.py", 7, "\x1b[31mred = [b]1"]]
    made.registry.save(trial.model_copy(update={"profile": rows}))
    text = shown(made, 1)
    assert "  91% train.py:3 loss = model(x)" in text
    assert "  40%   n.py:7 red = [b]1" in text


def test_a_call_that_made_several_experiments_costs_each_its_share(made: Fabricated) -> None:
    for _ in range(3):
        made.add(Verdict.DISCARD, 1.9)
    ledger = made.registry.ledger(made.study, Caps())
    call = ledger.reserve(Intent("openai:m", "openai", "m", "propose", 0.5, ""))
    assert isinstance(call, int)
    ledger.settle(call, Settlement(CallEnding.ANSWERED, 0.3, None, 1.0, "", "said"))
    made.registry.save(made.registry.experiment(1), calls=[call])
    for number in (2, 3):
        row = made.registry.experiment(number)
        made.registry.save(row.model_copy(update={"call_id": call}))
    for number in (1, 2, 3):
        told = " ".join(shown(made, number).split())
        assert "cost $0.1000 in 1 call" in told
        assert "shared by experiments 1, 2, 3" in told


def test_a_crash_shows_its_reason_and_traceback(made: Fabricated) -> None:
    crash = made.add(Verdict.CRASH, None, "a bad idea", reason="exception: ValueError")
    trace = "Traceback (most recent call last):\n  File 'train.py'\nValueError: [bold]no[/]"
    made.trial(crash, None, ending=Ending.EXCEPTION, detail="ValueError: no", traceback=trace)
    text = shown(made, 1)
    assert "reason exception: ValueError" in " ".join(text.split())
    assert "· exception · val_bpb -" in text
    assert "ValueError: [bold]no[/]" in text
    assert "  File 'train.py'" in text


def test_the_baseline_has_no_change_and_an_invalid_one_shows_what_was_proposed(
    made: Fabricated,
) -> None:
    made.add(Verdict.KEEP, 1.9, patch="")
    refused = made.add(Verdict.INVALID, None)
    made.registry.save(refused.model_copy(update={"patch": "", "change_text": "<<<<<<< SEARCH"}))
    assert "no change to the code" in shown(made, 1)
    text = shown(made, 2)
    assert "change as proposed" in text
    assert "<<<<<<< SEARCH" in text


def test_a_running_experiment_can_be_shown(made: Fabricated) -> None:
    row = made.add(None)
    made.trial(row, None, ending=None, state=TrialState.RUNNING, heartbeat=START)
    text = shown(made, 1)
    assert "experiment 1 · open, no verdict yet" in text
    assert "seed 5 · screening · running" in text
    assert "last sign of life" in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_hostile_text_stays_text(made: Fabricated, width: int) -> None:
    row = made.add(Verdict.DISCARD, 1.9, HOSTILE, reason=HOSTILE, patch=f"+{HOSTILE}")
    made.trial(row, 1.9, detail=HOSTILE, traceback=HOSTILE, facts={HOSTILE: HOSTILE})
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True)
    show_experiment(made.registry, 1, console)
    text = out.getvalue()
    assert "[bold" in text
    for forbidden in ("\x1b]", "\x1b[2J", "\t", "\u202e", "\x9b", "\x07"):
        assert forbidden not in text


def test_a_patch_hides_nothing() -> None:
    out = io.StringIO()
    code("+safe()\x1b[2K\revil()\n+\x1bPhidden()\n+\tindented()\n \n", Console(file=out, width=80))
    text = out.getvalue()
    for visible in ("safe()", "evil()", "hidden()", "\\r", "\\x1b", "+   indented()"):
        assert visible in text


def test_a_patch_of_a_thousand_lines_is_shown_to_the_end() -> None:
    out = io.StringIO()
    code("\n".join(f"+line {n}" for n in range(1000)), Console(file=out, width=80))
    assert [line.strip() for line in out.getvalue().splitlines()] == [
        f"+line {n}" for n in range(1000)
    ]


def test_the_log_is_whole_and_safe(made: Fabricated) -> None:
    row = made.add(Verdict.DISCARD, 1.9)
    lines = b"".join(b"step %d\n" % n for n in range(500))
    made.trial(row, 1.9, log=b"first\n" + lines + b"\xff\x1b[2J[red]last[/]\x07 " + b"w " * 100)
    text = logged(made, 1)
    assert text.startswith("first\nstep 0\n")
    assert "step 499" in text
    assert "\\xff[red]last[/]\\x07" in text
    assert ("w " * 100).strip() in text.splitlines()[-1]
    assert "\x1b" not in text


def test_all_that_is_stored_of_a_log_can_be_read(made: Fabricated) -> None:
    row = made.add(Verdict.DISCARD, 1.9)
    log = b"".join(b"step %d %s\n" % (n, b"=" * 200) for n in range(15_000)) + b"w" * 9000 + b" end"
    made.trial(row, 1.9, log=log)
    rows = logged(made, 1).rstrip("\n").split("\n")
    assert rows[0].startswith("step 0 ==")
    assert len(rows) == 15_001
    assert rows[-1] == "w" * 9000 + " end"


def test_the_logs_of_several_trials_are_told_apart(made: Fabricated) -> None:
    row = made.add(Verdict.DISCARD, 1.9)
    made.trial(row, 1.9, log=b"one")
    made.trial(row, 1.9, seed=6, log=b"")
    text = logged(made, 1)
    assert "trial 1, seed 5" in text
    assert "trial 2, seed 6" in text
    assert "(no output)" in text


def test_an_experiment_without_trials_has_no_log(made: Fabricated) -> None:
    made.add(Verdict.INVALID)
    assert logged(made, 1).strip() == "no trial, so no log"
