import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.errors import BranchCheckedOutError, BranchMovedError, GitBusyError, GitError
from autoresearch.gitrepo import (
    EXPERIMENT,
    NO_REF,
    STUDY,
    Commit,
    Conflict,
    GitRepo,
    Merged,
    Nothing,
    Picked,
    commit_message,
    picking,
    read_trailers,
)
from autoresearch.gitrepo.command import Answer, system_refusal

WHEN = datetime(2026, 3, 8, 22, 0, tzinfo=UTC)
SOURCE = "DEPTH = 2\nLR = 0.1\n\n\ndef main():\n    return DEPTH\n"


def git(where: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=where, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.removesuffix("\n")


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")


def snapshot(checkout: Path) -> tuple[str, str, str, bytes]:
    """All that belongs to the person: head, branch, status and the very index file."""
    index = checkout / git(checkout, "rev-parse", "--git-path", "index")
    data = index.read_bytes()
    branch = subprocess.run(
        ["git", "symbolic-ref", "-q", "HEAD"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    status = git(checkout, "--no-optional-locks", "status", "--porcelain")
    return git(checkout, "rev-parse", "HEAD"), branch, status, data


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    write(root, {"train.py": SOURCE, "prepare.py": "X = 1\n", "program.md": "Lower it.\n"})
    git(root.parent, "init", "-q", str(root))
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "First")
    return root


@pytest.fixture
def repo(checkout: Path) -> GitRepo:
    return GitRepo.open(checkout)


@pytest.fixture(params=["top", "sub-folder", "linked worktree", "submodule"])
def project(request: pytest.FixtureRequest, checkout: Path, tmp_path: Path) -> Path:
    """A project in each kind of place that a person may keep one."""
    if request.param == "top":
        return checkout
    if request.param == "sub-folder":
        inner = checkout / "läb work" / "proj"
        write(inner, {"train.py": SOURCE, "prepare.py": "X = 1\n"})
        git(checkout, "add", ".")
        git(checkout, "commit", "-q", "-m", "A project further down")
        return inner
    if request.param == "linked worktree":
        git(checkout, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
        return tmp_path / "side"
    outer = tmp_path / "outer"
    git(tmp_path, "init", "-q", str(outer))
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(checkout), "mod")
    git(outer, "commit", "-q", "-m", "With a submodule")
    return outer / "mod"


def commit_change(repo: GitRepo, parent: str, source: str, number: int = 1) -> str:
    message = commit_message("change it", experiment=number, study="t")
    return repo.write_commit(parent, {"train.py": source}, message, WHEN)


class TestOpening:
    def test_no_repository_says_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(GitError, match="no git repository: make one with `git init`"):
            GitRepo.open(tmp_path)

    def test_a_bare_repository_is_refused_in_words(self, tmp_path: Path) -> None:
        git(tmp_path, "init", "-q", "--bare", "bare.git")
        with pytest.raises(GitError, match="bare git repository"):
            GitRepo.open(tmp_path / "bare.git")

    def test_git_missing_is_one_clear_line(
        self, checkout: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(checkout))
        with pytest.raises(GitError, match="git is not installed"):
            GitRepo.open(checkout)

    def test_a_directory_that_is_gone_never_means_another_one(self, tmp_path: Path) -> None:
        with pytest.raises(GitError):
            GitRepo.open(tmp_path / "gone")

    def test_a_project_may_be_a_folder_of_a_larger_repository(self, checkout: Path) -> None:
        (checkout / "a b").mkdir()
        repo = GitRepo.open(checkout / "a b")
        assert (repo.prefix, repo.checkout_root) == ("a b/", checkout)

    def test_importing_the_module_loads_no_gitpython(self) -> None:
        code = "import sys, autoresearch.gitrepo; sys.exit('git' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestInitialise:
    def test_makes_a_repository_where_there_is_none(self, tmp_path: Path) -> None:
        root = tmp_path / "new"
        root.mkdir()
        repo, new = GitRepo.initialise(root)
        assert new
        assert (root / ".git").is_dir()
        with pytest.raises(GitError, match="no commit yet"):
            repo.head()

    def test_joins_the_repository_that_is_there(self, checkout: Path) -> None:
        (checkout / "inner").mkdir()
        repo, new = GitRepo.initialise(checkout / "inner")
        assert not new
        assert repo.prefix == "inner/"

    def test_a_repository_that_ignores_the_folder_is_left_alone(self, checkout: Path) -> None:
        write(checkout, {".gitignore": "/demo/\n", "demo/train.py": SOURCE})
        repo, new = GitRepo.initialise(checkout / "demo")
        assert new
        assert repo.prefix == ""

    def test_own_repository_with_a_catch_all_ignore_is_kept(self, tmp_path: Path) -> None:
        git(tmp_path, "init", "-q", "own")
        write(tmp_path / "own", {".gitignore": "*\n"})
        assert not GitRepo.initialise(tmp_path / "own")[1]


class TestFirstCommit:
    def test_commits_only_the_named_files(self, tmp_path: Path) -> None:
        repo, _ = GitRepo.initialise(tmp_path / "home")
        write(repo.root, {"train.py": SOURCE, "other file.txt": "mine\n"})
        sha = repo.commit_files(["train.py"], "Begin")
        assert git(repo.root, "ls-tree", "--name-only", sha) == "train.py"
        assert "?? " in git(repo.root, "status", "--porcelain")

    def test_leaves_what_was_staged_staged(self, checkout: Path, repo: GitRepo) -> None:
        write(checkout, {"prepare.py": "X = 2\n", "näu [1].py": "Y = 1\n", ".gitignore": "*.py\n"})
        git(checkout, "add", "prepare.py")
        before = repo.head()
        sha = repo.commit_files(["näu [1].py"], "Add")
        assert sha != before
        assert git(checkout, "status", "--porcelain").splitlines() == [
            "M  prepare.py",
            "?? .gitignore",
        ]

    def test_the_same_again_makes_no_second_commit(self, repo: GitRepo) -> None:
        assert repo.commit_files(["train.py"], "Again") == repo.head()
        assert len(git(repo.root, "log", "--oneline").splitlines()) == 1

    def test_no_hook_runs(self, checkout: Path, repo: GitRepo) -> None:
        hook = checkout / ".git" / "hooks" / "pre-commit"
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)
        write(checkout, {"new.py": "Z = 1\n"})
        repo.commit_files(["new.py"], "Past the hook")
        assert not repo.is_dirty(["new.py"])

    def test_a_stale_index_lock_is_named(self, checkout: Path, repo: GitRepo) -> None:
        (checkout / ".git" / "index.lock").touch()
        write(checkout, {"new.py": "Z = 1\n"})
        with pytest.raises(GitError, match=r"index\.lock"):
            repo.commit_files(["new.py"], "Blocked")


class TestIdentity:
    def test_is_told(self, repo: GitRepo) -> None:
        assert repo.identity() == ("Ada", "ada@example.org")

    @pytest.mark.parametrize("config", ["", "[user]\n\tname = Ada\n", "[user]\n\temail = a@b.c\n"])
    def test_a_guessed_one_does_not_count(
        self, config: str, repo: GitRepo, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Path(os.environ["GIT_CONFIG_GLOBAL"]).write_text(config)
        with pytest.raises(GitError, match=r"git config --global user\.name"):
            repo.identity()

    def test_is_required_outside_a_repository_too(self, tmp_path: Path) -> None:
        assert GitRepo.require_identity(tmp_path)[0] == "Ada"


class TestState:
    def test_detached_head_has_no_branch(self, checkout: Path, repo: GitRepo) -> None:
        assert repo.current_branch() == "main"
        git(checkout, "checkout", "-q", "--detach")
        assert repo.current_branch() is None
        assert repo.head() == repo.branch_tip("main")

    def test_dirty_knows_tracked_and_named(self, checkout: Path, repo: GitRepo) -> None:
        write(checkout, {"notes.txt": "mine\n"})
        assert not repo.is_dirty()
        assert repo.is_dirty(["*.txt"])
        assert not repo.is_dirty(["train.py"])
        write(checkout, {"train.py": "pass\n"})
        assert repo.is_dirty()
        assert repo.is_dirty(["train.py"])

    def test_paths_are_the_projects_in_a_sub_folder(self, project: Path) -> None:
        repo = GitRepo.open(project)
        write(project, {"train.py": "pass\n"})
        assert repo.is_dirty(["train.py"])
        assert not repo.is_dirty(["prepare.py"])

    def test_asking_touches_no_index(self, checkout: Path, repo: GitRepo) -> None:
        before = snapshot(checkout)
        os.utime(checkout / "train.py", (1, 1))
        repo.is_dirty()
        assert snapshot(checkout) == before


class TestRefs:
    def test_moves_only_from_where_it_is(self, repo: GitRepo) -> None:
        first = repo.head()
        second, third = (commit_change(repo, first, f"A = {n}\n") for n in (1, 2))
        repo.ensure_branch("autoresearch/t", first)
        repo.ensure_branch("autoresearch/t", first)
        repo.set_ref("refs/heads/autoresearch/t", second, first)
        with pytest.raises(GitError, match=f"is at {second[:7]}, expected at {first[:7]}"):
            repo.set_ref("refs/heads/autoresearch/t", third, first)
        assert repo.branch_tip("autoresearch/t") == second
        with pytest.raises(GitError, match="exists already, at another commit"):
            repo.ensure_branch("autoresearch/t", first)

    def test_new_refs(self, repo: GitRepo) -> None:
        sha = repo.head()
        repo.set_ref("refs/autoresearch/experiments/1", sha, None)
        repo.set_ref("refs/autoresearch/experiments/1", sha, None)
        with pytest.raises(GitError, match="expected to be new"):
            repo.set_ref("refs/autoresearch/experiments/1", sha, NO_REF)
        with pytest.raises(GitError, match="is nowhere"):
            repo.set_ref("refs/autoresearch/experiments/2", sha, sha)

    def test_branches_that_are_not_there(self, repo: GitRepo) -> None:
        assert not repo.branch_exists("nope")
        assert not repo.branch_exists("--help")
        with pytest.raises(GitError, match="there is no branch nope"):
            repo.branch_tip("nope")

    def test_a_folder_in_the_way_is_gits_own_line(self, repo: GitRepo) -> None:
        repo.ensure_branch("autoresearch", repo.head())
        with pytest.raises(GitError, match="autoresearch/t cannot be moved"):
            repo.ensure_branch("autoresearch/t", repo.head())

    def test_checked_out_at_sees_linked_worktrees(
        self, checkout: Path, repo: GitRepo, tmp_path: Path
    ) -> None:
        git(checkout, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
        assert repo.checked_out_at("main") == checkout
        assert repo.checked_out_at("side") == tmp_path / "side"
        assert repo.checked_out_at("nope") is None

    def test_a_branch_in_use_is_no_branch_to_move(
        self, checkout: Path, repo: GitRepo, tmp_path: Path
    ) -> None:
        side = tmp_path / "side"
        git(checkout, "worktree", "add", "-q", "-b", "autoresearch/t", str(side))
        with pytest.raises(BranchCheckedOutError, match=f"checked out in {side}: ") as refused:
            repo.require_unused("autoresearch/t")
        assert (refused.value.branch, refused.value.place) == ("autoresearch/t", side)
        shutil.rmtree(side)
        with pytest.raises(BranchCheckedOutError, match="`git worktree prune` forgets it"):
            repo.require_unused("autoresearch/t")
        git(checkout, "worktree", "prune")
        repo.require_unused("autoresearch/t")

    def test_what_may_pass_by_waiting_is_told_from_what_stays(
        self, checkout: Path, repo: GitRepo
    ) -> None:
        sha = repo.head()
        lock = checkout / ".git" / "refs" / "heads" / "t.lock"
        lock.touch()
        with pytest.raises(GitBusyError, match=rf"another git .*remove {lock}$"):
            repo.set_ref("refs/heads/t", sha, NO_REF)
        lock.unlink()
        repo.set_ref("refs/heads/t", sha, NO_REF)
        with pytest.raises(BranchMovedError):
            repo.set_ref("refs/heads/t", sha, NO_REF)
        with pytest.raises(GitError, match="cannot be moved") as stays:
            repo.set_ref("refs/heads/t/below", sha, NO_REF)
        assert not isinstance(stays.value, GitBusyError)

    @pytest.mark.parametrize(
        ("error", "busy"),
        [
            ("fatal: Unable to create '/r/.git/index.lock': File exists.", True),
            ("error: could not lock config file .git/config: File exists", True),
            ("error: unable to write file .git/objects/aa/bb: No space left on device", True),
            ("fatal: unable to write new index file", True),
            ("error: unable to create thread: Resource temporarily unavailable", True),
            ("fatal: cannot lock ref 'refs/x/y': 'refs/x' exists; cannot create 'refs/x/y'", False),
            ("error: insufficient permission for adding an object to repository", False),
            ("fatal: not a git repository", False),
        ],
    )
    def test_gits_own_words_for_what_passes(self, error: str, busy: bool) -> None:
        refusal = Answer(128, b"", error).refusal("git x")
        assert isinstance(refusal, GitBusyError) is busy
        assert "\n" not in str(refusal)

    def test_the_systems_own_numbers_for_what_passes(self) -> None:
        full = OSError(errno.ENOSPC, "No space left on device")
        assert isinstance(system_refusal("cannot write", full), GitBusyError)
        read_only = system_refusal("cannot write", OSError(errno.EROFS, "Read-only file system"))
        assert not isinstance(read_only, GitBusyError)


class TestReading:
    def test_globs_text_and_nothing_else(self, checkout: Path, repo: GitRepo) -> None:
        write(checkout, {"src/modèle x.py": "B = 1\n", "src/deep/c.py": "C = 1\n"})
        (checkout / "blob.py").write_bytes(b"\xff\x00")
        (checkout / "link.py").symlink_to("train.py")
        (checkout / "big.py").write_text("x" * (5 * 2**20))
        git(checkout, "add", ".")
        git(checkout, "commit", "-q", "-m", "More")
        assert set(repo.read_files(repo.head(), ["*.py"])) == {"train.py", "prepare.py"}
        assert set(repo.read_files(repo.head(), ["src/**/*.py"])) == {
            "src/modèle x.py",
            "src/deep/c.py",
        }
        assert repo.read_files(repo.head(), ["train.py"]) == {"train.py": SOURCE}
        assert repo.read_files(repo.head(), ["nothing"]) == {}

    def test_in_every_kind_of_place(self, project: Path) -> None:
        repo = GitRepo.open(project)
        assert repo.read_files(repo.head(), ["train.py"]) == {"train.py": SOURCE}

    def test_a_commit_that_is_not_there(self, repo: GitRepo) -> None:
        with pytest.raises(GitError, match="no commit 111111111111"):
            repo.read_files("1" * 40, ["*"])

    def test_a_project_in_no_commit(self, checkout: Path) -> None:
        (checkout / "new").mkdir()
        repo = GitRepo.open(checkout / "new")
        with pytest.raises(GitError, match="new/ is in no commit yet"):
            repo.read_files(repo.head(), ["*"])


class TestWriting:
    def test_is_deterministic_and_touches_nothing_of_the_persons(self, project: Path) -> None:
        repo = GitRepo.open(project)
        write(project, {"prepare.py": "X = 99\n"})
        git(project, "add", "prepare.py")
        before = snapshot(project)
        first = commit_change(repo, repo.head(), "A = 1\n")
        assert commit_change(repo, repo.head(), "A = 1\n") == first
        assert snapshot(project) == before
        assert repo.read_files(first, ["*"])["train.py"] == "A = 1\n"
        assert repo.read_files(first, ["*"])["prepare.py"] == "X = 1\n"
        changed = git(project, "-c", "core.quotePath=0", "diff", "--name-only", "HEAD", first)
        assert changed == f"{repo.prefix}train.py"

    def test_a_later_repetition_gives_the_same_sha(self, repo: GitRepo) -> None:
        first = commit_change(repo, repo.head(), "A = 1\n")
        time.sleep(1.1)  # git's dates are whole seconds
        assert commit_change(repo, repo.head(), "A = 1\n") == first

    def test_the_persons_stale_index_lock_does_not_matter(
        self, checkout: Path, repo: GitRepo, tmp_path: Path
    ) -> None:
        (checkout / ".git" / "index.lock").touch()
        sha = commit_change(repo, repo.head(), "A = 1\n")
        repo.ensure_branch("autoresearch/t", sha)
        with repo.workspace(sha, tmp_path / "tree") as tree:
            assert (tree / "train.py").read_text() == "A = 1\n"

    def test_new_names_modes_and_odd_texts(self, checkout: Path, repo: GitRepo) -> None:
        (checkout / "train.py").chmod(0o755)
        git(checkout, "commit", "-q", "-am", "Executable")
        files = {"train.py": "a\r\nb", "src/neu é.py": "x = '\u2028'\n", "empty.py": ""}
        sha = repo.write_commit(repo.head(), files, "odd\n", WHEN)
        assert {k: v for k, v in repo.read_files(sha, ["**"]).items() if k in files} == files
        assert git(checkout, "ls-tree", sha, "train.py").startswith("100755")

    def test_no_hook_no_signature_no_guess_at_dates(
        self, checkout: Path, repo: GitRepo, tmp_path: Path
    ) -> None:
        witness = tmp_path / "hook ran"
        hook = checkout / ".git" / "hooks" / "reference-transaction"
        hook.write_text(f"#!/bin/sh\ntouch '{witness}'\n")
        hook.chmod(0o755)
        git(checkout, "config", "commit.gpgSign", "true")
        sha = commit_change(repo, repo.head(), "A = 1\n")
        repo.ensure_branch("autoresearch/t", sha)
        assert not witness.exists()
        assert git(checkout, "log", "-1", "--format=%at %ct", sha) == "1773007200 1773007200"

    @pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
    def test_a_read_only_repository_is_one_line(self, checkout: Path, repo: GitRepo) -> None:
        objects = checkout / ".git" / "objects"
        objects.chmod(0o500)
        try:
            with pytest.raises(GitError, match=r"git hash-object: .+"):
                commit_change(repo, repo.head(), "A = 12345\n")
        finally:
            objects.chmod(0o700)

    def test_a_repository_that_cannot_be_written_is_one_line(
        self, checkout: Path, repo: GitRepo
    ) -> None:
        sha = repo.head()
        shutil.rmtree(checkout / ".git" / "refs" / "heads")
        (checkout / ".git" / "refs" / "heads").write_text("in the way")
        git_error = r"^refs/heads/autoresearch/t cannot be moved: [^\n]+$"
        with pytest.raises(GitError, match=git_error):
            repo.set_ref("refs/heads/autoresearch/t", sha, None)


class TestWorkspace:
    def test_is_the_project_without_git_and_goes_away(self, project: Path, tmp_path: Path) -> None:
        repo = GitRepo.open(project)
        place = tmp_path / "läb room" / "tree"
        with repo.workspace(repo.head(), place) as tree:
            assert tree == place
            assert (tree / "train.py").read_text() == SOURCE
            assert (tree / "prepare.py").is_file()
            assert not (tree / ".git").exists()
            assert not (tree / "läb work").exists() or project.name == "project"
        assert not place.exists()

    def test_leftovers_of_a_kill_are_not_seen(self, repo: GitRepo, tmp_path: Path) -> None:
        write(tmp_path / "tree", {"planted.py": "evil\n"})
        with repo.workspace(repo.head(), tmp_path / "tree") as tree:
            assert not (tree / "planted.py").exists()

    def test_removes_whatever_training_left(self, repo: GitRepo, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir(mode=0o500)
        with repo.workspace(repo.head(), tmp_path / "tree") as tree:
            write(tree / "a" / "b", {"c": "x"})
            (tree / "out").symlink_to(outside)
            (tree / "a" / "b").chmod(0o000)
            (tree / "a").chmod(0o500)
        assert not (tmp_path / "tree").exists()
        assert outside.stat().st_mode & 0o777 == 0o500

    def test_an_error_inside_still_cleans_up(self, repo: GitRepo, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError), repo.workspace(repo.head(), tmp_path / "tree"):
            raise RuntimeError
        assert not (tmp_path / "tree").exists()

    def test_a_place_that_cannot_be_is_one_line(self, repo: GitRepo, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with (
            pytest.raises(GitError, match="cannot write"),
            repo.workspace(repo.head(), tmp_path / "file" / "tree"),
        ):
            pass

    def test_line_ends_are_what_the_commit_says(self, checkout: Path, tmp_path: Path) -> None:
        git(checkout, "config", "core.autocrlf", "true")
        repo = GitRepo.open(checkout)
        with repo.workspace(repo.head(), tmp_path / "tree") as tree:
            assert (tree / "train.py").read_bytes() == SOURCE.encode()


class TestMessages:
    def test_reads_back(self, repo: GitRepo) -> None:
        base = repo.head()
        tip = base
        for number in (7, 8):
            message = commit_message(f"idea {number}", experiment=number, study="mar8")
            tip = repo.write_commit(tip, {"train.py": f"A = {number}\n"}, message, WHEN)
        found = repo.lineage(base, tip)
        assert [(each.experiment, each.study) for each in found] == [(7, "mar8"), (8, "mar8")]
        assert found[-1].sha == tip
        assert found[0].parents == (base,)
        assert found[0].when == int(WHEN.timestamp())
        assert repo.commit(base).experiment is None

    @pytest.mark.parametrize(
        "hypothesis",
        [
            "Autoresearch-Experiment: 999",
            "x\n\nAutoresearch-Experiment: 999\nAutoresearch-Study: forged",
            "word " * 14 + "Autoresearch-Experiment: 999 " * 5,
            "# comment",
            "fixup! squash! #  hidden",
            "\x1b[31mred\x07\u202e\0",
            "",
            "---\ndiff --git a/x b/x",
        ],
    )
    def test_words_cannot_forge(self, hypothesis: str, repo: GitRepo) -> None:
        message = commit_message(hypothesis, experiment=3, study="t")
        sha = repo.write_commit(repo.head(), {"train.py": "A = 1\n"}, message, WHEN)
        told = git(repo.root, "log", "-1", f"--format=%(trailers:key={EXPERIMENT},valueonly)", sha)
        assert told.strip() == "3"
        assert repo.commit(sha).experiment == 3

    @given(st.text(max_size=400))
    def test_any_words_are_safe(self, hypothesis: str) -> None:
        message = commit_message(hypothesis, experiment=3, study="t")
        subject, blank, *body = message.removesuffix("\n").split("\n")
        assert 0 < len(subject) <= 72
        assert blank == ""
        assert all(line.isprintable() for line in message.split("\n"))
        assert not any(line.startswith("#") for line in [subject, *body])
        assert not subject.startswith(("fixup!", "squash!"))
        assert body[-2:] == [f"{EXPERIMENT}: 3", f"{STUDY}: t"]
        trailer = re.compile(r"Autoresearch-[\w-]*:")
        assert sum(bool(trailer.match(line)) for line in [subject, *body]) == 2
        assert read_trailers(message) == {EXPERIMENT: "3", STUDY: "t"}

    @pytest.mark.parametrize("told", ["x", "-1", "1e9", "٣", "9" * 40, ""])
    def test_a_number_that_is_none(self, told: str) -> None:
        commit = Commit("a", "b", (), 0, f"subject\n\n{EXPERIMENT}: {told}\n")
        assert commit.experiment is None


class TestMerging:
    @pytest.fixture(params=["at once", "as an older git"], autouse=True)
    def way(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        if request.param != "at once":
            monkeypatch.setattr(picking, "_merged_at_once", lambda *_: None)

    def test_a_change_comes_on_top_of_another(self, checkout: Path, repo: GitRepo) -> None:
        change = commit_change(repo, repo.head(), SOURCE.replace("0.1", "0.2"))
        onto = commit_change(repo, repo.head(), SOURCE.replace("return DEPTH", "return 0"), 9)
        before = snapshot(checkout)
        merged = repo.merged(change, onto)
        assert isinstance(merged, Merged)
        text = repo.read_files(merged.tree, ["train.py"])["train.py"]
        assert text == SOURCE.replace("0.1", "0.2").replace("return DEPTH", "return 0")
        assert snapshot(checkout) == before
        assert repo.merged(change, change) == Nothing()

    def test_a_conflict_names_the_files(self, repo: GitRepo) -> None:
        change = commit_change(repo, repo.head(), SOURCE.replace("0.1", "0.2"))
        onto = commit_change(repo, repo.head(), SOURCE.replace("0.1", "0.3"), 9)
        found = repo.merged(change, onto)
        assert isinstance(found, Conflict)
        assert [Path(each).name for each in found.files] == ["train.py"]

    def test_what_a_change_was_made_upon_does_not_come_along(self, repo: GitRepo) -> None:
        below = commit_change(repo, repo.head(), SOURCE.replace("return DEPTH", "return 0"), 9)
        both = SOURCE.replace("return DEPTH", "return 0").replace("0.1", "0.2")
        change = commit_change(repo, below, both)
        merged = repo.merged(change, repo.head())
        assert isinstance(merged, Merged)
        text = repo.read_files(merged.tree, ["train.py"])["train.py"]
        assert text == SOURCE.replace("0.1", "0.2")


def test_gits_stay_for_a_few_repositories_and_go_with_them(project: Path) -> None:
    """Who opens many in one process keeps its descriptors: a guard may hold none above 1023."""
    held = Path("/proc/self/fd")
    before = len(list(held.iterdir()))
    opened = [GitRepo.open(project) for _ in range(20)]
    texts = [each.read_files(each.head(), ["*.py"]) for each in opened]
    assert len(list(held.iterdir())) - before <= 6 * 10
    assert opened[0].read_files(opened[0].head(), ["**/*.py"]) == texts[0] == texts[-1]
    del opened
    assert len(list(held.iterdir())) - before <= 3


def test_a_git_that_stays_to_be_asked_may_be_killed(repo: GitRepo) -> None:
    first, second = (
        commit_change(repo, repo.head(), SOURCE.replace("0.1", rate)) for rate in ("0.2", "0.3")
    )
    assert "0.2" in repo.read_files(first, ["train.py"])["train.py"]
    asked = [each for each in psutil.Process().children() if "cat-file" in each.cmdline()]
    assert asked
    for each in asked:
        each.kill()
    for commit, rate in ((second, "0.3"), (first, "0.2")):
        assert rate in repo.read_files(commit, ["train.py"])["train.py"]
        assert rate in repo.read_files(commit, ["*.py"])["train.py"]


class TestPicking:
    def other_line(self, repo: GitRepo, source: str) -> str:
        return commit_change(repo, repo.head(), source, 9)

    def test_picks_without_moving_anything(self, checkout: Path, repo: GitRepo) -> None:
        change = commit_change(repo, repo.head(), SOURCE.replace("0.1", "0.2"))
        onto = self.other_line(repo, SOURCE.replace("return DEPTH", "return 0"))
        before = snapshot(checkout)
        with repo.picking(onto) as picker:
            picked = picker.pick(change, "better\n", 1_700_000_000)
            assert isinstance(picked, Picked)
            assert picker.pick(change, "again\n", 1_700_000_000) == Nothing()
            assert picker.head == picked.sha
        assert snapshot(checkout) == before
        text = repo.read_files(picked.sha, ["train.py"])["train.py"]
        assert "LR = 0.2" in text
        assert "return 0" in text
        assert git(checkout, "worktree", "list").count("\n") == 0
        assert git(checkout, "log", "-1", "--format=%an %at %s", picked.sha) == (
            "Ada 1700000000 better"
        )

    def test_a_conflict_names_the_files(self, repo: GitRepo) -> None:
        change = commit_change(repo, repo.head(), SOURCE.replace("0.1", "0.2"))
        onto = self.other_line(repo, SOURCE.replace("0.1", "0.3"))
        with repo.picking(onto) as picker:
            result = picker.pick(change, "m\n", 1_700_000_000)
        assert isinstance(result, Conflict)
        assert result.files == ("train.py",)
        assert not Path(repo.checkout_root, ".git", "CHERRY_PICK_HEAD").exists()

    def test_a_killed_picking_is_pruned_next_time(
        self, checkout: Path, repo: GitRepo, tmp_path: Path
    ) -> None:
        kept = tmp_path / "mine"
        git(checkout, "worktree", "add", "-q", "-b", "side", str(kept))
        code = textwrap.dedent(f"""
            import sys, tempfile, time
            from pathlib import Path
            from autoresearch.gitrepo import GitRepo
            tempfile.tempdir = {tempfile_dir()!r}
            repo = GitRepo.open(Path({str(checkout)!r}))
            with repo.picking(repo.head()):
                print("ready", flush=True)
                time.sleep(60)
        """)
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            assert repo.prune() == ()
            child.send_signal(signal.SIGKILL)
        shutil.rmtree(kept)
        # As earlier versions left it: a worktree that the repository knows.
        name = f"autoresearch-pick-{child.pid}-x"
        git(checkout, "worktree", "add", "-q", "--detach", f"{tempfile_dir()}/{name}/{name}")
        assert len(repo.prune()) == 2
        # The person's own stays known, though its disk is unplugged.
        assert len(git(checkout, "worktree", "list").splitlines()) == 2
        assert not list(Path(tempfile_dir()).glob("autoresearch-pick-*"))
        with repo.picking(repo.head()) as picker:
            assert picker.head == repo.head()

    def test_fast_forward_brings_the_files(self, checkout: Path, repo: GitRepo) -> None:
        sha = commit_change(repo, repo.head(), "A = 1\n")
        repo.fast_forward(sha)
        assert (checkout / "train.py").read_text() == "A = 1\n"
        assert repo.branch_tip("main") == sha
        assert not repo.is_dirty()


def tempfile_dir() -> str:
    import tempfile  # noqa: PLC0415 - the fixture points it at this test's folder

    return tempfile.gettempdir()
