"""How a command ends: in one line, whatever went wrong, and wherever its answer goes."""

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from autoresearch import cli, handler
from autoresearch.errors import ProjectError
from autoresearch.handler import SHOW
from autoresearch.records.values import Verdict
from tests.commands import Command, Forked
from tests.rendering import Fabricated
from tests.stubs import make_project

Doing = Callable[[], object]


def failing(fault: BaseException) -> Doing:
    def act() -> None:
        raise fault

    return act


def ended(act: Doing, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stopped:
        handler.run(act)
    assert isinstance(stopped.value.code, int)
    return stopped.value.code, capsys.readouterr().err


def deep(level: int = 0) -> int:
    return deep(level + 1) + 1


def disguised() -> None:
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt as strike:  # as Python does it while a class is made
        msg = "Error calling __set_name__"
        raise RuntimeError(msg) from strike


FULL = OSError(errno.ENOSPC, "No space left on device", "/x/registry.db")
DISK = OperationalError("INSERT", {}, Exception("database or disk is full"))
FAULTS: dict[str, tuple[Doing, int, str]] = {
    "nothing": (lambda: None, 0, ""),
    "asked to leave": (lambda: sys.exit(4), 4, ""),
    "leaving with words": (lambda: sys.exit("enough"), 1, "enough"),
    "a fault": (failing(ProjectError("no project\nhere")), 1, "no project here"),
    "Ctrl-C": (lambda: os.kill(os.getpid(), signal.SIGINT), 130, "interrupted"),
    "SIGTERM": (lambda: os.kill(os.getpid(), signal.SIGTERM), 130, "interrupted"),
    "an interrupt that a library hides": (lambda: sys.exit(130), 130, "interrupted"),
    "an interrupt in disguise": (disguised, 130, "interrupted"),
    "no memory": (failing(MemoryError()), 1, "there is not enough memory"),
    "a full disk": (failing(FULL), 1, "/x/registry.db: No space left on device: free some space"),
    "too many files": (failing(OSError(errno.EMFILE, "Too many")), 1, "raise `ulimit -n`"),
    "a full database": (failing(DISK), 1, "cannot be used: database or disk is full"),
    "half an installation": (failing(ImportError("no torch")), 1, "install autoresearch again"),
}
BUGS: dict[str, Doing] = {
    "ZeroDivisionError: ": lambda: 1 // 0,
    "RecursionError: maximum recursion depth": deep,
    "FileNotFoundError: [Errno 2]": failing(FileNotFoundError(2, "No such file", "x")),
    "KeyError: 'a'": failing(KeyError("a")),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_went_wrong_is_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    act, code, said = FAULTS[name]
    before = signal.getsignal(signal.SIGINT), sys.stdout, sys.stderr
    found, err = ended(act, capsys)
    assert found == code
    assert err.count("\n") == bool(said)
    assert not said or err.startswith("autoresearch: ")
    assert said in err
    assert before == (signal.getsignal(signal.SIGINT), sys.stdout, sys.stderr)


@pytest.mark.parametrize("said", BUGS)
@pytest.mark.parametrize("inside", [True, False])
def test_a_bug_says_that_it_is_one_and_where_its_traceback_lies(
    said: str,
    inside: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "here" / "deeper").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "deeper")
    if inside:
        (tmp_path / "here" / ".autoresearch").mkdir()
    code, err = ended(BUGS[said], capsys)
    assert code == 3
    assert err.count("\n") == 1
    assert err.startswith("autoresearch: this is a bug in autoresearch, please report it (")
    assert said in err
    kept = Path(err.partition("the traceback is in ")[2].partition(")")[0])
    assert (kept.parent.name == ".autoresearch") is inside
    trace = kept.read_text()
    assert trace.startswith("Traceback (most recent call last):")
    assert said in trace
    monkeypatch.setenv(SHOW, "1")
    code, err = ended(BUGS[said], capsys)
    assert err.startswith("Traceback")
    assert code == 3


def test_where_no_traceback_can_be_kept_the_way_to_see_it_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    monkeypatch.chdir(tmp_path)
    assert f"({SHOW}=1 shows the traceback)" in ended(failing(KeyError("a")), capsys)[1]


@pytest.fixture
def studied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = make_project(tmp_path / "project")
    made = Fabricated(project.state)
    made.add(Verdict.KEEP, 1.9, "x" * 200)
    for _ in range(20):
        made.add(Verdict.DISCARD, 1.9, "y" * 200)
    made.registry.close()
    monkeypatch.chdir(project.root)
    return project.root


ANSWERS = (["status", "--all"], ["status", "--json"], ["status", "--tsv"], ["--version"])
NO_ROOM = "autoresearch: cannot write the answer to stdout: No space left on device\n"
CLOSED = "autoresearch: cannot write the answer to stdout: Bad file descriptor\n"


def to(place: str, *arguments: str) -> Forked:
    """Run a command whose stdout is something else: a full disk, a reader who left, nothing."""

    def act() -> None:
        sys.stdout.close()
        if place == "gone":
            ours, theirs = os.pipe()
            os.close(ours)
            os.dup2(theirs, 1)
        elif place == "full":
            os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
        # As the interpreter does it: where nothing is open there is no stream.
        sys.stdout = None if place == "closed" else open(1, "w")  # noqa: SIM115
        sys.argv = ["autoresearch", *arguments]
        cli.main()

    return Forked(act)


@pytest.mark.parametrize(("place", "said"), [("full", NO_ROOM), ("closed", CLOSED), ("gone", "")])
def test_an_answer_that_cannot_be_written_is_a_fault(studied: Path, place: str, said: str) -> None:
    for arguments in ANSWERS:
        done = to(place, *arguments)
        assert (done.wait(), done.err) == (1, said), arguments


def test_what_cannot_be_said_on_stderr_changes_nothing(studied: Path) -> None:
    def act() -> None:
        os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
        sys.argv = ["autoresearch", "status", "99"]
        cli.main()

    assert Forked(act).wait() == 1

    def closed() -> None:
        sys.stdin.close()
        sys.stderr.close()
        sys.stderr = None  # as the interpreter does it
        sys.argv = ["autoresearch", "status", "--tsv"]
        cli.main()

    done = Forked(closed)
    assert done.wait() == 0
    assert done.out.count("\n") == 22


def test_a_working_directory_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "gone"
    place.mkdir()
    monkeypatch.chdir(place)
    place.rmdir()
    for arguments in (["status"], ["run"], ["diff", "1"], ["promote", "1"], ["doctor"]):
        done = Command(*arguments)
        assert done.wait() == 1
        assert done.err == (
            "autoresearch: the working directory is gone: cd into one that exists\n"
        ), arguments
    assert Command("--version").wait() == 0


def test_an_interrupt_while_the_program_is_loaded_is_one_line(tmp_path: Path) -> None:
    def act() -> None:
        from autoresearch import __main__ as entry  # noqa: PLC0415 - in the process under test

        class Struck:
            def find_spec(self, name: str, *_more: object) -> None:
                if name == "autoresearch.cli":
                    os.kill(os.getpid(), signal.SIGINT)

        for name in [each for each in sys.modules if each.startswith("autoresearch.cli")]:
            del sys.modules[name]
        sys.meta_path.insert(0, Struck())
        entry.main()

    done = Forked(act)
    assert done.wait() == 130
    assert done.err == "autoresearch: interrupted\n"
