"""The registry: real SQLite files, made whole or not at all, and never silently wrong."""

import math
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm.exc import DetachedInstanceError

from autoresearch.errors import RegistryError
from autoresearch.records.hardware import Hardware
from autoresearch.records.money import CallEnding, Caps, Intent, Settlement
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import (
    Category,
    Ending,
    ExperimentState,
    Purpose,
    Reading,
    Standing,
    StudyState,
    TrialState,
    Trust,
    Verdict,
)
from autoresearch.registry import Registry, RunLock, rows, schema
from autoresearch.registry.packing import pack, unpack
from tests.apart import create, start_apart, try_lock
from tests.rows import a_study, an_experiment

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry.open(tmp_path / "registry.db", create=True, now=lambda: NOON)


def new_study(registry: Registry, tag: str = "nov23", **changes: Any) -> Study:
    return registry.save(a_study(tag, created_at=NOON, **changes))


def new_experiment(registry: Registry, study: Study, **changes: Any) -> Experiment:
    return registry.save(an_experiment(study, **changes))


def new_trial(registry: Registry, experiment: Experiment, **changes: Any) -> Trial:
    values: dict[str, Any] = {
        "experiment_id": experiment.id,
        "seed": 1,
        "worker": "local",
        "state": TrialState.RUNNING,
        "started_at": NOON,
        "heartbeat_at": NOON,
    }
    return registry.save(Trial(**(values | changes)))


def test_rows_come_back_as_they_went_in(registry: Registry) -> None:
    study = new_study(registry)
    made = new_experiment(
        registry, study, val_bpb=1.25, category=Category.BUG_FIX, patch="diff", hypothesis="a\0b"
    )
    read = registry.experiment(int(made.id or 0))
    assert read.verdict is Verdict.DISCARD
    assert read.category is Category.BUG_FIX
    assert read.created_at == NOON
    assert read.created_at.tzinfo is not None
    assert read.hypothesis == "a\ufffdb"
    assert read.patch == "diff"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_never_reaches_a_column(registry: Registry, value: float) -> None:
    study = new_study(registry)
    with pytest.raises(Exception, match="cannot be stored"):
        new_experiment(registry, study, val_bpb=value)
    assert registry.experiments(study) == []


@pytest.mark.parametrize("place", ["facts", "curve"])
def test_nor_does_it_hide_in_what_a_trial_said(registry: Registry, place: str) -> None:
    experiment = new_experiment(registry, new_study(registry))
    said: Any = {"facts": {"LR": math.nan}, "curve": [[1, math.inf, 2, 0.1, 0.1]]}[place]
    with pytest.raises(Exception, match="not JSON compliant"):
        new_trial(registry, experiment, **{place: said})
    assert registry.trials(experiment) == []


def test_a_finished_trial_does_not_change(registry: Registry) -> None:
    experiment = new_experiment(registry, new_study(registry))
    trial = new_trial(registry, experiment)
    done = registry.save(trial.model_copy(update={"state": TrialState.DONE, "val_bpb": 1.5}))
    with pytest.raises(RegistryError, match="does not change"):
        registry.save(done.model_copy(update={"val_bpb": 1.0}))
    assert registry.trials(experiment)[0].val_bpb == 1.5


def test_what_a_killed_run_left_running_is_lost_and_said_so(registry: Registry) -> None:
    study = new_study(registry)
    registry.save(study.model_copy(update={"state": StudyState.RUNNING}))
    experiment = new_experiment(registry, study, state=ExperimentState.OPEN, verdict=None)
    new_trial(registry, experiment)
    assert registry.forget_running() == 1
    assert registry.trials(experiment)[0].state is TrialState.LOST
    assert registry.unfinished(study)[0].id == experiment.id
    stopped = registry.study()
    assert stopped is not None
    assert stopped.state is StudyState.STOPPED


