import itertools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from autoresearch import sandbox
from autoresearch.devices import unpinned
from autoresearch.errors import WorkerError
from autoresearch.process import cgroup
from autoresearch.records.training import Budget, Outcome, Point
from autoresearch.records.values import Clock, Ending, FailureKind
from autoresearch.runtime import standby
from autoresearch.workers import LocalWorker
from tests import sandboxes
from tests.processes import dies_out, until
from tests.sandboxes import LEVELS
from tests.shares import THOROUGH, rows
from tests.trials import FINISH, GOOD, LONG, PRELUDE, Ahead, Bench, alive_under

# For what never finishes: nothing else is sure to come to its end within it.
SHORT = Budget(training=0.3, clock=Clock.WALL, startup=240.0, grace=0.1)
MIB = 2**20


STRONGEST = "strongest"


@pytest.fixture(scope="module", params=rows([STRONGEST, *LEVELS[1:]], STRONGEST))
def level(request: pytest.FixtureRequest) -> sandbox.Sandbox:
    """The strongest level that there is here; `make test-all` tries the weaker ones as well."""
    strongest = sandbox.detect(os.environ)
    if request.param == STRONGEST:
        return strongest
    if request.param == sandboxes.NAMES[strongest.name]:
        pytest.skip("this machine's strongest sandbox is this one")
    return sandboxes.level(request.param)


@pytest.fixture(scope="module")
def worker(level: sandbox.Sandbox) -> LocalWorker:
    """One worker for all: every test is the next trial after another's ending."""
    return LocalWorker(level, patience=0.2)


@pytest.fixture
def bench(tmp_path: Path, worker: LocalWorker) -> Bench:
    return Bench(tmp_path / "bench", worker=worker)


@pytest.fixture
def clock(bench: Bench, level: sandbox.Sandbox) -> Ahead:
    """The clock of a worker for this bench, which has all patience with who says where it hung."""
    ahead = Ahead()
    bench.worker = LocalWorker(level, ahead, patience=60.0)
    return ahead


def ending_of(outcome: Outcome) -> tuple[Ending, str]:
    return outcome.ending, outcome.detail


class TestFinished:
    def test_checkpoint_curve_facts_and_times_come_back(self, bench: Bench) -> None:
        body = 'session.facts({"depth": 2, "name": "tiny", "fast": True, "rate": 0.5})\n' + GOOD
        outcome = bench.run(body)
        assert outcome.ending is Ending.FINISHED
        assert outcome.detail == ""
        assert outcome.checkpoint is not None
        assert (outcome.checkpoint / "config.json").read_bytes() == b"{}"
        assert len((outcome.checkpoint / "model.safetensors").read_bytes()) > 8
        assert [(p.step, p.loss, p.tokens) for p in outcome.curve] == [(1, 2.0, 3)]
        assert bench.points == list(outcome.curve)
        assert outcome.facts == {"depth": 2, "name": "tiny", "fast": True, "rate": 0.5}
        assert 0 < outcome.timing.training < outcome.timing.total
        assert 0 < outcome.timing.startup < outcome.timing.total
        assert outcome.peak_memory > MIB
        assert outcome.hardware is not None
        assert outcome.hardware.device == "cpu"
        assert "processor" in outcome.hardware.key

    @pytest.mark.parametrize(
        ("claimed", "believed"),
        [
            ("1e9", None),
            pytest.param("0.001", 0.001, marks=THOROUGH),
            pytest.param("'long'", None, marks=THOROUGH),
        ],
    )
    def test_compiling_takes_no_longer_than_starting_up(
        self, bench: Bench, claimed: str, believed: float | None
    ) -> None:
        start = f'session._send({{"event": "start", "compile_seconds": {claimed}}})\n'
        outcome = bench.run(start + "raise ValueError")
        ceiling = outcome.timing.startup if claimed == "1e9" else None
        assert outcome.timing.compiling == (believed or ceiling)

    def test_the_data_come_with_start(self, bench: Bench) -> None:
        body = "data = session.start()\nprint(data.shards()[0][:], data.token_bytes)\nsave(session)"
        outcome = bench.run(body + "\nsession.finish()\ntime.sleep(60)")
        assert outcome.ending is Ending.FINISHED
        assert outcome.log == b"b'toks' 2\n"  # though it was killed at its finish

    def test_a_second_start_hands_over_nothing_and_changes_no_clock(self, bench: Bench) -> None:
        again = 'session._send({"event": "start"})\n'
        outcome = bench.run(FINISH + "time.sleep(0.3)\n" + again + "session.finish()\n")
        assert outcome.ending is Ending.FINISHED
        assert outcome.timing.training > 0.3

    def test_a_peak_on_the_device_is_believed_only_for_a_device(self, bench: Bench) -> None:
        body = 'session.facts({"peak_vram_bytes": 7})\n' + GOOD
        assert bench.run(body).peak_memory > MIB


