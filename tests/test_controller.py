"""Several slots: what is at work at once, what a keep does to what waits, and the order of ends."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from autoresearch.config import find_project
from autoresearch.errors import Interrupted, SlotLostError
from autoresearch.execution import Ended, Executor, Host, Message, TrialSpec
from autoresearch.proposers import Brief, Check, ProposeFailure, Several
from autoresearch.records.events import ExperimentDone, TrialStarted, Waiting
from autoresearch.records.proposals import Proposal, Rejection
from autoresearch.records.tables import Experiment
from autoresearch.records.values import (
    Category,
    ExperimentState,
    FailureKind,
    Purpose,
    TrialState,
    Verdict,
)
from autoresearch.research import StopRules, tasks
from autoresearch.research.recorder import Recorder
from autoresearch.research.schedule import Participant, Turn
from tests import stubs
from tests.inline import InlineExecutor, ShuffledExecutor
from tests.processes import PATIENCE
from tests.stubs import (
    TRAIN,
    Night,
    Scripted,
    git,
    make_project,
    not_in_the_loop,
    variant,
    whole,
)

LINES = "".join(f"LINE_{at} = 0\n" for at in range(20))  # room between the places that ideas change
SPACIOUS = TRAIN.replace("QUALITY = 2.0\n", f"QUALITY = 2.0\n{LINES}BONUS = 0.0\n").replace(
    "bpb = QUALITY", "bpb = QUALITY + BONUS"
)


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test wait for the moments at which a waiting run looks around."""
    monkeypatch.setattr(tasks, "LOOK_SECONDS", 0.005)


def changed(**constants: object) -> str:
    """The spacious stub with other constants."""
    return variant(SPACIOUS, **constants)


def a_night(tmp_path: Path, *sources: str, slots: int = 2, shuffled: int | None = 0) -> Night:
    project = make_project(tmp_path / "project", SPACIOUS)
    return Night(project, Scripted([*sources]), slots=slots, shuffled=shuffled)


def rows(night: Night) -> list[Experiment]:
    return night.registry.experiments(night.study())


def verdicts(night: Night) -> list[Verdict | None]:
    return [row.verdict for row in rows(night)]


def tip(night: Night) -> str:
    return git(night.project.root, "rev-parse", night.study().branch)


@pytest.mark.parametrize("shuffled", [0, 1])
def test_slots_are_all_at_work_and_verdicts_hang_on_no_order(tmp_path: Path, shuffled: int) -> None:
    ideas = [changed(BONUS=0.3), changed(BONUS=0.4), changed(QUALITY=1.9), changed(BONUS=0.5)]
    night = a_night(tmp_path, *ideas, slots=3, shuffled=shuffled)
    night.run()
    found = dict(zip([row.hypothesis for row in rows(night)], verdicts(night), strict=True))
    assert found["idea 3"] is Verdict.KEEP
    assert Counter(found.values()) == {Verdict.KEEP: 2, Verdict.DISCARD: 3}
    trials = [each for row in rows(night) for each in night.registry.trials(row)]
    assert all(each.state is TrialState.DONE for each in trials)
    assert len({(each.experiment_id, each.seed) for each in trials}) == len(trials), "none twice"
    used = {event.slot for event in night.events if isinstance(event, TrialStarted)}
    assert used == {"0", "1", "2"}


def test_a_late_winner_is_tried_on_top_of_the_one_that_came_first(tmp_path: Path) -> None:
    night = a_night(tmp_path, changed(QUALITY=1.8), changed(BONUS=-0.15))
    night.rules = StopRules(experiments=3)
    assert night.run() == "3 experiments are done", "a late winner was trained, and counts"
    assert verdicts(night)[3:] == [None], "what is tried of it is an experiment of its own"
    night.rules = StopRules()
    night.run()
    baseline, *ideas = rows(night)
    assert [row.verdict for row in ideas].count(Verdict.KEEP) == 2
    (stale,) = [row for row in ideas if row.verdict is Verdict.STALE]
    again = ideas[-1]
    assert (again.hypothesis, again.proposer) == (stale.hypothesis, stale.proposer)
    assert stale.parent_id == baseline.id
    assert again.parent_id == next(row.id for row in ideas if row.verdict is Verdict.KEEP)
    assert f"tried on top of that as experiment {again.id}" in stale.reason
    code = git(night.project.root, "show", f"{tip(night)}:train.py")
    assert "QUALITY = 1.8" in code
    assert "BONUS = -0.15" in code
    assert tip(night) == again.commit_sha


