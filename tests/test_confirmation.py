"""Claims on stub trainings: confirmed by fresh pairs, taken back when they say otherwise."""

import os
import signal
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from autoresearch import patching, policy
from autoresearch.config import find_project
from autoresearch.errors import SlotLostError
from autoresearch.execution import Ended, Executor, Host, Message, TrialSpec
from autoresearch.gitrepo import GitRepo
from autoresearch.records.events import (
    Event,
    ExperimentDone,
    StandingChanged,
    TrialStarted,
    Waiting,
)
from autoresearch.records.proposals import Change
from autoresearch.records.tables import Experiment, Trial
from autoresearch.records.training import Outcome
from autoresearch.records.values import (
    Ending,
    ExperimentState,
    FailureKind,
    Purpose,
    Reading,
    Standing,
    TrialState,
    Verdict,
)
from autoresearch.research import StopRules, recover, tasks
from autoresearch.research import recorder as books_room
from autoresearch.research.confirmation import Confirmation, earn_claim
from autoresearch.research.paired_trials import PairedTrials
from autoresearch.research.recorder import Recorder
from autoresearch.research.requests import Request
from autoresearch.workers import Assignment
from tests.commands import Forked
from tests.inline import InlineExecutor, InlineWorker
from tests.rows import an_experiment
from tests.stubs import TRAIN, Night, Scripted, git, make_project, not_in_the_loop, variant

LINE = "bpb = QUALITY + NOISE * (session.seed % 2)"
# A little noise of each code's own on every seed; LATE is what seeds add that come after a verdict,
# and the training breaks from seed BREAKS on.
WORTH = """\
own = (session.seed * 7 + int(QUALITY * 1000)) % 5 - 2
    assert session.seed < BREAKS, "it broke"
    bpb = QUALITY + BONUS + 0.002 * own + (LATE if session.seed > 2 else 0.0)"""


def source(quality: float, late: float = 0.0, breaks: int = 99, bonus: float = 0.0) -> str:
    text = variant(QUALITY=quality).replace(LINE, WORTH)
    return text.replace("NOISE = 0.0", f"LATE = {late}\nBREAKS = {breaks}\nBONUS = {bonus}")


def night(tmp_path: Path, *sources: str | Change, share: float = 0.5) -> Night:
    project = make_project(tmp_path / "project", source(2.0))
    return Night(project, Scripted(list(sources)), confirm_share=share)


def rows(made: Night) -> list[Experiment]:
    return made.registry.experiments(made.study())


def trials(made: Night) -> list[Trial]:
    return [trial for row in rows(made) for trial in made.registry.trials(row)]


def tip(made: Night) -> str:
    return made.repo.branch_tip(made.study().branch)


def test_a_true_improvement_is_confirmed_by_fresh_pairs(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.9), *(source(2.1 + at / 100) for at in range(4)))
    made.run()
    row = rows(made)[1]
    assert (row.verdict, row.standing) == (Verdict.KEEP, Standing.CONFIRMED)
    assert row.claim is not None
    assert row.claim >= 0.95
    assert row.claim_pairs >= 1
    assert "better with probability" in row.claim_reason
    told = [each for each in made.events if isinstance(each, StandingChanged)]
    assert (told[0].experiment_id, told[0].standing) == (2, Standing.CONFIRMED)
    assert made.registry.summary(made.study()).confirmed == 1


def test_a_claim_that_is_lost_again_is_told(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.9), share=0.0)
    made.run()
    row = rows(made)[1]
    row.standing = Standing.CONFIRMED  # as if on pairs that are believed less by now
    made.registry.save(row)
    Recorder(made.registry, made.repo, made.events.append).refresh_scores(made.study())
    assert rows(made)[1].standing is None
    told = made.events[-1]
    assert isinstance(told, StandingChanged)
    assert (told.experiment_id, told.standing) == (2, None)
    assert told.reason


@dataclass
class LosingNight(Night):
    """A night that loses a slot at its first confirming trial, for some looks of the controller."""

    away: int = 0

    def _executor(self, hosts: Mapping[str, Host]) -> Executor:
        night = self

        class Losing(InlineExecutor):
            looks: int | None = None  # since it was lost

            @property
            def slots(self) -> tuple[str, ...]:
                if self.looks is None or self.looks > night.away:
                    return tuple(hosts)
                self.looks += 1
                return tuple(hosts)[1:]

            def submit(self, slot: str, spec: TrialSpec, tell: Callable[[Message], None]) -> None:
                begun = [each for each in night.events if isinstance(each, TrialStarted)][-1]
                if begun.purpose is Purpose.CONFIRMING and slot == "0" and self.looks is None:
                    self.looks = 0
                    tell(Ended(slot, SlotLostError("it is gone")))
                else:
                    super().submit(slot, spec, tell)

        return Losing(hosts, self.stopped)


