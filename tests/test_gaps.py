"""What a trial lacks of the checkout is named: submodules, pointers, links, files in no commit."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from autoresearch.gitrepo import GitRepo
from tests.test_gitrepo import git, write

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
COMMITTED: Mapping[str, str] = {
    "train.py": "import json\nimport prepare\nfrom pkg import used\n",
    "prepare.py": "import math\n",
    "pkg/__init__.py": "",
    "pkg/used.py": "from . import deeper\n",
    "pkg/deeper.py": "X = 1\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    write(root, COMMITTED)
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "First")
    return root


def found(root: Path, entry: str = "train.py") -> list[str]:
    git(root, "commit", "-q", "--allow-empty", "-am", "More")
    repo = GitRepo.open(root)
    gaps = repo.gaps(repo.head(), entry)
    assert all(gap.mend and "\n" not in str(gap) + gap.mend for gap in gaps)
    return [str(gap) for gap in gaps]


def test_a_whole_project_lacks_nothing(root: Path) -> None:
    write(root, {"notes.py": "import nothing\n", "notes.txt": "mine", "train.log": "x"})
    assert found(root) == []


# What `train.py` asks for, what lies in the folder beside what is committed, and what is said.
IMPORTS = {
    "a module": ("import helper", "helper.py", "helper.py is in no commit, and train.py imports"),
    "a name of one": ("from helper import f", "helper.py", "helper.py is in no commit"),
    "a folder": ("import tools.sub", "tools/sub.py", "tools is in no commit"),
    "a module of a package": ("from pkg import more", "pkg/more.py", "pkg/more.py is in no commit"),
    "a dotted one": ("import pkg.more as m", "pkg/more.py", "pkg/more.py is in no commit"),
    "an extension": ("import fast", "fast.so", "fast.so is in no commit"),
    "by name": (
        "import importlib\nimportlib.import_module('helper')", "helper.py", "helper.py is in",
    ),
    "inside a function": ("def f():\n    import helper", "helper.py", "helper.py is in no commit"),
    "a file that is read": ("open('vocab.json')", "vocab.json", "vocab.json is in no commit"),
    "a path": ("P = Path('data/x.txt')", "data/x.txt", "data/x.txt is in no commit"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "name", "said"), IMPORTS.values(), ids=IMPORTS)
@pytest.mark.parametrize("ignored", [False, True], ids=["untracked", "ignored"])
def test_what_the_program_asks_for_and_no_commit_has(
    root: Path, line: str, name: str, said: str, ignored: bool
) -> None:
    write(root, {"train.py": f"{COMMITTED['train.py']}{line}\n", name: "X = 1\n"})
    if ignored:
        write(root, {".gitignore": f"{name}\n"})
    (told,) = found(root)
    assert told.startswith(said)
    assert "a trial does not get it" in told
    git(root, "add", "--force", name)
    assert found(root) == []


def test_what_a_committed_module_asks_for_is_looked_for_too(root: Path) -> None:
    write(root, {"pkg/deeper.py": "from .deepest import X\n", "pkg/deepest.py": "X = 1\n"})
    (told,) = found(root)
    assert told.startswith("pkg/deepest.py is in no commit, and pkg/deeper.py imports it")


def test_an_odd_name_can_be_copied_into_a_shell(root: Path) -> None:
    write(root, {"train.py": "open('a b$(x).txt')\n", "a b$(x).txt": "x"})
    git(root, "commit", "-q", "-am", "Odd")
    repo = GitRepo.open(root)
    (gap,) = repo.gaps(repo.head(), "train.py")
    assert gap.mend == "`git add --force 'a b$(x).txt'` and commit"


def test_beside_an_entry_in_a_folder(root: Path) -> None:
    write(root, {"src/main.py": "import helper\n", "src/helper.py": "X = 1\n"})
    git(root, "add", "src/main.py")
    (told,) = found(root, "src/main.py")
    assert told.startswith("src/helper.py is in no commit, and src/main.py imports it")


def test_through_a_committed_link(root: Path) -> None:
    (root / "lib").symlink_to("pkg")
    write(root, {"train.py": "import lib.used\nfrom lib import deeper\n"})
    git(root, "add", ".")
    assert found(root) == []


def test_what_only_looks_like_it_is_not_named(root: Path) -> None:
    source = "import torch, helper_of_nobody\nopen('../x')\nopen('/etc/passwd')\nopen('é' * 999)\n"
    write(root, {"train.py": source + "open('')\nopen('a\\0b')\n", ".autoresearch/x": ""})
    assert found(root) == []


def test_pointers_of_lfs(root: Path) -> None:
    write(root, {"weights.bin": POINTER, "small.txt": "version 1\n"})
    git(root, "add", ".")
    (told,) = found(root)
    assert told.startswith("weights.bin is a Git LFS pointer")


def test_submodules(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "other", {"mod.py": "X = 1\n"})
    git(tmp_path / "other", "init", "-q")
    git(tmp_path / "other", "add", ".")
    git(tmp_path / "other", "commit", "-q", "-m", "Other")
    allow = ("-c", "protocol.file.allow=always")
    git(root, *allow, "submodule", "add", "-q", str(tmp_path / "other"), "vendor")
    write(root, {"train.py": "import vendor.mod\n"})
    (told,) = found(root)
    assert told.startswith("vendor is a submodule: a trial gets an empty folder")
    with GitRepo.open(root).workspace("HEAD", tmp_path / "tree") as tree:
        assert list((tree / "vendor").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "target", "said"),
    [
        ("data", "/srv/data", "data is a link that leads out of the project (/srv/data)"),
        ("data", "../data", "data is a link that leads out"),
        ("pkg/data", "../../data", "pkg/data is a link that leads out"),
        ("data", "cache/data", "data is a link to cache/data, which is in no commit"),
        ("data", "pkg/used.py", None),
        ("pkg/data", "../prepare.py", None),
        ("data", "pkg", None),
        ("pkg/data", "..", None),
    ],
)
def test_links(root: Path, name: str, target: str, said: str | None) -> None:
    (root / name).symlink_to(target)
    git(root, "add", ".")
    told = found(root)
    assert len(told) == bool(said)
    assert all(each.startswith(str(said)) for each in told)


def test_what_a_filter_or_an_encoding_makes_of_a_file(root: Path) -> None:
    write(root, {".gitattributes": "train.py text working-tree-encoding=UTF-16\n"})
    git(root, "add", ".gitattributes")
    git(root, "commit", "-q", "-m", "Encoding")
    (root / "train.py").unlink()
    git(root, "checkout", "-q", "train.py")
    (told,) = found(root)
    assert told.startswith(
        "train.py is other bytes in your checkout (working-tree-encoding=UTF-16)"
    )
    write(root, {".gitattributes": "*.py filter=crypt\n", "prepare.py": "import cmath\n"})
    git(root, "config", "filter.crypt.clean", "tr a-z n-za-m")
    git(root, "config", "filter.crypt.smudge", "tr a-z n-za-m")
    (root / "train.py").write_text("import json\n")
    git(root, "add", ".")
    assert any(told.startswith("prepare.py is other bytes") for told in found(root))


def test_a_filter_that_is_not_there(root: Path) -> None:
    write(root, {".gitattributes": "*.bin filter=lfs\n", "a.bin": "raw", "b.bin": "raw"})
    git(root, "add", ".")
    (told,) = found(root)
    assert told.startswith("a.bin goes through the filter lfs, which git does not know here: ")
    git(root, "config", "filter.lfs.required", "true")
    git(root, "config", "filter.lfs.process", "/nonexistent/git-lfs filter-process")
    repo = GitRepo.open(root)
    (gap,) = repo.gaps(repo.head(), "train.py")
    assert "whose program /nonexistent/git-lfs is not there" in str(gap)
    git(root, "config", "filter.lfs.process", "cat --version")
    assert repo.gaps(repo.head(), "train.py") == ()
