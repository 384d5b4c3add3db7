"""Trials on a Ray cluster: machines of one fake GPU each, all of them this one."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

pytest.importorskip("ray", reason="Ray, an extra, is not installed")

from autoresearch.commands.fleet import packed
from autoresearch.errors import Interrupted, SlotLostError
from autoresearch.execution import Executor, FetchingStore, Host, RayExecutor, TrialResult, pack
from autoresearch.records.events import Notice, TrialStarted, Waiting
from autoresearch.records.scores import Score
from autoresearch.records.tables import Trial
from autoresearch.records.values import (
    ExperimentState,
    FailureKind,
    Purpose,
    TrialState,
    Trust,
    Verdict,
)
from autoresearch.registry import Registry
from autoresearch.research import StopRules
from autoresearch.research.trial_recorder import is_finished
from autoresearch.sandbox import detect
from autoresearch.workers.checkpoint_store import CheckpointStore
from tests.clusters import STORE, TERMS, Cluster, GatedHost, StubHost, begin, executor
from tests.commands import Forked, autoresearch
from tests.crashes import check_agree
from tests.executors import Gates, Rig, is_alive, spec
from tests.processes import PATIENCE, until
from tests.stubs import Night, Scripted, git, make_project, variant
from tests.test_end_to_end import a_tiny_gpt
from tests.test_executors import TestEveryExecutor as Contract
from tests.test_metric_night import SETTINGS, make_labelled, patches


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three machines; a test that takes one away adds another."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    made.add()
    made.add()
    yield made
    made.close()


def test_a_cluster_loses_a_host_and_a_machine_and_trains_on(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The one cluster of `make test`: it takes half a minute, and more on a busy machine."""
    gates, tree = tmp_path / "gates", tmp_path / "tree"
    gates.mkdir()
    tree.mkdir()
    (tree / "train.py").write_text("# trains nothing\n")
    with closing(Cluster(tmp_path_factory.mktemp("two"))) as two:
        two.add()
        with executor(two, GatedHost(gates), lambda _commit: pack(tree), 2) as made:
            rig = Rig(made, Gates(gates), [two.folder])
            gone, stays = sorted(made.slots, key=two.is_head)
            rig.gates.set("child", 1)
            for slot, seed in ((stays, 1), (gone, 2)):
                rig.submit(slot, spec(seed))
                rig.began(slot)
            os.kill(int(rig.gates.read("host", 1)), signal.SIGKILL)
            failed = rig.ended()[1]
            assert isinstance(failed, TrialResult)
            assert failed.failure is FailureKind.MACHINE
            rig.submit(stays, spec(3))
            made.cancel(stays)  # it may have no host yet
            slot, never = rig.ended()
            assert slot == stays
            assert isinstance(never, Interrupted)
            two.lose(gone)
            slot, lost = rig.ended()
            assert slot == gone
            assert isinstance(lost, SlotLostError)
            assert made.slots == (stays,)
            found = rig.run(stays, spec(4))
    assert isinstance(found, TrialResult), found
    assert isinstance(found.score, Score)
    assert found.score.bpb == 4.0
    assert not is_alive(int(rig.gates.read("pid", 1)))


@dataclass
class RayNight(Night):
    """A night on a cluster's machines."""

    ray: RayExecutor = field(kw_only=True)

    def store(self) -> FetchingStore:
        room = self.project.settings.checkpoint_bytes
        return FetchingStore(self.project.checkpoints, room, self.ray, self.project.work)

    def _store(self) -> CheckpointStore:
        return self.store()

    def _executor(self, hosts: Mapping[str, Host]) -> Executor:
        self.ray.accept(TERMS, self.on_event, self.stopped)
        return self.ray


def trials(night: Night) -> list[Trial]:
    rows = night.registry.experiments(night.study())
    return [each for row in rows for each in night.registry.trials(row)]


