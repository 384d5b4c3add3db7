import os
from pathlib import Path

import pytest

from autoresearch import sandbox
from autoresearch.proposers.specs import parse
from autoresearch.records.events import TrialStarted
from autoresearch.records.training import Budget, Outcome, ProfileRow
from autoresearch.records.values import Clock, Ending, Purpose
from autoresearch.research import StopRules
from autoresearch.research.profiling import quoted
from autoresearch.runtime.profiler import MAX_ROWS, Place, Sampler, Stack, rows
from autoresearch.workers import LocalWorker
from autoresearch.workers.streams import parse_profile
from tests.inline import InlineWorker
from tests.stubs import Night, Scripted, make_project, variant
from tests.trials import PRELUDE, Ahead, Bench

TRAINED = """
def slow():
    busy(0.02)


def step(number):
    slow()
    busy(0.02)
    session.log(step=number, loss=1.0, tokens=number)


data = session.start()
busy(0.3)
for number in range(1, 9):
    step(number)
busy(0.3)
save(session)
session.finish()
"""


def stack(*lines: int | tuple[int, int]) -> Stack:
    """Lines of one file, outermost first; each is a function of its own, or has its function."""
    places = [line if isinstance(line, tuple) else (line, line) for line in lines]
    return tuple(Place("train.py", function, line) for function, line in places)


def shown(*told: tuple[int, float, int]) -> list[tuple[int, float, str, int]]:
    return [(depth, share, "train.py", line) for depth, share, line in told]


def test_lines_are_told_as_a_tree_in_the_order_of_the_program() -> None:
    seconds = {stack(1, 20): 3.0, stack(1, 10, 30): 4.0, stack(1, 10, 31): 2.0, stack(1, 10): 1.0}
    assert rows(seconds) == shown((0, 1.0, 1), (1, 0.7, 10), (2, 0.4, 30), (2, 0.2, 31),
                                  (1, 0.3, 20))  # fmt: skip


def test_a_line_that_only_calls_another_is_left_out_and_so_is_what_takes_next_to_nothing() -> None:
    seconds = {stack(1, 2, 5): 9.5, stack(1, 2, 6): 0.2, stack(1, 3): 0.3}
    assert rows(seconds) == shown((0, 1.0, 1), (1, 0.95, 5), (1, 0.03, 3))
    assert rows({}) == []


def test_a_helper_that_many_lines_call_counts_for_these() -> None:
    """Line 9 of function 8 is called from lines 3 and 4; function 7 calls it, and is no helper."""
    seconds = {stack(1, 3, (8, 9)): 1.0, stack(1, 4, (8, 9)): 3.0, stack(1, 5, (7, 7), (8, 9)): 4.0}
    assert rows(seconds) == shown((0, 1.0, 1), (1, 0.125, 3), (1, 0.375, 4), (1, 0.5, 7))


def test_of_many_lines_the_largest_are_told() -> None:
    seconds = {stack(1, line): 1.0 + (line == 25) for line in range(2, 32)}
    found = rows(seconds)
    assert len(found) <= MAX_ROWS
    assert found[0] == (0, 1.0, "train.py", 1)


def test_whole_steps_count_and_not_the_first() -> None:
    sampler = Sampler(0)
    sampler.look()
    assert sum(sampler.seconds().values()) > 0  # better than nothing
    sampler.step()
    sampler.step()
    sampler.look()
    assert sum(sampler.seconds().values()) == 0


def test_a_real_training_tells_where_its_steps_spend_their_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path, profiled=True)
    outcome = bench.run(TRAINED)
    lines = (PRELUDE + TRAINED).splitlines()
    texts = [lines[row.line - 1].strip() for row in outcome.profile]
    assert outcome.ending is Ending.FINISHED
    assert texts.count("busy(0.02)") == 2  # that of slow() in the place of its only caller
    assert "busy(0.3)" not in texts


