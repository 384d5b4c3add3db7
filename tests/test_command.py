"""Commands as proposers: real programs, good and bad ones, in a real registry's ledger."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from autoresearch.config import CommandSettings, Keys
from autoresearch.errors import ProposerError
from autoresearch.patching import apply_diff
from autoresearch.proposers import Brief, Check, ProposeFailure
from autoresearch.proposers import checkout as copies
from autoresearch.proposers.checkout import checkout
from autoresearch.proposers.command import CommandProposer
from autoresearch.proposers.programs import find_program, run
from autoresearch.records.money import CallEnding, CallState, Caps
from autoresearch.records.proposals import ChangeFormat, Proposal, Rejection
from autoresearch.records.tables import Call
from autoresearch.records.training import Limits
from autoresearch.records.values import Category
from autoresearch.registry import Registry
from autoresearch.registry.packing import unpack
from tests.processes import guarded_children
from tests.rows import a_study

TRAIN = "DEPTH = 4\nWIDTH = 8\n"
PREPARE = "VOCAB = 2048\n"
KEY = "sk-secret-0123456789abcdef"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="rests on a subreaper")
GOOD = """
sed -i.bak 's/DEPTH = 4/DEPTH = 5/' train.py && rm train.py.bak
cat > PROPOSAL.md <<'END'
hypothesis: a deeper model learns more
category: architecture
predicted_delta: -0.004
risk: fewer steps
END
echo done
"""
BLOCKS = """hypothesis: a wider model learns more
category: architecture
predicted_delta: -0.01
risk: slower

train.py
<<<<<<< SEARCH
WIDTH = 8
=======
WIDTH = 16
>>>>>>> REPLACE
"""


def brief(**changes: object) -> Brief:
    values: dict[str, object] = {
        "study": "t",
        "number": 2,
        "incumbent_id": 1,
        "program": "",
        "entry": "train.py",
        "files": {"train.py": TRAIN},
        "base_files": {"train.py": TRAIN},
        "fixed_files": {"prepare.py": PREPARE, "docs/notes.md": "notes\n"},
    }
    return Brief(**(values | changes))  # type: ignore[arg-type]


def accepted(_: Proposal) -> Rejection | None:
    return None


def by_its_fault(proposal: Proposal) -> Rejection | None:
    return Rejection(proposal.fault) if proposal.fault else None


class Desk:
    """A registry, a folder for programs, and what commands are built from.

    A program's time is up once it has made the file `here`, however slow the machine is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.here = folder / "here"
        self.keys = Keys({"OPENAI_API_KEY": KEY})
        self.registry = Registry.open(folder / "registry.db", create=True)
        self.study = self.registry.save(a_study("t"))

    def proposer(
        self,
        script: str,
        *,
        shell: str = "sh",
        arguments: str = "",
        caps: Caps | None = None,
        stop: Callable[[], bool] = lambda: False,
        **settings: object,
    ) -> CommandProposer:
        program = self.folder / "program"
        program.write_text(script)
        command = f"{shell} '{program}' {arguments}".strip()
        return CommandProposer(
            f"command:{command}",
            find_program(command, os.environ),
            settings=CommandSettings(**{"timeout": "20m", **settings}),  # type: ignore[arg-type]
            write=lambda told: f"Improve {told.entry}.",
            explain=lambda _told, refused: f"<data>{refused.reason}</data>",
            ledger=self.registry.ledger(self.study, caps or Caps()),
            limits=Limits(log=256 * 1024),
            work=self.work,
            environment={**os.environ, "OPENAI_API_KEY": KEY},
            redact=self.keys.redact,
            stop=stop,
            now=lambda: time.monotonic() + 10_000 * self.here.exists(),
            date=lambda: datetime(2026, 11, 29, 1, 0, tzinfo=UTC),
        )

    def propose(
        self, script: str, told: Brief | None = None, check: Check = accepted, **options: object
    ) -> Proposal | ProposeFailure:
        got = self.proposer(script, **options).propose(told or brief(), check)  # type: ignore[arg-type]
        assert list(self.work.iterdir()) == []  # nothing is left behind
        assert guarded_children() == []
        return got

    def python(
        self, script: str, told: Brief | None = None, check: Check = accepted, **options: object
    ) -> Proposal | ProposeFailure:
        options["shell"] = f"'{sys.executable}' -S"
        return self.propose(script, told, check, **options)

    def calls(self) -> list[Call]:
        return self.registry.calls(self.study, whole=True)

    def call(self) -> Call:
        [call] = self.calls()
        return call


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def proposed(got: Proposal | ProposeFailure) -> Proposal:
    assert isinstance(got, Proposal), got
    return got