def test_a_late_winner_counts_for_its_side_beside_a_control(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Turn, "control", "random")  # as if each turn could have been that one's
    night = a_night(tmp_path, changed(QUALITY=1.8), changed(BONUS=-0.15))
    night.run()
    assert Verdict.STALE in verdicts(night)
    assert [row.control for row in rows(night)] == ["", "random", "random", "random"]


def test_a_late_winner_that_does_not_fit_any_more_says_so(tmp_path: Path) -> None:
    night = a_night(tmp_path, changed(QUALITY=1.8), changed(QUALITY=1.7))
    night.run()
    _, *ideas = rows(night)
    (stale,) = [row for row in ideas if row.verdict is Verdict.STALE]
    assert "its change conflicts in train.py" in stale.reason
    assert len(ideas) == 2


def ahead(tmp_path: Path, *sources: str) -> Night:
    """A night whose clock moves whenever it is looked at: so thinking is seen to take time."""
    night = a_night(tmp_path, *sources, slots=1, shuffled=None)
    seconds = iter(range(10**9))
    night.clock = lambda: float(next(seconds))
    return night


def test_what_waits_is_put_on_top_of_a_keep_or_is_stale(tmp_path: Path) -> None:
    fits, conflicts = changed(QUALITY=2.3), changed(BONUS=0.3)
    night = ahead(tmp_path, changed(BONUS=-0.1), fits, changed(BONUS=-0.2), conflicts, fits)
    night.run()
    briefs = night.proposer.briefs  # type: ignore[union-attr]
    assert any(brief.pending for brief in briefs), "what waits or is at work is told"
    first, *ideas = rows(night)
    kept = [row for row in ideas if row.verdict is Verdict.KEEP]
    assert kept
    by_id = {row.id: row for row in [first, *ideas]}
    for row in ideas:
        if row.verdict in (Verdict.KEEP, Verdict.DISCARD):
            assert row.parent_sha == by_id[row.parent_id].commit_sha
            trained = git(night.project.root, "rev-parse", f"{row.commit_sha}^")
            assert trained == row.parent_sha, "it was trained on top of its parent"
    stale = [row for row in ideas if row.verdict is Verdict.STALE]
    assert all("was kept" in row.reason for row in stale)
    assert tip(night) == kept[-1].commit_sha


def test_what_was_thought_of_before_a_keep_does_not_undo_it(tmp_path: Path) -> None:
    kept = threading.Event()

    class Late(Scripted):
        """Answers with its second whole file once the first one's change was kept."""

        def propose(self, brief: Brief, check: Check) -> Proposal | ProposeFailure | None:
            made = super().propose(brief, check)
            if isinstance(made, Proposal) and made.hypothesis == "idea 2":
                assert kept.wait(60)
            return made

    night = ahead(tmp_path)
    night.proposer = Late([changed(BONUS=-0.1), changed(QUALITY=1.9)])
    night.listener = lambda event: (
        kept.set() if isinstance(event, ExperimentDone) and event.experiment_id == 2 else None
    )
    night.run()
    assert [brief.incumbent_id for brief in night.proposer.briefs[:2]] == [1, 1]
    assert [row.parent_id for row in rows(night)] == [None, 1, 2]
    assert verdicts(night) == [Verdict.KEEP] * 3
    code = git(night.project.root, "show", f"{tip(night)}:train.py")
    assert "BONUS = -0.1" in code
    assert "QUALITY = 1.9" in code


def test_a_late_winner_is_smoke_tested_while_others_are_trained_and_decided(tmp_path: Path) -> None:
    worse = (changed(BONUS=at) for at in (0.3, 0.4, 0.5, 0.6))
    night = a_night(tmp_path, changed(QUALITY=1.8), changed(BONUS=-0.15), *worse)
    begun, others = threading.Event(), threading.Event()

    def smoke_test(files: Mapping[str, str], incumbent: object) -> None:
        not_in_the_loop(files, incumbent)
        if "QUALITY = 1.8" in files["train.py"] and "BONUS = -0.15" in files["train.py"]:
            begun.set()
            assert others.wait(PATIENCE), "nothing was decided meanwhile"

    def look(event: object) -> None:
        if begun.is_set() and isinstance(event, ExperimentDone):
            others.set()

    night.smoke_test, night.listener = smoke_test, look
    assert night.run() == "the proposers have nothing more to try"
    assert others.is_set()
    assert_tried_again(night)


