"""The smoke test: what it catches, what it must let pass, and that nothing of it stays."""

import errno
import functools
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.attention

from autoresearch import sandbox
from autoresearch.config import PreflightSettings, Settings, load_settings
from autoresearch.preflight import SmokeTest
from autoresearch.process import Confined, CoreWaits
from autoresearch.records.proposals import Rejection
from autoresearch.records.values import Clock
from autoresearch.runtime.smoke_faults import ACCELERATOR, lacking
from autoresearch.sandbox import Unsealed
from autoresearch.scaffold import render
from tests.processes import guarded_children
from tests.shares import THOROUGH, rows

STUB = '''\
"""A training in plain Python."""
import json
import prepare
from autoresearch.runtime import open_session

WIDTH = 512
ROWS = 1024


def save(session):
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    weights = len(header).to_bytes(8, "little") + header + bytes(4)
    (session.out / "model.safetensors").write_bytes(weights)
    (session.out / "config.json").write_text("{}")


def learn(session, data):
    step = 0
    while session.progress < 1:
        step += 1
        session.log(step=step, loss=2.0, tokens=step * ROWS)
    return step


def main():
    session = open_session()
    data = session.start()
    learn(session, data)
    save(session)
    session.finish()
    raise AssertionError("nothing comes after finish")


if __name__ == "__main__":
    main()
'''
TOML = '[training]\ndevice = "cuda" # a comment\nbudget = "5m"\n[evaluation]\ncontext = 2048\n'
PREPARE = 'import tomllib\nSETTINGS = tomllib.load(open("autoresearch.toml", "rb"))\n'
FILES = {"train.py": STUB, "prepare.py": PREPARE, "autoresearch.toml": TOML}
PREFLIGHT = PreflightSettings(steps=2, context=32, timeout="20m", toy={"WIDTH": 8, "ROWS": 2})


@dataclass(frozen=True)
class Counting(Unsealed):
    """The plain sandbox, which remembers what it was asked for."""

    asked: list[tuple[Sequence[Path], Sequence[Path]]] = field(default_factory=list)
    fails: list[str] = field(default_factory=list)

    def command(self, argv: Sequence[str], **asked: Any) -> Confined:
        self.asked.append((asked["readable"], asked["writable"]))
        if self.fails:
            argv = ["/bin/sh", "-c", f"echo '{self.fails[0]}' >&2; exit 1"]
        return super().command(argv, **asked)


@dataclass
class Stage:
    """Smoke tests of changes to the stub.

    What a smoke test writes to the file `here` puts the clock forward by so many seconds: its time
    is up when it has come to a place, however slow the machine is.
    """

    work: Path
    here: Path
    settings: Settings = field(default_factory=lambda: replace(Settings(), preflight=PREFLIGHT))
    stop_here: bool = False
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sandbox = Counting({"PATH": os.environ["PATH"]})
        self.open()

    def open(self, **preflight: object) -> None:
        changed = replace(self.settings.preflight, **preflight)  # type: ignore[arg-type]
        self.settings = replace(self.settings, preflight=changed)
        self.smoke = SmokeTest(
            self.settings, sandbox=self.sandbox, work=self.work, stop=self.stopped,
            tell=self.told.append, now=self.now,
        )  # fmt: skip

    def stopped(self) -> bool:
        return self.stop_here and self.here.exists()

    def now(self) -> float:
        with suppress(OSError, ValueError):
            return time.monotonic() + float(self.here.read_text())
        return time.monotonic()

    def spends(self, seconds: float) -> str:
        """A line of a training that takes so long."""
        # Closed by the line itself: an interrupt that strikes in a file's finalizer is lost.
        return f"__import__('pathlib').Path({str(self.here)!r}).write_text('{seconds}')"

    def limit(self, **training: object) -> None:
        changed = replace(self.settings.training, **training)  # type: ignore[arg-type]
        self.settings = replace(self.settings, training=changed)
        self.open()

    def smoke_test(self, source: str, incumbent: str = STUB) -> Rejection | None:
        found = self.smoke.run({**FILES, "train.py": source}, {**FILES, "train.py": incumbent})
        self.here.unlink(missing_ok=True)
        assert list(self.work.iterdir()) == []
        assert guarded_children() == []
        return found

    def refused(self, source: str, incumbent: str = STUB) -> Rejection:
        found = self.smoke_test(source, incumbent)
        assert found is not None
        for text in (found.reason, *found.detail.split("\n")):
            assert text.isprintable()
        assert len(found.reason) <= 300
        assert len(found.detail) < 4000
        return found

    @property
    def runs(self) -> int:
        return len(self.sandbox.asked)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    work = tmp_path / "work"
    work.mkdir()
    return Stage(work, tmp_path / "here")


