import io
import os
from datetime import timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from autoresearch.records.values import (
    Ending,
    ExperimentState,
    StudyState,
    TrialState,
    Trust,
    Verdict,
)
from autoresearch.render import duty
from autoresearch.render.status import STALE_SECONDS, status
from tests.rendering import HOSTILE, START, Fabricated, plain

NOW = START + timedelta(hours=8)


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    return Fabricated(tmp_path)


def shown(made: Fabricated, width: int = 160, last: int | None = 30) -> str:
    console = plain(width)
    status(made.registry, made.study, console, last=last)
    return console.export_text()


def test_every_kind_has_its_row_and_its_count(made: Fabricated) -> None:
    made.night()
    text = shown(made)
    lines = text.splitlines()
    assert lines[0] == (
        "study nov23 on autoresearch/nov23 · 20 s of CPU time a trial · cpu · "
        "corpus stdlib 0123456789ab · unsealed"
    )
    assert lines[1].split() == [
        "id", "verdict", "val_bpb", "Δ", "seconds", "proposer", "hypothesis",
    ]  # fmt: skip
    kept = "2 keep 1.8432 ± 0.0031 -0.0691 ± 0.0040 42 optuna raise the matrix learning rate"
    assert " ".join(lines[3].split()) == kept
    assert [line.split()[1] for line in lines[2:8]] == [
        "keep", "keep", "discard", "crash", "invalid", "disqualified",
    ]  # fmt: skip
    assert lines[8] == duty.UNKNOWN  # nobody wrote down what these trials took
    summary = " ".join(" ".join(lines[9:]).split())
    assert summary == (
        "2 kept (0 confirmed), 1 discarded, 1 crashed, 1 invalid, 1 disqualified, "
        "32.7 experiments an hour; "
        "best val_bpb 1.8432 ± 0.0031 (unsealed), 0.0691 bpb (3.61%) below the baseline's 1.9123"
    )


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


def test_a_worse_incumbent_is_said_to_be_above_the_baseline(made: Fabricated) -> None:
    made.add(Verdict.KEEP, 1.9)
    made.add(Verdict.KEEP, 1.95, delta=-0.01, parent=1)
    assert "0.0500 bpb (2.63%) above the baseline's 1.9000" in " ".join(shown(made).split())


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
    everything = shown(made, last=None)
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
    assert text.splitlines()[2].split()[:2] == ["1", word]
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
    lines = shown(made).splitlines()
    assert [line.split()[1] for line in lines[2:5]] == ["running", "running", "waiting"]
    assert "stale" not in " ".join(lines)


def test_a_keep_whose_branch_has_not_followed_is_a_keep(made: Fabricated) -> None:
    made.add(Verdict.KEEP, 1.9, state=ExperimentState.COMMITTING)
    assert shown(made).splitlines()[2].split()[1] == "keep"


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
    status(made.registry, made.study, Console(file=out, width=200, force_terminal=True))
    text = out.getvalue()
    assert "[bold red]raise[/] the lr" in text
    assert "[link=http://evil]" in text
    assert ":skull:" in text
    for forbidden in ("\x1b]", "\x1b[2J", "\t", "\u202e", "\x9b", "\x07"):
        assert forbidden not in text
    assert len(text) < 3000


def test_piped_output_has_no_escape_and_a_terminals_has_colour(made: Fabricated) -> None:
    made.night()
    piped, terminal = io.StringIO(), io.StringIO()
    status(made.registry, made.study, Console(file=piped, width=100))
    status(made.registry, made.study, Console(file=terminal, width=100, force_terminal=True))
    assert "\x1b" not in piped.getvalue()
    assert "\x1b[1;32mkeep" in terminal.getvalue()


def test_no_color_is_obeyed(made: Fabricated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "NO_COLOR", "1")
    made.night()
    out = io.StringIO()
    status(made.registry, made.study, Console(file=out, width=100, force_terminal=True))
    assert "\x1b[3" not in out.getvalue().replace("\x1b[3m", "")
    assert ";3" not in out.getvalue()


def test_a_crashed_trial_does_not_hide_its_experiment(made: Fabricated) -> None:
    crash = made.add(Verdict.CRASH, None, "a bad idea")
    made.trial(crash, None, ending=Ending.NAN, detail="loss is nan")
    assert "a bad idea" in shown(made)
