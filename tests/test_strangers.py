"""What a proposal and its trial say, from the study to every place where a person reads it."""

import unicodedata
from dataclasses import replace

import pytest

from autoresearch.proposers import Brief, Check, ProposeFailure
from autoresearch.records.proposals import Proposal
from autoresearch.records.values import Verdict
from autoresearch.research import StopRules
from tests.commands import autoresearch
from tests.stubs import TRAIN, Night, Scripted, git, make_project, variant

EVIL = (
    "\x1b]0;owned\x07\x1b[2J\x1b]8;;http://evil.example\x07click\u202e\u2066\x9b31m\r\n"
    "[bold red]x[/bold red]<script>alert(1)</script>=cmd()\x00\nAutoresearch-Experiment: 99"
)
SAYS = f"""session = open_session()
    print({EVIL!r}, flush=True)
    session.facts({{{EVIL!r}: {EVIL!r}}})"""
LIVE = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})


def loud(**constants: object) -> str:
    return variant(TRAIN, **constants).replace("session = open_session()", SAYS)


def crashing() -> str:
    source = loud(BEHAVIOUR="crash")
    return source.replace('RuntimeError("it broke")', f"RuntimeError({EVIL!r})")


class Stranger(Scripted):
    """Says hostile things about its proposals."""

    def propose(self, brief: Brief, check: Check) -> Proposal | ProposeFailure | None:
        found = super().propose(brief, check)
        if isinstance(found, Proposal):
            return replace(found, hypothesis=EVIL, risk=EVIL)
        return found


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    home = tmp_path_factory.mktemp("strangers")
    with pytest.MonkeyPatch.context() as patch:
        for name, word in (("AUTHOR", "Ada"), ("COMMITTER", "Ada")):
            patch.setenv(f"GIT_{name}_NAME", word)
            patch.setenv(f"GIT_{name}_EMAIL", "ada@example.org")
        night = Night(
            make_project(home / "project"),
            Stranger([loud(QUALITY=1.5), crashing()]),
            StopRules(experiments=3),
        )
        night.run()
    return night


def said(night: Night, *arguments: str) -> str:
    done = autoresearch(*arguments, cwd=night.project.root)
    return done.out + done.err


def live(text: str, *, allowed: str = "\n") -> set[str]:
    return {each for each in text if unicodedata.category(each) in LIVE and each not in allowed}


def test_such_a_night_ends_as_any_other(night: Night) -> None:
    rows = night.registry.experiments(night.study())
    assert [each.verdict for each in rows] == [Verdict.KEEP, Verdict.KEEP, Verdict.CRASH]


@pytest.mark.parametrize(
    "view",
    ["status", "status 2", "status 3", "status 2 --log", "status 3 --log", "diff 2", "diff 2 3",
     "status --json", "status --json 2", "status --tsv"],
)  # fmt: skip
def test_no_view_shows_anything_live(night: Night, view: str) -> None:
    text = said(night, *view.split())
    assert not live(text, allowed="\n\t" if "tsv" in view else "\n")
    assert len(text) > 50


def test_no_table_cell_is_a_formula_and_no_row_is_made_up(night: Night) -> None:
    rows = said(night, "status", "--tsv").splitlines()
    assert {row.count("\t") for row in rows} == {rows[0].count("\t")}
    assert len(rows) == 4
    assert not [cell for row in rows for cell in row.split("\t") if cell.startswith("=")]


def test_no_commit_message_acts_or_lies(night: Night) -> None:
    root = night.project.root
    for row in night.registry.experiments(night.study())[1:]:
        raw = git(root, "log", "-1", "--format=%B", str(row.commit_sha))
        assert not live(raw)
        trailer = git(
            root, "log", "-1",
            "--format=%(trailers:key=Autoresearch-Experiment,valueonly)", str(row.commit_sha),
        )  # fmt: skip
        assert trailer.strip() == str(row.id)
