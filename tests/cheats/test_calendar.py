"""No calendar and no clock that can be set is asked by what measures, judges and scores."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import autoresearch

ROOMS = ("workers", "evaluation", "process", "runtime")
SETTABLE = {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow")}
FILES = [
    path
    for room in ROOMS
    for path in sorted((Path(autoresearch.__file__).parent / room).glob("*.py"))
]


def asked(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.value.id, node.attr


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_systems_time_may_be_anything(path: Path) -> None:
    assert not SETTABLE & set(asked(path))
