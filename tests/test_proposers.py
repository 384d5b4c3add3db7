import gzip
import lzma
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.config import Keys, Settings
from autoresearch.errors import ProposerError
from autoresearch.patching import Number, apply_diff, numbers, set_constants
from autoresearch.preflight import check
from autoresearch.proposers import Brief, HistoryEntry, Proposer, ProposerContext, build
from autoresearch.proposers.optuna import OptunaProposer
from autoresearch.proposers.random_search import RandomProposer
from autoresearch.proposers.space import Choice, Range, rounded, span
from autoresearch.proposers.specs import parse
from autoresearch.proposers.tuning import search_space
from autoresearch.records.proposals import Change, Patch, Proposal, Rejection
from autoresearch.records.values import Category, Verdict
from autoresearch.sandbox import Unsealed
from tests.fake_llm import FakeLlm, Tokens, answer
from tests.stubs import FreeLedger, accepted

Kind = type[OptunaProposer | RandomProposer]
SOURCE = """DEPTH = 4  # layers
MATRIX_LR = 0.04
ADAM_BETA = 0.95
WARMUP_RATIO = 0.0
BATCH = 2**16
USE_GATES = True
SEED = 1
PATTERN = "SSSL"
BETAS = (0.8, 0.95)
"""


def brief(
    source: str = SOURCE,
    history: tuple[HistoryEntry, ...] = (),
    number: int = 2,
    base: str = SOURCE,
) -> Brief:
    return Brief(
        study="t",
        number=number,
        incumbent_id=1,
        program="",
        entry="train.py",
        files={"train.py": source},
        base_files={"train.py": base},
        history=history,
    )


def proposed(proposer: Proposer, told: Brief) -> Proposal:
    proposal = proposer.propose(told, accepted)
    assert isinstance(proposal, Proposal)
    return proposal


def after(proposal: Proposal, source: str = SOURCE) -> str:
    files = apply_diff({"train.py": source}, proposal.change.text)
    assert not isinstance(files, Rejection), files.reason
    return files["train.py"]


def past(proposal: Proposal, source: str, number: int, bpb: float | None = 2.0) -> HistoryEntry:
    return HistoryEntry(
        id=number,
        proposer=proposal.proposer,
        hypothesis=proposal.hypothesis,
        change=proposal.change,
        verdict=Verdict.CRASH if bpb is None else Verdict.DISCARD,
        val_bpb=bpb,
        constants=numbers(source),
    )


def made(spec: str, root: Path, tell: Callable[[str], None] = print) -> Proposer:
    """The proposer that a spec names, in a folder."""
    means = ProposerContext(
        settings=Settings(),
        keys=Keys({}),
        endpoints={},
        environment={},
        root=root,
        project=root,
        prompts=root / "prompts",
        work=root,
        sandbox=Unsealed({}),
    )
    return build(parse(spec), means)(FreeLedger(), lambda: False, tell)


