"""A project's own command as a trial: real shell lines under the guard, in the sandbox."""

import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from autoresearch import sandbox
from autoresearch.process import cgroup
from autoresearch.records.training import Budget, Limits, Outcome, Point
from autoresearch.records.values import Clock, Ending, FailureKind
from autoresearch.sandbox import Sandbox
from autoresearch.sandbox.data import DataLink
from autoresearch.workers import Assignment, CommandRun, CommandWorker, always
from tests import sandboxes
from tests.sandboxes import LEVELS
from tests.shares import rows
from tests.test_gitrepo import write
from tests.trials import alive_under

MIB = 2**20
BUDGET = Budget(training=20.0, clock=Clock.WALL)
ROOMY = Limits(memory=2 * 2**30, log=64 * 1024)
BEGUN = "touch begun"
START = """echo '{"event": "start"}' >/dev/fd/$AUTORESEARCH_EVENTS_FD"""


@pytest.fixture(scope="module")
def level() -> Sandbox:
    """The strongest level that there is here."""
    return sandbox.detect(os.environ)


@dataclass
class Yard:
    """A folder in which commands run one after the other."""

    folder: Path
    sandbox: Sandbox
    limits: Limits = ROOMY
    budget: Budget = BUDGET
    canary: bool = False
    points: list[Point] = field(default_factory=list)
    count: int = 0

    def run(
        self,
        command: str,
        files: Mapping[str, str] | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
        stop: Callable[[], bool] = lambda: False,
        at_rest: Callable[[], bool] = always,
        **run: object,
    ) -> Outcome:
        """Run a line in a tree with these files; nothing of it may be left alive."""
        assignment = self.assignment(files or {})
        told = CommandRun(command, **run)  # type: ignore[arg-type]
        worker = CommandWorker(self.sandbox, told, now=now, patience=0.1)
        outcome = worker.train(assignment, on_point=self.points.append, stop=stop, at_rest=at_rest)
        assert alive_under(assignment.scratch) == []
        return outcome

    def ahead(self, seconds: float) -> Callable[[], float]:
        """Return a clock that jumps once the next command says that it has begun; see `BEGUN`."""
        mark = self.folder / f"trial-{self.count + 1}" / "tree" / "begun"
        return lambda: time.monotonic() + (seconds if mark.exists() else 0.0)

    def assignment(self, files: Mapping[str, str]) -> Assignment:
        self.count += 1
        place = self.folder / f"trial-{self.count}"
        (place / "scratch").mkdir(parents=True)
        (place / "tree").mkdir()
        write(place / "tree", files)
        return Assignment(
            tree=place / "tree",
            scratch=place / "scratch",
            entry="train.py",
            seed=5,
            device="cpu",
            budget=self.budget,
            limits=self.limits,
            train_files=(),
            token_bytes=2,
            canary=self.canary,
        )


@pytest.fixture
def yard(tmp_path: Path, level: Sandbox) -> Yard:
    return Yard(tmp_path / "yard", level)


def fast() -> float:
    """Return a clock on which a second takes a thirtieth."""
    return time.monotonic() * 30


def left(outcome: Outcome) -> dict[str, bytes]:
    """Return the files of a checkpoint."""
    place = outcome.checkpoint
    assert place is not None, outcome.detail
    files = [each for each in place.rglob("*") if not each.is_dir()]
    assert all(each.is_file() and not each.is_symlink() for each in files)
    return {each.relative_to(place).as_posix(): each.read_bytes() for each in files}


IDEA, MACHINE = FailureKind.IDEA, FailureKind.MACHINE
# What is run; how it ends, in what words, and whose fault it seems. All are doubtful.
ENDINGS = {
    "code": ("exit 3", Ending.EXCEPTION, "exited with code 3", IDEA),
    "last words": ("echo boom >&2; exit 3", Ending.EXCEPTION, "exited with code 3: boom", IDEA),
    "no program": ("no-such-program", Ending.EXCEPTION, "code 127", IDEA),
    "killed": ("kill -9 $$", Ending.SIGNAL, "died by SIGKILL", MACHINE),
    "crashed": ("kill -SEGV $$", Ending.SIGNAL, "died by SIGSEGV", IDEA),
    "a child's crash": ("sh -c 'kill -ABRT $$'; exit $?", Ending.SIGNAL, "SIGABRT", IDEA),
    "a child's kill": ("sh -c 'kill -9 $$' && echo well", Ending.SIGNAL, "SIGKILL", MACHINE),
}


