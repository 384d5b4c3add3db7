"""The command line by hand: every mistake is one clear line, the right exit code, nothing lost."""

import gc
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from autoresearch.commands.examples import EXAMPLES
from autoresearch.config import find_project
from autoresearch.records.values import Trust
from autoresearch.registry import Registry, RunLock, schema
from tests.commands import Command
from tests.shares import THOROUGH
from tests.stubs import Night, Scripted, git, make_project, snapshot, variant

Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parent.parent


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    make_project(root)
    monkeypatch.chdir(root)
    return root


def write_texts(folder: Path) -> Path:
    folder.mkdir()
    for number in range(300):
        words = " ".join(f"word{number * 7 % 31} and {number + each}" for each in range(30))
        (folder / f"{number}.txt").write_text(words)
    return folder


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("corpus") / "texts")


@pytest.fixture
def prepared(project: Path, texts: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose corpus is there: no test here changes it, so it is made once."""
    monkeypatch.setenv("AUTORESEARCH_HOME", str(texts.parent / "home"))
    code, _out, err = run("prepare", "--corpus", str(texts))
    assert code == 0, err
    return project


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nights")


@pytest.fixture
def studied(tmp_path: Path, nights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project after a night of a keep and a discard: a copy of one that is made once."""
    made, mine = nights / "project", tmp_path / "project"
    if not made.exists():
        night = Night(make_project(made), Scripted([variant(QUALITY=1.9), variant(QUALITY=2.5)]))
        night.run()
        night.registry.close()
    shutil.copytree(made, mine, symlinks=True)
    monkeypatch.chdir(mine)
    return mine


def one_line(err: str, *parts: str) -> None:
    lines = [line for line in err.splitlines() if not line.startswith(("no --proposer", "warning"))]
    assert len(lines) == 1, err
    assert lines[0].startswith("autoresearch: ")
    for part in parts:
        assert part in lines[0]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys\n"
        "from autoresearch import cli\n"
        f"sys.argv = ['autoresearch', *{arguments!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'sqlmodel', 'sqlalchemy', 'openai', 'anthropic', 'git', 'numpy',"
        " 'datasets', 'optuna', 'alembic'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "HEAVY []" in done.stdout


def test_help_names_every_command(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for command in EXAMPLES:
        assert command in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["status"],
        ["prepare"],
        ["diff", "1"],
        ["promote", "1"],
        ["stop"],
        ["pause"],
        ["resume"],
    ],
)
def test_outside_a_project(
    run: Run, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    one_line(err, "in no autoresearch project", "autoresearch init")


def test_run_before_prepare(run: Run, project: Path) -> None:
    code, _out, err = run("run")
    assert code == 1
    one_line(err, "autoresearch prepare")
    assert not (project / ".autoresearch" / "registry.db").exists()


def test_prepare_says_what_it_took_and_what_it_left(run: Run, project: Path) -> None:
    folder = project.parent / "given"
    folder.mkdir()

    def words(start: int) -> str:
        return " ".join(f"It was {start + number}." for number in range(0, 1500, 3))

    records = [{"id": f"a{n}", "story": words(n)} for n in range(3)]
    lines = "\n".join(map(json.dumps, records)) + "\n{broken\n"
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + lines.encode()))
    (folder / "b.docx").touch()
    (folder / "c.txt").write_bytes(bytes(9))
    code, out, err = run("prepare", "--corpus", str(folder))
    assert code == 0
    assert re.search(r"left out: .*1 binary, 1 malformed", out)
    assert "not read: 1 file (.docx)" in err
    assert f"taken for the text: column story of {folder}/a.jsonl.gz" in err
    assert "warning: 3 documents are few, and cut into " in err
    code, _out, err = run("prepare", "--corpus", str(folder), "--text-column", "tale")
    assert code == 1
    assert "a.jsonl.gz has no text in a column tale, only id, story: name another by" in err


def test_one_flipped_bit_of_the_corpus_is_found_before_a_run_and_prepare_mends_it(
    run: Run, project: Path, texts: Path
) -> None:
    assert run("prepare", "--corpus", str(texts))[0] == 0
    (shard,) = Path(os.environ["AUTORESEARCH_HOME"]).rglob("00000.bin")
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    code, _out, err = run("run", "--experiments", "1", "--proposer", "random")
    assert code == 1
    one_line(err, "00000.bin is missing or damaged", f"prepare --corpus {texts}` again")
    assert not (project / ".autoresearch" / "registry.db").exists()
    code, _out, err = run("prepare", "--corpus", str(texts))
    assert (code, shard.read_bytes()) == (0, whole)
    assert err.endswith("00000.bin is missing or damaged; it is made again\n")