def learning(*lines: str) -> str:
    """The stub with these lines before its loop."""
    return STUB.replace("    step = 0\n", "".join(f"    {each}\n" for each in (*lines, "step = 0")))


class TestPassing:
    def test_the_stub_itself_and_an_honest_change(self, stage: Stage) -> None:
        assert stage.smoke_test(learning("rate = 3")) is None
        assert stage.smoke.trusts(FILES)
        assert stage.runs == 2

    def test_equal_files_are_smoke_tested_once(self, stage: Stage) -> None:
        for _ in range(2):
            assert stage.smoke_test(learning("rate = 3")) is None
            assert stage.refused(learning("rate = three")).reason
        assert stage.smoke_test(learning("rate = 3  # the same")) is None
        assert stage.runs == 3

    def test_a_kept_change_is_the_next_incumbent_without_a_run(self, stage: Stage) -> None:
        changed = learning("rate = 3")
        assert stage.smoke_test(changed) is None
        assert stage.smoke_test(learning("rate = 4"), incumbent=changed) is None
        assert stage.runs == 3

    def test_no_steps_test_nothing(self, stage: Stage) -> None:
        stage.open(steps=0)
        assert stage.smoke_test("broken(") is None
        assert stage.runs == 0

    def test_progress_is_counted_in_steps(self, stage: Stage) -> None:
        sweep = STUB.replace(
            "    return step\n", "    assert False, (step, session.seconds, session.budget)\n"
        )
        assert "AssertionError: (3, 300.0, 300.0)" in stage.refused(sweep).reason
        careful = sweep.replace(
            "session.progress < 1", "session.progress + 1.5 * min(step, 1) / 3 < 1"
        )
        assert "AssertionError: (2, 200.0, 300.0)" in stage.refused(careful).reason

    def test_a_loop_that_logs_nothing_ends_by_the_clock(self, stage: Stage) -> None:
        stage.limit(clock=Clock.WALL)
        # It puts its own clock forward, by less than the share of the limit that it may take.
        silent = STUB.replace(
            "session.log(step=step, loss=2.0, tokens=step * ROWS)",
            "at = time.monotonic() + 70; time.monotonic = lambda: at",
        ).replace("    return step\n", "    assert step > 1, step\n")
        assert stage.smoke_test(f"import time\n{silent}") is None

    def test_the_files_are_small_and_on_the_cpu(self, stage: Stage) -> None:
        look = learning(
            "assert (WIDTH, ROWS) == (8, 2)",
            "assert prepare.SETTINGS['evaluation'] == {'context': 32}",
            "assert prepare.SETTINGS['training'] == "
            "{'device': 'cpu', 'budget': '5m', 'threads': 1}",
            "assert session.device == 'cpu' and session.harnessed",
            "import os",
            "assert os.environ['CUDA_VISIBLE_DEVICES'] == ''",
            "assert 'AUTORESEARCH_ANSWER_FD' not in os.environ",
        )
        assert stage.smoke_test(STUB, incumbent=look) is None
        assert stage.smoke.trusts({**FILES, "train.py": look})

    def test_the_data_are_like_a_corpus(self, stage: Stage) -> None:
        look = learning(
            "assert data.token_bytes == 2",
            "shards = [memoryview(each).cast('H') for each in data.shards()]",
            "assert len(shards) == 2 and all(len(each) > 16000 for each in shards)",
            "assert all(each[0] == 2047 and max(each) == 2047 for each in shards)",
            "texts = data.documents()",
            "assert len(texts) == sum(each.tolist().count(2047) for each in shards)",
            "assert all(each.decode() for each in texts)",
        )
        assert stage.smoke.trusts({**FILES, "train.py": look})

    def test_only_what_a_sandbox_may_give_is_asked_for(self, stage: Stage) -> None:
        stage.smoke_test(STUB)
        readable, writable = stage.sandbox.asked[0]
        assert [each.name for each in writable] == ["scratch"]
        assert [each.name for each in readable] == ["tree", "data", "autoresearch"]

    def test_several_editable_files_and_folders(self, stage: Stage) -> None:
        target = replace(stage.settings.target, editable=("train.py", "src/**"))
        stage.settings = replace(stage.settings, target=target)
        stage.open()
        files = {
            **FILES,
            "train.py": STUB.replace(
                "import prepare\n", "import prepare\nfrom src.deep import go\n"
            ),
            "src/deep.py": "WIDTH = 100\n\ndef go():\n    return WIDTH\n",
        }
        assert stage.smoke.trusts(files)
        wrong = {**files, "src/deep.py": "WIDTH = 100\nassert WIDTH == 9\n"}
        found = stage.smoke.run(wrong, files)
        assert found is not None
        assert "src/deep.py line 2 in <module>" in found.reason


