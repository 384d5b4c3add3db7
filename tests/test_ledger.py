"""The ledger: caps that hold whatever runs, threads, processes and kills do at the same time."""

import contextlib
import math
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoresearch.errors import RegistryError
from autoresearch.records.money import (
    CallEnding,
    CallState,
    CapReached,
    Caps,
    GpuPrice,
    Ledger,
    Settlement,
    Usage,
)
from autoresearch.records.tables import Experiment, Study, Trial
from autoresearch.records.values import Category, ExperimentState, TrialState, Verdict
from autoresearch.registry import Registry
from autoresearch.registry.packing import unpack
from tests.apart import answered, intent, spend, start_apart
from tests.rows import a_study

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CLOSE = 1e-9


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry.open(tmp_path / "registry.db", create=True, now=lambda: NOON)


@pytest.fixture
def study(registry: Registry) -> Study:
    return registry.save(a_study("nov23"))


def reserved(ledger: Ledger, worst: float) -> int:
    call = ledger.reserve(intent(worst))
    assert isinstance(call, int)
    return call


def refusal(ledger: Ledger, worst: float) -> str:
    reached = ledger.reserve(intent(worst))
    assert isinstance(reached, CapReached)
    return reached.reason


def total(registry: Registry, study: Study) -> float:
    return math.fsum(call.cost_usd for call in registry.calls(study))


def an_experiment(registry: Registry, study: Study, proposer: str = "optuna") -> Experiment:
    return registry.save(
        Experiment(
            study_id=int(study.id or 0),
            state=ExperimentState.OPEN,
            proposer=proposer,
            hypothesis="DEPTH 8 → 9",
            category=Category.ARCHITECTURE,
            created_at=NOON,
        )
    )


def a_trial(registry: Registry, study: Study, state: TrialState, seconds: float = 0.0) -> None:
    registry.save(
        Trial(
            experiment_id=int(an_experiment(registry, study).id or 0),
            seed=1,
            worker="local",
            state=state,
            total_seconds=seconds * 0.9,
            scoring_seconds=seconds * 0.1,
            started_at=NOON,
            heartbeat_at=NOON,
        )
    )


def test_a_call_is_written_down_before_it_is_made(registry: Registry, study: Study) -> None:
    number = reserved(registry.ledger(study, Caps()), 0.25)
    (call,) = registry.calls(study)
    assert (call.id, call.study_id, call.experiment_id) == (number, study.id, None)
    assert (call.proposer, call.provider, call.model) == ("openai:gpt-5.5", "openai", "gpt-5.5")
    assert (call.purpose, call.price) == ("propose", "genai-prices 0.2.3")
    assert (call.state, call.ending) == (CallState.RESERVED, None)
    assert (call.reserved_usd, call.cost_usd, call.created_at) == (0.25, 0.25, NOON)


def test_a_settlement_says_how_it_ended(registry: Registry, study: Study) -> None:
    ledger = registry.ledger(study, Caps())
    number = reserved(ledger, 0.25)
    usage = Usage(1000, 50, 600, 300)
    said = "DEPTH = 9 \ud800 →"
    ledger.settle(number, Settlement(CallEnding.TRUNCATED, 0.1, usage, 2.5, "cut", said))
    ledger.send_back(number, "the block was not found")
    (call,) = registry.calls(study, whole=True)
    assert (call.state, call.ending) == (CallState.SETTLED, CallEnding.TRUNCATED)
    assert (call.reserved_usd, call.cost_usd) == (0.25, 0.1)
    assert (call.tokens_in, call.tokens_out) == (1000, 50)
    assert (call.tokens_cached, call.tokens_written) == (600, 300)
    assert (call.latency_seconds, call.detail) == (2.5, "cut")
    assert call.sent_back == "the block was not found"
    assert unpack(call.answer).decode() == "DEPTH = 9 ? →"


def test_lists_of_calls_leave_answers_in_the_file(registry: Registry, study: Study) -> None:
    ledger = registry.ledger(study, Caps())
    ledger.settle(reserved(ledger, 1.0), answered(0.5))
    (light,) = registry.calls(study)
    with pytest.raises(Exception, match="answer"):
        _ = light.answer


def test_a_second_settlement_is_ignored(registry: Registry, study: Study) -> None:
    ledger = registry.ledger(study, Caps())
    known, unknown = reserved(ledger, 1.0), reserved(ledger, 1.0)
    ledger.settle(known, answered(0.5))
    ledger.settle(known, answered(0.0))
    ledger.settle(unknown, Settlement(CallEnding.TIMED_OUT, None))
    ledger.settle(unknown, answered(0.0))
    assert [call.cost_usd for call in registry.calls(study)] == [0.5, 1.0]