def unable(got: Proposal | ProposeFailure) -> ProposeFailure:
    assert isinstance(got, ProposeFailure), got
    return got


def after(proposal: Proposal, told: Brief | None = None) -> Mapping[str, str]:
    told = told or brief()
    files = {**told.fixed_files, **told.files}
    applied = apply_diff(files, proposal.change.text)
    assert not isinstance(applied, Rejection), applied.reason
    return applied


def answer(call: Call) -> str:
    return unpack(call.answer).decode()


def only_train(proposal: Proposal) -> Rejection | None:
    return Rejection("prepare.py is fixed") if "prepare.py" in proposal.change.text else None


class TestFinding:
    @pytest.mark.parametrize(
        ("command", "complaint"),
        [
            ("no-such-program -p", "no program no-such-program on PATH"),
            ("sh 'unclosed", "no closing quotation"),
            ("  ", "which program"),
            ("/etc/passwd", "no program /etc/passwd"),
        ],
    )
    def test_what_is_no_command_is_told_at_once(self, command: str, complaint: str) -> None:
        with pytest.raises(ProposerError, match=complaint):
            find_program(command, os.environ)

    def test_the_program_is_found_on_the_given_path_and_at_home(self, tmp_path: Path) -> None:
        program = tmp_path / "mine"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        assert find_program("mine -p 'a b'", {"PATH": str(tmp_path)}) == (str(program), "-p", "a b")
        assert find_program("~/mine", {"HOME": str(tmp_path)}) == (str(program),)


class TestAGoodProgram:
    def test_its_edit_is_the_proposal(self, desk: Desk) -> None:
        proposal = proposed(desk.propose(GOOD))
        assert after(proposal)["train.py"] == "DEPTH = 5\nWIDTH = 8\n"
        assert proposal.change.format is ChangeFormat.DIFF
        assert proposal.hypothesis == "a deeper model learns more"
        assert proposal.category is Category.ARCHITECTURE
        assert proposal.predicted_delta == -0.004
        assert proposal.risk == "fewer steps"
        assert proposal.proposer.startswith("command:sh ")

    def test_its_run_is_in_the_ledger(self, desk: Desk) -> None:
        proposal = proposed(desk.propose(GOOD, usd=0.25))
        call = desk.call()
        assert proposal.calls == (call.id,)
        assert (call.proposer, call.provider, call.model) == (proposal.proposer, "command", "sh")
        assert (call.purpose, call.price) == ("propose", "autoresearch.toml")
        assert (call.state, call.ending) == (CallState.SETTLED, CallEnding.ANSWERED)
        assert (call.cost_usd, call.reserved_usd) == (0.25, 0.25)
        assert call.latency_seconds > 0
        assert answer(call) == "done"

    def test_without_a_price_it_costs_nothing(self, desk: Desk) -> None:
        desk.propose(GOOD, caps=Caps(run=1.0))
        assert (desk.call().cost_usd, desk.call().price) == (0.0, "")

    def test_it_is_told_the_brief_on_stdin_and_by_name(self, desk: Desk) -> None:
        got = desk.propose(
            'cat > /dev/null; cmp "$1" BRIEF.md; cat BRIEF.md >&2', arguments="{brief}"
        )
        assert "made no change" in unable(got).reason
        assert answer(desk.call()) == "Improve train.py."
        desk.propose("cat; pwd; ls", told=brief(fixed_files={"BRIEF.md": "mine"}))
        assert answer(desk.calls()[1]).startswith("Improve train.py.")
        assert "\n_BRIEF.md" in answer(desk.calls()[1])

    def test_it_works_in_a_repository_of_its_own(self, desk: Desk) -> None:
        script = (
            "git status --porcelain; git log --format=%an; cat docs/notes.md; git rev-parse "
            "--show-toplevel; rm -rf .git; git rev-parse --show-toplevel"
        )
        subprocess.run(["git", "init", "-q", desk.folder], check=True)  # one it must not find
        desk.propose(script)
        changed, author, notes, top, *rest = answer(desk.call()).splitlines()
        assert (changed, author, notes) == ("?? BRIEF.md", "autoresearch", "notes")
        assert top.startswith(f"{desk.work}/command-")
        assert rest == []

    def test_commits_it_makes_count_too(self, desk: Desk) -> None:
        commit = "git -c user.name=a -c user.email=a commit -qam x"
        assert "DEPTH = 5" in after(proposed(desk.propose(f"{GOOD}\n{commit}")))["train.py"]

    def test_new_files_that_the_globs_name_are_taken(self, desk: Desk) -> None:
        told = brief(editable=("train.py", "lib/**"))
        script = (
            "mkdir -p lib/a; echo 'X = 1' > lib/a/b.py; echo 'Y = 1' > other.py; "
            "printf '\\377' > lib/c"
        )
        files = after(proposed(desk.propose(script, told)), told)
        assert set(files) == {"train.py", "prepare.py", "docs/notes.md", "lib/a/b.py"}

    def test_our_own_files_are_never_taken(self, desk: Desk) -> None:
        told = brief(editable=("**",), fixed_files={})
        assert set(after(proposed(desk.propose(GOOD, told)), told)) == {"train.py"}

    def test_line_ends_stay_as_they_are(self, desk: Desk) -> None:
        told = brief(files={"train.py": "A = 1\r\nB = 2\r\n"})
        proposal = proposed(desk.propose("sed -i 's/B = 2/B = 3/' train.py", told))
        assert after(proposal, told)["train.py"] == "A = 1\r\nB = 3\r\n"


