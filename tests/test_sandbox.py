"""Attacks from inside, each by a real process; what is expected to fail must really fail."""

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from autoresearch.process import Exit, launch
from autoresearch.records.training import Limits
from autoresearch.records.values import Ending
from autoresearch.sandbox import Bubblewrap, Sandbox
from autoresearch.workers import LocalWorker
from tests import sandboxes
from tests.processes import PATIENCE, until
from tests.shares import rows
from tests.trials import FINISH, GOOD, Bench

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no sandbox elsewhere")

# Every attack is one expression: what it returns has been reached; an OSError is a wall.
ATTEMPT = """
import _socket, ctypes, json, os, signal, sys
from pathlib import Path
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return "done"
def connect(kind, address, family=2):
    with_ = _socket.socket(family, kind)
    with_.connect(address)
    with_.send(b"secret")
    return "connected"
def reach(act):
    try:
        return repr(act())[:80]
    except OSError as fault:
        return None
"""
# Each in a process of its own, so that none meets what another did.
ATTEMPTS = f"""{ATTEMPT}
for expression, arguments in json.loads(sys.argv[1]):
    if os.fork() == 0:
        sys.argv[1:] = arguments
        print(json.dumps(reach(lambda: eval(expression))), flush=True)
        os._exit(0)
    if os.wait()[1]:
        raise SystemExit(9)
"""
LEVELS = ["bubblewrap", "landlock"]


@pytest.fixture(scope="module", params=LEVELS)
def level(request: pytest.FixtureRequest) -> Sandbox:
    return sandboxes.level(request.param)


@pytest.fixture(scope="module")
def sealed() -> Bubblewrap:
    found = sandboxes.level("bubblewrap")
    assert isinstance(found, Bubblewrap)
    return found