def test_the_summary_counts_every_verdict(registry: Registry) -> None:
    study = new_study(registry)
    kept = new_experiment(registry, study, verdict=Verdict.KEEP, val_bpb=2.0, finished_at=NOON)
    later = NOON + timedelta(hours=2)
    new_trial(registry, kept, state=TrialState.DONE, started_at=NOON, finished_at=later)
    new_experiment(registry, study)
    new_experiment(registry, study, verdict=Verdict.CRASH)
    best = new_experiment(registry, study, verdict=Verdict.KEEP, val_bpb=1.9, finished_at=later)
    new_experiment(registry, study, state=ExperimentState.OPEN, verdict=None)
    summary = registry.summary(study)
    assert summary.verdicts.by_verdict == {Verdict.KEEP: 2, Verdict.DISCARD: 1, Verdict.CRASH: 1}
    assert summary.finished == 4
    assert summary.unfinished == 1
    assert summary.per_hour == 2.0
    assert summary.baseline is not None
    assert summary.baseline.id == kept.id
    assert summary.incumbent is not None
    assert summary.incumbent.id == best.id
    assert registry.since_keep(study) == 0


def test_pauses_between_runs_are_no_work(registry: Registry) -> None:
    study = new_study(registry)
    assert registry.summary(study).per_hour is None

    def at(minutes: float) -> datetime:
        return NOON + timedelta(minutes=minutes)

    def trained(begin: float, end: float, *trials: tuple[float, float]) -> Experiment:
        row = new_experiment(registry, study, created_at=at(begin), finished_at=at(end))
        for started, ended in trials:
            new_trial(
                registry, row, state=TrialState.DONE, started_at=at(started), finished_at=at(ended)
            )
        return row

    trained(0, 10, (0.5, 9.5))  # ten minutes
    trained(11, 20, (11, 20))  # and ten, of which one was thought about it
    trained(500, 2010, (500, 505), (2000, 2010))  # stopped, and gone on with a day later: fifteen
    assert registry.summary(study).at_work == 35 * 60
    moment = registry.now
    registry.now = lambda: at(5000)
    spent = registry.ledger(study, Caps())
    call = spent.reserve(Intent("openai:x", "openai", "x", "propose", 0.1))
    assert isinstance(call, int)
    spent.settle(call, Settlement(CallEnding.ANSWERED, 0.1, latency=240.0))
    registry.now = moment
    lost = new_experiment(
        registry, study, created_at=at(5004), state=ExperimentState.OPEN, verdict=None
    )
    new_trial(registry, lost, state=TrialState.LOST, started_at=at(5004), heartbeat_at=at(5005))
    assert registry.summary(study).at_work == 40 * 60
    assert registry.summary(study).per_hour == 3 * 60 / 40


def test_patience_counts_from_the_last_keep(registry: Registry) -> None:
    study = new_study(registry)
    assert registry.since_keep(study) == 0
    new_experiment(registry, study, verdict=Verdict.KEEP)
    new_experiment(registry, study)
    new_experiment(registry, study, verdict=Verdict.INVALID)
    assert registry.since_keep(study) == 1
    new_experiment(registry, study, verdict=Verdict.DISCARD, standing=Standing.REFUTED)
    assert registry.since_keep(study) == 0, "it was a keep until it was taken back"


def test_the_latest_study_is_the_one_that_was_at_work_last(registry: Registry) -> None:
    assert registry.study() is None
    first = new_study(registry, "one")
    second = new_study(registry, "two")
    new_experiment(registry, second)
    new_experiment(registry, first)
    latest, named = registry.study(), registry.study("two")
    assert latest is not None
    assert latest.tag == "one"
    assert named is not None
    assert named.id == second.id
    assert registry.study("three") is None


def test_an_unknown_number_is_answered_with_the_known_ones(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="none yet"):
        registry.experiment(1)
    new_experiment(registry, new_study(registry))
    with pytest.raises(RegistryError, match="no experiment 7: there is 1 alone"):
        registry.experiment(7)


def test_lists_leave_bodies_in_the_file(registry: Registry) -> None:
    study = new_study(registry)
    new_experiment(registry, study, patch="x" * 1000)
    light = registry.experiments(study)[0]
    with pytest.raises(Exception, match="patch"):
        _ = light.patch
    assert registry.experiments(study, whole=True)[0].patch == "x" * 1000


def test_the_last_experiments_come_oldest_first(registry: Registry) -> None:
    study = new_study(registry)
    for _ in range(5):
        new_experiment(registry, study)
    assert [row.id for row in registry.experiments(study, last=2)] == [4, 5]