def test_a_step_longer_than_the_budget_is_told_before_it_ends(tmp_path: Path) -> None:
    clock = Ahead()
    bench = Bench(tmp_path, profiled=True, budget=Budget(0.5, Clock.WALL, grace=1000.0))
    bench.worker = LocalWorker(sandbox.detect(os.environ), clock)
    step = "session.start()\nsession._over.wait()\n"  # as long as it is looked at
    told = "session._tell()\nsession.log(step=1, loss=1.0, tokens=1)\ntime.sleep(600)\n"
    outcome = bench.run(step + told, on_point=lambda _point: clock.skip(5000.0))
    assert outcome.ending is Ending.HANG
    # A busy machine may still be seen in the line before.
    assert outcome.profile[-1].line == len((PRELUDE + step).splitlines())


@pytest.mark.parametrize(
    "told",
    [
        "rows", [1], [[0, 0.5, "train.py"]], [[0, 2.0, "train.py", 1]], [[-1, 0.5, "train.py", 1]],
        [[1, 0.5, "train.py", 1]], [[0, float("nan"), "train.py", 1]], [[0, 0.5, 7, 1]],
        [[0, 0.5, "train.py", 0]], [[0, 0.5, "a", 1], [2, 0.5, "a", 1]],
    ],
)  # fmt: skip
def test_what_is_no_profile_is_none(told: object) -> None:
    assert parse_profile(told) == ()


def test_a_profile_is_bounded() -> None:
    found = parse_profile([[0, 0.5, "x" * 999, 3]] * 999)
    assert len(found) == MAX_ROWS
    assert len(found[0].path) == 200


ROWS = (ProfileRow(0, 0.9, "train.py", 5), ProfileRow(1, 0.5, "train.py", 6))


def a_night(tmp_path: Path, told: tuple[ProfileRow, ...] = ROWS) -> Night:
    watched = Outcome(Ending.LATE, profile=told)
    worker = InlineWorker(fault=lambda assignment: watched if assignment.profiled else None)
    proposer = Scripted([variant(QUALITY=2.5), variant(QUALITY=1.5), variant(QUALITY=2.2)])
    return Night(make_project(tmp_path / "project"), proposer, profile=True, worker=worker)


def profiles(night: Night) -> list[tuple[int, str]]:
    return [
        (event.experiment_id, str(event.purpose))
        for event in night.events
        if isinstance(event, TrialStarted) and event.purpose is Purpose.PROFILE
    ]


def test_every_incumbent_is_profiled_once_and_the_brief_tells_it(tmp_path: Path) -> None:
    night = a_night(tmp_path)
    night.run()
    assert profiles(night) == [(1, "profile"), (3, "profile")]
    assert isinstance(night.proposer, Scripted)
    told = [[row.text for row in brief.profile] for brief in night.proposer.briefs]
    assert told == [["QUALITY = 2.0", "NOISE = 0.0"]] * 2 + [["QUALITY = 1.5", "NOISE = 0.0"]] * 2
    trials = night.registry.trials(night.registry.experiment(3))
    assert [each.failure for each in trials if each.purpose is Purpose.PROFILE] == [None]
    night.run()
    assert len(profiles(night)) == 2


def test_a_profile_that_came_to_nothing_is_none_and_not_tried_again(tmp_path: Path) -> None:
    night = a_night(tmp_path, (*ROWS, ProfileRow(0, 0.9, "train.py", 999)))
    night.rules = StopRules(experiments=1)
    night.run()
    night.run()
    assert isinstance(night.proposer, Scripted)
    assert all(brief.profile == () for brief in night.proposer.briefs)
    assert profiles(night) == [(1, "profile")]


def test_an_interrupted_profile_is_made_by_the_next_run(tmp_path: Path) -> None:
    night = a_night(tmp_path)
    night.run_until(lambda event: event.purpose is Purpose.PROFILE)
    night.rules = StopRules(experiments=1)
    night.run()
    assert profiles(night) == [(1, "profile"), (1, "profile")]


def test_lines_of_files_that_are_not_there_are_no_profile() -> None:
    files = {"train.py": "first\n  second\n"}
    assert quoted(ROWS[:1], {}) == quoted((ProfileRow(0, 0.9, "../x", 1),), files) == ()
    (row,) = quoted((ProfileRow(0, 0.9, "train.py", 2),), files)
    assert row.text == "second"


def test_only_who_reads_briefs_has_a_profile_made() -> None:
    reads = {text: parse(text).reads_briefs for text in ("optuna", "command:sh", "openai:m")}
    assert reads == {"optuna": False, "command:sh": True, "openai:m": True}
