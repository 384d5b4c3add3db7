"""Removing folders that hostile code made deep, unreadable or full of links."""

import errno
import os
from pathlib import Path

import pytest

from autoresearch.process import put_new, remove


def deep(folder: Path, depth: int, name: str = "d") -> None:
    """Make folders in folders, also where no path is long enough to name the last."""
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.fchmod(here, 0)
    os.close(here)


@pytest.mark.parametrize("name", ["d", "a_longer_name" * 4])
def test_a_very_deep_folder_goes_with_an_unreadable_one_at_its_end(
    tmp_path: Path, name: str
) -> None:
    deep(tmp_path / "top", 1500, name)
    assert remove(tmp_path / "top")
    assert not os.path.lexists(tmp_path / "top")


def test_what_is_read_only_or_unreadable_goes(tmp_path: Path) -> None:
    inner = tmp_path / "top" / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "file").write_text("")
    (inner / "file").chmod(0o400)
    for each, mode in ((inner, 0o500), (inner.parent, 0), (tmp_path / "top", 0o500)):
        each.chmod(mode)
    assert remove(tmp_path / "top")
    assert not os.path.lexists(tmp_path / "top")


def test_links_go_and_what_they_point_at_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir(mode=0o500)
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    assert remove(tmp_path / "top")
    assert remove(tmp_path / "link")
    assert not os.path.lexists(tmp_path / "top")
    assert not os.path.lexists(tmp_path / "link")
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o500


def test_a_file_goes_and_nothing_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert remove(tmp_path / "file")
    assert remove(tmp_path / "file")


def test_what_cannot_be_removed_is_told_and_raises_nothing() -> None:
    assert not remove(Path("/proc/self/status"))


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_has_its_name_at_once_and_takes_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refused(*_: Path) -> None:
        raise OSError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", refused)
    draft, path = tmp_path / "draft", tmp_path / "new"
    draft.write_text("mine")
    put_new(draft, path)
    assert (path.read_text(), draft.exists()) == ("mine", False)
    draft.write_text("other")
    with pytest.raises(OSError):  # noqa: PT011 - whichever the file system gives
        put_new(draft, path)
    assert (path.read_text(), draft.exists()) == ("mine", False)
