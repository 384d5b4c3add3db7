"""Nights that nobody sits beside: detached, stopped and paused from elsewhere, told in a log."""

import io
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from autoresearch import handler
from autoresearch.commands.detaching import detach
from autoresearch.config import find_project
from autoresearch.errors import Interrupted, RegistryError
from autoresearch.records.events import Notice, TrialScored, TrialStarted, Waiting
from autoresearch.records.money import CapReached, CapUse, Intent
from autoresearch.records.training import Outcome
from autoresearch.records.values import Ending, ExperimentState, FailureKind, Verdict
from autoresearch.registry import Ask, Registry, RunLock, RunNote, listening, run_at_work, send
from autoresearch.render import at_work
from autoresearch.render.live import PlainWatcher
from autoresearch.render.logfile import LogFile
from autoresearch.research import StopRules, tasks
from autoresearch.research.control import Control, HeldLedger
from autoresearch.research.stopping import MoneyCap, Stopper
from tests import counting
from tests.commands import Command, Forked, autoresearch
from tests.inline import InlineWorker
from tests.listener import Listener, dead_url
from tests.processes import PATIENCE, until
from tests.rendering import HOSTILE
from tests.stubs import FreeLedger, Night, Scripted, git, make_project, variant

IDEAS = [variant(QUALITY=2.0 + at / 10) for at in range(1, 6)]


# --- what a night does


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test wait for the moments at which a waiting run looks around."""
    monkeypatch.setattr(tasks, "LOOK_SECONDS", 0.002)


class Counted:
    """A clock that moves whenever it is looked at, and acts once it was so often in a pause."""

    def __init__(self, control: Control, act: Callable[[], None], looks: int = 40) -> None:
        self._control, self._act, self._left = control, act, looks
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 1.0
        if self._control.paused:
            self._left -= 1
            if self._left == 0:
                self._act()
        return self._now


def a_night(tmp_path: Path, *, slots: int = 1) -> Night:
    return Night(make_project(tmp_path / "project"), Scripted([*IDEAS]), slots=slots)


def asks_at(night: Night, experiment: int, ask: Callable[[], None]) -> None:
    """Ask something at the beginning of an experiment's training."""

    def look(event: object) -> None:
        if isinstance(event, TrialStarted) and event.experiment_id == experiment:
            ask()

    night.listener = look


def begun(night: Night) -> list[int]:
    return [each.experiment_id for each in night.events if isinstance(each, TrialStarted)]


@pytest.mark.parametrize("slots", [1, 2])
def test_a_stop_lets_what_is_at_work_have_its_verdict(tmp_path: Path, slots: int) -> None:
    night = a_night(tmp_path, slots=slots)
    asks_at(night, 2, night.control.stop)
    assert "by `autoresearch stop`" in night.run()
    assert begun(night) == [1, 2]
    rows = night.registry.experiments(night.study())
    assert [row.verdict for row in rows[:2]] == [Verdict.KEEP, Verdict.DISCARD]
    night.control = Control()
    night.listener = lambda _event: None
    night.run()
    rows = night.registry.experiments(night.study())
    assert [row.hypothesis for row in rows[1:]] == [f"idea {at}" for at in range(1, 6)]
    assert all(row.state is ExperimentState.DONE for row in rows)


def test_a_stop_waits_for_no_machine_that_is_ill(tmp_path: Path) -> None:
    night = a_night(tmp_path)
    lost = Outcome(Ending.EXCEPTION, "AcceleratorError: device lost", FailureKind.MACHINE)
    seen: list[object] = []

    def fault(assignment: object) -> Outcome | None:
        seen.append(assignment)
        return lost if len(seen) > 1 else None

    night.worker = InlineWorker(fault=fault)

    def look(event: object) -> None:
        if isinstance(event, Waiting):
            night.control.stop()

    night.listener = look
    assert "by `autoresearch stop`" in night.run()
    baseline, idea = night.registry.experiments(night.study())
    assert baseline.verdict is Verdict.KEEP
    assert idea.state is ExperimentState.OPEN, "no idea has a verdict because of a machine"