def test_effects_name_the_first_experiment_that_ran_them(registry: Registry) -> None:
    study = new_study(registry)
    new_experiment(registry, study, effect_hash="h", verdict=Verdict.INVALID)
    first = new_experiment(registry, study, effect_hash="h")
    new_experiment(registry, study, effect_hash="h")
    assert registry.effects(study) == {"h": first.id}


def test_readings_leave_out_the_unscored(registry: Registry) -> None:
    study = new_study(registry)
    experiment = new_experiment(registry, study)
    new_trial(registry, experiment, ending=Ending.NAN, state=TrialState.DONE)
    new_trial(registry, experiment, seed=2, val_bpb=1.5, state=TrialState.DONE)
    assert registry.readings(study) == {experiment.id: [Reading(2, 1.5)]}


def test_readings_know_how_often_the_machine_had_changed(registry: Registry) -> None:
    study = new_study(registry, machine_changes=[1, 3])
    experiment = new_experiment(registry, study)
    for seed in range(1, 6):
        new_trial(registry, experiment, seed=seed, val_bpb=1.5, state=TrialState.DONE)
    read = registry.readings(study)[int(experiment.id or 0)]
    assert [each.epoch for each in read] == [0, 1, 1, 2, 2]
    assert study.steady_since == 3


def test_a_repetition_is_no_rivals_curve(registry: Registry) -> None:
    study = new_study(registry)
    experiment = new_experiment(registry, study)
    for purpose in (Purpose.BASELINE, Purpose.DRIFT, Purpose.CONFIRMING):
        new_trial(registry, experiment, val_bpb=1.5, state=TrialState.DONE, purpose=purpose)
    assert [each.id for each in registry.curves(study)] == [1, 3]


def test_the_leaderboard_is_there_for_any_browser(registry: Registry, tmp_path: Path) -> None:
    study = new_study(registry)
    new_experiment(registry, study, val_bpb=2.0)
    new_experiment(registry, study, val_bpb=1.0, standing=Standing.CONFIRMED)
    new_experiment(registry, study, verdict=Verdict.CRASH)
    with closing(sqlite3.connect(tmp_path / "registry.db")) as browser:
        rows = browser.execute("SELECT study, val_bpb, standing FROM leaderboard").fetchall()
    assert rows == [("nov23", 1.0, "confirmed"), ("nov23", 2.0, None)]


def test_the_leaderboard_ranks_only_what_can_be_compared(
    registry: Registry, tmp_path: Path
) -> None:
    for tag, key, bpb in (("a", "{}", 2.0), ("b", '{"device": "cuda"}', 1.0), ("c", "{}", 1.5)):
        study = registry.save(a_study(tag, comparability=key, trust=Trust.SEALED))
        new_experiment(registry, study, val_bpb=bpb)
    with closing(sqlite3.connect(tmp_path / "registry.db")) as browser:
        query = "SELECT conditions, study, val_bpb, trust FROM leaderboard"
        rows = browser.execute(query).fetchall()
    assert rows == [(2, "b", 1.0, "sealed"), (1, "c", 1.5, "sealed"), (1, "a", 2.0, "sealed")]


