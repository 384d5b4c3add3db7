"""Trees and commits by plumbing alone: the person's index and checkout are not touched."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from autoresearch.errors import GitError
from autoresearch.gitrepo.command import Git
from autoresearch.gitrepo.messages import Commit
from autoresearch.gitrepo.objects import FOLDER, UnreadableError
from autoresearch.patching import matches

_FEW = 16  # sizes that are asked for one after another; more are asked for at once
MAX_TEXT = 4 * 2**20  # bytes; a larger file is data, not text that anyone edits
SHA = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_NOWHERE = "refs/autoresearch-nowhere"
_REPORT = re.compile(r"^fast-import: dumping crash report to (.+)$", re.MULTILINE)
REGULAR, LINK, SUBMODULE = ("100644", "100755", "100664"), "120000", "160000"


@dataclass(frozen=True)
class Entry:
    """One file of a tree, as `git ls-tree` tells it; size in bytes, path in the project."""

    mode: str
    blob: str
    size: int
    path: str


def listing(git: Git, commit: str, prefix: str) -> tuple[Entry, ...]:
    """Return all the project holds at a commit: files, links, submodules (these without a size).

    What a full sha names never changes: it is asked for once.

    Raises:
        GitError: there is no such commit, or the project is not in it.
    """
    return (_known if SHA.fullmatch(commit) else _listing)(git, commit, prefix)


def _read_listing(git: Git, commit: str, prefix: str) -> tuple[Entry, ...]:
    try:
        return tuple(_walked(git, commit, prefix))
    except UnreadableError:
        found = _listing(git, commit, prefix)
        git.objects.learn({each.blob: each.size for each in found})
        return found


def _walked(git: Git, commit: str, prefix: str) -> Iterator[Entry]:
    """Yield what `git ls-tree -r` would, in its order, as a git that stays tells it."""
    tree = commit
    for part in prefix.split("/")[:-1]:
        found = [each.sha for each in git.objects.tree(tree) if each.name == part]
        if not found:
            raise UnreadableError(prefix)
        tree = found[0]
    yield from _below(git, tree, "")


def _below(git: Git, tree: str, place: str) -> Iterator[Entry]:
    held = git.objects.tree(tree)
    files = [each.sha for each in held if each.mode not in (FOLDER, SUBMODULE)]
    if sum(not git.objects.knows(each) for each in files) > _FEW:
        raise UnreadableError(tree)
    for each in held:
        path = f"{place}{each.name}"
        if each.mode == FOLDER:
            yield from _below(git, each.sha, f"{path}/")
        else:
            size = 0 if each.mode == SUBMODULE else git.objects.size(each.sha)
            yield Entry(each.mode, each.sha, size, path)


def _listing(git: Git, commit: str, prefix: str) -> tuple[Entry, ...]:
    project = f"{commit}:{prefix.removesuffix('/')}"
    answer = git.attempt("ls-tree", "-r", "-l", "-z", "--full-tree", project)
    if answer.status != 0:
        _require(git, commit)
        msg = f"{prefix} is in no commit yet: add and commit the project first"
        raise GitError(msg)
    found = []
    for record in answer.data.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        facts, _, path = record.partition("\t")
        mode, _, blob, size = facts.split()
        found.append(Entry(mode, blob, int(size) if size.isdigit() else 0, path))
    return tuple(found)


_known = lru_cache(maxsize=64)(_read_listing)


def read_files(git: Git, commit: str, prefix: str, globs: Sequence[str]) -> dict[str, str]:
    """Return the UTF-8 texts that the globs name at a commit, in path order."""
    wanted = [
        entry
        for entry in listing(git, commit, prefix)
        if entry.mode in REGULAR and entry.size <= MAX_TEXT and matches(entry.path, globs)
    ]
    try:
        texts = [(entry.path, _text(git.objects.blob(entry.blob))) for entry in wanted]
    except UnreadableError:
        texts = [(entry.path, _text(data)) for entry, data in read_blobs(git, wanted)]
    return {path: text for path, text in texts if text is not None}


def read_blobs(git: Git, wanted: Sequence[Entry]) -> Iterator[tuple[Entry, bytes]]:
    """Yield what entries hold, in their order. All of it is in memory: for small files."""
    asked = "".join(f"{entry.blob}\n" for entry in wanted).encode()
    stream, place = git.data("cat-file", "--batch", stdin=asked), 0
    for entry in wanted:
        begin = stream.index(b"\n", place) + 1
        place = begin + entry.size + 1
        yield entry, stream[begin : place - 1]


def write_commit(
    git: Git,
    parent: str,
    prefix: str,
    files: Mapping[str, str],
    *,
    message: str,
    when: datetime,
) -> str:
    """Write a commit that sets these files of the project; see `GitRepo.write_commit`."""
    modes = {entry.path: entry.mode for entry in listing(git, parent, prefix)}
    date, told = int(when.timestamp()), message.encode("utf-8", "replace")
    if b"\0" in told:
        msg = "a commit message cannot hold NUL"
        raise GitError(msg)
    author, committer = _identities(git)
    stream = [
        f"commit {_NOWHERE}\nmark :1\nauthor {author} {date} +0000\n".encode(),
        f"committer {committer} {date} +0000\n".encode(),
        _data(told),
        f"from {parent}\n".encode(),
    ]
    for path, text in files.items():
        mode = "100755" if modes.get(path) == "100755" else "100644"
        stream.append(f"M {mode} inline ".encode() + _quoted(f"{prefix}{path}"))
        stream.append(_data(text.encode("utf-8", "surrogatepass")))
    # Cleared at the end, the ref that every commit here needs is never written.
    stream.append(f"get-mark :1\nreset {_NOWHERE}\ndone\n".encode())
    return _imported(git, b"".join(stream))


def _imported(git: Git, stream: bytes) -> str:
    """Have one git write all objects of a stream; return what it prints."""
    # Few objects become loose ones, whatever the person set: a pack for each would slow git down.
    loose = ("-c", "fastimport.unpackLimit=100")
    answer = git.attempt(*loose, "fast-import", "--quiet", "--done", stdin=stream)
    if answer.status == 0:
        return answer.text
    if report := _REPORT.search(answer.error):
        (git.directory / report[1]).unlink(missing_ok=True)  # of no use to the person
    raise answer.refusal("git fast-import")


@lru_cache(maxsize=8)
def _identities(git: Git) -> tuple[str, str]:
    """Return author and committer as commits name them; asked for once."""
    author, committer = (
        git.text("var", name).rsplit(" ", 2)[0]
        for name in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT")
    )
    return author, committer


def _data(content: bytes) -> bytes:
    return b"data %d\n%b\n" % (len(content), content)


def _quoted(path: str) -> bytes:
    text = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"\n'.encode("utf-8", "surrogateescape")


def commit_tree(git: Git, tree: str, parent: str, message: str, when: int) -> str:
    """Write a commit object dated `when` (unix seconds, UTC); the same input gives the same sha."""
    date = f"@{when} +0000"
    return git.text(
        "commit-tree", tree, "-p", parent,
        stdin=message.encode("utf-8", "replace"),
        environment={"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date},
    )  # fmt: skip


def lineage(git: Git, base: str, tip: str) -> tuple[Commit, ...]:
    """Return the commits that `tip` has and `base` has not, oldest first."""
    return _commits(git, "--topo-order", "--reverse", f"{base}..{tip}", "--")


def read_commit(git: Git, sha: str) -> Commit:
    """Return one commit; GitError where there is none."""
    _require(git, sha)
    return _commits(git, "-1", sha, "--")[0]


def _require(git: Git, commit: str) -> None:
    if not git.holds("cat-file", "-e", f"{commit}^{{commit}}"):
        msg = f"there is no commit {commit[:12]} in this repository"
        raise GitError(msg)


def _commits(git: Git, *selection: str) -> tuple[Commit, ...]:
    told = git.data("log", "-z", "--format=%H%x00%T%x00%P%x00%at%x00%B", *selection)
    fields = iter(told.decode("utf-8", "replace").split("\0")[:-1])
    return tuple(
        Commit(sha, tree, tuple(parents.split()), int(when), message)
        for sha, tree, parents, when, message in zip(*[fields] * 5, strict=True)
    )


def _text(data: bytes) -> str | None:
    try:
        return None if b"\0" in data else data.decode("utf-8")
    except UnicodeDecodeError:
        return None
