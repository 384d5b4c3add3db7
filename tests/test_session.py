import errno
import json
import math
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from autoresearch.records.values import Ending
from autoresearch.runtime import Session, open_session
from autoresearch.runtime import session as sessions
from autoresearch.runtime.accelerator import fault_in_child
from autoresearch.runtime.launch import MAX_REPORT_BYTES, kind_of, report
from autoresearch.runtime.session import CONTROL_FD, MAX_METRIC_BYTES, file_digest
from tests.trials import Bench


def accelerator_error(code: int) -> Exception:
    fault = torch.AcceleratorError("CUDA error: see its number")
    fault.error_code = code  # type: ignore[attr-defined]
    return fault


class CompilerError(RuntimeError):
    """As `torch._inductor.exc.InductorError`, whose import takes over a second."""

    def __init__(self, inner: Exception) -> None:
        super().__init__(str(inner))
        self.inner_exception = inner


EXHAUSTED = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be reported late"),
    accelerator_error(2),
    *map(
        RuntimeError,
        [
            "CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 8.00 GiB total capacity)",
            "HIP out of memory. Tried to allocate 20.00 MiB",
            "MPS backend out of memory (MPS allocated: 8.00 GB, max allowed: 9.07 GB)",
            "CUDA error: out of memory",
            "HIP error: out of memory",
            "CUDA driver error: out of memory",
            "CUDA driver error: CUDA_ERROR_OUT_OF_MEMORY",
            "Triton Error [CUDA]: out of memory",
            "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            "CUDA error: HIPBLAS_STATUS_ALLOC_FAILED when calling `hipblasCreate(handle)`",
            "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
            "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
            "cuFFT error: CUFFT_ALLOC_FAILED",
            "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate`",
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.",
            "unable to mmap 8 bytes from file </torch_1>: Cannot allocate memory (12)",
            "std::bad_alloc",
        ],
    ),
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
]
NOT_EXHAUSTED = [
    ValueError("CUDA out of memory"),
    OSError(errno.EIO, "out of memory"),
    accelerator_error(700),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
    RuntimeError("unable to write to file: out of shared memory"),
    RuntimeError("out of resource: shared memory, Required: 262144, Hardware limit: 101376"),
]


def shards(folder: Path) -> tuple[list[Path], int]:
    texts = ["one", "zwölf", ""]
    data = "".join(texts).encode()
    ends = [0, 3, 9, 9]
    (folder / "00000.bin").write_bytes(b"\1\0\2\0")
    (folder / "00000.txt").write_bytes(data)
    (folder / "00000.idx").write_bytes(b"".join(end.to_bytes(8, "little") for end in ends))
    return sorted(folder.glob("00000.*")), 2


@pytest.fixture
def by_hand(tmp_path: Path) -> Session:
    return open_session(budget=10.0, seed=3, train_files=lambda: shards(tmp_path))


