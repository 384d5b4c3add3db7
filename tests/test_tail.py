"""The tail of a night, on a clock that only thinking and training move."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from autoresearch.proposers import Brief, Check, ProposeFailure
from autoresearch.records.events import TrialStarted
from autoresearch.records.proposals import Proposal
from autoresearch.records.training import Outcome, Point, Timing
from autoresearch.records.values import Purpose, TrialState, Verdict
from autoresearch.research import StopRules
from autoresearch.workers import Assignment, PruneCheck, never_pruned
from tests.inline import InlineWorker
from tests.stubs import Night, Scripted, make_project, variant

TRAINING, THINKING = 60.0, 30.0


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class TimedWorker(InlineWorker):
    """Its trainings take a minute of the clock."""

    clock: Clock = field(default_factory=Clock)

    def train(
        self,
        assignment: Assignment,
        *,
        on_point: Callable[[Point], None],
        stop: Callable[[], bool],
        prune_check: PruneCheck = never_pruned,
        at_rest: Callable[[], bool] = lambda: True,
    ) -> Outcome:
        del at_rest
        outcome = super().train(assignment, on_point=on_point, stop=stop, prune_check=prune_check)
        self.clock.now += TRAINING
        timing = Timing(startup=0.0, training=TRAINING, total=TRAINING - 0.1)  # it is scored in 0.1
        return replace(outcome, timing=timing)


@dataclass
class TimedProposer(Scripted):
    """Thinks for as long as it is told to."""

    clock: Clock = field(default_factory=Clock)
    seconds: float = THINKING

    def propose(self, brief: Brief, check: Check) -> Proposal | ProposeFailure | None:
        self.clock.now += self.seconds
        return super().propose(brief, check)


def a_night(tmp_path: Path, hours: float | None, *, seconds: float = THINKING) -> Night:
    clock = Clock()
    ideas = [variant(QUALITY=2.0 + at / 10) for at in range(1, 20)]
    night = Night(
        make_project(tmp_path / "project"),
        TimedProposer([*ideas], clock=clock, seconds=seconds),
        StopRules(deadline=hours),
        clock=clock,
        sleep=lambda seconds: setattr(clock, "now", clock.now + seconds),
    )
    night.worker = TimedWorker(clock=clock)
    return night


def asked(night: Night) -> int:
    assert isinstance(night.proposer, Scripted)
    return len(night.proposer.briefs)


@pytest.mark.parametrize(
    ("deadline", "ideas"),
    [
        pytest.param(60.0 + 2 * 90.0 + 0.5, 2, id="just enough"),
        pytest.param(60.0 + 2 * 90.0 - 0.5, 1, id="a second too few for one more"),
        pytest.param(60.0 + 89.0, 1, id="how long it thinks is not known before it has"),
    ],
)
def test_what_fits_is_started_and_nothing_else(tmp_path: Path, deadline: float, ideas: int) -> None:
    night = a_night(tmp_path, deadline)
    reason = night.run()
    assert reason.startswith("the time is up")
    assert asked(night) == ideas
    assert night.clock() <= deadline
    rows = night.registry.experiments(night.study())
    trials = [each for row in rows for each in night.registry.trials(row)]
    assert all(each.state is TrialState.DONE for each in trials)
    assert all(each.val_bpb is not None for each in trials), "none was in vain"


def test_time_for_no_proposal_is_time_for_pairs_of_keeps(tmp_path: Path) -> None:
    night = a_night(tmp_path, None, seconds=400.0)
    assert isinstance(night.proposer, TimedProposer)
    night.proposer.sources = [variant(QUALITY=1.9), variant(QUALITY=1.8)]
    night.confirm_share = 0.9
    night.rules = StopRules(deadline=60.0 + 400.0 + 60.0 * 2 + 60.0 * 6)
    assert "no proposal and training fit into" in night.run()
    assert asked(night) == 1
    purposes = [each.purpose for each in night.events if isinstance(each, TrialStarted)]
    assert Purpose.CONFIRMING in purposes
    rows = night.registry.experiments(night.study())
    assert [row.verdict for row in rows] == [Verdict.KEEP, Verdict.KEEP]


def test_a_proposer_that_rests_beyond_the_end_is_not_waited_for(tmp_path: Path) -> None:
    night = a_night(tmp_path, 3600.0)

    @dataclass
    class Resting:
        name: str = "resting"

        def propose(self, brief: Brief, check: Check) -> ProposeFailure:
            return ProposeFailure("the limit resets tomorrow", retry_after=50_000.0)

    night.proposer = Resting()
    assert "no proposal and training fit into" in night.run()
    assert night.clock() < 100.0