class Cell:
    """A folder with a scratch in it, and processes confined to that."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.scratch = folder / "scratch"
        self.tree = folder / "tree"
        self.sandbox = sandbox
        self.scratch.mkdir()
        self.tree.mkdir()

    def run(self, code: str, *arguments: object, limits: Limits | None = None) -> tuple[Exit, str]:
        """Run Python code to its end; return how it ended and what it printed."""
        argv = [sys.executable, "-I", "-c", code, *map(str, arguments)]
        with (self.folder / "out").open("wb") as out:
            command = self.sandbox.command(
                argv, readable=[self.tree], writable=[self.scratch], limits=limits
            )
            environment = self.sandbox.environment(self.scratch, limits or Limits())
            with launch(
                command, cwd=self.scratch, env=environment, stdout=out.fileno(), stderr=out.fileno()
            ) as guarded:
                ended = guarded.wait(PATIENCE)
                assert ended is not None
        return ended, (self.folder / "out").read_text(errors="replace")

    def reached(self, expression: str, *arguments: object) -> str | None:
        """Return what an attack reached, None for nothing."""
        code = ATTEMPT + f"print(json.dumps(reach(lambda: {expression})))"
        ended, said = self.run(code, *arguments)
        assert ended == Exit(0, None), said
        found: str | None = json.loads(said)
        return found

    def reached_by(self, attacks: Sequence[Sequence[object]]) -> dict[str, str]:
        """Return what attacks, each with its arguments, reached; those that reached nothing not."""
        told = [(act, [str(each) for each in arguments]) for act, *arguments in attacks]
        ended, said = self.run(ATTEMPTS, json.dumps(told))
        assert ended == Exit(0, None), said
        found = [json.loads(line) for line in said.splitlines()]
        return {
            " ".join(map(str, attack)): each
            for attack, each in zip(attacks, found, strict=True)
            if each is not None
        }


@pytest.fixture
def cell(tmp_path: Path, level: Sandbox) -> Cell:
    return Cell(tmp_path, level)


@pytest.fixture
def box(tmp_path: Path, sealed: Bubblewrap) -> Cell:
    return Cell(tmp_path, sealed)


def test_what_it_is_for_works(cell: Cell) -> None:
    (cell.tree / "train.py").write_text("x = 1")
    assert cell.reached("Path(sys.argv[1]).read_text()", cell.tree / "train.py") == "'x = 1'"
    assert cell.reached("Path('mine').write_text('abc')") == "3"
    assert (cell.scratch / "mine").read_text() == "abc"
    assert cell.reached("os.memfd_create('x')") is not None
    assert cell.reached("os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)[1]") == "0"


class TestFiles:
    def test_secrets_by_absolute_path(self, cell: Cell) -> None:
        attacks: list[tuple[object, ...]] = []
        names = ("home/.netrc", "project/.git/config", ".autoresearch/registry.db", "val/00000.txt")
        for number, name in enumerate(names):
            secret = cell.folder / name
            secret.parent.mkdir(parents=True, exist_ok=True)
            secret.write_text("secret")
            link, hard = f"'link{number}'", f"'hard{number}'"
            attacks += [
                ("Path(sys.argv[1]).read_bytes()", secret),
                ("os.listdir(sys.argv[1]) or os.stat('/gone')", secret.parent),
                (f"os.symlink(sys.argv[1], {link}) or Path({link}).read_bytes()", secret),
                (f"os.link(sys.argv[1], {hard}) or open({hard}).read()", secret),
                ("open('/proc/self/root' + sys.argv[1]).read()", secret),
                ("open('/proc/self/cwd/../' + sys.argv[1]).read()", secret),
            ]
        assert cell.reached_by(attacks) == {}

    def test_the_systems_own(self, cell: Cell) -> None:
        folders = [("os.listdir(sys.argv[1])", each) for each in ("/root", "/var", "/run")]
        files = [("open(sys.argv[1]).read()", each) for each in ("/etc/hosts", "/etc/shadow")]
        found = cell.reached_by([*folders, *files])
        root = found.pop(" ".join(folders[0]), "")  # its Python may be there
        assert not root or (".pyenv" in root and root.count("'") == 2)
        assert found == {}

    def test_nobody_elses_files_can_be_written(self, cell: Cell) -> None:
        victim = cell.folder / "victim"
        victim.write_text("whole")
        (cell.tree / "train.py").write_text("whole")
        prefix = Path(sys.prefix)
        places = [victim, cell.tree / "train.py", cell.tree / "new", prefix / "pyvenv.cfg"]
        places += [prefix / "lib" / "sitecustomize.py", Path("/usr/bin/python3"), Path("/new")]
        attacks = [("open(sys.argv[1], 'r+').write('evil')", each) for each in places]
        # Above the victim is a private /tmp, where a file of its name may be made.
        attacks += [("open(sys.argv[1], 'a').write('evil')", each) for each in places[1:]]
        attacks += [("os.rename(sys.argv[1], 'gone')", cell.tree / "train.py")]
        attacks += [("os.unlink(sys.argv[1])", cell.tree / "train.py")]
        pipe = cell.folder / "run.control"  # stops a run, whoever writes to it
        os.mkfifo(pipe)
        reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        attacks += [("os.write(os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK), b'stop')", pipe)]
        assert cell.reached_by(attacks) == {}
        assert os.read(reading, 9) == b""
        os.close(reading)
        assert victim.read_text() == (cell.tree / "train.py").read_text() == "whole"

    def test_the_kernels_switches(self, box: Cell) -> None:
        switches = [
            "/proc/sys/kernel/core_pattern",
            "/proc/sysrq-trigger",
            "/proc/sys/vm/drop_caches",
        ]
        switches += ["/sys/kernel/mm/transparent_hugepage/enabled", "/proc/1/oom_score_adj/.."]
        attacks: list[tuple[str, ...]] = [
            ("open(sys.argv[1], 'w').write('0')", each) for each in switches
        ]
        attacks += [("os.mknod('disk', 0o60600, os.makedev(8, 0))",)]
        attacks += [("os.listdir('/dev/block')",), ("open('/proc/kcore', 'rb').read(1)",)]
        assert box.reached_by(attacks) == {}

    def test_only_the_scratch_is_writable_and_memory_files_are_bounded(self, box: Cell) -> None:
        places = ("/x", "/dev/x", "/etc/x", "/usr/x", "/proc/x", "/home", "/var/x")
        assert box.reached_by([("open(sys.argv[1], 'w')", each) for each in places]) == {}
        fill = """
size = 0
with open(sys.argv[1] + "/fill", "wb") as file:
    while size < 2**31:
        size += file.write(bytes(2**20))
        file.flush()
