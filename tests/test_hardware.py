"""What trainings run on: read, written down, compared."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch.devices import DeviceTree, programs
from autoresearch.errors import ProjectError
from autoresearch.records.hardware import Hardware
from autoresearch.records.tables import Study
from autoresearch.records.values import ExperimentState, Verdict
from autoresearch.registry import Registry
from autoresearch.research.conditions import on_this_machine, refuse_incomparable
from autoresearch.workers import hardware as reading
from autoresearch.workers.hardware import hardware
from tests.cards import machine
from tests.rows import a_study, an_experiment

CARD = Hardware("cuda", "NVIDIA H200", 143771 * 2**20, "570.86.15", 700.0, 4, "3.11", "2.8.0",
                "CUDA 12.8")  # fmt: skip


@pytest.mark.parametrize(
    ("variables", "card"),
    [
        ({}, "NVIDIA GeForce RTX 4090, 24 GiB"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-2"}, "Tesla T4, 15 GiB"),
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, "NVIDIA GeForce GT 1030, 2 GiB"),
        ({"CUDA_VISIBLE_DEVICES": "9"}, None),
    ],
)
def test_it_is_the_card_that_the_training_gets(
    tmp_path: Path, variables: dict[str, str], card: str | None
) -> None:
    found = hardware("cuda", 4, variables, tree=machine(tmp_path))
    assert (found.device, found.threads) == ("cuda", 4)
    assert found.key.get("card") == card
    assert found.torch in found.key["software"]
    assert found.key.get("power limit") == ("350 W" if card else None)


def test_what_a_machine_does_not_tell_is_left_out(tmp_path: Path) -> None:
    silent = DeviceTree(tmp_path, "no-such-program", lambda: None)
    found = hardware("cuda", 1, {}, tree=silent)
    assert (found.name, found.driver, found.power_limit) == ("", "", None)
    assert "power limit" not in found.key


def test_a_program_that_fails_or_hangs_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert programs.output_of(["sh", "-c", "echo said"]) == "said\n"
    assert programs.output_of(["sh", "-c", "echo said; exit 9"]) == ""
    monkeypatch.setattr(programs, "_PATIENCE", 0.01)
    assert programs.output_of(["sleep", "60"]) == ""


def test_a_processor_is_what_a_training_on_the_cpu_runs_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text("processor\t: 0\nmodel name\t: Ada Core 9\n\nmodel name\t: another\n")
    monkeypatch.setattr(reading, "_PROCESSORS", told)
    assert hardware("cpu", 2, {}).key["processor"] == "Ada Core 9"
    told.write_text("CPU implementer : 0x41\n")
    assert hardware("cpu", 2, {}, ask=lambda _command: "Apple M2\n").name == "Apple M2"
    assert hardware("mps", 2, {}, ask=lambda _command: "Apple M2\n").key["card"] == "Apple M2"


@pytest.mark.parametrize(
    ("build", "toolkit"),
    [
        ("cuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n", "CUDA 12.8"),
        ("cuda = None\nhip = '6.3.42131'\n", "ROCm 6.3.42131"),
        ("cuda: Optional[str] = None\n", ""),
    ],
)
def test_the_toolkit_is_the_one_that_pytorch_was_built_for(build: str, toolkit: str) -> None:
    assert reading._built_for(build) == toolkit


def test_it_is_stored_and_told() -> None:
    assert Hardware.of(json.loads(json.dumps(CARD.stored))) == CARD
    assert Hardware.of({}) is None
    assert str(CARD) == (
        "NVIDIA H200, 140 GiB, driver 570.86.15, 700 W, CUDA 12.8, 4 CPU threads, Python 3.11, "
        "torch 2.8.0"
    )
    assert str(Hardware("cuda", threads=1)) == "1 CPU thread"


OTHERS = {
    "card": replace(CARD, name="NVIDIA H100"),
    "driver": replace(CARD, driver="580.1"),
    "power limit": replace(CARD, power_limit=450.0),
    "toolkit": replace(CARD, toolkit="CUDA 13.0"),
    "software": replace(CARD, torch="2.9.0"),
}


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry.open(tmp_path / "registry.db", create=True)


def scored(registry: Registry, key: dict[str, str]) -> Study:
    """A study of this key whose baseline has its score."""
    study = registry.save(a_study("night", comparability=json.dumps(key)))
    registry.save(an_experiment(study, verdict=Verdict.KEEP, val_bpb=1.9, commit_sha="0" * 40))
    return study


@pytest.mark.parametrize("part", OTHERS)
def test_another_machine_is_another_study(registry: Registry, part: str) -> None:
    study, now = scored(registry, CARD.key), OTHERS[part].key
    refuse_incomparable(on_this_machine(registry, study, CARD.key), CARD.key)
    said = f"with {part} {CARD.key[part]}, now it is {now[part]}: .*; start a new study with --tag"
    with pytest.raises(ProjectError, match=said):
        refuse_incomparable(on_this_machine(registry, study, now), now)


def test_what_was_never_written_down_refuses_nothing_and_is_from_then_on(
    registry: Registry,
) -> None:
    study = scored(registry, {"software": CARD.key["software"]})  # as older versions did
    study = on_this_machine(registry, study, CARD.key)
    assert json.loads(study.comparability) == CARD.key
    unread = {name: said for name, said in CARD.key.items() if name != "driver"}
    refuse_incomparable(on_this_machine(registry, study, unread), unread)
    with pytest.raises(ProjectError, match="driver"):
        refuse_incomparable(study, OTHERS["driver"].key)


def test_a_study_without_a_score_begins_anew_on_any_machine(registry: Registry) -> None:
    study = registry.save(a_study("night", comparability=json.dumps(CARD.key | {"clock": "cpu"})))
    registry.save(an_experiment(study, verdict=Verdict.CRASH))
    now = OTHERS["driver"].key
    found = on_this_machine(registry, study, now)
    assert json.loads(found.comparability) == {**now, "clock": "cpu"}
    refuse_incomparable(found, now)
    begun = an_experiment(study, verdict=None, state=ExperimentState.OPEN)
    registry.save(begun)
    with pytest.raises(ProjectError, match="driver"):
        refuse_incomparable(on_this_machine(registry, study, now), now)
