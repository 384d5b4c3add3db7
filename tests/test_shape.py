"""The figures of the code's shape, on a few lines of code."""

import ast
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
import shape

from autoresearch.records.text import counted

TEXT = """
class Room:
    def __init__(self):
        self._once()
        self._twice()
        _aside()

    def _once(self):
        self._twice()

    def _twice(self):
        pass


async def _aside():
    pass
"""


def source(text: str) -> shape.Source:
    return shape.Source(Path("room.py"), text, ast.parse(text))


def test_helpers_and_lengths_are_counted() -> None:
    assert shape.helpers(source(TEXT)) == (3, 2)
    assert shape.lengths([source(TEXT)]) == [2, 2, 2, 4]


def test_a_run_that_stands_twice_is_found_wherever_it_is_indented() -> None:
    run = [f"line({number})" for number in range(10)]
    one, other = "\n".join(["import a", *run]), "\n".join(f"    {each}" for each in ["if b:", *run])
    found = shape.repeated({"one": one, "other": other})
    assert found == {(name, number) for name in ("one", "other") for number in range(2, 12)}
    assert not shape.repeated({"one": "\n".join(run[1:]), "other": other}), "nine lines are no run"
    assert not shape.repeated({"one": ")\n# a\n" * 20, "other": "import a\n" * 20})


def test_only_what_is_called_while_it_is_looked_at_is_traced() -> None:
    trace = shape.Trace()
    with trace:
        counted(2, "keep")
    assert not trace.modules
    trace.on = True
    with trace:
        counted(2, "keep")
    counted(2, "keep")
    assert trace.modules == {"records/text.py"}


def test_the_table_is_of_the_package() -> None:
    table = dict(shape.rows([source(TEXT)], ["one", "other"]))
    assert table["files"] == "1"
    assert table["modules from a proposal to its verdict"] == "2"
    assert table["private helpers; called once"] == "3; 2 (67%)"
    assert table["lines of a function: median, 95th percentile, longest"] == "2, 4, 4"
