import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from autoresearch.process import Exit, Guarded, cgroup, launch, signal_name
from autoresearch.process.tree import Tree
from tests.processes import PATIENCE, until

OURS = "9:name=systemd:/\n4:memory:/box/a\n0::/box/b\n"
COUNTS = {  # narrowest first
    "sys/fs/cgroup/box/b/memory.events": "low 0\noom 3\noom_kill 1\n",
    "sys/fs/cgroup/memory/box/a/memory.oom_control": "oom_kill_disable 0\noom_kill 2\n",
    "proc/vmstat": "nr_free_pages 7\noom_kill 3\n",
}
ENV = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="rests on a subreaper")


def python(code: str, **options: object) -> Guarded:
    """Start Python without site-packages: it is quick."""
    folder = Path(tempfile.gettempdir())
    return launch([sys.executable, "-S", "-c", code], cwd=folder, env=ENV, **options)  # type: ignore[arg-type]


def below(guarded: Guarded) -> list[psutil.Process]:
    try:
        return psutil.Process(guarded.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def wait_for_tree(guarded: Guarded, size: int) -> list[psutil.Process]:
    until(lambda: len(below(guarded)) >= size)
    return below(guarded)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    # Orphans of a dead guard stay zombies for as long as the machine's init pleases.
    running = [each for each in processes if each.is_running()]
    return [each for each in running if each.status() != psutil.STATUS_ZOMBIE]


class TestExit:
    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            ("pass", Exit(0, None)),
            ("raise SystemExit(7)", Exit(7, None)),
            ("import os; os.kill(os.getpid(), 9)", Exit(None, signal.SIGKILL)),
            ("import os; os.kill(os.getpid(), 11)", Exit(None, signal.SIGSEGV)),
            ("import os; os._exit(255)", Exit(255, None)),
        ],
    )
    def test_is_told(self, code: str, expected: Exit) -> None:
        with python(code) as guarded:
            assert guarded.wait(PATIENCE) == expected
            assert guarded.poll() == expected  # and told again
            assert guarded.kill() == expected

    def test_a_command_that_is_not_there(self, tmp_path: Path) -> None:
        with (tmp_path / "err").open("wb") as file:
            argv = ["/no/such/command"]
            with launch(argv, cwd=tmp_path, env=ENV, stderr=file.fileno()) as guarded:
                assert guarded.wait(PATIENCE) == Exit(127, None)
        assert "/no/such/command" in (tmp_path / "err").read_text()

    def test_a_folder_that_is_not_there_is_our_fault(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            launch(["true"], cwd=tmp_path / "gone", env=ENV)

    def test_wait_gives_up_after_its_time(self) -> None:
        with python("import time; time.sleep(900)") as guarded:
            assert guarded.wait(0.05) is None
            assert guarded.poll() is None

    def test_is_told_where_descriptors_have_high_numbers(self) -> None:
        soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        with ExitStack() as held:
            held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, most))
            for _ in range(1030):
                held.enter_context(Path(os.devnull).open())
            with python("raise SystemExit(7)") as guarded:
                assert guarded.wait(PATIENCE) == Exit(7, None)

    def test_signal_names(self) -> None:
        assert [signal_name(each) for each in (9, 11, 250)] == ["SIGKILL", "SIGSEGV", "signal 250"]


class TestStart:
    def test_environment_folder_output_and_descriptors(self, tmp_path: Path) -> None:
        read, write = os.pipe()
        code = (
            f"import os; os.write({write}, b'through the pipe'); print(os.getcwd());"
            "print(sorted(os.environ)); print(sorted(os.listdir('/proc/self/fd')))"
        )
        with (tmp_path / "out").open("wb") as file:
            argv = [sys.executable, "-S", "-c", code]
            with launch(
                argv, cwd=tmp_path, env=ENV, pass_fds=(write,), stdout=file.fileno()
            ) as guarded:
                os.close(write)
                assert guarded.wait(PATIENCE) == Exit(0, None)
        with os.fdopen(read, "rb") as pipe:
            assert pipe.read() == b"through the pipe"  # it ends: the guard holds no end of it
        folder, names, descriptors = (tmp_path / "out").read_text().splitlines()
        assert folder == str(tmp_path)
        assert {"PATH", "LANG"} <= set(eval(names)) <= {"PATH", "LANG", "LC_CTYPE"}
        assert len(eval(descriptors)) == 5  # standard three, the pipe, the listing

    def test_standard_input_is_empty_or_what_it_is_given(self, tmp_path: Path) -> None:
        code = "import sys; raise SystemExit(len(sys.stdin.read()))"
        with python(code) as guarded:
            assert guarded.wait(PATIENCE) == Exit(0, None)
        (tmp_path / "in").write_text("seven c")
        with (tmp_path / "in").open("rb") as file, python(code, stdin=file.fileno()) as guarded:
            assert guarded.wait(PATIENCE) == Exit(7, None)

    def test_it_begins_with_default_signals_even_from_a_thread_that_blocks_them(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        try:
            code = "import signal; raise SystemExit(len(signal.pthread_sigmask(0, [])))"
            with python(code) as guarded:
                assert guarded.wait(PATIENCE) == Exit(0, None)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})

    def test_file_size_limit(self, tmp_path: Path) -> None:
        code = f"with open({str(tmp_path / 'big')!r}, 'wb') as file: file.write(bytes(2000))"
        with python(code, file_size=1000) as guarded:
            assert guarded.wait(PATIENCE) == Exit(1, None)
        assert (tmp_path / "big").stat().st_size <= 1000

    def test_no_core_dumps_and_no_new_privileges(self) -> None:
        code = """
import resource, sys
status = open("/proc/self/status").read() if sys.platform == "linux" else "NoNewPrivs:\\t1\\n"
sound = resource.getrlimit(resource.RLIMIT_CORE) == (0, 0) and "NoNewPrivs:\\t1\\n" in status
raise SystemExit(not sound)
"""
        with python(code) as guarded:
            assert guarded.wait(PATIENCE) == Exit(0, None)