class TestByHand:
    def test_it_knows_what_it_was_told(self, by_hand: Session) -> None:
        assert (by_hand.seed, by_hand.budget, by_hand.clock) == (3, 10.0, "wall")
        assert (by_hand.device, by_hand.harnessed) == ("cpu", False)
        assert by_hand.out.is_dir()

    def test_start_hands_over_tokens_and_documents(self, by_hand: Session) -> None:
        data = by_hand.start()
        assert data.token_bytes == 2
        assert [shard[:] for shard in data.shards()] == [b"\1\0\2\0"]
        assert data.documents() == [b"one", "zwölf".encode(), b""]

    def test_the_clock_begins_with_start(
        self, by_hand: Session, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert by_hand.seconds == by_hand.progress == 0.0
        by_hand.start()
        assert by_hand.seconds > 0
        began, now = by_hand._started, time.monotonic() + 100
        assert began is not None
        monkeypatch.setattr(time, "monotonic", lambda: now)
        assert by_hand.seconds == now - began
        assert by_hand.progress == (now - began) / 10

    def test_the_cpu_clock_stands_while_nothing_is_done(self, tmp_path: Path) -> None:
        session = open_session(clock="cpu", train_files=lambda: shards(tmp_path))
        session.start()
        threading.Event().wait(0.2)
        assert session.seconds < 0.1

    def test_start_twice(self, by_hand: Session) -> None:
        by_hand.start()
        with pytest.raises(RuntimeError, match="already called"):
            by_hand.start()

    def test_finish_first(self, by_hand: Session) -> None:
        with pytest.raises(RuntimeError, match="before start"):
            by_hand.finish()

    def test_finish_without_a_checkpoint(self, by_hand: Session) -> None:
        by_hand.start()
        with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
            by_hand.finish()

    @pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
    def test_a_loss_that_is_no_number(self, by_hand: Session, loss: float) -> None:
        by_hand.start()
        with pytest.raises(FloatingPointError, match="at step 4"):
            by_hand.log(step=4, loss=loss, tokens=1)

    def test_reports_go_nowhere(self, by_hand: Session) -> None:
        by_hand.start()
        by_hand.log(step=1, loss=1.0, tokens=1)
        by_hand.facts({"a": 1})

    def test_no_data(self) -> None:
        with pytest.raises(RuntimeError, match="no training data"):
            open_session().start()


class Harness:
    """The other end of a session, played by hand in this very process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.control, self.theirs = socket.socketpair()
        self.metrics, self.metrics_end = os.pipe()
        self.lines = self.control.makefile("rb")

    def say(self, message: dict[str, object], descriptors: list[int] | None = None) -> None:
        socket.send_fds(self.control, [json.dumps(message).encode() + b"\n"], descriptors or [])

    def heard(self) -> dict[str, object]:
        message: dict[str, object] = json.loads(self.lines.readline())
        return message

    def open(self, monkeypatch: pytest.MonkeyPatch) -> Session:
        hello = {"seed": 9, "budget": 5.0, "clock": "wall", "device": "cuda"}
        self.say({**hello, "out": str(self.folder), "metrics_fd": self.metrics_end})
        monkeypatch.setenv(CONTROL_FD, str(self.theirs.detach()))
        return open_session(seed=1, budget=1.0, device="cpu")

    def close(self) -> None:
        self.lines.close()
        self.control.close()
        os.close(self.metrics)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(tmp_path)
    yield harness
    harness.close()


# A session lives as long as its process, and never closes its ends.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
class TestUnderTheHarness:
    def test_the_harness_decides_and_the_way_to_it_is_closed_to_children(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = harness.open(monkeypatch)
        assert (session.seed, session.budget, session.device) == (9, 5.0, "cuda")
        assert session.out == harness.folder
        assert session.harnessed
        assert CONTROL_FD not in os.environ
        assert not os.get_inheritable(harness.metrics_end)

    def test_what_compiling_took_is_told_at_the_start(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spent = {"entire_frame_compile": 2.5, "total_wall_time": 3.25}
        compiler = SimpleNamespace(calculate_time_spent=lambda: spent)
        for known, told in ((compiler, 3.25), (SimpleNamespace(), None), (None, 0.0)):
            monkeypatch.setitem(sys.modules, "torch._dynamo.utils", known)
            assert sessions._compiling().get("compile_seconds") == told

    def test_from_start_to_finish(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        session = harness.open(monkeypatch)
        paths, token_bytes = shards(tmp_path)
        descriptors = [os.open(path, os.O_RDONLY) for path in paths]
        names: list[object] = [path.name for path in paths]
        harness.say({"event": "data", "names": names, "token_bytes": token_bytes}, descriptors)
        for each in descriptors:
            os.close(each)
        data = session.start()
        told = harness.heard()
        assert told.pop("event") == "start"
        assert told.keys() <= {"compile_seconds"}
        assert data.documents() == [b"one", "zwölf".encode(), b""]
        session.log(step=1, loss=2.5, tokens=64)
        metric = json.loads(os.read(harness.metrics, 4096))
        assert set(metric) == {"step", "loss", "tokens", "progress", "seconds"}
        assert (metric["step"], metric["loss"], metric["tokens"]) == (1, 2.5, 64)
        session.facts({"DEPTH": 4})
        assert harness.heard() == {"event": "facts", "values": {"DEPTH": 4}}
        for name in ("model.safetensors", "config.json"):
            (tmp_path / name).write_text(name)
        session.finish()
        digests = {
            name: file_digest(tmp_path / name) for name in ("model.safetensors", "config.json")
        }
        assert harness.heard() == {"event": "finish", "files": digests}

    def test_facts_are_strict_json_and_none_is_a_reason_to_fail(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = harness.open(monkeypatch)
        odd = {"x": math.nan, "y": math.inf, "huge": 10**5000, "bytes": b"no", "none": None}
        kept = {"z": 1e-9, "w": 0, "fast": True, "name": "größe", "most": 2**53 - 1}
        session.facts({**odd, **kept})  # type: ignore[dict-item]
        assert harness.heard() == {"event": "facts", "values": kept}

    def test_a_metric_too_long_is_not_sent(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = harness.open(monkeypatch)
        session.log(step=10**MAX_METRIC_BYTES, loss=1.0, tokens=1)
        session.log(step=2, loss=1.0, tokens=1)
        assert json.loads(os.read(harness.metrics, 4096))["step"] == 2

    def test_a_harness_that_leaves(self, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
        session = harness.open(monkeypatch)
        harness.control.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionError, match="closed the session"):
            session.start()

    def test_under_the_worker(self, tmp_path: Path) -> None:
        body = """
assert session.harnessed and session.seed == 5 and session.clock == "wall"
assert session.budget == 120.0 and session.device == "cpu" and session.progress == 0
data = session.start()
assert 0 < session.progress < 1 and data.token_bytes == 2 and list(data.files) == ["00000.bin"]
data.shards()[0][:1]
try:
    session.start()
except RuntimeError:
    save(session)
    session.finish()
"""
        outcome = Bench(tmp_path / "bench").run(body)
        assert (outcome.ending, outcome.detail) == (Ending.FINISHED, "")


class TestReport:
    def test_kinds_go_by_type_never_by_words(self) -> None:
        assert kind_of(FloatingPointError("x")) == "nan"
        assert kind_of(MemoryError()) == "out of memory"
        assert kind_of(ValueError("nan, out of memory")) == "exception"
        assert kind_of(OSError(errno.ENOSPC, "full")) == "machine"
        assert kind_of(torch.AcceleratorError("CUDA error")) == "machine"
        assert kind_of(torch.OutOfMemoryError()) == "out of memory"
        for doubtful in (RuntimeError("CUDA error"), ImportError(), FileNotFoundError(2, "gone")):
            assert kind_of(doubtful) == "doubtful"
        for own in (NotImplementedError(), RecursionError(), AssertionError()):
            assert kind_of(own) == "exception"

    @pytest.mark.parametrize("fault", EXHAUSTED, ids=lambda fault: str(fault)[:40])
    def test_out_of_memory_is_known_wherever_it_comes_from(self, fault: Exception) -> None:
        assert kind_of(fault) == "out of memory"
        behind = ValueError("the batch cannot be made")
        behind.__cause__ = fault
        assert kind_of(behind) == "out of memory"

    @pytest.mark.parametrize("fault", NOT_EXHAUSTED, ids=lambda fault: str(fault)[:40])
    def test_what_only_sounds_like_it_is_not(self, fault: Exception) -> None:
        assert kind_of(fault) != "out of memory"

    def test_a_compiler_is_asked_what_it_met(self) -> None:
        assert kind_of(CompilerError(torch.OutOfMemoryError("2 GiB"))) == "out of memory"
        assert kind_of(CompilerError(TypeError("no such dtype"))) == "exception"

    def test_a_device_that_is_not_there_is_seen_before_the_program_runs(self) -> None:
        assert fault_in_child("cpu") == ""
        assert (fault_in_child("cuda") == "") == torch.cuda.is_available()

    def test_a_long_message_keeps_its_last_line(self) -> None:
        said = "Error(s) in loading:\n" + "\tMissing key\n" * 500 + "\tsize mismatch for wte"
        told = json.loads(report(RuntimeError(said), "Traceback"))["message"]
        assert told.startswith("Error(s) in loading:\n")
        assert told.endswith("\tsize mismatch for wte")
        assert len(told) < 1010

    @pytest.mark.parametrize("character", ["x", "\x00", "é", "\U0001f600", '"', "\ud800"])
    def test_a_report_always_fits(self, character: str) -> None:
        line = report(ValueError(character * 10**5), "begin" + character * 10**5 + "end")
        assert len(line) <= MAX_REPORT_BYTES
        message = json.loads(line)
        assert message["kind"] == "exception"
        assert message["traceback"].endswith("end")
        assert len(message["traceback"]) >= 3000
