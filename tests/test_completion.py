"""What the shell completes: cheap, harmless, and never in the way."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch.commands import completion
from autoresearch.records.known_corpora import KNOWN_CORPORA
from autoresearch.records.values import Verdict
from autoresearch.report.selection import Order
from tests.rendering import Fabricated

ASKED = (
    completion.experiments, completion.keeps, completion.tags, completion.notes,
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "autoresearch.toml").touch()
    (tmp_path / ".autoresearch").mkdir()
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    return tmp_path


def test_numbers_tags_and_proposers_come_from_the_registry(project: Path) -> None:
    night = Fabricated(project / ".autoresearch")
    night.night()
    evil = "$(touch owned) `id` \\$(x) \" ' ; | & > < ( ) {\n\x1b[2J\u202e}"
    row = night.add(Verdict.KEEP, 1.8, evil, parent=2)
    night.registry.save(row.model_copy(update={"proposer": "command:$(touch owned)"}))
    assert [number for number, _ in completion.experiments("")] == list("7654321")
    assert completion.experiments("2") == [("2", "keep, raise the matrix learning rate")]
    assert [number for number, _ in completion.keeps("")] == ["7", "2"]
    assert completion.tags("n") == [("nov23", "autoresearch/nov23")]
    assert completion.tags("x") == []
    told = completion.experiments("7")[0][1]
    assert not set(told) & set("$`\\\"';|&><(){}\n\x1b\u202e:")
    names = [name for name, _ in completion.proposers("")]
    assert set(names) == {"anthropic:", "openai:", "command:", "optuna", "random", "patches:"}
    assert not any("$" in name for name in names)
    assert completion.corpora("tiny") == [("tinystories", "short stories")]
    assert [name for name, _ in completion.corpora("")] == [*KNOWN_CORPORA, "hf:"]


@pytest.mark.parametrize("what", ["nothing", "garbage", "a folder", "of another version"])
def test_whatever_is_wrong_completes_to_nothing(project: Path, what: str) -> None:
    path = project / ".autoresearch" / "registry.db"
    if what == "garbage":
        path.write_bytes(b"garbage" * 1000)
    elif what == "a folder":
        path.mkdir()
    elif what == "of another version":
        path.touch()
    assert [ask("") for ask in ASKED] == [[]] * len(ASKED)
    assert ("optuna", "other values for the constants") in completion.proposers("")


def test_the_shell_is_answered_without_anything_heavy(project: Path) -> None:
    Fabricated(project / ".autoresearch").night()
    script = (
        "import sys, atexit\n"
        "heavy = {'torch', 'sqlmodel', 'sqlalchemy', 'git', 'numpy', 'alembic'}\n"
        "atexit.register(lambda: print('HEAVY', sorted(heavy & set(sys.modules))))\n"
        "from autoresearch import cli\n"
        "sys.argv = ['autoresearch']\n"
        "cli.main()\n"
    )
    asked = {
        "_AUTORESEARCH_COMPLETE": "complete_bash",
        "COMP_WORDS": "autoresearch diff ",
        "COMP_CWORD": "2",
    }
    place = {"PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", script, ], capture_output=True, text=True, check=False,
        env={**os.environ, **asked, **place}, cwd=project,
    )  # fmt: skip
    assert done.stdout.split("HEAVY")[0].split() == list("654321"), done.stderr
    assert "HEAVY []" in done.stdout


def test_categories_and_orders_are_completed_too(project: Path) -> None:
    assert completion.categories("") == []
    Fabricated(project / ".autoresearch").night()
    assert [name for name, _ in completion.categories("o")] == ["optimizer"]
    assert [name for name, _ in completion.orders("")] == list(Order)