DEAF = "import signal, time, os\nfor n in (2, 15, 1): signal.signal(n, signal.SIG_IGN)\n"
DAEMON = """
def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(900)
        os._exit(0)
    os.wait()
"""


class TestStop:
    def test_an_interrupt_is_enough_for_the_polite(self) -> None:
        code = """
import time
try:
    print(1, flush=True)
    time.sleep(900)
except KeyboardInterrupt:
    raise SystemExit(5)
"""
        read, write = os.pipe()
        with os.fdopen(read, "rb") as ready, python(code, stdout=write) as guarded:
            os.close(write)
            ready.readline()
            assert guarded.stop(patience=PATIENCE) == Exit(5, None)

    def test_termination_comes_second(self) -> None:
        code = "import signal, time\nsignal.signal(2, signal.SIG_IGN)\n"
        code += "print(1, flush=True)\ntime.sleep(900)"
        read, write = os.pipe()
        with os.fdopen(read, "rb") as ready, python(code, stdout=write) as guarded:
            os.close(write)
            ready.readline()
            assert guarded.stop(patience=2.0) == Exit(None, signal.SIGTERM)

    def test_the_deaf_are_killed(self) -> None:
        read, write = os.pipe()
        code = DEAF + "print(1, flush=True)\ntime.sleep(900)"
        with os.fdopen(read, "rb") as ready, python(code, stdout=write) as guarded:
            os.close(write)
            ready.readline()
            assert guarded.stop(patience=0.1) == Exit(None, signal.SIGKILL)

    def test_kill_before_the_command_has_begun(self) -> None:
        for _ in range(5):
            guarded = python("import time; time.sleep(900)")
            assert guarded.kill().code in (None, 127)

    @LINUX
    def test_daemons_are_gone_when_kill_returns(self) -> None:
        with python(DEAF + DAEMON + "for _ in range(3): daemon()\ntime.sleep(900)") as guarded:
            found = wait_for_tree(guarded, 4)
            guarded.kill()
            assert alive(found) == []

    @LINUX
    def test_daemons_are_gone_when_the_command_ends_by_itself(self) -> None:
        read, write = os.pipe()
        code = DEAF + DAEMON + "daemon()\nos.read(0, 1)"
        with python(code, stdin=read) as guarded:
            os.close(read)
            found = wait_for_tree(guarded, 2)
            os.close(write)
            assert guarded.wait(PATIENCE) == Exit(0, None)
            assert alive(found) == []

    @LINUX
    def test_processes_that_fork_and_leave_all_the_time(self) -> None:
        code = """
import os
print(1, flush=True)
while True:
    if os.fork():
        os._exit(0)
    os.setpgid(0, 0)
"""
        code = "import os\nif os.fork(): os.wait()\n" + code
        read, write = os.pipe()
        with os.fdopen(read, "rb") as ready, python(code, stdout=write) as guarded:
            os.close(write)
            ready.readline()
            guarded.kill()
            ready.read()  # it comes to its end: nobody is left who could write to it

    @LINUX
    def test_a_killed_guard_takes_the_tree_along(self) -> None:
        with python(DEAF + DAEMON + "daemon()\ntime.sleep(900)") as guarded:
            found = wait_for_tree(guarded, 2)
            guarded.cpu_seconds()  # a look, as every tick takes one
            os.kill(guarded.pid, signal.SIGKILL)
            assert guarded.wait(PATIENCE) == Exit(None, None)
            assert alive(found) == []

    def test_a_killed_supervisor_takes_the_tree_along(self, tmp_path: Path) -> None:
        script = f"""
import os, sys, time
from pathlib import Path
from autoresearch.process import launch
code = {DEAF + DAEMON + "daemon()" + chr(10) + "time.sleep(900)"!r}
g = launch([sys.executable, "-S", "-c", code], cwd=Path({str(tmp_path)!r}), env=dict(os.environ))
print(g.pid, flush=True)
time.sleep(900)
"""
        root = Path(__file__).parent.parent
        argv = [sys.executable, "-c", script]
        with subprocess.Popen(argv, cwd=root, stdout=subprocess.PIPE) as supervisor:
            assert supervisor.stdout is not None
            guard = psutil.Process(int(supervisor.stdout.readline()))
            until(lambda: len(guard.children(recursive=True)) == 2)
            found = guard.children(recursive=True)
            supervisor.kill()
        psutil.wait_procs([guard, *found], timeout=PATIENCE)
        assert alive([guard, *found]) == []