class TestWords:
    def test_the_header_may_be_on_stdout(self, desk: Desk) -> None:
        script = (
            "echo 'DEPTH = 5' > train.py; echo '**Hypothesis:** deeper'; echo 'category: bug fix'"
        )
        proposal = proposed(desk.propose(script))
        assert (proposal.hypothesis, proposal.category) == ("deeper", Category.BUG_FIX)

    def test_the_header_may_be_on_stderr_in_colour_or_in_json(self, desk: Desk) -> None:
        said = "hypothesis: deeper\\\\ncategory: bug fix"
        for script in (
            "printf '\\033[1mhypothesis:\\033[0m deeper\\ncategory: bug fix\\n' >&2; echo ok",
            f'printf \'{{"type":"result","result":"{said}"}}\\n\'',
        ):
            proposal = proposed(desk.propose(f"echo 'DEPTH = 5' > train.py; {script}"))
            assert (proposal.hypothesis, proposal.category) == ("deeper", Category.BUG_FIX)

    def test_without_a_header_the_last_line_counts(self, desk: Desk) -> None:
        script = (
            "echo 'DEPTH = 5' > train.py; echo first; printf 'I made it \\033[1mdeep\\033[0m\\n\\n'"
        )
        assert proposed(desk.propose(script)).hypothesis == "I made it deep"

    def test_who_says_nothing_is_named(self, desk: Desk) -> None:
        assert proposed(desk.propose("echo 'A = 5' > train.py")).hypothesis == "a change by sh"

    def test_what_it_was_told_is_not_taken_for_its_words(self, desk: Desk) -> None:
        script = "cat; echo 'A = 5' > train.py; echo; echo 'hypothesis: my own'"
        assert proposed(desk.propose(script)).hypothesis == "my own"

    def test_a_note_of_the_project_is_not_the_proposals(self, desk: Desk) -> None:
        told = brief(fixed_files={"PROPOSAL.md": "hypothesis: an old one\n"})
        assert proposed(desk.propose("echo 'A = 5' > train.py; echo new", told)).hypothesis == "new"


