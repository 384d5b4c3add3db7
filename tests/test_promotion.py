import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from autoresearch.errors import GitError
from autoresearch.gitrepo import CommitOptions, GitRepo, commit_message
from autoresearch.promotion import Promotable, Promotion, Shape, promote
from autoresearch.records.metric import BITS_PER_BYTE, Direction, Metric, MetricSource
from autoresearch.records.values import Standing, Verdict
from tests.commands import Forked
from tests.counting import environment
from tests.rows import a_study, an_experiment

WHEN = datetime(2026, 3, 8, 22, 0, tzinfo=UTC)
SOURCE = "".join(f"C{n} = 0\n" + "\n" * 6 for n in range(6))


def git(where: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=where, capture_output=True, text=True, check=True
    ).stdout.removesuffix("\n")


def snapshot(checkout: Path) -> Mapping[str, str]:
    """All that belongs to the person."""
    return {
        "refs": git(checkout, "for-each-ref"),
        "head": (checkout / ".git" / "HEAD").read_text(),
        "status": git(checkout, "--no-optional-locks", "status", "--porcelain"),
        "worktrees": git(checkout, "worktree", "list"),
        "train.py": (checkout / "proj" / "train.py").read_text(),
    }


@dataclass
class Night:
    """A study with a baseline (1), keeps (2, 3), a discard (4) and a keep on top of 3 (5).

    The keeps are confirmed, each by its own three fresh pairs.
    """

    checkout: Path
    repo: GitRepo
    experiments: dict[int, Promotable]

    def promote(
        self,
        *ids: int,
        onto: str | None = None,
        dry_run: bool = False,
        force: bool = False,
        commits: CommitOptions | None = None,
        shape: Shape = Shape.COMMITS,
    ) -> Promotion:
        chosen = [self.experiments[each] for each in ids]
        return promote(
            self.repo, chosen, onto=onto, dry_run=dry_run, force=force, commits=commits, shape=shape
        )

    def become(self, number: int, metric: Metric = BITS_PER_BYTE, **changes: Any) -> None:
        row = self.experiments[number].row.model_copy(update=changes)
        self.experiments[number] = Promotable(row, a_study("mar8", measure=metric.stored))

    def source(self, commit: str) -> str:
        return self.repo.read_files(commit, ["train.py"])["train.py"]

    def refused(self, *ids: int, match: str, onto: str | None = None, force: bool = False) -> None:
        before = snapshot(self.checkout)
        with pytest.raises(GitError, match=match) as caught:
            self.promote(*ids, onto=onto, force=force)
        assert "\n" not in str(caught.value)
        assert snapshot(self.checkout) == before


def changed(source: str, changes: Mapping[int, int]) -> str:
    lines = source.splitlines(keepends=True)
    for number, value in changes.items():
        (at,) = [n for n, line in enumerate(lines) if line.startswith(f"C{number} =")]
        lines[at] = f"C{number} = {value}\n"
    return "".join(lines)


