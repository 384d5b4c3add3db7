"""Objects read from a git that stays: what commits hold is asked for at every turn of a run.

Two processes, `cat-file --batch` and `--batch-check`, which any version of git knows. They end when
this one does, however it ends: nobody can ask them any more.
"""

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from autoresearch.errors import GitError

FOLDER = "40000"
_REMEMBERED = 4096  # sizes of blobs, and trees
_HELD = 4 * 2**20  # bytes of small blobs
_MOST_SERVED = 8  # repositories of a process that have gits of their own, each with six descriptors


class UnreadableError(Exception):
    """Git did not say what was asked: asked by a command of its own it says why."""


@dataclass(frozen=True)
class Held:
    """One name in a tree: its mode, the sha of what it names."""

    mode: str
    name: str
    sha: str


@dataclass(frozen=True)
class _Told:
    """What git tells of an object; `data` where that was asked for."""

    sha: str
    size: int
    data: bytes


class Objects:
    """Reads objects of a repository by their shas; for any thread.

    Gits stay for the repositories that began last; who is asked again after that starts others.
    """

    _served: ClassVar[deque["weakref.ref[Objects]"]] = deque()

    def __init__(self, start: Callable[..., Any]) -> None:
        """Build it; `start` starts a git, by its arguments, that answers what it is asked."""
        self._start = start
        self._lock = threading.RLock()  # let go of in the middle of a question, it is closed there
        self._asked: dict[str, Any] = {}  # git's processes by their option
        self._owner = os.getpid()
        weakref.finalize(self, _end, self._asked, self._owner)
        self._trees: dict[str, tuple[Held, ...]] = {}
        self._sizes: dict[str, int] = {}
        self._blobs: dict[str, bytes] = {}
        self._held = 0

    def close(self) -> None:
        """End git's processes; another question starts others."""
        with self._lock:
            _end(self._asked, self._owner)

    def give_way(self) -> None:
        """End git's processes, unless another thread asks them something just now."""
        if self._lock.acquire(blocking=False):
            try:
                _end(self._asked, self._owner)
            finally:
                self._lock.release()

    def tree(self, name: str) -> tuple[Held, ...]:
        """Return what a tree holds, given by a sha of its own or a commit's.

        Raises:
            UnreadableError: there is none, or git cannot be asked.
        """
        with self._lock:
            if name not in self._trees:
                found = self._told("--batch", f"{name}^{{tree}}")
                while len(self._trees) >= _REMEMBERED:
                    self._trees.pop(next(iter(self._trees)))
                self._trees[name] = tuple(_entries(found.data, len(found.sha) // 2))
            return self._trees[name]

    def parents(self, commit: str) -> tuple[str, ...]:
        """Return the shas of a commit's parents; errors as of `tree`."""
        lines = self._told("--batch", commit).data.partition(b"\n\n")[0].decode("utf-8", "replace")
        words = (line.split() for line in lines.splitlines())
        return tuple(each[1] for each in words if each[0] == "parent")

    def size(self, blob: str) -> int:
        """Return how many bytes a blob has; errors as of `tree`."""
        with self._lock:
            if blob not in self._sizes:
                self.learn({blob: self._told("--batch-check", blob).size})
            return self._sizes[blob]

    def knows(self, blob: str) -> bool:
        """Return whether a blob's size need not be asked for."""
        return blob in self._sizes

    def learn(self, sizes: Mapping[str, int]) -> None:
        """Remember the sizes of blobs."""
        with self._lock:
            self._sizes.update(sizes)
            while len(self._sizes) > max(_REMEMBERED, len(sizes)):
                self._sizes.pop(next(iter(self._sizes)))

    def blob(self, sha: str) -> bytes:
        """Return what a small blob holds; errors as of `tree`."""
        known = self._blobs.get(sha)
        if known is None:
            known = self._told("--batch", sha).data
            with self._lock:
                self._held += 0 if sha in self._blobs else len(known)
                self._blobs[sha] = known
                while self._held > _HELD:
                    self._held -= len(self._blobs.pop(next(iter(self._blobs))))
        return known

    def _told(self, option: str, name: str) -> _Told:
        """Return what git tells of an object."""
        if "\n" in name:  # it would be two questions
            raise UnreadableError(name)
        with self._lock:
            whole = False
            try:
                found = _ask(self._process(option), name, data=option == "--batch")
                whole = True
            except (OSError, ValueError, GitError) as fault:
                raise UnreadableError(str(fault)) from None
            finally:
                if not whole:  # it may be half told: another one is asked the next time
                    self._asked.clear()
        if found is None:
            raise UnreadableError(name)
        return found

    def _process(self, option: str) -> Any:
        if self._owner != os.getpid():  # a fork must not take another's answers
            self._asked.clear()
            self._owner = os.getpid()
        if option not in self._asked:
            if not self._asked:
                self._serve_last()
            self._asked[option] = self._start("cat-file", option)
        return self._asked[option]

    def _serve_last(self) -> None:
        """Count this repository as served, and end the gits of those that were so longest ago."""
        self._served.append(weakref.ref(self))
        while len(self._served) > _MOST_SERVED:
            other = self._served.popleft()()
            if other is not None and other is not self:
                other.give_way()


def _ask(git: Any, name: str, *, data: bool) -> _Told | None:
    """Return what a git tells of an object, None where there is none; ValueError if it is odd."""
    git.stdin.write(f"{name}\n".encode())
    git.stdin.flush()
    said = git.stdout.readline().decode("utf-8", "replace").split()
    if said[1:] == ["missing"]:
        return None
    sha, _, size = said
    held: bytes = git.stdout.read(int(size) + 1) if data else b"\n"
    if data and len(held) != int(size) + 1:
        msg = "it ended"
        raise ValueError(msg)
    return _Told(sha, int(size), held[:-1])


def _end(asked: dict[str, Any], owner: int) -> None:
    """End git's processes, which are those of the process that began to ask."""
    for each in asked.values() if os.getpid() == owner else ():
        with suppress(OSError):
            each.stdin.close()
            each.proc.wait()
    asked.clear()


def _entries(data: bytes, length: int) -> Iterator[Held]:
    """Yield what a tree object says; `length` is that of a sha in bytes."""
    place = 0
    while place < len(data):
        end = data.index(b"\0", place)
        mode, _, name = data[place:end].partition(b" ")
        place = end + 1 + length
        sha = data[end + 1 : place].hex()
        yield Held(mode.decode(), name.decode("utf-8", "surrogateescape"), sha)