class TestPrintedEdits:
    def test_are_the_change_where_no_file_was_edited(self, desk: Desk) -> None:
        script = f"echo ==========; echo '======='; cat <<'END'\n{BLOCKS}END\necho I hope it helps"
        proposal = proposed(desk.propose(script))
        assert proposal.hypothesis == "a wider model learns more"
        assert after(proposal)["train.py"] == "DEPTH = 4\nWIDTH = 16\n"
        nameless = BLOCKS.partition("train.py\n")[2]
        proposal = proposed(desk.propose(f"cat <<'END'\n{nameless}END"))
        assert proposal.hypothesis == "a change by sh"  # never the mark in its last line

    def test_edited_files_go_before_them(self, desk: Desk) -> None:
        assert "DEPTH = 5" in proposed(desk.propose(f"{GOOD}cat <<'END'\n{BLOCKS}END")).change.text

    def test_a_cut_block_is_kept_and_refused(self, desk: Desk) -> None:
        cut = BLOCKS.partition(">>>>>>>")[0]
        proposal = proposed(desk.propose(f"cat <<'END'\n{cut}END", check=by_its_fault))
        assert proposal.fault != ""
        assert "WIDTH = 16" in proposal.change.text
        assert desk.calls()[0].sent_back == proposal.fault


class TestFixedFiles:
    def test_changes_to_them_are_left_out_and_noted(self, desk: Desk) -> None:
        proposal = proposed(desk.propose(f"{GOOD}\necho 'VOCAB = 1' > prepare.py"))
        assert after(proposal)["prepare.py"] == PREPARE
        assert "left out: its changes to prepare.py" in desk.call().detail

    def test_where_they_are_all_that_changed_it_is_sent_back(self, desk: Desk) -> None:
        script = (
            "echo 'VOCAB = 1' > prepare.py; "
            "if grep -q 'prepare.py is fixed'; then echo 'A = 1' > train.py; fi"
        )
        proposal = proposed(desk.propose(script, check=only_train))
        assert after(proposal)["train.py"] == "A = 1\n"
        assert [call.purpose for call in desk.calls()] == ["propose", "repair"]

    def test_and_kept_if_that_is_no_help(self, desk: Desk) -> None:
        proposal = proposed(desk.propose("rm prepare.py", check=only_train))
        assert "prepare.py" in proposal.change.text
        assert "it changed only prepare.py" in desk.calls()[0].detail


class TestRepair:
    def test_a_refused_change_is_sent_back_once(self, desk: Desk) -> None:
        script = "grep -q 'too deep' && depth=3; echo DEPTH = ${depth:-9} > train.py"
        checked: list[str] = []

        def check(proposal: Proposal) -> Rejection | None:
            checked.append(proposal.change.text)
            return Rejection("too deep") if "DEPTH = 9" in proposal.change.text else None

        proposal = proposed(desk.propose(script, check=check, usd=0.1))
        first, second = desk.calls()
        assert after(proposal)["train.py"] == "DEPTH = 3\n"
        assert proposal.calls == (first.id, second.id)
        assert (first.sent_back, second.sent_back) == ("too deep", "")
        assert len(checked) == 1

    def test_it_finds_its_own_files_again_and_what_is_refused_twice_is_returned(
        self, desk: Desk
    ) -> None:
        proposal = proposed(
            desk.propose("echo '# more' >> train.py", check=lambda _: Rejection("no"))
        )
        assert after(proposal)["train.py"] == f"{TRAIN}# more\n# more\n"
        assert len(proposal.calls) == 2

    @pytest.mark.parametrize(
        "worse", ["git checkout -q .", "touch {}; sleep 600", "rm train.py; mkfifo train.py"]
    )
    def test_a_repair_that_makes_it_worse_leaves_the_first(self, desk: Desk, worse: str) -> None:
        worse = worse.format(desk.here)
        script = f"if grep -q refused; then {worse}; else echo 'A = 1' > train.py; fi"
        proposal = proposed(desk.propose(script, check=lambda _: Rejection("no")))
        assert after(proposal)["train.py"] == "A = 1\n"
        assert len(proposal.calls) == 2

    def test_a_repair_that_cannot_start_leaves_the_first_and_costs_nothing(
        self, desk: Desk
    ) -> None:
        script = "echo 'A = 1' > train.py; cd ..; mv project gone"
        proposal = proposed(desk.propose(script, check=lambda _: Rejection("no"), usd=0.5))
        assert after(proposal)["train.py"] == "A = 1\n"
        first, second = desk.calls()
        assert second.detail == "sh cannot be run: No such file or directory"
        assert (second.ending, first.cost_usd, second.cost_usd) == (CallEnding.UNREACHABLE, 0.5, 0)

    def test_no_repair_is_paid_that_the_cap_forbids(self, desk: Desk) -> None:
        got = desk.propose(GOOD, check=lambda _: Rejection("no"), usd=0.6, caps=Caps(run=1.0))
        assert len(proposed(got).calls) == 1
        assert len(desk.calls()) == 1


