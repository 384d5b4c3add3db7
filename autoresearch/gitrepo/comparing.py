"""How two commits differ, as git tells it: what an attribute says of a path changes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass

from autoresearch.gitrepo.command import Git
from autoresearch.gitrepo.neutral import neutral

_PREFIX = "autoresearch-diff-"
_OPTIONS = ("diff-tree", "-r", "--no-commit-id", "--no-ext-diff", "--no-textconv", "--no-renames")
_NO_MODE = "000000"


@dataclass(frozen=True)
class FileChange:
    """One file that differs; lines are None where it is binary, a mode is "" where it is not."""

    path: str
    old_mode: str
    new_mode: str
    added: int | None
    removed: int | None

    @property
    def said(self) -> str:
        """What happened beside its lines: "new", "deleted", "mode 100644 to 100755", "binary"."""
        parts = ["binary"] if self.added is None else []
        if not self.old_mode:
            parts.append("new")
        elif not self.new_mode:
            parts.append("deleted")
        elif self.old_mode != self.new_mode:
            parts.append(f"mode {self.old_mode} to {self.new_mode}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Difference:
    """How a project differs between two commits.

    `patch` is what `git apply` takes, byte for byte, with paths from the top of the checkout;
    `text` the same for a reader: of a binary file only that it differs.
    """

    files: tuple[FileChange, ...]
    patch: bytes
    text: bytes


def difference(git: Git, old: str, new: str, prefix: str) -> Difference:
    """Return how the project below `prefix` differs between two commits.

    Raises:
        GitError: one of the two is no commit here, or there is no room for a temporary folder.
    """
    where = ["--", f":(top,literal){prefix}"] if prefix else []
    with neutral(_PREFIX, git) as bench:

        def told(*options: str) -> bytes:
            return bench.data(
                "-c", "diff.suppressBlankEmpty=false", *_OPTIONS, *options, old, new, *where
            )

        shown = ("--patch", "--src-prefix=a/", "--dst-prefix=b/")
        files = tuple(_files(told("--raw", "--numstat", "-z")))
        return Difference(files, told(*shown, "--full-index", "--binary"), told(*shown))


def _files(told: bytes) -> Iterator[FileChange]:
    """Read what `--raw --numstat -z` says: first all modes, then all counts of lines."""
    fields = told.decode("utf-8", "surrogateescape").split("\0")[:-1]
    modes = dict[str, tuple[str, str]]()
    while fields and fields[0].startswith(":"):
        old, new = fields[0][1:].split()[:2]
        modes[fields[1]] = _mode(old), _mode(new)
        del fields[:2]
    for field in fields:
        added, removed, path = field.split("\t", 2)
        yield FileChange(path, *modes[path], _lines(added), _lines(removed))


def _mode(told: str) -> str:
    return "" if told == _NO_MODE else told


def _lines(told: str) -> int | None:
    return None if told == "-" else int(told)