def test_the_views_for_people_say_each_fate_in_a_word_and_add_up(
    registry: Registry, tmp_path: Path
) -> None:
    study = new_study(registry)
    base = new_experiment(
        registry, study, proposer="baseline", category=Category.BASELINE, verdict=Verdict.KEEP,
        val_bpb=2.0,
    )  # fmt: skip
    kept = new_experiment(
        registry, study, verdict=Verdict.KEEP, standing=Standing.CONFIRMED, val_bpb=1.8,
        delta=-0.2, parent_id=base.id, p_better=0.91, p_neutral=0.08,
    )  # fmt: skip
    new_trial(registry, kept, val_bpb=1.8, state=TrialState.DONE)
    new_trial(registry, kept, val_bpb=1.8, state=TrialState.DONE)
    for verdict, standing in (
        (Verdict.DISCARD, None), (Verdict.DISCARD, Standing.REFUTED), (Verdict.CRASH, None),
        (Verdict.INVALID, None), (Verdict.STALE, None), (None, None),
    ):  # fmt: skip
        new_experiment(registry, study, verdict=verdict, standing=standing)
    ledger = registry.ledger(study, Caps())
    for _ in range(2):
        ledger.reserve(Intent("optuna", "openai", "m", "propose", 0.25))
    with closing(sqlite3.connect(tmp_path / "registry.db")) as browser:
        statuses = browser.execute("SELECT status FROM experiments_readable").fetchall()
        (proposer,) = browser.execute(
            "SELECT experiments, kept, confirmed, refuted, discarded, crashed, refused, "
            "unfinished, best_effect, calls, calls_usd FROM proposers_readable"
        ).fetchall()
        (one,) = browser.execute(
            "SELECT experiments, kept, confirmed, baseline, best, calls_usd FROM studies_readable"
        ).fetchall()
        chances = browser.execute(
            "SELECT percent_better, percent_no_difference, percent_worse "
            "FROM experiments_readable WHERE experiment = 2"
        ).fetchone()
        trials = browser.execute("SELECT experiment_status FROM trials_readable").fetchall()
    assert [status for (status,) in statuses] == [
        "unfinished", "stale", "refused", "crashed", "refuted", "discarded", "confirmed", "kept",
    ]  # fmt: skip
    assert proposer == (7, 1, 1, 1, 1, 1, 1, 1, -0.2, 2, 0.5)
    assert one == (8, 2, 1, 2.0, 1.8, 0.5)
    assert chances == (91.0, 8.0, 1.0)
    assert trials == [("confirmed",), ("confirmed",)]


def test_without_a_registry_the_next_step_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="autoresearch run"):
        Registry.open(tmp_path / "registry.db")


def test_a_damaged_registry_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    path.write_bytes(b"this is no database, " * 100)
    before = path.read_bytes()
    with pytest.raises(RegistryError, match="damaged"):
        Registry.open(path)
    assert path.read_bytes() == before


def test_damage_inside_is_found_by_the_check(registry: Registry, tmp_path: Path) -> None:
    study = new_study(registry)
    for _ in range(200):
        new_experiment(registry, study, patch="p" * 500)
    registry.close()
    path = tmp_path / "registry.db"
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = b"\xff" * (len(data) - len(data) // 2)
    path.write_bytes(data)
    with pytest.raises(RegistryError, match="damaged"):
        Registry.open(path).check()


def test_a_registry_from_the_future_is_refused(registry: Registry, tmp_path: Path) -> None:
    registry.close()
    path = tmp_path / "registry.db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'")
    connection.close()
    with pytest.raises(RegistryError, match="newer autoresearch"):
        Registry.open(path)


def test_a_path_is_no_url(tmp_path: Path) -> None:
    place = tmp_path / "a?b#c%d"
    place.mkdir()
    new_study(Registry.open(place / "registry.db", create=True))
    assert (place / "registry.db").is_file()
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == []


def test_another_programs_database_is_not_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    connection.close()
    with pytest.raises(RegistryError, match="no autoresearch registry"):
        Registry.open(path)