class TestMoney:
    def test_nothing_runs_once_the_cap_is_reached(self, desk: Desk) -> None:
        mark = desk.folder / "ran"
        got = unable(desk.propose(f"touch '{mark}'", usd=2.0, caps=Caps(study=1.0)))
        assert got.final
        assert got.planned
        assert "cap of $1.00" in got.reason
        assert not mark.exists()
        assert desk.calls() == []


class TestFailing:
    def test_a_failure_is_told_with_its_last_line(self, desk: Desk) -> None:
        got = unable(desk.propose(f"echo hello; echo 'not logged in: {KEY}' >&2; exit 3"))
        assert got == ProposeFailure("sh made no change: exit status 3: not logged in: [key]")
        assert desk.call().ending is CallEnding.EMPTY
        assert desk.call().detail == got.reason

    def test_a_failure_told_in_json_is_told_in_its_words(self, desk: Desk) -> None:
        script = 'echo \'{"type":"error","message":"not logged in"}\'; exit 1'
        assert (
            unable(desk.propose(script)).reason == "sh made no change: exit status 1: not logged in"
        )

    def test_nothing_done_and_nothing_said(self, desk: Desk) -> None:
        assert desk.propose("true") == ProposeFailure("sh made no change")

    @pytest.mark.parametrize("end", ["exit 1", "kill -TERM $$"])
    def test_half_an_edit_is_no_proposal(self, desk: Desk, end: str) -> None:
        script = f"echo 'DEPTH = 5' > train.py; echo 'hypothesis: deeper'; echo broken >&2; {end}"
        got = unable(desk.propose(script, usd=0.5))
        assert got.reason.startswith("sh failed, and what it changed is not taken: e")
        assert got.reason.endswith(": broken")
        assert (desk.call().ending, desk.call().cost_usd) == (CallEnding.CUT, 0.5)

    def test_printed_edits_of_a_failed_run_are_none_either(self, desk: Desk) -> None:
        got = desk.propose(f"cat <<'END'\n{BLOCKS}END\nexit 1")
        assert "what it changed is not taken" in unable(got).reason

    def test_a_whole_note_after_the_edits_makes_an_odd_exit_a_proposal(self, desk: Desk) -> None:
        proposed(desk.propose(f"{GOOD}\nexit 1"))
        assert (desk.call().ending, desk.call().detail) == (CallEnding.ANSWERED, "exit status 1")

    def test_an_earlier_note_speaks_for_no_later_run(self, desk: Desk) -> None:
        script = f"if grep -q refused; then echo '# half' >> train.py; exit 1; fi\n{GOOD}"
        proposal = proposed(desk.propose(script, check=lambda _: Rejection("no")))
        assert "# half" not in proposal.change.text
        assert [call.ending for call in desk.calls()] == [CallEnding.ANSWERED, CallEnding.CUT]

    def test_a_signal(self, desk: Desk) -> None:
        got = unable(desk.propose("kill -SEGV $$"))
        assert got.reason == "sh made no change: ended by SIGSEGV"
        assert desk.call().ending is CallEnding.CUT

    def test_a_program_that_is_gone_by_then(self, desk: Desk, tmp_path: Path) -> None:
        program = tmp_path / "mine"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        proposer = desk.proposer("", shell=str(program))
        program.unlink()
        got = unable(proposer.propose(brief(), accepted))
        assert "exit status 127" in got.reason

    def test_a_place_that_cannot_be_written(self, desk: Desk) -> None:
        desk.work.write_text("a file")
        got = unable(desk.proposer(GOOD).propose(brief(), accepted))
        assert "cannot make a copy of the project" in got.reason
        assert desk.calls() == []

    def test_an_exception_in_between_settles_the_call(self, desk: Desk) -> None:
        def fail() -> bool:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            desk.propose("sleep 60", stop=fail, usd=0.5)
        assert guarded_children() == []
        assert (desk.call().ending, desk.call().cost_usd) == (CallEnding.CUT, 0.5)


