"""A project's data beside its commits: shown in a trial's folder, or kept from it.

A trial finds what [sandbox] readable names where its program looks for it: at the same place in its
folder, or below its home. There are links to it, so nothing is copied, and the sandbox makes their
targets readable. Held-out files are behind no link.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from autoresearch.errors import ProjectError
from autoresearch.process import remove
from autoresearch.records import lfs
from autoresearch.records.globs import glob_fault, matches
from autoresearch.sandbox import paths

OUT_VARIABLE = "AUTORESEARCH_OUT"  # names the folder for what a trial leaves
MAX_LINKS = 500  # each is an argument of the sandbox's command line
_HOME = "~/"
_WILD = frozenset("*?[")


@dataclass(frozen=True)
class DataLink:
    """A file or folder of the person's, and where a trial finds it.

    `relative` is its place in the trial's tree, or below the trial's home if it begins with "~/";
    "" if it is found at its own absolute path only. `source` is absolute.
    """

    relative: str
    source: Path


def links(
    root: Path,
    readable: Sequence[str],
    hidden: Sequence[str] = (),
    closed: Sequence[Path] = (),
    *,
    home: Path | None = None,
) -> tuple[DataLink, ...]:
    """Return what [sandbox] readable shows to a trial, without what is held out.

    Args:
        root: the project's folder.
        readable: files and folders: absolute, below ~, or relative to the project.
        hidden: globs of the project's files that no trial may read.
        closed: files and folders that are never shown: the registry, the repository.
        home: the person's; by default that of the current user.

    Raises:
        ProjectError: one is not there, or held-out files are among too many others.
    """
    held = [_real(each.source) for each in named(root, hidden)]
    held += [_real(each) for each in closed]
    shown: list[DataLink] = []
    for word in readable:
        link = link_of(word, root, home)
        try:
            for each in (link, *_interpreter(link.source)):
                for part in _open_parts(each, held):
                    shown.append(part)
                    _require_few(shown, word)
        except OSError as fault:
            msg = f"[sandbox] readable: {word} cannot be read: {fault.strerror}"
            raise ProjectError(msg) from None
    return tuple(dict.fromkeys(shown))


def link_of(word: str, root: Path, home: Path | None = None) -> DataLink:
    """Return where a readable file or folder is, and where a trial finds it."""
    home = home or Path.home()
    top, prefix = (home, _HOME) if word.startswith(_HOME) else (root, "")
    path = Path(os.path.normpath(top / word.removeprefix(_HOME)))
    if path.is_relative_to(top) and path != top:
        return DataLink(f"{prefix}{path.relative_to(top).as_posix()}", path)
    return DataLink("", path)


def named(root: Path, globs: Sequence[str]) -> tuple[DataLink, ...]:
    """Return the files and folders of a project that globs name; a folder named whole as one.

    Raises:
        ProjectError: there are too many, or one is no glob.
    """
    matching: list[DataLink] = []
    for glob in globs:
        if fault := glob_fault(glob):
            raise ProjectError(fault)
        for relative in _named(root, glob, follow=True):
            matching.append(DataLink(relative, root / relative))
            _require_few(matching, glob)
    return tuple(dict.fromkeys(matching))


def strip(tree: Path, globs: Sequence[str]) -> None:
    """Remove what globs name from an export of a commit; links are removed, not followed."""
    for glob in globs:
        for relative in list(_named(tree, glob, follow=False)):
            remove(tree / relative)


def place(shown: Iterable[DataLink], tree: Path, home: Path) -> None:
    """Put links to data into a trial's tree, and below its home.

    Committed files stay, except those that are only pointers to Git LFS.

    Raises:
        OSError: they cannot be written.
    """
    for link in shown:
        if link.relative.startswith(_HOME):
            _place(link.source, home, link.relative.removeprefix(_HOME))
        elif link.relative:
            _place(link.source, tree, link.relative)


def _place(source: Path, top: Path, relative: str) -> None:
    *folders, name = relative.split("/")
    for each in folders:
        top /= each
        if top.is_symlink() or (top.exists() and not top.is_dir()):
            return  # the commit has a link or file there: never write through it
        top.mkdir(exist_ok=True)
    target = top / name
    if _is_lfs_pointer(target) and source.is_file():
        target.unlink()
    if not os.path.lexists(target):
        target.symlink_to(source)
    elif target.is_dir() and not target.is_symlink() and source.is_dir():
        for child in sorted(source.iterdir()):
            _place(child, target, child.name)


def _is_lfs_pointer(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    return path.stat().st_size < lfs.MOST_BYTES and lfs.is_pointer(path.read_bytes())


def _open_parts(link: DataLink, held: Sequence[Path]) -> Iterator[DataLink]:
    """Yield a link; if something held out lies in it, links to all the rest instead."""
    real = link.source.resolve(strict=True)
    if any(real.is_relative_to(each) for each in held):
        return
    if not any(each.is_relative_to(real) for each in held):
        yield link
        return
    for child in sorted(link.source.iterdir()):
        inner = f"{link.relative}/{child.name}" if link.relative else ""
        if child.exists() and not real.is_relative_to(_real(child)):  # no broken link, none upwards
            yield from _open_parts(DataLink(inner, child), held)


def _interpreter(folder: Path) -> Iterator[DataLink]:
    """Yield the Python that a virtual environment was made from, without which it does not work."""
    with suppress(OSError, UnicodeDecodeError):
        for line in (folder / "pyvenv.cfg").read_text("utf-8").splitlines():
            name, _, value = line.partition("=")
            base = Path(value.strip()).parent
            absolute = name.strip() == "home" and base.is_absolute()
            if absolute and base.is_dir() and paths.is_narrow(base):
                yield DataLink("", base)


def _named(root: Path, glob: str, *, follow: bool) -> Iterator[str]:
    """Yield what a glob names below a folder, topmost first; `follow`: links are followed."""
    steps = glob.split("/")
    fixed = next((at for at, step in enumerate(steps) if _WILD & set(step)), len(steps) - 1)
    deepest = sys.maxsize if "**" in glob else len(steps)
    waiting = ["/".join(steps[:fixed])]
    seen = set[Path]()
    while waiting:
        folder = waiting.pop()
        if not _may_enter(root, folder, follow=follow) or _real(root / folder) in seen:
            continue
        seen.add(_real(root / folder))
        if folder and _is_whole(folder, glob):
            yield folder
            continue
        for name in sorted(os.listdir(root / folder)):  # noqa: PTH208 - names are what is asked for
            path = f"{folder}/{name}" if folder else name
            if matches(path, (glob,)) or _is_whole(path, glob):
                yield path
            elif path.count("/") + 1 < deepest and (root / path).is_dir():
                waiting.append(path)


def _is_whole(folder: str, glob: str) -> bool:
    """Return whether a glob names everything in a folder."""
    return glob.endswith("/**") and matches(folder, (glob.removesuffix("/**"),))


def _may_enter(root: Path, folder: str, *, follow: bool) -> bool:
    """Return whether a folder can be listed, and no link leads to it unless `follow`."""
    steps = [root.joinpath(*folder.split("/")[:at]) for at in range(1, folder.count("/") + 2)]
    linked = not follow and any(each.is_symlink() for each in steps)
    return (root / folder).is_dir() and not linked and os.access(root / folder, os.R_OK | os.X_OK)


def _require_few(links: Sequence[DataLink], word: str) -> None:
    if len(links) > MAX_LINKS:
        msg = (
            f"{word}: more than {MAX_LINKS} files would have to be shown one by one: put what is "
            "held out into a folder of its own"
        )
        raise ProjectError(msg)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
