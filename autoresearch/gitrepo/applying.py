"""Applying a unified diff to texts, with git's own parser, outside the person's repository."""

from collections.abc import Mapping
from pathlib import Path

from autoresearch.gitrepo.command import Git, system_refusal
from autoresearch.gitrepo.neutral import neutral
from autoresearch.patching import diff_paths, strip_count
from autoresearch.records.text import safe_line
from autoresearch.records.values import Rejection


def apply_diff(files: Mapping[str, str], diff: str, prefix: str = "") -> dict[str, str] | Rejection:
    """Return all files after a diff, or why it does not apply; a removed file is missing.

    Args:
        files: the project's texts, by path.
        diff: unified, as `git diff`, `git format-patch` or `diff -u` write it; what stands before
            it is ignored. Wrong line counts in hunk headers are forgiven.
        prefix: of the project in its repository; diffs made at the repository's top are understood.
    """
    strip = strip_count(diff, files, prefix)
    named = {path: files[path] for path in diff_paths(diff, strip) if path in files}
    with neutral("autoresearch-apply-") as git:
        _write(git.directory, named)
        fault = _apply(git, diff, strip)
        after = _read(git.directory) if fault is None else Rejection(f"it does not apply: {fault}")
    if isinstance(after, Rejection):
        return after
    return {path: text for path, text in files.items() if path not in named} | after


def _write(folder: Path, files: Mapping[str, str]) -> None:
    try:
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text.encode("utf-8", "surrogatepass"))
    except OSError as fault:
        raise system_refusal("cannot write a copy of the project", fault) from None


def _apply(git: Git, diff: str, strip: int) -> str | None:
    # As it stands first: recounting would take the signature of a mailed patch for a removed line.
    for options in ((), ("--recount",)):
        answer = git.attempt(
            "-c", "apply.ignoreWhitespace=no",
            "apply", "--whitespace=nowarn", f"-p{strip}", *options,
            stdin=diff.encode("utf-8", "surrogatepass"),
        )  # fmt: skip
        if answer.status == 0:
            return None
    return answer.fault


def _read(folder: Path) -> dict[str, str] | Rejection:
    texts = {}
    for place in sorted(folder.rglob("*")):
        path = place.relative_to(folder).as_posix()
        if place.is_symlink():
            return Rejection(f"it makes {safe_line(path, 80)} a link")
        if place.is_file():
            try:
                texts[path] = place.read_bytes().decode("utf-8")
            except UnicodeDecodeError:
                return Rejection(f"it leaves {safe_line(path, 80)} no UTF-8 text")
    return texts
