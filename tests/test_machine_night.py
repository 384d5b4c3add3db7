"""Nights on a machine that is looked at: replicates, drift, what the noise hides, documents."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from autoresearch.config import Project, load_settings
from autoresearch.execution import Executor, Host
from autoresearch.records.events import Event, Notice, TrialStarted
from autoresearch.records.hardware import Hardware
from autoresearch.records.proposals import Change
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.tables import Experiment, Trial
from autoresearch.records.training import Outcome
from autoresearch.records.values import Purpose, Standing, TrialState, Verdict
from autoresearch.registry.packing import pack_counts
from autoresearch.research import StopRules
from autoresearch.research.drift import DriftChecks
from autoresearch.research.like_slots import Fit, LikeSlots
from autoresearch.research.study import begin_anew
from autoresearch.workers import Assignment
from tests.inline import InlineExecutor, InlineWorker
from tests.rendering import Fabricated
from tests.stubs import TRAIN, ConfigScorer, Night, Scripted, git, make_project, variant

LINE = "bpb = QUALITY + NOISE * (session.seed % 2)"
# A little noise of each code's own on every seed; the training breaks on seed BREAKS.
WORTH = """\
assert session.seed != BREAKS, "it broke"
    bpb = QUALITY + 0.002 * ((session.seed * 7 + int(QUALITY * 1000)) % 5 - 2)"""


@dataclass
class OnAMachine(ConfigScorer):
    """Scores four documents; `slower` is what the machine by now adds to every score, in bpb."""

    slower: float = 0.0

    def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score | Unscored:
        found = super().score(tree, checkpoint, scratch)
        assert isinstance(found, Score)
        bpb = found.bpb + self.slower
        # The better the code, the more the first document gains, and the last one loses.
        change = 20 * (2.0 - bpb)
        bits = (100 * bpb - change, 200 * bpb, 200 * bpb, 100 * bpb + change)
        return Score(bpb, bits, (100, 200, 200, 100), found.trust, 4, 1, 0.0, 0.1)


def source(quality: float, breaks: int = 0) -> str:
    text = variant(QUALITY=quality).replace(LINE, WORTH)
    return text.replace("NOISE = 0.0", f"BREAKS = {breaks}")


def night(tmp_path: Path, policy: str, *sources: str | Change, breaks: int = 0) -> Night:
    project = make_project(tmp_path / "project", source(2.0, breaks))
    path = project.root / "autoresearch.toml"
    path.write_text(path.read_text().partition("[policy]")[0] + f"[policy]\n{policy}\n")
    made = Night(Project(project.root, load_settings(path)), Scripted(list(sources)))
    made.scorer = OnAMachine()
    made.registry.save(
        made.study().model_copy(update={"doc_bytes": pack_counts((100, 200, 200, 100))})
    )
    return made


def rows(made: Night) -> list[Experiment]:
    return made.registry.experiments(made.study())


def trials(made: Night, number: int) -> list[Trial]:
    return made.registry.trials(made.registry.experiment(number))


def notices(made: Night) -> list[str]:
    return [each.text for each in made.events if isinstance(each, Notice)]


def test_the_baseline_is_trained_on_several_seeds(tmp_path: Path) -> None:
    made = night(tmp_path, "replicates = 3", source(2.1))
    made.rules = StopRules(experiments=1)
    made.run()
    assert [(each.seed, each.purpose) for each in trials(made, 1)] == [
        (1, Purpose.BASELINE),
        (2, Purpose.REPLICATE),
        (3, Purpose.REPLICATE),
    ]
    started = [each.purpose for each in made.events if isinstance(each, TrialStarted)]
    assert started == [Purpose.BASELINE, Purpose.REPLICATE, Purpose.REPLICATE]
    assert rows(made)[0].reason == "the baseline"
    assert made.study().sigma is not None
    assert rows(made)[0].val_bpb_error is not None


def test_an_idea_is_screened_on_a_replicates_seed(tmp_path: Path) -> None:
    made = night(tmp_path, "replicates = 2", source(2.3))
    made.run()
    assert [each.seed for each in trials(made, 2)] == [2]
    assert len(trials(made, 1)) == 2


def test_a_baseline_that_fails_on_a_later_seed_is_told_and_goes_on(tmp_path: Path) -> None:
    made = night(tmp_path, "replicates = 3", source(1.8), breaks=2)
    made.run()
    baseline, idea = rows(made)
    assert baseline.verdict is Verdict.KEEP
    assert baseline.reason.startswith("the baseline; on seed 2 it failed: exception: ")
    assert [each.seed for each in trials(made, 2)] == [3, 1]
    assert idea.verdict is Verdict.KEEP


def test_a_seed_that_the_incumbent_failed_on_is_not_tried_again(tmp_path: Path) -> None:
    made = night(tmp_path, "replicates = 2", source(1.8), breaks=2)
    made.run()
    assert [each.seed for each in trials(made, 2)] == [1, 3]
    assert rows(made)[1].verdict is Verdict.KEEP


@pytest.mark.thorough  # beside it: it is kept
def test_what_beats_a_baseline_that_failed_on_a_seed_can_be_confirmed(tmp_path: Path) -> None:
    made = night(tmp_path, "replicates = 2", source(1.8), *WORSE[:4], breaks=2)
    made.confirm_share = 0.5
    made.run()
    assert rows(made)[1].standing is Standing.CONFIRMED


def test_a_baseline_that_fails_on_its_first_seed_ends_the_run(tmp_path: Path) -> None:
    made = night(tmp_path, "replicates = 3", source(1.8), breaks=1)
    assert "the baseline failed" in made.run()
    assert len(trials(made, 1)) == 1


def test_only_missing_replicates_are_trained_after_an_interruption(tmp_path: Path) -> None:
    made = night(tmp_path, "replicates = 3")
    made.run_until(lambda event: event.seed == 2)
    made.run()
    scored = [each.seed for each in trials(made, 1) if each.val_bpb is not None]
    assert scored == [1, 2, 3]
    assert rows(made)[0].verdict is Verdict.KEEP


WORSE = [source(2.3 + at / 100) for at in range(8)]
EVERY_THREE = "replicates = 2\ndrift_every = 3"


def slow_down_at(made: Night, trainings: int) -> None:
    """Let the machine grow slower once so many trainings have begun."""
    machine = made.scorer
    assert isinstance(machine, OnAMachine)

    def on_event(event: Event) -> None:
        begun = sum(isinstance(each, TrialStarted) for each in made.events)
        if isinstance(event, TrialStarted) and begun == trainings:
            machine.slower = 0.1

    made.listener = on_event


def test_what_a_repetition_says_is_taken_in_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = night(tmp_path, EVERY_THREE, *WORSE[:4])
    slow_down_at(made, 4)

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    ended = DriftChecks.ended
    monkeypatch.setattr(DriftChecks, "ended", die)
    with pytest.raises(KeyboardInterrupt):
        made.run()
    monkeypatch.setattr(DriftChecks, "ended", ended)
    (again,) = [each for each in trials(made, 1) if each.purpose is Purpose.DRIFT]
    assert made.study().machine_changes == []
    for _ in range(2):  # the second run has nothing to take in
        made.run()
        assert made.study().machine_changes == [int(again.id or 0) - 1]


def test_a_steady_machine_is_looked_at_and_nothing_changes(tmp_path: Path) -> None:
    made = night(tmp_path, EVERY_THREE, *WORSE[:7])
    made.run()
    drifted = [each for each in trials(made, 1) if each.purpose is Purpose.DRIFT]
    assert [each.seed for each in drifted] == [2, 2]
    assert made.study().steady_since == 0
    assert not any("machine" in each for each in notices(made))
    assert [len(each) for each in made.registry.readings(made.study()).values()] == [2] + [1] * 7
    assert [len(each) for each in made.registry.document_bits(rows(made)[0]).values()] == [4, 4]
    repeats = made.registry.repeats(made.study())
    assert [(each.experiment, each.then.seed) for each in repeats] == [(1, 2), (1, 2)]
    assert all(each.again.bpb == each.then.bpb for each in repeats)


def test_no_check_is_made_where_none_is_asked_for(tmp_path: Path) -> None:
    made = night(tmp_path, "replicates = 2\ndrift_every = 0", *WORSE[:4])
    made.run()
    assert {each.purpose for each in trials(made, 1)} == {Purpose.BASELINE, Purpose.REPLICATE}


def test_a_changed_machine_is_told_and_old_readings_rest(tmp_path: Path) -> None:
    # Two of the baseline, three ideas, the check: by then the machine is slower. An idea better by
    # 0.05 reads 0.05 worse than the baseline read on the machine of before.
    made = night(tmp_path, EVERY_THREE, *WORSE[:3], source(1.95), source(2.3))
    slow_down_at(made, 6)
    made.run()
    assert made.study().steady_since == 5
    [said] = [each for each in notices(made) if "machine" in each]
    assert "the machine has changed: the incumbent (experiment 1)" in said
    assert "reads +0.1000 bpb (noise 0.00" in said
    assert "at 1.00 times the steps" in said
    idea = rows(made)[4]
    assert idea.verdict is Verdict.KEEP
    assert idea.measured == pytest.approx(-0.05, abs=0.01)
    fresh = [each.seed for each in trials(made, 5)]
    assert min(fresh) > 2
    both = [each.seed for each in trials(made, 1) if each.id and each.id > 6]
    assert set(fresh) == set(both)
    scores_stay_on_the_scale_of_the_machine_that_was(made)


def scores_stay_on_the_scale_of_the_machine_that_was(made: Night) -> None:
    incumbent = made.registry.incumbent(made.study())
    assert incumbent is not None
    assert incumbent.val_bpb == pytest.approx(1.95, abs=0.01)
    sigma = made.study().sigma
    assert sigma is not None
    assert sigma < 0.02


@pytest.mark.thorough  # beside it: a changed machine is told
def test_claims_are_earned_on_the_new_machine_too(tmp_path: Path) -> None:
    made = night(tmp_path, EVERY_THREE, *WORSE[:3], source(1.9), *WORSE[3:])
    made.confirm_share = 0.5
    slow_down_at(made, 6)
    made.run()
    row = rows(made)[4]
    assert (row.verdict, row.standing) == (Verdict.KEEP, Standing.CONFIRMED)
    pairs = made.registry.readings(made.study())
    assert {each.epoch for each in pairs[5]} == {1}


@pytest.mark.thorough  # beside it: one that changes once
def test_a_machine_that_changes_twice_leaves_three_kinds_of_readings(tmp_path: Path) -> None:
    made = night(tmp_path, EVERY_THREE, *WORSE[:3], source(2.5), *WORSE[3:7])
    machine = made.scorer
    assert isinstance(machine, OnAMachine)

    def on_event(event: Event) -> None:
        begun = sum(isinstance(each, TrialStarted) for each in made.events)
        if isinstance(event, TrialStarted):
            machine.slower = 0.1 if 6 <= begun < 12 else 0.0

    made.listener = on_event
    made.run()
    changes = made.study().machine_changes
    assert len(changes) == 2
    read = made.registry.readings(made.study())[1]
    assert {each.epoch for each in read} == {0, 1, 2}
    assert all(row.verdict is Verdict.DISCARD for row in rows(made)[1:])


def test_a_study_that_goes_on_another_day_looks_at_the_machine_first(tmp_path: Path) -> None:
    made = night(tmp_path, "replicates = 2", *WORSE[:4])
    made.rules = StopRules(experiments=2)
    made.run()
    made.registry.now = lambda: datetime.now(UTC) + timedelta(hours=2.9)
    made.rules = StopRules(experiments=1)
    made.run()
    assert not [each for each in trials(made, 1) if each.purpose is Purpose.DRIFT]
    made.registry.now = lambda: datetime.now(UTC) + timedelta(hours=10)
    made.rules = StopRules(experiments=2)
    made.run()
    [check] = [each for each in trials(made, 1) if each.purpose is Purpose.DRIFT]
    assert len(rows(made)) == 5
    assert all(int(each.id or 0) > int(check.id or 0) for each in trials(made, 4))


def test_what_a_stopped_run_left_open_waits_for_the_look(tmp_path: Path) -> None:
    made = night(tmp_path, "replicates = 2", *WORSE[:2])
    made.run_until(lambda event: event.experiment_id == 3)
    made.registry.now = lambda: datetime.now(UTC) + timedelta(hours=10)
    made.run()
    [check] = [each for each in trials(made, 1) if each.purpose is Purpose.DRIFT]
    [read] = [each for each in trials(made, 3) if each.val_bpb is not None]
    assert int(check.id or 0) < int(read.id or 0)


def test_a_check_that_is_interrupted_is_made_by_the_next_run(tmp_path: Path) -> None:
    made = night(tmp_path, EVERY_THREE, *WORSE[:4])
    made.run_until(lambda event: event.purpose is Purpose.DRIFT)
    made.run()
    drifted = [each for each in trials(made, 1) if each.purpose is Purpose.DRIFT]
    assert [each.val_bpb is not None for each in drifted] == [False, True]
    assert len(rows(made)) == 5


@pytest.mark.thorough  # beside it: a steady machine is looked at
def test_a_fresh_reading_of_the_incumbent_needs_no_check(tmp_path: Path) -> None:
    better = [source(1.9), source(1.8), source(1.7), source(1.6)]
    made = night(tmp_path, EVERY_THREE, *better)
    made.run()
    started = [each.purpose for each in made.events if isinstance(each, TrialStarted)]
    assert Purpose.DRIFT not in started


def test_a_loud_study_is_advised_once(tmp_path: Path) -> None:
    made = night(tmp_path, "replicates = 2", variant(QUALITY=2.5), variant(QUALITY=2.6))
    (made.project.root / "train.py").write_text(variant(NOISE=0.5))
    git(made.project.root, "commit", "--quiet", "-am", "be loud")
    begin_anew(made.registry, made.repo, made.study())
    made.run()
    said = [each for each in notices(made) if "larger than what it looks for" in each]
    assert len(said) == 1
    assert "count CPU seconds" in said[0]


def test_the_error_that_documents_leave_is_written_with_the_verdict(tmp_path: Path) -> None:
    made = night(tmp_path, "replicates = 1", source(1.9), source(2.3))
    made.run()
    baseline, kept, dropped = rows(made)
    assert baseline.documents_error is None
    # Changes of -10 - 2, -20, -20 and -10 + 2 bits: residuals of -2, 0, 0 and 2 on 600 bytes.
    assert kept.documents_error == pytest.approx(math.sqrt(4 / 3 * 8) / 600, rel=0.05)
    assert dropped.documents_error is not None


@pytest.mark.thorough  # beside it: the error is written
def test_pairs_that_confirm_count_in_the_documents_error(tmp_path: Path) -> None:
    made = night(tmp_path, "replicates = 1", source(1.9), *WORSE[:4])
    made.confirm_share = 0.5
    made.run()
    row = rows(made)[1]
    assert row.standing is Standing.CONFIRMED
    assert row.documents_error is not None


assert LINE in TRAIN


def test_a_power_limit_that_changes_in_the_night_is_a_change_of_the_machine(tmp_path: Path) -> None:
    made = night(tmp_path, "replicates = 1\ndrift_every = 0", source(1.9), source(1.8))
    card = Hardware("cuda", "NVIDIA H200", driver="570.86.15", power_limit=700.0)
    made.worker = OnACard(made, card)
    made.run()
    (said,) = [each for each in notices(made) if "the machine has changed" in each]
    assert "power limit 700 W and 450 W; the next comparison is on a fresh seed" in said
    assert "driver" not in said, "what is not known any more has not changed"
    (last,) = made.study().machine_changes
    limits = [
        each.hardware["power_limit"]
        for row in rows(made)
        for each in trials(made, int(row.id or 0))
    ]
    assert limits[:last] == [700.0] * last
    assert set(limits[last:]) == {450.0}
    assert [each.verdict for each in rows(made)] == [Verdict.KEEP] * 3


def test_cards_of_several_slots_are_each_held_against_themselves(tmp_path: Path) -> None:
    made, said = Fabricated(tmp_path), list[Event]()
    drift_checks, row = DriftChecks(0, made.registry, said.append), made.add(None)

    def trained(slot: int, watts: float) -> bool:
        """Return whether the machine is taken for another one after a training on this slot."""
        card = Hardware("cuda", "NVIDIA H200", power_limit=watts)
        begun = made.trial(row, 1.9, state=TrialState.RUNNING)
        where = {"worker": f"local:{slot}", "hardware": card.stored, "state": TrialState.DONE}
        made.registry.save(begun.model_copy(update=where))
        return drift_checks.moved(made.registry.study_of(row))

    assert not any(trained(slot, 700.0) for slot in (0, 1, 0, 1))
    assert trained(1, 450.0)
    assert not any(trained(slot, (700.0, 450.0)[slot]) for slot in (0, 1, 0, 1, 1, 0)), "only once"
    assert trained(0, 450.0)
    assert not any(trained(slot, 450.0) for slot in (1, 0, 1))
    assert len(said) == 2


@dataclass
class ByCard(Night):
    """A night on two cards; somebody slows the second one down once the baseline is settled."""

    def _executor(self, hosts: Mapping[str, Host]) -> Executor:
        usual = Hardware("cuda", "NVIDIA H200", driver="570.86.15", power_limit=700.0)
        workers = {"0": OnACard(self, usual, after=10**9), "1": OnACard(self, usual, after=1)}
        return InlineExecutor(
            {slot: replace(host, worker=workers[slot]) for slot, host in hosts.items()},
            self.stopped,
        )


def test_a_card_that_is_not_like_the_others_any_more_rests(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", source(2.0))
    made = ByCard(project, Scripted([source(1.9), *WORSE[:4]]), slots=2)
    made.run()
    done = [each for row in rows(made) for each in trials(made, int(row.id or 0))]
    slowed = [each for each in done if each.hardware["power_limit"] == 450.0]
    assert len(slowed) == 1, "no trial more is begun there"
    assert slowed[0].worker == "inline:1"
    assert [each.verdict for each in rows(made)].count(None) == 0
    told = [each for each in notices(made) if "not like the others any more" in each]
    assert len(told) == 1
    assert "power limit 700 W and 450 W" in told[0]
    read = [each for found in made.registry.readings(made.study()).values() for each in found]
    beside = [each.epoch for each in read].count(len(made.study().machine_changes) - 1)
    assert beside == 1, "what it read is compared with nothing else"


FAST = Hardware("cuda", "NVIDIA H200", power_limit=700.0)
SLOW = replace(FAST, power_limit=450.0)


def test_most_slots_say_which_hardware_is_the_usual_one() -> None:
    told = list[str]()
    like = LikeSlots(lambda event: told.append(str(event).partition(" is not")[0][-6:]))
    slots = ("0", "1", "2", "3")
    assert [like.ran(slot, FAST, slots) for slot in slots] == [Fit.USUAL] * 4
    assert like.ran("0", None, slots) is Fit.USUAL, "what is not known contradicts nothing"
    assert [like.ran(slot, SLOW, slots) for slot in ("0", "1")] == [Fit.ODD, Fit.ODD]
    assert like.of(slots) == ["2", "3"]
    assert like.ran("2", SLOW, slots) is Fit.NEW, "by then it is the usual one"
    assert like.of(slots) == ["0", "1", "2", "3"], "the last one may have changed as well"
    assert like.ran("1", SLOW, slots) is Fit.USUAL
    assert like.ran("3", FAST, slots) is Fit.ODD
    assert told == ["slot 0", "slot 1", "slot 3"]


def test_of_slots_that_go_the_odd_one_stays_and_is_the_usual_one_then() -> None:
    like = LikeSlots(lambda _event: None)
    assert like.ran("0", FAST, []) is Fit.USUAL, "it may be gone by then"
    assert like.ran("1", SLOW, ["0", "1"]) is Fit.ODD
    assert like.of(["0", "1"]) == ["0"]
    assert like.of(["1"]) == ["1"], "else there would be none"
    assert like.ran("1", SLOW, ["1"]) is Fit.NEW
    assert like.ran("1", SLOW, ["1"]) is Fit.USUAL


def test_what_an_odd_slot_read_rests_whenever_that_is_heard(tmp_path: Path) -> None:
    made = Fabricated(tmp_path)
    checks, row = DriftChecks(0, made.registry, lambda _event: None), made.add(None)

    def trained(hardware: Hardware) -> Trial:
        begun = made.trial(row, 1.9, state=TrialState.RUNNING)
        done = {"hardware": hardware.stored, "state": TrialState.DONE}
        return made.registry.save(begun.model_copy(update=done))

    def changes() -> list[int]:
        return made.registry.study_of(row).machine_changes

    first, second, third = (trained(each) for each in (FAST, SLOW, FAST))
    checks.set_aside(made.registry.study_of(row), second)
    assert changes() == [first.number, second.number]
    checks.set_aside(made.registry.study_of(row), first)
    assert changes() == [first.number, second.number], "it rests already"
    checks.begin_with(made.registry.study_of(row), third)
    assert changes() == [first.number, second.number], "it begins there already"
    assert not checks.catch_up(made.registry.study_of(row))
    last = trained(SLOW)  # of which a killed run wrote nothing down
    assert checks.catch_up(made.registry.study_of(row))
    assert changes()[-1] == last.number


@dataclass
class OnACard:
    """Trains inline, on a card that somebody slows down once there are more than so many rows."""

    made: Night
    card: Hardware
    after: int = 2
    name: str = "inline"
    prepare = InlineWorker.prepare
    close = InlineWorker.close

    def train(self, assignment: Assignment, **more: Any) -> Outcome:
        if len(rows(self.made)) > self.after:
            self.card = replace(self.card, power_limit=450.0, driver="")
        return replace(InlineWorker().train(assignment, **more), hardware=self.card)
