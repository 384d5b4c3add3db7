"""Unified diffs between project files, as we write them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from autoresearch.patching.comparing import LineMatcher

_AWKWARD = re.compile(r'["\\\x00-\x1f\x7f]')
_NOWHERE = "/dev/null"


@dataclass(frozen=True)
class Delta:
    """A unified diff and how many lines it adds and removes."""

    text: str
    added: int
    removed: int


def unified_diff(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Return the diff that `git apply` turns `old` into `new` with; empty where they are equal."""
    return delta(old, new).text


def delta(old: Mapping[str, str], new: Mapping[str, str]) -> Delta:
    """Return the diff from `old` to `new` with its line counts; a missing path is no file."""
    lines: list[str] = []
    added = removed = 0
    for path in sorted({*old, *new}):
        body = _file_diff(path, old.get(path), new.get(path))
        added += sum(line.startswith("+") for line in body[2:])
        removed += sum(line.startswith("-") for line in body[2:])
        lines += body
    return Delta("".join(lines), added, removed)


def _file_diff(path: str, old: str | None, new: str | None) -> list[str]:
    if old == new:
        return []
    before = _quote(f"a/{path}") if old is not None else _NOWHERE
    after = _quote(f"b/{path}") if new is not None else _NOWHERE
    hunks = _hunks(_lines(old or ""), _lines(new or ""))
    return [f"--- {before}\n", f"+++ {after}\n", *map(_with_end_marked, hunks)]


def _hunks(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    for group in LineMatcher(old, new).get_grouped_opcodes():
        (_, first_old, _, first_new, _), (_, _, last_old, _, last_new) = group[0], group[-1]
        yield f"@@ -{_range(first_old, last_old)} +{_range(first_new, last_new)} @@\n"
        for kind, low_old, high_old, low_new, high_new in group:
            if kind == "equal":
                yield from (f" {line}" for line in old[low_old:high_old])
                continue
            yield from (f"-{line}" for line in old[low_old:high_old])
            yield from (f"+{line}" for line in new[low_new:high_new])


def _range(first: int, last: int) -> str:
    """Return lines as a hunk's header names them; for no lines, the line before them."""
    size = last - first
    return f"{first + 1}" if size == 1 else f"{first + (size > 0)},{size}"


def _with_end_marked(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    # Not splitlines: a form feed or U+2028 inside a line is no line end to git.
    return [line for line in re.split(r"(?<=\n)", text) if line]


def _quote(name: str) -> str:
    if _AWKWARD.search(name):
        escaped = _AWKWARD.sub(lambda found: f"\\{ord(found.group()):03o}", name)
        return f'"{escaped}"'
    return f"{name}\t" if " " in name else name