def test_nothing_begins_in_a_pause(tmp_path: Path) -> None:
    night = a_night(tmp_path)
    seen: list[tuple[int, int]] = []

    def resume() -> None:
        proposer = night.proposer
        assert isinstance(proposer, Scripted)
        seen.append((len(begun(night)), len(proposer.briefs)))
        night.control.resume()

    night.clock = Counted(night.control, resume)
    asks_at(night, 3, night.control.pause)
    night.run()
    assert seen == [(3, 2)], "what was at work ended, and nobody was asked for more"
    assert sorted(set(begun(night))) == [1, 2, 3, 4, 5, 6]
    scored = [each for each in night.events if isinstance(each, TrialScored)]
    assert len(scored) == len(begun(night))


@pytest.mark.parametrize("end", ["stop", "Ctrl-C", "time"])
def test_a_paused_night_can_be_ended(tmp_path: Path, end: str) -> None:
    night = a_night(tmp_path)
    ways = {"stop": night.control.stop, "Ctrl-C": night.stop.set, "time": lambda: None}
    night.clock = Counted(night.control, ways[end])
    night.rules = StopRules(deadline=400.0 if end == "time" else None)
    asks_at(night, 1, night.control.pause)
    if end == "Ctrl-C":
        with pytest.raises(Interrupted):
            night.run()
    else:
        told = {"stop": "by `autoresearch stop`", "time": "the time is up"}
        assert told[end] in night.run()
    assert begun(night) == [1]


def test_no_call_begins_in_a_pause_or_too_late() -> None:
    control, late = Control(), [None, "the time is up"]
    ledger, answers = FreeLedger(), list[object]()
    held = HeldLedger(ledger, control, lambda: late[0])
    intent = Intent("p", "provider", "model", "propose", 0.1, "known")
    control.pause()
    calling = threading.Thread(target=lambda: answers.append(held.reserve(intent)))
    calling.start()
    calling.join(0.02)
    assert answers == []
    assert ledger.intents == []
    control.resume()
    calling.join()
    assert answers == [1]
    late.reverse()
    assert held.reserve(intent) == CapReached("the time is up")
    assert len(ledger.intents) == 1


class Purse(FreeLedger):
    """A ledger whose caps leave two and a half dollars."""

    def remaining(self) -> float | None:
        return 2.5

    def uses(self) -> list[CapUse]:
        return [CapUse("the run's cap", 10.0, 7.5)]


def test_no_more_is_asked_for_than_can_be_paid(tmp_path: Path) -> None:
    money = MoneyCap(Purse(), trial_usd=1.0)
    assert money.trials == 2
    assert money.reached(2) is None
    assert money.reached(3) == "3 trials may cost $3.00, and the caps leave $2.50"
    assert MoneyCap(Purse(), trial_usd=2.6).reached() == (
        "a trial may cost $2.60, and the caps leave $2.50"
    )
    assert MoneyCap(Purse()).trials is None, "where trials are free only thinking is capped"
    night = a_night(tmp_path)

    def stopper(money: MoneyCap) -> Stopper:
        rules, control = StopRules(experiments=3), Control()
        return Stopper(
            rules, night.registry, night.runner(), money, night.backoff, lambda: False, control
        )

    assert [stopper(money).proposals_left(begun) for begun in (0, 2)] == [2, 1]
    short = MoneyCap(Purse(), trial_usd=3.0)
    assert not stopper(short).reason(night.study(), busy=True), "what is reserved may come back"
    assert "a trial may cost $3.00" in stopper(short).reason(night.study())


# --- how it is reached


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """The pipe and the lock of a project."""
    return tmp_path / "run.control", tmp_path / "run.lock"