"""
        for place in ("/tmp", "/dev/shm"):
            ended, said = box.run("import sys" + fill, place, limits=Limits(memory=2**30))
            assert ended == Exit(1, None)
            assert "No space left" in said

    def test_what_lies_among_shown_files_can_be_hidden(
        self, tmp_path: Path, sealed: Bubblewrap
    ) -> None:
        software = tmp_path / "software"
        (software / "state" / "tree").mkdir(parents=True)
        (software / "state" / "secret").write_text("secret")
        (software / "state" / "tree" / "x").write_text("shown")
        (software / "library").write_text("code")
        (software / "labels").write_text("secret")
        hidden = (software / "state", software / "labels")
        cell = Cell(tmp_path, replace(sealed, base=(*sealed.base, software), hidden=hidden))
        cell.tree = software / "state" / "tree"
        assert cell.reached("open(sys.argv[1]).read()", software / "library") == "'code'"
        assert cell.reached("open(sys.argv[1]).read()", software / "state" / "secret") is None
        assert cell.reached("open(sys.argv[1]).read()", software / "state" / "tree" / "x")
        assert cell.reached("open(sys.argv[1], 'w')", software / "state" / "new") is None
        assert cell.reached("open(sys.argv[1]).read() or None.x", software / "labels") is None

    def test_links_on_the_way_lead_where_they_should(self, tmp_path: Path, box: Cell) -> None:
        real = tmp_path / "real"
        (real / "tree").mkdir(parents=True)
        (real / "tree" / "x").write_text("shown")
        (real / "other").write_text("secret")
        (tmp_path / "short").symlink_to("real")
        box.tree = tmp_path / "short" / "tree"
        assert box.reached("open(sys.argv[1]).read()", box.tree / "x") == "'shown'"
        assert box.reached("open(sys.argv[1]).read()", tmp_path / "short" / "other") is None


class TestProcesses:
    def test_the_supervisors_secrets(self, cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
        attacks = [
            ("open(sys.argv[1], 'rb').read(99)", f"/proc/{process}/{name}")
            for process in (os.getpid(), os.getppid(), "thread-self", "self")
            for name in ("environ", "mem", "maps", "fd/0", "root/etc/hosts")
        ]
        assert all("self/" in each for each in cell.reached_by(attacks))
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-hush")
        code = "import os; print([open(f'/proc/{n}/environ').read() for n in os.listdir('/proc')"
        code += " if n.isdigit() and os.access(f'/proc/{n}/environ', os.R_OK)], os.environ)"
        if cell.sandbox.name == "bubblewrap":
            assert "hush" not in cell.run(code)[1]

    @pytest.mark.parametrize("number", [0, signal.SIGKILL])
    def test_signals(self, cell: Cell, number: int) -> None:
        with subprocess.Popen(["sleep", "60"]) as victim:
            act = "os.kill(int(sys.argv[1]), int(sys.argv[2]))"
            assert cell.reached(act, victim.pid, number) is None
            assert victim.poll() is None
            victim.kill()

    def test_a_whole_session_can_be_killed_without_harm(self, box: Cell) -> None:
        ended, _ = box.run("import os; os.kill(-1, 9)")
        assert ended.signal == signal.SIGKILL
        assert box.run("import os; os.kill(0, 15)")[0] == Exit(None, signal.SIGTERM)

    def test_privileges(self, cell: Cell) -> None:
        status = cell.run("print(open('/proc/self/status').read())")[1]
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
        if cell.sandbox.name == "bubblewrap":
            capabilities = [facts[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")]
            assert {int(each, 16) for each in capabilities} == {0}

    def test_a_program_with_a_set_user_bit_gains_nothing(self, box: Cell) -> None:
        tool = box.scratch / "id"
        tool.write_bytes(Path("/usr/bin/id").read_bytes())
        tool.chmod(0o6755)
        code = "import os, subprocess, sys; os.setgid(65534) if 0 else None\n"
        code += "print(os.geteuid(), subprocess.check_output([sys.argv[1], '-u']).decode())"
        first, second = box.run(code, tool)[1].split()
        assert first == second
        mounts = box.run("print(open('/proc/self/mounts').read())")[1]
        ours = [line for line in mounts.split("\n") if line and " /proc" not in line]
        assert all("nosuid" in line for line in ours), ours

    def test_only_passed_descriptors_are_open(self, cell: Cell) -> None:
        with Path(os.devnull).open("rb") as ours:
            os.set_inheritable(ours.fileno(), True)
            said = cell.run("import os; print(len(os.listdir('/proc/self/fd')))")[1]
        assert said == "4\n"  # three standard ones, and the listing's own

    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            ("pass", Exit(0, None)),
            ("raise SystemExit(7)", Exit(7, None)),
            ("import os; os._exit(137)", Exit(137, None)),
            ("import os; os._exit(255)", Exit(255, None)),
            ("import os; os.kill(os.getpid(), 9)", Exit(None, signal.SIGKILL)),
            ("import os; os.kill(os.getpid(), 11)", Exit(None, signal.SIGSEGV)),
        ],
    )
    def test_the_end_is_told_as_it_was(self, cell: Cell, code: str, expected: Exit) -> None:
        assert cell.run(code)[0] == expected

    def test_a_command_that_is_not_there(self, cell: Cell) -> None:
        command = cell.sandbox.command(["/no/such"], readable=(), writable=(cell.scratch,))
        with launch(command, cwd=cell.scratch, env={}) as guarded:
            assert guarded.wait(PATIENCE) == Exit(127, None)

    def test_a_sandbox_that_cannot_be_set_up(self, box: Cell) -> None:
        command = box.sandbox.command(["true"], readable=[box.folder / "gone"], writable=())
        with launch(command, cwd=box.scratch, env={}) as guarded:
            assert guarded.wait(PATIENCE) == Exit(127, None)


REFUSED = {
    "ptrace": "call(101, 0, 0, 0, 0)",
    "keyctl": "call(250, 0, -3, 0, 0)",
    "add_key": "call(248, b'user', b'x', b'x', 1, -3)",
    "io_uring_setup": "call(425, 1, bytes(200))",
    "bpf": "call(321, 0, bytes(200), 48)",
    "perf_event_open": "call(298, bytes(200), 0, -1, -1, 0)",
    "userfaultfd": "call(323, 1)",
    "process_vm_readv": "call(310, os.getpid(), 0, 0, 0, 0, 0)",
    "mount": "call(165, b'none', b'/tmp', b'tmpfs', 0, 0)",
    "umount2": "call(166, b'/tmp', 0)",
    "remount": "call(165, b'none', b'/usr', 0, 32 | 4096, 0)",
    "fsopen": "call(430, b'tmpfs', 0)",
    "unshare": "call(272, 0x10000000)",
    "setns": "call(308, os.open('/proc/self/ns/user', 0), 0)",
    "clone into a user namespace": "call(56, 0x10000000 | 17, 0, 0, 0, 0)",
    "clone3": "call(435, bytes(88), 88)",
    "pivot_root": "call(155, b'/', b'/')",
    "chroot": "os.chroot('.')",
    "open_by_handle_at": "call(304, 3, bytes(24), 0)",
    "kexec_load": "call(246, 0, 0, 0, 0)",
    "init_module": "call(175, 0, 0, b'')",
    "sethostname": "call(170, b'x', 1)",
    "typing into a terminal": "call(16, 0, 0x5412, b'x')",
    "with high bits": "call(16, 0, 2**32 + 0x5412, b'x')",
    "a packet socket": "_socket.socket(17, 3, 0)",
    "a vsock socket": "_socket.socket(40, 1, 0)",
    "a crypto socket": "_socket.socket(38, 5, 0)",
}


class TestSystemCalls:
    @pytest.mark.skipif(platform.machine() != "x86_64", reason="its numbers")
    def test_refused(self, cell: Cell) -> None:
        assert cell.reached_by([(act,) for act in REFUSED.values()]) == {}


class TestNetwork:
    @pytest.fixture
    def server(self) -> Iterator[socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            yield server

    def test_tcp(self, cell: Cell, server: socket.socket) -> None:
        assert (
            cell.reached("connect(1, ('127.0.0.1', int(sys.argv[1])))", server.getsockname()[1])
            is None
        )

    def test_udp(self, cell: Cell) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            server.settimeout(0.3)
            cell.reached("connect(2, ('127.0.0.1', int(sys.argv[1])))", server.getsockname()[1])
            with pytest.raises(TimeoutError):
                server.recv(9)

    def test_abstract_sockets(self, cell: Cell) -> None:
        name = f"\0autoresearch-test-{os.getpid()}"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(name)
            server.listen()
            act = "connect(1, chr(0) + sys.argv[1], 1)"
            assert cell.reached(act, name[1:]) is None

    def test_sockets_by_path(self, box: Cell) -> None:
        # A test's own folder may have a longer name than a socket can.
        with (
            tempfile.TemporaryDirectory(prefix="bus-", dir="/tmp") as place,
            socket.socket(socket.AF_UNIX) as server,
        ):
            server.bind(f"{place}/bus")
            server.listen()
            assert box.reached("connect(1, sys.argv[1], 1)", f"{place}/bus") is None

    def test_a_command_proposer_may_have_it(self, cell: Cell, server: socket.socket) -> None:
        code = "import socket, sys\nsocket.create_connection(('127.0.0.1', int(sys.argv[1])))"
        argv = [sys.executable, "-I", "-c", code, str(server.getsockname()[1])]
        command = cell.sandbox.command(argv, readable=(), writable=[cell.scratch], network=True)
        with launch(command, cwd=cell.scratch, env={}) as guarded:
            assert guarded.wait(PATIENCE) == Exit(0, None)


class TestLimits:
    """Through the worker, which polls what the kernel does not bound."""

    @pytest.fixture
    def bench(self, tmp_path: Path, level: Sandbox) -> Bench:
        return Bench(tmp_path / "bench", worker=LocalWorker(level, patience=0.2))

    def test_more_processes_than_allowed(self, bench: Bench) -> None:
        bench.limits = replace(bench.limits, processes=60)
        # No bomb: where nothing bounds it, 400 sleepers are all that comes of this.
        body = "session.start()\nfor n in range(400):\n    print(n, flush=True)\n"
        body += "    if os.fork() == 0: time.sleep(60)\ntime.sleep(60)"
        outcome = bench.run(body)
        assert outcome.ending in (Ending.OVER_LIMIT, Ending.EXCEPTION)
        if outcome.ending is Ending.EXCEPTION:  # the kernel refused
            assert "Resource temporarily unavailable" in outcome.detail
            assert len(outcome.log.splitlines()) < 100
        assert bench.run(GOOD).ending is Ending.FINISHED

    def test_many_files(self, bench: Bench) -> None:
        bench.limits = replace(bench.limits, entries=500)
        flood = "session.start()\nfor n in range(600): open(session.out / str(n), 'w').close()\n"
        outcome = bench.run(flood + "time.sleep(60)")
        assert (outcome.ending, outcome.detail) == (Ending.OVER_LIMIT, "made more than 500 files")

    def test_many_bytes(self, bench: Bench) -> None:
        bench.limits = replace(bench.limits, disk=2**26, file_size=2**25)
        fill = "session.start()\nfor n in range(30):\n"
        fill += "    (session.out / str(n)).write_bytes(bytes(2**23))\n"
        outcome = bench.run(fill + "time.sleep(60)")
        assert outcome.ending is Ending.OVER_LIMIT
        assert "0.0625 GiB" in outcome.detail

    @pytest.mark.parametrize("level", rows(LEVELS, "bubblewrap"), indirect=True)
    def test_torch_with_loader_workers(self, level: Sandbox) -> None:
        body = """