def test_what_was_never_reported_stays_spent(registry: Registry, study: Study) -> None:
    ledger = registry.ledger(study, Caps(run=1.5))
    ledger.settle(reserved(ledger, 1.0), Settlement(CallEnding.CUT, None))
    (call,) = registry.calls(study)
    assert (call.state, call.ending, call.cost_usd) == (CallState.RESERVED, CallEnding.CUT, 1.0)
    assert ledger.remaining() == 0.5


def test_what_is_free_gives_its_reservation_back(registry: Registry, study: Study) -> None:
    ledger = registry.ledger(study, Caps(run=1.0))
    for _ in range(5):
        ledger.settle(reserved(ledger, 1.0), Settlement(CallEnding.OVERLOADED, 0.0))
    assert ledger.remaining() == 1.0


def test_a_cap_can_be_spent_to_the_cent(registry: Registry, study: Study) -> None:
    ledger = registry.ledger(study, Caps(run=0.3))
    for _ in range(3):
        reserved(ledger, 0.1)
    assert ledger.remaining() == 0.0
    assert "run's cap of $0.3000 is reached: $0.3000 spent" in refusal(ledger, 0.01)
    reserved(ledger, 0.0)


def test_a_single_call_has_a_cap_too(registry: Registry, study: Study) -> None:
    ledger = registry.ledger(study, Caps(call=0.5))
    reserved(ledger, 0.5)
    assert refusal(ledger, 0.75) == "a call may cost $0.7500, above the cap of $0.5000 a call"
    assert ledger.remaining() is None


def test_a_refused_call_leaves_no_trace(registry: Registry, study: Study) -> None:
    refusal(registry.ledger(study, Caps(study=1.0)), 2.0)
    assert registry.calls(study) == []


def test_a_new_run_has_its_cap_anew_and_the_study_goes_on(registry: Registry, study: Study) -> None:
    caps = Caps(run=1.0, study=1.5)
    first = registry.ledger(study, caps)
    reserved(first, 1.0)
    assert "run's cap" in refusal(first, 0.1)
    second = registry.ledger(study, caps)
    assert second.remaining() == 0.5
    assert "the study's cap of $1.50 is reached: $1.00 spent" in refusal(second, 0.6)
    reserved(second, 0.5)


def test_studies_do_not_pay_for_each_other(registry: Registry, study: Study) -> None:
    caps = Caps(run=1.0, study=1.0)
    ledger = registry.ledger(study, caps)
    other = registry.ledger(registry.save(a_study("nov24")), caps)
    number = reserved(other, 1.0)
    assert ledger.remaining() == 1.0
    with pytest.raises(RegistryError, match=f"no call {number}"):
        ledger.settle(number, answered(0.0))


@pytest.mark.parametrize("amount", [math.nan, math.inf, -0.01])
def test_what_is_no_amount_is_refused(registry: Registry, study: Study, amount: float) -> None:
    ledger = registry.ledger(study, Caps())
    with pytest.raises(ValueError, match="no amount"):
        ledger.reserve(intent(amount))
    number = reserved(ledger, 1.0)
    with pytest.raises(ValueError, match="no amount"):
        ledger.settle(number, answered(amount))


def test_a_server_that_counts_absurdly_does_no_harm(registry: Registry, study: Study) -> None:
    ledger = registry.ledger(study, Caps())
    ledger.settle(reserved(ledger, 1.0), answered(0.0, Usage(10**40, 10**40)))
    assert registry.calls(study)[0].tokens_in == 2**53


def test_training_counts_where_it_has_a_price(registry: Registry, study: Study) -> None:
    gpu = GpuPrice(hour_usd=3.6, trial_worst_seconds=1000)
    before = TrialState.LOST
    a_trial(registry, study, before)
    ledger = registry.ledger(study, Caps(run=10.0, study=20.0), gpu=gpu)
    assert ledger.remaining() == 10.0
    a_trial(registry, study, TrialState.DONE, 100)
    assert ledger.remaining() == pytest.approx(9.9)
    a_trial(registry, study, TrialState.RUNNING, 0)
    assert ledger.remaining() == pytest.approx(8.9)
    again = registry.ledger(study, Caps(study=20.0), gpu=gpu)
    assert again.remaining() == pytest.approx(20 - 0.1 - 1.0 - 1.0)
    assert "is reached: $1.10 spent" in refusal(ledger, 8.95)
    assert gpu.trial_worst == 1.0