@pytest.mark.thorough
@pytest.mark.parametrize("ideas", [11, 29])
def test_a_study_outlives_its_machines(cluster: Cluster, tmp_path: Path, ideas: int) -> None:
    """One is lost in mid-trial, another comes: nothing is lost, doubled, or judged by that."""
    gates, struck = Gates(tmp_path), list[str]()
    project = make_project(tmp_path / "project")
    project.make_work()
    sources = [variant(QUALITY=2.0 + (at * 5 % 7 - 3) / 100 + at / 1e4) for at in range(ideas)]
    host = StubHost(project.state / "00000.bin", gates.folder)

    def strike(slot: str) -> None:
        until(lambda: any(gates.folder.glob("held-*")))
        cluster.lose(slot)
        cluster.add()
        gates.clear("hold", 0)

    with RayExecutor(
        begin(cluster, host), lambda commit: packed(night.repo, commit, project.work)
    ) as ray:
        night = RayNight(project, Scripted([*sources]), StopRules(experiments=ideas + 1), ray=ray)

        def look(event: object) -> None:
            begun = sum(isinstance(each, TrialStarted) for each in night.events)
            # The head is not a machine that the others can do without.
            if isinstance(event, TrialStarted) and begun >= 5 and not struck:
                if cluster.is_head(event.slot):
                    return
                gates.set("hold", 0)
                struck.append(event.slot)
                threading.Thread(target=strike, args=(event.slot,)).start()

        night.listener = look
        night.run()
        store = night.store()
        store.finish(PATIENCE)

    rows = night.registry.experiments(night.study())
    assert len(rows) == ideas + 1
    assert {each.state for each in rows} == {ExperimentState.DONE}
    assert not {each.verdict for each in rows} & {Verdict.CRASH, Verdict.INVALID}
    counted = Counter(
        (each.experiment_id, each.seed) for each in trials(night) if is_finished(each)
    )
    assert set(counted.values()) == {1}, "nothing is trained twice"
    gone = [each for each in trials(night) if each.failure is FailureKind.MACHINE]
    assert {each.detail for each in gone} == {f"{struck[0]} is gone"}
    gone = [each for each in gone if each.purpose is not Purpose.CANARY]
    assert len(gone) == 1
    (lost,) = [each for each in rows if each.id == gone[0].experiment_id]
    # Where another was kept meanwhile, its change is tried on top of that instead. If it was the
    # incumbent, what was to be compared with it may be over by another of its trials.
    excused = lost.verdict is Verdict.STALE or lost.id in {each.parent_id for each in rows}
    assert excused or (lost.id, gone[0].seed) in counted, lost.reason
    kept = [
        str(each.commit_sha) for each in rows if each.verdict is Verdict.KEEP and each.parent_id
    ]
    branch = git(project.root, "rev-list", "--reverse", f"{rows[0].commit_sha}..autoresearch/night")
    assert branch.split() == kept
    assert kept
    newest = {each.experiment_id: int(each.id or 0) for each in trials(night) if is_finished(each)}
    assert store.find(newest[int(night.registry.incumbent(night.study()).id or 0)])  # type: ignore[union-attr]


@pytest.mark.thorough
@pytest.mark.parametrize("bridge", [False, True])
def test_a_study_outlives_its_run(cluster: Cluster, tmp_path: Path, bridge: bool) -> None:
    """It is killed in mid-trial, alone or with the process that speaks to Ray on its behalf."""
    gates = Gates(tmp_path)
    project = make_project(tmp_path / "project")
    project.make_work()
    sources = [variant(QUALITY=2.0 + (at * 5 % 7 - 3) / 100 + at / 1e4) for at in range(8)]
    host = StubHost(project.state / "00000.bin", gates.folder)

    def run(listener: Callable[[Night], None] = lambda _night: None) -> RayNight:
        with RayExecutor(
            begin(cluster, host), lambda commit: packed(night.repo, commit, project.work)
        ) as ray:
            night = RayNight(project, Scripted([*sources]), StopRules(experiments=9), ray=ray)

            def look(_event: object) -> None:
                listener(night)

            night.listener = look
            night.run()
            night.store().finish(PATIENCE)
        return night

    def hold(night: Night) -> None:
        if sum(isinstance(each, TrialStarted) for each in night.events) == 5:
            gates.set("hold", 0)

    def held() -> list[int]:
        """Return the hosts that hold a trial; what is not written whole does not count."""
        return [int(each.name.partition("-")[2]) for each in gates.folder.glob("held-*[0-9]")]

    killed = Forked(lambda: run(hold))
    until(lambda: killed.poll() is not None or len(held()) >= 2)
    assert killed.poll() is None, killed.err
    hosts = held()
    at_work = hosts + [int(gates.read("held", each)) for each in hosts]
    folders = [*cluster.folder.glob("autoresearch-*/host-*")]
    ours = psutil.Process(killed.pid).children()
    speaks = [each for each in ours if "autoresearch.execution.bridge" in each.cmdline()]
    assert len(speaks) == 1
    assert all(map(is_alive, at_work))
    assert folders
    killed.send_signal(signal.SIGKILL)
    if bridge:
        speaks[0].kill()
    killed.wait()
    until(lambda: not any(map(is_alive, at_work)))
    gates.clear("hold", 0)

    night = run()
    rows = night.registry.experiments(night.study())
    assert len(rows) == 9
    assert {each.state for each in rows} == {ExperimentState.DONE}
    assert not {each.verdict for each in rows} & {Verdict.CRASH, Verdict.INVALID}
    made = trials(night)
    broken_off = [each for each in made if each.state is TrialState.LOST]
    assert len(broken_off) >= 2
    assert not any(each.failure for each in made)
    counted = Counter((each.experiment_id, each.seed) for each in made if is_finished(each))
    assert set(counted.values()) == {1}, "nothing is trained twice"
    check_agree(night)
    assert not any(each.exists() for each in folders)
    assert not list(project.work.iterdir())