DEAF = "for n in (signal.SIGINT, signal.SIGTERM): signal.signal(n, signal.SIG_IGN)\n"
HANGS = ["while True: pass", "time.sleep(60)", DEAF + "time.sleep(60)"]
START = "session.start()\n"
POINT = "session.log(step=1, loss=2.0, tokens=3)\n"
ENDINGS = {
    "nan": (START + "session.log(step=1, loss=float('nan'), tokens=1)", Ending.NAN, "loss is nan"),
    "inf": (START + "session.log(step=1, loss=float('inf'), tokens=1)", Ending.NAN, "loss is inf"),
    "bug": (START + "raise ValueError('it broke')", Ending.EXCEPTION, "ValueError: it broke"),
    "bug in many words": (
        START + "raise ValueError('first ' + 'x' * 300 + '\\n' + 'y\\n' * 900 + 'it broke here')",
        Ending.EXCEPTION,
        "it broke here",
    ),
    "syntax": ("def", Ending.EXCEPTION, "SyntaxError"),
    "early bug": ("1 / 0", Ending.EXCEPTION, "ZeroDivisionError"),
    "memory error": (START + "raise MemoryError", Ending.OUT_OF_MEMORY, "MemoryError"),
    "exit": (START + "sys.exit(0)", Ending.NO_FINISH, "without handing in"),
    "exit at once": ("", Ending.NO_FINISH, "without handing in"),
    "exit code": (START + "os._exit(3)", Ending.EXCEPTION, "exited with code 3"),
    "exit text": (START + "sys.exit('no')", Ending.EXCEPTION, "exited with code 1"),
    "sigkill": (START + "os.kill(os.getpid(), 9)", Ending.SIGNAL, "SIGKILL"),
    "sigsegv": (START + "os.kill(os.getpid(), 11)", Ending.SIGNAL, "SIGSEGV"),
    "finish first": (
        'save(session)\nsession._send({"event": "finish", "files": {}})\ntime.sleep(60)',
        Ending.NO_FINISH,
        "before start()",
    ),
    "finish first, politely": (
        "save(session)\nsession.finish()",
        Ending.EXCEPTION,
        "finish() before start()",
    ),
    "threads of the dead": (
        START
        + "import threading\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
        + "raise OSError(1)",
        Ending.EXCEPTION,
        "OSError",
    ),
    "file too large": (
        START + "(session.out / 'big').write_bytes(bytes(9 * 2**20))",
        Ending.EXCEPTION,
        "File too large",
    ),
}