@pytest.mark.parametrize("gpu", [None, GpuPrice(), GpuPrice(0.0, 1000), GpuPrice(None, 1000)])
def test_without_a_price_training_costs_nothing(
    registry: Registry, study: Study, gpu: GpuPrice | None
) -> None:
    a_trial(registry, study, TrialState.DONE, 1e6)
    assert registry.ledger(study, Caps(study=1.0), gpu=gpu).remaining() == 1.0


def test_calls_are_linked_to_what_came_of_them(registry: Registry, study: Study) -> None:
    ledger = registry.ledger(study, Caps())
    numbers = [reserved(ledger, 0.1) for _ in range(3)]
    experiment = an_experiment(registry, study)
    experiment = registry.save(experiment, calls=numbers[:2])
    registry.save(experiment)
    assert [call.id for call in registry.calls_of(experiment)] == numbers[:2]
    assert [call.experiment_id for call in registry.calls(study)] == [experiment.id] * 2 + [None]


def test_each_proposer_has_its_account(registry: Registry, study: Study) -> None:
    ledger = registry.ledger(study, Caps())
    spec = "openai:gpt-5.5"
    ledger.settle(reserved(ledger, 1.0), answered(0.25, Usage(1000, 10, 600)))
    late = Settlement(CallEnding.TIMED_OUT, None, Usage(100, 10), latency=60.0)
    ledger.settle(reserved(ledger, 1.0), late)
    reserved(ledger, 2.0)
    for changes in (
        {"verdict": Verdict.KEEP, "predicted_delta": -0.02, "delta": -0.01},
        {"verdict": Verdict.CRASH, "predicted_delta": -0.5},
    ):
        registry.save(an_experiment(registry, study, spec).model_copy(update=changes))
    baseline = {"category": Category.BASELINE, "verdict": Verdict.KEEP, "proposer": "baseline"}
    registry.save(an_experiment(registry, study).model_copy(update=baseline))
    a_trial(registry, study, TrialState.DONE, 100)
    mine, optuna = registry.spending(study)
    assert (mine.proposer, optuna.proposer) == (spec, "optuna")
    assert (mine.experiments, mine.keeps) == (2, 1)
    assert mine.verdicts.by_verdict == {Verdict.KEEP: 1, Verdict.CRASH: 1}
    assert mine.predictions == 1
    assert mine.prediction_error == pytest.approx(0.01)
    assert (mine.calls, mine.failed, mine.latency) == (3, 1, 60.0)
    assert (mine.tokens_in, mine.tokens_cached, mine.tokens_out) == (1000 + 100, 600, 10 + 10)
    assert (mine.usd, mine.reserved_usd, mine.gpu_seconds) == (3.25, 3.0, 0.0)
    assert mine.cached_share == pytest.approx(6 / 11)
    assert (optuna.experiments, optuna.calls, optuna.usd) == (1, 0, 0.0)
    assert (optuna.prediction_error, optuna.cached_share) == (None, None)
    assert optuna.gpu_seconds == pytest.approx(100)