BAD_VALUES = [
    ("--budget", "0", 2),
    ("--budget", "-5", 2),
    ("--budget", "soon", 2),
    ("--hours", "0", 2),
    ("--hours", "-1", 2),
    ("--hours", "nan", 2),
    ("--experiments", "0", 2),
    ("--patience", "-3", 2),
    ("--confirm-share", "1", 2),
    ("--confirm-share", "-0.1", 2),
    ("--devices", "0", 2),
    ("--devices", "9999", 2),
    ("--max-cost", "0", 2),
    ("--max-cost", "-1", 2),
    ("--max-cost", "nan", 2),
    ("--proposer", "oracle", 2),
    ("--proposer", "patches:nowhere", 1),
    ("--proposer", "", 2),
    ("--proposer", "patches:~nosuchuser/x", 1),
    ("--tag", "two words", 2),
    ("--tag", "../up", 2),
    ("--tag", "", 2),
    ("--tag", "-x", 2),
    ("--tag", "a.lock", 2),
]


def test_bad_values_of_run(run: Run, prepared: Path) -> None:
    for option, value, code in BAD_VALUES:
        found, _out, err = run("run", option, value)
        assert found == code, (option, value)
        one_line(err)
        branches = git(prepared, "branch", "--list", "autoresearch/*")
        assert branches == "", (option, value)


def test_a_run_is_here_or_on_a_cluster(run: Run, prepared: Path) -> None:
    code, _out, err = run("run", "--ray", "auto", "--devices", "all")
    assert code == 2
    one_line(err, "leave one of them out")


def test_words_where_numbers_belong_are_usage_errors(run: Run, project: Path) -> None:
    code, _out, err = run("run", "--experiments", "many")
    assert code == 2
    assert "--experiments" in err


