"""The store of checkpoints: whole or not at all, bounded, and only what `promote` may ask for."""

from pathlib import Path

import pytest

from autoresearch.records.values import Ending, Standing, TrialState, Verdict
from autoresearch.workers.checkpoint_store import CheckpointStore, size_of
from tests.rendering import Fabricated

ROOM = 1000


def checkpoint(place: Path, size: int = 100) -> Path:
    place.mkdir(parents=True)
    (place / "model.safetensors").write_bytes(b"x" * (size - 2))
    (place / "config.json").write_text("{}")
    return place


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "state" / "checkpoints", ROOM)


def fill(store: CheckpointStore, tmp_path: Path, *trials: int, size: int = 100) -> None:
    for trial in trials:
        assert store.put(trial, checkpoint(tmp_path / "scratch" / str(trial), size))


def test_a_checkpoint_moves_in_whole(store: CheckpointStore, tmp_path: Path) -> None:
    made = checkpoint(tmp_path / "scratch")
    assert store.find(7) is None
    assert store.put(7, made)
    assert not made.exists()
    found = store.find(7)
    assert found is not None
    assert sorted(path.name for path in found.iterdir()) == ["config.json", "model.safetensors"]
    assert size_of(found) == 100
    assert found.parent.stat().st_mode & 0o777 == 0o700


def test_it_holds_nothing_before_anything_was_put(store: CheckpointStore) -> None:
    assert store.trials() == []
    store.tidy([])
    assert store.find(1) is None


def test_what_is_not_wanted_goes_and_so_does_what_a_kill_left(
    store: CheckpointStore, tmp_path: Path
) -> None:
    fill(store, tmp_path, 1, 2, 10)
    folder = tmp_path / "state" / "checkpoints"
    checkpoint(folder / "incoming-11")
    (folder / "notes.txt").write_text("someone's")
    checkpoint(folder / "incoming-12")
    fill(store, tmp_path, 13)
    store.tidy([10, 1, 99], at_work=[12, 13, 14])
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["incoming-12", "trial-1", "trial-10", "trial-13"], "of trials at work"
    store.tidy([10, 1, 99])
    assert store.trials() == [1, 10]
    assert sorted(path.name for path in folder.iterdir()) == ["trial-1", "trial-10"]


def test_the_least_needed_give_way_where_there_is_no_room(
    store: CheckpointStore, tmp_path: Path
) -> None:
    fill(store, tmp_path, 1, 2, 3, size=400)
    store.tidy([1, 3, 2])
    assert store.trials() == [1, 3]


def test_what_is_too_large_is_not_taken(store: CheckpointStore, tmp_path: Path) -> None:
    assert not store.put(1, checkpoint(tmp_path / "big", ROOM + 1))
    assert store.trials() == []
    assert not CheckpointStore(tmp_path / "none", 0).put(1, checkpoint(tmp_path / "small"))


def test_a_disk_in_trouble_costs_the_checkpoint_only(
    store: CheckpointStore, tmp_path: Path
) -> None:
    fill(store, tmp_path, 1)
    assert not store.put(1, checkpoint(tmp_path / "twice"))  # the place is taken
    assert not store.put(2, tmp_path / "missing")
    assert store.trials() == [1]
    assert [path.name for path in (tmp_path / "state" / "checkpoints").iterdir()] == ["trial-1"]


def test_only_the_newest_of_each_keep_is_worth_its_room(tmp_path: Path) -> None:
    made = Fabricated(tmp_path)
    base = made.add(Verdict.KEEP, 1.9)
    kept = made.add(Verdict.KEEP, 1.8, parent=base.id)
    refuted = made.add(Verdict.KEEP, 1.8, parent=base.id)
    made.registry.save(refuted.model_copy(update={"standing": Standing.REFUTED}))
    discarded = made.add(Verdict.DISCARD, 1.9, parent=kept.id)
    under_way = made.add(None, parent=kept.id)
    trials = {
        made.trial(row, 1.9, seed=seed).id: (row.id, seed)
        for seed in (1, 2)
        for row in (base, kept, refuted, discarded, under_way)
    }
    crashed = made.trial(kept, None, ending=Ending.EXCEPTION, seed=3)
    lost = made.trial(base, None, ending=None, state=TrialState.LOST, seed=3)
    everything = [number for number in (*trials, crashed.id, lost.id) if number]
    worth = made.registry.worth_shelving([*everything, 4711])
    assert [trials[each] for each in worth] == [(base.id, 2), (under_way.id, 2), (kept.id, 2)]
    assert made.registry.worth_shelving([]) == []
    (first,) = [each for each, about in trials.items() if about == (kept.id, 1)]
    assert made.registry.worth_shelving([first or 0]) == [first]
