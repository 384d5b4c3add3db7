"""A night in which everything goes wrong comes to what the same night comes to without."""

import functools
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from autoresearch.records.events import Notice, Waiting
from autoresearch.records.values import UNCOUNTED, FailureKind, Verdict
from tests.commands import Forked
from tests.faults import (
    DOWN,
    ILL,
    Clock,
    Provider,
    a_night,
    a_tenth_fails,
    everything_goes_wrong,
)
from tests.processes import dies_out
from tests.shares import THOROUGH
from tests.stubs import Night, git

Fate = tuple[int | None, Verdict | None, str | None, str, str | None]
Fates = list[Fate]
SIZES = [16, pytest.param(60, marks=THOROUGH)]


def fates(night: Night) -> Fates:
    """What became of every experiment; the standing comes last."""
    rows = night.registry.experiments(night.study(), whole=True)
    return [(row.id, row.verdict, row.effect_hash, row.hypothesis, row.standing) for row in rows]


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Fates]:
    """The fates of the night in which nothing goes wrong, by the number of its experiments."""

    @functools.cache
    def of(experiments: int) -> Fates:
        root = tmp_path_factory.mktemp("faultless") / "project"
        night = a_night(root, Clock(), experiments, faults=False)
        night.run()
        return fates(night)

    return of


def agree(night: Night) -> None:
    """Registry and branch say the same, and nothing is left lying about."""
    study = night.study()
    incumbent = night.registry.incumbent(study)
    assert incumbent is not None
    assert git(night.project.root, "rev-parse", study.branch) == incumbent.commit_sha
    assert git(night.project.root, "status", "--porcelain") == ""
    assert not night.registry.unfinished(study)
    assert list(night.project.work.iterdir()) == []


@pytest.mark.parametrize("experiments", SIZES)
def test_a_night_of_faults_comes_to_the_same(
    tmp_path: Path, twin: Callable[[int], Fates], experiments: int
) -> None:
    clock = Clock()
    night = a_night(tmp_path / "project", clock, experiments, faults=True)
    with everything_goes_wrong(night, clock):
        night.run()
    assert clock.now > DOWN[1], "it saw every fault"
    assert fates(night) == twin(experiments)
    assert {verdict for _, verdict, *_ in fates(night)} == set(Verdict) - set(UNCOUNTED)
    agree(night)

    provider = night.proposer
    assert isinstance(provider, Provider)
    assert len(provider.asked) == experiments - 1
    ill = [when for when in provider.asked if ILL[0] < when < ILL[1]]
    assert len(ill) <= 1, "nothing is paid for while nothing can be trained"
    told = [event.reason for event in night.events if isinstance(event, Waiting)]
    told += [event.text for event in night.events if isinstance(event, Notice)]
    for once in (
        "the machine cannot train", "the machine trains again", "No space left on device",
        "is locked by another program", "is checked out in", "has followed",
    ):  # fmt: skip
        assert len([line for line in told if once in line]) == 1, (once, told)
    assert any("scoring failed" in line for line in told)


@pytest.mark.parametrize("experiments", [16, pytest.param(200, marks=THOROUGH)])
def test_no_idea_has_a_verdict_because_a_machine_failed_at_random(
    tmp_path: Path, twin: Callable[[int], Fates], experiments: int
) -> None:
    night = a_night(tmp_path / "project", Clock(), experiments, faults=False)
    with a_tenth_fails(night, random.Random(experiments)) as failed:
        night.run()
    assert min(failed[what] for what in ("disk", "provider", "worker", "scorer")) > 0
    # How many pairs a keep gets beside its verdict depends on the time that is left for them.
    assert [each[:-1] for each in fates(night)] == [each[:-1] for each in twin(experiments)]
    rows = night.registry.experiments(night.study())
    trials = [each for row in rows for each in night.registry.trials(row)]
    lost = [each for each in trials if "device lost" in each.detail]
    assert len(lost) == failed["worker"], "every failure is a row"
    assert {each.failure for each in lost} == {FailureKind.MACHINE}
    agree(night)


@THOROUGH  # a kill of each phase: tests/test_research.py
def test_killed_at_fifty_moments_it_comes_to_the_same(
    tmp_path: Path, twin: Callable[[int], Fates]
) -> None:
    root, noted, experiments, kills = tmp_path / "project", tmp_path / "now", 60, 50
    clock, chance, sent = Clock(), random.Random(2), 0
    a_night(root, clock, experiments, faults=True)  # makes the project

    def run(calls: int, now: float) -> None:
        clock.now = now
        night = a_night(root, clock, experiments, faults=True)
        night.listener = lambda _event: _note(noted, clock.now)
        _die_after(calls)
        with everything_goes_wrong(night, clock):
            night.run()

    while True:
        calls = chance.randrange(200, 8_000) if sent < kills else 10**9
        forked = Forked(functools.partial(run, calls, float(noted.read_text() if sent else 0)))
        ended = forked.wait()
        assert ended in (0, -signal.SIGKILL), forked.err
        git(root, "checkout", "--quiet", "main")  # who looked at the branch was killed, too
        if ended == 0:
            break
        sent += 1
    assert sent == kills
    night = a_night(root, clock, experiments, faults=False)
    # How many pairs further runs add to a keep depends on where they begin.
    assert [each[:-1] for each in fates(night)] == [each[:-1] for each in twin(experiments)]
    agree(night)
    assert dies_out(tmp_path)


def _note(place: Path, now: float) -> None:
    draft = place.with_name("now.draft")
    draft.write_text(str(now))
    draft.replace(place)


def _die_after(calls: int) -> None:
    """Be killed at the N-th call of a function of the package by the thread that runs the night."""
    left = calls

    def look(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal left
        path = frame.f_code.co_filename
        if event == "call" and "/autoresearch/" in path:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(look)