class TestEndings:
    @pytest.mark.parametrize(
        "name",
        rows(
            ENDINGS, "nan", "bug in many words", "memory error", "exit", "exit code", "sigkill",
            "finish first", "finish first, politely", "threads of the dead", "file too large",
        ),
    )  # fmt: skip
    def test_of_its_own_doing(self, bench: Bench, name: str) -> None:
        body, ending, detail = ENDINGS[name]
        bench.limits = replace(bench.limits, file_size=8 * MIB)
        outcome = bench.run(body)
        assert outcome.ending is ending
        assert detail in outcome.detail
        assert outcome.checkpoint is None

    def test_traceback_begins_in_train_py_and_is_in_the_log_too(self, bench: Bench) -> None:
        outcome = bench.run(START + "raise ValueError('it broke')")
        lines = outcome.traceback.splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        assert lines[1].strip().startswith('File "train.py"')
        assert lines[-1] == "ValueError: it broke"
        assert b"ValueError: it broke" in outcome.log
        assert outcome.exit_code == 1

    def test_a_giant_hostile_message_is_still_told_by_its_kind(self, bench: Bench) -> None:
        outcome = bench.run(START + "raise FloatingPointError('\\x01\\U0001f600' * 100_000)")
        assert outcome.ending is Ending.NAN
        assert len(outcome.detail) <= 200
        assert outcome.detail.isprintable()

    @pytest.mark.parametrize("how", rows(HANGS, HANGS[0], HANGS[2]))
    def test_hang_on_the_wall_clock(self, bench: Bench, how: str) -> None:
        bench.budget = SHORT
        outcome = bench.run(START + how)
        assert outcome.ending is Ending.HANG
        assert outcome.detail == "did not finish within 0.3 s of training"
        # Budget and twice the grace, not less; of the minute that it would have taken, a part.
        assert 0.5 <= outcome.timing.training < 30.0
        bench.budget = LONG
        assert bench.run(GOOD).ending is Ending.FINISHED

    def test_a_hang_tells_where(self, bench: Bench, clock: Ahead) -> None:
        body = START + f"def stuck():\n    {POINT}    time.sleep(600)\nstuck()"
        outcome = bench.run(body, on_point=lambda _point: clock.skip(1000.0))
        assert outcome.ending is Ending.HANG
        assert b"in stuck" in outcome.log

    def test_hang_on_the_cpu_clock(self, bench: Bench) -> None:
        bench.budget = replace(SHORT, clock=Clock.CPU)
        outcome = bench.run(START + "while True: pass")
        assert outcome.ending is Ending.HANG
        assert outcome.timing.training >= 0.5

    def test_sleeping_on_the_cpu_clock_meets_the_wall_limit(
        self, bench: Bench, clock: Ahead
    ) -> None:
        bench.budget = replace(SHORT, clock=Clock.CPU)
        body = START + POINT + "time.sleep(600)"
        outcome = bench.run(body, on_point=lambda _point: clock.skip(bench.budget.wall_limit))
        assert ending_of(outcome) == (
            Ending.HANG,
            f"did not finish within {bench.budget.wall_limit:g} s of wall time",
        )
        assert outcome.timing.training < 0.3

    def test_start_timeout(self, bench: Bench) -> None:
        bench.budget = replace(SHORT, startup=0.5)
        outcome = bench.run("time.sleep(60)")
        assert ending_of(outcome) == (Ending.START_TIMEOUT, "no start within 0.5 s")
        assert outcome.timing.training == 0
        assert outcome.timing.startup >= 0.5

    @pytest.mark.parametrize(
        ("spent", "ending", "detail"),
        [(1100.0, Ending.FINISHED, ""), (2600.0, Ending.LATE, "finished 1.6e+03 s after its")],
    )
    def test_late_is_what_finishes_after_the_grace(
        self, bench: Bench, clock: Ahead, spent: float, ending: Ending, detail: str
    ) -> None:
        bench.budget = Budget(training=1000.0, clock=Clock.WALL, grace=1000.0)

        def pass_time(_point: Point) -> None:
            clock.skip(spent)
            bench.open_gate()

        outcome = bench.run(FINISH + "until_gate()\nsession.finish()", on_point=pass_time)
        assert outcome.ending is ending
        assert outcome.detail.startswith(detail)
        assert (outcome.checkpoint is None) == (ending is Ending.LATE)

    def test_a_waiting_finish_is_read_before_the_clock_is_judged(
        self, bench: Bench, clock: Ahead
    ) -> None:
        body = FINISH + "until_gate()\nsession.finish()\n(Path.home() / 'said').touch()"

        def look_on_for_long(_point: Point) -> None:
            bench.open_gate()
            until((bench.folder / "trial-1" / "scratch" / "said").exists)
            clock.skip(1000.0)

        outcome = bench.run(body, on_point=look_on_for_long)
        assert outcome.ending is Ending.LATE  # not HANG: it did finish

    def test_over_the_memory_limit(self, bench: Bench) -> None:
        bench.limits = replace(bench.limits, memory=200 * MIB)
        outcome = bench.run(START + "x = bytearray(b'1') * (300 * 2**20)\ntime.sleep(60)")
        assert ending_of(outcome) == (Ending.OUT_OF_MEMORY, "used more than 0.195 GiB")
        assert outcome.peak_memory > 200 * MIB

    def test_memory_shared_by_forks_and_mapped_files_are_no_breach(self, bench: Bench) -> None:
        bench.limits = replace(bench.limits, memory=250 * MIB)
        body = f"""
x = bytearray(b'1') * (100 * 2**20)
(session.out / "file").write_bytes(bytes(200 * 2**20))
with open(session.out / "file", "rb") as file:
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
total = sum(mapped[::4096])
for _ in range(3):
    if os.fork() == 0:
        time.sleep(60)
time.sleep(0.8)
{FINISH}
session.finish()
"""
        assert bench.run(body).ending is Ending.FINISHED

    @pytest.mark.parametrize(
        ("how", "ending"),
        [
            ("os.kill(os.getpid(), 9)", Ending.OUT_OF_MEMORY),
            pytest.param("os._exit(137)", Ending.OUT_OF_MEMORY, marks=THOROUGH),
            ("raise RuntimeError('DataLoader worker is killed')", Ending.OUT_OF_MEMORY),
            pytest.param("os.kill(os.getpid(), 11)", Ending.SIGNAL, marks=THOROUGH),
            pytest.param("1 / 0", Ending.EXCEPTION, marks=THOROUGH),
        ],
    )
    def test_the_kernel_kills_for_want_of_memory(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, how: str, ending: Ending
    ) -> None:
        counts = iter([0, 1])  # before and after it
        monkeypatch.setattr(cgroup, "oom_kills", lambda _group: next(counts))
        outcome = bench.run(START + how)
        assert outcome.ending is ending
        exhausted = ending is Ending.OUT_OF_MEMORY
        assert ("the system ran out of memory" in outcome.detail) == exhausted
        if exhausted:
            assert (outcome.failure, outcome.doubtful) == (FailureKind.IDEA, True)

    def test_interrupted(self, bench: Bench) -> None:
        seen: list[Point] = []
        body = START + "session.log(step=1, loss=2.0, tokens=3)\nsave(session)\ntime.sleep(60)"
        outcome = bench.run(body, on_point=seen.append, stop=lambda: bool(seen))
        assert outcome.ending is Ending.INTERRUPTED
        assert outcome.failure is None
        assert len(outcome.curve) == 1
        assert bench.run(GOOD).ending is Ending.FINISHED

    def test_a_finish_on_the_way_out_of_an_interruption_does_not_count(
        self, bench: Bench, clock: Ahead
    ) -> None:
        waits = f"try:\n    {POINT}    time.sleep(600)\nfinally: "
        told = "save(session); session.finish(); (Path.home() / 'said').touch()"
        outcome = bench.run(START + waits + told, stop=lambda: bool(bench.points))
        assert outcome.ending is Ending.INTERRUPTED
        assert outcome.checkpoint is None
        assert (bench.folder / "trial-1" / "scratch" / "said").exists()

    def test_an_onlooker_that_fails_leaves_nothing_behind(self, bench: Bench) -> None:
        assignment = bench.assignment(PRELUDE + GOOD)

        def fail(point: Point) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            bench.worker.train(assignment, on_point=fail, stop=lambda: False)
        assert alive_under(assignment.scratch) == []


