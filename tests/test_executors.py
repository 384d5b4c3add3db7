"""What holds of every executor; see `Executor`. `tests/executors.py` has their list."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoresearch.errors import Interrupted, is_passing
from autoresearch.execution import TrialResult
from autoresearch.records.events import Scoring, TrialPoint
from autoresearch.records.scores import Score, Unscored
from tests.executors import RIGS, Rig, is_alive, spec
from tests.processes import until


@pytest.fixture(params=RIGS)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    with RIGS[request.param](tmp_path) as found:
        yield found


def bpb(result: TrialResult | Exception) -> float:
    assert isinstance(result, TrialResult), result
    assert isinstance(result.score, Score), result
    return result.score.bpb


class TestEveryExecutor:
    def test_a_trial_tells_what_happens_in_order_and_ends_last(self, rig: Rig) -> None:
        first = rig.executor.slots[0]
        assert bpb(rig.run(first, spec(1))) == 1.0
        kinds = [type(each) for each in rig.heard.pop(first)]
        assert kinds == [TrialPoint, Scoring]
        assert not rig.heard, "nothing is told of another slot"
        assert rig.inbox.empty(), "the end is the last word"
        until(lambda: not rig.left)

    def test_a_result_names_no_place_of_its_host(self, rig: Rig) -> None:
        found = rig.run(rig.executor.slots[0], spec(1))
        assert isinstance(found, TrialResult)
        assert found.outcome.checkpoint is None
        assert [each.loss for each in found.outcome.curve] == [1.0]

    def test_slots_are_at_work_beside_each_other(self, rig: Rig) -> None:
        one, other = rig.executor.slots[:2]
        assert rig.executor.name
        rig.submit(one, spec(1))
        rig.began(one)
        rig.submit(other, spec(2))
        rig.began(other)
        rig.gates.set("go", 2)
        slot, result = rig.ended()
        assert (slot, bpb(result)) == (other, 2.0)
        rig.gates.set("go", 1)
        slot, result = rig.ended()
        assert (slot, bpb(result)) == (one, 1.0)

    def test_a_slot_takes_the_next_trial_as_soon_as_one_has_ended(self, rig: Rig) -> None:
        slot = rig.executor.slots[0]
        assert [bpb(rig.run(slot, spec(seed))) for seed in (3, 1, 2)] == [3.0, 1.0, 2.0]

    def test_a_cancelled_trial_is_interrupted_and_the_others_are_not(self, rig: Rig) -> None:
        one, other = rig.executor.slots[:2]
        rig.executor.cancel(one)  # of an idle slot it means nothing
        for slot, seed in ((one, 1), (other, 2)):
            rig.submit(slot, spec(seed))
            rig.began(slot)
        rig.executor.cancel(one)
        slot, result = rig.ended()
        assert slot == one
        assert isinstance(result, Interrupted)
        assert bpb(rig.run(one, spec(3))) == 3.0, "the slot is free again"
        rig.gates.set("go", 2)
        assert bpb(rig.ended()[1]) == 2.0

    def test_a_checkpoint_without_a_score_is_held_and_scored_again(self, rig: Rig) -> None:
        slot = rig.executor.slots[0]
        rig.gates.set("sick", 1)
        found = rig.run(slot, spec(1))
        assert isinstance(found, TrialResult)
        assert isinstance(found.score, Unscored)
        assert found.held
        assert bpb(rig.run(slot, spec(2))) == 2.0, "others may be at work meanwhile"
        rig.gates.clear("sick", 1)
        again = rig.run(slot, spec(1, again=True))
        assert bpb(again) == 1.0
        assert rig.gates.times("trained", 1) == 1, "it is not trained again"
        rig.executor.release(slot, 1)
        until(lambda: not rig.left)

    def test_what_is_released_is_gone(self, rig: Rig) -> None:
        slot = rig.executor.slots[0]
        rig.gates.set("sick", 1)
        rig.run(slot, spec(1))
        assert rig.left
        rig.executor.release(slot, 1)
        until(lambda: not rig.left)
        rig.gates.clear("sick", 1)
        assert bpb(rig.run(slot, spec(1, again=True))) == 1.0
        assert rig.gates.times("trained", 1) == 2, "nothing was left to score"
        rig.executor.release(slot, 7)  # of what was never there

    def test_a_fault_that_may_pass_is_told_as_it_is(self, rig: Rig) -> None:
        slot = rig.executor.slots[0]
        rig.gates.set("full", 1)
        fault = rig.run(slot, spec(1))
        assert isinstance(fault, OSError)
        assert fault.errno == errno.ENOSPC
        assert is_passing(fault)
        rig.gates.clear("full", 1)
        assert bpb(rig.run(slot, spec(1))) == 1.0
        until(lambda: not rig.left)

    def test_making_ready_disturbs_nothing(self, rig: Rig) -> None:
        one, other = rig.executor.slots[:2]
        rig.executor.prepare()
        rig.submit(one, spec(1))
        rig.began(one)
        rig.executor.prepare()
        assert bpb(rig.run(other, spec(2))) == 2.0
        rig.gates.set("go", 1)
        assert bpb(rig.ended()[1]) == 1.0

    def test_closing_ends_everything_and_leaves_nothing(self, rig: Rig) -> None:
        one, other = rig.executor.slots[:2]
        for slot, seed in ((one, 1), (other, 2)):
            rig.gates.set("child", seed)
            rig.submit(slot, spec(seed))
            rig.began(slot)
        pids = [int(rig.gates.read("pid", seed)) for seed in (1, 2)]
        assert all(map(is_alive, pids))
        rig.executor.close()
        ends = [rig.inbox.get_nowait() for _ in range(rig.inbox.qsize())]
        found = {each.slot: getattr(each, "result", None) for each in ends}
        assert set(found) == {one, other}
        assert all(isinstance(each, Interrupted) for each in found.values())
        assert not any(map(is_alive, pids))
        assert not rig.left
        rig.executor.close()  # twice does no harm
        assert bpb(rig.run(rig.executor.slots[0], spec(3))) == 3.0, "more may be submitted"
