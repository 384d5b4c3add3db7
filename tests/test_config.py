"""Settings and paths: every mistake is named, and nothing means a silent default."""

from dataclasses import fields
from pathlib import Path

import pytest

from autoresearch.config import (
    Settings,
    data_home,
    find_project,
    load_settings,
    parse_duration,
    scrub_git_environment,
)
from autoresearch.errors import ProjectError
from autoresearch.records.values import Clock


def settings_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "autoresearch.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300", 300), ("20s", 20), ("5m", 300), ("1h30m", 5400), ("0.5s", 0.5), (" 2M ", 120)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["0", "-5", "soon", "", "5 m", "5d", "m", "1e3", "nan", "inf"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ProjectError, match="is no duration above zero"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[training]\nbugdet = '5m'", "unknown setting 'bugdet'; did you mean budget"),
        ("[trainign]\nbudget = '5m'", "unknown setting 'trainign'; did you mean training"),
        ("training = 3", "training: 3 is not of the type"),
        ("[training]\nbudget = {a = 1}", "is not of the type str"),
        ("[training]\nthreads = 'two'", "threads: 'two' is not of the type int"),
        ("[training]\nthreads = true", "threads: True is not of the type int"),
        ("[training]\nthreads = 0", "threads: must be at least 1"),
        ("[training]\nclock = 'sun'", "clock: must be wall or cpu"),
        ("[training]\ndevice = 'abacus'", "device: must be"),
        ("[training]\nbudget = 'soon'", "is no duration"),
        ("[training]\nmemory_gib = nan", "memory_gib: nan is not of the type"),
        ("[target]\neditable = []", "names no file"),
        ("[target]\neditable = [1]", "editable: \\[1\\] is not of the type"),
        ("[corpus]\nval_share = 0.0", "val_share and test_share"),
        ("[corpus]\nvocab_size = 100", "vocab_size: must be"),
        ("[evaluation]\ncontext = 1", "context: must be"),
        ("[evaluation]\ntolerance = 0.0", "tolerance: must be"),
        ("[training]\nmemory_gib = -1.0", "must be above 0"),
        ("[training]\nlog_mib = 0", "must be above 0"),
        ("not toml", "autoresearch.toml: "),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ProjectError, match=message):
        load_settings(settings_file(tmp_path, text))


def test_what_is_set_is_what_is_read(tmp_path: Path) -> None:
    read = load_settings(
        settings_file(
            tmp_path,
            "[target]\neditable = ['train.py', 'model/*.py']\n"
            "[training]\nbudget = '1m'\nclock = 'wall'\ngrace = '9s'\nstartup = '8s'\n"
            "threads = 3\nmemory_gib = 2\nfile_gib = 1\nlog_mib = 0.5\n",
        )
    )
    assert read.target.editable == ("train.py", "model/*.py")
    budget, limits = read.budget(), read.limits()
    assert (budget.training, budget.clock) == (60, Clock.WALL)
    assert (budget.grace, budget.startup) == (9, 8)
    assert (limits.threads, limits.memory, limits.file_size) == (3, 2**31, 2**30)
    assert limits.log == 2**19
    assert read.budget(7).training == 7


def test_every_setting_is_read_somewhere_else() -> None:
    package = Path(__file__).parent.parent / "autoresearch"
    texts = [path.read_text() for path in package.rglob("*.py")]
    templates = Path(__file__).parent.parent / "templates"
    texts += [path.read_text() for path in templates.rglob("*.py")]
    everything = "\n".join(texts)
    settings = Settings()
    for section in fields(settings):
        for setting in fields(getattr(settings, section.name)):
            assert f".{setting.name}" in everything, f"{section.name}.{setting.name} is never read"


def test_a_project_is_found_from_below(tmp_path: Path) -> None:
    settings_file(tmp_path, "")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_project(below).root == tmp_path


def test_outside_a_project_the_next_step_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="autoresearch init"):
        find_project(tmp_path)


def test_trials_run_outside_the_project(tmp_path: Path) -> None:
    settings_file(tmp_path, "")
    project = find_project(tmp_path)
    assert tmp_path.name not in [parent.name for parent in project.work.parents][:2]
    assert str(project.root) not in project.work.name


def test_nobody_else_reaches_into_the_work_folder(tmp_path: Path) -> None:
    settings_file(tmp_path, "")
    project = find_project(tmp_path)
    project.make_work()
    project.make_work()
    assert project.work.stat().st_mode & 0o777 == 0o700
    project.work.parent.chmod(0o777)
    with pytest.raises(ProjectError, match="not yours alone"):
        project.make_work()


def test_corpora_live_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTORESEARCH_HOME", str(tmp_path / "elsewhere"))
    assert data_home() == tmp_path / "elsewhere"
    monkeypatch.delenv("AUTORESEARCH_HOME")
    assert data_home().name == "autoresearch"


def test_a_hooks_git_variables_are_dropped() -> None:
    environment = {"GIT_DIR": "/x", "GIT_INDEX_FILE": "/y", "GIT_AUTHOR_NAME": "A", "PATH": "/bin"}
    scrub_git_environment(environment)
    assert environment == {"GIT_AUTHOR_NAME": "A", "PATH": "/bin"}