def test_makers_that_race_leave_one_whole_registry(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    makers = [start_apart(create, path) for _ in range(3)]
    for maker in makers:
        maker.join()
    assert [maker.exitcode for maker in makers] == [0, 0, 0]
    Registry.open(path).check()
    assert not list(tmp_path.glob("*.new*"))


def test_only_one_run_at_a_time(tmp_path: Path) -> None:
    with RunLock(tmp_path / "run.lock"):
        start_apart(try_lock, tmp_path / "run.lock", tmp_path / "told").join()
    assert "another run is at work" in (tmp_path / "told").read_text()
    with RunLock(tmp_path / "run.lock"):
        pass


def test_packing_round_trips() -> None:
    assert unpack(pack(b"log")) == b"log"
    assert unpack(None) == b""


def test_a_row_may_be_written_while_another_thread_looks_for_effects(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = new_study(registry)
    for effect in ("a", "b"):
        new_experiment(registry, study, effect_hash=effect)

    class Writing(tuple[Verdict, ...]):
        """Verdicts that are asked for in the moment in which a row is written."""

        def __contains__(self, verdict: object) -> bool:
            new_experiment(registry, study, effect_hash="c")
            return False

    with registry.holding(study):
        registry.experiments(study)
        monkeypatch.setattr(rows, "UNCOUNTED", Writing())
        assert registry.effects(study) == {"a": 1, "b": 2}


def test_rows_held_in_memory_are_those_in_the_file(registry: Registry, tmp_path: Path) -> None:
    study = new_study(registry, machine_changes=[2])
    first = new_experiment(registry, study, verdict=Verdict.KEEP)
    new_trial(registry, first, state=TrialState.DONE, val_bpb=2.0)
    other = Registry.open(tmp_path / "registry.db")

    def agree() -> None:
        for one in (Verdict.KEEP, None):
            held, stored = (each.experiments(study, verdict=one) for each in (registry, other))
            assert [row.model_dump(exclude=BODY) for row in held] == [
                row.model_dump(exclude=BODY) for row in stored
            ]
        assert [row.id for row in registry.experiments(study, last=1)] == [other.newest()]
        assert registry.readings(study) == other.readings(study)
        assert registry.decided(study) == other.decided(study)
        best, known = registry.incumbent(study), other.incumbent(study)
        assert best is not None
        assert known is not None
        assert best.model_dump(exclude=BODY) == known.model_dump(exclude=BODY)
        assert registry.study(study.tag) == other.study(study.tag)
        assert registry.moving(study) == []
        assert registry.effects(study) == other.effects(study)
        assert registry.effects(study, but=1) == other.effects(study, but=1)
        assert registry.ran_on(study) == other.ran_on(study)
        for trial in range(4):
            told = (each.trained_since(study, trial, best) for each in (registry, other))
            assert len({*told}) == 1
        assert registry.seconds(study) == other.seconds(study)
        assert registry.quickest(int(study.id or 0)) == other.quickest(int(study.id or 0))
        for row in other.experiments(study):
            assert registry.experiment(int(row.id or 0), whole=False).state is row.state
            mine, there = (
                [trial.model_dump(exclude=TRIAL_BODY) for trial in each.trials(row)]
                for each in (registry, other)
            )
            assert mine == there

    with registry.holding(study):
        agree()
        second = new_experiment(
            registry, study, parent_id=first.id, verdict=None, effect_hash="new"
        )
        early, late = (new_trial(registry, second, seed=seed) for seed in (1, 2))
        for trial in (late, early):  # they may end in another order than they began
            done = {"state": TrialState.DONE, "val_bpb": 1.9, "steps": trial.seed}
            done["hardware"] = Hardware("cpu", f"processor {trial.seed}").stored
            registry.save(trial.model_copy(update=done))
            agree()
        registry.save(second.model_copy(update={"verdict": Verdict.KEEP}))
        agree()
        new_experiment(registry, new_study(registry, "other"), verdict=Verdict.KEEP)
        new_experiment(registry, study, parent_id=second.id)
        agree()


BODY = {"patch", "change_text", "test_bits"}
TRIAL_BODY = {"log", "doc_bits", "curve", "traceback"}


def test_a_row_comes_back_from_saving_as_the_file_holds_it(
    registry: Registry, tmp_path: Path
) -> None:
    study = new_study(registry)
    told = {"ideas": ("one", "two")}
    row = new_experiment(registry, study, hypothesis="a\0b\ud800", notes=told, seconds=3)
    stored = Registry.open(tmp_path / "registry.db").experiment(int(row.id or 0))
    assert row.model_dump() == stored.model_dump()
    assert row.hypothesis == "a\ufffdb?"
    assert row.notes == {"ideas": ["one", "two"]}
    assert isinstance(row.seconds, float)
    with registry.holding(study):  # what was not read of a row stays in the file
        held = registry.experiments(study)[0]
        registry.save(held.model_copy(update={"pairs": 4}))
        with pytest.raises(DetachedInstanceError):
            _ = registry.experiments(study)[0].patch
    assert registry.experiment(int(row.id or 0)).change_text == row.change_text
    assert registry.experiment(int(row.id or 0)).pairs == 4