def promotable(
    number: int,
    sha: str | None,
    verdict: Verdict,
    hypothesis: str,
    score: float | None = None,
    **more: Any,
) -> Promotable:
    study = a_study("mar8", id=1)
    row = an_experiment(
        study, id=number, commit_sha=sha, verdict=verdict, hypothesis=hypothesis,
        val_bpb=score, **more,
    )  # fmt: skip
    return Promotable(row, study)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """The study, made once for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(tmp_path_factory.mktemp("made")).items():
            patch.setenv(name, value)
        patch.setenv("GIT_CONFIG_COUNT", "1")
        patch.setenv("GIT_CONFIG_KEY_0", "init.defaultBranch")
        patch.setenv("GIT_CONFIG_VALUE_0", "main")
        return make(tmp_path_factory.mktemp("night") / "checkout")


@pytest.fixture
def night(made: Night, tmp_path: Path) -> Night:
    """A copy to spoil."""
    checkout = tmp_path / "checkout"
    shutil.copytree(made.checkout, checkout, symlinks=True)
    return Night(checkout, GitRepo.open(checkout / "proj"), dict(made.experiments))


def make(checkout: Path) -> Night:
    (checkout / "proj").mkdir(parents=True)
    (checkout / "proj" / "train.py").write_text(SOURCE)
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "First")
    repo = GitRepo.open(checkout / "proj")
    base = repo.head()
    rows = [
        promotable(1, base, Verdict.KEEP, "the unchanged project", 2.0),
    ]

    def add(number: int, parent: str, changes: Mapping[int, int], verdict: Verdict) -> str:
        source = changed(repo.read_files(parent, ["train.py"])["train.py"], changes)
        words = f"idea {number}"
        message = commit_message(words, experiment=number, study="mar8")
        sha = repo.write_commit(parent, {"train.py": source}, message, WHEN)
        score = 2.0 - number / 100
        claim = {"standing": Standing.CONFIRMED, "claim": 0.9799, "claim_pairs": 3}
        more = claim if verdict is Verdict.KEEP else {}
        rows.append(promotable(number, sha, verdict, words, score, delta=-number / 100, **more))
        return sha

    second = add(2, base, {0: 2}, Verdict.KEEP)
    third = add(3, second, {2: 3}, Verdict.KEEP)
    add(4, third, {4: 4}, Verdict.DISCARD)
    fifth = add(5, third, {2: 5}, Verdict.KEEP)
    rows.append(promotable(6, None, Verdict.INVALID, "refused"))
    repo.ensure_branch("autoresearch/mar8", fifth)
    return Night(checkout, repo, {row.id: row for row in rows})


class TestSquashed:
    def test_one_commit_has_all_changes_and_all_trailers(self, night: Night) -> None:
        result = night.promote(2, 5, 3, shape=Shape.SQUASH)
        assert {each.sha for each in result.commits} == {result.new}
        assert night.source(result.new) == changed(SOURCE, {0: 2, 2: 5})
        assert git(night.checkout, "rev-parse", "HEAD~1") == result.old
        message = git(night.checkout, "log", "-1", "--format=%B")
        assert message.startswith("Promote experiments 2, 3, 5\n\nexperiment 2: idea 2\n")
        found = git(night.checkout, "log", "-1", "--format=%(trailers:key=Autoresearch-Experiment)")
        assert re.findall(r"\d+", found) == ["2", "3", "5"]
        assert message.count("Autoresearch-Confirmed: 97% (3 fresh pairs)") == 3

    def test_what_is_in_one_is_on_the_branch(self, night: Night) -> None:
        night.promote(2, 3, shape=Shape.SQUASH)
        night.refused(2, 3, match="experiments 2, 3 are on main already")
        assert night.promote(2, 3, 5, shape=Shape.SQUASH).already == (2, 3)

    def test_a_hook_has_its_say_once(self, night: Night) -> None:
        hook = night.checkout / ".git" / "hooks" / "commit-msg"
        hook.write_text(f"#!/bin/sh\necho once >> {night.checkout.parent}/seen\n")
        hook.chmod(0o755)
        options = CommitOptions(signoff=True)
        night.promote(2, 3, shape=Shape.SQUASH, commits=options)
        assert (night.checkout.parent / "seen").read_text() == "once\n"
        assert "Signed-off-by: Ada <ada@example.org>" in git(night.checkout, "log", "-1")


class TestBranches:
    def test_each_has_a_branch_of_its_own_and_the_checkout_stays(self, night: Night) -> None:
        (night.checkout / "proj" / "train.py").write_text("uncommitted\n")
        head = night.repo.head()
        result = night.promote(2, 3, 5, shape=Shape.BRANCHES)
        assert [(each.branch, each.base) for each in result.commits] == [
            ("autoresearch-promoted/2", "main"),
            ("autoresearch-promoted/3", "main"),
            ("autoresearch-promoted/5", "autoresearch-promoted/3"),  # it does not fit without 3
        ]
        sources = [night.source(night.repo.branch_tip(each.branch)) for each in result.commits]
        assert sources == [changed(SOURCE, each) for each in ({0: 2}, {2: 3}, {2: 5})]
        assert night.repo.head() == head == result.new == result.old
        assert (night.checkout / "proj" / "train.py").read_text() == "uncommitted\n"
        again = night.promote(2, 3, 5, shape=Shape.BRANCHES)
        assert again.commits == result.commits

    def test_what_does_not_fit_alone_names_what_it_needs(self, night: Night) -> None:
        with pytest.raises(GitError, match="it builds on experiments 2, 3, promote them as well"):
            night.promote(5, shape=Shape.BRANCHES)
        assert not night.repo.branch_exists("autoresearch-promoted/5")

    def test_a_branch_of_that_name_is_never_moved(self, night: Night) -> None:
        git(night.checkout, "branch", "autoresearch-promoted/3")
        with pytest.raises(GitError, match="git branch -D autoresearch-promoted/3"):
            night.promote(2, 3, shape=Shape.BRANCHES)
        assert not night.repo.branch_exists("autoresearch-promoted/2")


class TestPromoted:
    def test_onto_the_branch_that_is_checked_out(self, night: Night) -> None:
        old = night.repo.head()
        result = night.promote(3, 2)
        assert (result.branch, result.old, result.already) == ("main", old, ())
        assert [each.id for each in result.commits] == [2, 3]
        assert night.repo.head() == result.new == result.commits[-1].sha
        assert (night.checkout / "proj" / "train.py").read_text() == changed(SOURCE, {0: 2, 2: 3})
        assert not night.repo.is_dirty()
        assert night.repo.current_branch() == "main"

    def test_one_alone_takes_only_its_own_change(self, night: Night) -> None:
        result = night.promote(3)
        assert night.source(result.new) == changed(SOURCE, {2: 3})

    def test_the_message_says_what_it_brought(self, night: Night) -> None:
        result = night.promote(2)
        assert git(night.checkout, "log", "-1", "--format=%B").strip() == (
            "idea 2\n\nAutoresearch-Experiment: 2\nAutoresearch-Study: mar8\n"
            "Autoresearch-Val-Bpb: 1.9800 (-0.0200)\nAutoresearch-Confirmed: 97% (3 fresh pairs)"
        )
        assert result.commits[0].subject == "idea 2"
        assert git(night.checkout, "log", "-1", "--format=%an %at") == f"Ada {WHEN.timestamp():.0f}"

    def test_the_message_says_how_it_fares_on_test_once_that_is_known(self, night: Night) -> None:
        night.become(2, test_bpb=2.03456)
        night.promote(2)
        message = git(night.checkout, "log", "-1", "--format=%B").strip()
        assert message.endswith("\nAutoresearch-Test-Bpb: 2.0346")

    def test_the_message_has_the_metrics_name_and_goes_as_it_goes(self, night: Night) -> None:
        up = Metric("val_accuracy", "", Direction.HIGHER, MetricSource.EVALUATED, 3)
        night.become(2, metric=up, val_bpb=-0.87, delta=-0.02, test_bpb=-0.861)
        night.promote(2)
        message = git(night.checkout, "log", "-1", "--format=%B").strip()
        assert "\nAutoresearch-Score: val_accuracy 0.870 (+0.020)\n" in message
        assert message.endswith("\nAutoresearch-Test: test_accuracy 0.861")

    def test_the_message_claims_nothing_that_was_not_earned(self, night: Night) -> None:
        night.become(2, standing=None, claim=0.999)
        night.promote(2, force=True)
        assert "Confirmed" not in git(night.checkout, "log", "-1", "--format=%B")

    def test_on_top_of_the_persons_own_work(self, night: Night) -> None:
        (night.checkout / "proj" / "train.py").write_text(changed(SOURCE, {5: 9}))
        git(night.checkout, "commit", "-q", "-am", "Mine")
        result = night.promote(2, 3, 5)
        assert night.source(result.new) == changed(SOURCE, {0: 2, 2: 5, 5: 9})

    def test_onto_another_branch_leaves_the_checkout_alone(self, night: Night) -> None:
        git(night.checkout, "branch", "release")
        (night.checkout / "proj" / "train.py").write_text("uncommitted\n")
        before = night.repo.head()
        result = night.promote(2, onto="release")
        assert night.repo.branch_tip("release") == result.new
        assert night.repo.head() == before
        assert (night.checkout / "proj" / "train.py").read_text() == "uncommitted\n"

    def test_detached_with_onto(self, night: Night) -> None:
        git(night.checkout, "checkout", "-q", "--detach")
        result = night.promote(2, onto="main")
        assert night.repo.branch_tip("main") == result.new
        assert night.repo.head() == result.old
        assert night.repo.current_branch() is None

    def test_untracked_files_stay(self, night: Night) -> None:
        (night.checkout / "notes.txt").write_text("mine")
        night.promote(2)
        assert (night.checkout / "notes.txt").read_text() == "mine"

    def test_dry_run_finds_out_and_moves_nothing(self, night: Night) -> None:
        before = snapshot(night.checkout)
        told = night.promote(2, 3, dry_run=True)
        assert snapshot(night.checkout) == before
        assert told.dry_run
        done = night.promote(2, 3)
        assert (done.new, done.commits) == (told.new, told.commits)

    def test_by_force_again_what_was_reverted(self, night: Night) -> None:
        night.promote(2)
        promoted = night.source("main")
        git(night.checkout, "revert", "--no-edit", "HEAD")
        night.refused(2, match="already")
        night.promote(2, force=True)
        assert night.source("main") == promoted
        night.refused(2, match="already", force=True)

    def test_what_is_there_already_is_left_out(self, night: Night) -> None:
        night.promote(2)
        result = night.promote(2, 3)
        assert result.already == (2,)
        assert [each.id for each in result.commits] == [3]

    def test_from_a_linked_worktree(self, night: Night, tmp_path: Path) -> None:
        git(night.checkout, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
        linked = Night(
            tmp_path / "side", GitRepo.open(tmp_path / "side" / "proj"), night.experiments
        )
        result = linked.promote(2)
        assert result.branch == "side"
        assert (tmp_path / "side" / "proj" / "train.py").read_text() == changed(SOURCE, {0: 2})
        night.refused(2, onto="side", match="side is checked out in .*: promote from there")


class TestRefused:
    def test_a_conflict_names_files_and_what_is_missing(self, night: Night) -> None:
        night.refused(
            5,
            match=r"experiment 5 conflicts with main in proj/train\.py; nothing was changed: "
            r"it builds on experiments 2, 3, promote them as well",
        )
        night.promote(2, 3, 5)

    def test_what_is_on_the_branch_is_not_called_missing(self, night: Night) -> None:
        night.promote(2)
        night.refused(5, match="it builds on experiment 3, promote it as well")

    def test_a_conflict_with_the_persons_own_work(self, night: Night) -> None:
        (night.checkout / "proj" / "train.py").write_text(changed(SOURCE, {0: 7}))
        git(night.checkout, "commit", "-q", "-am", "Mine")
        night.refused(2, match=r"conflicts with main in proj/train\.py; nothing was changed$")

    def test_a_conflict_halfway_promotes_none(self, night: Night) -> None:
        night.refused(2, 5, match="it builds on experiment 3")

    def test_what_was_not_kept_needs_force(self, night: Night) -> None:
        night.refused(2, 4, match=r"experiment 4 was not kept \(discard\): --force")
        assert night.source(night.promote(4, force=True).new) == changed(SOURCE, {4: 4})

    @pytest.mark.parametrize(
        ("claim", "pairs", "sure"),
        [
            (None, 0, "no fresh pair yet"),
            (0.5, 0, "no fresh pair yet"),
            (0.829, 1, "82% sure on 1 fresh pair"),
            (0.949, 4, "94% sure on 4 fresh pairs"),
            (0.999, 2, "99% sure on 2 fresh pairs, but the noise is not known yet"),
            (0.999, 1, "99% sure on 1 fresh pair, but one pair makes no claim"),
        ],
    )
    def test_what_is_not_confirmed_needs_pairs_or_force(
        self, night: Night, claim: float | None, pairs: int, sure: str
    ) -> None:
        night.become(2, standing=None, claim=claim, claim_pairs=pairs)
        said = (
            f"experiment 2 is kept but not confirmed ({sure}): `promote 2 --confirm` trains "
            "further pairs, --force promotes it as it is"
        )
        night.refused(2, match=f"^{re.escape(said)}$")
        night.refused(2, 3, match="experiment 2 is kept but not confirmed")
        assert night.source(night.promote(2, force=True).new) == changed(SOURCE, {0: 2})

    @pytest.mark.parametrize("verdict", [Verdict.KEEP, Verdict.DISCARD])
    def test_what_was_refuted_says_so(self, night: Night, verdict: Verdict) -> None:
        night.become(
            2, standing=Standing.REFUTED, verdict=verdict, claim=0.2, claim_pairs=2,
            claim_reason="+0.0100 bpb on 2 fresh pairs",
        )  # fmt: skip
        said = r"experiment 2 was kept and then refuted \(\+0\.0100 bpb on 2 fresh pairs\): --force"
        night.refused(2, match=said)
        assert night.source(night.promote(2, force=True).new) == changed(SOURCE, {0: 2})

    def test_what_is_only_simpler_is_told_that_no_pair_would_help(self, night: Night) -> None:
        night.become(2, standing=None, measured=0.001)
        night.refused(2, match="simpler, not better, so it can hardly be confirmed .*: --force")
        assert night.promote(2, force=True).commits

    @pytest.mark.parametrize("force", [False, True])
    def test_the_baseline_and_the_refused(self, night: Night, force: bool) -> None:
        night.refused(1, match="experiment 1 is the unchanged baseline", force=force)
        night.refused(6, match="experiment 6 has no commit", force=force)

    def test_twice_is_said_clearly(self, night: Night) -> None:
        night.promote(2, 3)
        night.refused(2, match="experiment 2 is on main already: there is nothing to promote")
        night.refused(2, 3, match="experiments 2, 3 are on main already")

    def test_the_same_change_by_the_persons_hand(self, night: Night) -> None:
        (night.checkout / "proj" / "train.py").write_text(changed(SOURCE, {0: 2}))
        git(night.checkout, "commit", "-q", "-am", "Mine")
        night.refused(2, match="experiment 2 is on main already")

    def test_a_merged_study(self, night: Night) -> None:
        git(night.checkout, "merge", "-q", "autoresearch/mar8")
        night.refused(5, match="experiment 5 is on main already")

    def test_uncommitted_changes(self, night: Night) -> None:
        (night.checkout / "proj" / "train.py").write_text("uncommitted\n")
        night.refused(2, match="uncommitted changes here: commit or stash them first")
        git(night.checkout, "add", ".")
        night.refused(2, match="uncommitted changes")

    def test_no_branch_is_checked_out(self, night: Night) -> None:
        git(night.checkout, "checkout", "-q", "--detach")
        night.refused(2, match=r"detached HEAD\): say which one with --onto")

    def test_branches_that_are_none_of_the_persons(self, night: Night) -> None:
        night.refused(2, onto="gone", match="there is no branch gone")
        night.refused(2, onto="autoresearch/mar8", match="belongs to a study")

    def test_a_stale_index_lock_moves_nothing(self, night: Night) -> None:
        (night.checkout / ".git" / "index.lock").touch()
        night.refused(2, match=r"index\.lock")

    def test_an_unfinished_merge(self, night: Night) -> None:
        (night.checkout / ".git" / "MERGE_HEAD").write_text(night.repo.head() + "\n")
        night.refused(2, match="MERGE_HEAD")

    def test_without_an_identity(self, night: Night, tmp_path: Path) -> None:
        (tmp_path / "home" / ".gitconfig").write_text("")
        night.refused(2, match=r"git config --global user\.name")

    def test_a_commit_that_is_gone(self, night: Night) -> None:
        night.experiments[2] = promotable(2, "1" * 40, Verdict.KEEP, "x")
        night.refused(2, match="there is no commit 111111111111")


def add_hook(night: Night, name: str, script: str, folder: str = ".git/hooks") -> Path:
    """Write a hook of the person's; it may say where it ran in a file beside the checkout."""
    hook = night.checkout / folder / name
    hook.parent.mkdir(parents=True, exist_ok=True)
    hook.write_text(f"#!/bin/sh\nran='{night.checkout}.ran'\n{script}\n")
    hook.chmod(0o755)
    return Path(f"{night.checkout}.ran")


