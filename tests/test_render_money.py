import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from autoresearch.config import MoneySettings
from autoresearch.records.money import CallEnding, Caps, Intent, Settlement, Usage
from autoresearch.records.tables import Experiment
from autoresearch.records.values import Category, Standing, TrialState, Verdict
from autoresearch.report.building import NOTHING_KNOWN
from autoresearch.report.tariff import GpuRate, Tariff, tariff
from tests.rendering import (
    HOSTILE,
    Fabricated,
    experiment_json,
    plain,
    show_experiment,
    show_status,
    study_json,
)
from tests.rows import a_study

SPEC = "openai:gpt-5.5"
CAPPED = Tariff(study_usd=5.0)
H100 = Tariff(5.0, GpuRate(2.5, "H100", counted=False))
COUNTED = Tariff(50.0, GpuRate(3.6, "GPU", counted=True))


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    return Fabricated(tmp_path)


def by(made: Fabricated, proposer: str, row: Experiment) -> Experiment:
    return made.registry.save(row.model_copy(update={"proposer": proposer}))


def call(made: Fabricated, worst: float, settlement: Settlement | None, name: str = SPEC) -> int:
    intent = Intent(name, "openai", "gpt-5.5", "propose", worst, "genai-prices 0.2.3")
    ledger = made.registry.ledger(made.study, Caps())
    number = ledger.reserve(intent)
    assert isinstance(number, int)
    if settlement is not None:
        ledger.settle(number, settlement)
    return number


def answered(cost: float) -> Settlement:
    usage = Usage(10_000, 500, 8_000)
    return Settlement(CallEnding.ANSWERED, cost, usage, 12.34, answer="DEPTH = 9 \x1b[2J")


@pytest.fixture
def night(made: Fabricated) -> Fabricated:
    """A baseline, two experiments of a model (one kept) that took three calls, one of optuna."""
    base = made.add(Verdict.KEEP, 1.9)
    base = by(made, "baseline", base.model_copy(update={"category": Category.BASELINE}))
    made.trial(base, 1.9)
    kept = by(made, SPEC, made.add(Verdict.KEEP, 1.8, delta=-0.05))
    made.registry.save(kept.model_copy(update={"standing": Standing.CONFIRMED}))
    dropped = by(made, SPEC, made.add(Verdict.DISCARD, 1.9, delta=0.02))
    made.trial(kept, 1.8)
    made.trial(by(made, "optuna", made.add(Verdict.DISCARD, 1.9)), 1.9)
    first, second = call(made, 1.0, answered(0.02)), call(made, 1.0, answered(0.03))
    lost = call(made, 0.5, Settlement(CallEnding.TIMED_OUT, None, latency=600.0))
    made.registry.ledger(made.study, Caps()).send_back(first, "the block was not found")
    kept = made.registry.experiment(int(kept.id or 0))
    made.registry.save(kept, calls=(first, second))
    made.registry.save(dropped, calls=(lost,))
    return made


def shown(made: Fabricated, tariff: Tariff = NOTHING_KNOWN, width: int = 160) -> str:
    console = plain(width)
    show_status(made.registry, made.study, console, tariff=tariff)
    return console.export_text()


def account(text: str, proposer: str) -> str:
    """Return the cells of a proposer's row, behind its name."""
    table = text[text.index("\nproposer ") :]
    (row,) = [line for line in table.splitlines() if line.startswith(proposer)]
    return " ".join(row.split()[1:])


def one(made: Fabricated, number: int) -> str:
    console = plain()
    show_experiment(made.registry, number, console)
    return " ".join(console.export_text().split())


def read_json(made: Fabricated, tariff: Tariff) -> Any:
    return json.loads(study_json(made.registry, made.study, tariff))


def test_each_proposer_has_a_row_and_the_totals_a_line(night: Fabricated) -> None:
    text = shown(night, CAPPED)
    assert account(text, SPEC) == "2 1 1 $0.5500 $0.2750 $0.5500 $0.5500 80% 0.0350"
    assert account(text, "optuna") == "1 0 0 - $0.00 - - - -"
    assert "spent $0.5500 of $5.00 ($0.5000 reserved)\n" in text
    assert "\nbaseline  " not in text
    assert "GPU" not in text


def test_training_is_shown_at_the_cards_usual_price(night: Fabricated) -> None:
    text = shown(night, H100)
    assert account(text, "optuna") == "1 0 0 - $0.0215 $0.0215 - - - -"
    assert "of $5.00 ($0.5000 reserved), GPU 93 s about $0.0646 at $2.50/h (H100" in text
    assert "counts against no cap" in text


def test_a_price_from_the_settings_is_part_of_what_was_spent(night: Fabricated) -> None:
    text = shown(night, COUNTED)
    line = "spent $0.6430 of $50.00, calls $0.5500 ($0.5000 reserved), GPU 93 s $0.0930 at $3.60/h"
    assert line in text
    assert "no cap" not in text


def test_hours_are_told_as_such(made: Fabricated) -> None:
    row = made.add(Verdict.DISCARD, 1.9)
    made.trial(row, None, state=TrialState.LOST)
    trial = made.registry.trials(row)[0]
    trial.state, trial.total_seconds = TrialState.DONE, 7.9 * 3600
    made.registry.save(trial)
    assert "spent $0.00, GPU 7.9 h about $19.75 at $2.50/h" in shown(
        made, Tariff(gpu=GpuRate(2.5, "H100", counted=False))
    )