@pytest.mark.parametrize(("slots", "away"), [(2, 10**9), (1, 9)])
def test_a_slot_that_goes_in_a_confirming_pair_costs_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slots: int, away: int
) -> None:
    monkeypatch.setattr(tasks, "LOOK_SECONDS", 0.005)
    monkeypatch.setattr("autoresearch.policy.confirmation._AHEAD", ())  # nothing is worth it before
    project = make_project(tmp_path / "project", source(2.0))
    ideas = Scripted([source(1.9), source(2.2)])
    made = LosingNight(project, ideas, confirm_share=0.5, slots=slots, away=away)
    made.run()
    row = rows(made)[1]
    assert (row.verdict, row.standing) == (Verdict.KEEP, Standing.CONFIRMED)
    lost = [each for each in trials(made) if each.failure is FailureKind.MACHINE]
    assert [(each.purpose, each.detail) for each in lost] == [(Purpose.CONFIRMING, "it is gone")]
    waited = [each for each in made.events if isinstance(each, Waiting)]
    assert len(waited) == (slots == 1), "with no slot left it waits for one"


def test_once_nothing_is_left_to_try_the_share_is_spent_patiently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoresearch.policy.confirmation._AHEAD", ())  # nothing is worth it before
    made = night(tmp_path, source(1.9), source(2.2))
    made.run()
    trained = [each for each in made.events if isinstance(each, TrialStarted)]
    late = [each for each in trained if each.purpose is Purpose.CONFIRMING]
    assert late == trained[-len(late) :]
    assert late[0].experiment_id == 2
    assert rows(made)[1].standing is Standing.CONFIRMED


def test_after_the_last_experiment_that_was_asked_for_no_pair_is_trained(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.9), share=0.9)
    made.rules = StopRules(experiments=2)
    made.run()
    trained = [each for each in made.events if isinstance(each, TrialStarted)]
    assert Purpose.CONFIRMING not in {each.purpose for each in trained}