def told(pipe: Path, lock: Path, *asks: Ask) -> list[Ask]:
    """Return what a run is told of these."""
    heard: list[Ask] = []
    with RunLock(lock), listening(pipe, heard.append, pytest.fail):
        for ask in asks:
            note = send(pipe, lock, ask)
            assert note is not None
            assert note.pid == os.getpid()
    return heard


def test_a_run_hears_what_is_asked_and_leaves_nothing_behind(places: tuple[Path, Path]) -> None:
    assert told(*places, *Ask) == [*Ask]
    assert not places[0].exists()
    assert run_at_work(*places) is None
    with pytest.raises(RegistryError, match="no run is at work in this project"):
        send(*places, Ask.STOP)


def test_a_killed_run_s_pipe_stops_no_other(places: tuple[Path, Path]) -> None:
    pipe, lock = places

    def work() -> None:
        with RunLock(lock), listening(pipe, lambda _ask: time.sleep(60), lambda _told: None):
            os.write(2, b"listening")
            time.sleep(60)

    killed = Forked(work).until("listening")
    for _ in range(3):  # the first is heard, the others still lie in the pipe
        send(pipe, lock, Ask.STOP)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert pipe.exists()
    assert RunNote.read(RunNote.path(lock)) is not None
    assert run_at_work(pipe, lock) is None
    with pytest.raises(RegistryError, match="no run is at work"):
        send(pipe, lock, Ask.STOP)
    assert told(pipe, lock, Ask.PAUSE) == [Ask.PAUSE]


