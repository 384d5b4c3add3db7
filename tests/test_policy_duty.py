"""Where the slots' time went: sums and shares, and the clock that says what each trial took."""

from pathlib import Path

import pytest

from autoresearch.policy import Phases, duty
from autoresearch.records.phases import IdleReason, SlotTime
from autoresearch.records.values import Ending, FailureKind, TrialState
from autoresearch.research.slot_clock import SlotClock
from tests.rendering import Fabricated

WHOLE = Phases(on_slot=70.0, startup=4.0, training=62.0, counted=60.0, scoring=3.0)


@pytest.mark.parametrize(
    ("phases", "tail", "share", "held"),
    [
        ([WHOLE], {}, 60 / 70, {"start-up": 5.0, "scoring": 3.0, "waiting for the machine": 2.0}),
        (
            [Phases(idle=30.0, on_slot=60.0, training=60.0, counted=60.0)],
            {},
            2 / 3,
            {"proposals": 30},
        ),
        (
            [
                Phases(
                    deciding=1.0, paused=5.0, machine=4.0, on_slot=10.0, training=10.0, counted=10.0
                )
            ],
            {},
            0.5,
            {"paused": 5.0, "waiting for the machine": 4.0, "deciding": 1.0},
        ),
        (
            [Phases(on_slot=60.0, training=60.0, counted=60.0), Phases(on_slot=20.0, lost=True)],
            {"end": 15.0, "proposals": 5.0},
            0.6,
            {"interrupted": 20.0, "the end of runs": 15.0, "proposals": 5.0},
        ),
    ],
)
def test_what_was_no_counted_training_has_a_name(
    phases: list[Phases], tail: dict[str, float], share: float, held: dict[str, float]
) -> None:
    found = duty(phases, tail, trained=1, unknown=0)
    assert found is not None
    assert found.share == pytest.approx(share)
    assert dict(found.held) == pytest.approx(held)
    assert list(found.held) == sorted(held, key=lambda name: -held[name])
    assert sum(found.held.values()) == pytest.approx(found.slot_seconds * (1 - share))
    assert sum(found.shares.values()) == pytest.approx(1.0)


def test_sums_give_what_their_trials_give() -> None:
    summed = Phases(on_slot=140.0, startup=8.0, training=124.0, counted=120.0, scoring=6.0)
    assert duty([summed], {}, trained=2, unknown=0) == duty([WHOLE] * 2, {}, trained=2, unknown=0)


def test_what_nobody_wrote_down_is_unknown_and_not_zero() -> None:
    assert duty([], {}, trained=0, unknown=0) is None
    found = duty([], {}, trained=0, unknown=3)
    assert found is not None
    assert (found.share, found.per_hour, found.unknown) == (None, None, 3)


def test_the_slot_clock_gives_every_second_to_one_reason() -> None:
    now = [0.0]
    clock = SlotClock(lambda: now[0])

    def wait(seconds: float, **reasons: IdleReason) -> None:
        now[0] += seconds
        clock.passed(seconds, reasons)

    clock.open(["a", "b"])
    wait(7.0, a=IdleReason.PROPOSALS, b=IdleReason.PAUSED)
    wait(6.0, a=IdleReason.DECIDING, b=IdleReason.DECIDING)  # for a check
    now[0] += 2.0  # nothing is waited for: the controller decides
    clock.begin("a", waiting=1.5)
    assert clock.is_training("a")
    assert not clock.is_training("b")
    wait(20.0, b=IdleReason.END)
    wait(5.0, a=IdleReason.MACHINE, b=IdleReason.END)  # a pause in the midst of it
    assert clock.end("a") == SlotTime(1.5, idle=7.0, machine=5.0, deciding=8.0, on_slot=20.0)
    wait(3.0, a=IdleReason.MACHINE)
    clock.begin("a", waiting=0.0)
    assert clock.end("a") == SlotTime(machine=3.0)
    wait(4.0, a=IdleReason.END)
    assert clock.rest() == {"paused": 7.0, "end": 29.0, "deciding": 15.0}


def test_of_a_slot_that_is_gone_no_further_time_is_counted() -> None:
    now = [0.0]
    clock = SlotClock(lambda: now[0])
    clock.open(["a", "b"])
    now[0] += 3.0
    clock.passed(3.0, {"a": IdleReason.PROPOSALS, "b": IdleReason.PROPOSALS})
    clock.close_others(["a"])
    now[0] += 100.0
    clock.passed(100.0, {"a": IdleReason.PROPOSALS})
    clock.close_others(["a", "c"])
    assert clock.rest() == {"proposals": 106.0}
    clock.begin("b", waiting=0.0)
    assert clock.end("b") == SlotTime(), "one that comes back begins anew"


def test_what_was_interrupted_or_lost_is_no_trained_experiment(tmp_path: Path) -> None:
    made = Fabricated(tmp_path)
    names = ("waiting", "idle", "paused", "machine", "deciding")
    took = dict.fromkeys((f"{name}_seconds" for name in names), 0.0) | {"slot_seconds": 9.0}
    for ending in (Ending.FINISHED, Ending.INTERRUPTED, Ending.NOT_STARTED):
        failure = FailureKind.MACHINE if ending is Ending.NOT_STARTED else None
        begun = made.trial(made.add(None), 1.9, state=TrialState.RUNNING)
        done = {"ending": ending, "failure": failure, "state": TrialState.DONE, **took}
        made.registry.save(begun.model_copy(update=done))
    found = made.registry.duty(made.registry.studies()[-1])
    assert found is not None
    assert (found.trained, found.slot_seconds) == (1, 27.0)
