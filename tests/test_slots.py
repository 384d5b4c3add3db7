"""Which devices a run trains on, and that a trial keeps to its own."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch.devices import DeviceTree
from autoresearch.doctor.machine import slots as doctor_says
from autoresearch.errors import UsageFault
from autoresearch.execution import LocalExecutor
from autoresearch.process import launch
from autoresearch.process.cores import pinned, spread, usable
from autoresearch.workers.slots import Slot, SlotChooser
from tests.cards import RIG, Fake, amd, machine, smi
from tests.executors import Gates, Rig, gated_host, spec

SMALL, LARGE, OLD = RIG
PAIR = (LARGE, replace(LARGE, minor=3))
NOTHING = DeviceTree(Path("/nonexistent"), "/nonexistent/nvidia-smi", lambda: None)


def chooser(tree: DeviceTree, device: str = "cuda", **environment: str) -> SlotChooser:
    return SlotChooser(device, 1, environment, tree)


def on_cores(cores: int, threads: int = 1) -> SlotChooser:
    return SlotChooser("cpu", threads, {}, NOTHING, range(cores))


def reached(slot: Slot) -> list[str]:
    return [each.name for each in slot.access.nodes]


class TestCards:
    @pytest.mark.parametrize(
        ("asked", "found"),
        [("0,1", "0,1"), ("1,0", "1,0"), ("1", "1"), ("all", "0,1"), ("GPU-3, GPU-0", "1,0")],
    )
    def test_each_slot_reaches_its_own_card_and_no_other(
        self, tmp_path: Path, asked: str, found: str
    ) -> None:
        slots = chooser(machine(tmp_path, PAIR)).slots(asked)
        assert [slot.name for slot in slots] == found.split(",")
        for slot in slots:
            minor = PAIR[int(slot.name)].minor
            assert reached(slot) == ["nvidiactl", "nvidia-uvm", f"nvidia{minor}"]
            assert slot.access.variables["CUDA_VISIBLE_DEVICES"] == f"GPU-{minor}"
            assert not slot.cores, "those of a machine with cards are not shared out"
        assert len({str(slot.hardware) for slot in slots}) == 1

    def test_without_the_option_it_is_the_one_that_was_always_used(self, tmp_path: Path) -> None:
        (slot,) = chooser(machine(tmp_path)).slots(None)
        assert slot.name == "0"
        assert slot.hardware.name == LARGE.name
        assert reached(slot) == ["nvidiactl", "nvidia-uvm", "nvidia0"]

    def test_a_persons_choice_of_cards_is_kept(self, tmp_path: Path) -> None:
        rig = (LARGE, replace(LARGE, minor=3), replace(LARGE, minor=4))
        chosen = chooser(machine(tmp_path, rig), CUDA_VISIBLE_DEVICES="2,0")
        assert [slot.name for slot in chosen.slots("all")] == ["2", "0"]
        with pytest.raises(UsageFault, match="no card '1'; there are 2, 0"):
            chosen.slots("0,1")

    @pytest.mark.parametrize(
        ("asked", "why"),
        [
            ("0,7", "no card '7'; there are 0, 1, 2"),
            ("0,,1", "no card ''"),
            ("-1", "no card '-1'"),
            ("1,GPU-0", "one card is named twice"),
            ("all", r"one kind of card only: choose 0 \(NVIDIA GeForce GT 1030, 2 GiB, 350 W, "),
            ("1,2", r"choose 1 \(NVIDIA GeForce RTX 4090, 24 GiB, .*\), or 2 \(Tesla T4"),
        ],
    )
    def test_what_cannot_be_is_refused_in_one_line(
        self, tmp_path: Path, asked: str, why: str
    ) -> None:
        with pytest.raises(UsageFault, match=why) as found:
            chooser(machine(tmp_path)).slots(asked)
        assert "\n" not in str(found.value)

    def test_those_that_fit_together_are_named_together(self, tmp_path: Path) -> None:
        rig = (SMALL, LARGE, replace(LARGE, minor=3))
        with pytest.raises(UsageFault, match=r"choose 1,2 \(NVIDIA GeForce RTX 4090.*, or 0 \("):
            chooser(machine(tmp_path, rig)).slots("all")

    def test_a_card_that_may_take_less_power_is_of_another_kind(self, tmp_path: Path) -> None:
        tree = machine(tmp_path, PAIR)
        program = Path(tree.smi)
        program.write_text(program.read_text().replace("350.00", "300.00", 1))
        with pytest.raises(UsageFault, match=r"300 W.*, or 1 \(.*350 W"):
            chooser(tree).slots("all")

    def test_slices_are_called_by_their_uuids(self, tmp_path: Path) -> None:
        card = Fake("NVIDIA A100-SXM4-40GB", 40960, "8.0", 3, mig="Enabled")
        listed = "\n".join(
            ["GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-3)"]
            + [f"  MIG 3g.20gb     Device  {at}: (UUID: MIG-{at})" for at in range(2)]
        )
        tree = machine(tmp_path, (card,))
        smi(tmp_path, (card,), listed)
        assert [slot.name for slot in chooser(tree).slots("all")] == ["MIG-0", "MIG-1"]
        (slot,) = chooser(tree).slots("MIG-1")
        assert slot.access.variables["CUDA_VISIBLE_DEVICES"] == "MIG-1"

    def test_amds_cards_are_slots(self, tmp_path: Path) -> None:
        slots = chooser(amd(tmp_path, (7, 8))).slots("all")
        assert [reached(slot) for slot in slots] == [["kfd", "renderD128"], ["kfd", "renderD129"]]

    def test_where_no_card_is_there_is_none_to_name(self) -> None:
        with pytest.raises(UsageFault, match="no card is found"):
            chooser(NOTHING).slots("all")

    def test_other_devices_there_is_one_of(self) -> None:
        assert len(chooser(NOTHING, "mps").slots("all")) == 1
        with pytest.raises(UsageFault, match="there is one mps device"):
            chooser(NOTHING, "mps").slots("0,1")


class TestCores:
    @pytest.mark.parametrize(
        ("asked", "cores", "threads", "each"),
        [("1", 8, 1, [0]), ("2", 8, 1, [4, 4]), ("3", 8, 2, [2, 2, 2]), ("all", 8, 3, [4, 4]),
         ("all", 1, 1, [0]), ("all", 2, 4, [0]), (None, 8, 1, [0])],
    )  # fmt: skip
    def test_they_are_spread_evenly(
        self, asked: str | None, cores: int, threads: int, each: list[int]
    ) -> None:
        slots = on_cores(cores, threads).slots(asked)
        assert [len(slot.cores) for slot in slots] == each
        assert len(frozenset().union(*(slot.cores for slot in slots))) == sum(each), "none twice"
        assert [slot.name for slot in slots] == [str(at) for at in range(len(each))]

    @pytest.mark.parametrize(
        ("asked", "cores", "why"),
        [
            ("3", 2, r"2 cores are enough for 2 slots of 1 thread each \(\[training\] threads\)"),
            ("2", 0, "gives no trial cores of its own"),
            ("0,1", 8, "on the CPU it is a number of slots, or all"),
            ("0", 8, "a number of slots"),
            ("", 8, "a number of slots"),
        ],
    )
    def test_more_slots_than_cores_are_refused(self, asked: str, cores: int, why: str) -> None:
        with pytest.raises(UsageFault, match=why):
            on_cores(cores).slots(asked)

    def test_a_physical_core_goes_to_one_slot(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for core in range(8):  # as systems number them: a thread of each core, then the others
            folder = tmp_path / f"cpu{core}/topology"
            folder.mkdir(parents=True)
            (folder / "physical_package_id").write_text(f"{core % 4 // 2}\n")
            (folder / "core_id").write_text(f"{core % 2}\n")
        monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {*range(7)})
        assert usable(tmp_path) == (0, 4, 1, 5, 2, 6, 3)
        assert spread(usable(tmp_path), 3) == [{0, 4}, {1, 5}, {2, 6}]
        assert usable(tmp_path / "nothing") == tuple(range(7)), "where it is not told"

    def test_a_thread_and_what_it_starts_keep_to_them(self, tmp_path: Path) -> None:
        before = os.sched_getaffinity(0)
        core = max(before)
        with (
            pinned(frozenset({core})),
            (tmp_path / "said").open("wb") as said,
            launch(
                ["sh", "-c", "grep Cpus_allowed_list /proc/self/status"],
                cwd=tmp_path,
                env={"PATH": os.environ["PATH"]},
                stdout=said.fileno(),
            ) as guarded,
        ):
            guarded.wait()
        assert (tmp_path / "said").read_text().split()[1] == str(core)
        assert os.sched_getaffinity(0) == before

    def test_a_slots_trial_runs_on_its_cores_and_others_do_not(self, tmp_path: Path) -> None:
        core = max(os.sched_getaffinity(0))
        for name in ("gates", "work"):
            (tmp_path / name).mkdir()
        free = gated_host(tmp_path / "gates", tmp_path / "work")
        kept = replace(free, cores=frozenset({core}), held={})
        rig = Rig(
            LocalExecutor({"0": kept, "1": free}, lambda: False),
            Gates(tmp_path / "gates"),
            [tmp_path / "work"],
        )
        found = {}
        for slot, seed in (("0", 1), ("1", 2)):
            rig.gates.set("child", seed)
            rig.submit(slot, spec(seed))
            found[slot] = os.sched_getaffinity(int(rig.gates.read("pid", seed)))
        rig.executor.close()
        assert found == {"0": {core}, "1": os.sched_getaffinity(0)}


class TestDoctor:
    def test_it_says_what_all_would_use(self, tmp_path: Path) -> None:
        (alike,) = doctor_says(chooser(machine(tmp_path / "a", PAIR)))
        assert alike.said.startswith("`run --devices all` would use 0,1 (NVIDIA GeForce RTX 4090")
        (mixed,) = doctor_says(chooser(machine(tmp_path / "b", (SMALL, *PAIR[:1], PAIR[1]))))
        assert "a run uses cards of one kind: --devices 1,2 (NVIDIA GeForce RTX 4090" in mixed.said
        (cores,) = doctor_says(on_cores(8, 2))
        assert "4 slots of 2 cores each" in cores.said

    def test_of_one_device_there_is_nothing_to_say(self, tmp_path: Path) -> None:
        for one in (machine(tmp_path, (LARGE,)), NOTHING):
            assert not list(doctor_says(chooser(one)))
        assert not list(doctor_says(on_cores(1)))
