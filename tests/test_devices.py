"""Cards as drivers tell of them, the one that is used, and what lets a process reach it alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch import devices, sandbox
from autoresearch.devices import HIDDEN, Access, DeviceTree, Vendor, access, card_of, cards, names
from autoresearch.devices.card import load_pynvml
from autoresearch.records.training import Limits
from autoresearch.records.values import Ending, FailureKind
from autoresearch.workers import LocalWorker
from tests import sandboxes
from tests.cards import RIG, Fake, amd, machine, node, nvml, smi, with_driver
from tests.trials import GOOD, Bench

A100 = Fake("NVIDIA A100-SXM4-40GB", 40960, "8.0", 3, mig="Enabled")
SLICED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-3)
  MIG 3g.20gb     Device  0: (UUID: MIG-aa)
  MIG 1g.5gb      Device  1: (UUID: MIG-bb)
GPU 1: NVIDIA GeForce RTX 4090 (UUID: GPU-0)
"""
NOTHING = DeviceTree(Path("/nonexistent"), "/nonexistent/nvidia-smi", lambda: None)


def in_dev(tree: DeviceTree, found: Access) -> list[str]:
    return [str(each.relative_to(tree.root / "dev")) for each in found.nodes]


class TestReading:
    def test_nvidia_smi_and_nvml_tell_the_same(self, tmp_path: Path) -> None:
        tree = machine(tmp_path)
        by_smi = cards(tree)
        by_nvml = cards(replace(tree, smi="/nonexistent", nvml=lambda: nvml(RIG)))
        assert [replace(each, power_limit=None) for each in by_smi] == by_nvml
        best = by_smi[1]
        assert str(best) == (
            "NVIDIA GeForce RTX 4090, 24.0 GiB, compute 8.9, driver 570.86.15, 350 W"
        )
        assert (best.index, best.nodes) == (1, (tmp_path / "dev/nvidia0",))

    def test_an_old_driver_knows_fewer_fields(self, tmp_path: Path) -> None:
        tree = machine(tmp_path)
        smi(tmp_path, RIG, old=True)
        assert [each.capability for each in cards(tree)] == [None] * 3
        assert cards(tree)[2].memory == 15360 * 2**20
        smi(tmp_path, (A100,), SLICED, old=True)
        assert [each.uuid for each in cards(tree)] == ["MIG-aa", "MIG-bb"]

    def test_what_a_card_does_not_tell_is_not_known(self, tmp_path: Path) -> None:
        tree = machine(tmp_path, RIG[:1])
        row = "0, GPU-1, NVIDIA GB10, [N/A], 0000000F:01:00.0, 580.1, [Not Supported], [N/A], 12.1"
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\necho '{row}'\n")
        (card,) = cards(tree)
        assert (card.memory, card.power_limit, card.nodes) == (0, None, ())
        assert str(card) == "NVIDIA GB10, compute 12.1, driver 580.1"

    def test_a_card_that_fell_off_the_bus(self, tmp_path: Path) -> None:
        tree = machine(tmp_path)
        left = cards(replace(tree, nvml=lambda: nvml(RIG, lost=1)))
        assert [each.index for each in left] == [0, 2]
        (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'GPU is lost. Reboot'; exit 15\n")
        assert [(each.uuid, each.memory) for each in cards(tree)] == [
            ("GPU-1", 0), ("GPU-0", 0), ("GPU-2", 0),
        ]  # fmt: skip

    def test_the_drivers_files_name_cards_that_nobody_asked(self, tmp_path: Path) -> None:
        tree = replace(machine(tmp_path, RIG[:2]), smi="/nonexistent")
        assert names(tree) == (RIG[0].name, RIG[1].name)
        (listed, _) = sorted(tmp_path.glob("proc/driver/nvidia/gpus/*/information"))
        listed.write_text("Model: \t\t Tesla T4\nGPU UUID: \t GPU-????????-????\n")
        assert cards(tree)[0].uuid == ""
        assert names(NOTHING) == ()
        assert cards(NOTHING) == []

    def test_slices_are_cards(self, tmp_path: Path) -> None:
        tree = machine(tmp_path, (A100, RIG[1]))
        smi(tmp_path, (A100, RIG[1]), SLICED)
        node(tmp_path, "nvidia-caps/nvidia-cap12")
        found = cards(tree)
        assert [(each.uuid, each.memory // 10**9) for each in found] == [
            ("MIG-aa", 20), ("MIG-bb", 5), ("GPU-0", 25),
        ]  # fmt: skip
        assert [each.name for each in found[0].nodes] == ["nvidia3", "nvidia-cap12"]

    def test_nvml_knows_the_rights_to_a_slice(self, tmp_path: Path) -> None:
        tree = replace(machine(tmp_path, (A100,)), nvml=lambda: nvml((A100,), slices=["MIG-1"]))
        folder = tmp_path / "proc/driver/nvidia/capabilities/gpu3/mig/gi8"
        (folder / "ci0").mkdir(parents=True)
        (folder / "access").write_text("DeviceFileMinor: 21\nDeviceFileMode: 292\n")
        (folder / "ci0" / "access").write_text("DeviceFileMinor: 22\n")
        found = access("cuda", {}, tree)
        assert found.variables["CUDA_VISIBLE_DEVICES"] == "MIG-1"
        assert in_dev(tree, found) == [
            "nvidiactl", "nvidia-uvm", "nvidia3",
            "nvidia-caps/nvidia-cap21", "nvidia-caps/nvidia-cap22",
        ]  # fmt: skip

    def test_amds_as_the_kernel_lists_them(self, tmp_path: Path) -> None:
        tree = amd(tmp_path, (0xABC, 0xDEF))
        (first, second) = cards(tree)
        assert first.vendor is Vendor.AMD
        assert str(first) == "AMD gfx90a, 64.0 GiB, compute 9.0"
        assert second.uuid == "GPU-0000000000000def"

    def test_a_pytorch_for_rocm_means_amds_card(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        amd(tmp_path, (1,))
        tree = machine(tmp_path)
        assert cards(tree)[0].vendor is Vendor.NVIDIA
        monkeypatch.setattr("importlib.metadata.version", lambda _name: "2.9.0+rocm6.4")
        assert cards(tree)[0].vendor is Vendor.AMD

    def test_pynvml_is_used_only_where_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "pynvml", None)
        assert load_pynvml() is None


class TestChoosing:
    @pytest.mark.parametrize(
        ("said", "minor"),
        [
            (None, 0),  # computes in bfloat16, which the T4 does not
            ("0", 1),
            ("2,1", 2),
            (" 1 , 0", 0),
            ("GPU-2", 2),
            ("7", None),
            ("-1", None),
            ("", None),
            ("x,1", None),
        ],
    )
    def test_the_persons_choice_is_kept(
        self, tmp_path: Path, said: str | None, minor: int | None
    ) -> None:
        environment = {} if said is None else {"CUDA_VISIBLE_DEVICES": said}
        card = card_of("cuda", environment, machine(tmp_path))
        assert (card and card.uuid) == (None if minor is None else f"GPU-{minor}")
        assert card_of("cpu", environment, NOTHING) is None

    def test_one_card_is_let_through_and_named(self, tmp_path: Path) -> None:
        tree = machine(tmp_path)
        found = access("cuda", {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}, tree)
        assert in_dev(tree, found) == ["nvidiactl", "nvidia-uvm", "nvidia0"]
        assert found.variables == {
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "GPU-0",
        }  # fmt: skip
        assert [devices.access_to(each, tree).nodes[-1].name for each in cards(tree)] == [
            "nvidia1", "nvidia0", "nvidia2",
        ]  # fmt: skip

    def test_a_card_that_hides_its_node_is_pinned_by_name_alone(self, tmp_path: Path) -> None:
        tree = machine(tmp_path)
        for each in tmp_path.glob("proc/driver/nvidia/gpus/*/information"):
            each.unlink()
        found = access("cuda", {"CUDA_VISIBLE_DEVICES": "GPU-2"}, tree)
        assert in_dev(tree, found)[2:] == ["nvidia0", "nvidia1", "nvidia2"]
        assert found.variables["CUDA_VISIBLE_DEVICES"] == "GPU-2"

    def test_what_names_no_known_card_is_passed_on(self, tmp_path: Path) -> None:
        tree = machine(tmp_path)
        found = access("cuda", {"CUDA_VISIBLE_DEVICES": "MIG-GPU-5/1/0", "HOME": "/x"}, tree)
        assert found.card is None
        assert found.variables == {"CUDA_VISIBLE_DEVICES": "MIG-GPU-5/1/0"}
        assert len(found.nodes) == 5
        assert access("cuda", {}, NOTHING) == Access()

    def test_windows_has_one_node_for_all(self, tmp_path: Path) -> None:
        tree = DeviceTree(tmp_path, str(smi(tmp_path, RIG)), lambda: None)
        node(tmp_path, "dxg")
        found = access("cuda", {}, tree)
        assert in_dev(tree, found) == ["dxg"]
        assert found.variables["CUDA_VISIBLE_DEVICES"] == "1"

    @pytest.mark.parametrize(
        ("environment", "nodes", "variable"),
        [
            ({}, ["kfd", "dri/renderD128"], "GPU-0000000000000001"),
            ({"HIP_VISIBLE_DEVICES": "1"}, ["kfd", "dri/renderD129"], "GPU-0000000000000002"),
            (
                {"ROCR_VISIBLE_DEVICES": "1,0", "HIP_VISIBLE_DEVICES": "1"},
                ["kfd", "dri/renderD128"],
                "GPU-0000000000000001",
            ),
        ],
    )
    def test_amds_variables(
        self, tmp_path: Path, environment: dict[str, str], nodes: list[str], variable: str
    ) -> None:
        tree = amd(tmp_path, (1, 2))
        found = access("cuda", environment, tree)
        assert in_dev(tree, found) == nodes
        assert found.variables == {"ROCR_VISIBLE_DEVICES": variable, "HIP_VISIBLE_DEVICES": "0"}
        assert len(found.insisted) == 2

    def test_an_amd_card_without_a_name_is_chosen_by_number_among_all(self, tmp_path: Path) -> None:
        tree = amd(tmp_path, (0, 0))
        found = access("cuda", {"HIP_VISIBLE_DEVICES": "1"}, tree)
        assert in_dev(tree, found) == ["kfd", "dri/renderD128", "dri/renderD129"]
        assert found.variables["ROCR_VISIBLE_DEVICES"] == "1"

    def test_no_card_for_the_cpu_and_none_to_choose_for_apples(self) -> None:
        assert access("cpu", {"CUDA_VISIBLE_DEVICES": "0"}).variables == HIDDEN
        assert access("mps", {}) == Access()


COUNT = (
    "import ctypes\ncount = ctypes.c_int()\n"
    "ctypes.CDLL('libcuda.so.1').cuDeviceGetCount(ctypes.byref(count))\n"
    "print('cards', count.value)\n"
)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> tuple[DeviceTree, dict[str, str]]:
    root = tmp_path_factory.mktemp("rig")
    return machine(root), with_driver(root)


class TestTrials:
    """Real trials in real sandboxes, on a machine of files and with a driver that opens them."""

    @pytest.fixture(params=sandboxes.LEVELS)
    def bench(
        self, request: pytest.FixtureRequest, tmp_path: Path, rig: tuple[DeviceTree, dict[str, str]]
    ) -> Bench:
        tree, environment = rig
        level = sandboxes.level(request.param, environment, access("cuda", environment, tree))
        return Bench(tmp_path, worker=LocalWorker(level, patience=0.2), device="cuda")

    def test_a_trial_finds_one_card_of_three(self, bench: Bench) -> None:
        outcome = bench.run(
            f"{COUNT}import os; del os.environ['CUDA_VISIBLE_DEVICES']\n{COUNT}{GOOD}"
        )
        assert outcome.ending is Ending.FINISHED
        counts = [line for line in outcome.log.decode().splitlines() if line.startswith("cards")]
        # Without the variable, what holds the others back is the sandbox, where there is one.
        sealed = "process" not in bench.worker._sandbox.name
        assert counts == ["cards 1", "cards 1" if sealed else "cards 3"]

    @pytest.mark.parametrize(
        ("gone", "why"),
        [
            ("nvidia0", "CUDA_ERROR_NO_DEVICE (100)"),
            ("nvidia-uvm", "CUDA_ERROR_UNKNOWN (999)"),
        ],
    )
    def test_a_device_that_disappears_is_the_machines_failure(
        self, bench: Bench, rig: tuple[DeviceTree, dict[str, str]], gone: str, why: str
    ) -> None:
        path = rig[0].dev(gone)
        path.unlink()
        try:
            outcome = bench.run(GOOD)
        finally:
            path.touch()
        assert (outcome.ending, outcome.failure) == (Ending.NOT_STARTED, FailureKind.MACHINE)
        assert outcome.detail == f"no cuda device: cuInit fails with {why}"
        assert outcome.timing.training == 0.0


def test_other_processes_are_told_of_no_card(tmp_path: Path) -> None:
    hidden = access("cpu", {})
    told = sandbox.Unsealed({}, access=hidden).environment(tmp_path, Limits())
    assert told["CUDA_VISIBLE_DEVICES"] == ""
