"""What the guides to the code name is there: files, folders, functions, targets of make."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "autoresearch"
GUIDES = ("docs/architecture.md", "docs/internals.md", "CONTRIBUTING.md")
_PATH = re.compile(r"[\w-][\w./-]*(/|\.(py|md|js|j2))")
_DEFINED_IN = re.compile(r"`([\w./]+\.py)` \(([^)]*)\)")
_NAME = re.compile(r"_?[A-Za-z]\w*(\.\w+)*")
_DEFINITION = re.compile(
    r"^( *)(?:(?:async )?(def|class) (\w+)|(\w+)(?:: [^=\n]+)?(?: =|$))", re.MULTILINE
)


def blocks(text: str) -> Iterator[str]:
    """Yield paragraphs and rows of tables; what the person's own project holds is left out."""
    text = re.sub(r"^```.*?^```", "", text.partition("## Where files lie")[0], flags=re.M | re.S)
    for part in text.split("\n\n"):
        rows = part.splitlines()
        yield from rows if part.startswith("|") else [part]


def ticked(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


def place(name: str, beside: list[str]) -> Path | None:
    """Return what a guide calls a path: from the root, in the package, or beside others named."""
    folders = [ROOT, PACKAGE]
    folders += [PACKAGE / each if each[-1:] == "/" else (PACKAGE / each).parent for each in beside]
    return next((each / name for each in folders if (each / name).exists()), None)


@cache
def defined(path: Path) -> frozenset[str]:
    """Return what a file or folder defines: functions, classes, fields; a class's as Class.name."""
    if path.is_dir():
        return frozenset().union(*map(defined, path.rglob("*.py")))
    names, owner = set[str](), ""
    for found in _DEFINITION.finditer(path.read_text("utf-8")):
        indent, kind, definition, field = found.groups()
        name = definition or field
        owner = "" if not indent else owner
        names |= {name, f"{owner}.{name}"} if owner else {name}
        owner = name if kind == "class" and not indent else owner
    return frozenset(names)


def says_code(name: str) -> bool:
    """Whether a word is surely meant as a name of the code: RunOptions, val_bpb, Turn.control."""
    is_class = name[:1].isupper() and any(each.islower() for each in name)
    if _PATH.fullmatch(name) or not _NAME.fullmatch(name):
        return False
    return is_class or "_" in name


def missing(block: str) -> Iterator[str]:
    """Yield what a paragraph or a row names that is not there."""
    names = ticked(block)
    paths = [each for each in names if _PATH.fullmatch(each)]
    for path in paths:
        if place(path, paths) is None:
            yield path
    for path, listed in _DEFINED_IN.findall(block):
        found = place(path, paths)
        for name in ticked(listed):
            if found and not _PATH.fullmatch(name) and name not in defined(found):
                yield f"{name} in {path}"
    for name in names:
        if says_code(name) and name not in defined(PACKAGE):
            yield name


@pytest.mark.parametrize("guide", GUIDES)
def test_what_a_guide_names_is_there(guide: str) -> None:
    text = (ROOT / guide).read_text("utf-8")
    assert not [each for block in blocks(text) for each in missing(block)]


def test_the_guides_to_the_code_are_looked_at() -> None:
    named = [each for guide in GUIDES[:2] for each in blocks((ROOT / guide).read_text("utf-8"))]
    paths = [each for block in named for each in ticked(block) if _PATH.fullmatch(each)]
    assert len(paths) > 150
    assert sum(len(_DEFINED_IN.findall(block)) for block in named) > 40


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("`research/plan.py` (`plan`) and `ProposerSchedule.next`, `tests/conftest.py`", []),
        ("`research/gone.py`", ["research/gone.py"]),
        ("`research/plan.py` (`unplanned`)", ["unplanned in research/plan.py"]),
        (
            "`research/schedule.py` (`Participant.next`)",
            ["Participant.next in research/schedule.py", "Participant.next"],
        ),
        ("`NoSuchClass` of `no_such_field`", ["NoSuchClass", "no_such_field"]),
        ("`base.py` in `proposers/`, `gone.py`", ["gone.py"]),
    ],
)
def test_what_is_gone_is_found(text: str, gone: list[str]) -> None:
    assert list(missing(text)) == gone


@pytest.mark.parametrize("guide", GUIDES)
def test_targets_of_make_and_benchmarks_are_there(guide: str) -> None:
    text = (ROOT / guide).read_text("utf-8")
    targets = {*re.findall(r"^([\w -]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)}
    known = {name for each in targets for name in each.split()}
    told = {
        name for line in re.findall(r"(?:`|^)make ([a-z -]+)", text, re.M) for name in line.split()
    }
    assert told <= known
    for path in re.findall(
        r"\b((?:tests|benchmarks)/\w+\.py)\b", text.replace("test_NAME", "conftest")
    ):
        assert (ROOT / path).exists(), path
