"""Two changes of one text: both, where they touch other lines; nothing where they do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch.patching.merging import merge, merge_files

BASE = "a = 1\nb = 2\nc = 3\n"


@pytest.mark.parametrize(
    ("mine", "theirs", "both"),
    [
        ("a = 9\nb = 2\nc = 3\n", "a = 1\nb = 8\nc = 3\n", "a = 9\nb = 8\nc = 3\n"),
        ("a = 9\nb = 9\nc = 3\n", "a = 1\nb = 2\nc = 8\n", "a = 9\nb = 9\nc = 8\n"),
        ("a = 9\nb = 2\nc = 3\n", "a = 9\nb = 2\nc = 3\n", "a = 9\nb = 2\nc = 3\n"),
        ("a = 9\nb = 2\nc = 3\n", "a = 1\nb = 2\nc = 3\nd = 4\n", "a = 9\nb = 2\nc = 3\nd = 4\n"),
        ("a = 9\nb = 2\nc = 3\n", "a = 1\nc = 3\n", "a = 9\nc = 3\n"),
        ("a = 1\nb = 9\nc = 3\n", "a = 1\nc = 3\n", None),
        ("a = 9\nb = 2\nc = 3\n", "a = 8\nb = 2\nc = 3\n", None),
        ("a = 1\nx = 0\nb = 2\nc = 3\n", "a = 1\ny = 0\nb = 2\nc = 3\n", None),
        ("a = 9\nb = 9\nc = 3\n", "a = 9\nb = 2\nc = 8\n", "a = 9\nb = 9\nc = 8\n"),
    ],
)
def test_changes_of_other_lines_are_put_together(mine: str, theirs: str, both: str | None) -> None:
    assert merge(BASE, mine, theirs) == both
    assert merge(BASE, theirs, mine) == both


texts = st.lists(st.sampled_from(["x\n", "y\n", "z\n", "w"]), max_size=8).map("".join)


@given(texts, texts)
def test_what_one_side_left_alone_is_the_other_s(base: str, mine: str) -> None:
    assert merge(base, mine, base) == mine
    assert merge(base, base, mine) == mine
    assert merge(base, mine, mine) == mine


def test_files_are_put_together_one_by_one() -> None:
    base = {"a.py": BASE, "b.py": "x\n"}
    mine, theirs = base | {"a.py": BASE.replace("1", "9")}, base | {"b.py": "y\n", "c.py": "new\n"}
    assert merge_files(base, mine, theirs) == {
        "a.py": BASE.replace("1", "9"), "b.py": "y\n", "c.py": "new\n",
    }  # fmt: skip
    gone = {"a.py": BASE}
    assert merge_files(base, base | {"b.py": "y\n"}, gone) is None
    assert merge_files({}, {"n.py": "1\n"}, {"n.py": "2\n"}) is None
