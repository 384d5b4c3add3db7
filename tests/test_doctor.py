"""`doctor` on real projects and real servers: every fault is named with its mend, no key shown."""

import json
import os
import shutil
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch import cli, sandbox
from autoresearch.config import find_project
from autoresearch.doctor import machine, missing_device, starting
from autoresearch.doctor.endings import Endpoint, judged
from autoresearch.doctor.finding import Level, ok
from autoresearch.doctor.project import registry as registry_findings
from autoresearch.records.money import CallEnding, Settlement
from autoresearch.records.values import Trust, Verdict
from autoresearch.registry import Registry, RunLock
from autoresearch.sandbox import Detection, Unsealed
from tests.fake_llm import FakeLlm, Tokens, answer, failure, hang, raw
from tests.listener import Listener
from tests.rows import a_study, an_experiment
from tests.stubs import TRAIN, git, make_project, snapshot
from tests.test_migrations import first_registry, version_of
from tests.test_program import GOOD

TRIED = starting.program
KEY = "sk-a-secret-that-nobody-may-see-1234"
PRICED = '[prices."openai:fake@{url}"]\ninput = 2.0\noutput = 8.0\n'


class Doctor:
    """The command in this process, and what it said."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch
        self.code = 0

    def says(self, *arguments: str) -> str:
        self._monkeypatch.setattr(sys, "argv", ["autoresearch", "doctor", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        self.code = int(ended.value.code or 0)
        out, err = self._capsys.readouterr()
        assert err == ""
        return out

    def finds(self, subject: str, *arguments: str) -> tuple[str, str, str]:
        """Return the level, what is said and the mend of a subject, by --json."""
        told = json.loads(self.says("--json", *arguments))
        every = [each for chapter in told["chapters"] for each in chapter["findings"]]
        (found,) = (each for each in every if each["subject"] == subject)
        assert (self.code == 1) == (told["level"] == "fault")
        assert bool(found["mend"]) == (found["level"] != "ok")
        return found["level"], found["said"], found["mend"]


@pytest.fixture(scope="module")
def around() -> Detection:
    return sandbox.examine(dict(os.environ), ())


@pytest.fixture
def doctor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, around: Detection
) -> Doctor:
    """The command on a machine that is looked at once: a sandbox is made and tried to know it."""
    monkeypatch.setattr(sandbox, "examine", lambda *_: around)
    monkeypatch.setattr(sandbox, "detect", lambda _environment: around.sandbox)
    monkeypatch.setattr(starting, "program", lambda *_: ok("entry", "not tried in this test"))
    for name in ("TMPDIR", "ANTHROPIC_BASE_URL", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return Doctor(capsys, monkeypatch)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    make_project(root)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def prepared(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(300):
        words = " ".join(f"word{number * 7 % 31} and {number + each}" for each in range(30))
        (texts / f"{number}.txt").write_text(words)
    monkeypatch.setattr(sys, "argv", ["autoresearch", "prepare", "--corpus", str(texts)])
    with pytest.raises(SystemExit):
        cli.main()
    return project


def configure(root: Path, *texts: str) -> None:
    path = root / "autoresearch.toml"
    path.write_text(path.read_text() + "".join(f"\n{text}\n" for text in texts))
    git(root, "commit", "--quiet", "-am", "configure")


def test_a_sound_project_has_no_fault_and_is_left_as_it_was(
    doctor: Doctor, prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    (prepared / "program.md").write_text(GOOD)
    git(prepared, "commit", "--quiet", "-am", "think")
    before = snapshot(prepared)
    out = doctor.says()
    assert doctor.code == 0, out
    assert "fault" not in out
    assert "proposer optuna, as run chooses" in out
    assert "needs no key and no network; 3 constants in train.py" in out or "optuna" in out
    assert out.splitlines()[-2].startswith("ready to run; warnings: ")
    assert out.splitlines()[-1] == "Next: autoresearch run --hours 8"
    assert snapshot(prepared) == before
    assert not (prepared / ".autoresearch" / "registry.db").exists()


def test_every_finding_is_one_line_and_every_fault_has_its_mend(
    doctor: Doctor, project: Path
) -> None:
    lines = doctor.says("--proposer", "oracle").splitlines()
    for number, line in enumerate(lines):
        if line.startswith(("  fault", "  warning")):
            assert lines[number + 1].strip().startswith("→ ")
    assert lines[-1].startswith("2 to mend first")
    assert doctor.code == 1


def test_a_test_notification_is_sent_where_it_is_asked_for(
    doctor: Doctor, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(project, '[notify]\nurls = ["$PHONE"]')
    with Listener() as phone:
        monkeypatch.setenv("PHONE", phone.url("up"))
        assert doctor.finds("$PHONE", "--notify", "--offline")[0] == "ok"
        assert phone.bodies == []
        assert "was taken" in doctor.finds("$PHONE", "--notify")[1]
        assert phone.bodies[0]["title"] == "project: a test"


def test_outside_a_project_the_machine_and_the_proposers_are_still_looked_at(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    level, said, mend = doctor.finds("project")
    assert (level, mend) == ("fault", "make one with `autoresearch init`")
    assert "in no autoresearch project" in said
    assert doctor.finds("python")[0] == "ok"
    assert doctor.finds("optuna")[0] == "ok"
    assert doctor.finds("random", "--proposer", "random")[0] == "ok"


@pytest.mark.parametrize(
    ("settings", "word"),
    [("[training]\nbugdet = '5m'\n", "did you mean budget"), ("[training\n", "autoresearch.toml")],
)
def test_wrong_settings(doctor: Doctor, project: Path, settings: str, word: str) -> None:
    (project / "autoresearch.toml").write_text(settings)
    level, said, mend = doctor.finds("settings")
    assert level == "fault"
    assert word in said
    assert "autoresearch.toml" in mend


def test_before_prepare(doctor: Doctor, project: Path) -> None:
    assert doctor.finds("corpus") == ("fault", "no corpus yet", "run `autoresearch prepare`")


def test_a_corpus_with_its_fingerprint_and_one_of_another_vocabulary(
    doctor: Doctor, prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    level, said, _ = doctor.finds("corpus")
    assert level == "ok"
    assert "documents: train " in said
    configure(prepared, "[corpus]\nvocab_size = 512")
    level, said, mend = doctor.finds("vocabulary")
    assert level == "fault"
    assert "[corpus] says 512" in said
    assert "autoresearch prepare" in mend


def test_a_corpus_with_one_flipped_bit(
    doctor: Doctor, prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    (shard,) = Path(os.environ["AUTORESEARCH_HOME"]).rglob("00000.txt")
    data = shard.read_bytes()
    shard.write_bytes(bytes([data[0] ^ 4]) + data[1:])
    level, said, mend = doctor.finds("corpus")
    assert level == "fault"
    assert said.endswith("train/00000.txt is missing or damaged")
    assert mend.startswith("run `autoresearch prepare --corpus /")


def test_a_corpus_that_is_gone(
    doctor: Doctor, prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    shutil.rmtree(os.environ["AUTORESEARCH_HOME"])
    level, said, mend = doctor.finds("corpus")
    assert level == "fault"
    assert "no longer" in said
    assert "autoresearch prepare" in mend


def test_git_that_is_not_there(
    doctor: Doctor, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    level, said, mend = doctor.finds("git")
    assert level == "fault"
    assert "not installed" in said
    assert "git-scm.com" in mend


def test_a_folder_that_is_no_repository(doctor: Doctor, project: Path) -> None:
    shutil.rmtree(project / ".git")
    assert doctor.finds("git")[2] == "make one with `git init`"


def test_a_repository_without_a_commit(doctor: Doctor, project: Path) -> None:
    shutil.rmtree(project / ".git")
    git(project, "init", "--quiet")
    assert "git commit" in doctor.finds("git")[2]


def test_no_author(doctor: Doctor, project: Path) -> None:
    Path(os.environ["GIT_CONFIG_GLOBAL"]).write_text("[user]\n\tuseConfigOnly = true\n")
    level, _, mend = doctor.finds("author")
    assert level == "fault"
    assert "git config --global user.name" in mend


def test_what_is_not_committed(doctor: Doctor, project: Path) -> None:
    assert doctor.finds("changes")[0] == "ok"
    (project / "train.py").write_text("QUALITY = 3.0\n")
    assert doctor.finds("changes")[0] == "warning"


@pytest.mark.parametrize(
    ("target", "level", "word"),
    [
        ('editable = ["train.py"]', "ok", "train.py"),
        ('editable = ["[z-a].py"]', "fault", "is no glob"),
        ('editable = ["train.py", "src/**/*.py"]', "fault", "named by src/**/*.py"),
        ('editable = ["*.py"]', "warning", "may change prepare.py"),
        ('editable = ["train.py"]\nentry = "main.py"', "fault", "main.py, which a trial runs"),
    ],
)
def test_editable_files(doctor: Doctor, project: Path, target: str, level: str, word: str) -> None:
    configure(project, f"[target]\n{target}")
    found, said, _ = doctor.finds("editable")
    assert found == level
    assert word in said


# What a program does at its start, and how that is judged; the stub itself asserts what no corpus
# of chance has.
STARTS = {
    "what it imports is in no commit": (
        "import helper\n",
        "fault",
        "helper.py is in no commit",
    ),
    "nothing has that name": (
        "import no_such_module\n",
        "fault",
        "No module named 'no_such_module'",
    ),
    "a file that is not there": ("open('gone.txt')\n", "fault", "FileNotFoundError"),
    "toy values may be why": ("", "warning", "the incumbent's own smoke test failed at train.py"),
}


@pytest.mark.parametrize(("line", "level", "word"), STARTS.values(), ids=STARTS)
def test_the_program_is_tried_as_a_trial_would(
    doctor: Doctor,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    level: str,
    word: str,
) -> None:
    monkeypatch.setattr(starting, "program", TRIED)
    (project / "helper.py").write_text("X = 1\n")
    (project / "train.py").write_text(line + TRAIN)
    git(project, "commit", "--quiet", "--allow-empty", "-am", "change")
    found, said, mend = doctor.finds("entry")
    assert found == level
    assert word in said
    assert mend
    if "helper" in line:
        assert mend == "`git add --force helper.py` and commit"
        assert doctor.finds("files")[0] == "warning"


def test_a_program_that_needs_what_is_no_text_is_tried_with_all_that_is_committed(
    doctor: Doctor, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "program", TRIED)
    (project / "table.bin").write_bytes(b"\0\xff")
    (project / "train.py").write_text("open('table.bin').close()\nimport no_such_module\n")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "change")
    assert "no_such_module" in doctor.finds("entry")[1]
    assert doctor.finds("files")[0] == "ok"


def test_refs_in_the_way_and_a_study_that_is_checked_out(doctor: Doctor, project: Path) -> None:
    assert doctor.finds("refs")[0] == "ok"
    before = snapshot(project)
    git(project, "branch", "autoresearch")
    level, said, mend = doctor.finds("refs")
    assert (level, mend) == ("fault", "`git branch -m autoresearch my-autoresearch`")
    assert said.startswith("your branch autoresearch is in the way of the study's branch")
    git(project, "branch", "-D", "autoresearch")
    assert snapshot(project) == before
    registry = Registry.open(project / ".autoresearch" / "registry.db", create=True)
    registry.save(a_study("night", base_commit=git(project, "rev-parse", "HEAD")))
    git(project, "checkout", "--quiet", "-b", "autoresearch/night")
    level, said, mend = doctor.finds("refs")
    assert level == "fault"
    assert f"autoresearch/night is checked out in {project}" in said + mend


def test_a_study_that_a_run_would_not_continue(
    doctor: Doctor, prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert doctor.finds("study")[0] == "ok"
    registry = Registry.open(prepared / ".autoresearch" / "registry.db", create=True)
    head = git(prepared, "rev-parse", "HEAD")
    study = registry.save(a_study("night", base_commit=head, comparability='{"device": "cuda"}'))
    assert doctor.finds("study")[0] == "ok"  # nothing is scored: it may begin anew
    registry.save(an_experiment(study, verdict=Verdict.KEEP, commit_sha=head, val_bpb=1.9))
    registry.close()
    level, said, mend = doctor.finds("study")
    assert level == "fault"
    assert "study night was run with " in said + mend
    assert "start a new study with --tag" in said + mend
    assert doctor.finds("refs")[0] == "ok"


def test_an_older_registry_is_looked_at_and_stays_as_it_was(
    doctor: Doctor, prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    path = prepared / ".autoresearch" / "registry.db"
    first_registry(path)
    before = version_of(path)
    assert doctor.finds("refs")[0] == "ok"
    assert doctor.finds("study")[0] == "fault"  # it was another project's
    assert version_of(path) == before


def test_beside_a_run_nothing_is_tried(doctor: Doctor, project: Path) -> None:
    registry = Registry.open(project / ".autoresearch" / "registry.db", create=True)
    registry.close()
    with RunLock(project / ".autoresearch" / "run.lock"):
        assert doctor.finds("start") == ("ok", "not tried: a run is at work", "")


def test_who_needs_no_device_is_not_asked_to_import_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `run` says of one that is missing: `tests/test_cli.py`."""
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    assert missing_device("cpu", Unsealed({})) is None
    said = "cuda is asked for, but Python cannot be started: No such file or directory"
    assert str(missing_device("cuda", Unsealed({}))).startswith(said)