RAW = 'session._send({"event": "finish", "files": %s})\ntime.sleep(60)\n'
DIGEST = "__import__('hashlib').sha256(weights()).hexdigest()"
EMPTY = "__import__('hashlib').sha256(b'{}').hexdigest()"
SOUND = f'{{"model.safetensors": {DIGEST}, "config.json": {EMPTY}}}'
MODEL = '(session.out / "model.safetensors")'
BAD_CHECKPOINTS = {
    "symlink": f"{MODEL}.rename(session.out / 'm')\n{MODEL}.symlink_to('m')\nsession.finish()",
    "hard link": f"os.link({MODEL}, session.out / 'other')\nsession.finish()",
    "fifo": f"{MODEL}.unlink()\nos.mkfifo({MODEL})\n" + RAW % SOUND,
    "missing": f"{MODEL}.unlink()\n" + RAW % SOUND,
    "no digests": RAW % "[1, 2]",
    "changed after its digest": f"{MODEL}.write_bytes(weights(data=b'evil'))\n" + RAW % SOUND,
    "pickle": "import pickle\nsave(session, pickle.dumps([1] * 99))\nsession.finish()",
    "damaged header": "HEADER['w']['shape'] = [2]\nsave(session)\nsession.finish()",
    "destination taken": "(session.out.parent / 'checkpoint').mkdir()\nsession.finish()",
}


class TestCheckpoint:
    """Through a whole trial; tests/test_checkpoint.py has many more kinds."""

    @pytest.mark.parametrize(
        "name", rows(BAD_CHECKPOINTS, "symlink", "missing", "changed after its digest", "pickle")
    )
    def test_bad(self, bench: Bench, name: str) -> None:
        outcome = bench.run(FINISH + BAD_CHECKPOINTS[name])
        assert outcome.ending is Ending.BAD_CHECKPOINT
        assert outcome.checkpoint is None
        assert 0 < len(outcome.detail) <= 200
        assert str(bench.folder) not in outcome.detail

    def test_nothing_written_after_finish_counts(self, bench: Bench) -> None:
        body = f"""
def spoil():
    while not (session.out.parent / "checkpoint").exists():  # it is taken
        time.sleep(0.001)
    {MODEL}.write_bytes(b"evil")
    (session.out.parent / "checkpoint" / "model.safetensors").write_bytes(b"evil")
daemon(spoil)
session.finish()
time.sleep(60)
"""
        outcome = bench.run(FINISH + body)  # which sees that the daemon is dead
        assert outcome.checkpoint is not None
        assert b"evil" not in (outcome.checkpoint / "model.safetensors").read_bytes()

    def test_a_child_that_writes_all_the_while_never_gets_through(self, bench: Bench) -> None:
        body = f"""
def spoil():
    while True:
        {MODEL}.write_bytes(weights(data=b"evil"))
daemon(spoil)
{RAW % SOUND}
"""
        outcome = bench.run(FINISH + body)
        good = outcome.checkpoint
        assert good is None or b"evil" not in (good / "model.safetensors").read_bytes()


SURVIVOR = "daemon(lambda: time.sleep(900))\ntime.sleep(0.2)\n"


@pytest.mark.parametrize("name", LEVELS[1:])
def test_weaker_levels_keep_house_as_well(tmp_path: Path, name: str) -> None:
    """A share of what follows and went before, for `make test`."""
    bench = Bench(tmp_path / "bench", worker=LocalWorker(sandboxes.level(name), patience=0.2))
    assert bench.run(GOOD).ending is Ending.FINISHED
    assert ending_of(bench.run("1 / 0")) == (
        Ending.EXCEPTION,
        "ZeroDivisionError: division by zero",
    )
    assert bench.run(SURVIVOR + START + "os.kill(os.getpid(), 9)").ending is Ending.SIGNAL


