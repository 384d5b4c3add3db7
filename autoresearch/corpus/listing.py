"""Which files of a folder are to be read, and what else is there."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from autoresearch.corpus.textfile import COMPRESSED

_SHOWN = 8  # kinds named at most


@dataclass(frozen=True)
class Entry:
    """A file to read: its path below the root, its size in bytes, its change time."""

    path: str
    size: int
    mtime_ns: int


@dataclass
class Unread:
    """What a folder holds that is not read: files by kind, and folders by name."""

    files: Counter[str] = field(default_factory=Counter)
    folders: Counter[str] = field(default_factory=Counter)

    @property
    def description(self) -> str:
        """One line: ``3 files (.png 2, hidden 1), 1 folder (.git)``; empty if there is nothing."""
        parts = (_summary(self.files, "file"), _summary(self.folders, "folder"))
        return ", ".join(part for part in parts if part)


def list_files(
    root: Path, wanted: Callable[[str, str], bool], pruned: Callable[[str, str], bool]
) -> tuple[tuple[Entry, ...], Unread]:
    """Return the regular files below `root` in path order, and what is left out.

    Links to folders are not followed. What may not be read is left out, unless it is the root.

    Args:
        root: where to start.
        wanted: takes a folder (relative, "" for the root) and a file's name in it; whether to read
            it.
        pruned: takes a folder's path and its name; True keeps the walk out of it.
    """
    entries, unread = [], Unread()

    def refuse(fault: OSError) -> None:
        if not isinstance(fault, PermissionError) or fault.filename == str(root):
            raise fault
        unread.folders["unreadable"] += 1

    for folder, folders, names in os.walk(root, onerror=refuse):
        paths = {name: Path(folder, name) for name in folders}
        left_out = {
            name for name, path in paths.items() if path.is_symlink() or pruned(str(path), name)
        }
        unread.folders.update(left_out)
        folders[:] = [name for name in folders if name not in left_out]
        below = os.path.relpath(folder, root)
        for name in names:
            path = Path(folder, name)
            if why := _objection(path, wanted("" if below == "." else below, name)):
                unread.files[why] += 1
            else:
                entries.append(entry(root, path))
                unread.files["empty"] += not entries[-1].size
    return tuple(sorted(entries, key=lambda each: each.path)), unread


def entry(root: Path, path: Path) -> Entry:
    """Return a file below `root` as it is now."""
    facts = path.stat()
    return Entry(path.relative_to(root).as_posix(), facts.st_size, facts.st_mtime_ns)


def _objection(path: Path, wanted: bool) -> str:  # noqa: FBT001 - what the caller found
    """Return why a file is not read, in a word; "" if it is."""
    if not path.is_file():
        return "broken links" if path.is_symlink() else "no files"
    if path.name.startswith("."):
        return "hidden"
    if not wanted:
        return _ending(path.name)
    return "" if os.access(path, os.R_OK) else "unreadable"


def _ending(name: str) -> str:
    endings = PurePath(name.lower()).suffixes
    inner = (
        "".join(endings[-2:]) if endings and endings[-1] in COMPRESSED else "".join(endings[-1:])
    )
    return inner or "without an ending"


def _summary(counts: Counter[str], what: str) -> str:
    kinds = [
        (name, -number) for number, name in sorted((-n, name) for name, n in counts.items() if n)
    ]
    total = sum(number for _, number in kinds)
    if not total:
        return ""
    names = [f"{name} {number:,}" if total > 1 else name for name, number in kinds[:_SHOWN]]
    more = ["…"] if len(kinds) > _SHOWN else []
    return f"{total:,} {what}{'s' if total > 1 else ''} ({', '.join([*names, *more])})"