class TestLimits:
    def test_a_limit_rests_until_its_reset_and_is_no_run(self, desk: Desk) -> None:
        said = "You've hit your usage limit · resets 3:20am (Europe/Brussels)"
        for script in (
            f'echo "{said}"; exit 1',
            f"printf '\\033[31m%s\\033[0m\\n' \"{said}\" >&2",
            'echo \'{"type":"error","message":"usage limit: try again in 80 minutes"}\'',
        ):
            got = unable(desk.propose(script, usd=0.5))
            call = desk.calls()[-1]
            assert (got.retry_after, got.final) == (80 * 60.0, False)
            assert got.reason.startswith("sh asks to be left alone until 02:20: ")
            assert got.reason.endswith(("(Europe/Brussels)", "try again in 80 minutes"))
            assert (call.ending, call.cost_usd) == (CallEnding.RATE_LIMITED, 0.0)
            assert call.detail == got.reason

    def test_who_worked_before_it_is_paid_and_rests(self, desk: Desk) -> None:
        script = "echo 'A = 1' > train.py; echo 'Rate limit: try again in 30s' >&2; exit 1"
        got = unable(desk.propose(script, usd=0.5))
        assert (got.retry_after, desk.call().cost_usd) == (30.0, 0.5)

    def test_who_ends_well_with_a_change_only_talks_of_it(self, desk: Desk) -> None:
        proposed(desk.propose("echo 'A = 1' > train.py; echo 'rate limit: try again in 30s'"))


class TestTime:
    def test_a_hanging_program_and_its_children_are_ended(self, desk: Desk) -> None:
        script = f"trap '' INT TERM; sleep 601 & echo thinking; touch {desk.here}; sleep 602"
        got = unable(desk.propose(script, usd=0.5))
        assert got.reason == "sh was ended after 1200 seconds: thinking"
        assert not got.final
        assert (desk.call().ending, desk.call().cost_usd) == (CallEnding.TIMED_OUT, 0.5)

    @LINUX
    def test_who_daemonised_is_dead_afterwards(self, desk: Desk) -> None:
        script = """
import os, time
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(write, str(os.getpid()).encode())
        time.sleep(600)
    os._exit(0)
print(os.read(read, 100).decode())
open("train.py", "w").write("A = 1")
"""
        assert proposed(desk.python(script)).hypothesis.isdigit()
        pid = int(answer(desk.call()))
        assert not psutil.pid_exists(pid)

    def test_we_can_end_it(self, desk: Desk) -> None:
        asked = desk.folder / "asked"
        got = unable(desk.propose(f"touch {asked}; sleep 600", stop=asked.exists))
        assert got.reason == "sh was ended: the run stops"


class TestOutput:
    def test_a_flood_neither_blocks_nor_stays(self, desk: Desk) -> None:
        script = """
import os
for number in range(300):
    os.write(1, b"x" * 99_999 + b"\\n")
    os.write(2, b"y" * 99_999 + b"\\n")
print("hypothesis: a flood")
open("train.py", "w").write("A = 1\\n")
"""
        assert proposed(desk.python(script)).hypothesis == "a flood"
        assert len(answer(desk.call())) <= 40_000

    def test_a_flood_without_an_end_is_ended(self, desk: Desk) -> None:
        unable(desk.propose("yes & yes >&2", timeout="1s"))
        assert desk.call().ending is CallEnding.TIMED_OUT

    def test_hostile_bytes_are_made_harmless(self, desk: Desk) -> None:
        desk.propose("printf 'a\\000b\\033]0;title\\007\\377\\n'; echo 'A = 1' > train.py")
        assert answer(desk.call()).isprintable()

    def test_a_program_that_reads_nothing(self, desk: Desk) -> None:
        proposed(desk.propose(f"exec < /dev/null\n{GOOD}"))