import torch
from torch.utils.data import DataLoader, TensorDataset
items = TensorDataset(torch.arange(8.0))
total = sum(float(batch[0].sum()) for batch in DataLoader(items, batch_size=2, num_workers=2))
session.facts({"total": total})
"""
        # A short path: the workers listen on local sockets in it, whose names are bounded.
        with tempfile.TemporaryDirectory(dir="/tmp", prefix="ar-") as folder:
            bench = Bench(Path(folder), worker=LocalWorker(level, patience=0.2))
            bench.limits = replace(bench.limits, memory=16 * 2**30)
            outcome = bench.run(body + FINISH + "session.finish()")
        assert outcome.ending is Ending.FINISHED, outcome.log
        assert outcome.facts["total"] == 28.0


ORPHANS = """
import os, signal, sys, time
from pathlib import Path
from autoresearch.process import launch
from tests import sandboxes
level = sandboxes.level("bubblewrap")
scratch = Path(sys.argv[1])
for turn in range(24):
    if os.fork() == 0:
        command = level.command(["sleep", sys.argv[2]], readable=(), writable=[scratch])
        guarded = launch(command, cwd=scratch, env={"PATH": os.environ["PATH"]})
        time.sleep(turn * 0.004)
        if turn % 2:
            os.kill(guarded.pid, signal.SIGKILL)
            guarded.wait()
        os.kill(os.getpid(), signal.SIGKILL)
    os.wait()
"""


class TestNobodySurvives:
    def test_supervisors_and_guards_that_are_killed_at_any_moment(self, box: Cell) -> None:
        root = Path(__file__).parent.parent
        seconds = f"901.{os.getpid()}"  # nobody else's
        command = [sys.executable, "-c", ORPHANS, str(box.scratch), seconds]
        subprocess.run(command, cwd=root, check=True)
        until(lambda: not sleeping(seconds))

    def test_a_daemon(self, box: Cell) -> None:
        code = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        seconds = f"62.{os.getpid()}"
        code += f"        os.execvp('sleep', ['sleep', '{seconds}'])\n    os._exit(0)\nos.wait()"
        assert box.run(code + "\ntime.sleep(0.2)")[0] == Exit(0, None)
        assert sleeping(seconds) == []


def sleeping(seconds: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.cmdline()[-1:] == [seconds] and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found
