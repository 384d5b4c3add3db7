"""What a trial will not have as the checkout has it: it gets what is committed, no more."""

import os
import posixpath
import re
import shlex
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import all_suffixes
from pathlib import Path

from autoresearch.gitrepo.command import Git
from autoresearch.gitrepo.trees import LINK, REGULAR, SUBMODULE, Entry, listing, read_blobs
from autoresearch.gitrepo.trees import read_files as read_texts
from autoresearch.patching.imports import files_read, imported
from autoresearch.records.lfs import MOST_BYTES, is_pointer
from autoresearch.records.text import safe_line

_CONVERTING = ("filter", "working-tree-encoding")


@dataclass(frozen=True)
class Gap:
    """One thing that a trial lacks; `said` is a clause about it, `mend` what to do."""

    path: str
    said: str
    mend: str

    def __str__(self) -> str:
        return safe_line(f"{self.path} {self.said}", 200)


def gaps(
    git: Git, commit: str, prefix: str, root: Path, entry: str, shown: Sequence[str] = ()
) -> tuple[Gap, ...]:
    """Return what trials of a commit lack; see `GitRepo.gaps`."""
    found = listing(git, commit, prefix)
    sources = read_texts(git, commit, prefix, ("**/*.py",))
    missing = _Missing(root, found)
    places = [posixpath.normpath(each) for each in shown]
    lacked = (
        *(_submodule(each) for each in found if each.mode == SUBMODULE),
        *_pointers(git, found),
        *_links(git, found),
        *missing.of(entry, sources),
        *_converted(git, found, prefix, root),
    )
    return tuple(each for each in lacked if not _is_in(each.path, places))


def _is_in(path: str, places: Iterable[str]) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in places)


def _submodule(entry: Entry) -> Gap:
    return Gap(
        entry.path,
        "is a submodule: a trial gets an empty folder in its place",
        "commit its files themselves: `git rm --cached` it, remove its .git, `git add` the folder",
    )


def _pointers(git: Git, found: Iterable[Entry]) -> Iterator[Gap]:
    small = [each for each in found if each.mode in REGULAR and each.size < MOST_BYTES]
    for entry, data in read_blobs(git, small):
        if is_pointer(data):
            yield Gap(
                entry.path,
                "is a Git LFS pointer: a trial gets the pointer, not what it points to",
                f"commit it without LFS: `git lfs untrack {shlex.quote(entry.path)}`, then "
                f"`git add --renormalize {shlex.quote(entry.path)}`",
            )


def _links(git: Git, found: Sequence[Entry]) -> Iterator[Gap]:
    links = [each for each in found if each.mode == LINK]
    targets = {each.path: os.fsdecode(data) for each, data in read_blobs(git, links)}
    there = {each.path for each in found}
    for path in [*there]:
        while path := posixpath.dirname(path):
            there.add(path)
    for path, target in targets.items():
        end = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        mend = "commit what it leads to in its place"
        if end.startswith("/") or end.split("/")[0] == "..":
            yield Gap(path, f"is a link that leads out of the project ({target})", mend)
        # One that goes through another link is told as that one.
        elif end != "." and end not in there and not _is_in(end, targets):
            yield Gap(path, f"is a link to {target}, which is in no commit", mend)