@pytest.mark.thorough
def test_a_host_that_is_mute_does_not_hold_up_the_end_of_a_run(
    cluster: Cluster, tmp_path: Path
) -> None:
    gates = Gates(tmp_path)
    gates.set("hold", 0)
    project = make_project(tmp_path / "project")
    project.make_work()
    host, mute = StubHost(project.state / "00000.bin", gates.folder), list[int]()

    def freeze() -> None:
        until(lambda: any(gates.folder.glob("held-*[0-9]")))
        mute.extend(int(each.name.partition("-")[2]) for each in gates.folder.glob("held-*[0-9]"))
        for each in mute:
            os.kill(each, signal.SIGSTOP)
        night.stop.set()

    try:
        with RayExecutor(
            begin(cluster, host),
            lambda commit: packed(night.repo, commit, project.work),
            lambda: time.monotonic() * 60,
        ) as ray:
            night = RayNight(project, Scripted([]), StopRules(), ray=ray)
            threading.Thread(target=freeze).start()
            with pytest.raises(Interrupted):
                night.run()
    finally:
        for each in mute:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)
    assert len(mute) == 1
    assert [each.state for each in trials(night)] == [TrialState.DONE]
    assert not any(map(is_finished, trials(night)))


@pytest.mark.thorough
def test_a_study_outlives_its_head(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The head is lost in mid-trial, and comes back at its address as another cluster."""
    gates = Gates(tmp_path)
    project = make_project(tmp_path / "project")
    project.make_work()
    sources = [variant(QUALITY=2.0 + (at * 5 % 7 - 3) / 100 + at / 1e4) for at in range(6)]
    host = StubHost(project.state / "00000.bin", gates.folder)
    lost = list[str]()

    def strike() -> None:
        until(lambda: any(gates.folder.glob("held-*[0-9]")))
        cluster.behead()
        until(lambda: not ray.slots)
        gates.clear("hold", 0)
        cluster.restart()

    with (
        closing(Cluster(tmp_path_factory.mktemp("beheaded"))) as cluster,
        RayExecutor(
            begin(cluster, host), lambda commit: packed(night.repo, commit, project.work)
        ) as ray,
    ):
        cluster.add()
        night = RayNight(
            project, Scripted([*sources]), StopRules(experiments=7), ray=ray, clock=time.monotonic
        )

        def look(event: object) -> None:
            if isinstance(event, TrialStarted) and len(trials(night)) >= 3 and not lost:
                gates.set("hold", 0)
                lost.append(event.slot)
                threading.Thread(target=strike).start()

        night.listener = look
        night.run()

    rows = night.registry.experiments(night.study())
    assert len(rows) == 7
    assert {each.state for each in rows} == {ExperimentState.DONE}
    assert not {each.verdict for each in rows} & {Verdict.CRASH, Verdict.INVALID}
    counted = Counter(
        (each.experiment_id, each.seed) for each in trials(night) if is_finished(each)
    )
    assert set(counted.values()) == {1}, "nothing is trained twice"
    gone = [each for each in trials(night) if each.failure is FailureKind.MACHINE]
    assert gone
    assert all(str(each.detail).endswith(" is gone") for each in gone)
    told = [each.text for each in night.events if isinstance(each, Notice)]
    assert sum("it is tried again" in each for each in told) == 1, told


@pytest.mark.thorough
def test_a_full_object_store_holds_a_study_up_and_costs_no_verdict(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    gates = Gates(tmp_path)
    project = make_project(tmp_path / "project")
    project.make_work()
    (project.root / "weights.bin").write_bytes(bytes(STORE // 4))
    git(project.root, "add", ".")
    git(project.root, "commit", "--quiet", "-m", "large")
    sources = [variant(QUALITY=2.0 + (at * 5 % 7 - 3) / 100 + at / 1e4) for at in range(5)]
    host = StubHost(project.state / "00000.bin", gates.folder)
    full = "the object store of the Ray cluster is full"
    with (
        closing(Cluster(tmp_path_factory.mktemp("full"), spills=False)) as cluster,
        RayExecutor(
            begin(cluster, host), lambda commit: packed(night.repo, commit, project.work)
        ) as ray,
    ):
        night = RayNight(
            project, Scripted([*sources]), StopRules(experiments=6), ray=ray, clock=time.monotonic
        )
        cluster.fill()

        def look(event: object) -> None:
            if isinstance(event, Waiting) and full in event.reason:
                cluster.empty()
            elif isinstance(event, TrialStarted) and len(trials(night)) == 3:
                cluster.fill()  # room is only where the code of others was

        night.listener = look
        night.run()

    rows = night.registry.experiments(night.study())
    assert len(rows) == 6
    assert {each.state for each in rows} == {ExperimentState.DONE}
    assert not {each.verdict for each in rows} & {Verdict.CRASH, Verdict.INVALID}
    made = trials(night)
    assert not any(each.failure for each in made)
    counted = Counter((each.experiment_id, each.seed) for each in made if is_finished(each))
    assert set(counted.values()) == {1}
    waited = [each.reason for each in night.events if isinstance(each, Waiting)]
    assert any(full in each for each in waited)


@pytest.mark.thorough
class TestRay(Contract):
    """What holds of every executor."""

    @pytest.fixture
    def rig(self, cluster: Cluster, tmp_path: Path) -> Iterator[Rig]:
        gates = tmp_path / "gates"
        gates.mkdir()
        tree = tmp_path / "tree"
        tree.mkdir()
        (tree / "train.py").write_text("# trains nothing\n")
        with executor(cluster, GatedHost(gates), lambda _commit: pack(tree), 3) as made:
            yield Rig(made, Gates(gates), [cluster.folder])

    def test_a_task_that_is_killed_is_the_machines_failure(self, rig: Rig) -> None:
        slot = rig.executor.slots[0]
        rig.gates.set("child", 1)
        rig.submit(slot, spec(1))
        rig.began(slot)
        host = int(rig.gates.read("host", 1))
        os.kill(host, signal.SIGKILL)
        found = rig.ended()[1]
        assert isinstance(found, TrialResult)
        assert found.failure is FailureKind.MACHINE
        child = int(rig.gates.read("pid", 1))
        until(lambda: not Path(f"/proc/{child}").exists())
        assert isinstance(rig.run(slot, spec(2)), TrialResult), "the slot has another host"


@pytest.mark.thorough
def test_the_template_trains_on_a_cluster(cluster: Cluster, tmp_path: Path) -> None:
    """The command, the tiny GPT and the real evaluator; the corpus is brought to the machines."""
    root = tmp_path / "gpt"
    a_tiny_gpt(root)
    night = ["run", "--ray", cluster.address, "--proposer", "optuna", "--budget", "1s"]
    ran = autoresearch(*night, "--experiments", "2", cwd=root)
    assert "the corpus is brought to" in ran.err
    assert "raylet" not in ran.out + ran.err
    registry = Registry.open(root / ".autoresearch" / "registry.db")
    study = registry.study()
    assert study is not None
    assert study.allowance is not None, "measured on a machine of the cluster, kept here"
    rows = registry.experiments(study)
    assert len(rows) == 2
    first = registry.trials(rows[0])
    assert {each.worker.partition(":")[0] for each in first} == {"ray"}
    assert {each.trust for each in first} == {detect({}).trust}
    assert all(each.hardware["torch"] for each in first)
    assert list((root / ".autoresearch" / "checkpoints").iterdir()), "the baseline's came back"
    brought = cluster.folder / "data" / "brought"
    assert list(brought.rglob("val.docs"))
    assert not list(brought.rglob("test.*"))


@pytest.mark.thorough
def test_a_projects_own_command_is_trained_and_scored_on_a_cluster(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Its files cross; what is held out is scored on there, and no trial can read it."""
    root = tmp_path / "labelled"
    make_labelled(root)
    night = ["run", "--ray", cluster.address, "--proposer", patches(tmp_path / "patches")]
    ran = autoresearch(*night, "--experiments", "4", cwd=root)
    assert "is not used" not in ran.err
    registry = Registry.open(root / ".autoresearch" / "registry.db")
    study = registry.study()
    assert study is not None
    rows = registry.experiments(study)
    assert [each.verdict for each in rows] == [
        Verdict.KEEP, Verdict.KEEP, Verdict.DISCARD, Verdict.CRASH,
    ]  # fmt: skip
    assert "data/val.json" in rows[-1].reason
    scored = [each for row in rows for each in registry.trials(row) if each.val_bpb is not None]
    assert {each.worker.partition(":")[0] for each in scored} == {"ray"}
    sealed = detect({}).trust is Trust.SEALED
    assert {each.trust for each in scored} == {Trust.EVALUATED if sealed else Trust.UNSEALED}
    assert list((root / ".autoresearch" / "checkpoints").rglob("answers.json"))
    assert not list(cluster.folder.rglob("val.json")), "it stays in its place"


@pytest.mark.thorough
def test_a_cluster_without_the_projects_data_is_refused_in_one_line(
    cluster: Cluster, tmp_path: Path
) -> None:
    root = tmp_path / "labelled"
    make_labelled(root, SETTINGS + '[sandbox]\nreadable = ["data/none"]\n')
    ran = autoresearch("run", "--ray", cluster.address, "--proposer", "optuna", cwd=root, code=1)
    assert "can be used: [sandbox] readable: data/none cannot be read" in ran.err
