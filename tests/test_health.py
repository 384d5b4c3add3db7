"""Idea, machine, rule: what a night makes of a failure, told by a canary."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from autoresearch.errors import Interrupted
from autoresearch.records.events import Notice, Waiting
from autoresearch.records.proposals import Change
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.tables import Trial
from autoresearch.records.training import Outcome
from autoresearch.records.values import Ending, FailureKind, Purpose, Verdict
from autoresearch.research import StopRules
from autoresearch.research.backoff import FIRST_PAUSE, LONGEST_PAUSE
from autoresearch.research.health import LEAST_STRIKES, Health
from autoresearch.research.trial_recorder import TrialRecorder
from autoresearch.workers import Assignment
from tests.inline import InlineWorker
from tests.shares import rows
from tests.stubs import ConfigScorer, Night, Scripted, make_project, variant

LOST = Outcome(Ending.EXCEPTION, "AcceleratorError: device lost", FailureKind.MACHINE)
PLAIN = Outcome(Ending.EXCEPTION, "RuntimeError: it broke", doubtful=True)
FAULTS = {
    "a lost device": LOST,
    "what is raised for an idea's bug, too": PLAIN,
    "no device": Outcome(Ending.NOT_STARTED, "PyTorch finds no cuda device"),
    "a kill from outside": Outcome(Ending.SIGNAL, "died by SIGKILL", FailureKind.MACHINE),
    "no memory left": Outcome(Ending.OUT_OF_MEMORY, "OutOfMemoryError: 2 GiB", doubtful=True),
}


@dataclass
class Faltering(ConfigScorer):
    """Says of some checkpoints that they have no score, before it scores them."""

    answers: Iterator[Unscored | None] = field(default_factory=lambda: iter(()))
    asked: list[Path] = field(default_factory=list)

    def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score | Unscored:
        """Return the next answer, or the score."""
        self.asked.append(checkpoint)
        return next(self.answers, None) or super().score(tree, checkpoint, scratch)


@dataclass
class Clocked(Night):
    """A night on a clock that only sleeping moves."""

    now: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.clock = lambda: self.now
        self.sleep = self.doze

    def doze(self, seconds: float) -> None:
        self.now += seconds


def a_night(tmp_path: Path, *sources: str | Change, **more: object) -> Clocked:
    proposer = Scripted([*(sources or (variant(QUALITY=1.9), variant(QUALITY=1.8)))])
    return Clocked(make_project(tmp_path / "project"), proposer, **more)  # type: ignore[arg-type]


def verdicts(night: Night) -> list[Verdict | None]:
    return [row.verdict for row in night.registry.experiments(night.study())]


def trials(night: Night) -> list[Trial]:
    rows = night.registry.experiments(night.study())
    found = [each for row in rows for each in night.registry.trials(row)]
    return sorted(found, key=lambda each: each.id or 0)


def waits(night: Night) -> list[str]:
    return [event.reason for event in night.events if isinstance(event, Waiting)]


@pytest.mark.parametrize(
    "name", rows(FAULTS, "a lost device", "what is raised for an idea's bug, too")
)
def test_a_sick_machine_costs_no_verdict_and_one_proposal(tmp_path: Path, name: str) -> None:
    fault = FAULTS[name]
    night = a_night(tmp_path)
    proposer = night.proposer
    assert isinstance(proposer, Scripted)
    asked: list[int] = []

    def ill(_assignment: Assignment) -> Outcome | None:
        # From the first idea's training on, for ten minutes.
        begun = len(night.registry.experiments(night.study())) > 1
        if begun and night.now < 600:
            asked.append(len(proposer.briefs))
            return fault
        return None

    night.worker = InlineWorker(fault=ill)
    night.run()
    assert verdicts(night) == [Verdict.KEEP] * 3
    assert set(asked) == {1}, "nobody was asked for a second idea while nothing could be trained"
    assert len(waits(night)) == 1
    assert "the machine cannot train" in waits(night)[0]
    assert 600 <= night.now <= 600 + LONGEST_PAUSE
    failed = [each for each in trials(night) if each.failure is FailureKind.MACHINE]
    assert failed[0].purpose is Purpose.SCREENING
    assert {each.purpose for each in failed[1:]} == {Purpose.CANARY}
    # Pauses that grow: not one canary every five seconds.
    assert 3 < len(failed) < 600 / FIRST_PAUSE / 4


def test_the_machine_may_die_of_the_incumbents_side(tmp_path: Path) -> None:
    night = a_night(tmp_path, variant(QUALITY=1.999), variant(QUALITY=1.8))
    failures = 2

    def ill(assignment: Assignment) -> Outcome | None:
        nonlocal failures
        fresh = assignment.seed == 2
        if fresh and failures and "QUALITY = 2.0" in (assignment.tree / "train.py").read_text():
            failures -= 1
            return LOST
        return None

    night.worker = InlineWorker(fault=ill)
    night.run()
    sane = a_night(tmp_path / "sane", variant(QUALITY=1.999), variant(QUALITY=1.8))
    sane.run()
    assert failures == 0
    assert verdicts(night) == verdicts(sane)


def test_what_a_healthy_machine_cannot_train_is_the_ideas_fault(tmp_path: Path) -> None:
    night = a_night(tmp_path, variant(BEHAVIOUR="crash"), variant(QUALITY=1.8))
    night.run()
    assert verdicts(night) == [Verdict.KEEP, Verdict.CRASH, Verdict.KEEP]
    assert night.now == 0
    purposes = [each.purpose for each in trials(night)]
    assert purposes[:4] == [
        Purpose.BASELINE, Purpose.SCREENING, Purpose.CANARY, Purpose.SCREENING,
    ]  # fmt: skip
    canary = trials(night)[2]
    assert canary.experiment_id == 1
    assert canary.val_bpb is None
    assert canary.failure is None
    assert isinstance(night.worker, InlineWorker)
    budgets = [each.budget.training for each in night.worker.trained]
    assert budgets[:4] == [20.0, 20.0, 2.0, 20.0]


def test_a_canary_takes_a_seed_that_the_incumbent_came_through(tmp_path: Path) -> None:
    night = a_night(tmp_path, variant(BEHAVIOUR="crash"))
    night.worker = InlineWorker(fault=lambda assignment: PLAIN if assignment.seed != 1 else None)
    night.run()
    assert verdicts(night) == [Verdict.KEEP, Verdict.CRASH]
    assert waits(night) == []


def test_a_program_that_cannot_do_with_a_short_budget_stops_no_night(tmp_path: Path) -> None:
    crash = variant(BEHAVIOUR="crash")
    night = a_night(tmp_path, crash, f"{crash}\nAGAIN = 1\n", variant(QUALITY=1.8))

    def short(assignment: Assignment) -> Outcome | None:
        return replace(PLAIN, doubtful=False) if assignment.budget.training < 20 else None

    night.worker = InlineWorker(fault=short)
    night.run()
    assert verdicts(night) == [Verdict.KEEP, Verdict.CRASH, Verdict.CRASH, Verdict.KEEP]
    assert waits(night) == []
    canaries = [each for each in trials(night) if each.purpose is Purpose.CANARY]
    # The second is no longer short, and no third is: what came through is believed.
    assert [each.failure for each in canaries] == [FailureKind.MACHINE, None, None]


def test_what_only_a_machine_explains_is_tried_three_times(tmp_path: Path) -> None:
    def breaks(assignment: Assignment) -> Outcome | None:
        return LOST if "1.9" in (assignment.tree / "train.py").read_text() else None

    night = a_night(tmp_path, worker=InlineWorker(fault=breaks))
    night.run()
    assert verdicts(night) == [Verdict.KEEP, Verdict.CRASH, Verdict.KEEP]
    mine = night.registry.trials(night.registry.experiment(2))
    assert [each.failure for each in mine] == [
        *[FailureKind.MACHINE] * (LEAST_STRIKES - 1), FailureKind.IDEA,
    ]  # fmt: skip
    assert "device lost" in night.registry.experiment(2).reason


@pytest.mark.parametrize(
    ("fine", "spoiled", "strikes"),
    [(0, 0, 3), (300, 0, 3), (1, 1, 4), (270, 30, 5), (100, 50, 9), (1, 900, 12)],
)
def test_an_idea_is_blamed_the_later_the_more_often_the_machine_fails_others(
    tmp_path: Path, fine: int, spoiled: int, strikes: int
) -> None:
    night = a_night(tmp_path)
    recording = TrialRecorder(night.registry, "local")
    health = Health(night.registry, recording, night.setup, night.backoff)
    for strikes_before in (spoiled, *[0] * (fine - 1))[:fine]:
        health.came_through(strikes_before)
    assert health.strikes == strikes


def test_two_failures_in_a_row_of_whatever_kind_have_the_machine_looked_at(tmp_path: Path) -> None:
    plain = replace(PLAIN, doubtful=False)
    sources = [variant(QUALITY=1.9 - at / 10) for at in range(4)]
    night = a_night(tmp_path, *sources)

    def ill(_assignment: Assignment) -> Outcome | None:
        begun = len(night.registry.experiments(night.study())) > 1
        return plain if begun and night.now < 600 else None

    night.worker = InlineWorker(fault=ill)
    night.run()
    assert verdicts(night) == [Verdict.KEEP, Verdict.CRASH, *[Verdict.KEEP] * 3]
    assert len(waits(night)) == 1


def test_a_baseline_has_no_canary_and_its_reason_is_told(tmp_path: Path) -> None:
    night = a_night(tmp_path, worker=InlineWorker(fault=lambda _assignment: LOST))
    assert "device lost" in night.run()
    assert verdicts(night) == [Verdict.CRASH]
    assert len(trials(night)) == LEAST_STRIKES


def test_a_stop_while_the_machine_rests_leaves_the_idea_open(tmp_path: Path) -> None:
    night = a_night(tmp_path, rules=StopRules(deadline=900.0))
    sick = True

    def ill(_assignment: Assignment) -> Outcome | None:
        return LOST if sick and len(night.registry.experiments(night.study())) > 1 else None

    night.worker = InlineWorker(fault=ill)
    assert night.run() == "the time is up"
    assert verdicts(night) == [Verdict.KEEP, None]
    sick, night.rules = False, StopRules()
    night.run()
    assert verdicts(night) == [Verdict.KEEP] * 3


KILLED = Unscored("death", "the model server was killed", FailureKind.MACHINE)


def test_a_scoring_that_dies_is_repeated_and_nothing_trained_again(tmp_path: Path) -> None:
    scorer = Faltering(answers=iter([None, KILLED, KILLED, None, KILLED]))
    night = a_night(tmp_path, scorer=scorer)
    night.run()
    assert verdicts(night) == [Verdict.KEEP] * 3
    settled = [each for each in trials(night) if each.purpose is not Purpose.CANARY]
    assert all(each.val_bpb is not None for each in settled)
    assert len(scorer.asked) == len(settled) + 3
    assert scorer.asked[1] == scorer.asked[2] == scorer.asked[3]


def test_a_scoring_that_always_dies_is_the_ideas_fault(tmp_path: Path) -> None:
    scorer = Faltering(answers=iter([None, *[KILLED] * LEAST_STRIKES]))
    night = a_night(tmp_path, scorer=scorer)
    night.run()
    assert verdicts(night) == [Verdict.KEEP, Verdict.CRASH, Verdict.KEEP]
    assert night.registry.experiment(2).reason == "death: the model server was killed"


EXHAUSTED = Unscored("out of memory", "the model ran out of memory", FailureKind.IDEA)


def test_lack_of_memory_in_scoring_is_the_ideas_fault_only_where_the_incumbent_fits(
    tmp_path: Path,
) -> None:
    scorer = Faltering(answers=iter([None, EXHAUSTED, EXHAUSTED]))
    night = a_night(tmp_path, scorer=scorer)

    def crowded(_assignment: Assignment) -> Outcome | None:
        # Somebody else is on the card from the first idea's scoring on, for a minute.
        taken = len(scorer.asked) == 2 and night.now < 60
        return FAULTS["no memory left"] if taken else None

    night.worker = InlineWorker(fault=crowded)
    night.run()
    assert verdicts(night) == [Verdict.KEEP, Verdict.CRASH, Verdict.KEEP]
    assert len(waits(night)) == 1
    assert scorer.asked[1] == scorer.asked[2]
    mine = [each.purpose for each in night.registry.trials(night.registry.experiment(2))]
    assert mine == [Purpose.SCREENING], "nothing was trained again"


CAUSES = {
    EXHAUSTED: Verdict.CRASH,
    Unscored("audit", "it looks ahead", FailureKind.RULE): Verdict.DISQUALIFIED,
}


@pytest.mark.parametrize("found", CAUSES, ids=lambda found: found.cause)
def test_only_a_broken_rule_disqualifies(tmp_path: Path, found: Unscored) -> None:
    night = a_night(tmp_path, scorer=Faltering(answers=iter([None, found])))
    night.run()
    assert verdicts(night) == [Verdict.KEEP, CAUSES[found], Verdict.KEEP]
    assert night.registry.experiment(2).reason == f"{found.cause}: {found.reason}"


def test_servers_that_cannot_start_are_waited_for(tmp_path: Path) -> None:
    start = Unscored("start", "cannot start a model server: no space", FailureKind.MACHINE)
    night = a_night(tmp_path, scorer=Faltering(answers=iter([None, *[start] * 6])))
    night.run()
    assert verdicts(night) == [Verdict.KEEP] * 3
    assert night.now > 60
    assert len(waits(night)) == 1


def test_no_training_begins_that_the_deadline_makes_useless(tmp_path: Path) -> None:
    night = a_night(tmp_path, rules=StopRules(deadline=100.0))

    def pass_time(_assignment: Assignment) -> Outcome | None:
        night.now += 60.0
        return None

    night.worker = InlineWorker(fault=pass_time)
    proposer = night.proposer
    assert isinstance(proposer, Scripted)
    night.listener = lambda _event: None
    quickest = type(night.registry).quickest
    type(night.registry).quickest = lambda *_arguments: 60.0  # type: ignore[method-assign]
    try:
        reason = night.run()
    finally:
        type(night.registry).quickest = quickest  # type: ignore[method-assign]
    assert reason == "the time is up: 40 s are left, and a training takes 60 s"
    assert proposer.briefs == []
    assert not any(isinstance(event, Notice) for event in night.events)


def test_a_person_may_stop_a_rest(tmp_path: Path) -> None:
    night = a_night(tmp_path)

    def ill(_assignment: Assignment) -> Outcome | None:
        return LOST if len(night.registry.experiments(night.study())) > 1 else None

    def stop(event: object) -> None:
        if isinstance(event, Waiting):
            night.stop.set()

    night.worker, night.listener = InlineWorker(fault=ill), stop
    with pytest.raises(Interrupted, match="interrupted; everything is saved"):
        night.run()
    assert verdicts(night) == [Verdict.KEEP, None]