class _Missing:
    """Finds what a program asks for, is there in the project's folder, and is in no commit."""

    def __init__(self, root: Path, found: Iterable[Entry]) -> None:
        self._root = root
        entries = list(found)
        self._files = {each.path for each in entries if each.mode != SUBMODULE}
        self._modules = {each.path for each in entries if each.mode == SUBMODULE}
        self._folders = {
            "/".join(parts[:count])
            for parts in (path.split("/") for path in self._files)
            for count in range(1, len(parts))
        }

    def of(self, entry: str, sources: dict[str, str]) -> Iterator[Gap]:
        """Yield what the entry asks for, and what it imports, and what that imports."""
        waiting, seen, told = [entry], {entry}, set[str]()
        while waiting:
            path = waiting.pop()
            source = sources.get(path, "")
            for gap in (*self._imports(path, source, entry), *self._reads(path, source)):
                if gap.path not in told:
                    told.add(gap.path)
                    yield gap
            for name in imported(path, source):
                news = set(self._committed(name, entry)) - seen
                seen |= news
                waiting += sorted(news)

    def _imports(self, path: str, source: str, entry: str) -> Iterator[Gap]:
        for name in sorted(imported(path, source)):
            for base in _bases(entry):
                if place := self._uncommitted(base, name.split(".")):
                    yield _uncommitted(place, f"{path} imports it")
                    break

    def _reads(self, path: str, source: str) -> Iterator[Gap]:
        for name in sorted(files_read(source)):
            plain = posixpath.normpath(name) if name.isprintable() and len(name) < 256 else ""
            parts = plain.split("/")
            if not plain or plain.startswith("/") or parts[0] in ("..", ".git", ".autoresearch"):
                continue
            inside = any(plain.startswith(f"{each}/") for each in self._modules)
            if plain not in self._files and not inside and (self._root / plain).is_file():
                yield _uncommitted(plain, f"{path} reads it")

    def _committed(self, name: str, entry: str) -> Iterator[str]:
        for base in _bases(entry):
            parts = [*base, *name.split(".")]
            for count in range(len(base) + 1, len(parts) + 1):
                stem = "/".join(parts[:count])
                tries = (f"{stem}.py", f"{stem}/__init__.py")
                yield from (each for each in tries if each in self._files)

    def _uncommitted(self, base: Sequence[str], name: Sequence[str]) -> str | None:
        """Return the first file or folder on the way to a module that only the checkout has."""
        for count in range(1, len(name) + 1):
            stem = "/".join([*base, *name[:count]])
            if stem in self._modules or stem in self._files:
                return None  # a submodule or a link: told as what it is
            files = [f"{stem}{suffix}" for suffix in all_suffixes()]
            if stem in self._folders:
                init = f"{stem}/__init__.py"
                if init not in self._files and (self._root / init).is_file():
                    return init
                continue
            if any(each in self._files for each in files):
                return None
            for each in (*files, stem):
                place = self._root / each
                if place.is_file() if each != stem else any(place.glob("*.py")):
                    return each
            return None
        return None


def _bases(entry: str) -> list[list[str]]:
    """Return where a trial looks for modules: the project's top, and beside the entry."""
    beside = entry.split("/")[:-1]
    return [[], beside] if beside else [[]]


def _uncommitted(path: str, why: str) -> Gap:
    return Gap(
        path,
        f"is in no commit, and {why}: a trial does not get it",
        f"`git add --force {shlex.quote(path)}` and commit",
    )


def _converted(git: Git, found: Iterable[Entry], prefix: str, root: Path) -> Iterator[Gap]:
    """Yield the files that a filter or an encoding makes other bytes of in the checkout."""
    regular = {f"{prefix}{each.path}": each for each in found if each.mode in REGULAR}
    drivers: dict[str, Entry] = {}
    for path, attribute, value in _attributes(git, regular):
        entry = regular[path]
        if attribute == "filter":
            drivers.setdefault(value, entry)
        if value == "lfs" or not (root / entry.path).is_file():
            continue
        answer = git.attempt("hash-object", "--no-filters", "--", str(root / entry.path))
        if answer.status == 0 and answer.text != entry.blob:
            yield Gap(
                entry.path,
                f"is other bytes in your checkout ({attribute}={value}): a trial gets the commit's",
                f"take the attribute {attribute} from {entry.path} in .gitattributes, and commit",
            )
    for driver, entry in drivers.items():
        if lacks := _lacks(git, driver):
            yield Gap(
                entry.path,
                f"goes through the filter {driver}, {lacks}: a trial gets the commit's bytes",
                f"install it, or take filter={driver} from .gitattributes",
            )


def _attributes(git: Git, paths: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield path, attribute and value of what makes other bytes of a file."""
    asked = "".join(f"{path}\0" for path in paths).encode("utf-8", "surrogateescape")
    told = git.data("check-attr", "-z", "--stdin", *_CONVERTING, stdin=asked)
    fields = iter(told.decode("utf-8", "surrogateescape").split("\0")[:-1])
    for path, attribute, value in zip(*[fields] * 3, strict=True):
        if value not in ("unspecified", "unset", "set"):
            yield path, attribute, value


def _lacks(git: Git, driver: str) -> str:
    """Return in a clause what is missing of a filter; empty where nothing is."""
    commands = [
        git.attempt("config", "--get", f"filter.{driver}.{name}").text
        for name in ("process", "clean", "smudge")
    ]
    if not any(commands):
        return "which git does not know here"
    for command in filter(None, commands):
        program = command.split()[0]
        # What is more than a plain name is for a shell to read.
        if re.fullmatch(r"[\w./+-]+", program) and shutil.which(program) is None:
            return f"whose program {program} is not there"
    return ""