def test_a_registry_whole_damaged_and_at_work(doctor: Doctor, project: Path) -> None:
    assert "none yet" in doctor.finds("registry")[1]
    path = find_project(project).registry
    registry = Registry.open(path, create=True)
    registry.save(a_study("night"))
    registry.close()
    assert doctor.finds("registry")[:2] == ("ok", "whole; studies: 1, the newest night")
    assert doctor.finds("lock")[1].startswith("free")
    with RunLock(find_project(project).lock):
        level, said, _ = doctor.finds("lock")
    assert level == "ok"
    assert str(os.getpid()) in said
    path.write_bytes(b"garbage " * 1000)
    level, said, mend = doctor.finds("registry")
    assert level == "fault"
    assert "damaged" in said
    assert "restore a copy" in mend


@pytest.mark.parametrize(("tolerance", "noise", "told"), [(0.5, 0.06, True), (0.02, 1e-3, False)])
def test_a_study_that_computes_too_coarsely(
    project: Path, tolerance: float, noise: float, told: bool
) -> None:
    found = find_project(project)
    registry = Registry.open(found.registry, create=True)
    registry.save(a_study("loud", audit_tolerance=tolerance, audit_noise=noise))
    registry.close()
    warnings = [each for each in registry_findings(found) if each.subject == "audit"]
    assert [("0.06 nats" in each.said, "float32" in each.mend) for each in warnings] == (
        [(True, True)] if told else []
    )


