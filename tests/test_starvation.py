"""What a machine that gives a trial no core does to its limits."""

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from autoresearch.process import Breach, CoreWaits, Guarded, ResourceLimits, launch, run
from autoresearch.records.training import MOST_STARVED, Budget, Limits
from autoresearch.records.values import Clock, Ending, FailureKind
from autoresearch.workers.exits import Failed
from autoresearch.workers.meter import Meter
from tests.processes import until

ENV = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="schedstat is Linux's")
BUDGET = Budget(training=10.0, clock=Clock.CPU, startup=20.0, grace=1.0)  # wall limit: 71 s
LIMIT = BUDGET.wall_limit


@dataclass
class Told:
    """A tree on a machine, second by second, as the system tells of it."""

    seconds: float = 0.0
    cpu: float = 0.0
    delays: dict[int, float] = field(default_factory=dict)

    def cpu_seconds(self) -> float:
        return self.cpu

    def core_delays(self) -> dict[int, float]:
        return dict(self.delays)

    def now(self) -> float:
        return self.seconds

    def waits(self) -> CoreWaits:
        return CoreWaits(self.core_delays, self.cpu_seconds, self.now)

    def meter(self, budget: Budget = BUDGET) -> Meter:
        none = cast("ResourceLimits", None)  # memory and files are not looked at here
        return Meter(cast("Guarded", self), none, budget, Limits(), self.now)

    def passes(self, cpu: float, **waited: float) -> None:
        """Let a second pass, in which so many CPU seconds are used and these threads waited."""
        self.seconds += 1.0
        self.cpu += cpu
        for thread, delay in waited.items():
            number = int(thread.removeprefix("t"))
            self.delays[number] = self.delays.get(number, 0.0) + delay


def until_ended(meter: Meter, told: Told, cpu: float, **waited: float) -> tuple[float, Failed]:
    """Return after how many seconds of this kind a trial is ended, and how."""
    for second in range(10_000):
        if failed := meter.overdue():
            return second, failed
        told.passes(cpu, **waited)
    raise AssertionError(meter.spent())


class TestCoreWaits:
    def test_a_thread_that_waits_while_nothing_runs_counts(self) -> None:
        told = Told()
        waits = told.waits()
        for _ in range(10):
            told.passes(0.1, t7=0.9, t8=0.4)
            seconds = waits.seconds()
        assert seconds == pytest.approx(9.0)

    def test_what_sleeps_counts_for_nothing(self) -> None:
        told = Told(delays={7: 50.0})
        waits = told.waits()
        for _ in range(10):
            told.passes(0.0, t7=0.01)
            seconds = waits.seconds()
        assert seconds == pytest.approx(0.1)

    def test_threads_that_wait_for_each_others_core_count_for_nothing(self) -> None:
        told = Told()
        waits = told.waits()
        hundred = {f"t{number}": 0.99 for number in range(100)}
        for _ in range(10):
            told.passes(1.0, **hundred)
            assert waits.seconds() == 0.0

    def test_what_threads_waited_together_is_not_added_up(self) -> None:
        """They waited at once, for the core of one that ran, and tell of it one after another."""
        told = Told()
        waits = told.waits()
        for number in range(10):
            told.passes(1.0, **{f"t{number}": 10.0})
            waits.seconds()
        for _ in range(100):
            told.passes(0.0)
            seconds = waits.seconds()
        assert seconds == pytest.approx(10.0)

    def test_a_long_wait_is_told_at_its_end(self) -> None:
        told = Told()
        waits = told.waits()
        for _ in range(9):
            told.passes(0.0)
            assert waits.seconds() == 0.0
        told.passes(0.0, t7=9.5)
        assert waits.seconds() == pytest.approx(9.5)

    def test_a_number_that_is_given_again_is_another_thread(self) -> None:
        told = Told(delays={7: 50.0})
        waits = told.waits()
        told.delays = {7: 0.0}
        told.passes(0.0, t7=0.8)
        assert waits.seconds() == pytest.approx(0.8)