class TestNobodySurvives:
    """`Bench.run` itself asserts that no process of the trial is alive when it returns."""

    @pytest.mark.parametrize(
        ("end", "ending"),
        [
            (FINISH + "session.finish()", Ending.FINISHED),
            pytest.param(START + "sys.exit(0)", Ending.NO_FINISH, marks=THOROUGH),
            pytest.param(START + "1 / 0", Ending.EXCEPTION, marks=THOROUGH),
            (START + "os.kill(os.getpid(), 9)", Ending.SIGNAL),
            (START + "time.sleep(60)", Ending.HANG),
        ],
    )
    def test_a_daemon_that_ignores_signals(self, bench: Bench, end: str, ending: Ending) -> None:
        bench.budget = SHORT if ending is Ending.HANG else LONG
        assert bench.run(SURVIVOR + end).ending is ending

    def test_many_levels_of_forks(self, bench: Bench) -> None:
        forks = "for _ in range(5): os.fork()\nos.setpgid(0, 0)\ntime.sleep(60)\n"
        bench.budget = SHORT
        assert bench.run(START + forks).ending is Ending.HANG

    def test_the_supervisor_is_killed(self, bench: Bench, level: sandbox.Sandbox) -> None:
        assignment = bench.assignment(PRELUDE + SURVIVOR + START + "time.sleep(900)")
        script = f"""
from pathlib import Path
from autoresearch.workers import LocalWorker
from tests import sandboxes
from tests.processes import dies_out
from tests.trials import Bench
bench = Bench(Path({str(bench.folder)!r}) / "script")
assignment = bench.assignment(Path({str(assignment.tree / "train.py")!r}).read_text())
print(assignment.scratch, flush=True)
worker = LocalWorker(sandboxes.level({sandboxes.NAMES[level.name]!r}))
worker.train(assignment, on_point=print, stop=lambda: False)
"""
        root = Path(__file__).parent.parent
        command = [sys.executable, "-c", script]
        with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) as supervisor:
            assert supervisor.stdout is not None
            scratch = Path(supervisor.stdout.readline().decode().strip())
            until(lambda: len(alive_under(scratch)) >= 3)  # guard, trial, daemon
            supervisor.kill()
        assert dies_out(scratch)

    @pytest.mark.skipif(sys.platform != "linux", reason="rests on the parent-death signal")
    def test_the_guard_is_killed(self, bench: Bench, level: sandbox.Sandbox) -> None:
        kill = "until_gate()\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(60)"
        ticks = itertools.count()

        def look() -> bool:
            # Where the guard dies the worker kills whom it has seen; it looks at every fifth tick.
            if bench.points and next(ticks) == 8:
                bench.open_gate()
            return False

        outcome = bench.run(SURVIVOR + START + POINT + kill, stop=look)
        assert (
            ending_of(outcome)
            == {
                "bubblewrap": (
                    Ending.SIGNAL,
                    "died by SIGKILL",
                ),  # it sees no more than its own parent
                "Landlock": (
                    Ending.EXCEPTION,
                    "PermissionError: [Errno 1] Operation not permitted",
                ),
                "process limits": (Ending.SIGNAL, "its guard was killed, and it with it"),
            }[level.name]
        )
        assert bench.run(GOOD).ending is Ending.FINISHED

    def test_the_guard_is_stopped(self, bench: Bench, level: sandbox.Sandbox) -> None:
        refused = level.name == "Landlock"
        bench.budget = LONG if refused else SHORT
        outcome = bench.run(START + "os.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(60)")
        assert outcome.ending is (Ending.EXCEPTION if refused else Ending.HANG)


METRICS_FD = """
cells = [cell.cell_contents for cell in session._metric.__closure__]
metrics_fd = next(each for each in cells if hasattr(each, "fileno")).fileno()
"""
CONTROL = """
cells = [cell.cell_contents for cell in session._send.__closure__]
control = next(each for each in cells if hasattr(each, "sendall"))
"""


FLOODS = {
    "log": "while True: os.write(1, b'x' * 65536)",
    "log lines": "while True: os.write(2, b'line\\n' * 9999)",
    "metrics": "while True: os.write(metrics_fd, b'\\n' * 65536)",
    "points": "while True: session.log(step=1, loss=2.0, tokens=3)",
    "facts": "while True: session.facts({str(time.monotonic()): 1})",
    "starts": "while True: session._send({'event': 'start'})",
    "long messages": "while True: session._send({'event': 'x' * 10**6})",
}