def assert_tried_again(night: Night) -> None:
    """Let the one late winner be tried on top of the other one, and kept."""
    (stale,) = [row for row in rows(night) if row.verdict is Verdict.STALE]
    _, again = [row for row in rows(night) if row.hypothesis == stale.hypothesis]
    assert f"tried on top of that as experiment {again.id}" in stale.reason
    assert (again.verdict, tip(night)) == (Verdict.KEEP, again.commit_sha)


def test_a_stop_waits_for_no_smoke_test_and_the_next_run_makes_up_for_it(tmp_path: Path) -> None:
    night = a_night(tmp_path, changed(QUALITY=1.8), changed(BONUS=-0.15))
    stopped = threading.Event()

    def smoke_test(files: Mapping[str, str], _incumbent: object) -> None:
        if "QUALITY = 1.8" in files["train.py"] and "BONUS = -0.15" in files["train.py"]:
            night.stop.set()
            stopped.wait(PATIENCE)

    night.smoke_test = smoke_test
    with pytest.raises(Interrupted):
        night.run()
    assert Counter(verdicts(night)) == {Verdict.KEEP: 2, None: 1}, "the late winner is undecided"
    stopped.set()
    night.stop.clear()
    night.smoke_test = None
    night.run()
    assert_tried_again(night)


@pytest.mark.parametrize("fits", [True, False])
def test_what_waits_is_smoke_tested_beside_the_loop(tmp_path: Path, *, fits: bool) -> None:
    night = ahead(tmp_path, changed(BONUS=-0.1), *(changed(LINE_9=at) for at in range(1, 5)))
    refused: list[object] = []

    def smoke_test(files: object, incumbent: object) -> Rejection | None:
        not_in_the_loop(files, incumbent)
        if threading.current_thread().name != "check":
            return None
        refused.append(files)
        return None if fits else Rejection("the two do not go together")

    night.smoke_test = smoke_test
    assert night.run() == "the proposers have nothing more to try"
    overtaken = [row for row in rows(night) if "do not go together" in row.reason]
    assert refused
    assert [row.verdict for row in overtaken] == ([] if fits else [Verdict.STALE] * len(refused))


def test_proposals_can_be_made_one_after_another(tmp_path: Path) -> None:
    night = ahead(tmp_path, changed(BONUS=-0.1), changed(BONUS=0.1), changed(BONUS=0.2))
    settings = night.project.root / "autoresearch.toml"
    settings.write_text(settings.read_text().replace("[policy]\n", "[policy]\nahead = 0\n"))
    night.project = find_project(night.project.root)
    night.run()
    assert not any(brief.pending for brief in night.proposer.briefs)  # type: ignore[union-attr]


def test_an_interruption_with_several_at_work_loses_and_doubles_nothing(tmp_path: Path) -> None:
    ideas = [changed(BONUS=at / 10) for at in range(1, 5)]
    night = a_night(tmp_path, *ideas, slots=2)
    begun: list[int] = []

    def stop(event: object) -> None:
        if isinstance(event, TrialStarted) and event.purpose is Purpose.SCREENING:
            begun.append(event.experiment_id)
            if len(begun) == 3:
                night.stop.set()

    night.listener = stop
    with pytest.raises(Interrupted):
        night.run()
    running = [each for row in rows(night) for each in night.registry.trials(row)]
    assert all(each.state is TrialState.DONE for each in running)
    night.stop.clear()
    night.listener = lambda _event: None
    night.run()
    assert [row.hypothesis for row in rows(night)[1:]] == [f"idea {at}" for at in range(1, 5)]
    assert verdicts(night)[1:] == [Verdict.DISCARD] * 4
    assert all(row.state is ExperimentState.DONE for row in rows(night))


def test_no_more_begin_than_were_asked_for(tmp_path: Path) -> None:
    night = a_night(tmp_path, *[changed(BONUS=at / 10) for at in range(1, 8)], slots=3)
    night.rules = StopRules(experiments=4)
    assert night.run() == "4 experiments are done"
    assert len(rows(night)) == 4


def test_whole_files_of_two_authors_are_put_together(tmp_path: Path) -> None:
    night = a_night(tmp_path, changed(LINE_2=1, QUALITY=1.9), changed(LINE_18=1, BONUS=-0.05))
    night.run()
    code = git(night.project.root, "show", f"{tip(night)}:train.py")
    assert "LINE_2 = 1" in code
    assert "LINE_18 = 1" in code