SIGNED_OFF = "Signed-off-by: Ada <ada@example.org>"


class TestHooks:
    """What is promoted is the person's commit: their hooks, sign-off and signature are kept."""

    def test_a_hook_that_refuses_stops_it_and_nothing_is_lost(self, night: Night) -> None:
        add_hook(night, "commit-msg", 'grep -q Signed-off-by "$1" || { echo sign off; exit 1; }')
        night.refused(
            2, match=r"^your commit-msg hook refuses the commit \(sign off\); nothing was"
        )
        # Found out before anything is trained or scored.
        before = snapshot(night.checkout)
        with pytest.raises(GitError, match="commit-msg hook refuses"):
            night.promote(2, dry_run=True, commits=CommitOptions())
        assert snapshot(night.checkout) == before
        result = night.promote(2, 3, commits=CommitOptions(signoff=True))
        for each in result.commits:
            commit = night.repo.commit(each.sha)
            assert SIGNED_OFF in commit.message
            assert commit.experiment == each.id
        assert result.notes == ()
        assert list(Path(tempfile.gettempdir()).iterdir()) == []

    @pytest.mark.parametrize("name", ["pre-commit", "prepare-commit-msg", "commit-msg"])
    def test_each_hook_before_a_commit_has_its_say(self, night: Night, name: str) -> None:
        add_hook(night, name, "exit 1")
        night.refused(2, match=f"^your {name} hook refuses the commit; nothing was changed")
        result = night.promote(2, commits=CommitOptions(hooks=False))
        assert result.notes == (f"your hooks were not run: {name}",)
        assert night.source(result.new) == changed(SOURCE, {0: 2})

    def test_a_hook_sees_the_change_and_may_add_to_message_and_files(self, night: Night) -> None:
        ran = add_hook(
            night, "pre-commit", 'git diff --cached --name-only >> "$ran"; pwd >> "$ran"\n'
            "sed -i 's/^C5 = 0/C5 = 55/' proj/train.py; git add proj/train.py",
        )  # fmt: skip
        add_hook(night, "prepare-commit-msg", f"printf '\\n{SIGNED_OFF}\\n' >> \"$1\"")
        result = night.promote(2, 3)
        name, place, *_ = ran.read_text().splitlines()
        assert name == "proj/train.py"
        assert not place.startswith(str(night.checkout))
        assert night.source(result.new) == changed(SOURCE, {0: 2, 2: 3, 5: 55})
        assert [night.repo.commit(each.sha).experiment for each in result.commits] == [2, 3]
        assert SIGNED_OFF in night.repo.commit(result.new).message
        assert night.promote(4, force=True).commits
        with pytest.raises(GitError, match="experiment 3 is on main already"):
            night.promote(3)

    def test_a_dry_run_runs_none(self, night: Night) -> None:
        ran = add_hook(night, "pre-commit", 'touch "$ran"')
        add_hook(night, "post-commit", 'touch "$ran"')
        night.promote(2, dry_run=True)
        assert not ran.exists()

    def test_after_a_commit(self, night: Night) -> None:
        ran = add_hook(night, "post-commit", 'git rev-parse HEAD >> "$ran"; pwd >> "$ran"')
        result = night.promote(2, 3)
        assert ran.read_text().split() == [result.new, str(night.checkout)]
        assert result.notes == ()
        git(night.checkout, "branch", "side")
        other = night.promote(4, onto="side", force=True)
        assert other.notes == ("your post-commit hook was not run: the branch is not checked out",)
        add_hook(night, "post-commit", "exit 3")
        assert night.promote(4, force=True).notes == (
            "your post-commit hook failed, after all was done",
        )

    def test_what_is_no_part_of_a_commit_is_not_run_and_said(self, night: Night) -> None:
        for name in ("post-checkout", "post-merge", "reference-transaction", "post-index-change"):
            ran = add_hook(night, name, 'touch "$ran"; exit 1')
        (told,) = night.promote(2).notes
        assert told == (
            "your hooks were not run: "
            "reference-transaction, post-index-change, post-checkout, post-merge"
        )
        assert not ran.exists()

    def test_a_hook_in_the_tree_is_the_persons_never_the_candidates(self, night: Night) -> None:
        """The candidate rewrites the hooks that the project keeps under version control."""
        ran = add_hook(night, "commit-msg", "exit 0", folder="proj/hooks")
        add_hook(night, "post-commit", "exit 0", folder="proj/hooks")
        git(night.checkout, "add", ".")
        git(night.checkout, "commit", "-q", "-m", "Hooks")
        git(night.checkout, "config", "core.hooksPath", "proj/hooks")
        evil = '#!/bin/sh\ntouch "' + str(ran) + '"\n'
        names = {"hooks/commit-msg": evil, "hooks/post-commit": evil}
        message = commit_message("evil", experiment=7, study="mar8")
        sha = night.repo.write_commit(night.repo.head(), names, message, WHEN)
        night.experiments[7] = night.experiments[2]
        night.become(7, id=7, commit_sha=sha)
        (told,) = night.promote(7).notes
        assert told.startswith("your post-commit hook was not run: what was promoted changes")
        assert not ran.exists()

    def test_a_signature_that_cannot_be_made(self, night: Night) -> None:
        git(night.checkout, "config", "commit.gpgSign", "true")
        git(night.checkout, "config", "gpg.program", "/nonexistent/gpg")
        night.refused(
            2, match=r"^the commit cannot be signed, and commit\.gpgSign is true .*; nothing"
        )
        result = night.promote(2, commits=CommitOptions(signature=False))
        assert result.notes == ("the commits are not signed, though commit.gpgSign is true",)

    def test_a_signature_that_can(self, night: Night, tmp_path: Path) -> None:
        gpg = tmp_path / "gpg"
        gpg.write_text(
            "#!/bin/sh\ncat > /dev/null\necho '[GNUPG:] SIG_CREATED ' >&2\n"
            "printf -- '-----BEGIN PGP SIGNATURE-----\\nx\\n-----END PGP SIGNATURE-----\\n'\n"
        )
        gpg.chmod(0o755)
        git(night.checkout, "config", "commit.gpgSign", "true")
        git(night.checkout, "config", "gpg.program", str(gpg))
        result = night.promote(2)
        assert "BEGIN PGP SIGNATURE" in git(night.checkout, "cat-file", "commit", result.new)
        assert result.notes == ()

    def test_a_missing_filter_does_not_stop_it(self, night: Night) -> None:
        (night.checkout / "big.bin").write_bytes(b"weights")
        (night.checkout / ".gitattributes").write_text("*.bin filter=lfs\n")
        git(night.checkout, "add", ".")
        git(night.checkout, "commit", "-q", "-m", "Big")
        git(night.checkout, "config", "filter.lfs.process", "/nonexistent/git-lfs")
        git(night.checkout, "config", "filter.lfs.required", "true")
        add_hook(night, "pre-commit", "exit 0")
        result = night.promote(2)
        assert night.source(result.new) == changed(SOURCE, {0: 2})


