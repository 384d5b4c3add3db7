"""What `doctor` and `run` find of an accelerator: nodes, driver, PyTorch, in the sandbox, too."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from autoresearch.config import Keys, find_project
from autoresearch.devices import Access, DeviceTree, Step, access, ask, read_steps
from autoresearch.doctor import Situation, accelerator, diagnose, machine, missing_device
from autoresearch.doctor.accelerator import mend, seen
from autoresearch.doctor.finding import Finding, Level
from autoresearch.evaluation import server
from autoresearch.runtime import accelerator as runtime
from autoresearch.runtime import probe
from autoresearch.runtime.serve import ModelServer
from autoresearch.sandbox import Sandbox
from tests import cards, sandboxes
from tests.stubs import make_project

SAID = {
    "cuInit fails with CUDA_ERROR_NO_DEVICE (100)": "nvidia-smi` does and CUDA_VISIBLE_DEVICES",
    "cuInit fails with CUDA_ERROR_UNKNOWN (999)": "nvidia-modprobe -u",
    "cuInit fails with error (304)": "/dev/nvidia0 can be read",
    "cuInit fails with CUDA_ERROR_SYSTEM_NOT_READY (802)": "fabricmanager",
    "cuInit fails with CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)": "start the machine anew",
    "RuntimeError: The NVIDIA driver on your system is too old (found version 11040)": "update the",
    "no driver: libcuda.so.1: cannot open shared object file": "install NVIDIA's driver",
    "PyTorch 2.9.0+cpu is built without CUDA": "pytorch.org/get-started",
    "AcceleratorError: CUDA error: no kernel image is available for execution": "another build",
    "AcceleratorError: CUDA error: all CUDA-capable devices are busy or unavailable": "-c 0",
    "OutOfMemoryError: CUDA out of memory. Tried to allocate 2 MiB": "who else uses",
    "InductorError: RuntimeError: Failed to find C compiler. Please specify": "build-essential",
    "CalledProcessError: main.c:5:10: fatal error: Python.h: No such file": "python3-dev",
    "TritonMissing: Cannot find a working triton installation": "pip install triton",
    "ImportError: /x/launch.so: failed to map segment from shared object": "TMPDIR",
    "ModuleNotFoundError: No module named 'torch'": "pip install torch",
    "something else": "docs/gpu.md",
}
H100 = {
    "version": "PyTorch 2.9.0", "build": "CUDA 12.8", "name": "NVIDIA H100", "cards": 1,
    "memory": 80 * 2**30, "free": 79 * 2**30, "capability": [9, 0],
}  # fmt: skip


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> tuple[DeviceTree, dict[str, str]]:
    root = tmp_path_factory.mktemp("rig")
    return cards.machine(root), cards.with_driver(root)


@pytest.fixture
def level(rig: tuple[DeviceTree, dict[str, str]]) -> Sandbox:
    """bubblewrap on a machine of files, with a driver that opens them."""
    tree, environment = rig
    return sandboxes.level("bubblewrap", environment, access("cuda", environment, tree))


@pytest.fixture
def seen_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch is content outside of the sandbox."""
    monkeypatch.setattr(machine, "ask", lambda *_: [Step("driver"), Step("torch", facts=H100)])


@pytest.fixture
def without_uvm(rig: tuple[DeviceTree, dict[str, str]]) -> Iterator[Path]:
    node = rig[0].dev("nvidia-uvm")
    node.unlink()
    yield node
    node.touch()


@pytest.mark.parametrize("said", SAID)
def test_what_is_said_has_its_mend(said: str) -> None:
    assert SAID[said] in mend(said, (Path("/dev/nvidia0"),))


def test_a_card_is_told_with_what_is_free_of_it() -> None:
    torch_, card = seen("cuda", [Step("torch", facts=H100)], Access())
    assert (torch_.said, card.level) == ("PyTorch 2.9.0, built for CUDA 12.8", Level.OK)
    assert card.said == "cuda: NVIDIA H100; 79.0 of 80.0 GiB free"
    crowded = seen("cuda", [Step("torch", facts=H100 | {"free": 2**30})], Access())[1]
    assert (crowded.level, crowded.mend) == (
        Level.WARNING, "see who else uses the card: `nvidia-smi`",
    )  # fmt: skip
    apple = seen("mps", [Step("torch", fault="PyTorch does not find it")], Access())
    assert "mps is asked for, but PyTorch does not find it" in apple[0].said
    assert '(or "cuda") under [training]' in apple[0].mend


