"""Settings and paths: every mistake is named, and nothing means a silent default."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from autoresearch.config import (
    GuardSettings,
    Keys,
    MetricSettings,
    PriceSettings,
    Settings,
    data_home,
    find_project,
    load_settings,
    parse_duration,
    scrub_git_environment,
)
from autoresearch.config.metric_settings import METRIC_SOURCES
from autoresearch.errors import ProjectError
from autoresearch.records.metric import BITS_PER_BYTE, Metric, MetricSource
from autoresearch.records.values import Clock

OWN = "[target]\ncommand = 'make'\n[metric]\nsummary = 'loss'\n"


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
        ("training = 3", "training: must be a table, not 3"),
        ("[training]\nbudget = {a = 1}", "training budget: must be a valid string"),
        ("[training]\nthreads = 'two'", "threads: must be a valid integer, not 'two'"),
        ("[training]\nthreads = true", "threads: must be a valid integer, not True"),
        ("[training]\nthreads = 0", "threads: must be greater than or equal to 1"),
        ("[training]\nclock = 'sun'", "clock: must be 'wall' or 'cpu'"),
        ("[training]\ndevice = 'abacus'", "device: must be 'cpu', 'cuda' or 'mps'"),
        ("[training]\nbudget = 'soon'", "is no duration"),
        ("[training]\nmemory_gib = nan", "memory_gib: must be a finite number"),
        ("[target]\neditable = []", "names no file"),
        ("[target]\neditable = [1]", "editable\\[0\\]: must be a valid string"),
        ("[metric]\nname = 'accuracy'", "metric: say where it comes from"),
        ("[metric]\nsummary = 'loss'", r"a \[metric\] of your own goes with a \[target\] command"),
        ("[target]\ncommand = 'make'", r"target command needs a \[metric\] of its own"),
        (OWN + "evaluator = 'evaluate.py'", "metric: has one of"),
        (OWN + "key = 'loss'", "metric: key goes with file"),
        ("[target]\ncommand = 'make'\n[metric]\nfile = 'a.json'", "metric: file needs key"),
        (OWN + "direction = 'up'", "metric direction: must be 'lower' or 'higher'"),
        (OWN + "[data]\ntest = ['a']", "held_out and test go with \\[metric\\] evaluator"),
        (OWN + "[[guard]]\nname = 'seconds'", "guard\\[0\\]: needs least or most"),
        (OWN + "[[guard]]\nnme = 'seconds'", r"guard\[0\]: unknown setting 'nme'"),
        (OWN + "[[guard]]\nmost = 3", "name: is missing"),
        (OWN + "[training]\ntotal = 'soon'", "is no duration"),
        ("[sandbox]\nnetwork = true", "go with \\[target\\] command"),
        ("[target]\nseed = 'SEED'", "target: seed goes with command"),
        ("[training]\ntotal = '5m'", "training total goes with"),
        ("[corpus]\nval_share = 0.4\ntest_share = 0.2", "val_share and test_share"),
        ("[corpus]\nvocab_size = 100", "vocab_size: must be"),
        ("[evaluation]\ncontext = 1", "context: must be"),
        ("[evaluation]\ntolerance = 0.0", "tolerance: must be"),
        ("[training]\nmemory_gib = -1.0", "memory_gib: must be greater than 0"),
        ("[training]\nlog_mib = 0", "log_mib: must be greater than 0"),
        ("[training]\ncheckpoints_gib = -1", "checkpoints_gib: must be greater than or equal to 0"),
        ("[money]\nstudy_usd = 'much'", "study_usd: must be a valid number, not 'much'"),
        ("[money]\nstudy_usd = -1", "study_usd: must be greater than or equal to 0"),
        ("[prices.'openai:m']\ninput = 1", "prices openai:m output: is missing"),
        ("[prices.'openai:m']\ninput = 1\noutput = 2\ncahced = 1", "did you mean cached"),
        ("[prices.'openai:m']\ninput = -1\noutput = 2", "must be greater than or equal to 0"),
        ("[preflight.toy]\nDEPTH = 'two'", "toy DEPTH: must be a number, not 'two'"),
        ("[pruning]\naudit = 1.5", "pruning audit: must be less than or equal to 1"),
        ("[racing]\nenabled = 'no'", "enabled: must be a valid boolean, not 'no'"),
        ("[preflight]\nsteps = -1", "steps: must be"),
        ("[preflight]\ncontext = 1", "preflight context: must be"),
        ("[llm]\nbrief_tokens = 5", "brief_tokens: must be"),
        ("[llm]\nmax_output = 5", "max_output: must be"),
        ("[llm]\nrepairs = 9", "repairs: must be"),
        ("[llm]\nproposals = 0", "proposals: must be"),
        ("[llm]\nformat = 'json'", "format: must be"),
        ("[llm]\ntimeout = 'never'", "is no duration"),
        ("[policy]\nreplicates = 0", "policy replicates: must be greater than or equal to 1"),
        ("[policy]\nreplicates = 5", "policy replicates: must be less than or equal to 4"),
        ("[policy]\ndrift_every = -1", "policy drift_every: must be"),
        ("[policy]\nahead = -1", "policy ahead: must be"),
        ("[preflight.toy]\nDEPTH = inf", "toy DEPTH: must be a number, not inf"),
        ("[corpus]\nval_share = 0.0", "val_share: must be greater than 0"),
        ("[training]\nbudget = 2026-01-01", "autoresearch.toml: no setting is a date"),
        ("[training]\nprofile = [1, 2, 3]", r"profile: must be a valid string, not \[1, 2, 3\]"),
        ("x = " + "[" * 5000 + "]" * 5000, "autoresearch.toml: "),
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
            "threads = 3\nmemory_gib = 2\nfile_gib = 1\nlog_mib = 0.5\n"
            "checkpoints_gib = 0.25\n",
        )
    )
    assert read.target.editable == ("train.py", "model/*.py")
    budget, limits = read.budget(), read.limits()
    assert (budget.training, budget.clock) == (60, Clock.WALL)
    assert (budget.grace, budget.startup) == (9, 8)
    assert (limits.threads, limits.memory, limits.file_size) == (3, 2**31, 2**30)
    assert limits.log == 2**19
    assert limits.disk == 6 * 2**30
    assert read.budget(7).training == 7
    assert read.checkpoint_bytes == 2**28


def every_setting() -> Iterator[tuple[str, str]]:
    """Yield section and name of all that autoresearch.toml can set."""
    kinds = {each.name: each.type for each in fields(Settings)}
    for section, kind in (kinds | {"prices": PriceSettings, "guard": GuardSettings}).items():
        for setting in fields(kind):  # type: ignore[arg-type]  # every section is a dataclass
            yield section, setting.name


def reads(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what is read below a folder, such as ("training", "budget"), and of what."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute):
                of = node.value
                owner = of.id if isinstance(of, ast.Name) else getattr(of, "attr", "")
                yield owner.lstrip("_"), node.attr


def test_every_setting_is_read_somewhere_else() -> None:
    root = Path(__file__).parent.parent
    found = {*reads(root / "autoresearch"), *reads(root / "templates")}
    for section, name in every_setting():
        owners = {section, "settings", *(["each"] if section == "guard" else [])}
        assert {(owner, name) for owner in owners} & found, f"{section}.{name} is never read"


def settings_in(template: str) -> set[tuple[str, str]]:
    """Return section and name of all that a template's settings show, commented out or not."""
    path = Path(__file__).parent.parent / "templates" / template / "autoresearch.toml"
    found, section = set[tuple[str, str]](), ""
    for line in path.read_text("utf-8").splitlines():
        if head := re.match(r"(?:# )?\[+(\w+)", line):
            section = head[1]
        if named := re.match(r"\[\w+\.(\w+)\]|(?:# )?(\w+) = ", line):
            found.add((section, named[1] or named[2]))
    return found


