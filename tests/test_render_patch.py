"""Diffs for a reader: nothing hidden, nothing lost, and the changed words marked."""

import pytest
from rich.text import Text

from autoresearch.render.patch import code, lines
from tests.rendering import HOSTILE, plain


def diff(*rows: str) -> str:
    return "\n".join(["--- a/train.py", "+++ b/train.py", "@@ -1,3 +1,3 @@", *rows])


def marked(line: Text) -> str:
    """Return what is marked of a line."""
    spans = [each for each in line.spans if "reverse" in str(each.style)]
    return "".join(line.plain[each.start : each.end] for each in spans)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["-RATE = 0.02", "+RATE = 0.04"], ["02", "04"]),
        (["-f(a, b)", "+f(a, b, c)"], ["", ", c"]),
        (["-a = 1", "-b = 2", "+a = 1", "+b = 3"], ["", "2", "", "3"]),
        (["-x = one(two)", "+something else entirely here"], ["", ""]),
        (["-only gone"], [""]),
        (["-  f(a)", "+  # why", "+  f(a)"], ["", "# why", ""]),
        (["-if a:", "-  f(a)", "+if a:", "+    f(a)"], ["", "  ", "", "    "]),
    ],
)
def test_changed_words_are_marked(rows: list[str], words: list[str]) -> None:
    shown = list(lines(diff(*rows)))[3:]
    assert [each.plain for each in shown] == rows
    assert [marked(each) for each in shown] == words


def test_heads_and_context_are_no_change() -> None:
    shown = list(lines(diff(" a", "-b", "+c", "\\ No newline at end of file", " d")))
    assert [str(each.style) for each in shown] == [
        "bold", "bold", "cyan", "", "red", "green", "bold", "",
    ]  # fmt: skip


def test_all_text_is_there_and_none_of_it_is_obeyed() -> None:
    console = plain(60)
    rows = [f"-{HOSTILE}", f"+{HOSTILE}!", "+" + "word " * 3000, "-</script>\r\x00"]
    code(diff(*rows), console)
    text = console.export_text()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold red]raise[/]" in text
    assert text.count("word") == 3000
    assert "\\r\\x00" in text


def test_a_large_change_costs_no_quadratic_time() -> None:
    old = [f"-x{number} = {number} * ({number} + 1)" for number in range(3000)]
    new = [f"+y{number} = {number} * ({number} + 2)" for number in range(3000)]
    assert len(list(lines(diff(*old, *new)))) == 6003
