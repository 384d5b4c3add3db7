"""The line about duty, the same for programs, and what older trials leave unknown."""

import json
from pathlib import Path

import pytest

from autoresearch.policy import Duty
from autoresearch.records.values import Ending, Purpose, Verdict
from autoresearch.render import duty
from tests.rendering import Fabricated, plain, show_status, study_json


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (None, None),
        (Duty(None, 0.0, {}, 0, 2), duty.UNKNOWN),
        (
            Duty(0.9, 3600.0, {"proposals": 223.2, "start-up": 136.0, "deciding": 0.8}, 10, 0),
            (
                "duty 90% of 1 h 0 min, 10.0 experiments an hour a device; "
                "of the rest: proposals 62%, start-up 38%"
            ),
        ),
        (
            Duty(1.0, 60.0, {}, 1, 1),
            (
                "duty 100% of 60 s, 60.0 experiments an hour a device "
                "(without 1 trial of unknown seconds)"
            ),
        ),
    ],
)
def test_the_line_says_what_held_it_back(found: Duty | None, line: str | None) -> None:
    told = duty.line(found)
    assert (told.plain if told else None) == line


def test_status_and_json_sum_it_up_over_the_study(tmp_path: Path) -> None:
    made, console = Fabricated(tmp_path), plain()
    kept = made.add(Verdict.KEEP, 1.9)
    made.trial(kept, 1.9)
    show_status(made.registry, made.study, console)
    assert duty.UNKNOWN in console.export_text()
    took = {"idle_seconds": 15.0, "machine_seconds": 0.0, "paused_seconds": 0.0}
    took |= {"deciding_seconds": 1.0, "slot_seconds": 30.0, "waiting_seconds": 0.0}
    made.trial(kept, 1.9, seed=6, took=took)
    made.trial(kept, None, seed=7, ending=Ending.INTERRUPTED, took=took)
    made.trial(kept, None, purpose=Purpose.CANARY)  # its seconds are another trial's
    made.study = made.registry.save(made.study.model_copy(update={"idle": {"end": 8.0}}))
    console = plain()
    show_status(made.registry, made.study, console)
    text = " ".join(console.export_text().split())
    assert "duty 20% of 1 min 40 s, 36.0 experiments an hour a device; of the rest: " in text
    assert "(without 1 trial of unknown seconds)" in text
    told = json.loads(study_json(made.registry, made.study))["duty"]
    assert (told["share"], told["unknown"], told["held"]["proposals"]) == (0.2, 1, 30.0)
    assert told["held"]["interrupted"] == 30.0
