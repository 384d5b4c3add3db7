"""What a trial is shown of a project's data, and what never."""

from pathlib import Path

import pytest

from autoresearch.errors import ProjectError
from autoresearch.sandbox.data import DataLink, links, named, place, strip
from tests.test_gitrepo import write

FILES = {
    "train.py": "", "data/train/a": "1", "data/train/b": "2", "data/val/c": "3", "data/d.npy": "4",
    "data/val/deep/e": "5", ".autoresearch/registry.db": "6", "../outside/x": "7",
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    write(root, FILES)
    return root


def places(found: tuple[DataLink, ...]) -> list[str]:
    return sorted(each.relative for each in found)


class TestLinks:
    def test_where_each_kind_is_found(self, root: Path, tmp_path: Path) -> None:
        home = tmp_path / "home"
        write(home, {".cache/tokens": ""})
        outside = tmp_path / "outside"
        words = ("./data/train/", str(root / "data/d.npy"), "~/.cache", str(outside), "../outside")
        assert links(root, words, home=home) == (
            DataLink("data/train", root / "data/train"),
            DataLink("data/d.npy", root / "data/d.npy"),
            DataLink("~/.cache", home / ".cache"),
            DataLink("", outside),
        )
        assert links(root, ("~/../outside",), home=home) == (DataLink("", outside),)

    def test_what_is_held_out_is_in_none_and_below_none(self, root: Path) -> None:
        hidden = ("data/val/**", "data/*.npy")
        assert places(links(root, ("data",), hidden)) == ["data/train"]
        assert links(root, ("data/val/deep", "data/d.npy"), hidden) == ()
        shown = {
            each.source.name for each in links(root, (".",), hidden, (root / ".autoresearch",))
        }
        assert shown == {"train.py", "train"}

    def test_not_through_a_link_either(self, root: Path, tmp_path: Path) -> None:
        (root / "data").rename(tmp_path / "far")
        (root / "data").symlink_to(tmp_path / "far")
        (tmp_path / "far/train/back").symlink_to("../val")
        (tmp_path / "far/loop").symlink_to(".")
        (tmp_path / "far/nowhere").symlink_to("missing")
        (tmp_path / "far/alias").symlink_to("val")
        assert places(links(root, ("data",), ("data/val/**",))) == ["data/d.npy", "data/train"]
        assert links(root, (str(tmp_path / "far/val"),), ("data/val/**",)) == ()

    def test_a_virtual_environment_brings_its_python(self, root: Path, tmp_path: Path) -> None:
        base = tmp_path / "python"
        (base / "bin").mkdir(parents=True)
        write(root, {".venv/pyvenv.cfg": f"version = 3\nhome = {base / 'bin'}\n"})
        assert links(root, (".venv",)) == (
            DataLink(".venv", root / ".venv"), DataLink("", base),
        )  # fmt: skip
        for home in ("/bin", "bin", str(Path.home() / "bin"), "/nowhere/bin"):
            (root / ".venv/pyvenv.cfg").write_text(f"home = {home}\n")
            assert places(links(root, (".venv",))) == [".venv"]

    @pytest.mark.parametrize("word", ["missing", "~/missing", "/missing", "train.py/x"])
    def test_what_is_not_there_is_said(self, root: Path, word: str) -> None:
        with pytest.raises(ProjectError, match=f"readable: {word} cannot be read: No"):
            links(root, (word,))

    def test_held_out_among_too_many_is_said(self, root: Path) -> None:
        for at in range(600):
            (root / f"data/{at}.bin").touch()
        assert len(links(root, ("data",))) == 1
        with pytest.raises(ProjectError, match=r"data: more than 500 files.*folder of its own"):
            links(root, ("data",), ("data/val/**",))


class TestNamed:
    @pytest.mark.parametrize(
        ("glob", "expected"),
        [
            ("data/val/**", ["data/val"]),
            ("data/*.npy", ["data/d.npy"]),
            ("**/*.npy", ["data/d.npy"]),
            ("data/*/deep/e", ["data/val/deep/e"]),
            ("data/val/*", ["data/val/c", "data/val/deep"]),
            ("data/v*/**", ["data/val"]),
            ("data/d.npy", ["data/d.npy"]),
            ("data/val", ["data/val"]),
            ("../outside/**", []),
            ("missing/**", []),
            ("d.npy", []),
        ],
    )
    def test_topmost_and_within_the_project(
        self, root: Path, glob: str, expected: list[str]
    ) -> None:
        assert places(named(root, (glob,))) == expected

    def test_what_is_no_glob_is_said(self, root: Path) -> None:
        with pytest.raises(ProjectError, match=r"'data/\[z-a\]' is no glob"):
            named(root, ("data/[z-a]",))


class TestStrip:
    def test_it_removes_what_is_named(self, root: Path) -> None:
        strip(root, ("data/val/**", "**/*.npy"))
        assert not (root / "data/val").exists()
        assert sorted(each.name for each in (root / "data").iterdir()) == ["train"]

    def test_it_never_follows_a_link_of_the_commits(self, root: Path, tmp_path: Path) -> None:
        tree = tmp_path / "tree"
        tree.mkdir()
        (tree / "data").symlink_to(root / "data")
        (tree / "mine").mkdir()
        (tree / "mine/val").symlink_to(root / "data/val")
        strip(tree, ("data/val/**", "mine/val/**", "mine/**/c", "data/val/c"))
        assert (root / "data/val/c").read_text() == "3"
        strip(tree, ("mine/val",))
        assert (root / "data/val/c").read_text() == "3"
        assert list((tree / "mine").iterdir()) == []


class TestPlace:
    def test_what_is_committed_stands_and_pointers_give_way(
        self, root: Path, tmp_path: Path
    ) -> None:
        tree, home = tmp_path / "tree", tmp_path / "scratch"
        home.mkdir()
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
        write(tree, {"data/train/a": "committed", "data/d.npy": pointer})
        (tree / "sub").mkdir()  # a submodule's place
        write(root, {"sub/x": "8"})
        shown = links(root, ("data", "sub"), ("data/val/**",))
        place(shown, tree, home)
        found = {
            each.relative_to(tree).as_posix(): each.read_text()
            for each in tree.rglob("*")
            if each.is_file()
        }
        assert found == {"data/train/a": "committed", "data/train/b": "2", "data/d.npy": "4",
                         "sub/x": "8"}  # fmt: skip

    def test_nothing_is_written_through_a_link(self, root: Path, tmp_path: Path) -> None:
        tree, far = tmp_path / "tree", tmp_path / "far"
        tree.mkdir()
        far.mkdir()
        (tree / "data").symlink_to(far)
        (tree / "file").touch()
        shown = [DataLink(each, root / "data") for each in ("data", "data/x", "data/x/y", "file/z")]
        place(shown, tree, tmp_path)
        assert list(far.iterdir()) == []
        assert sorted(each.name for each in tree.iterdir()) == ["data", "file"]

    def test_below_home(self, root: Path, tmp_path: Path) -> None:
        home = tmp_path / "scratch"
        home.mkdir()
        place([DataLink("~/.cache/x", root / "data"), DataLink("", root)], tmp_path, home)
        assert (home / ".cache/x").readlink() == root / "data"
        assert [each.name for each in home.iterdir()] == [".cache"]