class TestEndings:
    @pytest.mark.parametrize(
        "name", rows(ENDINGS, "last words", "no program", "killed", "a child's crash")
    )
    def test_of_its_own_doing(self, yard: Yard, name: str) -> None:
        command, ending, detail, fault = ENDINGS[name]
        outcome = yard.run(command)
        assert (outcome.ending, outcome.failure, outcome.doubtful) == (ending, fault, True)
        assert detail in outcome.detail
        assert outcome.checkpoint is None

    def test_the_kernel_kills_for_want_of_memory(
        self, yard: Yard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counts = iter([0, 1])
        monkeypatch.setattr(cgroup, "oom_kills", lambda _group: next(counts))
        outcome = yard.run("sh -c 'kill -9 $$'; exit 1")
        assert outcome.ending is Ending.OUT_OF_MEMORY
        assert (outcome.failure, outcome.doubtful) == (IDEA, True)

    def test_who_takes_longer_than_the_cap_is_ended_deaf_as_it_may_be(self, yard: Yard) -> None:
        deaf = f"trap '' INT TERM; echo begun; {BEGUN}; while :; do sleep 60; done"
        outcome = yard.run(deaf, now=yard.ahead(700), total=600.0)
        assert outcome.ending is Ending.HANG
        assert outcome.detail == "did not end within 600 s ([training] total)"
        assert (outcome.failure, outcome.doubtful) == (IDEA, True)
        assert outcome.traceback == "begun"
        assert outcome.timing.total >= 600

    def test_two_processes_die_with_their_script(self, yard: Yard) -> None:
        both = "setsid sh -c 'trap \"\" INT TERM HUP; sleep 300' & sleep 300 & echo begun"
        assert yard.run(f"{both}; exit 0").ending is Ending.FINISHED
        ended = yard.run(f"{both}; {BEGUN}; wait", now=yard.ahead(700), total=600.0)
        assert (ended.ending, ended.log) == (Ending.HANG, b"begun\n")

    def test_interrupted(self, yard: Yard) -> None:
        outcome = yard.run("sleep 300", stop=lambda: yard.count > 0)
        assert (outcome.ending, outcome.failure) == (Ending.INTERRUPTED, None)

    def test_it_waits_until_all_else_is_at_rest(self, yard: Yard) -> None:
        answers = iter([False, False, True])
        assert yard.run("true", at_rest=lambda: next(answers)).ending is Ending.FINISHED
        assert list(answers) == []

    def test_what_cannot_be_laid_out_is_the_machines(self, yard: Yard, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        beyond = yard.run("true", {"data": "no folder"}, data=(DataLink("x" * 300, tmp_path),))
        assert (beyond.ending, beyond.failure) == (Ending.NOT_STARTED, MACHINE)
        assert "cannot start a trial: File name too long" in beyond.detail


class TestCanary:
    def test_who_lives_long_enough_is_well(self, yard: Yard) -> None:
        yard.canary = True
        outcome = yard.run(f"{BEGUN}; sleep 300", now=yard.ahead(130), total=600.0)
        assert (outcome.ending, outcome.detail, outcome.checkpoint) == (Ending.FINISHED, "", None)
        assert outcome.timing.total > 120

    def test_who_fails_before_is_not(self, yard: Yard) -> None:
        yard.canary = True
        assert yard.run("exit 1").ending is Ending.EXCEPTION
        assert yard.run("true").ending is Ending.FINISHED


class TestLimits:
    def test_three_gigabytes_are_no_matter(self, yard: Yard) -> None:
        outcome = yard.run("truncate -s 3G $AUTORESEARCH_OUT/big")
        assert outcome.ending is Ending.FINISHED

    def test_one_file_over_its_limit(self, yard: Yard) -> None:
        yard.limits = replace(ROOMY, file_size=2**30)
        outcome = yard.run("truncate -s 3G big")
        assert (outcome.ending, outcome.failure) == (Ending.EXCEPTION, IDEA)
        assert outcome.detail.startswith("exited with code 1: truncate: ")
        assert outcome.detail.endswith("File too large")

    def test_all_files_over_their_limit(self, yard: Yard) -> None:
        yard.limits = replace(ROOMY, disk=8 * MIB)
        wrote = yard.run("fallocate -l 16M in-the-tree; sleep 300", now=fast, total=1e6)
        assert (wrote.ending, wrote.detail) == (Ending.OVER_LIMIT, "wrote more than 0.00781 GiB")
        sparse = yard.run("truncate -s 16M $AUTORESEARCH_OUT/big")  # holes take no disk yet
        assert sparse.ending is Ending.BAD_CHECKPOINT
        assert sparse.detail == "left more than 0.00781 GiB in AUTORESEARCH_OUT"

    def test_what_was_there_before_counts_for_nothing(self, yard: Yard) -> None:
        yard.limits = replace(ROOMY, disk=MIB, entries=20)
        files = {f"{at}.txt": "x" * 200_000 for at in range(30)}
        ticks = iter(range(0, 10_000, 2))
        assert yard.run("sleep 0.3", files, now=lambda: next(ticks)).ending is Ending.FINISHED

    def test_memory(self, yard: Yard) -> None:
        yard.limits = replace(ROOMY, memory=20 * MIB)
        outcome = yard.run("head -c 60M /dev/zero | tail -c 50M | sleep 300", now=fast, total=1e6)
        assert (outcome.ending, outcome.detail) == (
            Ending.OUT_OF_MEMORY, "used more than 0.0195 GiB",
        )  # fmt: skip

    def test_a_flood_of_output_is_capped_and_its_end_is_whole(self, yard: Yard) -> None:
        outcome = yard.run("yes x | head -c 3000000; echo; echo val_bpb: 1.0")
        assert len(outcome.log) < 70_000
        assert outcome.log.endswith(b"\nval_bpb: 1.0\n")
        assert left(outcome)["log"] == outcome.log

    def test_hostile_output_is_safe_in_words_and_raw_in_the_log(self, yard: Yard) -> None:
        outcome = yard.run(r"printf '\033[2J\377\000\nval: \033]0;x\007 1\n'; exit 1")
        assert b"\033[2J\377\000" in outcome.log
        assert outcome.detail.isprintable()
        assert outcome.detail.startswith("exited with code 1: val:")
        assert outcome.traceback.replace("\n", "").isprintable()


# What it does in its output folder, and what is left of that.
KEPT = {"kept": b"x\n"}
LEFT: Mapping[str, tuple[str, Mapping[str, bytes]]] = {
    "a link": ("ln -s /etc/passwd link; ln -s . again", KEPT),
    "hard links": (
        "echo y >../else; ln ../else one; ln one two",
        {"one": b"y\n", "two": b"y\n"},
    ),
    "a pipe": ("mkfifo pipe", KEPT),
    "what nobody may read": ("mkdir shut; echo y >shut/f; chmod 0 shut/f shut", {"shut/f": b"y\n"}),
    "a checkpoint of its own": ("mkdir ../checkpoint; ln -s /etc ../checkpoint/out", KEPT),
}


class TestArtifacts:
    @pytest.mark.parametrize("name", LEFT)
    def test_plain_files_alone_are_taken(self, yard: Yard, name: str) -> None:
        command, expected = LEFT[name]
        outcome = yard.run(f"cd $AUTORESEARCH_OUT; echo x >kept; {command}")
        found = {path: data for path, data in left(outcome).items() if path != "log"}
        assert found == {f"out/{path}": data for path, data in {**KEPT, **expected}.items()}

    @pytest.mark.parametrize(
        ("command", "detail"),
        [
            ("rmdir $AUTORESEARCH_OUT; ln -s /etc $AUTORESEARCH_OUT", "is no folder any more"),
            ("rmdir $AUTORESEARCH_OUT", "is no folder any more"),
            ("cd $AUTORESEARCH_OUT; for i in $(seq 30); do >$i; done", "left more than 20 files"),
        ],
    )
    def test_what_is_no_output_is_said(self, yard: Yard, command: str, detail: str) -> None:
        yard.limits = replace(ROOMY, entries=20)
        outcome = yard.run(command)
        assert (outcome.ending, outcome.failure) == (Ending.BAD_CHECKPOINT, IDEA)
        assert detail in outcome.detail

    def test_folders_beyond_all_depth_are_said(self, yard: Yard) -> None:
        deep = "cd $AUTORESEARCH_OUT; n=$(printf 'x%.0s' $(seq 200)); for i in $(seq 30); do "
        outcome = yard.run(deep + "mkdir $n && cd -P $n || exit 7; done")
        assert outcome.detail == "left folders too deep in AUTORESEARCH_OUT"

    def test_files_of_the_tree_are_collected_where_they_are_plain(self, yard: Yard) -> None:
        wanted = ("results/m.json", "link.json", "far/m.json", "missing.json", "stale.json")
        outcome = yard.run(
            "mkdir results; echo 1 >results/m.json; ln -s /etc/passwd link.json; ln -s results far",
            {"stale.json": "of the commit"},
            collect=wanted,
        )
        assert left(outcome) == {"log": b"", "tree/results/m.json": b"1\n"}

    def test_one_over_its_limit_is_said(self, yard: Yard) -> None:
        yard.limits = replace(ROOMY, file_size=MIB)
        outcome = yard.run("head -c 1M /dev/zero >m.json", collect=("m.json",))
        assert len(left(outcome)["tree/m.json"]) == MIB
        yard.limits = replace(ROOMY, file_size=0)  # no limit while it writes
        assert "m.json has 1 bytes" in yard.run("printf x >m.json", collect=("m.json",)).detail


class TestEnvironment:
    @pytest.mark.parametrize(
        ("seed", "told"),
        [("SEED", "[5] []"), ("--seed {seed}", "[] [--seed 5]"), ("", "[] []")],
    )
    def test_the_seed_goes_where_the_project_takes_one(
        self, yard: Yard, seed: str, told: str
    ) -> None:
        show = {"show.sh": 'echo "[$SEED] [$*]"'}
        assert yard.run("sh show.sh", show, seed=seed).log.decode() == f"{told}\n"

    def test_it_runs_in_its_own_writable_folder_with_a_home_and_no_keys(
        self, yard: Yard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "secret")
        outcome = yard.run("mkdir -p ~/.cache src/x; pwd; echo ~; env; git status; true")
        here, home, *rest = outcome.log.decode().splitlines()
        assert (here, home) == tuple(
            str(yard.folder / "trial-1" / each) for each in ("tree", "scratch")
        )
        assert f"AUTORESEARCH_OUT={home}/out" in rest
        assert "UV_OFFLINE=1" in rest
        assert "XDG_CACHE_HOME" not in outcome.log.decode()
        assert b"secret" not in outcome.log
        assert outcome.hardware is not None
        assert outcome.hardware.device == "cpu"

    def test_the_code_is_the_trials_though_the_project_is_installed(self, yard: Yard) -> None:
        for files, told in (({"src/p.py": ""}, "/src:{tree}"), ({"p.py": ""}, "")):
            outcome = yard.run('echo "$PYTHONPATH"', files)
            tree = str(yard.folder / f"trial-{yard.count}" / "tree")
            assert outcome.log.decode().strip() == tree + told.format(tree=tree)

    def test_the_program_of_the_command_is_in_reach(
        self, yard: Yard, tmp_path: Path, level: Sandbox
    ) -> None:
        tool = tmp_path / "home" / "bin" / "tool"
        tool.parent.mkdir(parents=True)
        tool.write_text("#!/bin/sh\necho ran $1\n")
        tool.chmod(0o755)
        path = f"{tool.parent}:{os.environ['PATH']}"
        yard.sandbox = replace(level, inherited={"PATH": path})  # type: ignore[type-var]
        assert yard.run("A=1 tool it").log == b"ran it\n"

    def test_a_ready_environment_is_used_as_it_is(self, yard: Yard, tmp_path: Path) -> None:
        (tmp_path / "venv").mkdir()
        venv = (DataLink(".venv", tmp_path / "venv"),)
        assert yard.run("echo $UV_NO_SYNC", data=venv).log == b"1\n"
        assert yard.run("echo $UV_NO_SYNC").log == b"\n"


class TestEvents:
    def test_start_divides_and_steps_make_the_curve(self, yard: Yard) -> None:
        outcome = yard.run(
            f'sleep 0.2; {START}; echo \'{{"event": "step", "step": 1, "loss": 2.5}}\' '
            f">/dev/fd/$AUTORESEARCH_EVENTS_FD; {START}; sleep 0.1"
        )
        assert outcome.timing.startup > 0.2
        assert 0.1 < outcome.timing.training < outcome.timing.total - 0.2
        (point,) = outcome.curve
        assert (point.step, point.loss, point.tokens) == (1, 2.5, 0)
        assert 0 < point.progress < 1
        assert yard.points == [point]

    def test_as_its_page_shows(self, yard: Yard) -> None:
        page = (Path(__file__).parents[1] / "docs/events.md").read_text()
        (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        outcome = yard.run(f"{sys.executable} -I -S say.py", {"say.py": code})
        assert [(each.step, each.loss) for each in outcome.curve] == [(10, 2.31)]
        assert outcome.timing.startup > 0.01
        (line,) = re.findall(r"`(echo .*)`", page)
        assert yard.run(f"sleep 0.1; {line}").timing.startup > 0.1

    def test_without_a_word_the_whole_counts(self, yard: Yard) -> None:
        timing = yard.run("sleep 0.1").timing
        assert timing.startup < 0.01
        assert timing.training == pytest.approx(timing.total, abs=0.01)

    def test_on_the_cpu_clock_its_seconds_count(self, yard: Yard) -> None:
        yard.budget = replace(BUDGET, clock=Clock.CPU)
        timing = yard.run("sleep 0.4").timing
        assert timing.training < 0.3 < timing.total

    def test_noise_is_no_event(self, yard: Yard) -> None:
        step = '{"event": "step", "step": 1, "loss": %s}'
        noise = [
            *(step % each for each in ("NaN", "1e999", '"2"', "null", "2}}", '2, "step": 3')),
            '{"event": "step", "loss": 1}', "[]", "{}", '{"event": 3}', "\\377", "x" * 5000,
        ]  # fmt: skip
        lines = "\\n".join(noise)
        outcome = yard.run(f"printf '{lines}\\n' >/dev/fd/$AUTORESEARCH_EVENTS_FD")
        assert (outcome.ending, outcome.curve) == (Ending.FINISHED, ())

    def test_a_flood_of_events_is_thinned(self, yard: Yard) -> None:
        line = '{"event": "step", "step": 7, "loss": 1}'
        outcome = yard.run(f"yes '{line}' | head -n 20000 >/dev/fd/$AUTORESEARCH_EVENTS_FD")
        assert 0 < len(outcome.curve) < 600


@pytest.mark.parametrize("name", rows(LEVELS, *LEVELS))
class TestLevels:
    def test_data_are_found_and_what_is_held_out_is_not(self, tmp_path: Path, name: str) -> None:
        mine = tmp_path / "mine"
        write(mine, {"train/a": "text", "val/b": "labels", "cache/c": "token"})
        yard = Yard(tmp_path / "yard", sandboxes.level(name))
        data = (DataLink("data/train", mine / "train"), DataLink("~/.cache/t", mine / "cache"))
        outcome = yard.run(
            f"cat data/train/a ~/.cache/t/c; ls data; cat data/val/b {mine}/val/b; "
            "echo x >data/train/a; true",
            {"data/val/b": "labels", "data/README": ""},
            data=data,
            hidden=("data/val/**",),
        )
        told = outcome.log.decode()
        assert told.startswith("texttokenREADME\ntrain\n")
        if name != "plain":  # which shuts nothing off, and says so in its trust
            assert "labels" not in told
            assert (mine / "train/a").read_text() == "text"

    @pytest.mark.skipif(shutil.which("bash") is None, reason="bash opens sockets")
    def test_the_network_is_open_where_asked(self, tmp_path: Path, name: str) -> None:
        yard = Yard(tmp_path / "yard", sandboxes.level(name))
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            call = f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'"
            assert yard.run(call, network=True).ending is Ending.FINISHED
            if name != "plain":
                assert yard.run(call).ending is Ending.EXCEPTION