class TestKeys:
    def test_are_not_in_its_environment(self, desk: Desk) -> None:
        desk.propose("env; tr '\\0' '\\n' < /proc/self/environ 2> /dev/null")
        told = answer(desk.call())
        assert "OPENAI_API_KEY" not in told
        assert "[key]" not in told
        names = {line.partition("=")[0] for line in told.splitlines()}
        known = {"PATH", "HOME", "LANG", "TERM", "GIT_CEILING_DIRECTORIES", "PWD", "OLDPWD", "_"}
        assert names <= known | {"SHLVL", "LC_CTYPE"}
        assert "TERM=dumb" in told

    def test_those_the_person_names_are_but_nowhere_else(self, desk: Desk) -> None:
        script = (
            "echo \"A = '$OPENAI_API_KEY'\" > train.py; "
            'echo "hypothesis: use $OPENAI_API_KEY"; echo "risk: $OPENAI_API_KEY"; '
            'test "$OPENAI_API_KEY" = ' + KEY
        )
        proposal = proposed(desk.propose(script, environment=("OPENAI_API_KEY", "NOT_SET")))
        assert desk.call().detail == ""  # it did get it
        stored = f"{proposal}{desk.call()}{answer(desk.call())}"
        assert KEY not in stored
        assert "[key]" in proposal.change.text
        assert proposal.hypothesis == "use [key]"


NASTY = {
    "a link": ("ln -sf /etc/passwd train.py", "train.py is a link now"),
    "a link to nowhere": ("ln -sf /nowhere train.py", "train.py is a link now"),
    "a pipe": ("rm train.py; mkfifo train.py", "train.py is no plain file any more"),
    "a folder": ("rm train.py; mkdir train.py", "train.py is no plain file any more"),
    "huge": ("truncate -s 100M train.py", "train.py is 104857600 bytes long now"),
    "binary": ("printf '\\377\\376' > train.py", "train.py is no UTF-8 text now"),
    "a hard link": ("ln train.py other", "train.py has a second name now"),
    "crowded": ("mkdir d; cd d; seq 301 | xargs touch", "holds more than 300 files"),
}


