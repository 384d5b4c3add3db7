"""The picture of the floors in docs/ is that of today's imports."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
import floors

DOCS = Path(__file__).parent.parent / "docs"
MADE_UP = {
    "top": frozenset({"middle", "low", "base"}),
    "middle": frozenset({"low", "base"}),
    "low": frozenset({"base"}),
    "base": frozenset[str](),
    "aside": frozenset[str](),
}


def test_the_picture_is_of_todays_imports() -> None:
    drawn = floors.svg(floors.contract(), floors.imports())
    assert floors.PICTURE.read_text("utf-8") == drawn, "run benchmarks/floors.py"


def test_every_room_stands_in_the_table_of_rooms() -> None:
    table = (DOCS / "architecture.md").read_text("utf-8").partition("## The rooms")[2]
    named = {line.split("`")[1].rstrip("/") for line in table.splitlines() if line[:3] == "| `"}
    assert {*floors.imports()} <= named


def test_an_import_that_follows_from_others_has_no_line() -> None:
    lines = [("low", "base"), ("middle", "low"), ("top", "middle")]
    assert floors.needed(MADE_UP) == lines
    assert floors.common(MADE_UP) == {"base"}


def test_a_new_import_changes_the_picture_and_one_that_follows_does_not() -> None:
    rows = [["top"], ["middle"], ["low", "other"], ["base"]]
    drawn = floors.svg(rows, MADE_UP)
    assert 'class="room beside"' in drawn, "aside is on no floor"
    assert drawn.count('class="import"') == 2, "base has its colour, and no lines"
    more = {**MADE_UP, "other": frozenset[str](), "middle": MADE_UP["middle"] | {"other"}}
    fewer = {**more, "top": more["top"] - {"low"}}
    assert floors.svg(rows, more).count('class="import"') == 3
    assert floors.svg(rows, more) == floors.svg(rows, fewer)
