"""The throw-away copy of the project that a command edits, and how its files are read back.

What the command leaves may be anything. It is read after the command's whole process tree is dead,
through the folder's own descriptor, without following a link: plain files of bounded size in UTF-8,
or else what is wrong with them. Git runs here before the command does, and never afterwards.
"""

import errno
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from autoresearch.errors import ProposerError
from autoresearch.patching import matches
from autoresearch.process import remove
from autoresearch.records.proposals import Rejection
from autoresearch.records.text import safe_line

MAX_GROWTH = 2**20  # bytes that a file may grow by: preflight reads no larger change
MAX_NEW = 8 * 2**20  # bytes of all new files together
MAX_ENTRIES = 50_000
_MAX_DEPTH = 20  # folders in folders
_TOOL_SECONDS = 60.0
_GIT_SETTINGS = (
    "user.name=autoresearch",
    "user.email=autoresearch@localhost",
    "core.hooksPath=/dev/null",
    "core.autocrlf=false",
    "core.fsmonitor=false",
    "commit.gpgSign=false",
    "gc.auto=0",
)
# The project's own attributes do not count: `git add` would fail for an encoding that is not a
# file's.
_ATTRIBUTES = "* -text !eol !filter !ident !working-tree-encoding !merge !diff\n"
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class CollectedFiles:
    """The files that a command left: texts by path, and what is wrong with files of the project."""

    texts: Mapping[str, str]
    faults: Mapping[str, str]


@dataclass(frozen=True)
class Checkout:
    """A folder of project files, in a repository of its own, open by its descriptor."""

    folder: Path
    descriptor: int

    def write(self, name: str, text: str) -> None:
        """Write a file of ours at the top, in place of whatever is there; a folder there stays."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self.descriptor)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(FileExistsError):
            descriptor = os.open(name, flags, 0o600, dir_fd=self.descriptor)
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
                file.write(text.encode("utf-8", "replace"))

    def read(self, name: str, limit: int) -> str:
        """Return the text of a file at the top; "" where it is no plain text file of that size."""
        text = _read(name, self.descriptor, limit)
        return "" if isinstance(text, Rejection) else text

    def collect(
        self, known: Mapping[str, str], globs: Sequence[str], *, ours: Sequence[str] = ()
    ) -> CollectedFiles:
        """Return the files that are there now.

        Args:
            known: the files that were there, path to text.
            globs: new files that these match are returned, too, as far as they are plain text.
            ours: names at the top that are none of the project's.
        """
        texts: dict[str, str] = {}
        faults: dict[str, str] = {}
        room = MAX_NEW
        for number, (path, name, folder) in enumerate(_walk(self.descriptor)):
            if number >= MAX_ENTRIES:
                return CollectedFiles({}, {"the folder": f"holds more than {MAX_ENTRIES} files"})
            if path not in known and (path in ours or not matches(path, globs)):
                continue
            text = _read(name, folder, MAX_GROWTH + len(known.get(path, "").encode()))
            if not isinstance(text, Rejection):
                texts[path] = text
                room -= 0 if path in known else len(text)
            elif path in known:
                faults[path] = text.reason
            if room < 0:
                return CollectedFiles(
                    {}, {"the folder": f"holds over {MAX_NEW >> 20} MiB of new files"}
                )
        return CollectedFiles(texts, faults)


@contextmanager
def checkout(
    work: Path, files: Mapping[str, str], environment: Mapping[str, str]
) -> Iterator[Checkout]:
    """A checkout of these files in a folder of its own below `work`; removed afterwards.

    It is a repository with one commit, so that tools that need a repository work, and none of them
    takes an outer one for its own.

    Args:
        work: where throw-away folders are made.
        files: path to text.
        environment: where git finds its programs; variables that name a repository are left out.

    Raises:
        ProposerError: it cannot be made.
    """
    try:
        work.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=work.resolve(), prefix="command-"))
    except OSError as fault:
        raise ProposerError(_complaint(fault)) from None
    try:
        descriptor = _make(place / "project", files, environment)
        try:
            yield Checkout(place / "project", descriptor)
        finally:
            os.close(descriptor)
    finally:
        remove(place)  # what cannot be removed is left to the person


def _make(folder: Path, files: Mapping[str, str], environment: Mapping[str, str]) -> int:
    try:
        folder.mkdir()
        for path, text in files.items():
            if matches(path, ("**",)):  # never one that leaves the folder
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(text.encode("utf-8", "replace"))
        _git(folder, environment, "init", "--quiet", "--template=")
        (folder / ".git" / "info").mkdir(exist_ok=True)
        (folder / ".git" / "info" / "attributes").write_text(_ATTRIBUTES)
        _git(folder, environment, "add", "--all", "--force")
        _git(folder, environment, "commit", "--quiet", "--allow-empty", "-m", "The incumbent")
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (OSError, subprocess.SubprocessError) as fault:
        raise ProposerError(_complaint(fault)) from None


def _git(folder: Path, environment: Mapping[str, str], *arguments: str) -> None:
    clean = {name: text for name, text in environment.items() if not name.startswith("GIT_")}
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    settings = [part for setting in _GIT_SETTINGS for part in ("-c", setting)]
    subprocess.run(
        ["git", *settings, *arguments],
        cwd=folder,
        env={**clean, **own},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=_TOOL_SECONDS,
        start_new_session=True,
        check=True,
    )


def _complaint(fault: Exception) -> str:
    why = fault.strerror if isinstance(fault, OSError) else str(fault)
    return f"cannot make a copy of the project: {safe_line(why or type(fault).__name__, 200)}"


def _walk(top: int) -> Iterator[tuple[str, str, int]]:
    """Yield path, name and the folder's descriptor of all files and folders that are there."""
    for folder, folders, names, descriptor in os.fwalk(".", dir_fd=top):
        folders[:] = [name for name in folders if name.lower() != ".git"]
        base = "" if folder == "." else f"{folder.removeprefix('./')}/"
        for name in (*names, *folders):
            yield base + name, name, descriptor
        if base.count("/") >= _MAX_DEPTH:
            folders.clear()


def _read(name: str, folder: int, limit: int) -> str | Rejection:
    """Return a file's text, or what is wrong with it, in words that follow its name."""
    try:
        descriptor = os.open(name, _OPEN, dir_fd=folder)
    except OSError as fault:
        linked = fault.errno == errno.ELOOP
        return Rejection("is a link now" if linked else f"cannot be read: {fault.strerror}")
    try:
        if odd := _fault(os.fstat(descriptor), limit):
            return odd
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(limit).decode("utf-8")
    except UnicodeDecodeError:
        return Rejection("is no UTF-8 text now")
    except OSError as fault:
        return Rejection(f"cannot be read: {fault.strerror}")
    finally:
        os.close(descriptor)


def _fault(facts: os.stat_result, limit: int) -> Rejection | None:
    if not stat.S_ISREG(facts.st_mode):
        return Rejection("is no plain file any more")
    if facts.st_nlink != 1:
        return Rejection("has a second name now (a hard link)")
    if facts.st_size > limit:
        return Rejection(f"is {facts.st_size} bytes long now: at most {limit} are read")
    return None