@pytest.mark.usefixtures("seen_outside")
class TestInTheSandbox:
    def test_a_driver_that_answers(self, level: Sandbox) -> None:
        *_, found = machine.device("cuda", level, ("driver",))
        assert (found.level, found.subject) == (Level.OK, "in sandbox")
        assert found.said.startswith("driver 0.")
        assert missing_device("cuda", level) is None

    def test_a_node_that_is_missing_is_named_with_its_mend(
        self, level: Sandbox, without_uvm: Path
    ) -> None:
        *_, found = machine.device("cuda", level)
        assert (found.level, found.said) == (Level.FAULT, f"{without_uvm} is not there")
        assert "sudo nvidia-modprobe -u -c 0" in found.mend
        assert "nvidia-modprobe" in str(missing_device("cuda", level))

    def test_doctor_tells_it_of_the_card_that_trials_get(
        self, rig: tuple[DeviceTree, dict[str, str]], without_uvm: Path, tmp_path: Path
    ) -> None:
        make_project(tmp_path / "project")
        toml = tmp_path / "project" / "autoresearch.toml"
        toml.write_text(toml.read_text().replace("grace", 'device = "cuda"\ngrace'))
        situation = Situation(
            find_project(tmp_path / "project"), tmp_path, tmp_path, Keys({}), {}, rig[1],
            tree=rig[0],
        )  # fmt: skip
        found = {each.subject: each for each in next(diagnose(situation)).findings}
        assert found["device"].said.startswith("cuda: NVIDIA GeForce RTX 4090, 24.0 GiB, compute")
        assert found["device node"].said == f"{without_uvm} is not there"
        assert "in sandbox" not in found

    @pytest.mark.usefixtures("without_uvm")
    def test_so_is_what_the_driver_says_of_it(self, level: Sandbox) -> None:
        found = accelerator.confined("cuda", level, ("driver", "torch"))
        assert found.said == "driver: cuInit fails with CUDA_ERROR_UNKNOWN (999)"
        assert "nvidia-modprobe -u" in found.mend

    def test_a_trial_that_sees_several_is_warned_of(
        self, level: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        several = Step("torch", 1.5, facts=H100 | {"cards": 3})
        monkeypatch.setattr(accelerator, "probe", lambda *_: [Step("driver"), several])
        *_, found = machine.device("cuda", level)
        assert found == Finding(
            Level.WARNING, "in sandbox", "driver 0.0 s, torch 1.5 s; a trial sees 3 cards",
            "name one in CUDA_VISIBLE_DEVICES (`nvidia-smi -L` lists them)",
        )  # fmt: skip


class TestProbe:
    def test_all_that_is_tried_can_be_done_on_a_processor(self) -> None:
        for step in ("driver", "torch", "matmul"):
            assert probe._try(step, "cpu")["fault"] == ""

    @pytest.mark.thorough
    def test_so_can_a_compilation(self) -> None:
        assert probe._try("compile", "cpu")["fault"] == ""

    @pytest.mark.skipif(torch.version.cuda is not None, reason="this PyTorch knows CUDA")
    def test_a_pytorch_without_cuda_is_named(self) -> None:
        assert str(probe._try("torch", "cuda")["fault"]).endswith("is built without CUDA")
        assert probe._try("torch", "mps")["fault"] == "PyTorch does not find it"

    def test_what_ends_in_between_is_the_fault_of_the_next_step(self) -> None:
        said = b'{"name": "driver", "seconds": 0.1, "fault": "", "facts": {}}\n{"na'
        found = read_steps(said, ("driver", "torch"), "it was killed")
        assert [(each.name, each.fault) for each in found] == [
            ("driver", ""), ("torch", "it was killed"),
        ]  # fmt: skip
        assert read_steps(b"[]", ("driver",), "odd") == [Step("driver", fault="odd")]

    def test_facts_of_another_kind_are_not_known(self) -> None:
        odd = Step("torch", facts={"memory": "much", "name": 3, "capability": "9.0"})
        assert (odd.number("memory"), odd.text("name"), odd.capability) == (0, "", None)
        assert Step("torch", facts=H100).capability == (9, 0)

    def test_without_a_driver_pytorch_is_not_imported_to_say_so(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(runtime, "_DRIVER", "libnone.so.1")
        monkeypatch.setattr(runtime, "_AMD", "/nonexistent")
        monkeypatch.setattr(runtime, "_WINDOWS", "/nonexistent")
        monkeypatch.setattr(runtime, "_by_torch", lambda _device: "PyTorch was asked")
        assert runtime.fault("cuda").startswith("no driver: libnone.so.1")
        assert runtime.fault("mps") == "PyTorch was asked"
        monkeypatch.setattr(runtime, "_AMD", "/dev/null")
        assert runtime.fault("cuda") == "PyTorch was asked"

    def test_a_driver_that_breaks_down_or_hangs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runtime, "fault", lambda _device: os.kill(os.getpid(), 9))
        assert runtime.fault_in_child("cuda") == "its driver broke down"
        monkeypatch.setattr(runtime, "_PATIENCE", 0.1)
        monkeypatch.setattr(runtime, "fault", lambda _device: signal.pause())
        assert runtime.fault_in_child("cuda") == "its driver hangs"

    def test_outside_of_a_sandbox(self, rig: tuple[DeviceTree, dict[str, str]]) -> None:
        tree, environment = rig
        variables = access("cuda", environment, tree).variables
        assert [each.fault for each in ask("cuda", ("driver",), variables, environment)] == [""]
        other = {"CUDA_VISIBLE_DEVICES": "GPU-9"}
        (found,) = ask("cuda", ("driver", "torch"), other, environment)
        assert found.fault == "cuInit fails with CUDA_ERROR_NO_DEVICE (100)"


def test_a_server_that_lost_its_device_runs_none_of_the_trees_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "fault", lambda device: f"{device} is gone")
    (tmp_path / "train.py").write_text("raise SystemError('it ran')")
    header: dict[str, object] = {
        "device": "cuda", "threads": 1, "checkpoint": str(tmp_path), "arrays": "torch"
    }  # fmt: skip
    with pytest.raises(runtime.AcceleratorError, match="cuda is gone"):
        ModelServer(tmp_path, "train.py").load(header, bytearray())
    assert runtime.AcceleratorError.__name__ in server._OTHERS