AMOUNTS = st.floats(0, 2, allow_nan=False)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.integers(0, 2), AMOUNTS),
        st.tuples(st.just("settle"), st.integers(0, 30), st.floats(0, 1)),
        st.tuples(st.just("lose"), st.integers(0, 30), st.just(0.0)),
        st.tuples(st.just("run"), st.integers(0, 2), st.just(0.0)),
    ),
    max_size=25,
)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(acts=ACTS, run_cap=AMOUNTS, study_cap=st.floats(0, 4), call_cap=AMOUNTS)
def test_caps_hold_in_whatever_order_runs_reserve_and_settle(
    registry: Registry,
    acts: list[tuple[str, int, float]],
    run_cap: float,
    study_cap: float,
    call_cap: float,
) -> None:
    study = registry.save(a_study(f"s{len(registry.studies())}"))
    caps = Caps(run_cap, study_cap, call_cap)
    runs = [registry.ledger(study, caps) for _ in range(3)]
    since = [0, 0, 0]  # how many calls there were when each run began
    calls: list[int] = []
    costs: list[float] = []
    open_: set[int] = set()
    for act, which, amount in acts:
        if act == "run":
            runs[which], since[which] = registry.ledger(study, caps), len(calls)
        elif act == "reserve":
            answer = runs[which].reserve(intent(amount))
            sums = (math.fsum([*costs, amount]), math.fsum([*costs[since[which] :], amount]))
            fits = sums[0] <= study_cap and sums[1] <= run_cap and amount <= call_cap
            if isinstance(answer, int):
                calls.append(answer)
                open_.add(len(calls) - 1)
                costs.append(amount)
                assert math.fsum(costs) <= study_cap + CLOSE
                assert math.fsum(costs[since[which] :]) <= run_cap + CLOSE
                assert amount <= call_cap + CLOSE
            assert isinstance(answer, int) or not fits
        elif which < len(calls):
            known = None if act == "lose" else amount * costs[which]
            runs[which % 3].settle(calls[which], answered(known))
            if which in open_ and known is not None:
                costs[which] = known
            open_.discard(which)
    assert [call.cost_usd for call in registry.calls(study)] == costs
    for run, start in zip(runs, since, strict=True):
        left = min(study_cap - math.fsum(costs), run_cap - math.fsum(costs[start:]))
        assert run.remaining() == pytest.approx(max(left, 0.0), abs=CLOSE)


def test_threads_share_a_cap(registry: Registry, study: Study) -> None:
    ledger = registry.ledger(study, Caps(run=1.0))
    made: list[int] = []

    def spend() -> None:
        while isinstance(call := ledger.reserve(intent(0.07)), int):
            made.append(call)
            ledger.settle(call, answered(0.03 if call % 3 else None))

    threads = [threading.Thread(target=spend) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [call.id for call in registry.calls(study)]
    assert 1.0 - 0.07 <= total(registry, study) + CLOSE <= 1.0 + 2 * CLOSE


@contextlib.contextmanager
def spending(*arguments: object) -> Iterator[BaseProcess]:
    spender = start_apart(spend, *arguments)
    try:
        yield spender
    finally:
        assert spender.pid is not None
        os.kill(spender.pid, signal.SIGKILL)
        spender.join()


def test_nothing_that_was_acknowledged_is_lost_when_processes_are_killed(
    registry: Registry, study: Study, tmp_path: Path
) -> None:
    caps, dice = Caps(study=0.5), random.Random(7)
    path = tmp_path / "registry.db"
    journals = [tmp_path / f"journal{number}" for number in range(6)]
    for pair in (journals[:2], journals[2:4], journals[4:]):
        with (
            spending(path, "nov23", caps, pair[0]) as first,
            spending(path, "nov23", caps, pair[1]),
        ):
            while not all(each.exists() and len(_whole(each)) >= 10 for each in pair):
                assert first.is_alive()
                if total(registry, study) > 0.48:
                    break
                time.sleep(0.01)
            time.sleep(dice.uniform(0.0, 0.3))
    registry.check()
    rows = {call.id: call for call in registry.calls(study)}
    lines = [line.split() for each in journals if each.exists() for line in _whole(each)]
    costs = {int(call): float(cost) for _, call, cost in lines}
    assert len(costs) > 20
    for number, cost in costs.items():
        assert rows[number].cost_usd <= cost
        if rows[number].ending is None:
            assert rows[number].cost_usd == cost
    settled = {int(call): float(cost) for word, call, cost in lines if word == "settled"}
    assert {number: rows[number].cost_usd for number in settled} == settled
    assert total(registry, study) <= 0.5 + CLOSE


def _whole(journal: Path) -> list[str]:
    return [line for line in journal.read_text().splitlines(keepends=True) if line.endswith("\n")]


def test_a_registry_that_cannot_be_written_says_so(
    registry: Registry, study: Study, tmp_path: Path
) -> None:
    ledger = registry.ledger(study, Caps())
    with closing(sqlite3.connect(tmp_path / "registry.db")) as other:
        other.execute("DROP TABLE call")
    with pytest.raises(RegistryError, match="no such table"):
        ledger.reserve(intent(0.1))


def test_a_ledger_outlives_its_registry(tmp_path: Path) -> None:
    opened = Registry.open(tmp_path / "registry.db", create=True, now=lambda: NOON)
    study = opened.save(a_study("nov23"))
    ledger = opened.ledger(study, Caps(run=1.0))
    del opened
    reserved(ledger, 0.5)
    assert ledger.remaining() == 0.5
    assert len(Registry.open(tmp_path / "registry.db").calls(study)) == 1