BURN = "import time, os\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"


class TestCpuSeconds:
    def test_count_live_and_ended_children_and_never_fall(self) -> None:
        child = f"subprocess.run([sys.executable, '-Sc', {BURN!r}])\n"
        code = "import subprocess, sys\n" + 2 * child + BURN + "os.read(0, 1)"
        readings = [0.0]
        stdin, ours = os.pipe()
        with python(code, stdin=stdin) as guarded:
            os.close(stdin)
            while readings[-1] < 0.9:  # all that it burns; its children have ended, it has not
                readings.append(guarded.cpu_seconds())
                time.sleep(0.02)
            os.close(ours)
            assert guarded.wait(PATIENCE) == Exit(0, None)
            readings.append(guarded.cpu_seconds())
        assert readings == sorted(readings)
        assert readings[-1] < 3.0  # nothing is counted twice

    def test_hidden_children_count_once_they_are_seen(self) -> None:
        burn = BURN.replace("0.3", "0.4")
        code = f"""
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
if os.fork() == 0:
    exec({burn!r})
    os.read(0, 1)
    os._exit(0)
time.sleep(900)
"""
        stdin, ours = os.pipe()
        with python(code, stdin=stdin) as guarded:
            os.close(stdin)
            until(lambda: guarded.cpu_seconds() >= 0.3)
            os.close(ours)
            until(lambda: len(below(guarded)) == 1)
            assert guarded.cpu_seconds() >= 0.3  # though the kernel forgot it

    @LINUX
    def test_processes_that_come_and_go_are_not_remembered_for_ever(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("autoresearch.process.tree._MAX_SEEN", 20)
        code = """
import os, time
for _ in range(60):
    if os.fork() == 0:
        time.sleep(0.05)
        os._exit(0)
    time.sleep(0.01)
    os.waitpid(-1, os.WNOHANG)
"""
        with python(code) as guarded:
            tree = Tree(guarded.pid)
            while guarded.poll() is None:
                tree.cpu_seconds()
            assert len(tree._seen) <= 40


class TestResident:
    def test_private_memory_counts_and_mapped_files_do_not(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(bytes(60 * 2**20))
        code = f"""
import mmap, time
held = bytearray(b"1") * (40 * 2**20)
file = open({str(tmp_path / "file")!r}, "rb")
mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
total = sum(mapped[::4096])
print(1, flush=True)
time.sleep(900)
"""
        read, write = os.pipe()
        with os.fdopen(read, "rb") as ready, python(code, stdout=write) as guarded:
            os.close(write)
            ready.readline()
            assert guarded.resident() > 40 * 2**20
            if sys.platform == "linux":
                assert guarded.resident() < 60 * 2**20
            guarded.kill()
            assert guarded.resident() == 0

    @LINUX
    def test_exactly_counted_shared_pages_count_once(self) -> None:
        code = """
import os, time
held = bytearray(b"1") * (40 * 2**20)
for _ in range(3):
    if os.fork() == 0: break
print(1, flush=True)
time.sleep(900)
"""
        read, write = os.pipe()
        with os.fdopen(read, "rb") as ready, python(code, stdout=write) as guarded:
            os.close(write)
            for _ in range(4):
                ready.readline()
            assert guarded.resident() > 150 * 2**20
            assert 40 * 2**20 < guarded.resident(exact=True) < 80 * 2**20


def test_what_the_kernel_killed_is_counted_as_narrowly_as_it_tells(tmp_path: Path) -> None:
    assert cgroup.oom_kills(root=tmp_path) == 0
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(OURS)
    for name, text in COUNTS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    group = tmp_path / "sys/fs/cgroup/autoresearch-1-a"
    assert (
        cgroup.oom_kills(group, root=tmp_path) == 2
    )  # beside it no group of version 2 has a count
    (group.parent / "memory.events").write_text("oom_kill 9\n")
    assert cgroup.oom_kills(group, root=tmp_path) == 9
    for name, text in COUNTS.items():
        assert cgroup.oom_kills(root=tmp_path) == int(text.split()[-1])
        (tmp_path / name).unlink()
