"""Fixtures for all tests: no test can touch the person's home, git settings or temporary files."""

import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine

from autoresearch import cli
from autoresearch.registry import schema

Run = Callable[..., tuple[int, str, str]]

# On a busy machine any example may take long, to draw as well. They are the same every time, so
# that a change is judged by itself; `--hypothesis-profile=default` looks for new ones.
settings.register_profile(
    "share", deadline=None, derandomize=True, database=None, max_examples=30,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.register_profile("all", settings.get_profile("share"), max_examples=100)
# Under nohup it would be ignored, by all that tests start: and some wait for what it does.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def git_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what repositories begin with: git's own has fourteen files, times six hundred."""
    made = tmp_path_factory.mktemp("template")
    (made / "hooks").mkdir()
    (made / "info").mkdir()
    return made


@pytest.fixture(autouse=True)
def isolation(tmp_path: Path, git_template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point home, corpora, temporary files and git's settings into this test's folder."""
    home = tmp_path / "home"
    home.mkdir()
    git_config = home / ".gitconfig"
    git_config.write_text(
        "[user]\n\tname = Ada\n\temail = ada@example.org\n"
        f"[init]\n\tdefaultBranch = main\n\ttemplateDir = {git_template}\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AUTORESEARCH_HOME", str(home / "autoresearch"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(git_config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("COLUMNS", "160")
    for key in (
        "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "XDG_DATA_HOME",
        "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "UV_OFFLINE", "WANDB_MODE",
    ):  # fmt: skip
        monkeypatch.delenv(key, raising=False)
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))


@pytest.fixture(autouse=True, scope="session")
def migrated_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let every registry be made from a copy of the first: migrations cost a tenth of a second."""
    migrate = schema._migrate
    made = tmp_path_factory.mktemp("registry") / "registry.db"
    engine = schema._engine(made)
    migrate(engine)
    engine.dispose()

    def copy(engine: Engine, to: str = schema.HEAD) -> None:
        place = engine.url.database  # a copy of an older one has none
        if place is None or Path(place).exists() or to != schema.HEAD:
            migrate(engine, to)
        else:
            shutil.copyfile(made, place)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "_migrate", copy)
        yield


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs a command line: its exit code, standard output and standard error."""

    def act(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["autoresearch", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return act


LEFT_OUT = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Draw as many examples as there is time for, unless the command line names a profile.

    A worker of xdist gets a session of its own: a busy machine shares its time by sessions, and
    all of them in one would wait as a single process does.
    """
    if hasattr(config, "workerinput"):
        os.setsid()
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("share" if config.option.markexpr else "all")


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count what `make test` leaves to `make test-all`."""
    for item in items:
        if item.get_closest_marker("thorough"):
            item.config.stash[LEFT_OUT] = item.config.stash.get(LEFT_OUT, 0) + 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a worker of xdist tell its count: each has collected all tests."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take a worker's count."""
    told = getattr(node, "workeroutput", {})
    node.config.stash[LEFT_OUT] = max(node.config.stash.get(LEFT_OUT, 0), told.get("left_out", 0))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End with what was not run, and why: a line a reason, below pytest's own last line."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    skipped = reporter.stats.get("skipped", ())
    reasons = Counter(str(each.longrepr[2]).removeprefix("Skipped: ") for each in skipped)
    for reason, count in sorted(reasons.items()):
        reporter.write_line(f"not run: {count} because {reason}")
    if left_out := config.stash.get(LEFT_OUT, 0):
        reporter.write_line(f"not run: {left_out} that only `make test-all` runs")