def doubting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep on a single pair, and doubt what stands on one."""
    monkeypatch.setattr("autoresearch.policy.verdicts.ENOUGH_REPEATS", 0)
    monkeypatch.setattr("autoresearch.policy.confirmation._LIKELY", 1.1)


@pytest.mark.parametrize("share", [0.01, 0.0])
def test_a_run_s_own_end_leaves_no_keep_on_one_pair_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    doubting(monkeypatch)
    made = night(tmp_path, source(1.9), source(1.8), share=share)
    made.rules = StopRules(experiments=3)
    made.run()
    assert [each.pairs for each in rows(made)] == [0, 1, 1]
    trained = [each for each in made.events if isinstance(each, TrialStarted)]
    late = [each.experiment_id for each in trained if each.purpose is Purpose.CONFIRMING]
    assert set(late) == ({1, 2, 3} if share else set())


@pytest.mark.parametrize("share", [0.01, 0.0])
def test_what_is_on_top_in_doubt_at_a_run_s_own_end_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    doubting(monkeypatch)
    monkeypatch.setattr(Confirmation, "_can_be_paired", lambda *_: False)  # so none has its pair
    made = night(tmp_path, source(1.9), source(1.8), share=share)
    made.rules = StopRules(experiments=3)
    made.run()
    baseline, *kept = rows(made)
    fallen = Standing.REFUTED if share else None
    assert [(row.standing, row.verdict) for row in kept] == [
        (fallen, Verdict.DISCARD if share else Verdict.KEEP)
    ] * 2
    assert tip(made) == (baseline if share else kept[1]).commit_sha
    told = [each.experiment_id for each in made.events if isinstance(each, StandingChanged)]
    assert told == ([3, 2] if share else [])
    if share:
        assert "the run ended before it had another pair" in kept[0].reason


def test_who_stops_a_run_loses_no_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    doubting(monkeypatch)
    made = night(tmp_path, source(1.9), source(1.8), share=0.01)
    verdicts = list[Verdict]()

    def see(event: Event) -> None:
        if isinstance(event, ExperimentDone):
            verdicts.append(event.verdict)
        if len(verdicts) == 2:
            made.control.stop()

    made.listener = see
    made.run()
    assert [row.verdict for row in rows(made)[:2]] == verdicts[:2] == [Verdict.KEEP] * 2


def test_a_deadline_leaves_time_for_what_stands_on_one_pair_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = night(tmp_path, source(1.9), share=0.01)
    made.run()
    doubting(monkeypatch)
    study, registry = made.study(), made.registry
    monkeypatch.setattr(registry, "quickest", lambda _study: 10.0)
    monkeypatch.setattr(registry, "seconds", lambda _study: {Purpose.CONFIRMING: 99.0})
    kept = policy.Kept([Reading(1, 1.9)], [Reading(1, 2.0)])
    monkeypatch.setattr(
        Recorder, "keeps", lambda *_: [books_room.Keep(row, kept) for row in rows(made)[1:]]
    )
    pair = (Request(2, 9, Purpose.CONFIRMING, of=2),)
    monkeypatch.setattr(PairedTrials, "pair", lambda *_: pair)
    paired_trials = PairedTrials(registry, made.runner())
    left: list[float | None] = []
    confirming = Confirmation(0.01, registry, paired_trials, recorder(made), lambda: left[-1])
    for seconds, count in ((1000.0, 0), (31.0, 0), (30.0, 1), (None, 0)):
        left.append(seconds)
        assert bool(confirming.due(study)) == bool(count), seconds


def test_evidence_is_written_beside_the_verdict(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.9), source(2.2), share=0.0)
    made.run()
    baseline, kept, dropped = rows(made)
    assert (baseline.measured, baseline.pairs, baseline.p_better) == (None, 0, None)
    assert kept.measured == pytest.approx(-0.1, abs=0.01)
    assert (kept.pairs, kept.measured_error is not None) == (2, True)
    assert kept.p_better is not None
    assert kept.p_better > 0.95
    assert dropped.p_better is not None
    assert dropped.p_better < 0.05


def test_without_a_share_nothing_is_spent_on_claims(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.9), source(2.1), source(2.2), share=0.0)
    made.run()
    started = [each for each in made.events if isinstance(each, TrialStarted)]
    assert Purpose.CONFIRMING not in {each.purpose for each in started}


@pytest.mark.thorough  # beside it: without a share nothing is spent
def test_no_more_than_the_share_is_spent_on_claims(tmp_path: Path) -> None:
    # Where two codes differ by little, proving it would take all the time there is.
    ideas = [source(1.997), *(source(2.1 + at / 100) for at in range(14))]
    made = night(tmp_path, *ideas, share=0.2)
    made.run()
    seconds = made.registry.seconds(made.study())
    one_pair = 2 * max(seconds.values()) / 10
    assert seconds.get(Purpose.CONFIRMING, 0.0) <= 0.2 * sum(seconds.values()) + one_pair


def test_the_last_keep_is_taken_back_when_further_pairs_say_so(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.95, late=0.3), *(source(2.3 + at / 100) for at in range(6)))
    made.run()
    found = rows(made)
    assert (found[1].verdict, found[1].standing) == (Verdict.DISCARD, Standing.REFUTED)
    assert found[1].reason.startswith("taken back: further pairs: ")
    assert found[1].state is ExperimentState.DONE
    incumbent = made.registry.incumbent(made.study())
    assert incumbent is not None
    assert incumbent.id == 1
    assert tip(made) == found[0].commit_sha
    assert git(made.project.root, "cat-file", "-t", str(found[1].commit_sha)) == "commit"
    # What comes after is compared with the baseline again.
    assert found[-1].parent_id == 1
    proposer = made.proposer
    assert isinstance(proposer, Scripted)
    told = [past for past in proposer.briefs[-1].history if past.id == 2]
    assert (told[0].verdict, told[0].standing) == (Verdict.DISCARD, Standing.REFUTED)


def test_a_keep_that_breaks_on_another_seed_is_neither_refuted_nor_paired_for_ever(
    tmp_path: Path,
) -> None:
    made = night(tmp_path, source(1.95, breaks=3), *(source(2.3 + at / 100) for at in range(4)))
    made.run()
    row = rows(made)[1]
    assert (row.verdict, row.standing) == (Verdict.KEEP, None)
    broke = [each for each in made.registry.trials(row) if each.ending is Ending.EXCEPTION]
    assert [each.purpose for each in broke] == [Purpose.CONFIRMING] * 2
    assert len({each.seed for each in broke}) == 2
    assert tip(made) == row.commit_sha


def begin_with(made: Night, text: str) -> None:
    """Give the project another program to begin with."""
    (made.project.root / "train.py").write_text(text)
    git(made.project.root, "commit", "--quiet", "-am", "begin otherwise")


def test_scores_of_other_seeds_earn_the_claim_that_a_broken_training_did_not(
    tmp_path: Path,
) -> None:
    def on_one_seed(text: str) -> str:
        return text.replace("session.seed < BREAKS", "session.seed != BREAKS")

    worse = (on_one_seed(source(2.3 + at / 100)) for at in range(4))
    made = night(tmp_path, on_one_seed(source(1.9, breaks=3)), *worse)
    begin_with(made, on_one_seed(source(2.0)))
    made.run()
    row = rows(made)[1]
    assert any(each.ending is Ending.EXCEPTION for each in made.registry.trials(row))
    assert (row.verdict, row.standing) == (Verdict.KEEP, Standing.CONFIRMED)


@pytest.mark.parametrize(
    ("quality", "verdict"),
    [
        pytest.param(1.95, Verdict.KEEP, id="better"),
        pytest.param(2.0001, Verdict.KEEP, id="as good"),
        pytest.param(2.5, Verdict.DISCARD, id="worse"),
    ],
)
def test_what_mends_an_incumbent_that_fails_on_most_seeds(
    tmp_path: Path, quality: float, verdict: Verdict
) -> None:
    made = night(tmp_path, source(2.0001, breaks=2), source(quality), share=0.0)
    toml = made.project.root / "autoresearch.toml"
    toml.write_text(toml.read_text().replace("replicates = 1", "replicates = 2"))
    begin_with(made, source(2.0, breaks=2))  # it fails on every seed but the first
    made = Night(find_project(made.project.root), made.proposer)
    made.run()
    baseline, alike, mended = rows(made)
    assert alike.verdict is not Verdict.KEEP, alike.reason
    assert mended.verdict is verdict, mended.reason
    assert all(each.val_bpb is not None for each in made.registry.trials(mended))
    failed = [each for each in made.registry.trials(baseline) if each.val_bpb is None]
    assert len([each for each in failed if each.purpose is not Purpose.CANARY]) <= 3


def test_a_training_that_was_stopped_as_hopeless_mends_nothing(tmp_path: Path) -> None:
    def pruned(assignment: Assignment) -> Outcome | None:
        hopeless = "QUALITY = 2.4" in (assignment.tree / assignment.entry).read_text()
        return Outcome(Ending.PRUNED, "hopeless") if hopeless and assignment.seed == 1 else None

    made = night(tmp_path, source(2.0001, breaks=2), source(2.4), share=0.0)
    toml = made.project.root / "autoresearch.toml"
    toml.write_text(toml.read_text().replace("replicates = 1", "replicates = 2"))
    begin_with(made, source(2.0, breaks=2))  # it fails on every seed but the first
    made = Night(find_project(made.project.root), made.proposer, worker=InlineWorker(fault=pruned))
    made.run()
    hopeless = rows(made)[2]
    assert (hopeless.verdict, hopeless.reason) == (Verdict.DISCARD, "hopeless")
    assert len(made.registry.trials(hopeless)) == 1


def recorder(made: Night) -> Recorder:
    return Recorder(made.registry, made.repo, lambda _event: None)


def trained(made: Night, number: int, seed: int, bpb: float | None) -> None:
    """Write down a confirming trial as a run leaves it that is killed after it; None is pruned."""
    now = made.registry.now()
    made.registry.save(
        Trial(
            experiment_id=number,
            seed=seed,
            purpose=Purpose.CONFIRMING,
            worker="local",
            state=TrialState.DONE,
            ending=Ending.PRUNED if bpb is None else Ending.FINISHED,
            val_bpb=bpb,
            started_at=now,
            heartbeat_at=now,
        )
    )


@pytest.mark.thorough  # beside it: further pairs say so
def test_a_keep_that_a_killed_run_had_refuted_is_taken_back(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.9), share=0.0)
    made.run()
    baseline = rows(made)[0]
    trained(made, 1, 9, 2.0)
    trained(made, 2, 9, 2.5)
    made.run()
    row = rows(made)[1]
    assert (row.verdict, row.standing) == (Verdict.DISCARD, Standing.REFUTED)
    assert (row.claim_pairs, tip(made)) == (2, baseline.commit_sha)
    read = [each.val_bpb for each in made.registry.trials(row) if each.val_bpb is not None]
    assert row.val_bpb == pytest.approx(sum(read) / len(read)), "the mean of its trials, as ever"


def test_a_pruned_keep_is_not_paired_for_ever(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.9), share=0.0)
    made.run()
    trained(made, 2, 3, None)
    made.confirm_share = 0.9
    assert made.run() == "the proposers have nothing more to try"


def test_an_open_experiment_has_its_verdict_before_its_parent_is_taken_back(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.95, late=0.3), source(2.2), share=0.0)
    made.run_until(lambda event: event.experiment_id == 3)
    made.confirm_share = 0.9
    made.run()
    baseline, kept, left = rows(made)
    assert (kept.verdict, kept.standing) == (Verdict.DISCARD, Standing.REFUTED)
    assert (left.parent_id, left.measured is not None) == (2, True)
    assert tip(made) == baseline.commit_sha


def test_an_open_experiment_whose_parent_is_gone_is_discarded(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.9), source(1.7), share=0.0)
    made.run_until(lambda event: event.experiment_id == 3)
    recorder(made).revoke_keep(made.study(), made.registry.experiment(2), "by hand")
    made.run()
    baseline, _, left = rows(made)
    assert (left.verdict, left.state) == (Verdict.DISCARD, ExperimentState.DONE)
    assert left.reason == "experiment 2, which it builds on, was taken back"
    assert tip(made) == baseline.commit_sha


def refuted_below_another(made: Night) -> None:
    """Run a night of two keeps, and then one more in which the first of them is refuted."""
    made.run()
    row = made.registry.experiment(2)
    row.standing, row.claim_reason = Standing.REFUTED, "by hand"
    made.registry.save(row)
    made.run()


def test_a_refuted_keep_below_others_is_reversed_by_an_experiment(tmp_path: Path) -> None:
    made = night(tmp_path, source(2.0, bonus=-0.1), source(1.7, bonus=-0.1), share=0.0)
    made.smoke_test = not_in_the_loop
    refuted_below_another(made)
    reversal = rows(made)[-1]
    assert (reversal.reverts_id, reversal.proposer) == (2, "autoresearch")
    assert (reversal.parent_id, reversal.verdict) == (3, Verdict.DISCARD)
    assert "+BONUS = 0.0" in made.registry.experiment(4).patch
    assert made.registry.experiment(2).verdict is Verdict.KEEP
    made.run()
    assert len(rows(made)) == 4, "a reversal is tried once"


@pytest.mark.thorough  # beside it: a refuted keep is reversed
def test_a_reversal_may_bring_back_code_that_was_tried_before(tmp_path: Path) -> None:
    lone, both = source(1.9), source(1.9, bonus=-0.1)
    made = night(tmp_path, source(2.0, bonus=-0.1), both, share=0.0)
    made.run()
    # What is left once experiment 2 is taken back was discarded in its time.
    effect = patching.effect_hash({"train.py": lone})
    made.registry.save(
        an_experiment(made.study(), parent_id=1, verdict=Verdict.DISCARD, effect_hash=effect)
    )
    refuted_below_another(made)
    reversal = rows(made)[-1]
    assert (reversal.reverts_id, reversal.verdict) == (2, Verdict.DISCARD)
    assert made.registry.trials(reversal), reversal.reason


@pytest.mark.thorough  # beside it: a refuted keep is reversed
def test_a_reversal_that_was_never_trained_is_proposed_again(tmp_path: Path) -> None:
    made = night(tmp_path, source(2.0, bonus=-0.1), source(1.7, bonus=-0.1), share=0.0)
    refuted_below_another(made)
    reversal = rows(made)[-1]
    with closing(sqlite3.connect(made.project.registry)) as registry, registry:
        lost = "SET state = 'lost', val_bpb = NULL, ending = NULL"
        registry.execute(f"UPDATE trial {lost} WHERE experiment_id = {reversal.id}")
    made.run()
    again = rows(made)[-1]
    assert (again.id, again.reverts_id) == (5, 2)
    assert made.registry.trials(again)


@pytest.mark.thorough  # beside it: what a killed run had refuted
def test_a_claim_that_a_killed_run_had_earned_is_written_when_it_is_asked_for(
    tmp_path: Path,
) -> None:
    made = night(tmp_path, source(1.9), *[source(2.1 + at / 100) for at in range(4)])
    made.run()
    row = made.registry.experiment(2)
    assert row.standing is Standing.CONFIRMED
    made.registry.save(row.model_copy(update={"standing": None, "claim": None, "claim_pairs": 0}))
    trained = len(made.registry.trials(row))
    paired_trials = PairedTrials(made.registry, made.runner())
    confirming = Confirmation(0.0, made.registry, paired_trials, recorder(made))
    assert earn_claim(confirming, made.runner(), made.study(), 2, 3) == 0
    assert made.registry.experiment(2).standing is Standing.CONFIRMED
    assert len(made.registry.trials(row)) == trained


def test_earning_pairs_what_is_trained_today(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.9), share=0.0)
    made.run()
    trials = made.runner()
    trials.run(
        Request(2, 7, Purpose.REPLICATE, of=2)
    )  # of a night that may have had another machine
    confirming = Confirmation(
        0.0, made.registry, PairedTrials(made.registry, trials), recorder(made)
    )
    assert earn_claim(confirming, trials, made.study(), 2, 1) == 1
    sides = [made.registry.trials(made.registry.experiment(number))[-1] for number in (1, 2)]
    assert {each.purpose for each in sides} == {Purpose.CONFIRMING}
    assert {each.seed for each in sides} == {8}


def test_a_reversal_that_conflicts_is_left(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.95), source(1.7), share=0.0)
    refuted_below_another(made)
    assert len(rows(made)) == 3


@pytest.mark.thorough  # beside it: one below others is reversed
def test_a_refuted_keep_goes_once_what_was_built_on_it_has_gone(tmp_path: Path) -> None:
    made = night(tmp_path, source(2.0, bonus=-0.1), source(1.9, bonus=-0.1), share=0.0)
    made.run()
    recorder(made).revoke_keep(made.study(), made.registry.experiment(2), "by hand")
    recorder(made).revoke_keep(made.study(), made.registry.experiment(3), "by hand")
    made.run()
    baseline, *others = rows(made)
    assert [each.verdict for each in others] == [Verdict.DISCARD, Verdict.DISCARD]
    assert tip(made) == baseline.commit_sha


def test_what_was_written_to_a_study_meanwhile_stays(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.9), source(2.1), share=0.5)

    def write(event: Event) -> None:
        if isinstance(event, TrialStarted):
            made.registry.save(made.study().model_copy(update={"salt": "new"}))

    made.listener = write
    made.run()
    assert made.study().salt == "new"
    assert made.study().sigma is not None


def die(*_arguments: object, **_more: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (books_room, "follow"),
        pytest.param(GitRepo, "set_ref", marks=pytest.mark.thorough),
        pytest.param(Recorder, "_refresh", marks=pytest.mark.thorough),
    ],
)
def test_a_take_back_that_is_killed_is_finished_by_the_next_run(
    tmp_path: Path, place: object, name: str
) -> None:
    made = night(tmp_path, source(1.9), share=0.0)
    made.run()
    assert tip(made) == rows(made)[1].commit_sha

    def killed() -> None:
        setattr(place, name, die)
        again = Night(made.project, Scripted([]))
        keeper = Recorder(again.registry, again.repo, again.on_event)
        keeper.revoke_keep(again.study(), again.registry.experiment(2), "by hand")

    assert Forked(killed).wait() == -signal.SIGKILL
    recover(made.registry, made.repo, made.project, made.study())
    first, second = rows(made)
    assert (second.verdict, second.state) == (Verdict.DISCARD, ExperimentState.DONE)
    assert second.standing is Standing.REFUTED
    assert tip(made) == first.commit_sha


def test_an_interrupted_pair_is_finished_on_its_seed(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.9), *(source(2.1 + at / 100) for at in range(3)))
    made.run_until(lambda event: event.purpose is Purpose.CONFIRMING)
    made.run()
    row = rows(made)[1]
    assert row.standing is Standing.CONFIRMED
    pairs = {row.id: [], row.parent_id: []}  # type: dict[int | None, list[int]]
    for experiment in rows(made)[:2]:
        for trial in made.registry.trials(experiment):
            if trial.val_bpb is not None and trial.purpose is Purpose.CONFIRMING:
                pairs[experiment.id].append(trial.seed)
    assert set(pairs[row.id]) <= {*pairs[row.parent_id], 1, 2}


def test_stop_rules_hold_while_claims_are_earned(tmp_path: Path) -> None:
    made = night(tmp_path, source(1.9), *(source(2.1 + at / 100) for at in range(9)))
    made.rules = StopRules(experiments=3)
    assert made.run() == "3 experiments are done"
    assert len(rows(made)) == 3


assert LINE in TRAIN