class TestBuild:
    @pytest.mark.parametrize(
        "spec", ["", "patches", "patches:", "optuna:x", "random:x", "gemini:pro"]
    )
    def test_unknown_ones_name_the_known(self, spec: str, tmp_path: Path) -> None:
        with pytest.raises(
            ProposerError, match=r"known are anthropic:MODEL.*optuna, random, patches:DIR"
        ):
            made(spec, tmp_path)

    @pytest.mark.parametrize("spec", ["optuna", "random"])
    def test_tuners_need_nothing(self, spec: str, tmp_path: Path) -> None:
        assert made(spec, tmp_path).name == spec

    def test_patches_need_files(self, tmp_path: Path) -> None:
        with pytest.raises(ProposerError, match="no such directory"):
            made("patches:gone", tmp_path)
        (tmp_path / "empty").mkdir()
        with pytest.raises(ProposerError, match=r"no \*\.patch or \*\.diff file"):
            made("patches:empty", tmp_path)

    @pytest.mark.parametrize("kind", ["anthropic", "openai"])
    def test_a_model_needs_its_key(self, kind: str, tmp_path: Path) -> None:
        with pytest.raises(ProposerError, match=f"variable {kind.upper()}_API_KEY is not set"):
            made(f"{kind}:{'claude-opus-5' if kind == 'anthropic' else 'gpt-5'}", tmp_path)

    def test_a_model_needs_a_price(self, tmp_path: Path) -> None:
        with pytest.raises(ProposerError, match="price"):
            made("anthropic:no-such-model", tmp_path)

    def test_a_model_tells_of_a_prompt_that_was_cut_in_silence(self, tmp_path: Path) -> None:
        told: list[str] = []
        long = brief(source=SOURCE + "# so it is\n" * 2000)
        with FakeLlm([answer("hm", tokens=Tokens(2050, 5))], endless=True) as fake:
            spec = f"openai:fake@{fake.v1}"
            made(spec, tmp_path, told.append).propose(long, accepted)
        (line,) = told
        assert line.startswith(f"{spec}: ")
        assert "cut silently" in line

    def test_what_is_not_chosen_is_not_loaded(self) -> None:
        code = (
            "import sys, autoresearch.proposers; "
            "sys.exit(any(each in sys.modules for each in ('optuna', 'openai', 'anthropic')))"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestSpan:
    @pytest.mark.parametrize(
        ("name", "base", "expected"),
        [
            ("MATRIX_LR", 0.04, Range(0.01, 0.16, log=True)),
            ("EMBEDDING_LR", 0.6, Range(0.15, 2.4, log=True)),
            ("SOFTCAP", 15.0, Range(3.75, 60.0, log=True)),
            ("WARMDOWN_RATIO", 0.5, Range(0.125, 0.875, log=True)),
            ("ADAM_BETA", 0.95, Range(0.8, 0.9875)),
            ("WARMUP_RATIO", 0.0, Range(0.0, 0.3)),
            ("BIAS", -2.0, Range(-8.0, -0.5)),
            ("DEPTH", 3, Range(2, 6, whole=True)),
            ("DEPTH", 1, Range(1, 2, whole=True)),
            ("DIM", 768, Range(512, 1536, whole=True, step=256)),
            ("STEPS", 101, Range(51, 202, log=True, whole=True)),
            ("HEAD_DIM", 128, Choice((64, 128, 256))),
            ("USE_GATES", False, Choice((False, True))),
            ("OFFSET", 0, None),
            ("OFFSET", -1, None),
            ("SEED", 42, None),
            ("DATA_SEEDS", 1.5, None),
        ],
    )
    def test_by_kind(self, name: str, base: Number, expected: Range | Choice | None) -> None:
        assert span(name, base) == expected

    @given(st.floats(1e-6, 1e6) | st.integers(1, 10**6) | st.booleans())
    def test_holds_its_base_and_room_to_move(self, base: Number) -> None:
        for name in ("A_LR", "A_RATIO"):
            where = span(name, base)
            assert where is not None
            if isinstance(where, Range):
                assert where.low < where.high
                assert where.low <= base <= where.high or isinstance(base, float)
                assert not where.log or where.low > 0
                assert name != "A_RATIO" or not 0 < base < 1 or where.high < 1
                assert not where.whole or (where.high - where.low) % where.step == 0
            else:
                assert where.holds(base)

    @given(st.floats(-1e6, 1e6))
    def test_rounding_keeps_three_digits_and_one_below_one(self, value: float) -> None:
        assert abs(rounded(value) - value) <= abs(value) * 0.006
        assert (value < 1) >= (rounded(value) < 1)
        assert rounded(rounded(value)) == rounded(value)


@pytest.fixture(scope="module")
def elsewhere() -> dict[str, str]:
    """Return what each tuner proposes in a process with other hashes."""
    code = (
        "from tests.test_proposers import *; print(*("
        "f'{tuner.__name__}={proposed(tuner(), brief()).hypothesis}'"
        " for tuner in (OptunaProposer, RandomProposer)), sep='\\n')"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONHASHSEED": "77"},
    )
    assert told.stderr == ""
    return dict(line.split("=", 1) for line in told.stdout.splitlines())


@pytest.mark.parametrize("tuner", [OptunaProposer, RandomProposer])
class TestTuners:
    def test_changes_one_to_three_constants_and_nothing_else(self, tuner: Kind) -> None:
        moved: set[str] = set()
        for number in range(2, 40):
            proposal = proposed(tuner(), brief(number=number))
            old, new = numbers(SOURCE), numbers(after(proposal))
            changed = {name for name in old if old[name] != new[name]}
            assert 1 <= len(changed) <= 3
            assert after(proposal) == set_constants(SOURCE, {n: new[n] for n in changed})
            expected = ", ".join(f"{n} {old[n]!r} → {new[n]!r}" for n in sorted(changed))
            assert proposal.hypothesis == expected
            moved |= changed
        assert moved == {
            "DEPTH", "MATRIX_LR", "ADAM_BETA", "WARMUP_RATIO", "BATCH", "USE_GATES"
        }  # fmt: skip

    def test_preflight_lets_it_pass(self, tuner: Kind) -> None:
        proposal = proposed(tuner(), brief())
        result = check(proposal, {"train.py": SOURCE}, editable=["train.py"], apply_diff=apply_diff)
        assert isinstance(result, Patch)

    def test_the_same_brief_gives_the_same_proposal(self, tuner: Kind) -> None:
        first = proposed(tuner(), brief())
        assert proposed(tuner(), brief()) == first
        assert proposed(tuner(), brief(number=3)) != first
        assert proposed(tuner(), replace(brief(), study="u")) != first

    def test_the_same_in_another_process(self, elsewhere: dict[str, str], tuner: Kind) -> None:
        assert elsewhere[tuner.__name__] == proposed(tuner(), brief()).hypothesis

    def test_never_repeats_and_ends_when_all_is_tried(self, tuner: Kind) -> None:
        source = "DEPTH = 2\nUSE = False\n"  # four times two combinations, one the incumbent
        history: list[HistoryEntry] = []
        while (proposal := tuner().propose(
            brief(source, tuple(history), len(history) + 2, source), accepted)
        ) is not None:  # fmt: skip
            changed = after(proposal, source)
            tried = [dict(each.constants) for each in history]
            assert numbers(changed) not in [*tried, numbers(source)]
            history.append(past(proposal, changed, len(history) + 2))
        assert len(history) == 7

    def test_moves_around_the_incumbent_within_the_bases_range(self, tuner: Kind) -> None:
        incumbent = SOURCE.replace("0.04", "0.12")
        seen = set()
        for number in range(2, 30):
            proposal = proposed(tuner(), brief(incumbent, number=number))
            new = numbers(after(proposal, incumbent))
            seen.add(new["MATRIX_LR"])
            assert 0.01 <= new["MATRIX_LR"] <= 0.16
        assert 0.12 in seen
        assert len(seen) > 3

    def test_copes_with_sources_that_others_changed(self, tuner: Kind) -> None:
        theirs = "DEPTH = 4\nNEW_LR = 100.0\nMATRIX_LR = 3\nADAM_BETA = 'no'\n"
        history = tuple(
            past(Proposal("x", "y", Change.none()), source, number)
            for number, source in enumerate((SOURCE, theirs, "A = True\n", "broken("), 2)
        )
        for number in range(6, 20):
            changed = after(proposed(tuner(), brief(theirs, history, number)), theirs)
            assert 25.0 <= numbers(changed)["NEW_LR"] <= 400.0
            assert "ADAM_BETA = 'no'" in changed

    @pytest.mark.parametrize("source", ["", "broken(", "X = 'text'\n", "SEED = 3\n"])
    def test_nothing_to_tune_is_nothing_to_propose(self, tuner: Kind, source: str) -> None:
        assert tuner().propose(brief(source), accepted) is None

    def test_refused_ones_count_as_tried_only_by_their_number(self, tuner: Kind) -> None:
        first = proposed(tuner(), brief())
        refused = HistoryEntry(2, "optuna", first.hypothesis, first.change, Verdict.INVALID)
        assert proposed(tuner(), brief(history=(refused,), number=3)) != first

    def test_the_kind_of_idea_is_told(self, tuner: Kind) -> None:
        proposal = proposed(tuner(), brief("A_LR = 1.0\n", base="A_LR = 1.0\n"))
        assert proposal.category is Category.OPTIMIZER


class TestOptuna:
    def test_learns_where_it_is_good(self) -> None:
        source = "A_LR = 1.0\n"
        history: list[HistoryEntry] = []
        for number in range(2, 42):
            proposal = proposed(
                OptunaProposer(), brief(source, tuple(history), number=number, base=source)
            )
            changed = after(proposal, source)
            bpb = 2.0 + abs(numbers(changed)["A_LR"] - 3.0)
            history.append(past(proposal, changed, number, bpb))
        misses = [abs(each.constants["A_LR"] - 3.0) for each in history]
        assert median(misses[10:]) < 0.6 * median(misses[:10])

    @pytest.mark.parametrize("verdict", [Verdict.CRASH, Verdict.DISCARD])
    def test_learns_from_what_came_to_no_score(self, verdict: Verdict) -> None:
        source = "A_LR = 1.0\n"
        history: list[HistoryEntry] = []
        for number in range(2, 42):
            proposal = proposed(
                OptunaProposer(), brief(source, tuple(history), number=number, base=source)
            )
            changed = after(proposal, source)
            high = numbers(changed)["A_LR"] > 1.0
            ended = past(proposal, changed, number, None if high else 2.0)
            history.append(replace(ended, verdict=verdict) if high else ended)
        assert sum(each.val_bpb is None for each in history[-15:]) <= 5

    def test_the_range_of_a_constant_stays_where_it_was_first_seen(self) -> None:
        first = "NEW_LR = 1.0\n"
        history = (past(Proposal("x", "y", Change.none()), first, 2),)
        later = "NEW_LR = 4.0\n"
        assert search_space(brief(later, history), numbers(later)) == {
            "NEW_LR": Range(0.25, 4.0, log=True)
        }

    def test_scores_that_are_no_numbers_are_left_out(self) -> None:
        first = proposed(OptunaProposer(), brief())
        odd = past(first, after(first), 2, float("nan"))
        assert OptunaProposer().propose(brief(history=(odd,), number=3), accepted) is not None


DIFF = "--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-DEPTH = 4  # layers\n+DEPTH = 5\n"


class TestRandom:
    @pytest.mark.parametrize("draws", [200, pytest.param(400, marks=pytest.mark.thorough)])
    def test_stays_within_what_it_may_draw_and_reaches_all_of_it(self, draws: int) -> None:
        source = "A_LR = 1.0\nDEPTH = 3\nDIM = 768\nSTEPS = 101\nUSE = True\nHEAD_DIM = 128\n"
        spans = search_space(brief(source, base=source), numbers(source))
        drawn: dict[str, list[Number]] = {name: [] for name in spans}
        for number in range(2, draws):
            told = brief(source, number=number, base=source)
            for name, value in numbers(after(proposed(RandomProposer(), told), source)).items():
                assert spans[name].holds(value)
                drawn[name].append(value)
        assert set(drawn["DEPTH"]) == {2, 3, 4, 5, 6}
        assert set(drawn["DIM"]) == {512, 768, 1024, 1280, 1536}
        assert set(drawn["USE"]) == {False, True}
        assert set(drawn["HEAD_DIM"]) == {64, 128, 256}
        rates = [value for value in drawn["A_LR"] if value != 1.0]
        assert 0.7 < median(rates) < 1.4  # by magnitude: as many below the base as above it
        assert min(rates) < 0.3
        assert max(rates) > 3.3

    def test_no_score_changes_what_it_draws(self) -> None:
        first = proposed(RandomProposer(), brief())
        for bpb in (1.0, 3.0, None):
            seen = past(first, after(first), 2, bpb)
            told = brief(history=(seen,), number=3)
            assert proposed(RandomProposer(), told) == proposed(RandomProposer(), brief(number=3))

    def test_draws_otherwise_than_optuna(self) -> None:
        changes = [
            [proposed(kind(), brief(number=number)).change for number in range(2, 20)]
            for kind in (OptunaProposer, RandomProposer)
        ]
        assert sum(one == other for one, other in zip(*changes, strict=True)) <= 2

    def test_is_there_without_loading_optuna(self) -> None:
        code = "import sys, autoresearch.proposers.random_search; sys.exit('optuna' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("tuner", [OptunaProposer, RandomProposer])
class TestRefusals:
    def test_what_is_refused_is_passed_over_and_not_drawn_again(self, tuner: Kind) -> None:
        proposer, seen = tuner(), list[str]()

        def check(proposal: Proposal) -> Rejection | None:
            seen.append(proposal.hypothesis)
            return Rejection("no") if len(seen) <= 3 else None

        made = proposer.propose(brief(), check)
        assert made is not None
        assert made.hypothesis == seen[-1]
        assert len(set(seen)) == len(seen) == 4

    def test_where_everything_is_refused_a_few_are_worth_a_row_and_then_it_is_over(
        self, tuner: Kind
    ) -> None:
        proposer, seen = tuner(), list[str]()

        def check(proposal: Proposal) -> Rejection | None:
            seen.append(proposal.hypothesis)
            return Rejection("no")

        files = {"train.py": "DEPTH = 2\n"}
        only = replace(brief(), files=files, base_files=files)
        rows = 0
        while proposer.propose(only, check) is not None:
            rows += 1
        assert rows <= 1
        assert len(set(seen)) == len(seen)


class TestPatches:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "wins"
        folder.mkdir()
        return folder

    def replay(self, folder: Path, history: tuple[HistoryEntry, ...] = ()) -> list[Proposal]:
        found: list[Proposal] = []
        while True:
            proposer = made("patches:wins", folder.parent)  # as after a restart, each time
            proposal = proposer.propose(brief(history=history), accepted)
            if not isinstance(proposal, Proposal):
                return found
            found.append(proposal)
            history = (*history, past(proposal, SOURCE, len(history) + 2))

    def test_each_once_in_name_order_over_restarts(self, folder: Path) -> None:
        for name in ("b.diff", "a.patch", "c.txt", "d.PATCH"):
            (folder / name).write_text(DIFF)
        assert [each.proposer for each in self.replay(folder)] == [
            "patches:a.patch",
            "patches:b.diff",
        ]

    def test_a_mended_file_is_tried_again(self, folder: Path) -> None:
        (folder / "a.patch").write_text("broken")
        first = self.replay(folder)[0]
        (folder / "a.patch").write_text(DIFF)
        again = self.replay(folder, (past(first, SOURCE, 2),))
        assert [each.change.text for each in again] == [DIFF]

    @pytest.mark.parametrize(
        ("text", "hypothesis"),
        [
            (DIFF, "07-deeper"),
            ("Deeper is better\n\n" + DIFF, "Deeper is better"),
            ("two\nlines\n" + "diff --git a/train.py b/train.py\n" + DIFF, "two lines"),
            (
                "From 0123456789012345678901234567890123456789 Mon Sep 17\nFrom: A <a@b.c>\n"
                "Subject: [PATCH 2/3] Deeper,\n much deeper\n\nBody\n---\n train.py | 2 +-\n\n"
                + DIFF,
                "Deeper, much deeper",
            ),
            ("Subject: =?UTF-8?q?Plus_profond_=C3=A9?=\n\n" + DIFF, "Plus profond é"),
            ("Subject: =?utf-8?b?a?=\n\n" + DIFF, "=?utf-8?b?a?="),
            ("From: A <a@b.c>\nDate: now\n\n" + DIFF, "07-deeper"),
            ("\x1b[31mred\n" + DIFF, "red"),
            ("Subject: =?iso-8859-1?Q?[PATCH]_f=FCr?= a rate\n\n---\n\n" + DIFF, "für a rate"),
            ("Subject: Re: [v2] [PATCH 1/2] Deeper\n\n" + DIFF, "Deeper"),
            ("hypothesis: deeper\ncategory: architecture\n\n" + DIFF, "deeper"),
            (
                "commit 0123456789\nAuthor: A <a@b.c>\nDate:   now\n\n    Deep\n\n    Why\n\n"
                + DIFF,
                "Deep",
            ),
            (" train.py | 2 +-\n 1 file changed, 1 insertion(+)\n\n" + DIFF, "07-deeper"),
            ("```diff\n" + DIFF + "```\n", "07-deeper"),
            ("Deeper:\n```diff\n" + DIFF + "```\n", "Deeper:"),
            ("Index: train.py\n======\n" + DIFF, "07-deeper"),
            ("# HG changeset patch\n# User a\nDeeper\n" + DIFF, "Deeper"),
            ("# Idea\n\nDeeper learns more.\n\n" + DIFF, "Deeper learns more."),
            ("me@host:~/project$ git diff\n" + DIFF, "07-deeper"),
            ("0123abc Deeper\n" + DIFF, "Deeper"),
            ("=== modified file 'train.py'\n" + DIFF, "07-deeper"),
            ("*** train.py\tnow\n--- train.py\tnow\n****\n*** 1 ****\n! A = 1\n", "07-deeper"),
            ("1c1\n< A = 1\n---\n> A = 2\n", "07-deeper"),
            ("no diff at all", "07-deeper"),
            ("", "07-deeper"),
        ],
    )
    def test_hypotheses(self, folder: Path, text: str, hypothesis: str) -> None:
        (folder / "07-deeper.patch").write_text(text)
        assert [each.hypothesis for each in self.replay(folder)] == [hypothesis]

    def test_packed_and_wide_files_are_read_and_known_again(self, folder: Path) -> None:
        wide = DIFF.encode("utf-16")
        for name, data in (
            ("a.patch", gzip.compress(wide)),
            ("b.diff.xz", lzma.compress(wide)),
            ("c.patch.gz", gzip.compress(b"Deeper\n" + DIFF.encode())),
            ("d.patch", wide),
            ("e.gz", gzip.compress(wide)),
            ("f.patch", gzip.compress(wide)[:20]),
        ):
            (folder / name).write_bytes(data)
        *read, broken = self.replay(folder)
        assert [each.hypothesis for each in read] == ["a", "b", "Deeper", "d"]
        assert [each.change.text for each in read] == [DIFF, DIFF, f"Deeper\n{DIFF}", DIFF]
        assert "\ufffd" in broken.change.text

    @pytest.mark.parametrize(
        "data", [b"", b"\xff\xfe\0", DIFF.encode().replace(b"5", b"'caf\xe9'"), b"junk\0"]
    )
    def test_what_is_no_patch_is_refused_later_and_never_again(
        self, folder: Path, data: bytes
    ) -> None:
        (folder / "a.patch").write_bytes(data)
        (found,) = self.replay(folder)
        result = check(found, {"train.py": SOURCE}, editable=["train.py"], apply_diff=apply_diff)
        assert isinstance(result, Rejection)

    def test_what_cannot_be_read_is_told(self, folder: Path) -> None:
        (folder / "a.patch").mkdir()
        (folder / "b.patch").symlink_to(folder / "gone")
        texts = [each.change.text for each in self.replay(folder)]
        assert texts == [
            "a.patch cannot be read: Is a directory",
            "b.patch cannot be read: No such file or directory",
        ]

    def test_a_folder_that_vanishes_in_the_night_ends_it(self, folder: Path) -> None:
        (folder / "a.patch").write_text(DIFF)
        proposer = made(f"patches:{folder}", Path("/elsewhere"))
        (folder / "a.patch").unlink()
        folder.rmdir()
        assert proposer.propose(brief(), accepted) is None


@pytest.mark.parametrize(
    "base",
    [
        1e308, -1e308, 1e-323, 5e-324, 1e31, -1e31, 1e-31, -1e-31, float("inf"), float("nan"),
        2**53, 2**70, 10**31, -(2**53),
    ],
)  # fmt: skip
def test_at_the_edge_of_the_numbers_nothing_moves(base: Number) -> None:
    assert span("EPS", base) is None


HUGE = f"""BIG = {"9" * 400}
HEX = 0x{"f" * 5000}
POWER = 2**70
SHIFTED = 1 << 70
MINUS = -{"9" * 400}
ENDLESS = 1e400
LARGE = 1e300
TINY = 5e-324
EDGE = {2**52}
NEXT = {2**53}
BELOW = -1e29
LEAST = 1e-30
"""


@pytest.mark.parametrize("kind", [OptunaProposer, RandomProposer])
def test_a_huge_constant_is_left_as_it_is_and_the_others_move(kind: Kind) -> None:
    source, history, moved = SOURCE + HUGE, list[HistoryEntry](), set[str]()
    for number in range(2, 30):
        told = brief(source, tuple(history), number, base=source)
        proposal = proposed(kind(), told)
        changed = after(proposal, source)
        now, new = numbers(source), numbers(changed)
        moved |= {name for name in now if now[name] != new[name]}
        history.append(past(proposal, changed, number))
    assert "DEPTH" in moved
    assert not moved & {"BIG", "HEX", "POWER", "SHIFTED", "MINUS", "ENDLESS", "LARGE", "TINY"}
    assert moved & {"EDGE", "BELOW", "LEAST"}