def test_a_row_says_which_slot_its_trial_was_on(tmp_path: Path) -> None:
    night = a_night(tmp_path, changed(BONUS=0.3), changed(BONUS=0.4), slots=2)
    night.run()
    workers = {each.worker for row in rows(night) for each in night.registry.trials(row)}
    assert workers == {"inline:0", "inline:1"}
    night.slots, night.proposer = 1, Scripted([changed(BONUS=0.6)], "other")
    night.run()
    assert [each.worker for each in night.registry.trials(rows(night)[-1])] == ["inline"]


class Elastic(ShuffledExecutor):
    """Has one slot at first, then three, then another one: what runs on a lost one still ends."""

    ended = 0

    @property
    def slots(self) -> tuple[str, ...]:
        return ("0",) if self.ended < 2 else ("0", "1", "2") if self.ended < 4 else ("2",)

    def deal(self) -> None:
        self.ended += bool(self._ends)
        super().deal()


def test_slots_may_come_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ideas = [changed(BONUS=at / 10) for at in range(1, 7)]
    night = a_night(tmp_path, *ideas, slots=3)
    monkeypatch.setattr(stubs, "ShuffledExecutor", Elastic)
    night.run()
    assert Counter(verdicts(night)) == {Verdict.KEEP: 1, Verdict.DISCARD: 6}
    started = [each.slot for each in night.events if isinstance(each, TrialStarted)]
    assert started[:2] == ["0", "0"]
    assert set(started[2:5]) == {"0", "1", "2"}
    assert set(started[6:]) == {"2"}
    trials = [each for row in rows(night) for each in night.registry.trials(row)]
    assert all(each.state is TrialState.DONE for each in trials)


def killed_once(monkeypatch: pytest.MonkeyPatch, night: Night, owner: type, method: str) -> None:
    """Run a night until this is called for the first time, and then again to its end."""
    act = getattr(owner, method)

    def die(*given: object) -> object:
        if method == "record_verdict" and given[-1].verdict is not Verdict.STALE:  # type: ignore[attr-defined]
            return act(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, method, die)
    with pytest.raises(KeyboardInterrupt):
        night.run()
    monkeypatch.setattr(owner, method, act)
    night.run()


def test_a_late_winner_is_tried_once_though_a_kill_comes_between_its_two_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = a_night(tmp_path, changed(QUALITY=1.8), changed(BONUS=-0.15))
    killed_once(monkeypatch, night, Recorder, "record_verdict")
    _, *ideas = rows(night)
    (stale,) = [row for row in ideas if row.verdict is Verdict.STALE]
    again = ideas[-1]
    assert [row.hypothesis for row in ideas].count(stale.hypothesis) == 2
    assert f"tried on top of that as experiment {again.id}" in stale.reason
    assert tip(night) == again.commit_sha


def test_a_change_that_holds_the_other_one_is_tried_on_top_of_it(tmp_path: Path) -> None:
    night = a_night(tmp_path, changed(BONUS=-0.1), changed(BONUS=-0.1, QUALITY=1.8), shuffled=1)
    night.run()
    assert verdicts(night) == [Verdict.KEEP, Verdict.KEEP, Verdict.STALE, Verdict.KEEP]
    assert tip(night) == rows(night)[-1].commit_sha


def test_a_training_that_several_wait_for_is_run_once(tmp_path: Path) -> None:
    # Both are in doubt after their first pair, and the incumbent lacks the second seed.
    night = a_night(tmp_path, changed(QUALITY=1.9), changed(BONUS=-0.05), slots=4)
    night.run()
    for row in rows(night):
        seeds = [each.seed for each in night.registry.trials(row)]
        assert len(seeds) == len(set(seeds)), row.id


@dataclass
class Batches:
    """Makes as many proposals of one call as are wanted, and remembers how many that were."""

    sources: list[str]
    name: str = "batches"
    wanted: list[int] = field(default_factory=list)

    def propose(self, brief: Brief, check: Check) -> Several | None:
        del check
        self.wanted.append(brief.wanted)
        asked, self.sources = self.sources[: brief.wanted], self.sources[brief.wanted :]
        made = [Proposal(self.name, text[-9:], whole(text), Category.OTHER) for text in asked]
        return Several(tuple(made)) if made else None