def test_where_no_money_is_in_play_none_is_shown(made: Fabricated) -> None:
    made.night()
    assert "$" not in shown(made)
    assert "$" not in shown(made, CAPPED)


def test_a_study_whose_first_call_is_out_can_be_shown(made: Fabricated) -> None:
    call(made, 0.25, None)
    text = shown(made)
    assert account(text, SPEC) == "0 0 0 $0.2500 - - - - -"
    assert "spent $0.2500 ($0.2500 reserved)" in text


@pytest.mark.parametrize("width", [60, 72, 80, 100, 120, 160])
def test_accounts_fit_every_width(night: Fabricated, width: int) -> None:
    by(night, HOSTILE, night.add(Verdict.DISCARD, 1.9))
    by(night, "語" * 80, night.add(Verdict.DISCARD, 1.9))
    console = plain(width)
    show_status(night.registry, night.study, console, tariff=Tariff(gpu=H100.gpu))
    lines = console.export_text().splitlines()
    assert max(cell_len(line) for line in lines) <= width
    (header,) = [line for line in lines if line.startswith("proposer") and "keeps" in line]
    assert "$/confirmed" in header
    assert (width < 160) or "Δ missed by" in header


def test_hostile_names_and_reasons_stay_text(made: Fabricated) -> None:
    row = by(made, HOSTILE, made.add(Verdict.DISCARD, 1.9))
    said = Settlement(CallEnding.MALFORMED, None, detail=HOSTILE)
    number = call(made, 0.1, said, HOSTILE)
    made.registry.ledger(made.study, Caps()).send_back(number, HOSTILE)
    made.registry.save(row, calls=(number,))
    out = io.StringIO()
    console = Console(file=out, width=200, force_terminal=True)
    show_status(made.registry, made.study, console)
    show_experiment(made.registry, 1, console)
    assert "[bold red]raise[/]" in out.getvalue()
    for forbidden in ("\x1b]", "\x1b[2J", "\t", "\u202e", "\x9b", "\x07"):
        assert forbidden not in out.getvalue()


def test_who_rests_for_a_limit_has_a_line_until_it_was_asked_again(made: Fabricated) -> None:
    said = "claude asks to be left alone until 03:20: \x1b[2Jresets 3:20am"
    call(made, 0.5, Settlement(CallEnding.RATE_LIMITED, 0.0, detail=said), "command:claude")
    assert shown(made).count("command:claude: claude asks to be left alone until 03:20: ") == 1
    call(made, 0.5, answered(0.1), "command:claude")
    assert "left alone" not in shown(made)


def test_an_experiment_tells_its_calls(night: Fabricated) -> None:
    text = one(night, 2)
    assert "cost $0.0500 in 2 calls " in text
    assert (
        "call 1 · propose · answered · gpt-5.5 · 10,000 tokens in (8,000 cached), 500 out · "
        "$0.0200 · 12.3 s sent back: the block was not found call 2 · propose" in text
    )
    text = one(night, 3)
    assert "cost $0.5000 in 1 call, $0.5000 of it reserved" in text
    assert "timed out · gpt-5.5 · 0 tokens in, 0 out · $0.5000 reserved · 10 min" in text
    assert "call" not in one(night, 4)


def test_json_has_calls_accounts_and_the_tariff(night: Fabricated) -> None:
    read = read_json(night, H100)
    assert [each["cost_usd"] for each in read["calls"]] == [0.02, 0.03, 0.5]
    assert read["calls"][0]["sent_back"] == "the block was not found"
    assert "answer" not in read["calls"][0]
    accounts = {each["proposer"]: each for each in read["spending"]}
    assert accounts[SPEC]["keeps"] == 1
    assert accounts[SPEC]["reserved_usd"] == 0.5
    assert accounts["baseline"]["gpu_seconds"] == 31.0
    assert read["money"] == {
        "study_usd": 5.0,
        "gpu": {"hour_usd": 2.5, "name": "H100", "counted": False},
    }
    assert read_json(night, NOTHING_KNOWN)["money"] == {"study_usd": None, "gpu": None}


def test_an_experiments_json_has_what_was_answered(night: Fabricated) -> None:
    written = experiment_json(night.registry, 2)
    assert "\x1b" not in written
    read = json.loads(written)
    assert [each["answer"] for each in read["calls"]] == ["DEPTH = 9 \x1b[2J"] * 2


@pytest.mark.parametrize(
    ("card", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA GeForce RTX 4090", "4090"),
        ("Tesla T4", "T4"),
        ("Tesla V100-SXM2-16GB", "V100"),
        ("NVIDIA A10G", "A10G"),
        ("NVIDIA A1000", None),
        (None, None),
    ],
)
def test_a_common_card_has_a_usual_price(card: str | None, name: str | None) -> None:
    found = tariff(MoneySettings(), a_study("x", device="cuda"), card).gpu
    assert (found.name if found else None) == name
    assert found is None or (found.hour_usd > 0 and not found.counted)


def test_a_price_of_ones_own_comes_first_and_counts() -> None:
    mine = MoneySettings(study_usd=9.0, gpu_hour_usd=1.25)
    study = a_study("x", device="cuda")
    assert tariff(mine, study, "NVIDIA L4") == Tariff(9.0, GpuRate(1.25, "GPU", counted=True))
    assert tariff(mine, a_study("x"), None).gpu == GpuRate(1.25, "machine", counted=True)


def test_a_study_on_the_cpu_does_not_pay_for_the_card_beside_it() -> None:
    assert tariff(MoneySettings(), a_study("x", device="cpu"), "NVIDIA H100") == NOTHING_KNOWN
