"""What trains is what is committed: no filter, encoding, line end or driver makes it other."""

import stat
import subprocess
from pathlib import Path

import pytest

from autoresearch.errors import GitError, Interrupted
from autoresearch.gitrepo import NO_REF, GitRepo, Merged, Nothing, Picked, exporting
from tests.test_gitrepo import WHEN, git, write

SOURCE = '# $Id$\nNAME = "é"\nDEPTH = 2\n\n\ndef main():\n    return DEPTH\n'
BROKEN = "/nonexistent/filter"


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    """A program of the person's that leaves a mark when git runs it."""
    program = tmp_path / "driver"
    program.write_text(f"#!/bin/sh\ntouch '{tmp_path / 'ran'}'\ncat\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    write(root, {"train.py": SOURCE, "prepare.py": "X = 1\n"})
    (root / "weights.bin").write_bytes(bytes(range(256)) * 4)
    (root / "crlf.txt").write_bytes(b"one\r\ntwo\r\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "First")
    return root


ATTRIBUTES = {
    "a missing, required filter": "* filter=lfs diff=lfs merge=lfs -text\n",
    "a filter that changes": "* filter=mark diff=mark merge=mark\n",
    "an encoding": "train.py text working-tree-encoding=UTF-16\n",
    "line ends": "* text=auto eol=crlf\n",
    "an ident": "*.py ident\n",
    "nothing is text": "* -text -diff -merge\n",
}


def attribute(root: Path, text: str, witness: Path) -> GitRepo:
    """Return a repository in which git would make other bytes of a checkout."""
    write(root, {".gitattributes": text})
    git(root, "add", ".gitattributes")
    git(root, "commit", "-q", "-m", "Attributes")
    for name, value in {
        "filter.lfs.required": "true",
        "filter.lfs.process": BROKEN,
        "filter.lfs.clean": BROKEN,
        "filter.mark.clean": str(witness),
        "filter.mark.smudge": str(witness),
        "diff.mark.textconv": str(witness),
        "diff.external": str(witness),
        "merge.mark.driver": f"{witness} %A",
        "core.autocrlf": "true",
        "core.eol": "crlf",
    }.items():
        git(root, "config", name, value)
    (root / ".git" / "info" / "attributes").write_text(text)
    return GitRepo.open(root)


def held(root: Path, sha: str, path: str) -> bytes:
    return subprocess.run(
        ["git", "cat-file", "blob", f"{sha}:{path}"], cwd=root, capture_output=True, check=True
    ).stdout


@pytest.mark.parametrize("attributes", ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_a_night_sees_blobs_alone(
    checkout: Path, tmp_path: Path, witness: Path, attributes: str
) -> None:
    repo = attribute(checkout, attributes, witness)
    base = repo.head()
    new = SOURCE.replace("DEPTH = 2", "DEPTH = 3")
    # A commit, the trees that are trained, a pick and its reverse.
    assert repo.read_files(base, ("train.py",)) == {"train.py": SOURCE}
    sha = repo.write_commit(base, {"train.py": new}, "deeper\n", WHEN)
    for commit, source in ((base, SOURCE), (sha, new)):
        with repo.workspace(commit, tmp_path / "tree") as tree:
            assert (tree / "train.py").read_bytes() == source.encode()
            for name in ("train.py", "weights.bin", "crlf.txt", "prepare.py"):
                assert (tree / name).read_bytes() == held(checkout, commit, name)
    other = repo.write_commit(base, {"prepare.py": "X = 2\n"}, "other\n", WHEN)
    with repo.picking(other) as picker:
        picked = picker.pick(sha, "again\n", 1_700_000_000)
        assert isinstance(picked, Picked)
        assert held(checkout, picked.sha, "train.py") == new.encode()
        assert held(checkout, picked.sha, "weights.bin") == held(checkout, base, "weights.bin")
        assert picker.pick(sha, "again\n", 1_700_000_000) == Nothing()
        undone = picker.undo(sha, "back\n", 1_700_000_000)
        assert isinstance(undone, Picked)
        assert held(checkout, undone.sha, "train.py") == SOURCE.encode()
    longer = repo.write_commit(base, {"train.py": f"{SOURCE}\n\nLAST = 1\n"}, "longer\n", WHEN)
    merged = repo.merged(sha, longer)
    assert isinstance(merged, Merged)
    assert repo.read_files(merged.tree, ("train.py",)) == {"train.py": f"{new}\n\nLAST = 1\n"}
    assert not (tmp_path / "ran").exists()


def test_a_missing_filter_does_not_hide_whether_files_changed(
    checkout: Path, witness: Path
) -> None:
    repo = attribute(checkout, ATTRIBUTES["a missing, required filter"], witness)
    assert not repo.is_dirty(("train.py",))
    write(checkout, {"train.py": SOURCE + "LAST = 1\n"})
    assert repo.is_dirty(("train.py",))
    assert repo.is_dirty()


def test_links_and_modes_are_kept_and_nothing_is_written_through_a_link(
    checkout: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (checkout / "out").symlink_to(outside)
    (checkout / "inside").symlink_to("train.py")
    (checkout / "train.py").chmod(0o755)
    (checkout / "süß\n.txt").write_text("odd name")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "Links")
    repo = GitRepo.open(checkout)
    with repo.workspace(repo.head(), tmp_path / "tree") as tree:
        assert (tree / "out").readlink() == outside
        assert (tree / "inside").readlink() == Path("train.py")
        assert (tree / "train.py").stat().st_mode & stat.S_IXUSR
        assert not (tree / "prepare.py").stat().st_mode & stat.S_IXUSR
        assert (tree / "süß\n.txt").read_text() == "odd name"
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("path", ["../evil.py", ".git/hooks/evil", "a/../../evil.py"])
def test_a_tree_that_no_git_would_make_is_refused(
    checkout: Path, tmp_path: Path, path: str
) -> None:
    blob = git(checkout, "rev-parse", "HEAD:train.py")
    tree = make_tree(checkout, path.split("/"), blob)
    sha = git(checkout, "commit-tree", tree, "-m", "hostile")
    repo = GitRepo.open(checkout)
    with (
        pytest.raises(GitError, match="is no name of a project's file"),
        repo.workspace(sha, tmp_path / "room" / "tree"),
    ):
        pass
    assert not list(tmp_path.rglob("evil*"))


def make_tree(root: Path, parts: list[str], blob: str) -> str:
    """Write a tree object by hand: git's own commands would refuse such names."""
    if len(parts) == 1:
        entry = f"100644 {parts[0]}\0".encode() + bytes.fromhex(blob)
    else:
        entry = f"40000 {parts[0]}\0".encode() + bytes.fromhex(make_tree(root, parts[1:], blob))
    done = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin"],
        cwd=root, input=entry, capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout.decode().strip()


def test_an_object_that_is_gone_is_one_line(checkout: Path, tmp_path: Path) -> None:
    blob = git(checkout, "rev-parse", "HEAD:weights.bin")
    (checkout / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    repo = GitRepo.open(checkout)
    with (
        pytest.raises(GitError, match=r"lacks the content of weights.bin|bad object|missing"),
        repo.workspace(repo.head(), tmp_path / "tree"),
    ):
        pass


def test_a_sha256_repository_from_commit_to_pick(tmp_path: Path) -> None:
    root = tmp_path / "project"
    write(root, {"train.py": SOURCE, "prepare.py": "X = 1\n"})
    git(root, "init", "-q", "--object-format=sha256")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "First")
    repo = GitRepo.open(root)
    base = repo.head()
    assert len(base) == 64
    sha = repo.write_commit(base, {"train.py": "A = 1\n"}, "idea\n", WHEN)
    repo.ensure_branch("autoresearch/t", base)
    repo.set_ref("refs/heads/autoresearch/t", sha, base)
    repo.set_ref("refs/autoresearch/t/2", sha, None)
    with pytest.raises(GitError, match="expected to be new"):
        repo.set_ref("refs/heads/autoresearch/t", base, NO_REF)
    repo.require_clear("t", 2)
    other = repo.write_commit(base, {"prepare.py": "X = 2\n"}, "other\n", WHEN)
    with repo.picking(other) as picker:
        assert isinstance(picker.pick(sha, "again\n", 1_700_000_000), Picked)
        onto = picker.head
    with repo.workspace(onto, tmp_path / "tree") as tree:
        assert (tree / "train.py").read_text() == "A = 1\n"
        assert (tree / "prepare.py").read_text() == "X = 2\n"
    repo.fast_forward(onto)
    assert repo.lineage(base, onto)[-1].sha == onto == repo.branch_tip("main")
    assert repo.gaps(onto, "train.py") == ()


def test_a_partial_clone_fetches_what_it_lacks(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "config", "uploadpack.allowFilter", "true")
    git(checkout, "config", "uploadpack.allowAnySHA1InWant", "true")
    write(checkout, {"train.py": SOURCE + "LAST = 1\n"})
    git(checkout, "commit", "-q", "-am", "Second")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--filter=blob:none", f"file://{checkout}", str(clone))
    repo = GitRepo.open(clone)
    source = SOURCE.replace("DEPTH = 2", "DEPTH = 3") + "LAST = 1\n"
    sha = repo.write_commit(repo.head(), {"train.py": source}, "deeper\n", WHEN)
    with repo.picking(git(clone, "rev-parse", "HEAD~1")) as picker:
        picked = picker.pick(sha, "again\n", 1_700_000_000)
    assert isinstance(picked, Picked)
    text = repo.read_files(picked.sha, ("train.py",))["train.py"]
    assert text == SOURCE.replace("DEPTH = 2", "DEPTH = 3")


def test_a_stop_is_heard_between_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_GIVEN", 1000)
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "--quiet")
    for name in "abc":
        (root / name).write_text(name * 1000)
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "three")
    asked: list[int] = []

    def stop() -> bool:
        asked.append(len(list((tmp_path / "out").iterdir())))
        return len(asked) == 3

    with pytest.raises(Interrupted):
        GitRepo.open(root).export("HEAD", tmp_path / "out", stop)
    assert asked == [0, 1, 2]