def test_one_call_fills_the_slots_and_a_stopped_run_forgets_nothing_of_it(tmp_path: Path) -> None:
    author = Batches([changed(BONUS=each) for each in (0.3, 0.4, 0.5, 0.6)])
    night = a_night(tmp_path, slots=3, shuffled=None)
    night.proposer = [Participant(author, at_once=5)]
    night.run_until(lambda started: started.experiment_id == 2)
    assert author.wanted[0] == 3
    assert [row.state for row in rows(night)][1:] == [ExperimentState.OPEN] * 3
    night.run()
    assert verdicts(night) == [Verdict.KEEP] + [Verdict.DISCARD] * 4
    trials = [each for row in rows(night) for each in night.registry.trials(row)]
    assert all(each.slot_seconds is not None for each in trials), "of each it is known"


class ComingExecutor(InlineExecutor):
    """Has no slot at first, then two, and loses one of them at its third trial."""

    looks = 0
    begun = 0
    gone = ""

    @property
    def slots(self) -> tuple[str, ...]:
        self.looks += 1
        if self.looks < 8:
            return ()
        return tuple(each for each in ("0", "1") if each != self.gone)

    def submit(self, slot: str, spec: TrialSpec, tell: Callable[[Message], None]) -> None:
        self.begun += 1
        if self.begun == 3:
            self.gone = slot
            tell(Ended(slot, SlotLostError("it is gone")))
        else:
            assert slot in self.slots
            super().submit(slot, spec, tell)


class ComingNight(Night):
    """A night on slots that come and go."""

    def _executor(self, hosts: Mapping[str, Host]) -> Executor:
        return ComingExecutor(hosts, self.stopped)


def test_it_waits_for_a_slot_and_runs_elsewhere_what_one_took_with_it(tmp_path: Path) -> None:
    sources = [changed(BONUS=at / 10) for at in range(1, 4)]
    project = make_project(tmp_path / "project", SPACIOUS)
    night = ComingNight(project, Scripted([*sources]), slots=2)
    night.run()
    assert Verdict.CRASH not in verdicts(night)
    assert {each.state for each in rows(night)} == {ExperimentState.DONE}
    trials = [each for row in rows(night) for each in night.registry.trials(row)]
    lost = [each for each in trials if each.failure is FailureKind.MACHINE]
    assert [each.detail for each in lost] == ["it is gone"]
    again = [each for each in trials if each.experiment_id == lost[0].experiment_id]
    assert [each.val_bpb is None for each in again if each.seed == lost[0].seed] == [True, False]
    told = [each for each in night.events if isinstance(each, Waiting)]
    assert len(told) == 1, "why it waits is told once"
    assert "no machine" in told[0].reason


def test_what_was_lost_with_its_slot_waits_again_and_is_put_on_top_of_a_keep(
    tmp_path: Path,
) -> None:
    class Losing(ShuffledExecutor):
        """Loses its second slot with the first idea that begins there."""

        gone = False

        @property
        def slots(self) -> tuple[str, ...]:
            return ("0",) if self.gone else ("0", "1")

        def submit(self, slot: str, spec: TrialSpec, tell: Callable[[Message], None]) -> None:
            begun = [each for each in night.events if isinstance(each, TrialStarted)][-1]
            if begun.purpose is Purpose.SCREENING and slot == "1":
                self.gone = True
                tell(Ended(slot, SlotLostError("it is gone")))
            else:
                super().submit(slot, spec, tell)

    class LosingNight(Night):
        def _executor(self, hosts: Mapping[str, Host]) -> Executor:
            return Losing(hosts, self.stopped, 0)

    project = make_project(tmp_path / "project", SPACIOUS)
    ideas = Scripted([changed(QUALITY=1.8), changed(BONUS=-0.15)])
    night = LosingNight(project, ideas, slots=2)
    night.run()
    assert verdicts(night) == [Verdict.KEEP] * 3, "no trial of it had ended: it is the same row"
    _, first, second = rows(night)
    assert second.parent_id == first.id
    failures = [each.failure for each in night.registry.trials(second)]
    assert failures == [FailureKind.MACHINE, None, None]
    assert all(each.slot_seconds is not None for each in night.registry.trials(second))


def test_a_change_beside_that_of_a_keep_is_put_on_top_of_it(tmp_path: Path) -> None:
    # Git calls lines side by side a conflict.
    night = ahead(tmp_path, changed(BONUS=-0.1), changed(NOISE=-0.05))
    night.run()
    _, first, second = rows(night)
    assert (first.verdict, second.parent_id) == (Verdict.KEEP, first.id)
    code = git(night.project.root, "show", f"{second.commit_sha}:train.py")
    assert "BONUS = -0.1\nNOISE = -0.05\n" in code
    assert second.verdict is not Verdict.STALE
