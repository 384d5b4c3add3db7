"""A repository as people have it: a project in a subdirectory, with a command of its own."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch import sandbox
from autoresearch.config import Project, Settings
from autoresearch.config.metric_settings import DataSettings, MetricSettings
from autoresearch.config.settings import SandboxSettings, TargetSettings
from autoresearch.doctor.finding import Finding, Level
from autoresearch.doctor.openings import openings
from autoresearch.execution import Host, TrialSpec, Watch, execute_trial
from autoresearch.gitrepo import GitRepo
from autoresearch.records.scores import Score, Unscored
from autoresearch.records.training import Budget, Limits
from autoresearch.records.values import Clock, Ending, Trust
from autoresearch.sandbox import Unsealed
from autoresearch.sandbox.data import links
from autoresearch.workers import CommandRun, CommandWorker
from tests.test_gitrepo import git, write

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
FILES = {
    "README.md": "The whole.",
    "models/small/src/net/__init__.py": "",
    "models/small/src/net/train.py": "from net import layers\nprint('width', layers.WIDTH)\n",
    "models/small/src/net/layers.py": "WIDTH = 8\n",
    "models/small/run.sh": "printf '%s ' $1 $2; cat data/big.bin; exec python -m net.train\n",
    "models/small/data/big.bin": POINTER,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project below the top of its repository, with a submodule and a pointer of Git LFS."""
    top = tmp_path / "repository"
    write(top, FILES)
    git(top, "init", "--quiet")
    git(top, "add", ".")
    gitlink = f"160000,{'ab' * 20},models/small/vendor"
    git(top, "update-index", "--add", "--cacheinfo", gitlink)
    git(top, "commit", "--quiet", "-m", "begin")
    root = top / "models" / "small"
    (root / "data/big.bin").write_text("pulled: ")  # as `git lfs pull` leaves it
    write(root, {"vendor/lib.py": "", ".venv/lib/net.pth": str(root / "src")})
    return root


class Counted:
    """A scorer that only sees what it is given."""

    def __init__(self) -> None:
        self.logs: list[str] = []

    def prepare(self, place: Path) -> None:
        pass

    def wait_until_idle(self) -> None:
        pass

    def close(self) -> None:
        pass

    def score(self, tree: Path, checkpoint: Path, scratch: Path) -> Score | Unscored:
        self.logs.append((checkpoint / "log").read_text())
        return Score(1.0, (), (), Trust.SELF_REPORTED, 0, 0, 0.0, 0.0)


SPEC = TrialSpec(1, "HEAD", "run.sh", 7, "cpu", "", Budget(20.0, Clock.WALL), Limits())


def test_each_gap_is_one_line_until_the_data_are_named(root: Path) -> None:
    repo = GitRepo.open(root)
    told = [str(each) for each in repo.gaps(repo.head(), "src/net/train.py")]
    assert told == [
        "vendor is a submodule: a trial gets an empty folder in its place",
        "data/big.bin is a Git LFS pointer: a trial gets the pointer, not what it points to",
    ]
    assert repo.gaps(repo.head(), "src/net/train.py", ("./data/", "vendor")) == ()


def test_it_trains_and_is_scored(root: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    shown = links(root, ("data", "vendor"))
    run = CommandRun("sh run.sh", seed="--seed {seed}", data=shown, total=60.0)
    scorer, work = Counted(), tmp_path / "work"
    host = Host(
        worker=CommandWorker(sandbox.detect(environment), run),
        evaluator=scorer,
        checkout=GitRepo.open(root).workspace,
        train_files=(),
        token_bytes=1,
        work=work,
    )
    watch = Watch(lambda _event: None, lambda: False)
    result = execute_trial(SPEC, host, watch)
    assert result.outcome.ending is Ending.FINISHED, result.outcome.detail
    assert isinstance(result.score, Score)
    assert scorer.logs == ["--seed 7 pulled: width 8\n"]
    assert result.outcome.checkpoint is None
    canary = execute_trial(replace(SPEC, scored=False), host, watch)
    assert (canary.outcome.ending, canary.score) == (Ending.FINISHED, None)
    assert list(work.iterdir()) == []


class TestWhatDoctorSays:
    def said(
        self,
        root: Path,
        opened: SandboxSettings,
        data: DataSettings | None = None,
        *,
        trust: Trust = Trust.SEALED,
    ) -> list[Finding]:
        settings = Settings(
            target=TargetSettings(command="sh run.sh"),
            metric=MetricSettings(evaluator="evaluate.py"),
            sandbox=opened,
            data=data or DataSettings(),
        )
        return list(openings(Project(root, settings), Unsealed({}, trust=trust, name="it")))

    def test_nothing_opened_is_nothing_said(self, root: Path) -> None:
        assert self.said(root, SandboxSettings()) == []
        assert list(openings(Project(root, Settings()), Unsealed({}))) == []

    def test_each_opening_in_one_line(self, root: Path) -> None:
        read, network = self.said(root, SandboxSettings(readable=("data",), network=True))
        assert (read.level, network.level) == (Level.OK, Level.WARNING)
        assert read.said == "trials read data: it is in no commit, and scores rest on it as it is"
        assert "a score is no proof of its code alone" in network.said
        (missing,) = self.said(root, SandboxSettings(readable=("weights",)))
        assert (missing.level, missing.mend) == (Level.FAULT, "mend [sandbox] readable")
        (home,) = self.said(root, SandboxSettings(readable=("~/",)))
        assert (home.level, home.said.split(",")[0]) == (
            Level.WARNING,
            "trials read your whole home",
        )

    def test_what_is_held_out(self, root: Path) -> None:
        held = DataSettings(held_out=("data/**",), test=("missing/**",))
        kept, none = self.said(root, SandboxSettings(), held)
        assert kept.said == "[data] held_out: 1 file or folder that no trial is shown"
        assert (none.level, none.said) == (Level.FAULT, "[data] test names no file")
        weak, _ = self.said(root, SandboxSettings(), held, trust=Trust.UNSEALED)
        assert weak.level is Level.WARNING
        assert "it alone may not keep a trial from them: scores are unsealed" in weak.said