class TestCaught:
    @pytest.mark.parametrize(
        ("source", "why"),
        [
            (
                "import no_such_thing\n" + STUB,
                "failed at train.py line 1 in <module>: ModuleNotFoundError: No module named",
            ),
            (
                learning("rate = three"),
                "failed at train.py line 18 in learn < train.py line 29 in main < train.py line 36",
            ),
            pytest.param(learning("[][3]"), "IndexError: list index out of range", marks=THOROUGH),
            pytest.param(learning("assert False"), "in <module>: AssertionError", marks=THOROUGH),
            (
                STUB.replace("loss=2.0", "loss=float('nan')"),
                "FloatingPointError: loss is nan at step 1",
            ),
            (STUB.replace("    session.finish()\n", "    return\n"), "ended without finish()"),
            pytest.param(
                STUB.replace("    session.finish()\n", "    exit(0)\n"),
                "ended without finish()",
                marks=THOROUGH,
            ),
            (learning("raise SystemExit('no more')"), "failed: it exited with 'no more'"),
            pytest.param(
                STUB.replace("    save(session)\n", ""), "FileNotFoundError: ", marks=THOROUGH
            ),
            pytest.param(
                learning("session.start()"),
                "RuntimeError: start() was already called",
                marks=THOROUGH,
            ),
            (learning("import os", "os._exit(3)"), "ended with exit code 3"),
            pytest.param(
                learning("import os", "os._exit(0)"), "ended without finish()", marks=THOROUGH
            ),
            (learning("import os", "os.abort()"), "died by SIGABRT"),
            (
                STUB.replace("\nif __name", "\nif __name__ != '__main__':\n    1 / 0\nif __name"),
                "failed at train.py line 35 in <module>: ZeroDivisionError",
            ),
        ],
    )
    def test_it_says_what_and_where(self, stage: Stage, source: str, why: str) -> None:
        reason = stage.refused(source).reason
        assert reason.startswith("the smoke test ")
        assert why in reason

    def test_the_detail_has_the_frames_of_the_project_alone(self, stage: Stage) -> None:
        detail = stage.refused(learning("json.loads('{')")).detail
        assert detail.startswith("Smoke-tested on the CPU, with WIDTH = 8, ROWS = 2, windows of 32")
        assert '  File "train.py", line 18, in learn\n    json.loads(' in detail
        assert "decoder.py" not in detail
        assert str(stage.work) not in detail

    def test_what_a_dead_process_said_last_is_the_detail(self, stage: Stage) -> None:
        dying = learning("import os", "print('last words')", "os._exit(3)")
        assert stage.refused(dying).detail.endswith("\nlast words")

    def test_threads_do_not_keep_it(self, stage: Stage) -> None:
        lingering = learning(
            "import threading", "threading.Thread(target=threading.Event().wait).start()"
        )
        assert stage.smoke_test(lingering) is None

    def test_hostile_output_is_escaped(self, stage: Stage) -> None:
        hostile = learning("text = '\\x1b]0;owned\\x07\\u202e\\x00' * 9", "raise ValueError(text)")
        assert "\\u{202e}" in stage.refused(hostile).reason
        garbage = learning(
            "import os", "os.write(2, os.urandom(9999) + b'\\x1b[31m\\xff')", "os._exit(1)"
        )
        stage.refused(garbage)

    def test_a_forged_answer_is_read_like_any_other(self, stage: Stage) -> None:
        forged = learning(
            "import os",
            "for fd in range(3, 40):",
            '    try: os.write(fd, b\'{"event": "failed", "where": [1], "type": 3}\\nx\')',
            "    except OSError: pass",
            "os._exit(0)",
        )
        # Which comes first, its end or its words, is a race of its own making.
        assert stage.refused(forged).reason.startswith("the smoke test ")