def test_a_run_on_another_host_or_of_another_person_is_not_reached(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, lock = places
    note = replace(RunNote.of_this_process(), host="node7")
    with RunLock(lock):
        note.write(RunNote.path(lock))
        with pytest.raises(RegistryError, match="at work on node7: stop or pause it there"):
            send(pipe, lock, Ask.STOP)
        assert run_at_work(pipe, lock) == note
    note.write(RunNote.path(lock))  # it was killed there
    with pytest.raises(RegistryError, match="no run is at work in this project"):
        send(pipe, lock, Ask.STOP)
    assert run_at_work(pipe, lock) is None
    os.mkfifo(pipe)
    monkeypatch.setattr(os, "geteuid", lambda: pipe.stat().st_uid + 1)
    with pytest.raises(RegistryError, match="only they can stop or pause it"):
        send(pipe, lock, Ask.STOP)


def test_what_is_no_pipe_is_not_written_to(places: tuple[Path, Path]) -> None:
    places[0].write_text("mine")
    with pytest.raises(RegistryError, match="is no named pipe"):
        send(*places, Ask.STOP)
    assert places[0].read_text() == "mine"


def test_where_no_pipe_can_be_made_the_night_goes_on(tmp_path: Path) -> None:
    said: list[str] = []
    with listening(tmp_path / "gone" / "run.control", lambda _ask: None, said.append):
        assert "cannot see this run" in said[0]


def test_a_holder_of_the_lock_is_named_with_its_host(places: tuple[Path, Path]) -> None:
    with RunLock(places[1]) as lock:
        lock.note_paused(paused=True)
        note = RunNote.read(RunNote.path(places[1]))
        assert note is not None
        assert (note.paused, note.host) == (True, socket.gethostname())
        lock.note_end(datetime(2026, 11, 30, 6, tzinfo=UTC), None)
        ending = RunNote.read(RunNote.path(places[1]))
        assert ending == replace(note, until="2026-11-30T06:00:00+00:00")
        replace(note, host="node7").write(RunNote.path(places[1]))
        with pytest.raises(RegistryError, match=rf"\(process {os.getpid()} on node7\)"):
            RunLock(places[1]).__enter__()
    assert RunNote.read(RunNote.path(places[1])) is None


ODD_END = '{"pid": 1, "host": "", "since": "2026-11-30", "terminal": "", "until": "soon"}'


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pid": 1}', "12", "null", "\udcff", ODD_END])
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert RunNote.read(tmp_path / "run.json") is None


# --- what is told of it


def test_the_log_is_bounded_and_its_lines_are_safe(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    log = LogFile(path, 4000)
    watcher = log.watcher()
    for number in range(200):
        watcher.on_event(Notice(f"{number} {HOSTILE}"))
    log.close()
    older = path.with_name("run.log.1")
    assert sorted(tmp_path.iterdir()) == sorted({path, older, *tmp_path.glob("[!r]*")})
    assert path.stat().st_size <= 2000
    assert older.stat().st_size <= 2000
    lines = (older.read_text() + path.read_text()).splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  \d+ ", line) for line in lines)
    assert lines[-1].split()[2] == "199"
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", "".join(lines))
    plain = io.StringIO()
    PlainWatcher(Console(file=plain)).on_event(Notice(f"199 {HOSTILE}"))
    assert lines[-1][21:] == plain.getvalue().strip()


def test_streams_follow_the_log_into_its_next_file(tmp_path: Path) -> None:
    path = tmp_path / "run.log"

    def work() -> None:
        log = LogFile(path, 400)
        log.take_streams()
        for number in range(9):
            log.write(f"line {number} {'x' * 40}\n")
            os.write(1, f"raw {number}\n".encode())
            os.write(2, f"raw {number}\n".encode())

    assert Forked(work).wait() == 0
    assert path.read_text().endswith("raw 8\nraw 8\n")
    assert path.with_name("run.log.1").stat().st_size < 500


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "run.log")
    log._handler.close()
    vars(log._handler)["stream"] = Path("/dev/full").open("w")  # noqa: SIM115
    log.write("one line\n")
    log.close()


def test_status_says_where_a_run_is_at_work_and_how_to_reach_it(tmp_path: Path) -> None:
    note = RunNote(12, socket.gethostname(), "2026-11-29T01:00:00+00:00", "/dev/pts/3")
    now = Registry.open(tmp_path / "r.db", create=True).now().replace(2026, 11, 29, 4, 0, 0)

    def shown(changed: RunNote) -> str:
        return "\n".join(each.plain for each in at_work.lines(changed, now, tmp_path / "run.log"))

    assert re.search(r"at work since 2026-11-29 0\d:00 \(3", shown(note))
    assert "process 12, in terminal /dev/pts/3" in shown(note)
    assert "tail -F" in shown(note)
    assert "autoresearch stop" in shown(note).splitlines()[-1]
    assert "without a terminal" in shown(replace(note, terminal=""))
    assert "paused: nothing new begins" in shown(replace(note, paused=True))
    assert "process 12 on node7, as its note says" in shown(replace(note, host="node7"))
    assert "\x1b" not in shown(replace(note, terminal="\x1b[2J", host="\x1b[2J"))


# --- the commands


@pytest.fixture
def project(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The counting program, prepared, whose trainings take as long as LINGER says."""
    place = counting.made_once(tmp_path_factory, "counting", counting.make_counting)
    counting.score_inline(monkeypatch)
    return counting.copy_of(place, tmp_path, monkeypatch)


def lingering(project: Path, seconds: float) -> None:
    program = counting.TRAIN.replace("LINGER = 0.0", f"LINGER = {seconds}")
    (project / "train.py").write_text(program)
    git(project, "commit", "--quiet", "-am", "linger")


NIGHT = ("run", "--proposer", "optuna", "--budget", "10m")


def test_a_detached_run_outlives_its_terminal_and_hears_from_others(project: Path) -> None:
    lingering(project, 300)
    typed = Command(*NIGHT, "--detach", cwd=project, terminal=True)
    said = typed.read_until("--now")
    assert typed.wait() == 0
    os.close(typed.terminal)
    found = re.search(r"at work: process (\d+), log (\S+run\.log)", said)
    assert found
    run, log = psutil.Process(int(found[1])), Path(found[2])
    assert os.getsid(run.pid) == run.pid
    until(lambda: "training" in log.read_text())
    text = autoresearch("status", cwd=project).out
    assert f"process {run.pid}, without a terminal" in text
    assert "another run is at work" in autoresearch(*NIGHT, cwd=project, code=1).err

    autoresearch("pause", cwd=project)
    until(lambda: "paused" in log.read_text())
    assert "paused: nothing new begins" in autoresearch("status", cwd=project).out
    autoresearch("resume", cwd=project)
    until(lambda: "resumed" in log.read_text())
    note = json.loads(autoresearch("status", "--json", cwd=project).out)["run"]
    assert (note["pid"], note["paused"]) == (run.pid, False)

    tree = run.children(recursive=True)
    assert tree
    assert "stops now" in autoresearch("stop", "--now", cwd=project).out
    until(lambda: not run.is_running() or run.status() == psutil.STATUS_ZOMBIE)
    assert psutil.wait_procs(tree, timeout=PATIENCE)[1] == []
    assert log.read_text().splitlines()[-1].startswith("autoresearch: interrupted; everything is")
    assert "no run is at work" in autoresearch("stop", cwd=project, code=1).err
    assert json.loads(autoresearch("status", "--json", cwd=project).out)["run"] is None


def test_a_stop_from_another_terminal_ends_a_run_after_its_trial(project: Path) -> None:
    notify = '\n[notify]\nurls = ["$HOOK", "$DEAD"]\n'
    settings = project / "autoresearch.toml"
    settings.write_text(settings.read_text() + notify)
    lingering(project, 0.5)
    with Listener() as phone:
        hooks = {**os.environ, "HOOK": phone.url("up/secret-token"), "DEAD": dead_url()}
        running = Command(*NIGHT, cwd=project, env=hooks).until("training")
        assert "once what is at work has ended" in autoresearch("stop", cwd=project).out
        assert running.wait() == 0
    (end,) = phone.bodies
    assert "Stopped: by 'autoresearch stop'; 'autoresearch run' continues" in end["text"]
    assert "1 experiment" in end["text"]
    log = find_project(project).log.read_text()
    assert log.count("no notification reached $DEAD: it cannot be reached (ConnectError)") == 1
    assert "token" not in log
    assert "stopped: by `autoresearch stop`; `autoresearch run` continues" in running.err
    registry = Registry.open(find_project(project).registry)
    assert registry.experiment(1).verdict is Verdict.KEEP


@pytest.mark.parametrize(
    ("options", "where", "code", "words"),
    [
        (("--hours", "-1"), "project", 2, "--hours -1.0: must be above zero"),
        ((), "elsewhere", 1, "is in no autoresearch project"),
        ((), "project", 1, "another run is at work in this project"),
        (("--proposer", "openai:gpt-5"), "project", 1, "OPENAI_API_KEY"),
    ],
)
def test_a_start_that_fails_is_told_where_it_was_typed(
    tmp_path: Path, project: Path, options: tuple[str, ...], where: str, code: int, words: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    cwd = project if where == "project" else tmp_path / "elsewhere"
    arguments = ("run", "--detach", *(options or ("--proposer", "optuna")))
    with RunLock(find_project(project).lock):
        done = autoresearch(*arguments, cwd=cwd, code=code)
    assert words in done.err
    assert done.err.splitlines()[-1].startswith("autoresearch: ")
    assert "at work: process" not in done.out


@pytest.mark.parametrize("when", ["in the middle of the fork", "once it has begun"])
def test_ctrl_c_at_its_start_ends_a_detached_run(when: str) -> None:
    def work() -> None:
        def strike() -> None:
            os.kill(os.getpid(), signal.SIGINT)

        def start() -> None:
            detach()
            os.write(2, b"starting")
            time.sleep(60)

        if when == "in the middle of the fork":
            os.register_at_fork(after_in_parent=strike)
        handler.run(start)

    typed = Forked(work)
    if when == "once it has begun":
        typed.until("starting").send_signal(signal.SIGINT)
    assert typed.wait() == 130
    assert "autoresearch: interrupted" in typed.err