class TestStreams:
    @pytest.mark.parametrize("name", rows(FLOODS, "log lines", "points", "long messages"))
    def test_a_flood_neither_stops_the_clock_nor_fills_the_memory(
        self, bench: Bench, name: str
    ) -> None:
        bench.budget = replace(SHORT, training=0.5)
        before = psutil.Process().memory_info().rss
        outcome = bench.run(METRICS_FD + START + FLOODS[name])
        assert outcome.ending is Ending.HANG
        assert outcome.timing.training < 30.0  # it would go on for ever
        assert len(outcome.log) <= bench.limits.log + 100
        assert len(outcome.curve) <= 513
        assert len(outcome.facts) <= 200
        assert psutil.Process().memory_info().rss - before < 40 * MIB

    def test_head_and_tail_of_a_long_log_are_kept(self, bench: Bench) -> None:
        body = "print('first')\nfor n in range(40000): print('line', n)\nprint('last')\n"
        outcome = bench.run(body + GOOD)
        assert outcome.log.startswith(b"first\nline 0\n")
        assert outcome.log.endswith(b"line 39999\nlast\n")
        assert b" bytes left out " in outcome.log

    def test_metrics_of_garbage_are_dropped_one_by_one(self, bench: Bench) -> None:
        body = """
session.start()
good = {"step": 1, "loss": 2.0, "tokens": 3, "progress": 0.5, "seconds": 1}
wrong = [dict(good, **{key: bad}) for key, bad in [
    ("loss", float("nan")), ("loss", float("inf")), ("loss", "2"), ("loss", True), ("loss", 1e300),
    ("step", 1.0), ("step", -1), ("step", 2**53), ("tokens", None), ("tokens", [1]), ("extra", 1),
    ("loss", 10**400)]]
wrong += [{}, [], 1, None, "x", {"step": 1}]
lines = [json.dumps(each).encode() for each in wrong]
lines += [b"", b"{", b"\\xff\\xfe", b"\\x1b[31m", b"[" * 400, b'{"step": 1, ' * 40]
lines += [json.dumps(good).encode()[:-1] + b', "step": 2}', json.dumps(good).encode() + b" " * 500]
for line in lines:
    os.write(metrics_fd, line + b"\\n")
session.log(step=7, loss=1.5, tokens=9)
save(session)
session.finish()
"""
        outcome = bench.run(METRICS_FD + body)
        assert outcome.ending is Ending.FINISHED
        assert [point.step for point in outcome.curve] == [7]

    def test_metrics_before_start_are_not_believed(self, bench: Bench) -> None:
        body = """
import fcntl, termios
session.log(step=9, loss=1.0, tokens=1)
while fcntl.ioctl(metrics_fd, termios.FIONREAD, bytes(4)) != bytes(4):  # until it is read
    time.sleep(0.005)
"""
        outcome = bench.run(METRICS_FD + body + GOOD)
        assert [point.step for point in outcome.curve] == [1]

    def test_a_long_curve_is_thinned_and_keeps_its_last_point(self, bench: Bench) -> None:
        steps = "for n in range(2000): session.log(step=n, loss=2.0, tokens=n)\n"
        outcome = bench.run(START + steps + "save(session)\nsession.finish()\n")
        numbers = [point.step for point in outcome.curve]
        assert 250 <= len(numbers) <= 513
        assert (numbers[0], numbers[-1], outcome.steps) == (0, 1999, 1999)
        assert numbers == sorted(numbers)
        assert outcome.tokens == 1999

    def test_control_messages_of_garbage_are_ignored(self, bench: Bench) -> None:
        body = """
for line in [b"", b"[]", b"{", b"[" * 50000, b'{"event": 1}', b"9" * 5000, b"\\xff",
             b'{"event": "failed", "event": "start"}', b'{"event": "what?"}',
             b'{"event": "facts", "values": 3}']:
    control.sendall(line + b"\\n")
"""
        assert bench.run(CONTROL + body + GOOD).ending is Ending.FINISHED

    def test_facts_are_bounded(self, bench: Bench) -> None:
        body = """
session.facts({"nan": float("nan"), "inf": float("inf"), "large": 2**53, "list": [1], "none": None,
               "text": "x" * 999, "e\\x1b[31m\\u202e": "\\x07bell", "most": 2**53 - 1})
session.facts({f"name {n}": n for n in range(500)})
"""
        facts = bench.run(body + GOOD).facts
        assert len(facts) == 200
        assert not {"nan", "inf", "large", "list", "none"} & set(facts)
        assert facts["most"] == 2**53 - 1
        assert len(str(facts["text"])) == 200
        assert all(f"{name}{value}".isprintable() for name, value in facts.items())

    def test_escape_sequences_stay_in_the_raw_log(self, bench: Bench) -> None:
        hostile = "'\\x1b]0;owned\\x07\\x1b[2J\\u202e\\x00\\r'"
        outcome = bench.run(START + f"print({hostile}, flush=True)\nraise ValueError({hostile})")
        assert b"\x1b]0;owned" in outcome.log
        assert outcome.detail.isprintable()
        assert all(line.isprintable() for line in outcome.traceback.split("\n"))
        assert outcome.traceback