def test_where_a_sandbox_is_required_nothing_runs_without(
    run: Run, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "bin" / "bwrap"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho bubblewrap 0.4.1\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")
    with (prepared / "autoresearch.toml").open("a") as settings:
        settings.write("\n[sandbox]\nrequire = true\n")
    code, _out, err = run("run", "--experiments", "1")
    assert code == 1
    one_line(err, "requires a sealed sandbox", "0.8 or later is needed")


def test_a_tag_that_exists_elsewhere(run: Run, prepared: Path) -> None:
    git(prepared, "branch", "autoresearch/mine")
    code, _out, err = run("run", "--tag", "mine")
    assert code == 1
    one_line(err, "autoresearch/mine", "another --tag")


def test_a_missing_git_identity(run: Run, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(os.environ["GIT_CONFIG_GLOBAL"]).write_text("[user]\n\tuseConfigOnly = true\n")
    code, _out, err = run("run")
    assert code == 1
    one_line(err, "git config --global user.name")


def test_a_second_run_is_refused(run: Run, prepared: Path) -> None:
    with RunLock(prepared / ".autoresearch" / "run.lock"):
        code, _out, err = run("run")
    assert code == 1
    one_line(err, "another run is at work", str(os.getpid()))


def test_an_uncommitted_train_py_is_named(run: Run, prepared: Path) -> None:
    git(prepared, "rm", "--cached", "--quiet", "train.py")
    git(prepared, "commit", "--quiet", "-m", "drop")
    code, _out, err = run("run")
    assert code == 1
    one_line(err, "train.py is in no commit yet")


def test_what_a_trial_would_lack_is_one_line_before_the_baseline(run: Run, prepared: Path) -> None:
    (prepared / "helper.py").write_text("X = 1\n")
    (prepared / "train.py").write_text("import helper\n")
    git(prepared, "commit", "-qam", "import")
    code, _, err = run("run", "--experiments", "1", "--budget", "5s")
    assert code == 1
    _, warning, *_, last = err.splitlines()
    said = "helper.py is in no commit, and train.py imports it: a trial does not get it"
    assert warning == f"warning: {said}: `git add --force helper.py` and commit"
    assert "the baseline failed (exception: ModuleNotFoundError: No module named 'helper'; " in last
    assert said in last


def test_refs_in_the_way_end_a_run_before_its_first_row(run: Run, prepared: Path) -> None:
    git(prepared, "update-ref", "refs/autoresearch", "HEAD")
    code, _, err = run("run", "--experiments", "1", "--budget", "5s")
    assert code == 1
    mend = "git update-ref refs/my-autoresearch refs/autoresearch"
    assert f"`{mend} && git update-ref -d refs/autoresearch`" in err.splitlines()[-1]
    assert Registry.open(find_project(prepared).registry).studies() == []


@THOROUGH  # what is said: tests/test_doctor.py
def test_a_device_that_is_not_there_is_said_before_a_study_is_opened(
    run: Run, prepared: Path
) -> None:
    torch = pytest.importorskip("torch")
    if torch.backends.mps.is_available():
        pytest.skip("every device that can be asked for is here")
    settings = (prepared / "autoresearch.toml").read_text()
    (prepared / "autoresearch.toml").write_text(
        settings.replace("[training]", '[training]\ndevice = "mps"')
    )
    code, _, err = run("run", "--experiments", "1", "--budget", "5s")
    assert code == 1
    (line,) = err.splitlines()
    assert "mps is asked for, but PyTorch does not find it: write device" in line
    assert not find_project(prepared).registry.exists()


def test_unknown_numbers(run: Run, studied: Path) -> None:
    for arguments in (["status", "99"], ["diff", "99"], ["diff", "1", "99"], ["promote", "99"]):
        code, out, err = run(*arguments)
        assert (code, out) == (1, ""), arguments
        one_line(err, "no experiment 99: they are 1 to 3")


def test_status_before_any_run(run: Run, project: Path) -> None:
    code, _out, err = run("status")
    assert code == 1
    one_line(err, "autoresearch run")


def test_status_of_an_unknown_study(run: Run, studied: Path) -> None:
    code, _out, err = run("status", "--tag", "may1")
    assert code == 1
    one_line(err, "no study 'may1'", "night")


def test_options_that_exclude_each_other(run: Run, studied: Path) -> None:
    for arguments in (
        ["--json", "--tsv"],
        ["--log"],
        ["1", "--tsv"],
        ["1", "--all"],
        ["1", "--tag", "x"],
        ["1", "--json", "--log"],
        ["--watch", "--json"],
        ["1", "--watch"],
        ["1", "--kept"],
        ["--all", "--last", "3"],
    ):
        code, _out, err = run("status", *arguments)
        assert code == 2
        one_line(err)


def test_what_status_cannot_select_is_said_with_what_it_can(run: Run, studied: Path) -> None:
    for option, typed, said in (
        ("--last", "0", "must be above zero"),
        ("--category", "luck", "it is one of baseline, architecture, "),
        ("--sort", "luck", "it is one of number, score, effect, seconds, cost"),
        ("--since", "luck", 'write how long ago, 8h or 30m, or when, 2026-11-23 or "2026-11-23'),
    ):
        code, out, err = run("status", option, typed)
        assert (code, out) == (2, "")
        one_line(err, f"{option} {typed}: ", said)


def test_what_is_selected_is_in_every_form(run: Run, studied: Path) -> None:
    kept = ["status", "--kept", "--since", "2020-01-01"]
    table, tsv = run(*kept)[1], run(*kept, "--tsv")[1]
    read = json.loads(run(*kept, "--json")[1])
    assert "2 of 3 are asked for" in table
    assert [row.split("\t")[3] for row in tsv.splitlines()] == ["status", "keep", "keep"]
    assert [each["id"] for each in read["experiments"]] == [1, 2]
    assert {each["experiment_id"] for each in read["trials"]} == {1, 2}
    assert len(json.loads(run("status", "--json")[1])["experiments"]) == 3
    assert "0 of 3 are asked for" in run("status", "--since", "2999-01-01")[1]
    assert gc.isenabled()  # what ends at once collects nothing, and leaves it as it was


def test_a_registry_from_the_future(run: Run, studied: Path) -> None:
    registry = Registry.open(studied / ".autoresearch" / "registry.db")
    with registry._engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'")
    registry.close()
    for arguments in (["status"], ["diff", "2"], ["promote", "2"]):
        code, _out, err = run(*arguments)
        assert code == 1
        one_line(err, "newer autoresearch")


def test_a_damaged_registry(run: Run, prepared: Path) -> None:
    path = prepared / ".autoresearch" / "registry.db"
    path.write_bytes(b"garbage " * 1000)
    for arguments in (["status"], ["run"]):
        code, _out, err = run(*arguments)
        assert code == 1
        one_line(err, "damaged")
    assert path.read_bytes() == b"garbage " * 1000


def test_a_glob_that_is_none(run: Run, prepared: Path) -> None:
    (prepared / "autoresearch.toml").write_text('[target]\neditable = ["[z-a].py"]\n')
    code, _out, err = run("run")
    assert code == 1
    one_line(err, "[z-a].py", "is no glob")


def test_a_project_that_does_not_train_is_a_fault(run: Run, prepared: Path) -> None:
    (prepared / "train.py").write_text("raise RuntimeError('it broke')\n")
    git(prepared, "commit", "--quiet", "-am", "break it")
    code, _out, err = run("run", "--experiments", "1")
    assert code == 1
    last = err.splitlines()[-1]
    assert last.startswith("autoresearch: the baseline failed (exception: RuntimeError")
    assert "autoresearch status 1 --log" in last


def test_wrong_settings(run: Run, project: Path) -> None:
    (project / "autoresearch.toml").write_text("[training]\nbugdet = '5m'\n")
    code, _out, err = run("status")
    assert code == 1
    one_line(err, "bugdet", "budget")


def test_a_report_is_two_files_that_git_does_not_see(run: Run, studied: Path) -> None:
    code, out, _err = run("report")
    assert code == 0
    page, picture = (Path(each) for each in out.split())
    assert page == studied / ".autoresearch" / "report" / "report.html"
    assert "bpb below the baseline" in page.read_text("utf-8")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert git(studied, "status", "--porcelain") == ""
    (studied.parent / "taken").touch()
    code, out, err = run("report", "--out", str(studied.parent / "taken"))
    assert (code, out) == (1, "")
    one_line(err, "cannot be written", "--out")
    code, _out, err = run("report", "may1", "--out", str(studied.parent / "elsewhere"))
    assert code == 1
    one_line(err, "no study 'may1'")
    assert not (studied.parent / "elsewhere").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_report_is_served_until_it_is_interrupted(studied: Path, number: int) -> None:
    serving = Command("report", "--serve").until("Ctrl-C ends it")
    with urllib.request.urlopen(serving.out.strip(), timeout=60) as answer:
        assert b"bpb below the baseline" in answer.read()
    serving.send_signal(number)
    assert serving.wait() == 0
    assert len(serving.err.splitlines()) == 1
    assert git(studied, "status", "--porcelain") == ""


def test_a_report_is_served_or_written(run: Run, studied: Path) -> None:
    for arguments, said in (
        (["--port", "8000"], "--port is for --serve"),
        (["--serve", "--out", "x"], "writes no file"),
    ):
        code, out, err = run("report", *arguments)
        assert (code, out) == (2, "")
        one_line(err, said)
    code, _out, err = run("report", "may1", "--serve")
    assert code == 1
    one_line(err, "no study 'may1'")


def test_status_diff_and_promote_tell_the_story(run: Run, studied: Path) -> None:
    code, out, _err = run("status")
    assert code == 0
    assert "keep" in out
    assert "discard" in out
    assert "unsealed" in out
    code, out, _err = run("status", "2")
    assert code == 0
    assert "+QUALITY = 1.9" in out
    code, out, _err = run("diff", "2")
    assert code == 0
    assert "+QUALITY = 1.9" in out
    before = snapshot(studied)
    code, _out, err = run("promote", "2")
    assert code == 1
    one_line(err, "experiment 2 is kept but not confirmed", "--confirm", "--force")
    code, out, _err = run("promote", "2", "--force", "--dry-run")
    assert code == 0
    assert "would become" in out
    assert snapshot(studied) == before
    code, out, err = run("promote", "2", "--force")
    assert code == 0
    assert "no score on test: no corpus yet" in err
    assert "QUALITY = 1.9" in (studied / "train.py").read_text()
    assert "Autoresearch-Val-Bpb: 1.90" in git(studied, "log", "-1", "--format=%B")
    assert git(studied, "status", "--porcelain") == ""


def test_diff_of_a_refused_one_shows_what_was_written(run: Run, project: Path) -> None:
    night = Night(find_project(project), Scripted([variant(QUALITY=1.9), "def main(:\n"]))
    night.run()
    code, out, _err = run("diff", "3")
    assert code == 0
    assert "def main(:" in out
    for arguments in (["3", "2"], ["3", "--patch"], ["3", "--stat"]):
        code, out, err = run("diff", *arguments)
        assert (code, out) == (1, "")
        one_line(err, "experiment 3 was refused before training")
    assert "def main(:" in json.loads(run("diff", "3", "--json")[1])["patch"]


def test_the_whole_way_from_the_baseline(run: Run, studied: Path) -> None:
    code, out, _err = run("diff", "--baseline")
    assert (code, "+QUALITY = 1.9" in out) == (0, True)
    assert out.splitlines()[-1] == "Next: autoresearch promote 2 --confirm"
    assert "+QUALITY = 2.5" in run("diff", "3", "--baseline")[1]
    code, out, _err = run("diff", "--baseline", "--tag", "night", "--stat")
    assert code == 0
    assert [" ".join(line.split()) for line in out.splitlines()] == [
        "train.py +1 -1",
        "1 file: 1 line added, 1 removed",
    ]


def test_a_patch_applies_and_json_has_it_too(run: Run, studied: Path) -> None:
    code, patch, _err = run("diff", "2", "--patch")
    assert code == 0
    told = json.loads(run("diff", "1", "2", "--json")[1])
    assert told["patch"] == patch
    assert (told["comparable"], told["files"][0]["path"]) == (True, "train.py")
    assert told["delta"] < 0
    subprocess.run(["git", "apply", "-"], cwd=studied, input=patch, text=True, check=True)
    there = git(studied, "show", "refs/autoresearch/night/2:train.py")
    assert (studied / "train.py").read_text().rstrip("\n") == there.rstrip("\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "name an experiment (`diff 7`), two (`diff 3 7`), or --baseline"),
        (["1", "2", "--baseline"], 2, "leave the second out"),
        (["2", "--tag", "night"], 2, "--tag belongs to --baseline alone"),
        (["--baseline", "--tag", "may1"], 1, "no study 'may1': they are night"),
        (["2", "--json", "--stat"], 2, "exclude each other"),
        (["2", "99", "--patch"], 1, "no experiment 99: they are 1 to 3"),
        (["1"], 1, "experiment 1 is a baseline: name another"),
    ],
)
def test_what_cannot_be_compared(
    run: Run, studied: Path, arguments: list[str], code: int, said: str
) -> None:
    ended, out, err = run("diff", *arguments)
    assert (ended, out) == (code, "")
    one_line(err, said)


def test_promote_refuses_what_it_should(run: Run, studied: Path) -> None:
    code, _out, err = run("promote", "3")
    assert code == 1
    one_line(err, "was not kept", "--force")
    code, _out, err = run("promote", "1")
    assert code == 1
    one_line(err, "baseline")
    (studied / "prepare.py").write_text("dirty\n")
    code, _out, err = run("promote", "2", "--force")
    assert code == 1
    one_line(err, "uncommitted changes")
    git(studied, "checkout", "--quiet", "prepare.py")
    git(studied, "checkout", "--quiet", "--detach")
    code, _out, err = run("promote", "2", "--force")
    assert code == 1
    one_line(err, "detached HEAD", "--onto")


def test_a_read_only_project(prepared: Path, tmp_path: Path) -> None:
    state = prepared / ".autoresearch"
    command = f"cd {prepared} && {sys.executable} -m autoresearch run"
    if os.geteuid() == 0:  # permissions do not bind root: a read-only mount does
        mount = f"mount --bind {state} {state} && mount -o remount,ro,bind {state}"
        argv = ["unshare", "--mount", "sh", "-c", f"{mount} && {command}"]
    else:
        state.chmod(0o555)
        argv = ["sh", "-c", command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    state.chmod(0o755)
    assert done.returncode == 1
    one_line(done.stderr, "cannot write")


def test_a_corpus_that_lies_open_is_never_sealed(run: Run, project: Path, tmp_path: Path) -> None:
    texts = write_texts(tmp_path / "stdlib")  # as the standard library's own is named
    assert run("prepare", "--corpus", str(texts))[0] == 0
    run("run", "--experiments", "1", "--budget", "1s", "--proposer", "optuna")
    study = Registry.open(project / ".autoresearch" / "registry.db").study()
    assert study is not None
    assert study.trust is Trust.UNSEALED
    toml = project / "autoresearch.toml"
    toml.write_text(toml.read_text() + "[sandbox]\nrequire = true\n")
    code, _out, err = run("run", "--tag", "other", "--proposer", "optuna")
    assert code == 1
    one_line(err, "autoresearch.toml requires")
