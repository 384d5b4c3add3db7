"""A program that proposes, in the sandbox: it works there, and the study is out of its reach."""

import os
import shutil
from pathlib import Path

import pytest

from autoresearch import sandbox as sandboxes
from autoresearch.config import Keys, Settings
from autoresearch.errors import ProposerError
from autoresearch.proposers import Brief, ProposeFailure, ProposerContext, build
from autoresearch.proposers.specs import parse
from autoresearch.records.proposals import Proposal
from autoresearch.records.values import Trust
from autoresearch.sandbox import Sandbox
from tests.sandboxes import level
from tests.stubs import FreeLedger, accepted

pytestmark = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")

SOURCE = "DEPTH = 4\n"
SCRIPT = """\
sed -i 's/DEPTH = 4/DEPTH = 5/' train.py
echo "hypothesis: deeper"
echo
echo "login: $(cat $HOME/.login)"
for secret in {state}/registry.db {root}/.git/HEAD {corpora}/val; do
  cat $secret > /dev/null 2>&1 && echo "LEAK $secret"
done
echo broken > {root}/train.py 2> /dev/null && echo "LEAK checkout"
echo remembered > $HOME/.cache-of-mine
exit 0
"""


def means_at(tmp_path: Path, sandbox: Sandbox) -> ProposerContext:
    """A person's home with a project in it, and a sandbox for programs."""
    home = tmp_path / "person"
    root = home / "project"
    root.mkdir(parents=True, exist_ok=True)
    return ProposerContext(
        settings=Settings(),
        keys=Keys({}),
        endpoints={},
        environment={**os.environ, "HOME": str(home)},
        root=root,
        project=root,
        prompts=root / "prompts",
        work=tmp_path / "work",
        sandbox=sandbox,
    )


@pytest.mark.parametrize("name", ["bubblewrap", "landlock"])
def test_a_program_that_the_sandbox_hides_is_named(tmp_path: Path, name: str) -> None:
    means = means_at(tmp_path, level(name))
    away, home = tmp_path / "away", tmp_path / "person"
    away.mkdir()
    for place in (away, home):
        (place / "mine.sh").write_text("true\n")
        (place / "plain").write_text("#!/bin/sh\n")
        (place / "foreign").write_text(f"#!{away}/plain\n")
        for each in ("plain", "foreign"):
            (place / each).chmod(0o755)
    (home / "linked").symlink_to(away / "plain")
    for command in (f"sh {home}/mine.sh", f"{home}/plain", f"{away}/plain", f"{home}/linked"):
        build(parse(f"command:{command}"), means)
    for command, hidden in ((f"sh {away}/mine.sh", "mine.sh"), (f"{home}/foreign", "plain")):
        with pytest.raises(ProposerError, match=f"the sandbox hides {away}/{hidden} from it"):
            build(parse(f"command:{command}"), means)


def test_a_program_works_and_reaches_nothing_of_the_study(tmp_path: Path) -> None:
    home, corpora = tmp_path / "person", tmp_path / "corpora"
    root = home / "project"
    state = root / ".autoresearch"
    for folder in (state, root / ".git", corpora, tmp_path / "work"):
        folder.mkdir(parents=True)
    for secret in (state / "registry.db", root / ".git" / "HEAD", corpora / "val"):
        secret.write_text("secret")
    (root / "train.py").write_text(SOURCE)
    (home / ".login").write_text("yes")
    script = home / "proposer.sh"
    script.write_text(SCRIPT.format(state=state, root=root, corpora=corpora))
    sandbox = sandboxes.detect(os.environ, (state, root / ".git", corpora))
    assert sandbox.trust is Trust.SEALED
    means = means_at(tmp_path, sandbox)
    ledger = FreeLedger()
    proposer = build(parse(f"command:sh {script}"), means)(ledger, lambda: False, print)
    brief = Brief(
        "s", 2, 1, program="", entry="train.py",
        files={"train.py": SOURCE}, base_files={"train.py": SOURCE}, salt="s",
    )  # fmt: skip
    made = proposer.propose(brief, accepted)
    assert not isinstance(made, ProposeFailure), made
    assert isinstance(made, Proposal)
    assert "+DEPTH = 5" in made.change.text
    assert made.hypothesis == "deeper"
    said = ledger.settled[1].answer
    assert "login: yes" in said
    assert "LEAK" not in said
    assert (root / "train.py").read_text() == SOURCE
    assert (home / ".cache-of-mine").read_text() == "remembered\n"