class TestIsolation:
    def test_no_key_is_visible_not_even_in_the_guard(
        self, bench: Bench, level: sandbox.Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "sk-very-secret")
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        reach = unpinned(os.environ)
        bench.worker = LocalWorker(sandboxes.level(sandboxes.NAMES[level.name], access=reach))
        body = """
for process in ("self", os.getppid()):
    for name in ("environ", "cmdline"):
        try:
            print(Path(f"/proc/{process}/{name}").read_bytes())
        except PermissionError:
            print("out of reach")
print(dict(os.environ))
"""
        log = bench.run(body + GOOD).log
        assert b"CUDA_VISIBLE_DEVICES" in log
        assert b"secret" not in log
        assert b"KEY" not in log
        assert b"TOKEN" not in log

    def test_no_descriptor_of_the_supervisor_is_passed_on(self, bench: Bench) -> None:
        count = "print(len(os.listdir('/proc/self/fd')))\n"
        with Path(os.devnull).open("rb") as ours:
            os.set_inheritable(ours.fileno(), True)
            outcome = bench.run(count + GOOD)
        # Three standard ones, control, its duplicate, metrics, and the listing's own.
        assert outcome.log == b"7\n"

    def test_a_seed_reaches_its_own_trial_only(self, bench: Bench) -> None:
        tell = "session.facts({'seed': session.seed})\nprint(dict(os.environ), sys.argv)\n"
        outcomes = [bench.run(tell + GOOD, seed=seed) for seed in (7_654_321, 1_234_567)]
        assert [each.facts["seed"] for each in outcomes] == [7_654_321, 1_234_567]
        for each in outcomes:
            assert b"7654321" not in each.log
            assert b"1234567" not in each.log

    def test_home_and_caches_are_the_trials_own(self, bench: Bench) -> None:
        tell = "import tempfile\n"
        tell += "print(Path.home(), os.environ['TRITON_CACHE_DIR'], tempfile.gettempdir())\n"
        home, cache, temporary = bench.run(tell + GOOD).log.decode().split()
        assert home == temporary == str(bench.folder / "trial-1" / "scratch")
        assert cache.startswith(home)

    def test_a_folder_named_like_a_package_does_not_stand_in_for_it(self, bench: Bench) -> None:
        assignment = bench.assignment("import runpy\n" + PRELUDE + GOOD)
        shadow = assignment.tree / "runpy"
        shadow.mkdir()
        (shadow / "__init__.py").write_text("raise SystemExit('shadowed')")
        outcome = bench.worker.train(assignment, on_point=print, stop=lambda: False)
        assert outcome.ending is Ending.FINISHED


SHORT_CHILDREN = """
for _ in range(30):
    subprocess.run([sys.executable, "-Sc", "for i in range(10**6): pass"])
"""
HIDDEN_CHILDREN = """
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(9):
    if os.fork() == 0:
        busy(0.3)
        os._exit(0)
    time.sleep(0.4)
"""


CHILDREN = {
    "child": "subprocess.Popen([sys.executable, '-c', 'while True: pass'])\n",
    "daemon": "daemon(lambda: busy(60))\n",
    "short children": SHORT_CHILDREN,
    "hidden children": HIDDEN_CHILDREN,
}


class TestClock:
    @pytest.mark.parametrize("name", rows(CHILDREN, "daemon", "hidden children"))
    def test_cpu_seconds_of_children_count(self, bench: Bench, name: str) -> None:
        bench.budget = replace(SHORT, clock=Clock.CPU)
        outcome = bench.run(START + CHILDREN[name] + "time.sleep(60)")
        assert outcome.ending is Ending.HANG
        assert 0.5 <= outcome.timing.training < 30.0  # most would go on for a minute
        assert "of training" in outcome.detail

    def test_start_up_is_not_charged(self, bench: Bench) -> None:
        bench.budget = replace(SHORT, clock=Clock.CPU, grace=0.3)
        outcome = bench.run("busy(1.0)\n" + GOOD)
        assert outcome.ending is Ending.FINISHED
        assert outcome.timing.training < 0.7

    def test_sleep_is_free_on_the_cpu_clock(self, bench: Bench) -> None:
        bench.budget = replace(SHORT, clock=Clock.CPU)
        outcome = bench.run(START + "time.sleep(1.0)\nsave(session)\nsession.finish()")
        assert outcome.ending is Ending.FINISHED


class TestEnvironmentFaults:
    def test_what_cannot_be_started_is_the_machines_fault(self, bench: Bench) -> None:
        no_corpus = replace(bench.assignment(PRELUDE), train_files=(bench.folder / "gone.bin",))
        no_tree = replace(bench.assignment(PRELUDE), tree=bench.folder / "gone")
        for assignment in (no_corpus, no_tree):
            outcome = LocalWorker(sandbox.detect({})).train(
                assignment, on_point=print, stop=lambda: False
            )
            assert (outcome.ending, outcome.failure) == (Ending.NOT_STARTED, FailureKind.MACHINE)
            assert outcome.detail.startswith("cannot start a trial: No such file"), outcome.detail

    def test_too_many_files_are_refused_before_anything_starts(self, bench: Bench) -> None:
        assignment = bench.assignment(PRELUDE)
        assignment = replace(assignment, train_files=assignment.train_files * 251)
        with pytest.raises(WorkerError, match="more than 250 files"):
            LocalWorker(sandbox.detect({})).train(assignment, on_point=print, stop=lambda: False)

    def test_no_descriptor_leaks(self, bench: Bench) -> None:
        bench.run(GOOD)
        before = psutil.Process().num_fds()
        bench.run(GOOD)
        bench.run("1 / 0")
        assert psutil.Process().num_fds() == before