class TestLimits:
    def test_a_starved_trial_has_the_time_that_it_was_kept_from_the_cores(self) -> None:
        told = Told()
        meter = told.meter()
        meter.start()
        ended = until_ended(meter, told, 0.1, t7=0.9)
        assert ended == (
            121,  # its budget and twice the grace, of which a tenth came through in a second
            Failed(Ending.HANG, "did not finish within 10 s of training", doubtful=True),
        )

    def test_a_hang_ends_at_the_limit_on_a_busy_machine_as_on_others(self) -> None:
        told = Told()
        meter = told.meter()
        meter.start()
        second, failed = until_ended(meter, told, 0.0, t7=0.01)
        assert LIMIT < second < LIMIT + 3
        assert failed == Failed(
            Ending.HANG, f"did not finish within {LIMIT:g} s of wall time", doubtful=True
        )

    def test_a_hang_after_a_starved_training_ends_as_much_later(self) -> None:
        told = Told()
        meter = told.meter()
        meter.start()
        for _ in range(50):
            told.passes(0.1, t7=0.9)
            assert meter.overdue() is None
        second, failed = until_ended(meter, told, 0.0)
        assert LIMIT - 5 < second + 5 < LIMIT + 3
        assert failed.failure is None

    @pytest.mark.parametrize("waited", [1.0, 0.6])
    def test_what_gets_no_core_at_all_is_ended_for_the_machines_fault(self, waited: float) -> None:
        told = Told()
        meter = told.meter()
        meter.start()
        second, failed = until_ended(meter, told, 0.001, t7=waited)
        assert second == math.floor(min(MOST_STARVED * LIMIT, LIMIT / (1 - waited + 1e-9))) + 1
        assert (failed.ending, failed.failure) == (Ending.HANG, FailureKind.MACHINE)
        assert failed.detail.startswith(f"did not finish within {LIMIT:g} s of wall time: for ")

    def test_start_up_is_measured_in_the_same_way(self) -> None:
        told = Told()
        meter = told.meter()
        for _ in range(60):
            told.passes(0.1, t7=0.9)
            assert meter.overdue() is None
        second, failed = until_ended(meter, told, 0.0, t7=1.0)
        assert second < MOST_STARVED * BUDGET.startup
        assert (failed.ending, failed.failure) == (Ending.START_TIMEOUT, FailureKind.MACHINE)

    def test_a_command_has_a_limit_from_its_launch_on(self) -> None:
        told = Told()
        meter = told.meter()
        for _ in range(60):
            told.passes(0.1, t7=0.9)
            assert meter.outlasted(9.0, Ending.HANG, "too long") is None or told.seconds > 36
        assert meter.outlasted(9.0, Ending.HANG, "too long") == Failed(
            Ending.HANG,
            "too long: for 54 s of 60 s the machine gave it no core",
            FailureKind.MACHINE,
            doubtful=True,
        )

    def test_by_the_wall_clock_all_seconds_count(self) -> None:
        told = Told()
        meter = told.meter(Budget(training=10.0, clock=Clock.WALL, startup=20.0))
        assert until_ended(meter, told, 0.1, t7=0.9)[0] == 21

    def test_where_the_system_tells_nothing_all_seconds_count(self) -> None:
        told = Told()
        meter = told.meter()
        meter.start()
        assert until_ended(meter, told, 0.1)[0] == math.floor(LIMIT) + 1


@LINUX
class TestOnThisMachine:
    """Real trees; the others of the machine may keep it busy as well."""

    @pytest.fixture
    def busy(self, tmp_path: Path) -> Iterator[Callable[[], Guarded]]:
        """Return what starts a process that wants one core for itself, the same each time."""
        core = min(os.sched_getaffinity(0))
        code = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
        with ExitStack() as held:
            yield lambda: held.enter_context(started(tmp_path, sys.executable, "-S", "-c", code))

    def test_a_starved_process_is_told_from_one_that_sleeps(
        self, busy: Callable[[], Guarded], tmp_path: Path
    ) -> None:
        trees = [busy() for _ in range(4)]
        with started(tmp_path, "sleep", "900") as asleep:
            until(lambda: all(each.cpu_seconds() > 0.1 for each in trees) and asleep.core_delays())
            began, used = time.monotonic(), trees[0].cpu_seconds()
            starved, sleeping = (
                CoreWaits(each.core_delays, each.cpu_seconds, time.monotonic)
                for each in (trees[0], asleep)
            )
            until(lambda: starved.seconds() > 1.5)
            passed, had = time.monotonic() - began, trees[0].cpu_seconds() - used
            assert starved.seconds() + had <= passed + 0.1
            assert starved.seconds() > passed / 3, "it had a fourth of a core at most"
            assert sleeping.seconds() < 0.5

    @pytest.mark.thorough  # beside it: a starved process is told from one that sleeps
    def test_what_outlives_its_time_tells_how_long_it_had_no_core(
        self, busy: Callable[[], Guarded], tmp_path: Path
    ) -> None:
        trees = [busy() for _ in range(4)]
        until(lambda: all(each.cpu_seconds() > 0.1 for each in trees))
        core = min(os.sched_getaffinity(0))
        code = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
        ended = run(
            [sys.executable, "-S", "-c", code], cwd=tmp_path, env=ENV, limits=Limits(),
            timeout=1.6, stop=lambda: False,
        )  # fmt: skip
        assert ended.breach is Breach.TIME
        assert 0.3 < ended.starved < ended.seconds

    def test_a_starved_trial_outlives_its_limit_and_ends_for_the_machines_fault(
        self, busy: Callable[[], Guarded]
    ) -> None:
        budget, limits = replace(BUDGET, startup=1.5), Limits()
        tree, *_others = [busy() for _ in range(5)]
        until(lambda: tree.cpu_seconds() > 0.1)
        meter = Meter(tree, cast("ResourceLimits", None), budget, limits, time.monotonic)
        ended = list[Failed]()

        def over() -> bool:
            ended.extend(filter(None, [meter.overdue()]))
            return bool(ended)

        until(over)
        assert meter.age > 2 * budget.startup, "of each second it had a fifth"
        (failed,) = ended
        assert (failed.ending, failed.failure) == (Ending.START_TIMEOUT, FailureKind.MACHINE)


def started(folder: Path, *command: str) -> Guarded:
    return launch(command, cwd=folder, env=ENV)