@pytest.mark.parametrize("act", ["cherry-pick", "write-tree", "commit-tree", "merge"])
def test_killed_in_the_middle_nothing_is_harmed(night: Night, act: str, tmp_path: Path) -> None:
    before = snapshot(night.checkout)
    kill_before(night, act, tmp_path)
    after = snapshot(night.checkout)
    assert {**after, "worktrees": ""} == {**before, "worktrees": ""}
    shutil.rmtree(tmp_path / "tmp")  # as after a restart of the machine
    (tmp_path / "tmp").mkdir()
    result = night.promote(2)
    assert night.repo.head() == result.new
    assert "autoresearch-pick" not in git(night.checkout, "worktree", "list")
    assert list((tmp_path / "tmp").iterdir()) == []


def kill_before(night: Night, act: str, tmp_path: Path) -> None:
    """Start `promote` in a process of its own and kill -9 it when it comes to one act of git."""
    reached = tmp_path / "reached"
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f"#!/bin/sh\ncase \" $* \" in *' {act} '*) echo $$ > '{reached}.new'; "
        f"mv '{reached}.new' '{reached}'; exec sleep 60;; esac\nexec {shutil.which('git')} \"$@\"\n"
    )
    wrapper.chmod(0o755)

    def act_on() -> None:
        repo = GitRepo.open(night.repo.root)
        promote(repo, [night.experiments[2]], force=True)

    path = f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}"
    child = Forked(act_on, env={**os.environ, "PATH": path})
    while not reached.exists():
        assert child.poll() is None, child.err
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    os.kill(int(reached.read_text()), signal.SIGKILL)