CURVE = """
session.start()
for step in range(10**9):
    session.log(step=step, loss=5.0 - step / 100, tokens=step)
    time.sleep(0.02)
"""


class TestRacing:
    def test_a_hopeless_trial_is_ended_at_once(self, bench: Bench) -> None:
        outcome = bench.run(CURVE, prune_check=lambda point: "too far behind" * (point.step >= 20))
        assert ending_of(outcome) == (Ending.PRUNED, "too far behind")
        assert outcome.checkpoint is None
        assert outcome.curve[-1].step >= 20

    def test_it_is_told_every_point_of_a_burst(self, bench: Bench) -> None:
        seen: list[int] = []
        body = CURVE.replace("time.sleep(0.02)", "pass").replace("10**9", "200")
        body += "save(session)\nsession.finish()\n"
        outcome = bench.run(body, prune_check=lambda point: seen.append(point.step))
        assert outcome.ending is Ending.FINISHED
        assert seen == list(range(200))

    def test_a_failure_stays_what_it_is(self, bench: Bench) -> None:
        body = START + "session._send({'event': 'failed', 'type': 'KeyError', 'message': 'x'})\n"
        body += "session.log(step=1, loss=9.0, tokens=1)\nos._exit(1)"
        outcome = bench.run(body, prune_check=lambda _point: "too far behind")
        assert ending_of(outcome) == (Ending.EXCEPTION, "KeyError: x")


def test_no_clock_starts_before_everything_else_is_at_rest(bench: Bench, clock: Ahead) -> None:
    bench.budget = replace(LONG, startup=9000.0)
    looks = iter([False, False, False])

    def at_rest() -> bool:
        clock.skip(1000.0)
        return next(looks, True)

    outcome = bench.run(FINISH + "session.finish()\n", at_rest=at_rest)
    assert ending_of(outcome) == (Ending.FINISHED, "")
    assert outcome.timing.startup >= 4000.0
    assert outcome.timing.training < 1000.0
    assert next(looks, None) is None


TORCH = "sys.modules['torch'] = sys\n"  # it looks as if this trial had imported it


@pytest.mark.parametrize(
    ("first", "ahead"), [("", True), pytest.param("os.environ['X'] = '1'\n", False, marks=THOROUGH)]
)
def test_a_process_that_waited_becomes_the_trial_unless_it_would_notice(
    tmp_path: Path, first: str, ahead: bool
) -> None:
    level = sandboxes.level("bubblewrap")
    bench = Bench(tmp_path / "bench", worker=LocalWorker(level, patience=0.2))
    bench.run(GOOD)
    bench.worker.prepare(bench.folder)
    assert not list(bench.folder.glob("standby-*")), "these trials know nothing of PyTorch"
    body = f"{first}print('torch' in sys.modules, os.getcwd())\n{TORCH}{GOOD}"
    assert bench.run(body).log.decode().split()[0] == "False"
    bench.worker.prepare(bench.folder)
    (place,) = bench.folder.glob("standby-*")
    outcome = bench.run(body)
    assert ending_of(outcome) == (Ending.FINISHED, "")
    assert outcome.log.decode().split() == [str(ahead), str(place / "shown" / "tree")]
    assert outcome.checkpoint == bench.folder / "trial-3" / "scratch" / "checkpoint"
    assert not place.exists()


def test_a_process_that_waits_is_ended_where_it_suits_no_trial(tmp_path: Path) -> None:
    level = sandboxes.level("bubblewrap")
    bench = Bench(tmp_path / "bench", worker=LocalWorker(level, patience=0.2))
    bench.run(TORCH + GOOD)
    for end in (bench.worker.close, lambda: bench.run(GOOD)):
        bench.worker.prepare(bench.folder)
        (place,) = bench.folder.glob("standby-*")
        assert alive_under(place / "scratch")
        bench.limits = replace(bench.limits, log=1024)
        end()
        assert not place.exists()
        assert alive_under(place / "scratch") == []


@pytest.mark.parametrize(
    ("files", "noticed"),
    [
        ({"train.py": "import os\nimport prepare\nimport torch\nos.environ['A'] = '1'\n"}, False),
        ({"train.py": "import torch.nn as nn\n", "autoresearch.toml": "a = 1\n"}, False),
        ({"train.py": "import os\nos.environ['A'] = '1'\nimport torch\n"}, True),
        ({"train.py": "import early\nimport torch\n", "early.py": "from os import putenv\n"}, True),
        ({"train.py": "def f():\n    import ctypes\nf()\nfrom torch import nn\n"}, True),
        ({"train.py": "import torch\n", "json.py": ""}, True),
        ({"train.py": "this is no Python"}, True),
    ],
)
def test_what_a_tree_would_notice_of_a_process_that_has_imported_pytorch(
    tmp_path: Path, files: dict[str, str], noticed: bool
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert standby.would_notice(str(tmp_path)) is noticed