def test_every_setting_stands_in_a_template() -> None:
    sealed, own = settings_in("gpt"), settings_in("blank")
    assert not [each for each in every_setting() if each not in sealed | own]
    policy = {each for each in every_setting() if each[0] == "policy"}
    assert policy <= sealed & own


def test_every_source_of_a_metric_can_be_named() -> None:
    assert {MetricSource.SEALED, *METRIC_SOURCES.values()} == set(MetricSource)
    for name, source in METRIC_SOURCES.items():
        given = {name: "it", "key": "loss" if name == "file" else ""}
        named = MetricSettings(**given)  # type: ignore[arg-type]  # all of them are texts
        assert named.source is source


def test_a_sandbox_can_be_required(tmp_path: Path) -> None:
    assert not load_settings(settings_file(tmp_path, "")).sandbox.require
    assert load_settings(settings_file(tmp_path, "[sandbox]\nrequire = true\n")).sandbox.require


def test_money_and_prices_are_read(tmp_path: Path) -> None:
    read = load_settings(
        settings_file(
            tmp_path,
            "[money]\nstudy_usd = 20\n[preflight.toy]\nDEPTH = 2\nRATIO = 0.5\n"
            "[prices.'openai:m']\ninput = 1\noutput = 2.5\n",
        )
    )
    assert read.money.study_usd == 20.0
    assert read.money.call_usd is None
    assert read.preflight.toy == {"DEPTH": 2, "RATIO": 0.5}
    assert read.prices == {"openai:m": PriceSettings(1.0, 2.5)}


def test_keys_are_read_and_never_shown() -> None:
    environment = {"OPENAI_API_KEY": " sk-secret-12345678 ", "MINE": "abcdefghijkl", "OTHER": "x"}
    keys = Keys.read("MINE", "", environment=environment)
    assert keys.get("OPENAI_API_KEY") == "sk-secret-12345678"
    assert keys.get("MINE") == "abcdefghijkl"
    assert keys.get("OTHER") is None
    assert keys.get("ANTHROPIC_API_KEY") is None
    assert "secret" not in repr(keys)
    assert keys.redact("no sk-secret-12345678, nor sk-secret-1234") == "no [key], nor [key]"


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


def test_a_metric_of_ones_own_is_read_whole(tmp_path: Path) -> None:
    text = OWN + "name = 'val_loss'\n[[guard]]\nname = 'peak_memory_gib'\nmost = 22\n"
    settings = load_settings(settings_file(tmp_path, text))
    assert settings.metric.metric == Metric("val_loss", "loss", source=MetricSource.SUMMARY)
    assert settings.guard == (GuardSettings("peak_memory_gib", most=22.0),)
    assert Settings().metric.metric == BITS_PER_BYTE