class TestLimits:
    def test_a_runaway_is_killed_with_its_children(self, stage: Stage) -> None:
        runaway = learning(
            "import os, time",
            "if os.fork() == 0:",
            "    os.setsid()",
            "    time.sleep(600)",
            f"while {stage.spends(2000)}: time.sleep(0.01)",
        )
        found = stage.refused(runaway)
        assert "did not end within 1200 s; it was at train.py line 22 in learn" in found.reason

    def test_an_orphan_is_killed_and_no_fault(self, stage: Stage) -> None:
        orphan = learning(
            "import os, signal",
            "if os.fork() == 0:",
            "    os.setsid()",
            "    signal.signal(signal.SIGTERM, signal.SIG_IGN)",
            "    while True: pass",
        )
        assert stage.smoke_test(orphan) is None
        assert stage.smoke_test(learning("import os", "os.fork()")) is None

    def test_a_slow_incumbent_excuses_a_slow_change(self, stage: Stage) -> None:
        slow = learning(stage.spends(500))
        endless = learning("import time", stage.spends(2000), "time.sleep(600)")
        assert stage.smoke_test(endless, incumbent=slow) is None
        assert stage.runs == 2

    def test_who_was_kept_from_the_cores_is_not_called_slow(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        endless = learning("import time", stage.spends(2000), "time.sleep(600)")
        monkeypatch.setattr(CoreWaits, "seconds", lambda _: 1199.9)
        assert stage.smoke_test(endless) is None
        monkeypatch.setattr(CoreWaits, "seconds", lambda _: 600.0)
        stage.open()
        assert "did not end within 1200 s" in stage.refused(endless).reason

    def test_memory_is_capped(self, stage: Stage) -> None:
        stage.limit(memory_gib=0.25)
        hungry = learning("import time", "x = bytearray(b'x') * 2**29", "time.sleep(60)")
        assert "used more than 0.25 GiB" in stage.refused(hungry).reason

    def test_files_are_capped(self, stage: Stage) -> None:
        stage.limit(file_gib=2**-10)
        wide = learning("(session.out / 'x').write_bytes(bytes(2**22))")
        assert "OSError: [Errno 27] File too large" in stage.refused(wide).reason

    def test_a_flood_of_output_is_capped(self, stage: Stage) -> None:
        flood = learning("for _ in range(30): print('x' * 2**20)", "raise ValueError('wet')")
        assert "ValueError: wet" in stage.refused(flood).reason

    def test_it_stops_when_the_person_says_so(self, stage: Stage) -> None:
        assert stage.smoke_test(STUB) is None
        stage.stop_here = True
        endless = learning("import time", stage.spends(0), "time.sleep(600)")
        assert stage.smoke_test(endless) is None
        assert stage.refused(learning("rate = three")).reason


ABSENT = [
    "torch.cuda.Stream()",
    "torch.zeros(3).pin_memory()",
    "torch.cuda.synchronize()",
    "torch.zeros(3, device='cuda')",
    "torch.cuda.get_device_capability()",
    "torch.cuda.CUDAGraph()",
    "torch.accelerator.synchronize()",
    (
        "with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.CUDNN_ATTENTION): "
        "torch.nn.functional.scaled_dot_product_attention(*[torch.zeros(1, 1, 8, 8)] * 3)"
    ),
]


OTHER = [
    "cuda_stream",
    "import no_such_cuda",
    "raise FloatingPointError('on cuda')",
    "[][3]",
    "import os; os.abort()",
]


class TestAccelerator:
    @pytest.mark.skipif(torch.cuda.is_available(), reason="an accelerator is here")
    @pytest.mark.parametrize("line", ABSENT)
    def test_what_fails_for_want_of_one_is_known(self, line: str) -> None:
        with pytest.raises(Exception) as fault:  # noqa: PT011 - which it is, torch decides
            exec(line, {"torch": torch})
        assert lacking(fault.value) == ACCELERATOR

    @pytest.mark.parametrize("line", rows(ABSENT))
    def test_what_fails_for_want_of_one_is_not_refused(self, stage: Stage, line: str) -> None:
        stage.limit(device="cuda")
        assert stage.smoke_test(learning("import torch, torch.nn.attention", line)) is None
        assert stage.runs == 2

    @THOROUGH  # the next one asks the same
    def test_where_trainings_run_on_the_cpu_it_is_refused(self, stage: Stage) -> None:
        assert stage.refused(learning("import torch", "torch.cuda.synchronize()")).reason

    @pytest.mark.parametrize(
        "lines",
        [
            ["raise SystemExit('this needs a GPU')"],
            pytest.param(
                ["try: raise RuntimeError('no NVIDIA driver')", "except RuntimeError: 1 / 0"],
                marks=THOROUGH,
            ),
            ["import os", "print('CUDA error', flush=True)", "os.abort()"],
        ],
    )
    def test_however_it_is_said(self, stage: Stage, lines: list[str]) -> None:
        assert stage.refused(learning(*lines)).reason
        stage.limit(device="cuda")
        assert stage.smoke_test(learning(*lines)) is None

    @pytest.mark.parametrize(
        "line", rows(OTHER, "cuda_stream", "raise FloatingPointError('on cuda')")
    )
    def test_other_faults_are_refused_as_ever(self, stage: Stage, line: str) -> None:
        stage.limit(device="cuda")
        assert stage.refused(learning(line)).reason

    def test_an_incumbent_that_needs_one_is_told(self, stage: Stage) -> None:
        stage.limit(device="cuda")
        needy = learning("raise RuntimeError('No CUDA GPUs are available')")
        assert stage.smoke_test("broken(", incumbent=needy) is None
        why = "the incumbent's own smoke test needs an accelerator, and has none"
        assert stage.told == [f"changes are not smoke-tested: {why}"]


class TestTrust:
    def test_while_the_incumbent_fails_nothing_is_refused(self, stage: Stage) -> None:
        picky = learning("assert WIDTH > 100")
        assert not stage.smoke.trusts({**FILES, "train.py": picky})
        assert stage.smoke_test("import no_such_thing\n", incumbent=picky) is None
        assert stage.runs == 1
        assert len(stage.told) == 1
        assert "the incumbent's own smoke test failed at train.py line 18" in stage.told[0]

    def test_an_unlucky_smoke_test_of_the_incumbent_is_not_the_last(
        self, stage: Stage, tmp_path: Path
    ) -> None:
        mark = tmp_path / "mark"
        unlucky = learning(
            "import os, pathlib",
            f"mark = pathlib.Path({str(mark)!r})",
            "mark.exists() or (mark.touch(), os.kill(os.getpid(), 9))",
        )
        wrong = learning("rate = three")
        assert stage.smoke_test(wrong, incumbent=unlucky) is None
        assert stage.refused(wrong, incumbent=unlucky).reason
        assert stage.told == []

    @pytest.mark.parametrize(
        ("line", "why"),
        [
            ("os.kill(os.getpid(), 9)", "was killed from outside"),
            ("raise OSError(28, 'No space \\x1b')", "failed at train.py line 19"),
            pytest.param(
                "SPENDS; time.sleep(600)",
                "did not end within 1200 s; it was at train.py line 19 in learn",
                marks=THOROUGH,
            ),
        ],
    )
    def test_an_incumbent_that_never_comes_through_is_told_once(
        self, stage: Stage, line: str, why: str
    ) -> None:
        bad = learning("import os, time", line.replace("SPENDS", stage.spends(2000)))
        for tries in (1, 2, 3, 3, 3):
            assert stage.smoke_test("broken(", incumbent=bad) is None
            assert stage.runs == tries
            assert len(stage.told) == (tries == 3)
        assert stage.told[0].startswith(
            "changes are not smoke-tested: the incumbent's own smoke test"
        )
        assert why in stage.told[0]
        assert stage.told[0].isprintable()

    def test_what_only_toy_values_break_is_let_pass(self, stage: Stage) -> None:
        assert stage.smoke_test(learning("assert WIDTH % 256 == 0")) is None
        assert stage.runs == 3
        wide = "prepare.SETTINGS['evaluation']['context'] % 64 == 0 or [][1]"
        assert stage.smoke_test(learning(wide)) is None

    @pytest.mark.thorough  # beside it: what toy values hide is refused
    def test_what_breaks_at_full_size_too_is_refused(self, stage: Stage) -> None:
        found = stage.refused(learning("assert WIDTH % 100 == 0"))
        assert "AssertionError" in found.reason
        assert "WIDTH = 8" in found.detail

    def test_too_slow_at_full_size_is_let_pass(self, stage: Stage) -> None:
        line = f"{stage.spends(2000)} and time.sleep(600) if WIDTH > 8 else [][1]"
        slow = learning("import time", line)
        assert stage.smoke_test(slow) is None

    def test_amounts_stay_small_at_full_size(self, stage: Stage) -> None:
        assert stage.refused(learning("ROWS > 2 or [][1]")).reason

    @THOROUGH  # what toy values hide is refused, and let pass, above
    def test_a_check_of_amounts_is_asked_for_their_own_values(self, stage: Stage) -> None:
        assert stage.smoke_test(learning("assert ROWS % 1024 == 0")) is None
        assert stage.refused(learning("assert ROWS % 1000 == 0")).reason

    def test_what_toy_values_hide_is_refused(self, stage: Stage) -> None:
        hidden = "assert ROWS % 1000 in (0, 2), 'divisible'"
        found = stage.refused(learning(hidden))
        assert "AssertionError: divisible" in found.reason
        assert "its own constants, windows of 128 tokens" in found.detail
        assert stage.runs == 5  # both with toy values, both without numbers, and the proof

    @THOROUGH
    def test_another_value_for_what_a_toy_value_hides_is_checked(self, stage: Stage) -> None:
        checked = learning("assert ROWS % 1024 in (0, 2)")
        assert stage.smoke_test(checked.replace("ROWS = 1024", "ROWS = 2048"), checked) is None
        assert stage.refused(checked.replace("ROWS = 1024", "ROWS = 1000"), checked).reason

    @THOROUGH  # what toy values hide is refused, and let pass, above
    def test_what_cannot_be_told_without_numbers_is_let_pass(self, stage: Stage) -> None:
        unknown = "ROWS == 2 or exec('raise NotImplementedError')"
        assert stage.smoke_test(learning(unknown)) is None
        assert stage.runs == 3

    @THOROUGH
    def test_what_the_incumbent_hides_too_is_let_pass(self, stage: Stage) -> None:
        hiding = learning("assert ROWS == 2")
        assert stage.smoke_test(hiding.replace("ROWS = 1024", "ROWS = 2048"), hiding) is None

    def test_a_kill_from_outside_says_nothing(self, stage: Stage) -> None:
        assert stage.smoke_test(learning("import os", "os.kill(os.getpid(), 9)")) is None

    @pytest.mark.parametrize(
        "lines",
        [
            ["open('/dev/full', 'wb', 0).write(b'x')"],
            ["import os", "os.kill(os.getppid(), 9)", "while True: pass"],  # the guard
            pytest.param(["import os", "os.kill(os.getpid(), 7)"], marks=THOROUGH),
            pytest.param(['raise RuntimeError("can\'t start new thread")'], marks=THOROUGH),
        ],
    )
    def test_a_failure_of_the_machine_says_nothing(self, stage: Stage, lines: list[str]) -> None:
        assert stage.smoke_test(learning(*lines)) is None
        assert stage.refused(learning("rate = three")).reason

    @pytest.mark.parametrize(
        ("place", "fault"),
        [
            ("write_data", OSError(errno.ENOSPC, "No space left on device")),
            ("run", BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")),
        ],
    )
    def test_what_cannot_be_begun_says_nothing(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch, place: str, fault: OSError
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise fault

        assert stage.smoke_test(STUB) is None
        with monkeypatch.context() as patched:
            patched.setattr(f"autoresearch.preflight.smoke_test.{place}", fail)
            assert stage.smoke_test(learning("rate = three")) is None
        assert stage.refused(learning("rate = three")).reason

    def test_a_sandbox_that_does_not_start_says_nothing(self, stage: Stage) -> None:
        assert stage.smoke_test(STUB) is None
        stage.sandbox.fails.append("bwrap: Creating new namespace failed")
        assert stage.smoke_test(learning("rate = three")) is None
        stage.sandbox.fails.clear()
        assert stage.refused(learning("rate = three")).reason

    def test_a_missing_work_folder_says_nothing(self, stage: Stage) -> None:
        stage.work.rmdir()
        for _ in range(5):
            assert stage.smoke.run(FILES, FILES) is None
        assert not stage.smoke.trusts(FILES)
        why = "the incumbent's own smoke test cannot be run on this machine"
        assert stage.told == [f"changes are not smoke-tested: {why}"]
        stage.work.mkdir()
        assert stage.smoke.trusts(FILES)


def test_paths_that_leave_the_folder_are_not_written(stage: Stage, tmp_path: Path) -> None:
    assert stage.smoke.trusts({**FILES, "../../up.txt": "x", "/tmp/no": "x"})
    assert not (stage.work / "up.txt").exists()


def test_folders_made_unreadable_are_removed(stage: Stage) -> None:
    locked = learning(
        "(session.out / 'a' / 'b').mkdir(parents=True)",
        "(session.out / 'a' / 'b' / 'c').write_text('')",
        "(session.out / 'a').chmod(0)",
    )
    assert stage.smoke_test(locked) is None


def test_folders_a_thousand_deep_are_removed(stage: Stage) -> None:
    deep = learning(
        "import os", "os.chdir(session.out)", "for _ in range(1500): os.mkdir('d'), os.chdir('d')"
    )
    assert stage.smoke_test(deep) is None


Prepared = tuple[SmokeTest, dict[str, str]]


@pytest.fixture(scope="module")
def of_template(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Prepared]:
    """Return what gives the smoke test of a profile, which is one for all: it has a memory."""
    place = tmp_path_factory.mktemp("smoke tests")

    @functools.cache
    def of(profile: str) -> Prepared:
        files = render("gpt", profile)
        (place / f"{profile}.toml").write_text(files["autoresearch.toml"])
        settings = load_settings(place / f"{profile}.toml")
        patient = replace(settings.preflight, timeout="20m")  # others may keep the machine busy
        settings = replace(settings, preflight=patient)
        work = place / profile
        work.mkdir()
        return SmokeTest(settings, sandbox=sandbox.detect(os.environ), work=work), files

    return of


@THOROUGH  # nothing is refused but beside an incumbent that came through
@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_the_template_comes_through(of_template: Callable[[str], Prepared], profile: str) -> None:
    smoke, files = of_template(profile)
    assert smoke.trusts(files)


@THOROUGH
@pytest.mark.parametrize("profile", ["cpu", "gpu"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('WINDOW_PATTERN = "SSSL"', 'WINDOW_PATTERN = "SL"'),
        ("hidden = F.relu(self.up(norm(x)))", "hidden = F.gelu(self.up(norm(x)))"),
        ("= self.model.stream, self", "= torch.compile(self.model.stream), self"),
        ("each.detach().cpu().contiguous()", "each.detach().cpu().bfloat16().contiguous()"),
        ("DEPTH = ", "DEPTH = 1 + "),
    ],
)
def test_honest_changes_of_the_template_come_through(
    of_template: Callable[[str], Prepared], profile: str, old: str, new: str
) -> None:
    smoke, files = of_template(profile)
    source = files["train.py"]
    assert old in source
    found = smoke.run({**files, "train.py": source.replace(old, new)}, files)
    assert found is None, found.detail


NONSTRICT = (", device=str(device)))", ", device=str(device)), strict=False)")
FAULTS = {
    "a shape": (
        "self.attention(norm(x)",
        "self.attention(norm(x)[..., :8]",
        "mat1 and mat2 shapes cannot",
    ),
    "a name": ("F.relu(self.up", "F.rleu(self.up", "has no attribute 'rleu'"),
    "no number": (
        "change = lr * update",
        "change = lr * update / 0.0 * 0.0",
        "loss is nan at step 2",
    ),
    "the future": (
        "(behind >= 0) & (behind < window)",
        "behind < window",
        "tokens that come after it",
    ),
    "the loader": (
        "GPT(Shape(**config))",
        "GPT(Shape(**config, depth=3))",
        "got multiple values for",
    ),
    "no logits": (
        "return self.logits(self.stream(tokens))",
        "return self.stream(tokens)",
        "to logits [2,",
    ),
    "no finish": ("session.finish()", "session.seconds", "ended without finish()"),
    "half of the weights": (
        "in model.state_dict().items()}\n    save_file",
        "in model.state_dict().items() if 'blocks' not in name}\n    save_file",
        "blocks.0.attention.query.weight, blocks.0.attention.key.weight",
    ),
    "weights under other names": (
        "GPT(Shape()).to(device)",
        "torch.compile(GPT(Shape()).to(device), fullgraph=True)",
        "do not come from the checkpoint, whose _orig_mod.",
    ),
    "a gain that is not saved": (
        "in model.state_dict().items()}\n    save_file",
        "in model.state_dict().items() if name != 'x0_scales'}\n    save_file",
        "the loaded model's x0_scales does not come from the checkpoint",
    ),
    "divisible at toy size alone": (
        "TOTAL_BATCH_SIZE = 2048",
        "TOTAL_BATCH_SIZE = 3000",
        "AssertionError: whole batches",
    ),
}
MORE = {
    "half of the weights": NONSTRICT,
    "weights under other names": NONSTRICT,
    "a gain that is not saved": NONSTRICT,
    "divisible at toy size alone": (
        '        self.attention = ""\n',
        "        assert TOTAL_BATCH_SIZE % (16 * MAX_SEQ_LEN) in (0, 512), 'whole batches'\n",
    ),
}


@pytest.mark.thorough  # beside it: the template goes the whole line (test_end_to_end.py)
@pytest.mark.parametrize("name", FAULTS)
def test_real_faults_of_the_template_are_caught(
    of_template: Callable[[str], Prepared], name: str
) -> None:
    (old, new, why), (smoke, files) = FAULTS[name], of_template("cpu")
    source = files["train.py"]
    for was, becomes in [(old, new), *([MORE[name]] if name in MORE else [])]:
        assert was in source
        source = source.replace(was, becomes)
    found = smoke.run({**files, "train.py": source}, files)
    assert found is not None
    assert why in found.reason