def test_checkpoints_that_take_much_of_their_room(doctor: Doctor, project: Path) -> None:
    assert doctor.finds("checkpoints")[:2] == ("ok", "0, 0.0 of 16 GiB")
    toml = project / "autoresearch.toml"
    toml.write_text(toml.read_text().replace("[training]", "[training]\ncheckpoints_gib = 1e-6"))
    place = find_project(project).checkpoints / "trial-3"
    place.mkdir(parents=True)
    (place / "model.safetensors").write_bytes(b"x" * 1000)
    level, said, mend = doctor.finds("checkpoints")
    assert level == "warning"
    assert said.startswith("1, 0.0 of 1e-06 GiB: soon the oldest give way")
    assert "checkpoints_gib" in mend


def test_a_work_folder_of_somebody_elses(
    doctor: Doctor, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor.finds("work folder")[0] == "ok"
    find_project(project).work.parent.chmod(0o777)
    level, said, mend = doctor.finds("work folder")
    assert level == "fault"
    assert "not yours alone" in said
    assert "TMPDIR" in mend
    find_project(project).work.parent.chmod(0o700)
    monkeypatch.setenv("TMPDIR", "/nowhere/at/all")
    level, said, mend = doctor.finds("work folder")
    assert level == "warning"
    assert "/nowhere/at/all" in said


def test_the_device_asked_for(doctor: Doctor, project: Path) -> None:
    torch = pytest.importorskip("torch")
    assert doctor.finds("torch")[1].startswith(torch.__version__)
    here = "ok" if not torch.cuda.is_available() else "warning"
    assert doctor.finds("device")[0] == here
    configure(project, "[corpus]\nvocab_size = 2048")
    text = (project / "autoresearch.toml").read_text()
    (project / "autoresearch.toml").write_text(text.replace("grace", 'device = "cuda"\ngrace'))
    level, said, mend = doctor.finds("device")
    if torch.cuda.is_available():
        assert said.startswith("cuda: ")
    else:
        assert level == "fault"
        assert "cuda is asked for" in said
        assert mend


def test_memory_disk_and_sandbox(tmp_path: Path) -> None:
    assert machine.memory(0.5).level is Level.OK
    assert machine.memory(10**6).level is Level.WARNING
    there = machine.disk("disk", tmp_path / "not" / "yet")
    assert str(tmp_path) in there.said
    unsealed = Unsealed({})
    found = Detection(unsealed, ("bubblewrap is not installed",))
    told = machine.sandbox(found, required=False)
    assert (told.level, told.mend) == (Level.WARNING, "bubblewrap is not installed")
    assert machine.sandbox(found, required=True).level is Level.FAULT
    sealed = Detection(replace(unsealed, trust=Trust.SEALED))
    assert machine.sandbox(sealed, required=True).level is Level.OK


def test_a_program_that_is_missing_vague_or_against_the_rules(
    doctor: Doctor, project: Path
) -> None:
    out = doctor.says()
    assert "is very short" in out
    (project / "program.md").write_text(f"{GOOD}\nEdit prepare.py where it is slow.\n")
    level, said, mend = doctor.finds("program.md")
    assert level == "warning"
    assert "asks to change what is fixed" in said
    assert mend
    (project / "program.md").unlink()
    assert doctor.finds("program.md")[:2] == ("fault", "is not there")


def test_a_model_that_answers(doctor: Doctor, project: Path) -> None:
    with FakeLlm([answer("yes")], endless=True) as fake:
        level, said, _ = doctor.finds("call", "--proposer", f"openai:fake@{fake.v1}")
        assert level == "ok"
        assert said.startswith("fake answers in ")
        assert doctor.finds("price", "--proposer", f"openai:fake@{fake.v1}")[1] == (
            "$0.00 in, $0.00 out for a million tokens (loopback)"
        )
        assert fake.requests[0].body["max_tokens"] <= 16
        before = len(fake.requests)
        assert (
            "not made"
            in doctor.finds("call", "--offline", "--proposer", f"openai:fake@{fake.v1}")[1]
        )
        assert len(fake.requests) == before


def test_a_priced_model_costs_a_fraction_of_a_cent(doctor: Doctor, project: Path) -> None:
    with FakeLlm([answer("yes"), answer("yes", uncounted=True)] * 2) as fake:
        configure(project, PRICED.format(url=fake.v1))
        spec = f"openai:fake@{fake.v1}"
        assert doctor.finds("price", "--proposer", spec)[1] == (
            "$2.00 in, $8.00 out for a million tokens (autoresearch.toml)"
        )
        assert "usage not reported" in doctor.finds("call", "--proposer", spec)[1]
        assert ", $0.00" in doctor.finds("call", "--proposer", spec)[1]


def test_the_call_is_in_the_ledger_of_the_latest_study(doctor: Doctor, project: Path) -> None:
    registry = Registry.open(find_project(project).registry, create=True)
    study = registry.save(a_study("night"))
    with FakeLlm([answer("yes")], endless=True) as fake:
        configure(project, PRICED.format(url=fake.v1))
        assert doctor.finds("call", "--proposer", f"openai:fake@{fake.v1}")[0] == "ok"
        (call,) = registry.calls(study)
        assert (call.purpose, call.ending) == ("check", CallEnding.ANSWERED)
        assert 0 < call.cost_usd < 0.01
        configure(project, "[money]\nstudy_usd = 0.000001\ncall_usd = 0.1")
        level, said, mend = doctor.finds("call", "--proposer", f"openai:fake@{fake.v1}")
        assert level == "warning"
        assert "not made: the study's cap" in said
        assert "[money]" in mend
        level, said, _ = doctor.finds("caps", "--proposer", f"openai:fake@{fake.v1}")
        assert level == "warning"
        assert "$0.1000 of [money] call_usd" in said
        assert len(fake.requests) == 1
    registry.close()


ANSWERS = [
    ("openai", 401, "fault", "unauthorized", "_API_KEY is refused"),
    ("openai", 402, "fault", "no credit", "add credit"),
    ("openai", 404, "fault", "not found", "check the spelling"),
    ("openai", 429, "warning", "rate limited", "waits"),
    ("openai", 503, "warning", "overloaded", "tries again"),
    ("openai", 400, "fault", "bad request", "effort"),
    ("anthropic", 401, "fault", "unauthorized", "_API_KEY is refused"),
    ("anthropic", 503, "warning", "overloaded", "tries again"),
]
MORE_ANSWERS = [
    ("anthropic", 402, "fault", "no credit", "add credit"),
    ("anthropic", 404, "fault", "not found", "check the spelling"),
    ("anthropic", 429, "warning", "rate limited", "waits"),
    ("anthropic", 400, "fault", "bad request", "effort"),
]


@pytest.mark.parametrize(
    ("provider", "status", "level", "ending", "word"),
    [*ANSWERS, *(pytest.param(*row, marks=pytest.mark.thorough) for row in MORE_ANSWERS)],
)
def test_what_a_provider_may_answer(
    doctor: Doctor,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    status: int,
    level: str,
    ending: str,
    word: str,
) -> None:
    model = {"anthropic": "claude-opus-4-1", "openai": "gpt-5"}[provider]
    with FakeLlm([failure(status, f"no: {KEY}")], endless=True) as fake:
        monkeypatch.setenv(f"{provider.upper()}_API_KEY", KEY)
        url = fake.url if provider == "anthropic" else fake.v1
        monkeypatch.setenv(f"{provider.upper()}_BASE_URL", url)
        spec = f"{provider}:{model}"
        found, said, mend = doctor.finds("call", "--proposer", spec)
        assert (found, said.partition(":")[0]) == (level, ending)
        assert word in mend
        assert f"from {provider.upper()}_BASE_URL" in doctor.finds("endpoint")[1]
        assert KEY[4:] not in doctor.says("--proposer", spec)


def test_no_key(doctor: Doctor, project: Path) -> None:
    level, said, mend = doctor.finds("key", "--proposer", "anthropic:claude-opus-4-1")
    assert (level, said) == ("fault", "ANTHROPIC_API_KEY is not set")
    assert "export ANTHROPIC_API_KEY=" in mend
    assert "million tokens" in doctor.finds("price", "--proposer", "anthropic:claude-opus-4-1")[1]


def test_a_server_that_wants_the_key_of_another_variable(
    doctor: Doctor, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeLlm([failure(401), answer("yes")]) as fake:
        spec = f"openai:fake@{fake.v1}"
        assert "[llm] key_variable" in doctor.finds("call", "--proposer", spec)[2]
        configure(project, '[llm]\nkey_variable = "MY_SERVERS_KEY"')
        assert doctor.finds("key", "--proposer", spec)[1] == "MY_SERVERS_KEY is not set"
        monkeypatch.setenv("MY_SERVERS_KEY", KEY)
        assert doctor.finds("call", "--proposer", spec)[0] == "ok"
        assert fake.requests[-1].headers["authorization"] == f"Bearer {KEY}"


def test_a_price_that_nobody_knows(
    doctor: Doctor, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    level, said, mend = doctor.finds("price", "--proposer", "openai:no-such-model-at-all")
    assert level == "fault"
    assert "no price is known" in said
    assert '[prices."openai:no-such-model-at-all"]' in mend


def test_a_server_that_is_not_there(doctor: Doctor, project: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and never listening: refused
        url = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        level, said, mend = doctor.finds("call", "--proposer", f"openai:qwen3@{url}")
    assert level == "fault"
    assert "cannot be reached" in said
    assert f"is the server running at {url}?" in mend


def test_a_server_that_hangs_is_not_waited_for_longer_than_a_call_may_take(
    doctor: Doctor, project: Path
) -> None:
    configure(project, '[llm]\ntimeout = "4s"')
    with FakeLlm([hang()]) as fake:
        began = time.monotonic()
        level, _, mend = doctor.finds("call", "--proposer", f"openai:fake@{fake.v1}")
        assert time.monotonic() - began < 150  # a server of one's own has three minutes
    assert level == "warning"
    assert "loading" in mend


def test_a_server_that_cuts_long_prompts_without_a_word(doctor: Doctor, project: Path) -> None:
    counts = (Tokens(4096, 1), Tokens(2050, 1), Tokens(9000, 1), None)
    with FakeLlm([answer("yes", tokens=tokens) for tokens in counts]) as fake:
        told = [doctor.says("--proposer", f"openai:fake@{fake.v1}") for _ in counts]
        assert min(len(request.text) for request in fake.requests) > 45_000
    cut = ["seems to cut long prompts without a word" in each for each in told]
    assert cut == [True, True, False, False]
    assert "the server counted 2,050 tokens of 46," in told[1]
    assert "OLLAMA_CONTEXT_LENGTH" in told[1]
    with FakeLlm([answer("yes")]) as fake:  # at this price so long a question is too dear
        configure(project, PRICED.format(url=fake.v1))
        assert doctor.finds("call", "--proposer", f"openai:fake@{fake.v1}")[0] == "ok"
        assert len(fake.requests[0].text) < 1000


def test_a_server_that_speaks_another_language(doctor: Doctor, project: Path) -> None:
    with FakeLlm([raw("<html>hello</html>")], endless=True) as fake:
        level, said, mend = doctor.finds("call", "--proposer", f"openai:fake@{fake.v1}")
        assert (level, said.partition(":")[0]) == ("fault", "malformed")
        assert "speaks the provider's API" in mend
        level, _, mend = doctor.finds("call", "--proposer", f"openai:fake@{fake.url}")
        assert level == "fault"
        assert "/v1" in mend


def test_other_proposers(
    doctor: Doctor, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doctor.finds("spec", "--proposer", "oracle")[0] == "fault"
    assert doctor.finds("patches", "--proposer", "patches:nowhere")[0] == "fault"
    (tmp_path / "won").mkdir()
    (tmp_path / "won" / "1.patch").write_text("diff --git a/train.py b/train.py\n")
    assert doctor.finds("patches", "--proposer", f"patches:{tmp_path / 'won'}")[0] == "ok"
    assert doctor.finds("program", "--proposer", "command:nosuchprogram -p")[0] == "fault"
    assert doctor.finds("program", "--proposer", f"command:{sys.executable} x.py")[0] == "ok"
    configure(project, '[command]\nenvironment = ["MY_TOKEN"]\n\n[money]\nstudy_usd = 5.0')
    spec = f"command:{sys.executable} x.py"
    assert "MY_TOKEN" in doctor.finds("environment", "--proposer", spec)[1]
    assert "[command] usd" in doctor.finds("price", "--proposer", spec)[2]
    (project / "train.py").write_text("print(1)\n")
    assert doctor.finds("constants", "--proposer", "optuna")[0] == "fault"
    assert doctor.finds("constants", "--proposer", "random")[0] == "fault"


def test_a_key_on_the_command_line_is_not_repeated(
    doctor: Doctor, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    out = doctor.says("--proposer", f"command:nosuchprogram --key {KEY}\x1b[2J")
    assert KEY not in out
    assert "\x1b" not in out
    for padding in range(330, 380, 3):  # wherever a long text is cut, no part of a key is left
        out = doctor.says("--offline", "--proposer", f"{'x' * padding}{KEY}")
        assert KEY[:12] not in out


@pytest.mark.parametrize("ending", CallEnding)
@pytest.mark.parametrize(
    "endpoint",
    [
        Endpoint("m", "ANTHROPIC_API_KEY"),
        Endpoint("m", "OPENAI_API_KEY", "https://gate.example", "OPENAI_BASE_URL"),
        Endpoint("m", "", "http://localhost:11434/v1"),
    ],
)
def test_every_ending_has_words(ending: CallEnding, endpoint: Endpoint) -> None:
    found = judged(Settlement(ending, None, detail="so it went"), endpoint)
    spoke = ending in (CallEnding.ANSWERED, CallEnding.TRUNCATED, CallEnding.EMPTY)
    assert (found.level is Level.OK) == spoke
    assert found.mend or spoke