class TestWhatItLeaves:
    @pytest.mark.parametrize("nasty", NASTY)
    def test_is_never_followed_waited_for_or_read_whole(
        self, desk: Desk, nasty: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(copies, "MAX_ENTRIES", 300)
        script, reason = NASTY[nasty]
        got = unable(desk.propose(f"grep -q refused || {{ {script}; }}"))
        assert reason in got.reason
        first, second = desk.calls()
        assert first.ending is second.ending is CallEnding.MALFORMED
        assert reason in first.sent_back

    def test_it_may_mend_that(self, desk: Desk) -> None:
        script = (
            "rm train.py; ln -s x train.py; "
            "if grep -q 'is a link now'; then rm train.py; echo 'A = 1' > train.py; fi"
        )
        proposal = proposed(desk.propose(script))
        assert after(proposal)["train.py"] == "A = 1\n"
        assert len(proposal.calls) == 2

    @pytest.mark.parametrize("script", ["rm train.py", "rm -rf * .git", "cd ..; rm -rf *"])
    def test_a_removed_file_is_a_change_that_is_refused_elsewhere(
        self, desk: Desk, script: str
    ) -> None:
        proposal = proposed(desk.propose(script))
        assert "+++ /dev/null" in proposal.change.text
        assert "train.py" in proposal.change.text

    def test_a_linked_folder_is_not_entered(self, desk: Desk) -> None:
        told = brief(files={"src/train.py": TRAIN}, editable=("src/**",))
        secret = desk.folder / "secret"
        secret.mkdir()
        (secret / "train.py").write_text("SECRET = 1\n")
        proposal = proposed(desk.propose(f"rm -r src; ln -s '{secret}' src", told))
        assert "SECRET" not in proposal.change.text
        assert "+++ /dev/null" in proposal.change.text

    def test_a_linked_checkout_is_not_entered(self, desk: Desk) -> None:
        secret = desk.folder / "secret"
        secret.mkdir()
        (secret / "train.py").write_text("SECRET = 1\n")
        script = f"cd ..; mv project gone; ln -s '{secret}' project"
        got = desk.propose(script, check=lambda _: Rejection("no"))
        assert "SECRET" not in str(got)
        assert sorted(path.name for path in secret.iterdir()) == ["train.py"]

    def test_the_brief_is_not_written_through_a_link(self, desk: Desk) -> None:
        target = desk.folder / "precious"
        target.write_text("precious")
        script = f"echo '# x' >> train.py; ln -sf '{target}' BRIEF.md"
        desk.propose(script, check=lambda _: Rejection("no"))
        assert target.read_text() == "precious"

    def test_a_note_that_is_a_pipe(self, desk: Desk) -> None:
        assert proposed(desk.propose("mkfifo PROPOSAL.md; echo 'A = 1' > train.py; echo so"))

    def test_too_many_new_bytes(self, desk: Desk) -> None:
        told = brief(editable=("**",), fixed_files={})
        script = (
            "for n in 1 2 3 4 5 6 7 8 9; do head -c 1000000 /dev/zero | tr '\\0' x > $n.py; done"
        )
        assert "MiB of new files" in unable(desk.propose(script, told)).reason

    def test_folders_a_thousand_deep_and_folders_without_rights(self, desk: Desk) -> None:
        script = """
import os
open("train.py", "w").write("A = 1\\n")
os.mkdir("shut")
open("shut/file", "w").close()
os.chmod("shut", 0)
"""
        deep = "for _ in range(1500):\n    os.mkdir('d')\n    os.chdir('d')\n"
        proposed(desk.python(script + deep))


class TestCheckout:
    def test_paths_that_leave_the_folder_are_not_written(self, tmp_path: Path) -> None:
        files = {"../out.py": "x", "/abs.py": "x", "in.py": "x", ".git/config": "x"}
        with checkout(tmp_path / "work", files, os.environ) as copy:
            assert sorted(path.name for path in copy.folder.iterdir()) == [".git", "in.py"]
            assert not (copy.folder.parent / "out.py").exists()
            assert "x" not in (copy.folder / ".git/config").read_text().split()

    def test_no_hook_filter_or_repository_of_the_persons_has_a_say(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mark, hooks = tmp_path / "ran", tmp_path / "hooks"
        hooks.mkdir()
        (hooks / "pre-commit").write_text(f"#!/bin/sh\ntouch '{mark}'\n")
        (hooks / "pre-commit").chmod(0o755)
        config = tmp_path / "config"
        config.write_text(
            f'[core]\n\thooksPath = {hooks}\n[filter "f"]\n\tclean = touch {mark}\n'
            f"[init]\n\ttemplateDir = {tmp_path}\n"
        )
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
        monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
        files = {"train.py": "x", ".gitattributes": "* filter=f\n", ".gitignore": "*\n"}
        with checkout(tmp_path / "work", files, os.environ) as copy:
            assert (copy.folder / ".git/HEAD").is_file()
            assert not (copy.folder / ".git/hooks").exists()
        assert not mark.exists()
        assert not (tmp_path / "elsewhere").exists()


class TestExecution:
    def test_a_folder_that_is_gone(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            run(
                ["true"], cwd=tmp_path / "gone", environment={}, told="", timeout=5,
                limits=Limits(), stop=lambda: False,
            )  # fmt: skip

    def test_files_have_a_largest_size(self, tmp_path: Path) -> None:
        ran = run(
            ["sh", "-c", "head -c 5000 /dev/zero > big"], cwd=tmp_path, environment=os.environ,
            told="", timeout=200, limits=Limits(file_size=1000), stop=lambda: False,
        )  # fmt: skip
        assert ran.oddity != ""
        assert (tmp_path / "big").stat().st_size <= 1000
